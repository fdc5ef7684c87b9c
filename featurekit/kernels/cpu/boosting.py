"""Boosting one feature at a time, from its histogram.

A boosted model that may look at a single feature is a function of the feature's
bin. So one pass over the rows that adds up count, gradient and hessian per atom
of the folds and bin is all it takes; every boosting round afterwards works on a few
dozen numbers. Three steps, each a kernel:

``accumulate``
    rows -> sums per candidate, atom and *cell* (a fixed grid of 512 cells on a
    signed logarithmic scale around the candidate's median; no sorting and no
    searching). Sums are fixed-point integers, so neither the order of the rows nor
    how they are cut into blocks can change them.
``merge_cells``
    cells -> at most ``n_bins`` bins of about equal count, missing values apart.
``boost``
    bins -> for each fold, the loss that boosting on the other folds takes off it.
"""

from __future__ import annotations

import numpy as np

from featurekit.kernels.compiler import njit

N_CELLS = 512
MISSING_CELL = 512
TILE = 4096


@njit(cache=True, nogil=True)
def accumulate(values, sums, starts, to, centre, inverse, out):
    """Add the rows of a candidate to its sums per cell, for several sets of atoms.

    The cell of a value is the sign, exponent and 5 mantissa bits of 1 + |x - c| / s.

    Parameters
    ----------
    values : float64 array (n,)
        The candidate.
    sums : int64 array (n, s)
        What each row adds: its count, then fixed-point gradients and hessians.
    starts : int64 array (A + 1,)
        Rows ``starts[a]:starts[a + 1]`` belong to atom ``a``.
    to : int64 array (A,)
        The table that an atom's rows are added to, -1 for none.
    centre, inverse : float
        The candidate's grid.
    out : int64 array (T, 513, s)
        Added to in place; the last cell is for missing values.
    """
    s = sums.shape[1]
    w = np.empty(TILE, np.float32)
    cell = np.empty(TILE, np.uint32)  # unsigned: no test for indices from the end
    bits = w.view(np.int32)
    for atom in range(starts.size - 1):
        if to[atom] < 0:
            continue
        table = out[to[atom]]
        for lo in range(starts[atom], starts[atom + 1], TILE):
            hi = min(lo + TILE, starts[atom + 1])
            part = values[lo:hi]
            rows = sums[lo:hi]
            for i in range(part.size):
                w[i] = np.float32(1.0 + min(abs((part[i] - centre) * inverse), 1e9))
            for i in range(part.size):
                k = min((bits[i] >> 18) - (127 << 5), 255)
                c = 256 + k if part[i] >= centre else 255 - k
                cell[i] = c if part[i] == part[i] else MISSING_CELL
            if s == 2:
                for i in range(part.size):
                    table[cell[i], 0] += rows[i, 0]
                    table[cell[i], 1] += rows[i, 1]
            elif s == 3:
                for i in range(part.size):
                    table[cell[i], 0] += rows[i, 0]
                    table[cell[i], 1] += rows[i, 1]
                    table[cell[i], 2] += rows[i, 2]
            else:
                for i in range(part.size):
                    for k in range(s):
                        table[cell[i], k] += rows[i, k]


@njit(cache=True, nogil=True)
def merge_cells(table, scale, n_bins, out):
    """Merge cells to bins of about equal count; returns how many.

    ``table`` is int64 (A, 513, s), ``out`` float64 (A, n_bins + 1, s) with the missing
    values in bin ``n`` (the number returned). Which cells are merged depends on
    counts alone, over all atoms, never on gradients.
    """
    n_atoms, _, s = table.shape
    total = 0
    counts = np.empty(N_CELLS, np.int64)
    for j in range(N_CELLS):
        count = 0
        for a in range(n_atoms):
            count += table[a, j, 0]
        counts[j] = count
        total += count
    for a in range(n_atoms):
        for b in range(n_bins + 1):
            for k in range(s):
                out[a, b, k] = 0.0
    n = 0
    filled = 0
    rest = total
    for j in range(N_CELLS):
        if counts[j] == 0:
            continue
        target = rest / max(n_bins - n, 1)
        if (
            filled > 0
            and n < n_bins - 1
            and (filled >= target or filled + counts[j] > 1.5 * target)
        ):
            n += 1
            rest -= filled
            filled = 0
        filled += counts[j]
        for a in range(n_atoms):
            for k in range(s):
                out[a, n, k] += table[a, j, k] * scale[k]
    if total > 0:
        n += 1
    for a in range(n_atoms):
        for k in range(s):
            out[a, n, k] = table[a, MISSING_CELL, k] * scale[k]
    return n


