"""LightGBM's rules for the bins of one feature."""

from __future__ import annotations

import numpy as np

from featurekit.kernels.compiler import njit

MIN_IN_BIN = 3
MIN_IN_LEAF = 20
#: Bits of the flags that a tree is grown with.
CONSTANT_HESSIAN = 1
FIRST_BIN_IMPLIED = 2
BOTH_WAYS = 4


@njit(cache=True, nogil=True)
def _push(edge, n_bins, low, high):
    """Append the bound between two values unless it equals the bound before."""
    bound = np.nextafter((low + high) / 2.0, np.inf)
    if n_bins > 0 and bound <= np.nextafter(edge[n_bins - 1], np.inf):
        return n_bins
    edge[n_bins] = bound
    return n_bins + 1


@njit(cache=True, nogil=True, error_model="numpy")
def greedy_bins(distinct, count, max_bin, total, edge):
    """Upper bounds of at most ``max_bin`` bins of nearly equal counts.

    A value with more rows than a mean bin gets a bin of its own; the remaining
    values share what is left.

    Parameters
    ----------
    distinct : float64 array (d,), in ascending order
    count : int64 array (d,), rows of each value
    max_bin : int
    total : int, sum of ``count``
    edge : float64 array (>= max_bin,), filled; the last bound is inf

    Returns
    -------
    int
        Number of bins.
    """
    n = distinct.size
    n_bins = np.int64(0)  # typed: a literal would compile _push twice
    held = 0
    if n <= max_bin:
        for i in range(n - 1):
            held += count[i]
            if held >= MIN_IN_BIN:
                before = n_bins
                n_bins = _push(edge, n_bins, distinct[i], distinct[i + 1])
                held = 0 if n_bins > before else held
        edge[n_bins] = np.inf
        return n_bins + 1
    max_bin = max(min(max_bin, total // MIN_IN_BIN), 1)
    big = total / max_bin
    rest_bins, rest = max_bin, total
    for i in range(n):
        rest_bins -= count[i] >= big
        rest -= count[i] if count[i] >= big else 0
    # rest_bins may reach 0 or less: the quotient is then inf or negative, as in C
    mean = rest / float(rest_bins)
    closed = 0
    for i in range(n - 1):
        small = count[i] < big
        rest -= count[i] if small else 0
        held += count[i]
        near_big = count[i + 1] >= big and held >= max(1.0, mean * 0.5)
        if small and held < mean and not near_big:
            continue
        n_bins = _push(edge, n_bins, distinct[i], distinct[i + 1])
        closed += 1
        if closed >= max_bin - 1:
            break
        held = 0
        if small:
            rest_bins -= 1
            mean = rest / float(rest_bins)
    edge[n_bins] = np.inf
    return n_bins + 1


@njit(cache=True, nogil=True)
def fill_bins(value, edges, atom, weight, residual, code, sums):
    """Bin of each row, and sums over the rows of each atom and bin.

    Parameters
    ----------
    value : float64 array (n,)
    edges : float64 array (B,)
        Inclusive upper bounds, ascending, the last infinite; NaN goes to bin B.
    atom : int64 array (n,)
    weight, residual : float64 arrays (n,) or (0,)
    code : uint8 array (n,), filled
    sums : float64 array (A, 3, B + 1)
        Added to in place: rows, weights and residuals, the latter two if given.
    """
    # as many bounds as there can be: each step of the search is the same for all rows
    bound = np.full(256, np.inf)
    bound[: edges.size] = edges
    for i in range(value.size):
        v = value[i]
        lo = 0
        for k in range(8):
            half = 128 >> k
            lo += half * (v > bound[lo + half - 1])
        if v != v:
            lo = edges.size
        code[i] = lo
        a = atom[i]
        sums[a, 0, lo] += 1.0
        if weight.size:
            sums[a, 1, lo] += weight[i]
        if residual.size:
            sums[a, 2, lo] += residual[i]
