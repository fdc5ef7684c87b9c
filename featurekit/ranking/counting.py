"""One pass over rows: every column counted against the target.

`Counts` is the sufficient statistic behind a ranking. It takes blocks of rows from
wherever they come, adds up with the counts of other rows, and gives finished columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.frames import Series
from featurekit.data.ingest import ColumnSpec
from featurekit.data.vocabulary import MAX_VALUES, Raw, Vocabulary, raw_values
from featurekit.exceptions import FeatureKitWarning, SchemaError
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
N_TOP = 5


class TargetCodes:
    """A target as class codes: labels, or quantile bins of numbers.

    Attributes
    ----------
    task : {"classification", "regression"}
    labels : list
        Class labels, sorted; bins are numbers from 0.
    edges : float64 array
        Least value of each bin but the first, for regression.
    lows : list
        Least value of each bin as it was given; the labels of classes.
    """

    def __init__(
        self, task: str, labels: Sequence[Any], edges: Any = None, lows: Any = None
    ) -> None:
        self.task = task
        self.labels = list(labels)
        self.edges = edges
        self.lows = list(labels if lows is None else lows)

    @classmethod
    def learn(
        cls, blocks: Iterable[tuple[Series, Ints | None]], task: str, name: str
    ) -> TargetCodes:
        """Decide from all blocks of the target what its classes or bins are.

        Parameters
        ----------
        blocks : iterable of (series, times)
            With how often each row counts, or None.
        task : str
        name : str
        """
        # numbers stay in order, for they may turn out to be no classes
        vocabulary = Vocabulary(name, task not in ("auto", "regression"))
        sizes = np.zeros(1, np.int64)
        for block, times in blocks:
            raw = _no_gaps(raw_values(block, name), len(block), name)
            codes, moved = vocabulary.encode(raw, len(block))
            if moved is not None:
                old, sizes = sizes, np.zeros(vocabulary.n_values + 1, np.int64)
                np.add.at(sizes, moved[: len(old)], old)
            counts = np.bincount(codes, times, minlength=len(sizes)).astype(np.int64)
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
        values = np.asarray(vocabulary.distinct())[order - 1]
        groups = quantile_groups(sizes[order], TARGET_BINS)
        lows = values[np.flatnonzero(np.diff(groups, prepend=-1))]
        labels = list(range(len(lows)))
        return cls("regression", labels, lows[1:].astype(np.float64), lows.tolist())

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
        known = set(self.labels)
        lacking = [v for v in found if v not in known]
        if lacking and not grow:
            raise ValueError(f"y has labels that were not announced: {lacking[:5]}")
        if lacking:
            self.labels = _in_order([*self.labels, *lacking])
        place = {label: i for i, label in enumerate(self.labels)}
        lookup = np.array([0, *(place[v] for v in found)], np.uint16)
        return lookup[codes]

    def absorb(self, other: TargetCodes) -> Ints:
        """Take another's labels in; where its classes are here, int64 (classes,)."""
        same = self.task == other.task
        if self.task == "regression":
            same = same and np.array_equal(self.edges, other.edges)
        if not same:
            raise ValueError(
                "the two cut the target in different ways; counts add up only where "
                "its classes or bins are the same"
            )
        self.labels = _in_order({*self.labels, *other.labels})
        place = {label: i for i, label in enumerate(self.labels)}
        return np.array([place[label] for label in other.labels], np.int64)

    def check(self) -> None:
        """Whether there is anything to tell apart."""
        if len(self.labels) < 2 and self.task == "regression":
            raise ValueError(
                f"y is {self.lows[0]!r} on every row; there is nothing to learn. Check "
                "how y was made."
            )
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


