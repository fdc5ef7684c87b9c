"""Boosting one feature with gradients that are re-evaluated per row in every round.

Rows are grouped by bin once.  exp is taken once per row (T, of the initial score)
and once per bin and round (U, of the model's output f): what is left per row is one
multiplication and one division.
"""

from __future__ import annotations

import math

import numpy as np

from featurekit.kernels.compiler import njit
from featurekit.kernels.cpu.exact_tree import (
    L2_OF_CLASSES,
    N_ROUNDS,
    grow_tree,
    improves,
)

#: The rows of a bin are padded to blocks of this length: vector loops have no
#: remainder, and a product of so many terms needs one check for overflow.
BLOCK = 8
#: Initial scores and bin outputs beyond this would overflow exp and are cut.
MAX_SCORE = 700.0

_FAST = {"reassoc", "nsz", "nnan", "contract"}


@njit(cache=True, nogil=True)
def _pack(t, label, weight, group, start, used):
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
            size += used[group[k]]
        count[b] = size
        first[b + 1] = first[b] + (size + BLOCK - 1) // BLOCK * BLOCK
    n = first[n_bins]
    packed_t = np.zeros(n + 1)
    for k in range(n + 1):
        packed_t[k] = np.inf
    packed_label = np.zeros(n + 1)
    packed_weight = np.zeros(n + 1 if weight.size else 0)
    for b in range(n_bins):
        at = first[b]
        # every row is written, and those not used written over: no branch to guess
        for k in range(start[b], start[b + 1]):
            packed_t[at] = t[k]
            packed_label[at] = label[k]
            if weight.size:
                packed_weight[at] = weight[k]
            at += used[group[k]]
        packed_t[at] = np.inf
        packed_label[at] = 0.0
        if weight.size:
            packed_weight[at] = 0.0
    return first, count, packed_t[:n], packed_label[:n], packed_weight[:n]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _sigmoid_sums(side, u_of_bin, grad, hess):
    """Fill G and H per bin: sums of p - y and p (1 - p) with p = 1 / (1 + t u).

    Each term is rounded to float32, as LightGBM stores it.
    """
    first, _, t_all, label_all, weight_all = side
    for b in range(u_of_bin.size):
        u = u_of_bin[b]
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
def _loss_part(first, v, weight, missed, f, u_of_bin):
    """Sum of log-losses of validation rows, up to a constant (see `_boost_rows`).

    Without weights the terms of a bin are multiplied up, and a logarithm is taken
    only when the product grows large.  Padding has v = 0.
    """
    total, product = 0.0, 1.0
    for b in range(f.size):
        total += missed[b] * f[b]
        u = u_of_bin[b]
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
def _boost_rows(train, valid, zero_bin, flags):
    """Mean drop of the log-loss on the validation rows of one fold.

    ``train`` and ``valid`` are what `_pack` returns, with t = exp(-init).  With
    u = exp(-f) of the row's bin, p = 1 / (1 + t u), and the loss of a row is
    log(1 + t u), plus init + f if its label is 0; init drops out of differences.
    """
    count = train[1]
    n_bins = count.size - 1
    if _one_class(train):
        flags = -1  # LightGBM does not train on a single class
    f = np.zeros(n_bins + 1)
    u = np.zeros(n_bins + 1)
    for b in range(n_bins + 1):
        u[b] = 1.0
    step = np.zeros(n_bins + 1)
    grad = np.zeros(n_bins + 1)
    hess = np.zeros(n_bins + 1)
    work = np.empty((4, n_bins + 2))
    missed, rows = _validation(valid)
    start_loss = _loss_part(valid[0], valid[2], valid[4], missed, f, u)
    best, at, more = -np.inf, 0, True
    for r in range(N_ROUNDS):
        leaves = 1
        if flags >= 0:
            _sigmoid_sums(train, u, grad, hess)
            leaves = grow_tree(
                grad, hess, count, n_bins, flags, L2_OF_CLASSES, work, step
            )
        if leaves == 1:
            # a tree that cannot split leaves the loss where it is and ends training
            best = best if r else 0.0
            break
        for b in range(n_bins + 1):
            f[b] += step[b]
        if count[n_bins] == 0:  # NaN not seen in training goes where zero goes
            f[n_bins] = f[zero_bin]
        for b in range(n_bins + 1):
            u[b] = math.exp(min(max(-f[b], -MAX_SCORE), MAX_SCORE))
        drop = start_loss - _loss_part(valid[0], valid[2], valid[4], missed, f, u)
        best, at, more = improves(drop, best, at, r)
        if not more:
            break
    return best / rows if rows > 0.0 else np.nan


