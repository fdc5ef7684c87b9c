"""The kernels of distance covariance once more, on whole matrices of k.

Signatures are those of `featurekit.kernels.cpu.distance` and ``distance_classes``,
which say what the arguments are.
"""

from __future__ import annotations

import math

import numpy as np


def order_line(values, centre, order, size):
    """Order rows by their distance from ``centre``, those below it first."""
    gaps = np.abs(values - centre)
    low, high = np.flatnonzero(values < centre), np.flatnonzero(values > centre)
    rows = np.concatenate(
        [side[np.argsort(gaps[side], kind="stable")] for side in (low, high)]
    )
    order[: len(rows)] = rows
    size[: len(rows)] = gaps[rows]
    return len(low), len(rows)


def line_matrix(size, n_low):
    """k of a line's rows, in their order."""
    side = np.arange(len(size)) < n_low
    return np.minimum(size[:, None], size) * (side[:, None] == side)


def pair_weights(w, correction):
    """Pairs of rows as they count, float64 (m, m), those of a row and itself too."""
    pairs = np.outer(w, w)
    np.fill_diagonal(pairs, w * (w - correction))
    return pairs


def _row_sums(k, w, correction):
    return k @ w - correction * np.diag(k)


def sum_line(size, times, n_low, n_total, correction, sums):
    """Scale the distances of a line, and sum k over rows and its square over all."""
    w = times if len(times) else np.ones(len(size))
    top = 0.0
    for rows in (slice(None, n_low), slice(n_low, None)):
        s, v = size[rows], w[rows]
        if len(s) and correction == 1 and v[-1] == 1:
            s = s[:-1]
        top = max([top, *s])
    size[:] = np.ldexp(size, -math.frexp(top)[1]) if top else 0.0
    k = line_matrix(size, n_low)
    sums[:] = _row_sums(k, w, correction)
    total = float(w @ sums)
    squares = (pair_weights(w, correction) * k * k).sum()
    mean = total / n_total
    spread = w @ (sums - mean) ** 2 + (n_total - w.sum()) * mean**2
    variance = squares - total * mean / (n_total - correction)
    variance -= 2 * spread / (n_total - 2 * correction)
    return total, float(variance) if variance > 1e-15 * squares else 0.0


def cross_lines(
    order, size, sums, n_low, rank, y_size, y_sums, y_low, times, correction
):
    """Sums of products of two lines' k."""
    n = len(rank)
    w = np.ones(n) if times is None else times
    x, y = np.zeros((2, n, n))
    x[np.ix_(order, order)] = line_matrix(size, n_low)
    y_order = np.flatnonzero(rank >= 0)
    at = rank[y_order]
    y[np.ix_(y_order, y_order)] = line_matrix(y_size, y_low)[np.ix_(at, at)]
    products = (pair_weights(w, correction) * x * y).sum()
    return float(products), float((w * y_sums)[order] @ sums)


def class_matrix(codes, apart):
    """k of rows of classes, of which the last is the reference."""
    there = codes != len(apart) - 1
    same = codes[:, None] == codes
    return there[:, None] * there * (apart[-1] + same * apart[codes])


def cross_line_classes(
    order, size, sums, n_low, codes, apart, class_sums, times, correction
):
    """Sums of products of a line's k and that of classes."""
    n = len(codes)
    w = times if len(times) else np.ones(n)
    x = np.zeros((n, n))
    x[np.ix_(order, order)] = line_matrix(size, n_low)
    y = class_matrix(codes, apart)
    products = (pair_weights(w, correction) * x * y).sum()
    return float(products), float((w * class_sums[codes])[order] @ sums)


def point_matrix(points, norms):
    """k of points around 0."""
    difference = points[:, :, None] - points[:, None, :]
    d = np.sqrt((difference**2).sum(axis=0))
    return (norms[:, None] + norms - d) / 2


def cross_points(
    x, x_norms, x_codes, x_classes, y, y_norms, y_codes, y_classes,
    times, correction, x_sums, y_sums,
):  # fmt: skip
    """Sums of k over rows of points, and of products over all pairs."""
    k, l_ = (
        class_matrix(codes, np.full(n_classes, 0.5))
        if len(codes)
        else point_matrix(z, norms)
        for z, norms, codes, n_classes in (
            (x, x_norms, x_codes, x_classes),
            (y, y_norms, y_codes, y_classes),
        )
    )
    x_sums[:] = _row_sums(k, times, correction)
    y_sums[:] = _row_sums(l_, times, correction)
    pairs = pair_weights(times, correction)
    return tuple(float((pairs * a * b).sum()) for a, b in ((k, l_), (k, k), (l_, l_)))


def joint_sums(base, columns, first, second, out):
    """Sums over pairs of rows of the distance with one more column, all pairs kept."""
    for c, x in enumerate(columns.astype(np.float64)):
        a = np.sqrt(base + (x[:, None] - x) ** 2)
        rows = a.sum(axis=1)
        out[c] = (
            (a * first).sum(),
            (a * second).sum() if len(second) else 0.0,
            (rows**2).sum(),
            rows.sum(),
        )
