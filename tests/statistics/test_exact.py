"""The exact one-feature scorer against a slow oracle and against LightGBM."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest
from scipy.stats import spearmanr

from featurekit.statistics import exact
from tests.reference import exact as oracle

NO_WEIGHT = None


def _column(kind, rng, n):
    """One feature of each kind that has a rule of its own."""
    z = rng.normal(size=n)
    x = {
        "normal": z,
        "positive": np.exp(z),
        "ties": np.round(2 * z),
        "halves": np.round(z * 20) / 20 + 3,
        "zeros": np.where(rng.random(n) < 0.3, 0.0, z),
        "mostly_zero": np.where(rng.random(n) < 0.9, 0.0, np.abs(z)),
        "tiny": np.where(rng.random(n) < 0.5, 1e-40 * z, z),
        "constant": np.full(n, 3.0),
        "two_values": (z > 1.0).astype(float),
        "neighbours": 1.0 + np.spacing(1.0) * rng.integers(0, 9, n),
        "heavy_value": np.where(rng.random(n) < 0.4, 1.5, z),
        "nan": np.where(rng.random(n) < 0.2, np.nan, z),
        "nan_positive": np.where(rng.random(n) < 0.2, np.nan, np.exp(z)),
        "mostly_nan": np.where(rng.random(n) < 0.8, np.nan, z),
        "nan_or_one_value": np.where(rng.random(n) < 0.3, np.nan, 0.0),
        "all_nan": np.full(n, np.nan),
        "infinite": np.where(rng.random(n) < 0.1, np.inf, z),
    }[kind]
    return x, np.sin(2 * z) + 0.5 * np.isnan(x)


KINDS = [
    *("normal", "positive", "ties", "halves", "zeros", "mostly_zero", "tiny"),
    *("constant", "two_values", "neighbours", "heavy_value", "infinite"),
    *("nan", "nan_positive", "mostly_nan", "nan_or_one_value", "all_nan"),
]


def _problem(kind, seed, n=320, weighted=False):
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    x, signal = _column(kind, rng, n)
    y = signal + rng.normal(size=n)
    init = 0.3 * rng.normal(size=n)
    weight = rng.random(n) + 0.2 if weighted else NO_WEIGHT
    order = rng.permutation(n)
    return x, y, init, weight, np.sort(order[: n - 100]), np.sort(order[n - 100 :])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", [exact.SQUARED, exact.LOGLOSS])
@pytest.mark.parametrize("kind", KINDS)
def test_matches_oracle(kind, loss, weighted):
    x, y, init, weight, train, valid = _problem(kind, 1, weighted=weighted)
    if loss == exact.LOGLOSS:
        y = (y > 0.2).astype(float)
    ours = exact.boost_exact(x, y, init, weight, train, valid, loss)
    slow = oracle.boost(x, y, init, weight, train, valid, loss)
    assert ours == pytest.approx(slow, abs=1e-9)


@pytest.mark.parametrize("kind", ["normal", "ties", "nan", "nan_positive", "all_nan"])
def test_multiclass_matches_oracle(kind):
    x, y, _, weight, train, valid = _problem(kind, 2, weighted=kind == "nan")
    y = np.digitize(y, [-0.5, 0.7])
    init = 0.3 * np.random.default_rng(0).normal(size=(x.size, 4))  # class 3: no rows
    ours = exact.boost_exact(x, y, init, weight, train, valid, exact.SOFTMAX)
    slow = oracle.boost(x, y, init, weight, train, valid, exact.SOFTMAX)
    assert ours == pytest.approx(slow, abs=1e-9)


@pytest.mark.parametrize("loss", [exact.SQUARED, exact.LOGLOSS])
@pytest.mark.parametrize("kind", ["normal", "nan", "mostly_nan"])
def test_folds_share_their_bins(kind, loss):
    x, y, init, weight, _, _ = _problem(kind, 3)
    y = (y > 0.2).astype(float) if loss == exact.LOGLOSS else y
    atom = (np.arange(x.size) % 4).astype(np.uint8)  # atom 3 is not used
    x[atom == 2] = np.abs(x[atom == 2])
    test = np.eye(3, dtype=bool)
    out = exact.FeatureScorer(loss, y, init, weight, atom, ~test, test)(x)
    learn = np.flatnonzero(atom < 3)
    for k in range(3):
        train, valid = np.flatnonzero((atom < 3) & (atom != k)), atom == k
        slow = oracle.boost(
            x, y, init, weight, train, np.flatnonzero(valid), loss, learn
        )
        assert out[k] == pytest.approx(slow, abs=1e-9)


@pytest.mark.parametrize("loss", [exact.SQUARED, exact.LOGLOSS])
def test_nan_only_in_validation_goes_with_zero(loss):
    x, y, init, weight, train, valid = _problem("zeros", 4)
    y = (y > 0.2).astype(float)
    x[valid[:40]] = np.nan
    ours = exact.boost_exact(x, y, init, weight, train, valid, loss)
    x[valid[:40]] = 0.0
    zero = exact.boost_exact(x, y, init, weight, train, valid, loss)
    assert ours == pytest.approx(zero, abs=1e-12)
    slow = oracle.boost(x, y, init, weight, train, valid, loss)
    assert ours == pytest.approx(slow, abs=1e-9)


def test_what_cannot_be_scored():
    x, y, init, weight, train, valid = _problem("normal", 5)
    none = train[:0]
    for loss in (exact.SQUARED, exact.LOGLOSS):
        assert exact.boost_exact(x, y, init, weight, train[:39], valid, loss) == 0.0
        assert exact.boost_exact(x, y, init, weight, none, valid, loss) == 0.0
        assert np.isnan(exact.boost_exact(x, y, init, weight, train, none, loss))
    args = init, weight, train, valid
    nothing = np.zeros(x.size)
    assert exact.boost_exact(nothing, y, *args, exact.SQUARED) == 0.0
    assert np.isnan(exact.boost_exact(x, y, init, nothing, train, valid, exact.SQUARED))
    one_class = np.ones(x.size)
    assert exact.boost_exact(x, one_class, *args, exact.LOGLOSS) == 0.0


@pytest.mark.parametrize("loss", [exact.SQUARED, exact.LOGLOSS])
def test_rows_may_train_and_validate(loss):
    x, y, init, weight, train, valid = _problem("normal", 6)
    y = (y > 0.2).astype(float)
    both = np.union1d(train, valid)
    ours = exact.boost_exact(x, y, init, weight, both, valid, loss)
    slow = oracle.boost(x, y, init, weight, both, valid, loss)
    assert ours == pytest.approx(slow, abs=1e-9)


def test_unit_weights_and_extreme_scores():
    x, y, init, _, train, valid = _problem("normal", 7)
    y = (y > 0.2).astype(float)
    for loss in (exact.SQUARED, exact.LOGLOSS):
        plain = exact.boost_exact(x, y, init, NO_WEIGHT, train, valid, loss)
        unit = exact.boost_exact(x, y, init, np.ones(x.size), train, valid, loss)
        assert plain == pytest.approx(unit, abs=1e-12)
    init = np.where(np.arange(x.size) % 50 == 0, 500.0, init)
    ours = exact.boost_exact(x, y, init, NO_WEIGHT, train, valid, exact.LOGLOSS)
    slow = oracle.boost(x, y, init, NO_WEIGHT, train, valid, exact.LOGLOSS)
    assert ours == pytest.approx(slow, abs=1e-9)


PARAMS = {"num_leaves": 16, "num_threads": 1, "deterministic": True, "verbose": -1}
OBJECTIVE = {
    exact.SQUARED: {"objective": "regression", "metric": "l2"},
    exact.LOGLOSS: {
        "objective": "binary",
        "metric": "binary_logloss",
        "lambda_l2": 1.0,
    },
    exact.SOFTMAX: {
        "objective": "multiclass",
        "metric": "multi_logloss",
        "num_class": 3,
        "lambda_l2": 1.0,
    },
}


def _lightgbm_drop(x, y, init, train, valid, loss):
    """Initial loss minus the best validation loss of a LightGBM fit on ``x``."""
    sets = []
    for rows in (train, valid):
        reference = sets[0] if sets else None
        sets.append(
            lgb.Dataset(
                x[rows, None],
                y[rows],
                reference,
                init_score=init[rows],
                params={"verbose": -1},
            )
        )
    stop = lgb.early_stopping(3, verbose=False)
    params = PARAMS | OBJECTIVE[loss]
    model = lgb.train(params, sets[0], 100, sets[1:], callbacks=[stop])
    score = init[valid].reshape(len(valid), -1)
    start = oracle.mean_loss(y[valid], score, np.ones((len(valid), 1)), loss)
    ((best,),) = (tuple(m.values()) for m in model.best_score.values())
    return start - best


def _compare(loss, n_columns=40, n=2000):
    rng = np.random.default_rng(
        [exact.SQUARED, exact.LOGLOSS, exact.SOFTMAX].index(loss)
    )
    base = rng.normal(size=(6, n))
    signal = np.sin(2 * base[0]) + base[1] * base[2] + 0.5 * (base[3] > 1)
    y = signal + rng.normal(size=n)
    init = 0.3 * rng.normal(size=n) + 0.2 * base[4]
    if loss == exact.LOGLOSS:
        y = (y > 0.5).astype(float)
    if loss == exact.SOFTMAX:
        y = np.digitize(y, [-0.5, 0.5])
        init = 0.3 * rng.normal(size=(n, 3))
    train, valid = np.arange(n)[: n * 4 // 5], np.arange(n)[n * 4 // 5 :]
    ours, theirs = [], []
    for k in range(n_columns):
        a, b = base[k % 6], base[(k // 6 + k + 1) % 6]
        x = [a + b, a * b, a / b, np.round(a * 3), np.maximum(a, b)][k % 5]
        x = np.where((np.arange(n) * 7 + k) % 10 < k % 4, [np.nan, 0.0][k % 2], x)
        theirs.append(_lightgbm_drop(x, y, init, train, valid, loss))
        if loss == exact.SOFTMAX:
            args = (x, y, init, NO_WEIGHT, train, valid)
            ours.append(exact.boost_exact(*args, exact.SOFTMAX))
        else:
            ours.append(exact.boost_exact(x, y, init, NO_WEIGHT, train, valid, loss))
    return np.array(ours), np.array(theirs)


@pytest.mark.parametrize("loss", [exact.SQUARED, exact.LOGLOSS])
def test_matches_lightgbm(loss):
    ours, theirs = _compare(loss)
    assert spearmanr(ours, theirs)[0] >= 0.9999
    assert np.median(np.abs(ours - theirs)) < 1e-8
    assert np.max(np.abs(ours - theirs)) < 1e-6


def test_multiclass_matches_lightgbm():
    ours, theirs = _compare(exact.SOFTMAX, n_columns=8)
    assert np.max(np.abs(ours - theirs)) < 1e-6


def test_read_only_input():
    x, y, init, weight, train, valid = _problem("nan", 9)
    free = exact.boost_exact(x, y, init, weight, train, valid, exact.SQUARED)
    for a in (x, y, init, train, valid):
        a.flags.writeable = False
    assert free == exact.boost_exact(x, y, init, weight, train, valid, exact.SQUARED)
