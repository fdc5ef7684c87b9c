"""What sequential attention is compared with: how many, which, and the same rules."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from featurekit.selection import (
    OMP,
    GroupLasso,
    OneShotAttention,
    SequentialAttention,
    SequentialLasso,
)

torch = pytest.importorskip("torch")

NEURAL = [GroupLasso, SequentialLasso, OneShotAttention]
neural = pytest.mark.parametrize("cls", NEURAL, ids=lambda cls: cls.__name__)


def _quick(cls, k, **params):
    defaults = {"n_epochs": 150, "hidden_layer_sizes": (16,), "random_state": 0}
    return cls(k, **(defaults | params))


def _bent(kind="classes", n=300, d=20):
    """Two columns tell of the target, one of them by no straight line."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)) * np.exp(2 * rng.normal(size=d)) + 5
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    f = 2 * np.abs(z[:, 2]) + np.tanh(2 * z[:, 5]) + 0.1 * rng.normal(size=n)
    return X, (np.digitize(f, [0.8, 2.0]) if kind == "classes" else f)


@neural
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_columns_of_a_bent_target_are_found(cls, kind):
    X, y = _bent(kind)
    selector = _quick(cls, 2).fit(X, y)
    assert set(selector.order_.tolist()) == {2, 5}
    in_order = selector.scores_[np.argsort(selector.ranking_)]
    assert (np.diff(in_order) <= 0).all()
    assert not selector.stopped_


@neural
@pytest.mark.parametrize("k", [1, 7, 20])
def test_exactly_as_many_as_asked_for(cls, k):
    X, y = _bent()
    selector = _quick(cls, k, n_epochs=1).fit(X, y)
    assert selector.support_.sum() == k
    assert sorted(selector.ranking_) == list(range(1, 21))


@pytest.mark.parametrize("s", [1, 3, 30])
def test_the_lasso_in_phases_chooses_several_at_a_time(s):
    X, y = _bent()
    selector = _quick(SequentialLasso, 7, features_per_step=s, n_epochs=2).fit(X, y)
    assert selector.support_.sum() == 7
    assert len(selector.loss_curve_) == -(-7 // s)


@neural
def test_same_seed_same_result(cls):
    X, y = _bent()
    a, b = (_quick(cls, 4, n_epochs=5).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(a.scores_, b.scores_)
    other = _quick(cls, 4, n_epochs=5, random_state=1).fit(X, y)
    assert (a.scores_ != other.scores_).any()


@neural
def test_groups_and_categories_are_one_each(cls):
    rng = np.random.default_rng(0)
    city = rng.choice(list("abcdef"), 300)
    X = pd.DataFrame(rng.normal(size=(300, 5))).add_prefix("x").assign(city=city)
    y = np.isin(city, ["a", "d"]) + abs(X["x1"]) > 1
    selector = _quick(cls, 2, groups=[["x0", "x1"]]).fit(X, y)
    assert selector.get_feature_names_out().tolist() == ["x0", "x1", "city"]
    assert selector.scores_[0] == selector.scores_[1]


@neural
def test_class_weights_and_time(cls):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [480, 480, 24])
    X = rng.normal(size=(984, 4))
    X[:, 1] += 1.2 * (y == 1)
    X[:, 3] += 2.5 * (y == 2)
    quick = _quick(cls, 1, n_epochs=60)
    assert quick.set_params(class_weight={2: 0}).fit(X, y).order_.tolist() == [1]
    assert quick.set_params(class_weight={1: 0}).fit(X, y).order_.tolist() == [3]
    cut = quick.set_params(time_budget=0).fit(X, y)
    assert cut.support_.sum() == 1 and "time_budget" in cut.stopped_


@neural
def test_how_many_is_for_the_caller_to_say(cls):
    X, y = _bent()
    with pytest.raises(ValueError, match="n_features_to_select"):
        _quick(cls, "auto").fit(X, y)


def test_a_strong_penalty_leaves_nothing_but_the_chosen():
    X, y = _bent("numbers")
    weak, strong = (
        _quick(GroupLasso, 2, penalty=penalty).fit(X, y) for penalty in (0.0, 3.0)
    )
    assert strong.scores_.max() < 0.1 < weak.scores_.max()


def test_matching_pursuit_is_the_linear_form():
    X, y = _bent()
    X[::9, 3] = np.nan
    a = OMP(6, features_per_step=2, class_weight="balanced").fit(X, y)
    b = SequentialAttention(
        6, model="linear", features_per_step=2, class_weight="balanced"
    ).fit(X, y)
    assert a.order_.tolist() == b.order_.tolist()
    np.testing.assert_array_equal(a.scores_, b.scores_)
    assert OMP("auto", random_state=0).fit(X, y).support_.sum() >= 1
