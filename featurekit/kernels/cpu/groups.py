"""Sums, extremes, medians and ranks per key, for every atom of the folds at once."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def sum_by_key(values, atom, codes, size, out):
    """Add row ``values[i]`` (s,) to ``out[atom[i] * size + codes[i]]``, in place."""
    s = values.shape[1]
    for i in range(codes.size):
        t = atom[i] * size + codes[i]
        for k in range(s):
            out[t, k] += values[i, k]


@njit(cache=True, nogil=True)
def group_moments(x, codes, atom, n_atoms, size, shift):
    """Count, sum and sum of squares of x - shift, extremes of x, per (atom, key).

    Parameters
    ----------
    x : float64 array (n,)
        NaN is left out.
    codes : integer array (n,)
        Keys 0..size-1.
    atom : int64 array (n,)
    shift : float64 array (size,)
        Per key; near its values, so that the sum of squares keeps its digits.

    Returns
    -------
    float64 array (5, n_atoms, size)
    """
    out = np.zeros((5, n_atoms, size))
    out[3] = np.inf
    out[4] = -np.inf
    for i in range(x.size):
        v = x[i]
        if v == v:
            a = atom[i]
            c = codes[i]
            d = v - shift[c]
            out[0, a, c] += 1.0
            out[1, a, c] += d
            out[2, a, c] += d * d
            out[3, a, c] = min(out[3, a, c], v)
            out[4, a, c] = max(out[4, a, c], v)
    return out


@njit(cache=True, nogil=True)
def group_medians(order, x, codes, atom, train, size):
    """Median of x per key over each set of atoms.

    Parameters
    ----------
    order : int64 array
        Rows in ascending order of x, those with x missing left out.
    train : bool array (F, A)

    Returns
    -------
    float64 array (F, size), NaN where a set has no row of the key
    """
    start = np.zeros(size + 1, np.int64)
    for i in order:
        start[codes[i] + 1] += 1
    for c in range(size):
        start[c + 1] += start[c]
    place = start[:size].copy()
    rows = np.empty(order.size, np.int64)
    for i in order:
        rows[place[codes[i]]] = i
        place[codes[i]] += 1
    out = np.full((train.shape[0], size), np.nan)
    kept = np.empty(order.size)
    for f in range(train.shape[0]):
        for c in range(size):
            m = 0
            for t in range(start[c], start[c + 1]):
                if train[f, atom[rows[t]]]:
                    kept[m] = x[rows[t]]
                    m += 1
            if m > 0:
                out[f, c] = 0.5 * (kept[(m - 1) // 2] + kept[m // 2])
    return out


@njit(cache=True, nogil=True)
def group_ranks(order, x, codes, atom, train, fold, size, out):
    """Percentile rank of each row among its key's rows of the fold's training atoms.

    The rank is that of the row put among those rows: (less + equal / 2 + 1) / (n + 1).

    Parameters
    ----------
    order : int64 array
        Rows in ascending order of x, those with x missing left out.
    train : bool array (F, A)
    fold : int64 array (n,)
        Fold of each row, -1 for rows without one (left NaN).
    out : float64 array (n,)
    """
    n_atoms = train.shape[1]
    total = np.zeros((n_atoms, size), np.int64)
    seen = np.zeros((n_atoms, size), np.int64)
    for i in order:
        total[atom[i], codes[i]] += 1
    out[:] = np.nan
    lo = 0
    while lo < order.size:
        hi = lo + 1
        while hi < order.size and x[order[hi]] == x[order[lo]]:
            hi += 1
        for t in range(lo, hi):
            i = order[t]
            if fold[i] >= 0:
                less = 0
                for a in range(n_atoms):
                    if train[fold[i], a]:
                        less += seen[a, codes[i]]
                out[i] = less
        for t in range(lo, hi):
            seen[atom[order[t]], codes[order[t]]] += 1
        for t in range(lo, hi):
            i = order[t]
            if fold[i] >= 0:
                upto = 0
                n = 0
                for a in range(n_atoms):
                    if train[fold[i], a]:
                        upto += seen[a, codes[i]]
                        n += total[a, codes[i]]
                if n == 0:
                    out[i] = np.nan
                else:
                    out[i] = (0.5 * (out[i] + upto) + 1.0) / (n + 1.0)
        lo = hi


@njit(cache=True, nogil=True)
def ranks_in_groups(x, codes, values, starts, out):
    """Percentile rank of each row put among the sorted ``values`` of its key.

    ``values[starts[c]:starts[c + 1]]`` are key ``c``'s. NaN where x is missing or the
    key has no values.
    """
    for i in range(x.size):
        part = values[starts[codes[i]] : starts[codes[i] + 1]]
        if part.size == 0 or x[i] != x[i]:
            out[i] = np.nan
        else:
            less = np.searchsorted(part, x[i], side="left")
            upto = np.searchsorted(part, x[i], side="right")
            out[i] = (0.5 * (less + upto) + 1.0) / (part.size + 1.0)
