"""The model without new features: never worse than a constant, in any unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from featurekit import OpenFE
from featurekit.data import Schema
from featurekit.fitting import Target, make_folds, relative_weights
from featurekit.generation.model import BoostedModel, base_matrix

SHORT = (("max_bin", 63), ("learning_rate", 0.3))


def _losses(X, y, metric=None, weight=None, rounds=72, params=()):
    """Loss per row of the base model, and of its folds' constants."""
    target = Target.of(y, "auto", metric)
    folds = make_folds(5, target, seed=0)
    matrix, categorical = base_matrix(Schema.learn(X, "auto")[1])
    model = BoostedModel(target.loss, 0, 1, rounds, params)
    found = model.out_of_fold(matrix, target.y, folds, weight, categorical)
    flat = np.empty_like(found.raw)
    for f in range(folds.n_folds):
        train = folds.train_rows(f)
        part = None if weight is None else weight[train]
        flat[folds.test_rows(f)] = target.loss.baseline(target.y[train], part)
    per_row = target.loss.per_row
    return per_row(target.y, found.raw), per_row(target.y, flat)


def _rare(n, rate, strength, seed=0):
    rng = np.random.default_rng([seed, n])
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    X["e"] = pd.Categorical(rng.integers(0, 30, n).astype(str))
    z = strength * (X.a * X.b + X.c) + rng.normal(size=n)
    return X, (z > np.quantile(z, 1 - rate)).astype(int)


