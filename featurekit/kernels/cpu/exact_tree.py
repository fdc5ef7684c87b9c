"""One boosted tree on one binned feature, grown the way LightGBM grows it.

The feature's bins carry N (training rows), H (sum of hessians) and G (sum of
gradients); a leaf is a run of bins, with or without the bin of NaN.
"""

from __future__ import annotations

import numpy as np

from featurekit.kernels.compiler import njit
from featurekit.kernels.cpu.exact_bins import (
    BOTH_WAYS,
    CONSTANT_HESSIAN,
    FIRST_BIN_IMPLIED,
    MIN_IN_LEAF,
)

N_ROUNDS = 100
PATIENCE = 3
MAX_LEAVES = 16
LEARNING_RATE = 0.1
MIN_HESSIAN = 1e-3
L2_OF_CLASSES = 1.0
"""The penalty on the leaves of log-losses; squared loss has none."""

_FAST = {"reassoc", "nsz", "nnan", "contract"}


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _gains(pre_g, pre_h, g0, h0, g_all, h_all, gain):
    """Fill ``gain``, times H, for a run of thresholds.

    With left sums GL, HL of a leaf with sums G, H the usual gain
    ``GL^2/HL + GR^2/HR - G^2/H`` equals ``(GL H - HL G)^2 / (HL HR H)``: one
    division and no cancellation.  With a penalty, HL and HR contain it once and H
    twice.  Finding the largest is left to the caller, so that this loop compiles to
    vector instructions.
    """
    for t in range(gain.size):
        gl = pre_g[t] - g0
        hl = pre_h[t] - h0
        num = gl * h_all - hl * g_all
        gain[t] = num * num / (hl * (h_all - hl))


@njit(cache=True, nogil=True, fastmath=_FAST)
def _estimated_count(hess, factor):
    """Sum over bins of the row count that LightGBM infers from the hessian."""
    total = 0.0
    for b in range(hess.size):
        total += np.floor(hess[b] * factor + 0.5)
    return total


@njit(cache=True, nogil=True)
def _allowed(pre_h, hess, lo, last, h0, h_all, factor, n_left, n_right):
    """First and last threshold that leave enough rows and hessian on both sides.

    ``n_left`` and ``n_right`` are the rows that either side holds before the first
    bin is added to it.
    """
    first = lo
    while first <= last:
        n_left += np.floor(hess[first] * factor + 0.5)
        if n_left >= MIN_IN_LEAF and pre_h[first + 1] - h0 >= MIN_HESSIAN:
            break
        first += 1
    while last >= first:
        right = h_all - (pre_h[last + 1] - h0)
        if n_right >= MIN_IN_LEAF and right >= MIN_HESSIAN:
            break
        n_right += np.floor(hess[last] * factor + 0.5)
        last -= 1
    return first, last


@njit(cache=True, nogil=True)
def _best_split(pre_g, pre_h, hess, g_nan, h_nan, lo, hi, count, flags, l2, gain):
    """Best split of a leaf with the bins lo..hi-1, and with NaN if ``h_nan`` > 0.

    Thresholds are tried with NaN on the left (from the right end, as LightGBM does),
    then with NaN on the right.  LightGBM does not know the rows of a bin: it infers
    them as round(h * N / H), and so do the limits on the rows of a leaf here.

    Returns
    -------
    gain : float, 0.0 if no split is allowed
    t : last bin of the left side
    nan_left : whether NaN goes left
    """
    best, at, nan_left = 0.0, -1, False
    g_all = pre_g[hi] - pre_g[lo] + g_nan
    h_all = pre_h[hi] - pre_h[lo] + h_nan
    if count < 2 * MIN_IN_LEAF or h_all < 2 * MIN_HESSIAN:
        return best, at, nan_left
    twice = h_all + 2 * l2
    # what one leaf takes off the loss more than two with the same output
    whole = l2 * g_all * g_all / ((h_all + l2) * twice)
    factor = count / h_all
    n_nan = np.floor(h_nan * factor + 0.5)
    inside = count - n_nan  # true if hessians are constant
    if not flags & CONSTANT_HESSIAN:
        inside = _estimated_count(hess[lo:hi], factor)
    for side in range(2 if h_nan > 0.0 or flags & BOTH_WAYS else 1):
        g0, h0, last = pre_g[lo], pre_h[lo], hi - 1
        n_left, n_right = 0.0, n_nan
        if side == 0:
            g0, h0, last = g0 - g_nan, h0 - h_nan, hi - 2
            n_left, n_right = count - inside, np.floor(hess[hi - 1] * factor + 0.5)
        elif flags & FIRST_BIN_IMPLIED:
            n_left = count - n_nan - inside
        else:
            n_right = count - inside
        first, last = _allowed(
            pre_h, hess, lo, last, h0, h_all, factor, n_left, n_right
        )
        if first > last:
            continue
        window = gain[: last - first + 1]
        heads = slice(first + 1, last + 2)
        _gains(pre_g[heads], pre_h[heads], g0, h0 - l2, g_all, twice, window)
        for j in range(window.size):
            # ties go to the threshold met first, coming from the right on side 0
            k = j if side else window.size - 1 - j
            if window[k] > best:
                best, at, nan_left = window[k], first + k, side == 0
    return max(best / twice - whole, 0.0), at, nan_left


