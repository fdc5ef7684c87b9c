"""Importance of each feature in one model of the columns and all features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from featurekit.data import Schema
from featurekit.execution.budget import Budget
from featurekit.expressions import parse
from featurekit.generation import attribution
from featurekit.generation.attribution import importances
from featurekit.generation.model import SPARED, BoostedModel, base_matrix
from featurekit.generation.problem import Problem
from featurekit.statistics.folds import Folds
from featurekit.statistics.loss import LogLoss, MultiLogLoss, Squared


def problem_of(kind="squared", n=600, seed=0, weight=False):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    signal = frame["a"] * frame["b"] + rng.normal(0, 0.5, n)
    y, loss = signal.to_numpy(), Squared()
    if kind == "log-loss":
        y, loss = (y > 0).astype(float), LogLoss()
    if kind == "multi-class":
        y, loss = np.digitize(y, [-0.5, 0.5]).astype(float), MultiLogLoss(3)
    rows = np.arange(n)
    splits = [(rows[rows % 3 != f], rows[rows % 3 == f]) for f in range(3)]
    raw = np.tile(loss.baseline(y), (n, 1))
    w = rng.uniform(0.5, 2, n) if weight else None
    classes = (0, 1, 2) if kind == "multi-class" else None
    table = Schema.learn(frame)[1]
    return Problem(table, y, classes, w, loss, Folds.from_splits(splits, n), raw)


NODES = [parse(text) for text in ("a*b", "c*d", "c-d", "a/c")]


@pytest.mark.parametrize("kind", ["squared", "log-loss", "multi-class"])
@pytest.mark.parametrize("measure", ["gain", "permutation"])
def test_the_planted_product_is_worth_most(kind, measure):
    found = importances(problem_of(kind), NODES, measure, 0, 1, Budget())
    assert found.argmax() == 0 and found[0] > 5 * np.abs(found[1:]).max()


def gain_of_each_split(problem, booster, X, rows):
    """Loss taken off rows by each split: the rows are sent down, split by split."""
    out = np.zeros((booster.current_iteration(), X.shape[1]))
    raw = problem.raw[rows, 0].copy()
    y = problem.y[rows]
    weight = np.ones(len(rows)) if problem.weight is None else problem.weight[rows]

    def value(node):
        return node.get("internal_value", node.get("leaf_value"))

    def walk(node, inside, step, gain):
        if "split_feature" not in node:
            step[inside] = node["leaf_value"]
            return
        left = X[rows, node["split_feature"]] <= node["threshold"]
        for child, there in (
            (node["left_child"], inside & left),
            (node["right_child"], inside & ~left),
        ):
            before = (y - raw - value(node)) ** 2
            after = (y - raw - value(child)) ** 2
            taken_off = ((before - after) * weight)[there].sum()
            gain[node["split_feature"]] += 0.5 * taken_off
            walk(child, there, step, gain)

    for t, tree in enumerate(booster.dump_model()["tree_info"]):
        step = np.zeros(len(rows))
        walk(tree["tree_structure"], np.ones(len(rows), bool), step, out[t])
        raw += step
    return out


@pytest.mark.parametrize("weight", [False, True])
def test_gain_is_the_mean_reduction_on_held_out_and_training_rows(weight, monkeypatch):
    """Half the squared error is exactly its expansion to second order."""
    problem = problem_of(weight=weight)
    seen = []
    train = BoostedModel.train

    def spy(self, data, rows, *args):
        seen.append((train(self, data, rows, *args), rows))
        return seen[-1][0]

    monkeypatch.setattr(BoostedModel, "train", spy)
    monkeypatch.setattr(attribution, "ROWS_FOR_GAIN", 2 * len(problem.y))
    ours = importances(problem, NODES, "gain", 0, 1, Budget())
    assert len(seen) == 2
    X, _ = base_matrix(problem.table)
    made = [attribution.out_of_fold_values(problem, NODES), X]
    both = np.hstack(made[::-1])
    theirs = in_sample = 0.0
    for booster, rows in seen:
        held_out = np.setdiff1d(np.arange(len(problem.y)), rows)
        theirs += gain_of_each_split(problem, booster, both, held_out)
        found = gain_of_each_split(problem, booster, both, rows)
        in_sample += found * len(held_out) / len(rows)
    best = theirs.sum(axis=1).cumsum().argmax()
    assert 0 < best < len(theirs) - 1  # later rounds overfit, and do not count
    theirs = 0.5 * (theirs[: best + 1].sum(axis=0) + in_sample.sum(axis=0))
    np.testing.assert_allclose(ours, theirs[4:] / len(problem.y), rtol=1e-4)


def test_folds_without_scored_rows_to_learn_from_are_passed_over():
    problem = problem_of()
    problem.raw[problem.folds.train_rows(2)] = np.nan
    found = importances(problem, NODES, "gain", 0, 1, Budget())
    assert np.isfinite(found).all()


def test_early_scores_leave_to_features_what_they_can_supply():
    """They are of no more rounds than are far better than fewer."""
    rng = np.random.default_rng(0)
    X = rng.uniform(1, 3, (900, 2))
    y = (X[:, 0] / X[:, 1] > rng.lognormal(0, 0.2, 900)).astype(float)
    rows = np.arange(900)
    splits = [(rows[rows % 3 != f], rows[rows % 3 == f]) for f in range(3)]
    folds, loss = Folds.from_splits(splits, 900), LogLoss()
    found = BoostedModel(loss, rounds=20).out_of_fold(X, y, folds)
    few = BoostedModel(loss, rounds=1).out_of_fold(X, y, folds)

    def is_worse(a, b):
        behind = loss.per_row(y, a) - loss.per_row(y, b)
        return behind.mean() > SPARED * behind.std() / np.sqrt(len(y))

    assert is_worse(few.raw, found.early)
    assert not is_worse(found.early, found.raw)
    assert (found.early != found.raw).any()


def test_early_scores_of_much_to_learn_are_of_the_last_stage():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (3000, 3))
    y = 5 * X[:, 0] + 3 * X[:, 1] + X[:, 2]
    rows = np.arange(3000)
    splits = [(rows[rows % 3 != f], rows[rows % 3 == f]) for f in range(3)]
    folds = Folds.from_splits(splits, 3000)
    found = BoostedModel(Squared(), rounds=12).out_of_fold(X, y, folds)
    np.testing.assert_allclose(found.early, found.raw, rtol=1e-9)


def test_features_of_noise_are_worth_nothing():
    problem = problem_of(n=300)
    y = np.random.default_rng(1).normal(size=300)
    noise = replace(problem, y=y, raw=np.zeros((300, 1)))
    found = importances(noise, NODES, "gain", 0, 1, Budget())
    assert np.abs(found).max() < 0.02
