"""LightGBM's trees as read from its text."""

import lightgbm
import numpy as np
import pytest

from featurekit.generation.model import BoostedModel
from featurekit.generation.trees import Tree, leaves
from featurekit.statistics.loss import MultiLogLoss, Squared


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
    trees, leaf = Tree.all_of(booster), leaves(booster, X)
    k = loss.n_outputs
    assert len(trees) == leaf.shape[1] == booster.num_trees()
    assert len(trees) == k * booster.current_iteration()
    for rounds in (1, 3, 12):
        ours = np.zeros((len(X), k))
        for t in range(min(k * rounds, len(trees))):
            ours[:, t % k] += trees[t].leaf_value[leaf[:, t]]
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
    (tree,) = Tree.all_of(booster)
    assert tree.feature.size == 0 and tree.leaf_value.size == 1
    assert tree.less(np.ones((2, 1)), np.ones((2, 1))).shape == (2, 0)
