"""Boosting one feature with gradients that are re-evaluated per row in every round.

Rows are grouped by bin once.  exp is taken once per row (T, of the initial score)
and once per bin and round (U, of the model's output f): what is left per row is one
multiplication and one division.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from featurekit.kernels.cpu.exact_bins import bin_flags
from featurekit.kernels.cpu.exact_tree import N_ROUNDS, grow_tree, improves

#: Rows of a (bin, label) group are padded to blocks of this length: vector loops have
#: no remainder, and a product of so many terms needs one check for overflow.
BLOCK = 8
#: Initial scores and bin outputs beyond this would overflow exp and are cut.
MAX_SCORE = 700.0

_FAST = {"reassoc", "nsz", "nnan", "contract"}


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _sigmoid_sums(t, weight, u):
    """Sums of r and r (1 - r) over rows, with r = 1 / (1 + t u); padding has t = inf.

    Each term is rounded to float32, as LightGBM stores it.
    """
    r_sum = 0.0
    h_sum = 0.0
    if weight.size:
        for k in range(t.size):
            r = 1.0 / (1.0 + t[k] * u)
            r_sum += np.float32(r * weight[k])
            h_sum += np.float32(r * (1.0 - r) * weight[k])
        return r_sum, h_sum
    for k in range(t.size):
        r = 1.0 / (1.0 + t[k] * u)
        r_sum += np.float32(r)
        h_sum += np.float32(r * (1.0 - r))
    return r_sum, h_sum


@njit(cache=True, nogil=True, fastmath=_FAST)
def _log_sums(v, weight, u, lo, hi, total, product):
    """Add the sum of log(1 + v u) over rows lo..hi-1 to ``total + log(product)``.

    Without weights, terms are multiplied up and a logarithm is taken only when the
    product grows large; rows that only pad have v = 0.
    """
    if weight.size:
        for k in range(lo, hi):
            total += weight[k] * math.log1p(v[k] * u)
        return total, product
    for k in range(lo, hi, BLOCK):
        part = 1.0
        for j in range(BLOCK):
            part *= 1.0 + v[k + j] * u
        if part > 1e150:
            for j in range(BLOCK):
                total += math.log1p(v[k + j] * u)
        else:
            product *= part
        if product > 1e150:
            total += math.log(product)
            product = 1.0
    return total, product


@njit(cache=True, nogil=True)
def _pack(t, label, weight, group, order, start, used):
    """Rows of one side of a fold, grouped by (bin, label) and padded to blocks.

    Returns
    -------
    first : int64 array (2 B + 1,), bounds of group ``2 * bin + label``
    count : float64 array (B,), rows per bin
    t, weight : float64 arrays; padding is inf and 0
    """
    n_groups = 2 * (start.size - 1)
    size = np.zeros(n_groups, np.int64)
    for b in range(start.size - 1):
        for k in range(start[b], start[b + 1]):
            i = order[k]
            if used[group[i]]:
                size[2 * b + label[i]] += 1
    first = np.zeros(n_groups + 1, np.int64)
    count = np.zeros(start.size - 1)
    for g in range(n_groups):
        first[g + 1] = first[g] + (size[g] + BLOCK - 1) // BLOCK * BLOCK
        count[g // 2] += size[g]
    packed = np.zeros(first[n_groups]) + np.inf
    packed_w = np.zeros(packed.size if weight.size else 0)
    free = first.copy()
    for b in range(start.size - 1):
        for k in range(start[b], start[b + 1]):
            i = order[k]
            if used[group[i]]:
                g = 2 * b + label[i]
                packed[free[g]] = t[i]
                if weight.size:
                    packed_w[free[g]] = weight[i]
                free[g] += 1
    return first, count, packed, packed_w


@njit(cache=True, nogil=True)
def _total_loss(v, weight, first, f):
    """Sum of log-losses of packed validation rows (v = 1 / t) at bin outputs f."""
    total, product = 0.0, 1.0
    for b in range(f.size):
        u = math.exp(min(max(f[b], -MAX_SCORE), MAX_SCORE))
        lo, mid, hi = first[2 * b], first[2 * b + 1], first[2 * b + 2]
        total, product = _log_sums(v, weight, u, lo, mid, total, product)
        total, product = _log_sums(v, weight, 1.0 / u, mid, hi, total, product)
    return total + math.log(product)


@njit(cache=True, nogil=True)
def _boost_rows(train, valid, zero_bin):
    """Mean drop of the log-loss on the validation rows of one fold.

    ``train`` and ``valid`` are what `_pack` returns.  A row of label 0 has residual
    p and a row of label 1 has p - 1; both are +- 1 / (1 + t u) with t = exp(-init),
    u = exp(-f) for label 0 and the inverses for label 1.
    """
    first, count, t, weight = train
    first_v, count_v, v, weight_v = valid
    for k in range(v.size):
        v[k] = 1.0 / v[k]
    n_bins = count.size - 1
    flags = bin_flags(count, n_bins, zero_bin)
    both = np.zeros(2, np.int64)
    for g in range(first.size - 1):
        both[g % 2] += first[g + 1] - first[g]
    if both[0] == 0 or both[1] == 0:
        flags = -1  # one class only: LightGBM does not train
    f = np.zeros(n_bins + 1)
    step = np.zeros(n_bins + 1)
    grad = np.zeros(n_bins + 1)
    hess = np.zeros(n_bins + 1)
    work = np.empty((4, n_bins + 2))
    start_loss = _total_loss(v, weight_v, first_v, f)
    best, at, more = -np.inf, 0, True
    for r in range(N_ROUNDS):
        for b in range(n_bins + 1):
            u = math.exp(min(max(-f[b], -MAX_SCORE), MAX_SCORE))
            lo, mid, hi = first[2 * b], first[2 * b + 1], first[2 * b + 2]
            g0, h0 = _sigmoid_sums(t[lo:mid], weight[lo:mid], u)
            g1, h1 = _sigmoid_sums(t[mid:hi], weight[mid:hi], 1.0 / u)
            grad[b], hess[b] = g0 - g1, h0 + h1
        leaves = 1
        if flags >= 0:
            leaves = grow_tree(grad, hess, count, n_bins, flags, work, step)
        if leaves == 1:
            # a tree that cannot split leaves the loss where it is and ends training
            best = best if r else 0.0
            break
        for b in range(n_bins + 1):
            f[b] += step[b]
        if count[n_bins] == 0:  # NaN not seen in training goes where zero goes
            f[n_bins] = f[zero_bin]
        drop = start_loss - _total_loss(v, weight_v, first_v, f)
        best, at, more = improves(drop, best, at, r)
        if not more:
            break
    rows = 0.0
    for w in weight_v if weight_v.size else count_v:
        rows += w
    return best / rows if rows > 0.0 else np.nan


@njit(cache=True, nogil=True)
def logloss_folds(t, label, weight, group, order, start, zero_bin, train, test, out):
    """Log-loss drops of all folds.

    Parameters
    ----------
    t : float64 array (n,), exp(-init) of rows with label 0, exp(init) with label 1
    label, group : unsigned arrays (n,), label and atom of every row
    weight : float64 array (n,) or (0,)
    order, start, zero_bin : rows by bin, see `exact_bins.bin_rows`
    train, test : bool arrays (F, A), atoms on either side of each fold
    out : float64 array (F,)
    """
    for f in range(train.shape[0]):
        left = _pack(t, label, weight, group, order, start, train[f])
        right = _pack(t, label, weight, group, order, start, test[f])
        out[f] = _boost_rows(left, right, zero_bin)


# -------------------------------------------------------------- multi-class log-loss


@njit(cache=True, nogil=True)
def _take(t, label, weight, group, order, start, used):
    """Rows of one side of a fold in bin order: (t, label, weight, bin)."""
    n = 0
    for a in group:
        n += used[a]
    t_kept = np.empty((n, t.shape[1]))
    label_kept = np.empty(n, np.int64)
    weight_kept = np.empty(n if weight.size else 0)
    code = np.empty(n, np.int64)
    n = 0
    for b in range(start.size - 1):
        for k in range(start[b], start[b + 1]):
            i = order[k]
            if not used[group[i]]:
                continue
            for c in range(t.shape[1]):
                t_kept[n, c] = t[i, c]
            label_kept[n] = label[i]
            code[n] = b
            if weight.size:
                weight_kept[n] = weight[i]
            n += 1
    return t_kept, label_kept, weight_kept, code


@njit(cache=True, nogil=True)
def _softmax_sums(side, u, grad, hess):
    """Fill G and H (n_bins + 1, K) from the rows of one side."""
    t, label, weight, code = side
    n_class = t.shape[1]
    factor = n_class / (n_class - 1.0)
    for b in range(grad.shape[0]):
        for k in range(n_class):
            grad[b, k] = hess[b, k] = 0.0
    for i in range(code.size):
        b = code[i]
        total = 0.0
        for k in range(n_class):
            total += t[i, k] * u[b, k]
        w = weight[i] if weight.size else 1.0
        for k in range(n_class):
            p = t[i, k] * u[b, k] / total
            grad[b, k] += np.float32((p - 1.0 if k == label[i] else p) * w)
            hess[b, k] += np.float32(factor * p * (1.0 - p) * w)


@njit(cache=True, nogil=True)
def _softmax_loss(side, u):
    """Sum of multi-class log-losses over one side, and its number of rows."""
    t, label, weight, code = side
    loss = 0.0
    rows = 0.0
    for i in range(code.size):
        b = code[i]
        total = 0.0
        for k in range(t.shape[1]):
            total += t[i, k] * u[b, k]
        w = weight[i] if weight.size else 1.0
        loss += w * math.log(total / (t[i, label[i]] * u[b, label[i]]))
        rows += w
    return loss, rows


@njit(cache=True, nogil=True)
def _softmax_trees(train, count, flags, zero_bin, f, u, grad, hess):
    """One round: a tree per class, added to f; u = exp(f). Returns the most leaves."""
    n_bins = count.size - 1
    n_class = f.shape[1]
    in_class = np.zeros(n_class, np.int64)
    for c in train[1]:
        in_class[c] += 1
    _softmax_sums(train, u, grad, hess)
    g, h, step = np.empty(n_bins + 1), np.empty(n_bins + 1), np.empty(n_bins + 1)
    work = np.empty((4, n_bins + 2))
    most = 1
    for c in range(n_class):
        # a class without rows (or with all rows) gets no trees
        if in_class[c] == 0 or in_class[c] == train[1].size:
            continue
        for b in range(n_bins + 1):
            g[b], h[b] = grad[b, c], hess[b, c]
        most = max(most, grow_tree(g, h, count, n_bins, flags, work, step))
        if count[n_bins] == 0:  # NaN not seen in training goes where zero goes
            step[n_bins] = step[zero_bin]
        for b in range(n_bins + 1):
            f[b, c] = min(max(f[b, c] + step[b], -MAX_SCORE / 2), MAX_SCORE / 2)
            u[b, c] = math.exp(f[b, c])
    return most


@njit(cache=True, nogil=True)
def _boost_softmax(train, valid, n_bins, zero_bin):
    """Mean drop of the multi-class log-loss on the validation rows of one fold."""
    n_class = train[0].shape[1]
    count = np.zeros(n_bins + 1)
    for b in train[3]:
        count[b] += 1.0
    flags = bin_flags(count, n_bins, zero_bin)
    f = np.zeros((n_bins + 1, n_class))
    u = np.ones((n_bins + 1, n_class))
    grad = np.empty((n_bins + 1, n_class))
    hess = np.empty((n_bins + 1, n_class))
    start_loss, rows = _softmax_loss(valid, u)
    best, at, more = -np.inf, 0, True
    for r in range(N_ROUNDS):
        most = 1
        if flags >= 0:
            most = _softmax_trees(train, count, flags, zero_bin, f, u, grad, hess)
        if most == 1:
            best = best if r else 0.0
            break
        best, at, more = improves(start_loss - _softmax_loss(valid, u)[0], best, at, r)
        if not more:
            break
    return best / rows if rows > 0.0 else np.nan


@njit(cache=True, nogil=True)
def softmax_folds(t, label, weight, group, order, start, zero_bin, train, test, out):
    """Multi-class drops of all folds; t (n, K) is exp(init - its largest per row)."""
    for f in range(train.shape[0]):
        left = _take(t, label, weight, group, order, start, train[f])
        right = _take(t, label, weight, group, order, start, test[f])
        out[f] = _boost_softmax(left, right, start.size - 2, zero_bin)
