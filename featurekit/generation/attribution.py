"""The second stage of the search: all survivors in one model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.execution.budget import Budget
from featurekit.expressions.tree import Expression
from featurekit.generation.model import BoostedModel, base_matrix
from featurekit.generation.problem import Problem, out_of_fold_values
from featurekit.generation.trees import Trees, leaves
from featurekit.statistics.loss import Absolute

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TREES = 50
"""Trees of the model of the second stage; of several classes each round has one each,
and at least 15 rounds are needed for the gains to settle."""
ROWS_FOR_GAIN = 10_000
"""Folds are used until their rows are about so many: fewer rows, noisier gains."""
_RATE = 0.15
_PARAMS = (
    ("num_leaves", 16),
    ("learning_rate", _RATE),
    ("feature_fraction", 0.5),
    ("max_bin", 63),
)


def importances(
    problem: Problem,
    nodes: Sequence[Expression],
    kind: str,
    seed: int,
    n_threads: int,
    budget: Budget,
) -> Floats:
    """Importance of each node in a model of the columns and all ``nodes``.

    The model starts from the initial scores, as each feature did when it was scored.
    "gain" is the mean of the loss reductions on held-out rows and on training rows. The
    training rows alone favour features of many values; the held-out rows alone order
    features of a heavy-tailed target by chance.

    Parameters
    ----------
    kind : str
        "gain" or "permutation".
    budget : Budget
        Training stops after the round in which it is spent.
    """
    X, categorical = base_matrix(problem.table)
    both = np.hstack([X, out_of_fold_values(problem, nodes, n_threads)])
    rounds = max(15, TREES // problem.loss.n_outputs)
    model = BoostedModel(problem.loss, seed, n_threads, rounds, _PARAMS, budget)
    init = np.where(np.isnan(problem.raw), 0.0, problem.raw)
    data = model.dataset(both, problem.y, problem.weight, categorical, init)
    known = ~np.isnan(problem.raw[:, 0])
    learning = []
    for f in range(problem.folds.n_folds):
        train, test = problem.folds.train_rows(f), problem.folds.test_rows(f)
        train, test = train[known[train]], test[known[test]]
        if len(train) and len(test):
            learning.append((train, test))
    if kind == "gain":
        # the last ones: of a splitter in time they learn from the most rows
        n_folds = max(1, round(ROWS_FOR_GAIN / len(both)))
        learning = learning[-n_folds:]
    held_out = np.zeros((rounds, both.shape[1]))
    in_sample = np.zeros_like(held_out)
    for train, test in learning:
        booster = model.train(data, train)
        if kind == "permutation":
            held_out[0] += _of_shuffling(
                problem, model, booster, both, test, X.shape[1]
            )
            continue
        trees = Trees.of(booster)
        on_test, on_train = (
            trees.by_round(of_split, problem.loss.n_outputs, both.shape[1])
            for of_split in _of_splits(problem, booster, trees, both, train, test)
        )
        held_out[: len(on_test)] += on_test
        in_sample[: len(on_train)] += on_train * (len(test) / len(train))
    out = held_out
    if kind == "gain":
        # up to the round after which the model overfits; none: they stay as they are
        total = np.cumsum(held_out, axis=0)
        best = int(total.sum(axis=1).argmax())
        n_rounds = best + 1 if total[best].sum() > 0 else 0
        out = 0.5 * np.vstack([held_out[:n_rounds], in_sample])
    return np.asarray(out.sum(axis=0)[X.shape[1] :] / len(problem.y))


def linear_importances(
    problem: Problem, nodes: Sequence[Expression], n_threads: int
) -> Floats:
    """What each node takes off the squared gradient in a linear model, one by one.

    For a model that is none of trees: which of the features that order the rows alike
    serves it best, trees cannot say. Greedily, each node is chosen for what it adds to
    the columns and to the nodes before it (orthogonal matching pursuit); a later one
    counts for no more than one before it.
    """
    known = ~np.isnan(problem.raw[:, 0])
    left = -problem.loss.gradients(problem.y[known], problem.raw[known])[0]
    root = np.ones((len(left), 1))
    if problem.weight is not None:
        root = np.sqrt(problem.weight[known])[:, None]
    X = np.hstack([root, _imputed(base_matrix(problem.table)[0][known]) * root])
    F = _imputed(out_of_fold_values(problem, nodes, n_threads)[known]) * root
    left = left * root
    basis = np.linalg.qr(X)[0]
    F = F / np.maximum(np.linalg.norm(F, axis=0), 1e-300)
    F, left = F - basis @ (basis.T @ F), left - basis @ (basis.T @ left)
    out = np.zeros(len(nodes))
    most = np.inf
    for _ in range(len(nodes)):
        size = (F**2).sum(axis=0)
        gain = ((F.T @ left) ** 2).sum(axis=1) / np.where(size > 1e-10, size, np.inf)
        best = int(gain.argmax())
        if not gain[best] > 0:
            break
        most = min(most, gain[best] * (1 - 1e-12))
        out[best] = most / len(left)
        unit = F[:, best : best + 1] / np.sqrt(size[best])
        F, left = F - unit @ (unit.T @ F), left - unit @ (unit.T @ left)
        F[:, best] = 0.0
    return out


def _imputed(X: Floats) -> Floats:
    """Columns with their mean in place of missing values, standardised."""
    X = np.where(np.isfinite(X), X, np.nan)
    gone = np.isnan(X)
    mean = np.where(gone, 0.0, X).sum(axis=0) / np.maximum((~gone).sum(axis=0), 1)
    X = np.where(gone, 0.0, X - mean)
    return np.asarray(X / np.maximum(np.abs(X).max(axis=0), 1e-300))


def _of_splits(
    problem: Problem,
    booster: Any,
    trees: Trees,
    both: Floats,
    train: Ints,
    test: Ints,
) -> tuple[Floats, Floats]:
    """Reduction of the loss by each split on held-out and on training rows, (T, S).

    On the training rows it is the gain that LightGBM states, which is of steps as long
    as the loss allows, for the shorter step that the tree takes.
    """
    n_outputs = problem.loss.n_outputs
    leaf = leaves(booster, both[test])
    y, raw = problem.y[test], problem.raw[test].copy()
    weight = None if problem.weight is None else problem.weight[test][:, None]
    leaf_value = trees.leaf_value
    sum_g, sum_h = np.zeros((2, *leaf_value.shape))
    for t, values in enumerate(leaf_value):
        k = t % n_outputs
        if k == 0:
            g, h = problem.loss.gradients(y, raw)
            if weight is not None:
                g, h = g * weight, h * weight
        sum_g[t] = np.bincount(leaf[:, t], g[:, k], len(values))
        sum_h[t] = np.bincount(leaf[:, t], h[:, k], len(values))
        raw[:, k] += values[leaf[:, t]]
    on_train = trees.gain * (_RATE - 0.5 * _RATE**2)
    if isinstance(problem.loss, Absolute):  # its gradients are signs to LightGBM
        error = problem.loss.gradients(problem.y[train], problem.raw[train])[0]
        on_train *= np.mean(error**2)
    return trees.less(sum_g, sum_h), on_train


def _of_shuffling(
    problem: Problem,
    model: BoostedModel,
    booster: Any,
    both: Floats,
    test: Ints,
    first: int,
) -> Floats:
    """Increase of the loss on held-out rows when a feature is shuffled, (features,)."""
    rng = np.random.default_rng(model.seed)
    part, y, raw = both[test], problem.y[test], problem.raw[test]
    before = problem.loss.per_row(y, raw + model.raw(booster, part)).sum()
    out = np.zeros(both.shape[1])
    for i in range(first, both.shape[1]):
        kept = part[:, i].copy()
        part[:, i] = rng.permutation(kept)
        after = problem.loss.per_row(y, raw + model.raw(booster, part)).sum()
        out[i] = after - before
        part[:, i] = kept
    return out