@njit(cache=True, nogil=True)
def grow_tree(grad, hess, count, n_bins, flags, l2, work, step):
    """Grow one tree best-first and write its shrunken output per bin into ``step``.

    Parameters
    ----------
    grad, hess, count : float64 arrays (n_bins + 1,): G, H and N per bin, NaN last
    flags : int, CONSTANT_HESSIAN or the result of `exact_bins.bin_flags`
    l2 : float, the penalty on the outputs of leaves
    work : float64 array (4, >= n_bins + 1)
    step : float64 array (n_bins + 1,)

    Returns
    -------
    int
        Number of leaves; 1 means that nothing could be split.
    """
    pre_g, pre_h, pre_n, gain = work[0], work[1], work[2], work[3]
    pre_g[0] = pre_h[0] = pre_n[0] = 0.0
    for b in range(n_bins):
        pre_g[b + 1] = pre_g[b] + grad[b]
        pre_h[b + 1] = pre_h[b] + hess[b]
        pre_n[b + 1] = pre_n[b] + count[b]
    # per leaf: bins lo..hi-1, 1.0 if NaN is inside, the best split (-1: unknown)
    bounds = np.empty((3, MAX_LEAVES), np.int64)
    lo, hi, at = bounds[0], bounds[1], bounds[2]
    state = np.empty((3, MAX_LEAVES))
    nan, left, best = state[0], state[1], state[2]
    lo[0], hi[0] = 0, n_bins
    nan[0] = 1.0 if count[n_bins] > 0 else 0.0
    best[0] = -1.0
    n_leaves = 1
    while n_leaves < MAX_LEAVES:
        pick = 0
        for j in range(n_leaves):
            if best[j] < 0.0:
                rows = pre_n[hi[j]] - pre_n[lo[j]] + nan[j] * count[n_bins]
                g_nan, h_nan = nan[j] * grad[n_bins], nan[j] * hess[n_bins]
                best[j], at[j], left[j] = _best_split(
                    pre_g,
                    pre_h,
                    hess,
                    g_nan,
                    h_nan,
                    lo[j],
                    hi[j],
                    rows,
                    flags,
                    l2,
                    gain,
                )
            if best[j] > best[pick]:
                pick = j
        if best[pick] <= 0.0:
            break
        cut = at[pick] + 1
        lo[n_leaves], hi[n_leaves] = cut, hi[pick]
        hi[pick] = cut
        nan[n_leaves] = nan[pick] * (1.0 - left[pick])
        nan[pick] *= left[pick]
        best[pick] = -1.0
        best[n_leaves] = -1.0
        n_leaves += 1
    step[n_bins] = 0.0
    for j in range(n_leaves):
        g = pre_g[hi[j]] - pre_g[lo[j]] + nan[j] * grad[n_bins]
        h = pre_h[hi[j]] - pre_h[lo[j]] + nan[j] * hess[n_bins]
        output = -LEARNING_RATE * g / (h + l2) if n_leaves > 1 else 0.0
        for b in range(lo[j], hi[j]):
            step[b] = output
        step[n_bins] += nan[j] * output
    return n_leaves


@njit(cache=True, nogil=True)
def improves(drop, best, at, rounds):
    """Early stopping: best drop so far, its round, and whether to go on."""
    if drop > best:
        return drop, rounds, True
    return best, at, rounds - at < PATIENCE