@njit(cache=True, nogil=True)
def _best_split(G, H, N, lo, hi, g, h, n, min_rows, ridge):
    """Best cut of bins ``lo:hi`` given prefix sums, missing values on either side.

    ``g, h, n`` are the sums of the missing bin where this leaf holds it, else zero.
    Returns the gain, the last bin on the left, and whether missing goes left.
    """
    g_all = G[hi] - G[lo] + g
    h_all = H[hi] - H[lo] + h
    n_all = N[hi] - N[lo] + n
    best = 0.0
    at = -1
    missing_left = False
    if n_all < 2 * min_rows:
        return best, at, missing_left
    parent = g_all * g_all / (h_all + ridge)
    for side in range(2 if n > 0 else 1):
        # side 0: missing (if any) right, so a cut after the last bin is one too
        g0 = G[lo] - (g if side == 1 else 0.0)
        h0 = H[lo] - (h if side == 1 else 0.0)
        n0 = N[lo] - (n if side == 1 else 0.0)
        stop = hi if (side == 0 and n > 0) else hi - 1
        for t in range(lo, stop):
            nl = N[t + 1] - n0
            if nl < min_rows:
                continue
            if n_all - nl < min_rows:
                break
            gl = G[t + 1] - g0
            hl = H[t + 1] - h0 + ridge
            gr = g_all - gl
            hr = h_all - hl + 2 * ridge
            gain = (gl * gl * hr + gr * gr * hl) / (hl * hr) - parent
            if gain > best:
                best = gain
                at = t
                missing_left = side == 1
    return best, at, missing_left


@njit(cache=True, nogil=True)
def _add_tree(
    G, H, N, n_bins, g, h, n, f, leaves, rate, min_rows, ridge, least, work, iwork
):
    """Grow one tree best-first on the bins and add its shrunken leaves to ``f``.

    A split has to gain more than ``least``.
    """
    gain = work
    lo, hi, has, at, left = iwork[0], iwork[1], iwork[2], iwork[3], iwork[4]
    lo[0], hi[0], has[0] = 0, n_bins, 1
    gain[0] = -1.0  # not known yet
    size = 1
    while size < leaves:
        k = 0
        for i in range(size):
            if gain[i] < 0.0:  # the only call: each is compiled again
                m = has[i]
                gain[i], at[i], left[i] = _best_split(
                    G, H, N, lo[i], hi[i], g * m, h * m, n * m, min_rows, ridge
                )
            if gain[i] > gain[k]:
                k = i
        if gain[k] <= least:
            break
        cut = at[k] + 1
        lo[size], hi[size] = cut, hi[k]
        has[size] = has[k] * (1 - left[k])
        hi[k] = cut
        has[k] = has[k] * left[k]
        gain[k] = -1.0
        gain[size] = -1.0
        size += 1
    if size == 1:
        return False
    for i in range(size):
        top = G[hi[i]] - G[lo[i]] + g * has[i]
        bottom = H[hi[i]] - H[lo[i]] + h * has[i] + ridge
        if bottom <= 0.0:
            continue
        step = -rate * top / bottom
        for b in range(lo[i], hi[i]):
            f[b] += step
        if has[i] == 1:
            f[n_bins] += step
    return True


