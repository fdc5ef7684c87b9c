"""The linear form: orthogonal matching pursuit, and why it is sequential attention."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import orthogonal_mp

from featurekit.selection import SequentialAttention


def _linear(k, **params):
    return SequentialAttention(k, model="linear", **params)


def _unit(X):
    X = X - X.mean(axis=0)
    return X / np.linalg.norm(X, axis=0)


def _problem(seed):
    rng = np.random.default_rng(seed)
    n, d = [(60, 15), (20, 50), (40, 40)][seed % 3]
    X = rng.normal(size=(n, d)) @ (np.eye(d) + 0.3 * rng.normal(size=(d, d)))
    X = X * np.exp(rng.normal(size=d) * 3) + rng.normal(size=d)
    y = _unit(X)[:, :6] @ rng.normal(size=6) + 0.1 * rng.normal(size=n)
    return X, y


@pytest.mark.parametrize("seed", range(20))
def test_order_is_that_of_orthogonal_matching_pursuit(seed):
    X, y = _problem(seed)
    path = orthogonal_mp(_unit(X), y - y.mean(), n_nonzero_coefs=8, return_path=True)
    order = [int(np.flatnonzero(path[:, 0])[0])]
    for before, after in zip(path.T[:-1], path.T[1:], strict=True):
        (new,) = np.flatnonzero((after != 0) & (before == 0))
        order.append(int(new))
    assert _linear(8).fit(X, y).order_.tolist() == order


def _rlsa(X, y, chosen, strength, rng):
    """Minimise the loss with weights that multiply, by a general-purpose solver."""
    d = X.shape[1]
    open_ = np.setdiff1d(np.arange(d), chosen)
    Q = np.linalg.qr(X[:, chosen])[0] if len(chosen) else np.empty((len(X), 0))
    # the chosen are free of the penalty: project them out
    A, r = X[:, open_] - Q @ (Q.T @ X[:, open_]), y - Q @ (Q.T @ y)

    def loss(v):
        w, b = v[: len(open_)], v[len(open_) :]
        e = A @ (w * b) - r
        g = 2 * (A.T @ e)
        value = e @ e + strength / 2 * (w @ w + b @ b)
        return value, np.concatenate([g * b + strength * w, g * w + strength * b])

    start = rng.normal(size=2 * len(open_)) * 0.3
    found = minimize(loss, start, jac=True, method="L-BFGS-B", tol=1e-14,
                     options={"maxiter": 5000, "gtol": 1e-10})  # fmt: skip
    w, b = found.x[: len(open_)], found.x[len(open_) :]
    return open_, w * b


def _lasso(X, y, chosen, strength):
    """Coordinate descent on the lasso, those chosen free of the penalty."""
    d = X.shape[1]
    open_ = np.setdiff1d(np.arange(d), chosen)
    Q = np.linalg.qr(X[:, chosen])[0] if len(chosen) else np.empty((len(X), 0))
    A, r = X[:, open_] - Q @ (Q.T @ X[:, open_]), y - Q @ (Q.T @ y)
    t = np.zeros(len(open_))
    for _ in range(500):
        for i in range(len(open_)):
            rest = r - A @ t + A[:, i] * t[i]
            z = A[:, i] @ rest
            t[i] = np.sign(z) * max(abs(z) - strength / 2, 0) / (A[:, i] @ A[:, i])
    return open_, t


@pytest.mark.parametrize("seed", range(3))
def test_regularised_attention_and_the_lasso_choose_the_same_at_each_step(seed):
    X, y = _problem(seed)
    X, y = _unit(X[:, :12]), y - y.mean()
    rng = np.random.default_rng(seed)
    order = _linear(5).fit(X, y).order_.tolist()
    for step, chosen in enumerate(order):
        before = order[:step]
        beside = np.linalg.lstsq(X[:, before], y, rcond=None)[0] if before else []
        r = y - X[:, before] @ beside if before else y
        # just below the penalty from which on nothing but the chosen is used
        strength = 0.995 * 2 * np.abs(X.T @ r).max()
        open_, t = _lasso(X, y, before, strength)
        assert open_[np.abs(t) > 1e-12].tolist() == [chosen]
        at, product = _rlsa(X, y, before, strength, rng)
        assert at[np.argmax(np.abs(product))] == chosen
        np.testing.assert_allclose(product, t, atol=2e-4)


@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_weights_are_repetition(kind):
    rng = np.random.default_rng(0)
    for _ in range(10):
        X = rng.normal(size=(50, 8))
        X[rng.random(X.shape) < 0.1] = np.nan
        y = rng.normal(size=50) if kind == "numbers" else rng.integers(0, 3, 50)
        weight = rng.integers(0, 4, 50)
        a = _linear(6).fit(X, y, sample_weight=weight)
        b = _linear(6).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
        assert a.order_.tolist() == b.order_.tolist()
        np.testing.assert_allclose(a.scores_, b.scores_, atol=1e-9)


def test_duplicates_and_combinations_come_last():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 8))
    X[:, 5] = 3 * X[:, 1] + 7
    X[:, 6] = X[:, 1] - 2 * X[:, 2]
    y = 4 * X[:, 1] + 3 * X[:, 2] + X[:, 0] + 0.1 * rng.normal(size=40)
    for s in (1, 2, 3):
        order = _linear(8, features_per_step=s).fit(X, y).order_.tolist()
        # of seven and eight columns of rank six, two are combinations of the others
        rank = np.linalg.matrix_rank(X[:, order[:6]] - X[:, order[:6]].mean(axis=0))
        assert rank == 6 and sorted(order) == list(range(8))
    # of equal ones the first
    assert _linear(1).fit(np.repeat(X[:, 1:2], 4, axis=1), y).order_.tolist() == [0]


def test_more_columns_than_rows_gives_as_many_as_asked_for():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(10, 40)), rng.normal(size=10)
    for s in (1, 3, 7):
        selector = _linear(30, features_per_step=s).fit(X, y)
        assert selector.support_.sum() == 30 and len(set(selector.order_)) == 30
        assert np.linalg.matrix_rank(X[:, selector.order_[:9]]) == 9


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_what_is_explained_and_fall(seed):
    X, y = _problem(seed)
    selector = _linear(6).fit(X, y)
    first = selector.order_[0]
    r2 = np.corrcoef(X[:, first], y)[0, 1] ** 2
    assert abs(selector.scores_[first] - r2) < 1e-9
    in_order = selector.scores_[np.argsort(selector.ranking_)]
    assert (np.diff(in_order) <= 1e-12).all()
    A = np.column_stack([np.ones(len(y)), X[:, selector.order_]])
    left = y - A @ np.linalg.lstsq(A, y, rcond=None)[0]
    expected = left @ left / ((y - y.mean()) ** 2).sum()
    assert abs(selector.loss_curve_[-1] - expected) < 1e-9


def test_several_classes_add_their_squares():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 10)), rng.integers(0, 4, 90)
    X[:, 4] += y == 2
    Y = (y[:, None] == np.arange(4)).astype(float)
    residual, order = Y - Y.mean(axis=0), []
    for _ in range(5):
        gains = ((_unit(X).T @ residual) ** 2).sum(axis=1)
        gains[order] = -1
        order.append(int(gains.argmax()))
        A = _unit(X)[:, order]
        residual = Y - Y.mean(axis=0)
        residual = residual - A @ np.linalg.lstsq(A, residual, rcond=None)[0]
    assert _linear(5).fit(X, y).order_.tolist() == order


def test_a_group_counts_by_its_projection():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(80, 6))
    y = 1.5 * X[:, 0] + 1.2 * X[:, 1] + 1.1 * X[:, 4] + 0.2 * rng.normal(size=80)
    groups = [[0, 1], [2, 3]]
    selector = _linear(2, groups=groups).fit(X, y)
    assert selector.order_.tolist() == [0, 1, 4]
    A = np.column_stack([np.ones(80), X[:, :2]])
    left = y - A @ np.linalg.lstsq(A, y, rcond=None)[0]
    r2 = 1 - left @ left / ((y - y.mean()) ** 2).sum()
    np.testing.assert_allclose(selector.scores_[:2], r2, atol=1e-9)


def test_class_weights_change_the_choice():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [480, 480, 24])
    X = rng.normal(size=(984, 4))
    X[:, 1] += 1.2 * (y == 1)
    X[:, 3] += 2.5 * (y == 2)
    assert _linear(1).fit(X, y).order_.tolist() == [1]
    assert _linear(1, class_weight="balanced").fit(X, y).order_.tolist() == [3]
    weight = {0: 1, 1: 1, 2: 20}
    assert _linear(1, class_weight=weight).fit(X, y).order_.tolist() == [3]
    np.testing.assert_array_equal(
        _linear(2, class_weight=weight).fit(X, y).scores_,
        _linear(2).fit(X, y, sample_weight=np.where(y == 2, 20, 1)).scores_,
    )
    with pytest.raises(ValueError, match="has the class 7, which y has not"):
        _linear(1, class_weight={7: 1}).fit(X, y)
    with pytest.raises(ValueError, match="below 0"):
        _linear(1, class_weight={1: -1}).fit(X, y)
    with pytest.raises(ValueError, match="goes with classes"):
        _linear(1, class_weight="balanced").fit(X, X[:, 0])


def test_rows_held_out_say_how_many():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 60))
    y = X[:, [3, 10, 20]] @ [3, 2, 2.0] + 0.5 * rng.normal(size=400)
    selector = _linear("auto", random_state=0).fit(X, y)
    assert {3, 10, 20} <= set(selector.order_) and selector.n_features_to_select_ <= 5
    assert len(selector.validation_scores_) >= selector.n_features_to_select_


def test_categories_gaps_and_constants():
    rng = np.random.default_rng(0)
    n = 300
    city = rng.choice(list("abcdef"), n)
    X = pd.DataFrame(
        {
            "noise": rng.normal(size=n),
            "city": city,
            "constant": 1.0,
            "gaps": np.where(rng.random(n) < 0.5, np.nan, 1.0),
        }
    )
    y = 2.0 * np.isin(city, ["b", "e"]) + X["gaps"].isna() + 0.1 * rng.normal(size=n)
    selector = _linear(4).fit(X, y)
    assert selector.order_.tolist() == [1, 3, 0, 2]
    assert _linear(2).fit(X, y).get_feature_names_out().tolist() == ["city", "gaps"]