def _in_order(labels: Iterable[Any]) -> list[Any]:
    labels = list(labels)
    try:
        return sorted(labels)
    except TypeError:
        types = {type(label).__name__: label for label in labels}
        raise SchemaError(f"labels of different types: {types}") from None


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
        if raw.family == "number":
            gone += int((~np.isfinite(_values(raw))).sum())
    if gone:
        raise ValueError(
            f"Input {name} contains NaN: {gone} of {n} values are missing or infinite. "
            "Drop those rows; they cannot be filled in."
        )
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
    top : list of (value, share)
        The most frequent values, and their share of all rows.
    class_rows : int64 array (classes,)
        Rows of each class, missing values among them.
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
    top: list[tuple[Any, float]]
    class_rows: Ints
    vocabulary: Vocabulary

    def combinations(self) -> Ints:
        """Of a cross, the number of each combination seen, in the table's order.

        Rows where all is missing have no number; they are first in the table.
        """
        ids = np.asarray(self.vocabulary.distinct(), np.int64)
        return np.sort(ids[self.place[1:] > 0])

    def spec(self) -> ColumnSpec:
        """The column as what a schema says of it."""
        v = self.vocabulary
        if v.family is None:
            return ColumnSpec(self.name, "numeric", (), "null")
        if v.scale:
            kind = "datetime" if v.family == "time" else "numeric"
            return ColumnSpec(self.name, kind, (), v.dtype)  # type: ignore[arg-type]
        values = v.distinct()
        known = sorted(
            _plain(values[i], v.dtype) for i in np.flatnonzero(self.place[1:])
        )
        return ColumnSpec(self.name, "categorical", tuple(known), v.dtype)