@njit(cache=True, nogil=True)
def logloss_folds(t, label, weight, group, start, zero_bin, flags, train, test, out):
    """Log-loss drops of all folds.

    Parameters
    ----------
    t : float64 array (m,), exp(-init) of the rows, in the order of their bins
    label : uint16 array (m,), 0 or 1
    weight : float64 array (m,) or (0,)
    group : int64 array (m,), atoms of the rows
    start : int64 array (B + 2,)
        Bin b < B holds the rows ``start[b]:start[b + 1]``, bin B those of NaN.
    zero_bin : int, the bin that holds zero
    flags : int64 array (F,), as of `exact_tree.grow_tree`, -1 for no tree at all
    train, test : bool arrays (F, A), atoms on either side of each fold
    out : float64 array (F,)
    """
    for f in range(train.shape[0]):
        left = _pack(t, label, weight, group, start, train[f])
        right = _pack(t, label, weight, group, start, test[f])
        out[f] = _boost_rows(left, right, zero_bin, flags[f])


# -------------------------------------------------------------- multi-class log-loss


@njit(cache=True, nogil=True)
def _take(t, label, weight, group, start, used):
    """Rows of one side of a fold, class by class.

    Returns
    -------
    first : int64 array (B + 1,), bounds of the bins
    t : float64 array (K, rows)
    weight : float64 array (rows,) or (0,)
    of_class : float64 array (K, B), weight of the rows of each class per bin
    """
    n_class = t.shape[1]
    n_bins = start.size - 1
    first = np.zeros(n_bins + 1, np.int64)
    kept = np.empty(group.size, np.int64)
    of_class = np.zeros((n_class, n_bins))
    n = 0
    for b in range(n_bins):
        for k in range(start[b], start[b + 1]):
            if used[group[k]]:
                kept[n] = k
                of_class[label[k], b] += weight[k] if weight.size else 1.0
                n += 1
        first[b + 1] = n
    t_kept = np.empty((n_class, n))
    weight_kept = np.empty(n if weight.size else 0)
    for j in range(n):
        for c in range(n_class):
            t_kept[c, j] = t[kept[j], c]
        if weight.size:
            weight_kept[j] = weight[kept[j]]
    return first, t_kept, weight_kept, of_class


@njit(cache=True, nogil=True, fastmath=_FAST)
def _totals(t, u, b, lo, hi, total):
    """Fill ``total`` with the sum over the classes of t u, for the rows of a bin."""
    for i in range(hi - lo):
        total[i] = 0.0
    for c in range(t.shape[0]):
        part, factor = t[c, lo:hi], u[c, b]
        for i in range(hi - lo):
            total[i] += part[i] * factor


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _softmax_sums(side, u, grad, hess, total):
    """Fill G and H (K, n_bins + 1) from the rows of one side.

    With p = t u / sum(t u) one division per row is left; sums run over the rows of a
    bin, class by class, and compile to vector instructions.
    """
    first, t, weight, of_class = side
    n_class = t.shape[0]
    factor = n_class / (n_class - 1.0)
    for b in range(grad.shape[1]):
        lo, hi = first[b], first[b + 1]
        _totals(t, u, b, lo, hi, total)
        for i in range(hi - lo):
            total[i] = 1.0 / total[i]
        for c in range(n_class):
            part, own = t[c, lo:hi], u[c, b]
            g = q = 0.0
            if weight.size:
                w = weight[lo:hi]
                for i in range(hi - lo):
                    p = part[i] * own * total[i]
                    g += w[i] * p
                    q += w[i] * p * p
            else:
                for i in range(hi - lo):
                    p = part[i] * own * total[i]
                    g += p
                    q += p * p
            grad[c, b] = g - of_class[c, b]
            hess[c, b] = factor * (g - q)


