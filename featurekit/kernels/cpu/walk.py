"""Tables of two columns, and of two columns against a label, without the tables.

The rows are put in order of the left column once; the right column is then walked one
left value at a time, in counters that are set back after each. The cost is a few steps
a row whatever the numbers of values.
"""

from __future__ import annotations

import numpy as np

from featurekit.kernels.compiler import njit
from featurekit.kernels.cpu.keys import mixed


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
    """``out[i] = codes[rows[i]]``, in the type of ``out``."""
    for i in range(rows.size):
        out[i] = codes[rows[i]]


@njit(cache=True, nogil=True)
def hash_rows(codes, place, salt, out):
    """Add a hash of each row's value to ``out`` (uint64); sums are hashes of rows.

    Parameters
    ----------
    codes : unsigned integer array (n,)
    place : int64 array
        What a code stands for.
    salt : uint64
        The column's own.
    out : uint64 array (n,)
    """
    for i in range(codes.size):
        out[i] += mixed(mixed(np.uint64(place[codes[i]])) ^ salt)


@njit(cache=True, nogil=True)
def note(k, small, large, n_large):
    """Put a count down: among the small ones, or in the list of large ones."""
    if k < small.size:
        small[k] += 1
        return n_large
    large[n_large] = k
    return n_large + 1


@njit(cache=True, nogil=True)
def pair_counts(start, right, times, seen, small, large):
    """How often each count occurs among the cells of the grouped column and another.

    Counts are whole numbers, so what is made of them does not depend on the order of
    the rows.

    Parameters
    ----------
    start : int64 array (K + 1,)
        Groups of the left column.
    right : uint32 array (n,)
        Codes of the other, in the order of the groups.
    times : int64 array (n,)
        How often each row counts, in the order of the groups.
    seen : int64 array (values of the right column,)
        Zeros, before and after.
    small : int64 array (S,)
        Zeros before; ``small[k]`` cells have k rows.
    large : int64 array
        Counts from S on, one by one.

    Returns
    -------
    n_large : int
    """
    n_large = 0
    for v in range(start.size - 1):
        first = start[v]
        last = start[v + 1]
        if last - first == 1:
            n_large = note(times[first], small, large, n_large)
            continue
        for i in range(first, last):
            seen[right[i]] += times[i]
        for i in range(first, last):
            k = seen[right[i]]
            if k > 0:
                n_large = note(k, small, large, n_large)
                seen[right[i]] = 0
    return n_large


@njit(cache=True, nogil=True)
def cross_counts(start, right, y, times, n_classes, seen, small, large, sizes, bounds):
    """Rows of each pair of values, and how often each count occurs with a class.

    Parameters
    ----------
    start : int64 array (K + 1,)
    right : uint32 array (n,)
    y : uint16 array (n,)
        Classes, in the order of the groups.
    times : int64 array (n,)
    n_classes : int
    seen : int64 array (values of the right column * (classes + 1),)
        Zeros, before and after.
    small, large
        As in `pair_counts`, of cells of pair and class.
    sizes : int64 array (n,)
        Rows of each pair of values, those of a left value in a run.
    bounds : int64 array (K + 1,)
        Where the run of each left value begins.

    Returns
    -------
    n_large : int
    """
    width = n_classes + 1
    n_large = 0
    n_pairs = 0
    for v in range(start.size - 1):
        bounds[v] = n_pairs
        first = start[v]
        last = start[v + 1]
        if last - first == 1:
            sizes[n_pairs] = times[first]
            n_pairs += 1
            n_large = note(times[first], small, large, n_large)
            continue
        for i in range(first, last):
            at = np.int64(right[i]) * width
            seen[at] += times[i]
            seen[at + 1 + y[i]] += times[i]
        for i in range(first, last):
            at = np.int64(right[i]) * width
            k = seen[at]
            if k > 0:
                sizes[n_pairs] = k
                n_pairs += 1
                seen[at] = 0
                for c in range(1, width):
                    k = seen[at + c]
                    if k > 0:
                        n_large = note(k, small, large, n_large)
                        seen[at + c] = 0
    bounds[start.size - 1] = n_pairs
    return n_large
