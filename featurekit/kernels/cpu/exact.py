"""What LightGBM would score when it is trained on one feature alone.

A boosted model on a single feature is a function of the feature's bin, so no model
is built here.  Bins are LightGBM's own (at most 255, learnt from the training rows)
and boosting runs on three numbers per bin: N (training rows), H (sum of hessians)
and G (sum of gradients).  The settings are those of the reference scorer: 100 trees
of 16 leaves, learning rate 0.1, at least 20 rows and a hessian of 1e-3 per leaf, the
initial score of every row given, and early stopping after 3 rounds without a better
validation loss; and, unlike there, a penalty of 1 on the leaves of log-losses, without
which a leaf of a rare class takes steps without bound.

* Squared loss: H never changes and G moves by ``H * step``, so rows are read once.
* Log-loss: G and H are re-evaluated from the rows of each bin in every round, as a
  division per row: ``1 / (1 + T * U)`` with ``T = exp(-init)`` taken once per row
  and ``U = exp(-f)`` once per bin and round.
* Multi-class log-loss: the same with softmax, one tree per class and round.

Gradients of the log-loss of two classes are rounded to float32 as LightGBM stores
them, because near-ties between splits are otherwise decided differently; of more
classes they are not: scores differ by less than 1e-6, and sums run three times faster.

Scores are drops of the mean loss per validation row (weighted if weights are given):
log-loss in nats, squared loss as the drop of the mean squared error.  The first tree
is always counted, so a useless feature may score below zero, and a feature which
LightGBM cannot split scores exactly zero.
"""

from __future__ import annotations

import numpy as np

from featurekit.kernels.compiler import njit
from featurekit.kernels.cpu.exact_bins import (
    CONSTANT_HESSIAN,
    bin_feature,
    bin_flags,
)
from featurekit.kernels.cpu.exact_rows import logloss_folds, softmax_folds
from featurekit.kernels.cpu.exact_tree import N_ROUNDS, grow_tree, improves

SQUARED = 0
LOGLOSS = 1


@njit(cache=True, nogil=True)
def _boost_sums(train, valid, n_bins, zero_bin, constant):
    """Drop of the mean squared error on the validation rows of one fold.

    Parameters
    ----------
    train, valid : float64 arrays (3, n_bins + 1)
        Per bin the number of rows, the sum of their weights and the weighted sum of
        residuals ``init - y``; changed in place.
    """
    count, hess, grad = train[0], train[1], train[2]
    if count[n_bins] == 0:  # NaN not seen in training goes where zero goes
        for j in range(3):
            valid[j, zero_bin] += valid[j, n_bins]
            valid[j, n_bins] = 0.0
    flags = bin_flags(count, n_bins, zero_bin)
    rows = 0.0
    for w in valid[1]:
        rows += w
    if flags < 0 or rows == 0.0:
        return 0.0 if rows > 0.0 else np.nan
    if constant:
        flags = CONSTANT_HESSIAN
    f = np.zeros(n_bins + 1)
    step = np.zeros(n_bins + 1)
    work = np.empty((4, n_bins + 2))
    best, at, more = -np.inf, 0, True
    for r in range(N_ROUNDS):
        leaves = grow_tree(grad, hess, count, n_bins, flags, 0.0, work, step)
        drop = 0.0
        for b in range(n_bins + 1):
            f[b] += step[b]
            grad[b] += hess[b] * step[b]
            drop -= f[b] * (2.0 * valid[2, b] + f[b] * valid[1, b])
        best, at, more = improves(drop, best, at, r)
        if leaves == 1 or not more:
            break
    return best / rows


@njit(cache=True, nogil=True)
def _side_sums(sums, used):
    """Sums per statistic and bin over the atoms on one side of a fold."""
    side = np.zeros((3, sums.shape[1]))
    for a in range(sums.shape[0]):
        if used[a]:
            for b in range(sums.shape[1]):
                for j in range(3):
                    side[j, b] += sums[a, b, j]
    return side


