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

#: The rows of a bin are padded to blocks of this length: vector loops have no
#: remainder, and a product of so many terms needs one check for overflow.
BLOCK = 8
#: Initial scores and bin outputs beyond this would overflow exp and are cut.
MAX_SCORE = 700.0

_FAST = {"reassoc", "nsz", "nnan", "contract"}


@njit(cache=True, nogil=True)
def _pack(t, label, weight, group, order, start, used):
    """Rows of one side of a fold by bin, each bin padded to a multiple of BLOCK.

    Returns
    -------
    first : int64 array (B + 1,), bounds of the bins
    count : float64 array (B,), rows per bin without padding
    t, label, weight : float64 arrays
        Padding has t = inf, label 0 and weight 0; no weights stay no weights.
    """
    n_bins = start.size - 1
    first = np.zeros(n_bins + 1, np.int64)
    count = np.zeros(n_bins)
    for b in range(n_bins):
        size = 0
        for k in range(start[b], start[b + 1]):
            size += used[group[order[k]]]
        count[b] = size
        first[b + 1] = first[b] + (size + BLOCK - 1) // BLOCK * BLOCK
    packed_t = np.zeros(first[n_bins]) + np.inf
    packed_label = np.zeros(first[n_bins])
    packed_weight = np.zeros(first[n_bins] if weight.size else 0)
    for b in range(n_bins):
        at = first[b]
        for k in range(start[b], start[b + 1]):
            i = order[k]
            if used[group[i]]:
                packed_t[at] = t[i]
                packed_label[at] = label[i]
                if weight.size:
                    packed_weight[at] = weight[i]
                at += 1
    return first, count, packed_t, packed_label, packed_weight


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _sigmoid_sums(side, f, grad, hess):
    """Fill G and H per bin: sums of p - y and p (1 - p) with p = 1 / (1 + t u).

    Each term is rounded to float32, as LightGBM stores it.
    """
    first, _, t_all, label_all, weight_all = side
    for b in range(f.size):
        u = math.exp(min(max(-f[b], -MAX_SCORE), MAX_SCORE))
        t, label = t_all[first[b] : first[b + 1]], label_all[first[b] : first[b + 1]]
        g = h = 0.0
        if weight_all.size:
            weight = weight_all[first[b] : first[b + 1]]
            for k in range(t.size):
                p = 1.0 / (1.0 + t[k] * u)
                g += np.float32((p - label[k]) * weight[k])
                h += np.float32(p * (1.0 - p) * weight[k])
        else:
            for k in range(t.size):
                p = 1.0 / (1.0 + t[k] * u)
                g += np.float32(p - label[k])
                h += np.float32(p * (1.0 - p))
        grad[b] = g
        hess[b] = h


@njit(cache=True, nogil=True, fastmath=_FAST)
def _loss_part(first, v, weight, missed, f):
    """Sum of log-losses of validation rows, up to a constant (see `_boost_rows`).

    Without weights the terms of a bin are multiplied up, and a logarithm is taken
    only when the product grows large.  Padding has v = 0.
    """
    total, product = 0.0, 1.0
    for b in range(f.size):
        total += missed[b] * f[b]
        u = math.exp(min(max(-f[b], -MAX_SCORE), MAX_SCORE))
        if weight.size:
            for k in range(first[b], first[b + 1]):
                total += weight[k] * math.log1p(v[k] * u)
            continue
        for k in range(first[b], first[b + 1], BLOCK):
            part = 1.0
            for j in range(BLOCK):
                part *= 1.0 + v[k + j] * u
            if part > 1e150:  # one by one: the product may have overflowed
                for j in range(BLOCK):
                    total += math.log1p(v[k + j] * u)
                continue
            product *= part
            if product > 1e150:
                total += math.log(product)
                product = 1.0
    return total + math.log(product)


@njit(cache=True, nogil=True)
def _one_class(train):
    """Whether all training rows of a fold have the same label."""
    rows = 0.0
    positive = 0.0
    for b in range(train[1].size):
        rows += train[1][b]
    for y in train[3]:
        positive += y
    return positive == 0.0 or positive == rows


@njit(cache=True, nogil=True)
def _validation(valid):
    """What `_loss_part` needs, in place: v = t, and per bin the weight of label 0."""
    first, _, v, label, weight = valid
    missed = np.zeros(first.size - 1)
    rows = 0.0
    for b in range(missed.size):
        for k in range(first[b], first[b + 1]):
            if np.isinf(v[k]):
                v[k] = 0.0
                continue
            w = weight[k] if weight.size else 1.0
            rows += w
            missed[b] += w * (1.0 - label[k])
    return missed, rows


@njit(cache=True, nogil=True)
def _boost_rows(train, valid, zero_bin):
    """Mean drop of the log-loss on the validation rows of one fold.

    ``train`` and ``valid`` are what `_pack` returns, with t = exp(-init).  With
    u = exp(-f) of the row's bin, p = 1 / (1 + t u), and the loss of a row is
    log(1 + t u), plus init + f if its label is 0; init drops out of differences.
    """
    count = train[1]
    n_bins = count.size - 1
    flags = bin_flags(count, n_bins, zero_bin)
    if _one_class(train):
        flags = -1  # LightGBM does not train on a single class
    f = np.zeros(n_bins + 1)
    step = np.zeros(n_bins + 1)
    grad = np.zeros(n_bins + 1)
    hess = np.zeros(n_bins + 1)
    work = np.empty((4, n_bins + 2))
    missed, rows = _validation(valid)
    start_loss = _loss_part(valid[0], valid[2], valid[4], missed, f)
    best, at, more = -np.inf, 0, True
    for r in range(N_ROUNDS):
        leaves = 1
        if flags >= 0:
            _sigmoid_sums(train, f, grad, hess)
            leaves = grow_tree(grad, hess, count, n_bins, flags, work, step)
        if leaves == 1:
            # a tree that cannot split leaves the loss where it is and ends training
            best = best if r else 0.0
            break
        for b in range(n_bins + 1):
            f[b] += step[b]
        if count[n_bins] == 0:  # NaN not seen in training goes where zero goes
            f[n_bins] = f[zero_bin]
        drop = start_loss - _loss_part(valid[0], valid[2], valid[4], missed, f)
        best, at, more = improves(drop, best, at, r)
        if not more:
            break
    return best / rows if rows > 0.0 else np.nan


@njit(cache=True, nogil=True)
def logloss_folds(t, label, weight, group, order, start, zero_bin, train, test, out):
    """Log-loss drops of all folds.

    Parameters
    ----------
    t : float64 array (n,), exp(-init)
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
        own = max(t[i, label[i]] * u[b, label[i]], 1e-300)
        loss += w * math.log(total / own)
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
