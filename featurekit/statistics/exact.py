"""What LightGBM would score when it is trained on one feature alone, fold by fold.

A boosted model on a single feature is a function of the feature's bin, so no model
is built here. Bins are LightGBM's own (at most 255, learnt from the training rows) and
boosting runs on three numbers per bin: N (training rows), H (sum of hessians) and G
(sum of gradients). The settings are those of the reference scorer: 100 trees of 16
leaves, learning rate 0.1, at least 20 rows and a hessian of 1e-3 per leaf, the initial
score of every row given, and early stopping after 3 rounds without a better validation
loss; and, unlike there, a penalty of 1 on the leaves of log-losses, without which a
leaf of a rare class takes steps without bound.

Scores are drops of the mean loss per validation row (weighted if weights are given):
log-loss in nats, squared loss as the drop of the mean squared error. The first tree is
always counted, so a useless feature may score below zero, and a feature which LightGBM
cannot split scores exactly zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.kernels.registry import kernel

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SQUARED, LOGLOSS, SOFTMAX = "squared", "logloss", "softmax"
MAX_BIN = 255
MIN_IN_LEAF = 20
#: Fraction of rows above which LightGBM stores a column relative to its fullest bin.
SPARSE_SHARE = 0.7
#: Bits of the flags that a tree is grown with.
CONSTANT_HESSIAN = 1
FIRST_BIN_IMPLIED = 2
BOTH_WAYS = 4
#: A value at most this large in magnitude is zero (a float32 constant in LightGBM).
ZERO = float(np.float32(1e-35))
#: Initial scores beyond this would overflow exp and are cut.
MAX_SCORE = 700.0


class FeatureScorer:
    """Scores features, one at a time, by a boosted model of each alone.

    What all features share is computed once. Bins are learnt once per feature, from
    the rows that any fold trains on: the feature is sorted once, and folds differ from
    separate fits only by these bounds.

    Parameters
    ----------
    loss : {"squared", "logloss", "softmax"}
    y : array (n,)
        Target. Labels above 0 are positive for "logloss"; class codes 0..K-1 for
        "softmax".
    init : float64 array (n,), or (n, K) for "softmax"
        Initial raw scores.
    weight : float64 array (n,) or None
    atom : integer array (n,)
        Atom of every row; rows with an atom outside 0..A-1 are not used.
    train, test : bool arrays (F, A)
        Fold f trains on the rows of atoms with ``train[f]`` and validates on those
        with ``test[f]``.
    """

    def __init__(
        self,
        loss: str,
        y: NDArray[Any],
        init: Floats,
        weight: Floats | None,
        atom: NDArray[Any],
        train: Bools,
        test: Bools,
    ) -> None:
        self.loss, self.train, self.test = loss, train, test
        self.sides = np.stack([train, test]).astype(np.float64)
        n_atoms = train.shape[1]
        used = np.append(train.any(axis=0) | test.any(axis=0), False)
        atom = np.where((atom >= 0) & (atom < n_atoms), atom, n_atoms).astype(np.int64)
        self.rows = np.flatnonzero(used[atom])
        self.atom = atom[self.rows]
        learns: Any = train.any(axis=0)
        self.learns = learns[self.atom]
        self.all_learn = bool(self.learns.all())
        self.weight = np.empty(0) if weight is None else weight[self.rows]
        self.residual = np.empty(0)
        y, init = y[self.rows], init[self.rows]
        if loss == SQUARED:
            self.residual = init - y
            if weight is not None:
                self.residual *= self.weight
        elif loss == LOGLOSS:
            # exp is taken once per row, of the initial score
            self.t = np.exp(np.clip(-init, -MAX_SCORE, MAX_SCORE))
            self.label = (y > 0).astype(np.uint16)
        else:
            above = init - init.max(axis=1, keepdims=True)
            self.t = np.exp(np.maximum(above, -MAX_SCORE))
            self.label = y.astype(np.uint16)

    def __call__(self, x: Floats) -> Floats:
        """Drop of the mean loss of each fold; NaN without validation rows.

        Parameters
        ----------
        x : float64 array (n,)
            The feature; NaN is missing.

        Returns
        -------
        float64 array (F,)
        """
        value = x[self.rows]
        value[np.abs(value) <= ZERO] = 0.0
        learnt = np.sort(value if self.all_learn else value[self.learns])
        n_known = int(np.searchsorted(learnt, np.nan))
        edges = bin_edges(learnt[:n_known], len(learnt) - n_known)
        zero_bin = int((edges < 0.0).sum())
        n_bins = len(edges)
        code = np.empty(len(value), np.uint8)
        sums = np.zeros((self.train.shape[1], 3, n_bins + 1))
        kernel("fill_bins")(
            value, edges, self.atom, self.weight, self.residual, code, sums
        )
        counts = sums[:, 0]
        flags = bin_flags(self.sides[0] @ counts, zero_bin)
        out = np.empty(len(self.train))
        if self.loss == SQUARED:
            self._from_sums(sums, zero_bin, flags, out)
            return out
        start = np.zeros(n_bins + 2, np.int64)
        start[1:] = np.cumsum(counts.sum(axis=0))
        order = np.argsort(code, kind="stable")
        weight = self.weight[order] if self.weight.size else self.weight
        kernel(f"{self.loss}_folds")(
            self.t[order], self.label[order], weight, self.atom[order], start, zero_bin,
            flags, self.train, self.test, out,
        )  # fmt: skip
        return out

    def _from_sums(
        self,
        sums: Floats,
        zero_bin: int,
        flags: NDArray[np.int64],
        out: Floats,
    ) -> None:
        """Squared loss: H never changes and G moves by H * step: rows are read once."""
        constant = self.weight.size == 0
        if constant:
            sums[:, 1] = sums[:, 0]
        # (sides, folds, statistics, bins)
        shape = *self.sides.shape[:2], *sums.shape[1:]
        train, valid = (self.sides @ sums.reshape(len(sums), -1)).reshape(shape)
        # NaN not seen in training goes where zero goes
        moved = np.flatnonzero(train[:, 0, -1] == 0)
        valid[moved, :, zero_bin] += valid[moved, :, -1]
        valid[moved, :, -1] = 0.0
        rows = valid[:, 1].sum(axis=1)
        boost = kernel("boost_exact_squared")
        for f in range(len(out)):
            if rows[f] == 0.0:
                out[f] = np.nan
            elif flags[f] < 0:
                out[f] = 0.0
            else:
                how = CONSTANT_HESSIAN if constant else flags[f]
                out[f] = boost(train[f], valid[f], how) / rows[f]


def bin_flags(count: Floats, zero_bin: int) -> NDArray[np.int64]:
    """What LightGBM would derive from the training rows per bin, fold by fold.

    Parameters
    ----------
    count : float64 array (F, B + 1)
        Training rows per bin, that of NaN last.
    zero_bin : int
        The bin that holds zero.

    Returns
    -------
    int64 array (F,)
        -1 if no boundary between bins leaves enough rows on both sides, in which
        case LightGBM drops the feature; FIRST_BIN_IMPLIED if it does not store bin 0
        and infers its row count as what the others leave over; else BOTH_WAYS if
        there are rows with NaN, so that leaves without such rows are searched from
        both ends too (with hessians that vary, the ends disagree on row counts).
    """
    n_bins = count.shape[1] - 1
    # a boundary at the end leaves the rows with NaN, and none where there are none
    held = np.cumsum(count, axis=1)
    total = held[:, -1:]
    held = held[:, :-1]
    enough = (held >= MIN_IN_LEAF) & (total - held >= MIN_IN_LEAF)
    fullest = np.where(
        count.max(axis=1) < SPARSE_SHARE * total[:, 0], zero_bin, count.argmax(axis=1)
    )
    implied = (fullest == 0) | (n_bins == 1)
    flags = np.where(count[:, -1] > 0, BOTH_WAYS, 0)
    flags = np.where(implied, FIRST_BIN_IMPLIED, flags)
    return np.where(enough.any(axis=1), flags, -1)


def bin_edges(ascending: Floats, n_nan: int) -> Floats:
    """Inclusive upper bounds of the bins of one feature, as LightGBM learns them.

    Greedily of equal counts, at least 3 rows each, a bin of its own for zero, bounds
    just above the middle between neighbours. All training rows are used (LightGBM takes
    a sample of 200,000 rows beyond that size).

    Parameters
    ----------
    ascending : float64 array (m,)
        Values of the training rows without NaN, zeros exactly 0.0.
    n_nan : int
        Training rows with NaN, which take one bin off the budget.
    """
    # neighbouring doubles count as one value, of which the larger is kept
    same = np.abs(np.diff(ascending.view(np.int64))) <= 1
    last = np.flatnonzero(np.append(~same, True)[: len(ascending)])
    distinct, count = ascending[last], np.diff(last, prepend=-1)
    n_below, n_upto = (
        np.searchsorted(ascending, 0.0),
        np.searchsorted(ascending, 0.0, "right"),
    )
    left, right = (
        np.searchsorted(distinct, 0.0),
        np.searchsorted(distinct, 0.0, "right"),
    )
    n_above = len(ascending) - n_upto
    budget = MAX_BIN - (n_nan > 0)
    edges = np.empty(MAX_BIN + 2)
    n_bins = 0
    greedy = kernel("greedy_bins")
    if left > 0:
        share = int(n_below / (n_below + n_above) * (budget - 1))
        n_bins = greedy(distinct[:left], count[:left], max(1, share), n_below, edges)
        edges[n_bins - 1] = -ZERO
    room = budget - 1 - n_bins
    if right == len(distinct) or room <= 0:
        edges[n_bins] = np.inf
        return edges[: n_bins + 1]
    edges[n_bins] = ZERO
    n_bins += 1
    n_bins += greedy(distinct[right:], count[right:], room, n_above, edges[n_bins:])
    return edges[:n_bins]


def boost_exact(
    x: Floats,
    y: NDArray[Any],
    init: Floats,
    weight: Floats | None,
    train: NDArray[np.int64],
    valid: NDArray[np.int64],
    loss: str,
) -> float:
    """Drop of the mean loss when boosting on one feature, for a single split.

    Parameters
    ----------
    x : float64 array (n,)
    y, init, weight, loss
        As in `FeatureScorer`.
    train, valid : int64 arrays
        Distinct rows; others are not used.
    """
    # 0 trains, 1 validates, 2 does both
    atom = np.full(len(x), -1)
    atom[train] = 0
    atom[valid] = np.where(atom[valid] == 0, 2, 1)
    left, right = np.array([[True, False, True]]), np.array([[False, True, True]])
    return float(FeatureScorer(loss, y, init, weight, atom, left, right)(x)[0])
