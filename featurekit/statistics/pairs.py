"""Two columns together, and two columns against a target, from codes in memory.

Tables of two columns of many values are mostly empty. Nothing here makes one: rows are
grouped by one column, and the counts of its cells with another are noted by how often
each occurs, which is all that entropies and the law of chance depend on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.kernels.registry import kernel
from featurekit.statistics.contingency import LOGS, count_of_counts

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_SMALL = 4096
_EXACT_NODES = 128
_PER_DOUBLING = 24
_XLOGX = np.arange(_SMALL) * np.log(np.maximum(np.arange(_SMALL), 1.0))


@dataclass(frozen=True, eq=False)
class Rows:
    """Codes of columns, row by row.

    Attributes
    ----------
    codes : sequence of unsigned integer arrays (n,)
    sizes : sequence of int
        Codes of each column are below it.
    y : uint16 array (n,)
    n_classes : int
    times : int64 array (n,)
        How often each row counts.
    """

    codes: Sequence[NDArray[Any]]
    sizes: Sequence[int]
    y: NDArray[np.uint16]
    n_classes: int
    times: Ints

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n_total(self) -> int:
        """Rows, counted as often as they count."""
        return int(self.times.sum())

    def head(self, n: int) -> Rows:
        """The first rows; views."""
        codes = [c[:n] for c in self.codes]
        return Rows(codes, self.sizes, self.y[:n], self.n_classes, self.times[:n])

    def repeated(self, most: int) -> Rows:
        """Each row as often as it counts, if that makes no more than ``most``."""
        if self.n_total > most:
            return self
        at = np.repeat(np.arange(len(self)), self.times)
        codes = [c[at] for c in self.codes]
        times = np.ones(len(at), np.int64)
        return Rows(codes, self.sizes, self.y[at], self.n_classes, times)

    def times_of_fold(self, fold: int, n_folds: int) -> Ints:
        """How often each row counts in one fold: alike rows are dealt out in turn."""
        first = (np.arange(len(self)) + fold) % n_folds
        return (self.times + first) // n_folds

    def classes(self) -> Ints:
        """Rows of each class, int64 (C,)."""
        return self.value_sizes(self.y, self.n_classes)

    def value_sizes(self, codes: NDArray[Any], size: int) -> Ints:
        """Rows of each code, int64 (size,)."""
        # sums of whole numbers below 2**53 are exact in floats
        return np.bincount(codes, self.times, minlength=size).astype(np.int64)


class Group:
    """Rows put in order of one column's values."""

    def __init__(self, rows: Rows, codes: NDArray[Any], size: int) -> None:
        self._rows = rows
        self.start = np.empty(size + 1, np.int64)
        self._order = np.empty(len(rows), np.int32)
        kernel("group_rows")(codes, size, self.start, self._order)
        self.times = rows.times[self._order]
        self.y = rows.y[self._order]
        self._right = np.empty(len(rows), np.uint32)
        self._large = np.empty(rows.n_total // _SMALL + 2, np.int64)

    def pair(self, codes: NDArray[Any], size: int) -> float:
        """Sum of k ln k over the cells with another column."""
        kernel("gather")(codes, self._order, self._right)
        small = np.zeros(_SMALL, np.int64)
        n_large = kernel("pair_counts")(
            self.start, self._right, self.times, np.zeros(size, np.int64), small,
            self._large,
        )  # fmt: skip
        return _sum_xlogx(small, self._large[:n_large])

    def cross(self, codes: NDArray[Any], size: int) -> tuple[float, Ints, Ints]:
        """The pair of values against the target.

        Returns
        -------
        difference : float
            Sum of k ln k over cells of pair and class, less that over pairs.
        sizes : int64 array (pairs,)
            Rows of each pair of values, those of a left value in a run.
        bounds : int64 array (K + 1,)
            Where the run of each left value begins.
        """
        rows = self._rows
        kernel("gather")(codes, self._order, self._right)
        small = np.zeros(_SMALL, np.int64)
        sizes, bounds = np.empty(len(rows), np.int64), np.empty_like(self.start)
        n_large = kernel("cross_counts")(
            self.start, self._right, self.y, self.times, rows.n_classes,
            np.zeros(size * (rows.n_classes + 1), np.int64), small, self._large,
            sizes, bounds,
        )  # fmt: skip
        sizes = sizes[: bounds[-1]]
        cells = _sum_xlogx(small, self._large[:n_large])
        return cells - sum_xlogx(sizes), sizes, bounds


def _sum_xlogx(small: Ints, large: Ints) -> float:
    found = np.flatnonzero(small)
    total = float((small[found] * _XLOGX[found]).sum())
    large = np.sort(large).astype(np.float64)
    return total + float((large * np.log(large)).sum())


def sum_xlogx(counts: Ints) -> float:
    """Sum of k ln k, whatever the order of the counts."""
    values, times = count_of_counts(counts[counts > 0])
    logs = values * np.log(np.maximum(values, 1))
    return float((times * logs).sum())


class Nodes:
    """Counts that stand for all: every one up to 128, then 24 to each doubling.

    What chance adds to a table is a smooth function of the counts of its margins. In
    between nodes it is interpolated by cubics of the logarithm, to some eight digits.
    """

    def __init__(self, most: int) -> None:
        n_steps = 0
        if most > _EXACT_NODES:
            n_steps = math.ceil(math.log2(most / _EXACT_NODES) * _PER_DOUBLING) + 1
        steps = _EXACT_NODES * 2.0 ** (np.arange(1, n_steps + 1) / _PER_DOUBLING)
        exact = np.arange(1, min(most, _EXACT_NODES) + 1)
        nodes = np.concatenate([exact, np.minimum(np.rint(steps), most)])
        self.values = np.unique(nodes).astype(np.int64)
        self._logs = np.log(self.values)

    def spread(self, counts: Ints, times: Ints) -> tuple[Ints, Floats]:
        """Nodes and weights that stand for counts.

        Parameters
        ----------
        counts : int64 array (m,)
            Distinct, from 1 to the most.
        times : int64 array (m,)

        Returns
        -------
        at : int64 array
            Positions in ``values``, rising.
        weights : float64 array
        """
        at = np.searchsorted(self.values, counts)
        exact = self.values[at] == counts
        weights = np.zeros(len(self.values))
        weights[at[exact]] = times[exact]
        if not exact.all():
            x = np.log(counts[~exact])
            first = np.clip(at[~exact] - 2, 0, len(self.values) - 4)
            four = first[:, None] + np.arange(4)
            nodes = self._logs[four]
            for j in range(4):
                part = times[~exact].astype(np.float64)
                for k in range(4):
                    if k != j:
                        part = part * (x - nodes[:, k]) / (nodes[:, j] - nodes[:, k])
                np.add.at(weights, four[:, j], part)
        used = np.flatnonzero(weights)
        return used, weights[used]


class CrossNull:
    """What chance gives a cross of columns, against one target.

    Parameters
    ----------
    b : int64 array (C,)
        Rows of each class.
    """

    def __init__(self, b: Ints) -> None:
        self._b = b[b > 0]
        self._n = int(b.sum())
        self._nodes = Nodes(self._n)
        _, first, at = np.unique(self._b, return_index=True, return_inverse=True)
        self._same = first[at]
        self._parts = self._parts_of(self._nodes.values)

    def _parts_of(self, counts: Ints) -> Floats:
        parts = np.empty((len(counts), 2 + 2 * len(self._b)))
        kernel("null_of_counts")(counts, self._b, self._same, self._n, LOGS, parts)
        return parts

    def moments(self, sizes: Ints) -> tuple[float, float]:
        """Mean and standard deviation of the mutual information, nats.

        Parameters
        ----------
        sizes : int64 array (K,)
            Rows of each value; 0 is left out.
        """
        # what a value of most rows has in common with the others grows without bound
        # as they become few, and no cubic follows that
        most = sizes[2 * sizes > self._n]
        others = sizes[(sizes > 0) & (2 * sizes <= self._n)]
        at, weights = self._nodes.spread(*count_of_counts(others))
        parts = np.concatenate([self._parts[at], self._parts_of(most)])
        weights = np.concatenate([weights, np.ones(len(most))])
        out = np.empty(2)
        rows = np.arange(len(parts))
        kernel("null_of_table")(rows, weights, parts, self._b, self._n, out)
        return out[0] / self._n, math.sqrt(out[1]) / self._n


def null_within(bounds: Ints, sizes: Ints, table: Ints) -> tuple[float, float]:
    """What chance gives a column where labels are shuffled within strata.

    Parameters
    ----------
    bounds : int64 array (S + 1,)
        Where the values of each stratum begin.
    sizes : int64 array (values,)
        Rows of each of the column's values within the stratum.
    table : int64 array (S, C)
        Rows of each class in each stratum.

    Returns
    -------
    mean, sd : float
        Of the mutual information given the stratum, nats.
    """
    out = np.empty(2)
    kernel("null_within")(bounds, sizes, table, LOGS, out)
    n = max(int(table.sum()), 1)
    return out[0] / n, math.sqrt(out[1]) / n


class PairNull:
    """What chance gives two columns of the same ``n`` rows; remembers what it finds.

    Not to be used by several threads at once.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._nodes = Nodes(n)
        self._memo = np.full((len(self._nodes.values),) * 2, np.nan)

    def margin(self, sizes: Ints) -> tuple[Ints, Floats]:
        """A column's counts, as `mean` takes them."""
        return self._nodes.spread(*count_of_counts(sizes[sizes > 0]))

    def mean(self, a: tuple[Ints, Floats], b: tuple[Ints, Floats]) -> float:
        """Expected mutual information of two columns, nats."""
        total = kernel("null_of_pairs")(
            *a, *b, self._nodes.values, self._n, LOGS, self._memo
        )
        return max(0.0, total / self._n)