class Counts:
    """Columns counted against a target, block by block.

    Parameters
    ----------
    names : sequence of str
    n_classes : int
    categorical : mapping of str to bool or None
        As `Vocabulary` takes it.
    memory_limit : int or None
        Bytes for all tables; categories of a column that would take more than its
        share go into buckets.
    """

    def __init__(
        self,
        names: Sequence[str],
        n_classes: int,
        categorical: Mapping[str, bool | None],
        memory_limit: int | None = None,
    ) -> None:
        self.names = tuple(names)
        self.n_classes = n_classes
        most = _max_values(memory_limit, len(self.names), n_classes)
        self.vocabularies = {
            name: Vocabulary(name, categorical[name], most) for name in self.names
        }
        self.tables = {name: Contingency(n_classes) for name in self.names}
        self.n_rows = 0

    def encode(
        self,
        columns: Sequence[Series],
        y: Labels,
        times: Ints | None = None,
        n_threads: int = 1,
        keep: bool = False,
    ) -> list[NDArray[np.uint32]]:
        """Count a block of columns; their codes, if they are to be kept.

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
            codes = self._add(
                self.names[j], raw_values(columns[j], self.names[j]), y, times
            )
            if keep:
                kept[j] = codes

        run_threads(count, range(len(self.names)), n_threads)
        self._add_rows(y, times)
        return kept if keep else []

    def add(
        self,
        raws: Sequence[Raw | None],
        y: Labels,
        times: Ints | None = None,
        n_threads: int = 1,
    ) -> None:
        """As `encode`, of values in raw form."""

        def count(j: int) -> None:
            self._add(self.names[j], raws[j], y, times)

        run_threads(count, range(len(self.names)), n_threads)
        self._add_rows(y, times)

    def raws(self, columns: Sequence[Series], n_threads: int = 1) -> list[Raw | None]:
        """Values of a block, after a check that all of them can be counted."""
        out: list[Any] = [None] * len(self.names)

        def one(j: int) -> None:
            name = self.names[j]
            out[j] = raw_values(columns[j], name)
            self.vocabularies[name].check(out[j])

        run_threads(one, range(len(self.names)), n_threads)
        return out

    def check_merge(self, other: Counts) -> None:
        """Whether `merge` will do."""
        if self.names != other.names:
            raise SchemaError(
                "the two have different columns: "
                f"{sorted(set(self.names) ^ set(other.names)) or 'in another order'}"
            )
        for name in self.names:
            self.vocabularies[name].check_absorb(other.vocabularies[name])

    def codes(
        self, columns: Sequence[Series], n_threads: int = 1
    ) -> list[NDArray[np.uint32]]:
        """Codes of rows that were counted already."""
        out: list[Any] = [None] * len(self.names)

        def code(j: int) -> None:
            raw = raw_values(columns[j], self.names[j])
            vocabulary = self.vocabularies[self.names[j]]
            out[j] = vocabulary.encode(raw, len(columns[j]))[0]

        run_threads(code, range(len(self.names)), n_threads)
        return out

    def _add(
        self, name: str, raw: Raw | None, y: Labels, times: Ints | None
    ) -> NDArray[np.uint32]:
        vocabulary, table = self.vocabularies[name], self.tables[name]
        codes, moved = vocabulary.encode(raw, len(y))
        if moved is not None:
            table.move(moved, vocabulary.n_values + 1)
        table.add(codes, y, vocabulary.n_values + 1, times)
        return codes

    def _add_rows(self, y: Labels, times: Ints | None) -> None:
        self.n_rows += len(y) if times is None else int(times.sum())

    def reclass(self, to: Ints, n_classes: int) -> None:
        """Follow the target's classes: class c is now ``to[c]``, of ``n_classes``."""
        self.n_classes = n_classes
        for table in self.tables.values():
            table.reclass(to, n_classes)

    def merge(self, other: Counts, to: Ints) -> None:
        """Add the counts of other rows, whose class c is ``to[c]`` here."""
        self.check_merge(other)
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
    values = vocabulary.distinct()
    most = _most(table.sizes)
    top = [
        (_plain(values[order[i] - 1], vocabulary.dtype), float(table.sizes[i] / n_rows))
        for i in most
    ]
    rare = float((table.sizes == 1).sum() / max(len(order), 1))
    groups = np.arange(len(order))
    edges = None
    if vocabulary.scale and len(order):
        groups = quantile_groups(table.sizes, n_bins)
        table = table.grouped(groups)
        first = np.flatnonzero(np.diff(groups, prepend=-1))
        edges = np.asarray(values)[order[first] - 1].astype(np.float64)
    place = np.zeros(vocabulary.n_values + 1, np.int64)
    place[order] = groups + 1
    if missing == "category" and n_missing:
        table = table.with_first(counts.table(np.zeros(1, np.int64)))
    return Counted(
        name, table, place, int(groups[-1]) + 1 if len(groups) else 0,
        1.0 - n_missing / max(n_rows, 1), cardinality, rare, edges, top,
        counts.classes(), vocabulary,
    )  # fmt: skip


def _most(sizes: Ints) -> Ints:
    """The positions of the greatest sizes, the greatest first; of alike, the first."""
    at = np.arange(len(sizes))
    if len(sizes) > N_TOP:
        at = np.flatnonzero(sizes >= np.partition(sizes, -N_TOP)[-N_TOP])
    return at[np.argsort(-sizes[at], kind="stable")][:N_TOP]


def most_columns(n: int, n_classes: int, memory_limit: int | None) -> int:
    """``n``, or how many columns there is memory for."""
    if memory_limit is None:
        return n
    return min(n, max(1, memory_limit // ((8 * n_classes + 64) * MIN_VALUES)))


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


def warn_of_buckets(counts: Counts) -> None:
    """Say which columns are counted in buckets."""
    folded = [name for name, v in counts.vocabularies.items() if v.folded]
    if folded:
        most = counts.vocabularies[folded[0]].max_values
        warnings.warn(
            f"{len(folded)} column(s) have more values than the limit allows and are "
            f"counted in {most:,} buckets by a hash of the value: {folded[:5]}. Values "
            "that share a bucket can only lower what is found. Raise memory_limit to "
            "count more values.",
            FeatureKitWarning,
            stacklevel=4,
        )
