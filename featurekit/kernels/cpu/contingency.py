"""Counts per value and class, and what is read off a finished table of them."""

from __future__ import annotations

import math

import numpy as np

from featurekit.kernels.compiler import njit

SMALL = 4096


@njit(cache=True, nogil=True)
def count_codes(codes, y, n_classes, table):
    """Add one to ``table[codes[i] * n_classes + y[i]]`` for every row.

    Parameters
    ----------
    codes : unsigned integer array (n,)
    y : uint16 array (n,)
    n_classes : int
    table : int64 array (values * n_classes,)
    """
    n = codes.size
    m = table.size
    if m > SMALL or n < 4 * m:
        for i in range(n):
            table[np.int64(codes[i]) * n_classes + y[i]] += 1
        return
    # four tables in turn: an addition need not wait for the one before it
    parts = np.empty(4 * m, np.uint32)
    for i in range(4 * m):
        parts[i] = 0
    whole = n - n % 4
    for i in range(0, whole, 4):
        parts[np.int64(codes[i]) * n_classes + y[i]] += np.uint32(1)
        parts[m + np.int64(codes[i + 1]) * n_classes + y[i + 1]] += np.uint32(1)
        parts[2 * m + np.int64(codes[i + 2]) * n_classes + y[i + 2]] += np.uint32(1)
        parts[3 * m + np.int64(codes[i + 3]) * n_classes + y[i + 3]] += np.uint32(1)
    for i in range(whole, n):
        parts[np.int64(codes[i]) * n_classes + y[i]] += np.uint32(1)
    for j in range(m):
        table[j] += (
            np.int64(parts[j]) + parts[m + j] + parts[2 * m + j] + parts[3 * m + j]
        )


@njit(cache=True, nogil=True)
def count_repeated(codes, y, times, n_classes, table):
    """As `count_codes`, each row ``times[i]`` (int64) times."""
    for i in range(codes.size):
        table[np.int64(codes[i]) * n_classes + y[i]] += times[i]


@njit(cache=True, nogil=True)
def compress(table, order, n_classes, start, classes, counts, sizes):
    """The cells that are not empty, value by value; values without rows are left out.

    Parameters
    ----------
    table : int64 array (values * n_classes,)
    order : int64 array (m,)
        Values in the order wanted.
    n_classes : int
    start : int64 array (m + 1,)
    classes, counts : int64 array (m * n_classes,)
    sizes : int64 array (m,)
        Rows of each value.

    Returns
    -------
    n_values, n_cells : int
        How much of the arrays is filled.
    """
    filled = 0
    kept = 0
    for v in order:
        first = filled
        total = 0
        for c in range(n_classes):
            k = table[v * n_classes + c]
            if k > 0:
                classes[filled] = c
                counts[filled] = k
                total += k
                filled += 1
        if total > 0:
            start[kept] = first
            sizes[kept] = total
            kept += 1
    start[kept] = filled
    return kept, filled


@njit(cache=True, nogil=True)
def table_statistics(start, classes, counts, b, logs, smoothing, out):
    """The sums behind every statistic of one table, value by value.

    Parameters
    ----------
    start : int64 array (K + 1,)
        Where each value's cells begin.
    classes : int64 array (cells,)
    counts : int64 array (cells,)
        Each at least 1.
    b : int64 array (C,)
        Rows of each class.
    logs : float64 array
        ln k, of as many k as are worth a table.
    smoothing : float
        Rows' worth of prior in the encoding that ``te`` judges.
    out : float64 array (6,)
        sum n ln n over cells; sum a ln a over values; sum n^2 / (a b); sum n^2 / a;
        sum of squared counts of values seen once (their number); log-likelihood of the
        labels under the encoding that leaves the row out.
    """
    n_classes = 0
    n = 0
    for c in range(b.size):
        n += b[c]
        n_classes += b[c] > 0
    out[:] = 0.0
    for v in range(start.size - 1):
        a = 0
        for j in range(start[v], start[v + 1]):
            a += counts[j]
        ln_rest = math.log(a - 1.0 + smoothing)
        gini = 0.0
        for j in range(start[v], start[v + 1]):
            k = counts[j]
            bc = b[classes[j]]
            out[0] += k * (logs[k] if k < logs.size else math.log(k))
            square = (k * 1.0) * k
            out[2] += square / ((a * 1.0) * bc)
            gini += square
            # without the row itself, of the value and of the class alike
            prior = bc / (n - 1.0 + n_classes)
            out[5] += k * (math.log(k - 1.0 + smoothing * prior) - ln_rest)
        out[1] += a * (logs[a] if a < logs.size else math.log(a))
        out[3] += gini / a
        out[4] += a == 1


@njit(cache=True, nogil=True)
def information_value(start, classes, counts, b, prior, out):
    """Per class, sum over values of (p - q) ln(p / q), smoothed.

    p is the share of the class's rows that have the value, q of the other rows;
    ``prior`` rows are added to each value, in the classes' proportion.

    Parameters
    ----------
    start, classes, counts, b
        As in `table_statistics`.
    prior : float
    out : float64 array (C,)
    """
    n_classes = b.size
    n_values = start.size - 1
    n = 0
    for c in range(n_classes):
        n += b[c]
    out[:] = 0.0
    row = np.empty(n_classes)
    scale = 1.0 + prior * n_values / n
    for v in range(n_values):
        row[:] = 0.0
        a = 0.0
        for j in range(start[v], start[v + 1]):
            row[classes[j]] = counts[j]
            a += counts[j]
        for c in range(n_classes):
            if b[c] == 0 or b[c] == n:
                continue
            if n_classes == 2 and c == 1:
                out[1] = out[0]
                continue
            p = (row[c] + prior * b[c] / n) / (b[c] * scale)
            q = (a - row[c] + prior * (n - b[c]) / n) / ((n - b[c]) * scale)
            out[c] += (p - q) * math.log(p / q)


@njit(cache=True, nogil=True)
def shift_counts(codes, y, n_values, n_classes):
    """The released OutRank's statistic, of rows in their order.

    The labels of a value with k rows are held against those that stand k rows further
    on, in a circle; values of one row are left out.

    Returns
    -------
    float
        Mean over rows of ln(share of the class within the value), less the same of the
        labels further on.
    """
    n = codes.size
    size = np.zeros(n_values, np.int64)
    for i in range(n):
        size[codes[i]] += 1
    here = np.zeros(n_values * n_classes, np.int64)
    there = np.zeros(n_values * n_classes, np.int64)
    for i in range(n):
        v = np.int64(codes[i])
        j = i + size[v]
        if j >= n:
            j -= n
        here[v * n_classes + y[i]] += 1
        there[v * n_classes + y[j]] += 1
    total = 0.0
    for v in range(n_values):
        if size[v] < 2:
            continue
        for c in range(n_classes):
            k = here[v * n_classes + c]
            if k:
                total += k * math.log(k / size[v])
            k = there[v * n_classes + c]
            if k:
                total -= k * math.log(k / size[v])
    return total / n
