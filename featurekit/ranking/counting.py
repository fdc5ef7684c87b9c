"""One pass over rows: every column counted against the target.

`Counts` is the sufficient statistic behind a ranking. It takes blocks of rows from
wherever they come, adds up with the counts of other rows, and gives finished columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.frames import Series
from featurekit.data.ingest import ColumnSpec
from featurekit.data.raw import Raw, raw_values
from featurekit.data.vocabulary import MAX_VALUES, Vocabulary
from featurekit.exceptions import SchemaError, warn
from featurekit.execution.local import run_threads
from featurekit.fitting.reading import plain_label
from featurekit.ranking.target import Labels
from featurekit.statistics.contingency import (
    Contingency,
    CountTable,
    quantile_groups,
)

Ints = NDArray[np.int64]

MIN_VALUES = 1 << 10
N_TOP = 5
MIN_BINS = 3


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
            plain_label(values[i], v.dtype) for i in np.flatnonzero(self.place[1:])
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
    most : int, optional
        Values of a column beyond which they go into buckets, in place of
        ``memory_limit``.
    """

    def __init__(
        self,
        names: Sequence[str],
        n_classes: int,
        categorical: Mapping[str, bool | None],
        memory_limit: int | None = None,
        most: int | None = None,
    ) -> None:
        self.names = tuple(names)
        self.n_classes = n_classes
        if most is None:
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

        def count(j: int) -> Any:
            raw = raw_values(columns[j], self.names[j])
            codes = self._add(self.names[j], raw, y, times)
            return codes if keep else None

        codes = self._each(count, n_threads)
        self._add_rows(y, times)
        return codes if keep else []

    def add(
        self,
        raws: Sequence[Raw | None],
        y: Labels,
        times: Ints | None = None,
        n_threads: int = 1,
    ) -> None:
        """As `encode`, of values in raw form."""

        self._each(lambda j: self._add(self.names[j], raws[j], y, times), n_threads)
        self._add_rows(y, times)

    def raws(self, columns: Sequence[Series], n_threads: int = 1) -> list[Raw | None]:
        """Values of a block, after a check that all of them can be counted."""

        def one(j: int) -> Raw | None:
            raw = raw_values(columns[j], self.names[j])
            self.vocabularies[self.names[j]].check(raw)
            return raw

        return self._each(one, n_threads)

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
        self, names: Sequence[str], columns: Sequence[Series], n_threads: int = 1
    ) -> list[NDArray[np.uint32]]:
        """Codes of some columns of rows that were counted already."""

        def code(j: int) -> NDArray[np.uint32]:
            raw = raw_values(columns[j], names[j])
            return self.vocabularies[names[j]].encode(raw, len(columns[j]))[0]

        return _each(code, len(names), n_threads)

    def _each(self, work: Callable[[int], Any], n_threads: int) -> list[Any]:
        return _each(work, len(self.names), n_threads)

    def forget(self, name: str) -> None:
        """Count a column no more."""
        self.names = tuple(other for other in self.names if other != name)
        del self.vocabularies[name], self.tables[name]

    def take(self, name: str, missing: str, n_bins: int) -> Counted:
        """One column, finished; it is not counted any more."""
        out = _counted(
            name, self.vocabularies[name], self.tables[name], missing, n_bins
        )
        self.forget(name)
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

    def class_rows(self) -> Ints:
        """Rows of each class, int64 (n_classes,)."""
        return self.tables[self.names[0]].classes()

    def finish(self, missing: str, n_bins: int, n_threads: int = 1) -> list[Counted]:
        """The columns with their tables in an order that no row order can change.

        Parameters
        ----------
        missing : {"category", "drop"}
        n_bins : int
            Of numbers on a scale.
        n_threads : int
        """

        def one(j: int) -> Counted:
            name = self.names[j]
            vocabulary, table = self.vocabularies[name], self.tables[name]
            return _counted(name, vocabulary, table, missing, n_bins)

        return self._each(one, n_threads)


def _each(work: Callable[[int], Any], n: int, n_threads: int) -> list[Any]:
    """What ``work`` gives of each position."""
    out: list[Any] = [None] * n

    def one(j: int) -> None:
        out[j] = work(j)

    run_threads(one, range(n), n_threads)
    return out


def bins_for(b: Ints, most: int) -> int:
    """How many bins numbers are cut into, for classes of ``b`` rows; ``most`` at most.

    Twice the rows to the power of 2/5 is what a test of equal classes can use (Mann and
    Wald, 1942). Of classes of different sizes all but the largest decide.
    """
    b = b[b > 0]
    rows = float(b.sum() - b.max(initial=0)) / max(len(b) - 1, 1)
    return int(min(most, max(MIN_BINS, round(2 * rows**0.4))))


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
        (
            plain_label(values[order[i] - 1], vocabulary.dtype),
            float(table.sizes[i] / n_rows),
        )
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


def bytes_per_value(n_classes: int) -> int:
    """What a value of a column takes while it is counted, at most."""
    return 8 * n_classes + 64


def _max_values(memory_limit: int | None, n_columns: int, n_classes: int) -> int:
    if memory_limit is None:
        return MAX_VALUES
    most = memory_limit // max(n_columns, 1) // bytes_per_value(n_classes)
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
        warn(
            f"{len(folded)} column(s) have more values than the limit allows and are "
            f"counted in {most:,} buckets by a hash of the value: {folded[:5]}. Values "
            "that share a bucket can only lower what is found. Raise memory_limit to "
            "count more values.",
        )