@njit(cache=True, nogil=True)
def _softmax_loss(side, f, u, total):
    """Sum of multi-class log-losses over one side, less what f does not change.

    Without weights the sums of the rows are multiplied up, and a logarithm is taken
    only when the product grows large or small.
    """
    first, t, weight, of_class = side
    loss, product = 0.0, 1.0
    for b in range(f.shape[1]):
        lo, hi = first[b], first[b + 1]
        _totals(t, u, b, lo, hi, total)
        for i in range(hi - lo):
            if weight.size:
                loss += weight[lo + i] * math.log(total[i])
                continue
            product *= total[i]
            if product > 1e150 or product < 1e-150:
                loss += math.log(product)
                product = 1.0
        for c in range(f.shape[0]):
            loss -= of_class[c, b] * f[c, b]
    return loss + math.log(product)


@njit(cache=True, nogil=True)
def _softmax_trees(train, count, flags, zero_bin, live, f, u, grad, hess, work, total):
    """One round: a tree per class, added to f; u = exp(f). Returns the most leaves."""
    n_bins = count.size - 1
    _softmax_sums(train, u, grad, hess, total)
    step = np.empty(n_bins + 1)
    most = 1
    for c in range(f.shape[0]):
        if not live[c]:
            continue
        leaves = grow_tree(
            grad[c], hess[c], count, n_bins, flags, L2_OF_CLASSES, work, step
        )
        if leaves == 1:
            continue
        most = max(most, leaves)
        if count[n_bins] == 0:  # NaN not seen in training goes where zero goes
            step[n_bins] = step[zero_bin]
        for b in range(n_bins + 1):
            f[c, b] = min(max(f[c, b] + step[b], -MAX_SCORE / 2), MAX_SCORE / 2)
            u[c, b] = math.exp(f[c, b])
    return most


@njit(cache=True, nogil=True)
def _boost_softmax(train, valid, rows, zero_bin, flags):
    """Mean drop of the multi-class log-loss on the validation rows of one fold.

    ``rows`` is the weight of the validation rows.
    """
    first, t, _, of_class = train
    n_class, n_bins = t.shape[0], first.size - 2
    count = np.empty(n_bins + 1)
    for b in range(n_bins + 1):
        count[b] = first[b + 1] - first[b]
    # a class without rows (or with all rows) gets no trees
    live = np.empty(n_class, np.bool_)
    everything = of_class.sum()
    for c in range(n_class):
        live[c] = 0.0 < of_class[c].sum() < everything
    f = np.zeros((n_class, n_bins + 1))
    u = np.ones((n_class, n_bins + 1))
    grad = np.empty((n_class, n_bins + 1))
    hess = np.empty((n_class, n_bins + 1))
    work = np.empty((4, n_bins + 2))
    total = np.empty(max(t.shape[1], valid[1].shape[1]))
    start_loss = _softmax_loss(valid, f, u, total)
    best, at, more = -np.inf, 0, True
    for r in range(N_ROUNDS):
        most = 1
        if flags >= 0:
            most = _softmax_trees(
                train, count, flags, zero_bin, live, f, u, grad, hess, work, total
            )
        if most == 1:
            best = best if r else 0.0
            break
        drop = start_loss - _softmax_loss(valid, f, u, total)
        best, at, more = improves(drop, best, at, r)
        if not more:
            break
    return best / rows if rows > 0.0 else np.nan


@njit(cache=True, nogil=True)
def softmax_folds(t, label, weight, group, start, zero_bin, flags, train, test, out):
    """Multi-class drops of all folds: ``t`` is exp(init - its largest), (m, K)."""
    for f in range(train.shape[0]):
        left = _take(t, label, weight, group, start, train[f])
        right = _take(t, label, weight, group, start, test[f])
        out[f] = _boost_softmax(left, right, right[3].sum(), zero_bin, flags[f])
