"""Tables of two columns, and of two columns against a label, without the tables.

The rows are put in order of the left column once; the right column is then walked one
left value at a time, in counters that are set back after each. The cost is a few steps
a row whatever the numbers of values.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def group_rows(codes, n_values, start, rows):
    """Rows by value: those of value v are ``rows[start[v]:start[v + 1]]``, in order."""
    start[:] = 0
    for i in range(codes.size):
        start[codes[i] + 1] += 1
    for v in range(n_values):
        start[v + 1] += start[v]
    at = start[:n_values].copy()
    for i in range(codes.size):
        v = codes[i]
        rows[at[v]] = i
        at[v] += 1


@njit(cache=True, nogil=True)
def gather(codes, rows, out):
    """``out[i] = codes[rows[i]]``, as uint32."""
    for i in range(rows.size):
        out[i] = codes[rows[i]]


@njit(cache=True, nogil=True)
def pair_counts(start, right, seen, cells):
    """How often each count occurs among the cells of the grouped column and another.

    Counts are whole numbers, so what is made of them does not depend on the order of
    the rows.

    Parameters
    ----------
    start : int64 array (K + 1,)
        Groups of the left column.
    right : uint32 array (n,)
        Codes of the other, in the order of the groups.
    seen : int32 array (values of the right column,)
        Zeros, before and after.
    cells : int64 array (n + 1,)
        Zeros before; ``cells[k]`` cells have k rows.
    """
    for v in range(start.size - 1):
        if start[v + 1] - start[v] == 1:
            cells[1] += 1
            continue
        for i in range(start[v], start[v + 1]):
            seen[right[i]] += 1
        for i in range(start[v], start[v + 1]):
            k = seen[right[i]]
            if k > 0:
                cells[k] += 1
                seen[right[i]] = 0


@njit(cache=True, nogil=True)
def cross_counts(start, right, y, n_classes, seen, sizes, cells):
    """How often each count occurs among the pairs of values, and with each class.

    Parameters
    ----------
    start : int64 array (K + 1,)
    right : uint32 array (n,)
    y : uint16 array (n,)
        Labels, in the order of the groups.
    n_classes : int
    seen : int32 array (values of the right column * (classes + 1),)
        Zeros, before and after.
    sizes : int64 array (n + 1,)
        Zeros before; ``sizes[k]`` pairs of values have k rows.
    cells : int64 array (n + 1,)
        Zeros before; ``cells[k]`` cells of pair and class have k rows.
    """
    width = n_classes + 1
    for v in range(start.size - 1):
        first = start[v]
        last = start[v + 1]
        if last - first == 1:
            sizes[1] += 1
            cells[1] += 1
            continue
        for i in range(first, last):
            at = np.int64(right[i]) * width
            seen[at] += 1
            seen[at + 1 + y[i]] += 1
        for i in range(first, last):
            at = np.int64(right[i]) * width
            k = seen[at]
            if k > 0:
                sizes[k] += 1
                seen[at] = 0
                for c in range(1, width):
                    k = seen[at + c]
                    if k > 0:
                        cells[k] += 1
                        seen[at + c] = 0
