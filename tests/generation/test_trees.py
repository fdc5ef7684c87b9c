"""LightGBM's trees as read from its text."""

from types import SimpleNamespace

import lightgbm
import numpy as np
import pytest

from featurekit.generation.attribution import _PARAMS, _of_splits
from featurekit.generation.model import BoostedModel
from featurekit.generation.trees import Trees, leaf_values, leaves
from featurekit.statistics.loss import Absolute, LogLoss, MultiLogLoss, Poisson, Squared


def boosted(loss, rounds=12, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(500, 4))
    X[:, 3] = rng.integers(0, 30, 500)  # categories
    X[rng.random((500, 4)) < 0.1] = np.nan
    y = np.nan_to_num(X[:, 0] * X[:, 1]) + (X[:, 3] % 2 == 0) + rng.normal(size=500)
    if isinstance(loss, MultiLogLoss):
        y = np.digitize(y, [-0.5, 0.5]).astype(float)
    model = BoostedModel(loss, rounds=rounds)
    data = model.dataset(X, y, categorical=[3])
    return model, model.train(data, np.arange(400), np.arange(400, 500), 5), X


@pytest.mark.parametrize("loss", [Squared(), MultiLogLoss(3)])
def test_leaves_add_up_to_the_scores(loss):
    model, booster, X = boosted(loss)
    leaf_value, leaf = Trees.of(booster).leaf_value, leaves(booster, X)
    np.testing.assert_allclose(leaf_values(booster, leaf), leaf_value, rtol=1e-15)
    k = loss.n_outputs
    assert len(leaf_value) == leaf.shape[1] == booster.num_trees()
    assert len(leaf_value) == k * booster.current_iteration()
    for rounds in (1, 3, 12):
        ours = np.zeros((len(X), k))
        for t in range(min(k * rounds, len(leaf_value))):
            ours[:, t % k] += leaf_value[t, leaf[:, t]]
        theirs = booster.predict(X, raw_score=True, num_iteration=rounds)
        np.testing.assert_allclose(ours, theirs.reshape(len(X), k), rtol=1e-12)
        first = leaves(booster, X, rounds)
        np.testing.assert_array_equal(first, leaf[:, : first.shape[1]])


@pytest.mark.parametrize("loss", [Squared(), MultiLogLoss(3)])
def test_stages_are_the_scores_after_so_many_rounds(loss):
    """Also beyond the best round, and beyond the last."""
    model, booster, X = boosted(loss, rounds=200)
    assert booster.best_iteration < booster.current_iteration() < 200
    rounds = [1, 1, 4, booster.best_iteration + 2, 150]
    for r, ours in zip(rounds, model._staged(booster, X, rounds), strict=True):
        theirs = booster.predict(X, raw_score=True, num_iteration=r)
        np.testing.assert_allclose(ours, theirs.reshape(ours.shape), rtol=1e-12)


def test_a_tree_without_splits():
    data = lightgbm.Dataset(np.arange(8.0)[:, None], np.ones(8))
    booster = lightgbm.train({"verbosity": -1}, data, 1)
    trees = Trees.of(booster)
    assert trees.feature.shape == (1, 0) and trees.leaf_value.shape == (1, 1)
    assert trees.less(np.ones((1, 1)), np.ones((1, 1))).shape == (1, 0)
    assert trees.by_round(trees.gain, 1, 3).tolist() == [[0.0, 0.0, 0.0]]


def problem_of(loss, X, y, weight):
    """Rows without a base model, as `_of_splits` sees them."""
    raw = np.tile(loss.baseline(y, weight), (len(y), 1))
    return SimpleNamespace(loss=loss, y=y, weight=weight, raw=raw)


@pytest.mark.parametrize("kind", [Squared, Absolute, LogLoss, MultiLogLoss, Poisson])
@pytest.mark.parametrize("categories", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_stated_gains_are_what_splits_take_off_the_loss(kind, categories, weighted):
    """Of the training rows nothing is left to compute: LightGBM says it."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(3000, 4))
    X[:, 3] = rng.integers(0, 30, 3000)
    X[rng.random((3000, 4)) < 0.1] = np.nan
    signal = np.nan_to_num(X[:, 0] * X[:, 1]) + (X[:, 3] % 2 == 0)
    y = 40 * (signal + rng.normal(size=3000)) + 7
    if kind is LogLoss:
        y = (y > 20).astype(float)
    elif kind is MultiLogLoss:
        y = np.digitize(y, [0, 30]).astype(float)
    elif kind is Poisson:
        y = rng.poisson(np.exp(0.5 * signal)).astype(float)
    loss = {LogLoss: LogLoss, MultiLogLoss: lambda: MultiLogLoss(3)}.get(
        kind, lambda: kind.of(y)
    )()
    weight = rng.exponential(size=3000) if weighted else None
    problem = problem_of(loss, X, y, weight)
    model = BoostedModel(loss, rounds=20, params=_PARAMS)
    rows = np.arange(3000)
    data = model.dataset(X, y, weight, [3] * categories, problem.raw)
    booster = model.train(data, rows)
    trees = Trees.of(booster)
    on_rows, stated = _of_splits(problem, booster, trees, X, rows, rows)
    on_rows, stated = (
        trees.by_round(part, loss.n_outputs, 4).sum(axis=0)
        for part in (on_rows, stated)
    )
    # leaves of L1 are medians of errors that get smaller, a step of Poisson is damped,
    # and leaves of few rows with a penalty or of categories are shrunken
    exact = kind is Squared and not categories
    rtol = 1e-4 if exact else 0.5 if kind is Absolute else 0.1
    np.testing.assert_allclose(stated, on_rows, rtol=rtol)
