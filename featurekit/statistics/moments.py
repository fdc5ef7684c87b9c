"""Weighted moments that merge, ranks, and correlations of ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Weight, means and sums of squares about the means, of some columns.

    Sums about the means keep their digits where sums of squares lose them to a large
    offset; two such summaries merge by the update of Chan, Golub and LeVeque (1983).

    Attributes
    ----------
    weight : float
        Rows, or the sum of their weights.
    mean : float64 array (p,)
    square : float64 array (p,)
        Sum over rows of weight times (value - mean)^2.
    """

    weight: float
    mean: Floats
    square: Floats

    @classmethod
    def summarise(cls, values: Floats, weight: Floats | None = None) -> Moments:
        """Of one block of rows.

        Parameters
        ----------
        values : float64 array (n, p)
        weight : float64 array (n,), optional
        """
        n, p = values.shape
        total = float(n if weight is None else weight.sum())
        if total == 0:
            return cls(0.0, np.zeros(p), np.zeros(p))
        mean, square = np.empty(p), np.empty(p)
        for columns in blocks(p, n):
            block = values[:, columns]
            # about the first row, so that a constant has no rounding to square
            first = block[0].copy()
            block = block - first
            sums = block.sum(axis=0) if weight is None else weight @ block
            block -= sums / total
            mean[columns] = first + sums / total
            np.square(block, out=block)
            square[columns] = block.sum(axis=0) if weight is None else weight @ block
        return cls(total, mean, square)

    def merge(self, other: Moments) -> Moments:
        """Of the rows of both."""
        total = self.weight + other.weight
        if total == 0:
            return self
        apart = other.mean - self.mean
        share = other.weight / total
        return Moments(
            total,
            self.mean + apart * share,
            self.square + other.square + apart**2 * (self.weight * share),
        )

    def variance(self, ddof: float = 0.0) -> Floats:
        """Of each column; 0 where there are not enough rows."""
        left = self.weight - ddof
        return self.square / left if left > 0 else np.zeros_like(self.square)


def blocks(p: int, n: int, size: int = 1 << 19) -> Iterator[slice]:
    """Slices of columns that together have about ``size`` values of n rows."""
    step = max(1, size // max(n, 1))
    return (slice(start, min(start + step, p)) for start in range(0, p, step))


def mid_ranks(values: Floats, weight: Floats | None = None) -> Floats:
    """Average ranks of one column, ties sharing theirs, less a half.

    Parameters
    ----------
    values : float64 array (n,)
        NaN counts as the largest value.
    weight : float64 array (n,), optional
        A row of weight 2 takes two ranks.

    Returns
    -------
    float64 array (n,)
    """
    # ties share their rank: their order matters to the sum of their weights alone
    order = np.argsort(values, kind=None if weight is None else "stable")
    ascending = values[order]
    differs = ascending[1:] != ascending[:-1]
    if len(values) and np.isnan(ascending[-1]):
        differs &= ~np.isnan(ascending[:-1])
    ranks = np.empty(len(values))
    if weight is None and differs.all():
        ranks[order] = np.arange(0.5, len(values))
        return ranks
    starts = np.flatnonzero(np.append(True, differs))
    runs = np.diff(starts, append=len(values))
    sizes = runs if weight is None else np.add.reduceat(weight[order], starts)
    before = np.cumsum(sizes) - sizes
    ranks[order] = np.repeat(before + sizes / 2, runs)
    return ranks


def unit_ranks(values: Floats) -> Floats:
    """Ranks of one column, of mean 0 and length 1; zeros if the column is constant.

    Parameters
    ----------
    values : float64 array (n,)
        NaN counts as the largest value.
    """
    ranks = mid_ranks(values) - len(values) / 2
    length = np.sqrt(ranks @ ranks)
    return ranks / length if length > 0 else ranks


def unit_ranks_of(values: Floats, weight: Floats | None = None) -> Floats:
    """Ranks of every column, of mean 0 and length 1: their products are correlations.

    Parameters
    ----------
    values : float64 array (n, p)
    weight : float64 array (n,), optional

    Returns
    -------
    float64 array (n, p), column-major
        R with R'R the matrix of Spearman's correlations; rows are scaled by the root of
        their weight. A constant column is zero.
    """
    n, p = values.shape
    out = np.empty((n, p), order="F")
    root = None if weight is None else np.sqrt(weight)
    total = n if weight is None else weight.sum()
    for j in range(p):
        if (values[:, j] == values[:1, j]).all():
            # of weights with fractions, rounding would be left
            out[:, j] = 0.0
            continue
        ranks = mid_ranks(values[:, j], weight)
        # the mean of all ranks is known
        ranks -= total / 2
        if root is not None:
            ranks *= root
        out[:, j] = ranks / np.sqrt(ranks @ ranks)
    return out