@pytest.mark.parametrize("length", ["long", "short"])
@pytest.mark.parametrize("strength", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("rate", [0.001, 0.005, 0.05, 0.5])
@pytest.mark.parametrize("n", [1000, 8000])
def test_never_worse_than_the_constant(n, rate, strength, length):
    X, y = _rare(n, rate, strength)
    how = {"rounds": 12, "params": SHORT} if length == "short" else {}
    for target, metric in ((y, None), (y + 2 * (X.d > 0), None), (y, "poisson")):
        ours, constant = _losses(X, target.astype(int), metric, **how)
        worse = ours - constant
        error = max(worse.std(), constant.std()) / np.sqrt(n)
        assert worse.mean() <= error


@pytest.mark.parametrize("rate", [0.005, 0.05, 0.5])
def test_learns_what_there_is(rate):
    X, y = _rare(8000, rate, 3.0)
    for metric in (None, "poisson"):
        ours, constant = _losses(X, y, metric)
        assert ours.mean() < 0.7 * constant.mean()


def test_classes_that_a_fold_lacks_cost_no_more_than_a_rare_class():
    """LightGBM scores a class without training rows at minus 34."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=600)})
    y = np.where(np.arange(600) == 0, 2, (X.a > 0).astype(int))
    ours, _ = _losses(X, y)
    assert ours[0] < 15
    assert ours[1:].mean() < 0.3


@pytest.mark.parametrize("metric", [None, "poisson"])
def test_folds_of_one_value_are_constants(metric):
    X = pd.DataFrame({"a": np.arange(100.0)})
    y = (np.arange(100) == 0).astype(int)
    ours, _ = _losses(X, y, metric)
    assert np.isfinite(ours).all()


def test_product_is_found_where_one_row_in_two_hundred_is_positive():
    n, rng = 10_000, np.random.default_rng(2)
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    z = X.a * X.b + rng.normal(0, 0.3, n)
    y = (z > np.quantile(z, 0.995)).astype(int)
    maker = OpenFE(5, random_state=0).fit(X, y)
    assert maker.base_score_ < 0.01  # the rate's log-loss is 0.0315
    found = [(node.op, set(node.columns())) for node in maker.features_]
    assert ("*", {"a", "b"}) in found


REGRESSION = {
    "rmse": lambda wave, rng: wave + 0.1 * rng.normal(size=len(wave)),
    "mae": lambda wave, rng: wave + 0.1 * rng.standard_t(2, size=len(wave)),
    "poisson": lambda wave, rng: rng.poisson(np.exp(1.5 * wave)) * 1.0,
}


def _wave(metric):
    """A target that a model of a few hundred rows learns from a sum only."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(1, 4, (500, 3)), columns=list("abc"))
    return X, REGRESSION[metric](np.sin(3 * (X.a + X.b)).to_numpy(), rng)


def _fit(X, y, metric="rmse", weight=None, **params):
    options = {"operators": ["/", "*", "+"], "cv": 3, "random_state": 0} | params
    maker = OpenFE(task="regression", metric=metric, **options)
    return maker.fit(X, y, sample_weight=weight)


def _names(maker):
    return [node.name for node in maker.features_]


@pytest.mark.parametrize("n_features", ["auto", 1])
@pytest.mark.parametrize("metric", REGRESSION)
def test_unit_of_the_target_does_not_matter(metric, n_features, tmp_path):
    X, y = _wave(metric)
    plain = _fit(X, y, metric, n_features=n_features)
    assert _names(plain)
    for unit in (1e-300, 1e-12, 1e-7, 2.0**-20, 1e6, 1e12, 1e200):
        other = _fit(X, y * unit, metric, n_features=n_features)
        assert _names(other) == _names(plain)
        assert other.base_score_ == pytest.approx(plain.base_score_ * unit, rel=1e-6)
        power = 2 if metric == "rmse" else 1
        if 1e-100 < unit < 1e100:
            np.testing.assert_allclose(
                other.report_["score"], plain.report_["score"] * unit**power, rtol=1e-4
            )
        other.to_json(tmp_path / "features.json")


@pytest.mark.parametrize("n_features", ["auto", 1])
@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_offset_of_the_target_does_not_matter(metric, n_features):
    X, y = _wave(metric)
    y = np.round(y * 2**20) / 2**20  # exact with any of the offsets
    plain = _fit(X, y, metric, n_features=n_features)
    for offset in (-7.0, 1e3, 1e7, 1e9):
        other = _fit(X, y + offset, metric, n_features=n_features)
        assert _names(other) == _names(plain)
        assert other.base_score_ == pytest.approx(plain.base_score_, rel=1e-4)


@pytest.mark.parametrize("n_features", ["auto", 1])
@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_scale_of_weights_does_not_matter(task, n_features):
    X, y = _wave("rmse")
    if task != "regression":
        y = np.digitize(y, np.quantile(y, [0.5] if task == "binary" else [0.3, 0.7]))
    weight = np.random.default_rng(1).uniform(0.2, 3, len(y))

    def fit(weight):
        maker = OpenFE(
            n_features, operators=["/", "*", "+"], cv=3, task=task, random_state=0
        )
        return maker.fit(X, y, sample_weight=weight)

    plain = fit(weight)
    for scale in (1e-320, 1e-12, 1e-7, 1e7, 1e12, 1e38, 1e300):
        if scale < 1e-310:  # subnormal weights have few digits
            weight = np.round(weight * 8) / 8
            plain = fit(weight)
        other = fit(weight * scale)
        assert _names(other) == _names(plain)
        assert other.base_score_ == pytest.approx(plain.base_score_, rel=1e-6)
        weight = np.random.default_rng(1).uniform(0.2, 3, len(y))
        if scale < 1e-310:
            plain = fit(weight)


def test_equal_weights_are_none():
    X, y = _wave("rmse")
    plain = _fit(X, y)
    for value in (1e-12, 1 / 500, 3.0, 1e38):
        other = _fit(X, y, weight=np.full(500, value))
        pd.testing.assert_frame_equal(other.report_, plain.report_)


def test_relative_weights():
    assert relative_weights(None) is None
    assert relative_weights(np.full(7, 0.3)) is None
    weight = np.array([0.0, 1.0, 2.0, 3.0])
    for scale in (5e-324, 1e-300, 1.0, 1e300):
        np.testing.assert_array_equal(
            relative_weights(weight * scale), [0.0, 0.5, 1.0, 1.5]
        )
