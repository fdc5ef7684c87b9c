"""One pass over rows: every column counted against the target.

`Counts` is the sufficient statistic behind a ranking. It takes blocks of rows from
wherever they come, adds up with the counts of other rows, and gives finished columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.frames import Series
from featurekit.data.ingest import ColumnSpec
from featurekit.data.vocabulary import MAX_VALUES, Raw, Vocabulary, raw_values
from featurekit.exceptions import SchemaError
from featurekit.execution.local import run_threads
from featurekit.statistics.contingency import (
    Contingency,
    CountTable,
    quantile_groups,
)

Ints = NDArray[np.int64]
Labels = NDArray[np.uint16]

TARGET_BINS = 10
MAX_CLASSES = 1 << 16
MAX_GUESSED_CLASSES = 20
MIN_VALUES = 1 << 10


class TargetCodes:
    """A target as class codes: labels, or quantile bins of numbers.

    Attributes
    ----------
    task : {"classification", "regression"}
    labels : list
        Class labels, sorted; bins are numbers from 0.
    edges : float64 array
        Least key of each bin but the first, for regression.
    """

    def __init__(self, task: str, labels: Sequence[Any], edges: Any = None) -> None:
        self.task = task
        self.labels = list(labels)
        self.edges = edges

    @classmethod
    def learn(cls, blocks: Iterable[Series], task: str, name: str) -> TargetCodes:
        """Decide from all blocks of the target what its classes or bins are."""
        vocabulary = Vocabulary(name, None if task == "auto" else task != "regression")
        sizes = np.zeros(1, np.int64)
        for block in blocks:
            raw = _no_gaps(raw_values(block, name), len(block), name)
            codes, moved = vocabulary.encode(raw, len(block))
            if moved is not None:
                old, sizes = sizes, np.zeros(vocabulary.n_values + 1, np.int64)
                np.add.at(sizes, moved[: len(old)], old)
            counts = np.bincount(codes, minlength=len(sizes))
            counts[: len(sizes)] += sizes
            sizes = counts
        if vocabulary.family is None:
            raise ValueError(f"the target {name!r} has no rows")
        order = vocabulary.order()
        values = vocabulary.distinct()
        found = [values[i - 1] for i in order]
        if task == "auto":
            task = _guess(vocabulary, found)
        if task == "regression":
            return cls._binned(vocabulary, order, sizes, name)
        return cls("classification", [_plain(v, vocabulary.dtype) for v in found])

    @classmethod
    def _binned(
        cls, vocabulary: Vocabulary, order: Ints, sizes: Ints, name: str
    ) -> TargetCodes:
        if vocabulary.family == "text":
            raise ValueError(
                "task='regression' needs a target of numbers; for labels use "
                "task='classification'"
            )
        values = np.asarray(vocabulary.distinct())[order - 1].astype(np.float64)
        groups = quantile_groups(sizes[order], TARGET_BINS)
        first = np.flatnonzero(np.diff(groups)) + 1
        return cls("regression", list(range(len(first) + 1)), values[first])

    def encode(self, y: Series, name: str, grow: bool = False) -> Labels:
        """Class codes of a block; with ``grow`` labels not seen before are added.

        When labels are added the codes of the others may change: ``labels`` is sorted.
        """
        raw = _no_gaps(raw_values(y, name), len(y), name)
        assert raw is not None
        if self.task == "regression":
            keys = np.asarray(_values(raw)).astype(np.float64)
            return np.searchsorted(self.edges, keys, side="right").astype(np.uint16)
        local = Vocabulary(name, True)
        codes, _ = local.encode(raw, len(y))
        found = [_plain(v, raw.dtype) for v in local.distinct()]
        lacking = [v for v in found if v not in set(self.labels)]
        if lacking and not grow:
            raise ValueError(f"y has labels that were not announced: {lacking[:5]}")
        if lacking:
            try:
                self.labels = sorted([*self.labels, *lacking])
            except TypeError:
                raise SchemaError(
                    f"labels of different types: {self.labels[0]!r}, {lacking[0]!r}"
                ) from None
        place = {label: i for i, label in enumerate(self.labels)}
        lookup = np.array([0, *(place[v] for v in found)], np.uint16)
        return lookup[codes]

    def check(self) -> None:
        """Whether there is anything to tell apart."""
        if len(self.labels) < 2:
            raise ValueError(
                f"y has one class only ({self.labels[0]!r}); nothing to tell apart. "
                "Check how y was selected, or pass rows of at least two classes."
            )
        if len(self.labels) > MAX_CLASSES:
            raise ValueError(
                f"y has {len(self.labels):,} classes, more than {MAX_CLASSES:,}: is it "
                "an id? For numbers use task='regression'."
            )


def _values(raw: Raw) -> Any:
    from featurekit.data.vocabulary import floats_of

    return floats_of(raw.values) if raw.family == "number" else raw.values


def _no_gaps(raw: Raw | None, n: int, name: str) -> Raw | None:
    if n == 0:
        return raw
    gone = n
    if raw is not None:
        gone = 0 if raw.gone is None else int(raw.gone.sum())
        gone += raw.values.null_count() if raw.family == "text" else 0
    if gone:
        raise ValueError(
            f"Input y contains NaN: {gone} of {n} values of {name!r} are missing. Drop "
            "those rows; a target cannot be filled in."
        )
    if raw is not None and raw.family == "number":
        if not np.isfinite(_values(raw)).all():
            raise ValueError("Input y contains infinity; drop or clip those rows.")
    return raw


def _guess(vocabulary: Vocabulary, found: list[Any]) -> str:
    if vocabulary.family == "text" or vocabulary.dtype == "boolean":
        return "classification"
    few = len(found) <= MAX_GUESSED_CLASSES and vocabulary.shift == 0
    if vocabulary.family == "whole":
        return "classification" if few else "regression"
    if vocabulary.family == "number" and few and all(v == int(v) for v in found):
        return "classification"
    return "regression"


def _plain(value: Any, dtype: str) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if dtype == "boolean":
        return bool(value)
    return value


@dataclass(frozen=True, eq=False)
class Counted:
    """A column with its finished table.

    Attributes
    ----------
    name : str
    table : CountTable
        Values in their order; missing first, if it is a value.
    place : int64 array (codes,)
        Position of each of the vocabulary's codes: 0 is missing, the others from 1 on.
    n_places : int
        Positions there are, without that of missing.
    coverage : float
        Share of rows that are not missing.
    cardinality : float
        Distinct values, missing not among them.
    rare_share : float
        Share of these that occur once.
    edges : float64 array or None
        Least value of each bin, for numbers on a scale.
    vocabulary : Vocabulary
    """

    name: str
    table: CountTable
    place: Ints
    n_places: int
    coverage: float
    cardinality: float
    rare_share: float
    edges: NDArray[np.float64] | None
    vocabulary: Vocabulary

    def spec(self) -> ColumnSpec:
        """The column as what a schema says of it."""
        v = self.vocabulary
        if v.family is None:
            return ColumnSpec(self.name, "numeric", (), "null")
        if v.scale:
            kind = "datetime" if v.family == "time" else "numeric"
            return ColumnSpec(self.name, kind, (), v.dtype)  # type: ignore[arg-type]
        values = v.distinct()
        kept = np.flatnonzero(self.place[1:]) if len(self.place) > 1 else []
        known = sorted(_plain(values[i], v.dtype) for i in kept)
        return ColumnSpec(self.name, "categorical", tuple(known), v.dtype)


class Counts:
    """Columns counted against a target, block by block.

    Parameters
    ----------
    names : sequence of str
    target : TargetCodes
    categorical : mapping of str to bool or None
        As `Vocabulary` takes it.
    memory_limit : int or None
        Bytes for all tables; categories of a column that would take more than its
        share go into buckets.
    """

    def __init__(
        self,
        names: Sequence[str],
        target: TargetCodes,
        categorical: Mapping[str, bool | None],
        memory_limit: int | None = None,
    ) -> None:
        self.names = tuple(names)
        self.target = target
        most = _max_values(memory_limit, len(self.names), len(target.labels))
        self.vocabularies = {
            name: Vocabulary(name, categorical[name], most) for name in self.names
        }
        self.tables = {name: Contingency(len(target.labels)) for name in self.names}
        self.n_rows = 0

    def encode(
        self,
        columns: Sequence[Series],
        y: Labels,
        times: Ints | None = None,
        n_threads: int = 1,
        keep: bool = False,
    ) -> list[NDArray[np.uint32]]:
        """Count a block; its codes, if they are to be kept.

        Parameters
        ----------
        columns : sequence of series (n,)
            One for each name.
        y : uint16 array (n,)
            Class codes.
        times : int64 array (n,), optional
            How often each row counts; rows of 0 are not here.
        n_threads : int
        keep : bool
        """
        kept: list[Any] = [None] * len(self.names)

        def count(j: int) -> None:
            name = self.names[j]
            vocabulary, table = self.vocabularies[name], self.tables[name]
            codes, moved = vocabulary.encode(raw_values(columns[j], name), len(y))
            if moved is not None:
                table.move(moved, vocabulary.n_values + 1)
            table.add(codes, y, vocabulary.n_values + 1, times)
            if keep:
                kept[j] = codes

        run_threads(count, range(len(self.names)), n_threads)
        self.n_rows += len(y) if times is None else int(times.sum())
        return kept if keep else []

    def relabel(self, old: Sequence[Any]) -> None:
        """Follow the target's labels, which grew from ``old``."""
        labels = self.target.labels
        if list(old) == labels:
            return
        place = {label: i for i, label in enumerate(labels)}
        to = np.array([place[label] for label in old], np.int64)
        for table in self.tables.values():
            table.reclass(to, len(labels))

    def merge(self, other: Counts) -> None:
        """Add the counts of other rows."""
        if self.names != other.names:
            raise SchemaError(
                "the two have different columns: "
                f"{sorted(set(self.names) ^ set(other.names)) or 'in another order'}"
            )
        mine, theirs = self.target, other.target
        if mine.task != theirs.task or (
            mine.task == "regression"
            and not np.array_equal(mine.edges, theirs.edges)
        ):
            raise ValueError(
                "the two cut the target in different ways; counts of a numeric target "
                "add up only where its bins are the same"
            )
        if mine.task == "classification":
            old = list(mine.labels)
            mine.labels = sorted({*mine.labels, *theirs.labels})
            self.relabel(old)
        place = {label: i for i, label in enumerate(mine.labels)}
        to = np.array([place[label] for label in theirs.labels], np.int64)
        for name in self.names:
            codes, moved = self.vocabularies[name].absorb(other.vocabularies[name])
            n_values = self.vocabularies[name].n_values + 1
            table = self.tables[name]
            if moved is not None:
                table.move(moved, n_values)
            table.merge(other.tables[name], codes, to, n_values)
        self.n_rows += other.n_rows

    def finish(self, missing: str, n_bins: int, n_threads: int = 1) -> list[Counted]:
        """The columns with their tables in an order that no row order can change."""
        out: list[Any] = [None] * len(self.names)

        def one(j: int) -> None:
            name = self.names[j]
            vocabulary, table = self.vocabularies[name], self.tables[name]
            out[j] = _counted(name, vocabulary, table, missing, n_bins)

        run_threads(one, range(len(self.names)), n_threads)
        return out