@njit(cache=True, nogil=True)
def _boost_fold(
    W,
    V,
    n_bins,
    K,
    squared,
    rounds,
    leaves,
    rate,
    patience,
    min_rows,
    ridge,
    work,
    iwork,
):
    """Loss taken off the held-out sums ``V`` by boosting on the training sums ``W``.

    Both are float64 (bins, s). The loss is expanded to second order around the
    initial scores: per bin G + H f, exact for squared loss. Stops when the held-out
    loss has not improved for ``patience`` rounds; returns the best.
    """
    f = np.empty((K, n_bins + 1))
    for k in range(K):
        for b in range(n_bins + 1):
            f[k, b] = 0.0
    G = np.empty(n_bins + 1)
    H = np.empty(n_bins + 1)
    N = np.empty(n_bins + 1)
    N[0] = 0.0
    for b in range(n_bins):
        N[b + 1] = N[b] + W[b, 0]
    # no split can gain more than all bins apart; less than this share is rounding
    least = 0.0
    for k in range(K):
        hk = 0 if squared else 1 + K + k
        for b in range(n_bins + 1):
            if W[b, 0] > 0:
                least += 1e-12 * W[b, 1 + k] * W[b, 1 + k] / (W[b, hk] + ridge)
    best = 0.0
    waited = 0
    for _ in range(rounds):
        grown = False
        drop = 0.0
        for k in range(K):
            hk = 0 if squared else 1 + K + k
            G[0] = 0.0
            H[0] = 0.0
            for b in range(n_bins):
                G[b + 1] = G[b] + W[b, 1 + k] + W[b, hk] * f[k, b]
                H[b + 1] = H[b] + W[b, hk]
            g = W[n_bins, 1 + k] + W[n_bins, hk] * f[k, n_bins]
            grown |= _add_tree(
                G, H, N, n_bins, g, W[n_bins, hk], W[n_bins, 0], f[k],
                leaves, rate, min_rows, ridge, least, work, iwork,
            )  # fmt: skip
            for b in range(n_bins + 1):
                drop -= f[k, b] * (V[b, 1 + k] + 0.5 * V[b, hk] * f[k, b])
        if drop > best:
            best = drop
            waited = 0
        else:
            waited += 1
        if waited >= patience or not grown:
            break
    if waited > 0 and best == 0.0:
        return drop  # never better than nothing: how much worse still ranks candidates
    return best


@njit(cache=True, nogil=True)
def boost(
    table, scale, train, test, K, squared, n_bins,
    rounds, leaves, rate, patience, min_rows, ridge, out,
):  # fmt: skip
    """Cross-fitted loss drop of each candidate on each fold.

    Parameters
    ----------
    table : int64 array (m, A, 513, s)
        What ``accumulate`` made.
    scale : float64 array (s,)
        Turns the fixed-point sums back to gradients and hessians.
    train, test : bool arrays (F, A)
        The atoms that each fold learns from and is measured on.
    K : int
        Outputs: one, or the number of classes.
    squared : bool
        The hessian is one for every row and ``s`` is ``1 + K``, else ``1 + 2 K``.
    out : float64 array (m, F)
        Total loss taken off the rows of each fold (negative: put on).
    """
    m, n_atoms, _, s = table.shape
    H = np.empty((n_atoms, n_bins + 1, s))
    W = np.empty((n_bins + 1, s))
    V = np.empty((n_bins + 1, s))
    work = np.empty(leaves + 1)
    iwork = np.empty((5, leaves + 1), np.int64)
    for c in range(m):
        n = merge_cells(table[c], scale, n_bins, H)
        for fold in range(train.shape[0]):
            for b in range(n + 1):
                for k in range(s):
                    learnt = held = 0.0
                    for a in range(n_atoms):
                        if train[fold, a]:
                            learnt += H[a, b, k]
                        if test[fold, a]:
                            held += H[a, b, k]
                    W[b, k] = learnt
                    V[b, k] = held
            out[c, fold] = _boost_fold(
                W, V, n, K, squared, rounds, leaves, rate, patience,
                min_rows, ridge, work, iwork,
            )  # fmt: skip
