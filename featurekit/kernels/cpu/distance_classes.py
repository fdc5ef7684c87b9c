"""Distance covariance with classes, and of points of any dimension.

Classes a and b are v_a + v_b apart, 1 where nothing else is said. With the point o at
one of them, the reference, k of `featurekit.kernels.cpu.distance` is v_o + v_a for two
rows of another class a, v_o for rows of two other classes, and 0 with a row of the
reference.
"""

from __future__ import annotations

import math

import numpy as np

from featurekit.kernels.compiler import njit

#: Rows of a tile of pairs.
TILE = 512


@njit(cache=True, nogil=True)
def cross_line_classes(
    order, size, sums, n_low, codes, apart, class_sums, times, correction
):
    """Sums of products of a line's k and that of classes.

    Parameters
    ----------
    order, size, sums, n_low
        The line, as in `cross_lines`.
    codes : int32 array (n,)
        Classes of the rows; the last code is the reference.
    apart : float64 array (K,)
        v of each class.
    class_sums : float64 array (K,)
        Sum of k over a row of each class, less the mean of all rows.
    times : float64 array (n,) or (0,)
        How often each row counts; none: once.
    correction : float
        As in `sum_line`.

    Returns
    -------
    products, of_sums : float
        Sum of k k' over pairs of rows, and of the products of sums of k.
    """
    m = size.size
    reference = class_sums.size - 1
    of_others = 2.0 * apart[reference]
    weighted = times.size > 0
    met = np.empty(class_sums.size)
    products = 0.0
    of_sums = 0.0
    # codes are looked up in a loop of their own, which waits less for memory
    of_row = np.empty(m, codes.dtype)
    for j in range(m):
        of_row[j] = codes[order[j]]
    for side in range(2):
        first, last = (0, n_low) if side == 0 else (n_low, m)
        met[:] = 0.0
        anywhere = 0.0
        for j in range(last - 1, first - 1, -1):
            c = of_row[j]
            w = times[order[j]] if weighted else 1.0
            there = 0.0 if c == reference else w
            own = apart[c]
            k = of_others * (anywhere + 0.5 * (w - correction))
            k += own * (2.0 * met[c] + (w - correction))
            products += there * size[j] * k
            of_sums += w * sums[j] * class_sums[c]
            met[c] += there
            anywhere += there
    return products, of_sums


@njit(cache=True, nogil=True)
def _fill(points, norms, codes, n_classes, i, first, last, out):
    """k of row ``i`` and the rows from ``first`` to ``last``."""
    if codes.size:
        for j in range(first, last):
            k = 0.0
            if codes[i] != n_classes - 1 and codes[j] != n_classes - 1:
                k = 1.0 if codes[i] == codes[j] else 0.5
            out[j - first] = k
        return
    m = last - first
    square = np.zeros(m)
    product = np.zeros(m)
    for p in range(points.shape[0]):
        x = points[p, i]
        row = points[p]
        for j in range(m):
            other = row[first + j]
            square[j] += (other - x) * (other - x)
            product[j] += other * x
    a = norms[i]
    for j in range(m):
        b = norms[first + j]
        near = min(a, b)
        far = max(a, b)
        d = math.sqrt(square[j])
        # (near + far - d) / 2 without the difference of two far distances
        whole = far + d
        k = 0.0
        if near > 0.0:
            k = 0.5 * (near + (2.0 * product[j] - near * near) / whole)
        out[j] = max(k, 0.0)


@njit(cache=True, nogil=True)
def cross_points(
    x, x_norms, x_codes, x_classes, y, y_norms, y_codes, y_classes,
    times, correction, x_sums, y_sums,
):  # fmt: skip
    """Sums of k over rows of points, and of products over all pairs; O(n^2).

    Parameters
    ----------
    x : float64 array (p, n)
        Coordinates, the point o at 0.
    x_norms : float64 array (n,)
    x_codes : int32 array (n,) or (0,)
        Classes, if ``x`` is not to be looked at; the last is the reference.
    x_classes : int
    y, y_norms, y_codes, y_classes
        The same of the other variable.
    times : float64 array (n,)
        How often each row counts.
    correction : float
        As in `sum_line`.
    x_sums, y_sums : float64 array (n,), filled
        Sums of k over each row.

    Returns
    -------
    xy, xx, yy : float
        Sums of products.
    """
    n = times.size
    x_sums[:] = 0.0
    y_sums[:] = 0.0
    k = np.empty(TILE)
    other = np.empty(TILE)
    total = np.zeros(3)
    part = np.zeros((3, TILE))
    for first in range(0, n, TILE):
        last = min(first + TILE, n)
        part[:] = 0.0
        for i in range(first, n):
            end = min(last, i)
            m = end - first
            w = times[i]
            if w == 0.0:
                continue
            _fill(x, x_norms, x_codes, x_classes, i, first, end, k)
            _fill(y, y_norms, y_codes, y_classes, i, first, end, other)
            of_x = 0.0
            of_y = 0.0
            for j in range(m):
                v = times[first + j]
                x_sums[first + j] += w * k[j]
                y_sums[first + j] += w * other[j]
                of_x += v * k[j]
                of_y += v * other[j]
                part[0, j] += w * k[j] * other[j]
                part[1, j] += w * k[j] * k[j]
                part[2, j] += w * other[j] * other[j]
            x_sums[i] += of_x
            y_sums[i] += of_y
        for j in range(last - first):
            for c in range(3):
                total[c] += 2.0 * times[first + j] * part[c, j]
    for i in range(n):
        w = times[i]
        own_x = x_norms[i]
        own_y = y_norms[i]
        if x_codes.size:
            own_x = 0.0 if x_codes[i] == x_classes - 1 else 1.0
        if y_codes.size:
            own_y = 0.0 if y_codes[i] == y_classes - 1 else 1.0
        own = w - correction
        x_sums[i] += own * own_x
        y_sums[i] += own * own_y
        total[0] += w * own * own_x * own_y
        total[1] += w * own * own_x * own_x
        total[2] += w * own * own_y * own_y
    return total[0], total[1], total[2]