def _counted(
    name: str, vocabulary: Vocabulary, counts: Contingency, missing: str, n_bins: int
) -> Counted:
    sizes = counts.per_code()
    n_rows = int(sizes.sum())
    order = vocabulary.order()
    order = order[sizes[order] > 0]
    table = counts.table(order)
    n_missing = int(sizes[0]) if len(sizes) else 0
    cardinality = float(len(order))
    if vocabulary.folded:
        # occupied buckets of M: the number of values that is likeliest to fill so many
        m = vocabulary.max_values
        cardinality = -m * float(np.log1p(-min(len(order), m - 1) / m))
    rare = float((table.sizes == 1).sum() / max(len(order), 1))
    groups = np.arange(len(order))
    edges = None
    if vocabulary.scale and len(order):
        groups = quantile_groups(table.sizes, n_bins)
        table = table.grouped(groups)
        first = np.flatnonzero(np.diff(groups, prepend=-1))
        edges = np.asarray(vocabulary.distinct())[order[first] - 1].astype(np.float64)
    place = np.zeros(vocabulary.n_values + 1, np.int64)
    place[order] = groups + 1
    if missing == "category" and n_missing:
        table = table.with_first(counts.table(np.zeros(1, np.int64)))
    return Counted(
        name, table, place, int(groups[-1]) + 1 if len(groups) else 0,
        1.0 - n_missing / max(n_rows, 1), cardinality, rare, edges, vocabulary,
    )  # fmt: skip


def _max_values(memory_limit: int | None, n_columns: int, n_classes: int) -> int:
    if memory_limit is None:
        return MAX_VALUES
    most = memory_limit // max(n_columns, 1) // (8 * n_classes + 64)
    if most < MIN_VALUES:
        raise MemoryError(
            f"memory_limit={memory_limit / 2**20:,.1f} MiB leaves {n_columns} columns "
            f"room for {most:,} values each; at least {MIN_VALUES:,} are needed. Raise "
            "the limit or leave columns out."
        )
    return min(MAX_VALUES, 1 << (int(most).bit_length() - 1))
