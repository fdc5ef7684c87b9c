"""What each column of a matrix tells of a target: Fisher's criterion, information."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.fitting import Target
from featurekit.statistics.contingency import null_moments
from featurekit.statistics.moments import Moments, blocks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def between_within(
    values: Floats, target: Target, weight: Floats | None = None
) -> tuple[Floats, Floats]:
    """The sum of squares of each column that the target explains, and the rest.

    Of classes the squares between their means and within them; of numbers what a
    straight line explains.

    Parameters
    ----------
    values : float64 array (n, p)
    target : Target
    weight : float64 array (n,), optional

    Returns
    -------
    between, within : float64 arrays (p,)
    """
    total = Moments.summarise(values, weight)
    if target.task == "regression":
        w = np.ones(len(values)) if weight is None else weight
        y = target.standard - target.standard[0]
        y = y - (w @ y) / w.sum()
        square_y = w @ y**2
        cross = np.empty(values.shape[1])
        for columns in blocks(values.shape[1], len(values)):
            # from the first row, so that an offset costs no digits; y has mean 0
            cross[columns] = (w * y) @ (values[:, columns] - values[0, columns])
        explained = cross**2 / square_y
        between = np.minimum(explained, total.square)
        return between, total.square - between
    within = np.zeros(values.shape[1])
    for c in range(len(target.labels)):
        rows = np.flatnonzero(target.y == c)
        if len(rows):
            part = Moments.summarise(
                values[rows], None if weight is None else weight[rows]
            )
            within += part.square
    within = np.minimum(within, total.square)
    return total.square - within, within


def correlation_ratio(
    values: Floats, target: Target, weight: Floats | None = None
) -> Floats:
    """Share of each column's variance that the target explains, (p,), 0 to 1.

    Fisher's criterion F as F / (1 + F): the same order, and a column that separates
    the classes is 1 instead of infinite. Of numbers the squared correlation.
    """
    between, within = between_within(values, target, weight)
    total = between + within
    return np.divide(between, total, out=np.zeros_like(total), where=total > 0)


def fisher(values: Floats, target: Target, weight: Floats | None = None) -> Floats:
    """Fisher's criterion, variance between classes over variance within, (p,).

    Where nothing varies within it is 10,000, as in the released code; where nothing
    varies at all it is 0.
    """
    between, within = between_within(values, target, weight)
    ratio = np.divide(between, within, out=np.zeros_like(within), where=within > 0)
    ratio[(within == 0) & (between > 0)] = 10_000.0
    return ratio


def n_bins_of(n: float) -> int:
    """Bins of equal width for n rows."""
    return 20 if n > 200 else max(int(n // 10), 10)


def equal_width(values: Floats, n_bins: int) -> Ints:
    """The bin of each value, left-closed, int64 of the shape of ``values``."""
    low, high = values.min(axis=0), values.max(axis=0)
    width = np.where(high > low, high - low, 1.0)
    bins = ((values - low) / width * n_bins).astype(np.int64)
    return np.minimum(bins, n_bins - 1)


def mutual_information(
    values: Floats,
    target: Target,
    weight: Floats | None = None,
    n_threads: int = 1,
) -> Floats:
    """Normalised mutual information of each column with the target, above chance.

    2 (I - E[I]) / (H(A) + H(Y)) over bins of equal width, not below 0.

    Parameters
    ----------
    values : float64 array (n, p)
    target : Target
        Numbers are cut into bins like the columns.
    weight : float64 array (n,), optional
    n_threads : int

    Returns
    -------
    float64 array (p,)

    Notes
    -----
    E[I] is the exact mean over shuffles of the target where weights are whole, as
    `OutRank` has it; where they are not, its first term (K - 1)(C - 1) / 2n.
    """
    n, p = values.shape
    total = float(n if weight is None else weight.sum())
    n_bins = n_bins_of(total)
    if target.task == "regression":
        y = equal_width(target.standard[:, None], n_bins)[:, 0]
    else:
        y = target.y.astype(np.int64)
    known, y = np.unique(y, return_inverse=True)
    n_classes = len(known)
    b = np.bincount(y, weight, n_classes)
    sizes, information, own = [], np.empty(p), np.empty(p)
    for columns in blocks(p, n):
        bins = equal_width(values[:, columns], n_bins)
        for j in range(bins.shape[1]):
            cells = np.bincount(bins[:, j] * n_classes + y, weight, n_bins * n_classes)
            a = cells.reshape(n_bins, n_classes).sum(axis=1)
            at = columns.start + j
            own[at] = _entropy(a)
            information[at] = own[at] + _entropy(b) - _entropy(cells)
            sizes.append(a[a > 0])
    if weight is None or (weight == np.round(weight)).all():
        whole = [np.round(a).astype(np.int64) for a in sizes]
        null = null_moments(whole, np.round(b).astype(np.int64), n_threads)
        chance = np.array([mean for mean, _ in null])
    else:
        first = np.array([len(a) - 1 for a in sizes]) * (n_classes - 1)
        chance = first / (2 * total)
    h = own + _entropy(b)
    above = np.maximum(information - chance, 0.0)
    return np.divide(2 * above, h, out=np.zeros(p), where=h > 0)


def _entropy(counts: NDArray[Any]) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum())