@njit(cache=True, nogil=True)
def squared_folds(
    y, init, row, weight, group, order, start, zero_bin, train, test, out
):
    """Squared-loss drops of all folds from sums per (group, bin).

    Parameters are those of `exact_rows.logloss_folds`. Rows are read in their own
    order: only their bin codes are scattered, which is cheaper than gathering the
    residuals.
    """
    n_bins = start.size - 2
    code = np.empty(order.size, np.uint8)
    for b in range(n_bins + 1):
        for k in range(start[b], start[b + 1]):
            code[order[k]] = b
    sums = np.zeros((train.shape[1], n_bins + 1, 3))
    for i in range(row.size):
        w = weight[i] if weight.size else 1.0
        a, b = group[i], code[i]
        sums[a, b, 0] += 1.0
        sums[a, b, 1] += w
        sums[a, b, 2] += w * (init[row[i]] - y[row[i]])
    for f in range(train.shape[0]):
        left = _side_sums(sums, train[f])
        right = _side_sums(sums, test[f])
        out[f] = _boost_sums(left, right, n_bins, zero_bin, weight.size == 0)


# --------------------------------------------------------------------- entry points


def boost_exact_squared_folds(x, y, init, weight, atom, train, test, out):
    """Score one feature on several folds by squared loss.

    Parameters
    ----------
    x : float64 array (n,)
        The feature; NaN is missing.
    y, init : float64 arrays (n,)
        Target and initial raw score.
    weight : float64 array (n,) or (0,)
    atom : integer array (n,)
        Atom of every row; rows with an atom outside 0..A-1 are not used.
    train, test : bool arrays (F, A)
        Fold f trains on the rows of atoms with ``train[f]`` and validates on those
        with ``test[f]``.
    out : float64 array (F,)
        Filled with the drop of the mean squared error of each fold; NaN for a fold
        without validation rows.

    Notes
    -----
    Bins are learnt once, from the rows that any fold trains on: the feature is
    sorted once, and folds differ from separate fits only by these bounds.

    This function and the next two are plain Python around two kernels each. As one
    kernel they would be compiled for longer: what a kernel calls is compiled again as
    a part of it.
    """
    rows = bin_feature(x, weight, atom, train, test)
    squared_folds(y, init, *rows, train, test, out)


def boost_exact_logloss_folds(x, y, init, weight, atom, train, test, out):
    """Score one feature on several folds by log-loss.

    Parameters are those of `boost_exact_squared_folds`; labels ``y`` above 0 are
    positive.
    """
    rows = bin_feature(x, weight, atom, train, test)
    logloss_folds(y, init, *rows, train, test, out)


def boost_exact_multiclass_folds(x, y, init, weight, atom, train, test, out):
    """Score one feature on several folds by multi-class log-loss.

    Parameters are those of `boost_exact_squared_folds`, with class codes 0..K-1 in
    ``y`` (integers) and raw scores ``init`` (n, K).
    """
    rows = bin_feature(x, weight, atom, train, test)
    softmax_folds(y, init, *rows, train, test, out)


def _as_atoms(n, train, valid):
    """Atoms of a single split: 0 trains, 1 validates, 2 does both, 255 is unused."""
    atom = np.full(n, 255, np.uint8)
    atom[train] = 0
    atom[valid] = np.where(atom[valid] == 0, 2, 1)
    return atom, np.array([[True, False, True]]), np.array([[False, True, True]])


def boost_exact(x, y, init, weight, train, valid, loss):
    """Drop of the mean loss when boosting on one feature, for a single split.

    ``train`` and ``valid`` are int64 arrays of distinct rows, ``loss`` is SQUARED or
    LOGLOSS; the other parameters are those of `boost_exact_squared_folds`.
    """
    atom, left, right = _as_atoms(x.size, train, valid)
    out = np.empty(1)
    folds = boost_exact_squared_folds if loss == SQUARED else boost_exact_logloss_folds
    folds(x, y, init, weight, atom, left, right, out)
    return float(out[0])


def boost_exact_multiclass(x, y, init, weight, train, valid):
    """The same for multi-class log-loss: class codes ``y``, raw scores (n, K)."""
    atom, left, right = _as_atoms(x.size, train, valid)
    out = np.empty(1)
    boost_exact_multiclass_folds(x, y, init, weight, atom, left, right, out)
    return float(out[0])
