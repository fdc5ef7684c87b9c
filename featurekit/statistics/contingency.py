"""Counts per value and class: one pass, additive, and enough for every statistic here.

`Contingency` holds the counts of one column against the classes of a target. They are
added block by block and shard by shard. `finish` reads off a finished table what a
ranking may want to know, among it what chance alone would give: the expected mutual
information under a shuffle of the labels, exactly, and its standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.kernels.registry import kernel, read_only
from featurekit.statistics.tails import LOGS, p_values

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

DENSE_CELLS = 1 << 24
SMOOTHING = 10.0
WOE_PRIOR = 1.0
_FEW = 4096


class Contingency:
    """Counts of one column's codes in each class.

    Parameters
    ----------
    n_classes : int

    Notes
    -----
    The table is dense up to `DENSE_CELLS` cells, and beyond a sorted list of those
    that are not empty.
    """

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes
        self.n_values = 0
        self._dense: Ints | None = np.zeros(0, np.int64)
        self._cells = np.zeros(0, np.int64)
        self._counts = np.zeros(0, np.int64)

    def add(
        self,
        codes: NDArray[Any],
        y: NDArray[np.uint16],
        n_values: int,
        times: Ints | None = None,
    ) -> None:
        """Count a block of rows.

        Parameters
        ----------
        codes : unsigned integer array (n,)
            Below ``n_values``.
        y : uint16 array (n,)
            Below ``n_classes``.
        n_values : int
        times : int64 array (n,), optional
            How often each row counts.
        """
        self._widen(n_values)
        c = self.n_classes
        if self._dense is not None:
            if times is None:
                kernel("count_codes")(read_only(codes), y, c, self._dense)
            else:
                kernel("count_repeated")(read_only(codes), y, times, c, self._dense)
            return
        cells = codes.astype(np.int64) * c + y
        if times is None:
            found, counts = np.unique(cells, return_counts=True)
        else:
            found, at = np.unique(cells, return_inverse=True)
            counts = np.zeros(len(found), np.int64)
            np.add.at(counts, at, times)
        self._join(found, counts)

    def reclass(self, to: Ints, n_classes: int) -> None:
        """Give class c the code ``to[c]``, of ``n_classes``."""
        cells, counts = self.cells()
        old = self.n_classes
        n_values, self.n_values = self.n_values, 0
        self.n_classes = n_classes
        self._dense = np.zeros(0, np.int64)
        self._cells = self._counts = np.zeros(0, np.int64)
        self._widen(n_values)
        self._add_cells(cells // old * n_classes + to[cells % old], counts)

    def _widen(self, n_values: int) -> None:
        n_values = max(n_values, self.n_values)
        size = n_values * self.n_classes
        self.n_values = n_values
        if self._dense is None:
            return
        if size > DENSE_CELLS:
            self._cells = np.flatnonzero(self._dense)
            self._counts = self._dense[self._cells]
            self._dense = None
        elif size > len(self._dense):
            # room for more than asked: a vocabulary grows block by block
            room = size if len(self._dense) == 0 else max(size, 2 * len(self._dense))
            wide = np.zeros(room, np.int64)
            wide[: len(self._dense)] = self._dense
            self._dense = wide

    def _join(self, cells: Ints, counts: Ints) -> None:
        """Add sorted cells to the sorted list."""
        both = np.concatenate([self._cells, cells])
        order = np.argsort(both, kind="stable")  # merges two sorted runs
        both, times = both[order], np.concatenate([self._counts, counts])[order]
        first = np.flatnonzero(np.concatenate([[True], both[1:] != both[:-1]]))
        first = first[: len(both)]
        self._cells = both[first]
        self._counts = np.add.reduceat(times, first) if len(first) else times

    def move(self, moved: NDArray[np.uint32], n_values: int) -> None:
        """Give each code its new one, adding up those that become the same."""
        cells, counts = self.cells()
        c = self.n_classes
        to = moved[cells // c].astype(np.int64) * c + cells % c
        self._dense = np.zeros(0, np.int64)
        self._cells = self._counts = np.zeros(0, np.int64)
        self.n_values = 0
        self._widen(n_values)
        self._add_cells(to, counts)

    def _add_cells(self, cells: Ints, counts: Ints) -> None:
        if self._dense is not None:
            np.add.at(self._dense, cells, counts)
            return
        if len(cells):
            order = np.argsort(cells, kind="stable")
            found, first = np.unique(cells[order], return_index=True)
            self._join(found, np.add.reduceat(counts[order], first))

    def merge(
        self, other: Contingency, codes: NDArray[np.uint32], to: Ints, n_values: int
    ) -> None:
        """Add another table; its code i is ``codes[i]`` here, its class c ``to[c]``."""
        self._widen(n_values)
        cells, counts = other.cells()
        c = other.n_classes
        here = codes[cells // c].astype(np.int64)
        self._add_cells(here * self.n_classes + to[cells % c], counts)

    def cells(self) -> tuple[Ints, Ints]:
        """Cells that are not empty, code * n_classes + class, in order, and counts."""
        if self._dense is None:
            return self._cells, self._counts
        cells = np.flatnonzero(self._dense)
        return cells, self._dense[cells]

    def per_code(self) -> Ints:
        """Rows of each code, int64 (n_values,)."""
        if self._dense is not None:
            used = self._dense[: self.n_values * self.n_classes]
            return _row_sums(used.reshape(self.n_values, self.n_classes))
        out = np.zeros(self.n_values, np.int64)
        np.add.at(out, self._cells // self.n_classes, self._counts)
        return out

    def classes(self) -> Ints:
        """Rows of each class, int64 (n_classes,)."""
        if self._dense is not None:
            used = self._dense[: self.n_values * self.n_classes]
            return used.reshape(self.n_values, self.n_classes).T.copy().sum(axis=1)
        out = np.zeros(self.n_classes, np.int64)
        np.add.at(out, self._cells % self.n_classes, self._counts)
        return out

    def table(self, order: Ints) -> CountTable:
        """The counts of these codes, in this order.

        Parameters
        ----------
        order : int64 array (m,)
        """
        c = self.n_classes
        if self._dense is None:
            place = np.full(self.n_values, -1, np.int64)
            place[order] = np.arange(len(order))
            row = place[self._cells // c]
            cells = (row * c + self._cells % c)[row >= 0]
            by_row = np.argsort(cells, kind="stable")
            return CountTable.of_cells(cells[by_row], self._counts[row >= 0][by_row], c)
        m = len(order)
        start = np.empty(m + 1, np.int64)
        classes, counts = np.empty((2, m * c), np.int64)
        sizes = np.empty(m, np.int64)
        k, n_cells = kernel("compress")(
            self._dense, order, c, start, classes, counts, sizes
        )
        return CountTable(
            start[: k + 1].copy(), classes[:n_cells].copy(), counts[:n_cells].copy(),
            sizes[:k].copy(), c,
        )  # fmt: skip


def _row_sums(wide: Ints) -> Ints:
    """``wide.sum(axis=1)``, which numpy takes long for where rows are short."""
    if wide.shape[1] > 8:
        return wide.sum(axis=1)
    out = wide[:, 0].copy()
    for c in range(1, wide.shape[1]):
        out += wide[:, c]
    return out


@dataclass(frozen=True, eq=False)
class CountTable:
    """A finished table: values with rows, in an order, and their cells.

    Attributes
    ----------
    start : int64 array (K + 1,)
        Where the cells of each value begin.
    classes, counts : int64 array (cells,)
        Class and rows of each cell; none is empty.
    sizes : int64 array (K,)
        Rows of each value.
    n_classes : int
    """

    start: Ints
    classes: Ints
    counts: Ints
    sizes: Ints
    n_classes: int

    @classmethod
    def of_cells(cls, cells: Ints, counts: Ints, n_classes: int) -> CountTable:
        """From sorted cells, value * n_classes + class."""
        rows = cells // n_classes
        first = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]]))
        first = first[: len(cells)]
        sizes = np.add.reduceat(counts, first) if len(cells) else counts
        start = np.append(first, len(cells))
        return cls(start, cells % n_classes, counts, sizes, n_classes)

    def grouped(self, group: Ints) -> CountTable:
        """The table of groups of values; ``group`` (K,) does not fall."""
        if len(group) == 0 or group[-1] == len(group) - 1:
            return self
        wide = np.zeros((int(group[-1]) + 1, self.n_classes), np.int64)
        rows = np.repeat(group, np.diff(self.start))
        np.add.at(wide, (rows, self.classes), self.counts)
        cells = np.flatnonzero(wide)
        return self.of_cells(cells, wide.ravel()[cells], self.n_classes)

    def collapsed(self, n_classes: int) -> CountTable:
        """The table of class modulo ``n_classes``."""
        if n_classes == self.n_classes:
            return self
        rows = np.repeat(np.arange(len(self.sizes)), np.diff(self.start))
        wide = np.zeros(len(self.sizes) * n_classes, np.int64)
        np.add.at(wide, rows * n_classes + self.classes % n_classes, self.counts)
        cells = np.flatnonzero(wide)
        return self.of_cells(cells, wide[cells], n_classes)

    def with_first(self, other: CountTable) -> CountTable:
        """The values of ``other``, then these."""
        return CountTable(
            np.concatenate([other.start, self.start[1:] + other.start[-1]]),
            np.concatenate([other.classes, self.classes]),
            np.concatenate([other.counts, self.counts]),
            np.concatenate([other.sizes, self.sizes]),
            self.n_classes,
        )

    def class_sizes(self) -> Ints:
        """Rows of each class, int64 (C,)."""
        out = np.zeros(self.n_classes, np.int64)
        np.add.at(out, self.classes, self.counts)
        return out


def quantile_groups(sizes: Ints, n_bins: int) -> Ints:
    """Groups of neighbouring values, as alike in rows as the values allow.

    Parameters
    ----------
    sizes : int64 array (K,)
        Rows of each value, in the values' order.
    n_bins : int
        The most groups there may be; with no more values each is its own.

    Returns
    -------
    int64 array (K,)
        Group of each value, from 0 without gaps.
    """
    if len(sizes) <= n_bins:
        return np.arange(len(sizes))
    n = int(sizes.sum())
    heavy = np.flatnonzero(sizes * n_bins >= 2 * n)
    if len(heavy):
        return _groups_beside(heavy, sizes, n_bins)
    # a value goes by its middle row, so that a frequent one leaves the rare ones before
    # and behind it to bins of their own
    middle = 2 * np.cumsum(sizes) - sizes
    bins = middle * n_bins // (2 * n)
    changed = np.concatenate([[0], (bins[1:] != bins[:-1]).astype(np.int64)])
    return np.cumsum(changed)


def _groups_beside(heavy: Ints, sizes: Ints, n_bins: int) -> Ints:
    """Groups where some values fill two bins or more: each its own, the rest shared.

    What lies between heavy values gets at least the bins of its rows' share, and of
    those that the heavy values leave again in proportion to its rows.
    """
    first, last = np.append(0, heavy + 1), np.append(heavy, len(sizes))
    before = np.append(0, np.cumsum(sizes))
    rows = before[last] - before[first]
    bins = -(-rows * n_bins // before[-1])
    left = n_bins - len(heavy) - int(bins.sum())
    bins += np.diff(left * np.cumsum(rows) // max(int(rows.sum()), 1), prepend=0)
    groups = np.empty(len(sizes), np.int64)
    n_groups = 0
    for i, (start, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        if end > start:
            groups[start:end] = n_groups + quantile_groups(sizes[start:end], bins[i])
            n_groups = int(groups[end - 1]) + 1
        if i < len(heavy):
            groups[end] = n_groups
            n_groups += 1
    return groups


def count_of_counts(sizes: Ints) -> tuple[Ints, Ints]:
    """Distinct sizes, rising, and how many values have each."""
    small = sizes < _FEW
    times = np.bincount(sizes[small], minlength=1)
    few = np.flatnonzero(times)
    large, n_large = np.unique(sizes[~small], return_counts=True)
    return np.concatenate([few, large]), np.concatenate([times[few], n_large])


def null_moments(
    sizes: Sequence[Ints], b: Ints, n_threads: int = 1
) -> list[tuple[float, float]]:
    """What a shuffle of the labels does to the mutual information, exactly.

    Parameters
    ----------
    sizes : sequence of int64 arrays (K,)
        Rows of each value, of each of some columns of the same rows.
    b : int64 array (C,)
        Rows of each class, each at least 1.
    n_threads : int

    Returns
    -------
    list of (mean, standard deviation), nats

    Notes
    -----
    The mean is exact. The variance takes the parts of each cell's contribution that
    are linear and quadratic in its count with their exact correlations over all cells,
    and the rest as if cells were independent. The deviation is within 3 % for tables of
    a handful of rows, and mostly within 0.5 % (tests/statistics/test_contingency.py).
    """
    from featurekit.execution.local import run_threads

    n = int(b.sum())
    grouped = [count_of_counts(s) for s in sizes]
    known = [counts for counts, _ in grouped]
    union = np.unique(np.concatenate(known)) if known else np.zeros(0, np.int64)
    parts = np.empty((len(union), 2 + 2 * len(b)))
    _, first, at = np.unique(b, return_index=True, return_inverse=True)
    same = first[at]
    of_counts, of_table = kernel("null_of_counts"), kernel("null_of_table")
    step = max(1, -(-len(union) // (8 * n_threads)))

    def fill(start: int) -> None:
        rows = slice(start, start + step)
        of_counts(union[rows], b, same, n, LOGS, parts[rows])

    run_threads(fill, range(0, len(union), step), n_threads)
    out = []
    moments = np.empty(2)
    for values, times in grouped:
        if len(values) == 0 or values[-1] in (1, n):
            # one value, or as many as rows: a shuffle changes nothing
            mean = 0.0 if len(values) == 0 or values[-1] == n else entropy(b)
            out.append((mean, 0.0))
            continue
        rows = np.searchsorted(union, values)
        of_table(rows, times.astype(np.float64), parts, b, n, moments)
        out.append((moments[0] / n, math.sqrt(moments[1]) / n))
    return out


def entropy(counts: Ints) -> float:
    """Of a distribution given by counts, in nats."""
    n = int(counts.sum())
    p = counts[counts > 0] / max(n, 1)
    return max(0.0, float(-(p * np.log(p)).sum()))


STATISTICS = (
    "mi", "emi", "excess", "sd", "z", "p", "ami", "chi2", "cramers_v", "theils_u", "iv",
    "gini", "te_gain", "cardinality", "rare_share",
)  # fmt: skip


def finish(tables: Sequence[CountTable], n_threads: int = 1) -> list[dict[str, float]]:
    """Every statistic of every table.

    Parameters
    ----------
    tables : sequence of CountTable
        Of the same classes; rows may differ, where missing ones are dropped.

    Returns
    -------
    list of dict
        Of each table the `STATISTICS`:

        mi, emi, excess, sd : mutual information with the classes; its mean and standard
            deviation when labels are shuffled; what is above the mean. Nats.
        z, p : (mi - emi) / sd, and the probability of as much under a shuffle, of
            `featurekit.statistics.tails`.
        ami : excess over the most it could be, H(Y) - emi; 1 where the column
            determines the class.
        chi2, cramers_v : Pearson's statistic, and the association made of it, with
            Bergsma's correction for bias.
        theils_u : mi / H(Y).
        iv : information value, sum of (p - q) ln(p / q) over values; of several classes
            each against the rest, weighted by size.
        gini : what knowing the value takes off the Gini impurity.
        te_gain : nats a row that the smoothed class shares of the row's value take off
            the log-loss, the row itself left out.
        cardinality, rare_share : values; the share of them seen once.
    """
    out: list[dict[str, float]] = []
    margins = [table.class_sizes() for table in tables]
    alike: dict[bytes, list[int]] = {}
    for i, b in enumerate(margins):
        alike.setdefault(b.tobytes(), []).append(i)
    null: dict[int, tuple[float, float]] = {}
    for members in alike.values():
        b = margins[members[0]]
        sizes = [tables[i].sizes for i in members]
        found = null_moments(sizes, b[b > 0], n_threads)
        null |= dict(zip(members, found, strict=True))
    for i, table in enumerate(tables):
        out.append(_statistics(table, margins[i], *null[i]))
    moments = [(one["mi"], one["emi"], one["sd"]) for one in out]
    for one, p in zip(out, p_values(tables, moments, n_threads), strict=True):
        one["p"] = float(p)
    return out


def _statistics(table: CountTable, b: Ints, emi: float, sd: float) -> dict[str, float]:
    n, k = int(b.sum()), len(table.sizes)
    n_classes = int((b > 0).sum())
    if n == 0:
        return dict.fromkeys(STATISTICS, 0.0)
    sums = np.empty(6)
    args = (table.start, table.classes, table.counts, b)
    kernel("table_statistics")(*args, LOGS, SMOOTHING, sums)
    cells, values, square, gini, single, likelihood = sums.tolist()
    h = entropy(b)
    mi = h if k == n else max(0.0, (cells - values) / n + h) if k > 1 else 0.0
    shares = b[b > 0] / n
    chi2 = max(0.0, n * (square - 1.0)) if k > 1 else 0.0
    iv = np.zeros(len(b))
    if k > 1 and n_classes > 1:
        kernel("information_value")(*args, WOE_PRIOR, iv)
    base = float((b[b > 0] * np.log(b[b > 0] / (n - 1.0 + n_classes))).sum())
    excess, most = mi - emi, h - emi
    return {
        "mi": mi,
        "emi": emi,
        "excess": excess,
        "sd": sd,
        "z": excess / sd if sd > 0 else 0.0,
        "p": 1.0,
        "ami": excess / most if most > 1e-12 * max(h, 1e-300) else 0.0,
        "chi2": chi2,
        "cramers_v": _cramers_v(chi2, n, k, n_classes),
        "theils_u": mi / h if h > 0 else 0.0,
        "iv": float((iv * b).sum() / n),
        "gini": max(0.0, gini / n - float((shares**2).sum())),
        "te_gain": (likelihood - base) / n,
        "cardinality": float(k),
        "rare_share": single / k,
    }


def false_discovery_rate(p: Floats, tested: NDArray[np.bool_] | None = None) -> Floats:
    """Adjust p-values for their number by the method of Benjamini and Hochberg.

    Parameters
    ----------
    p : float64 array (m,)
    tested : bool array (m,), optional
        False for what cannot be tested, such as constant columns: its q is 1, and it
        does not count among the tests.

    Returns
    -------
    q : float64 array (m,)
        The least false-discovery rate at which each hypothesis is rejected.
    """
    if tested is not None:
        q = np.ones(len(p))
        q[tested] = false_discovery_rate(p[tested])
        return q
    m = len(p)
    order = np.argsort(-p, kind="stable")
    q = np.empty(m)
    q[order] = np.minimum.accumulate(p[order] * m / np.arange(m, 0, -1))
    return np.minimum(q, 1.0)


def _cramers_v(chi2: float, n: int, k: int, c: int) -> float:
    if k < 2 or c < 2 or n < 3:
        return 0.0
    phi2 = max(0.0, chi2 / n - (k - 1) * (c - 1) / (n - 1))
    least = min(k - (k - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return math.sqrt(phi2 / least) if least > 1e-12 else 0.0
