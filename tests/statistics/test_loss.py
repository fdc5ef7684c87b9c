"""Losses: values, slopes and best constants."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    mean_poisson_deviance,
    mean_squared_error,
)

from featurekit.statistics.loss import (
    Absolute,
    LogLoss,
    MultiLogLoss,
    Poisson,
    Squared,
)

N = 40
LOSSES = {
    "squared": Squared(),
    "absolute": Absolute(),
    "log-loss": LogLoss(),
    "multi-class": MultiLogLoss(3),
    "poisson": Poisson(),
}


def _problem(kind, seed=0):
    rng = np.random.default_rng(seed)
    loss = LOSSES[kind]
    y = {
        "squared": rng.normal(size=N),
        "absolute": rng.normal(size=N),
        "log-loss": rng.integers(0, 2, N).astype(float),
        "multi-class": rng.integers(0, 3, N).astype(float),
        "poisson": rng.poisson(1.5, N).astype(float),
    }[kind]
    raw = rng.normal(size=(N, loss.n_outputs))
    weight = rng.uniform(0.1, 3, N)
    return loss, y, raw, weight


# the gradient is that of this share of the loss
SHARE = {"squared": 0.5, "log-loss": 1.0, "multi-class": 1.0, "poisson": 0.5}


def _slope(function, raw, k, step=1e-5):
    move = np.zeros(raw.shape[1])
    move[k] = step
    return (function(raw + move) - function(raw - move)) / (2 * step)


@pytest.mark.parametrize("kind", SHARE)
def test_gradient_is_the_slope_of_the_loss(kind):
    loss, y, raw, _ = _problem(kind)
    g, h = loss.gradients(y, raw)
    assert g.shape == h.shape == raw.shape
    for k in range(loss.n_outputs):
        slope = _slope(lambda s: loss.per_row(y, s), raw, k)
        np.testing.assert_allclose(g[:, k], SHARE[kind] * slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", SHARE)
def test_hessian_is_the_slope_of_the_gradient(kind):
    loss, y, raw, _ = _problem(kind)
    _, h = loss.gradients(y, raw)
    k_of_k = loss.n_outputs / max(loss.n_outputs - 1, 1)  # LightGBM's factor
    factor = k_of_k if kind == "multi-class" else 1.0
    for k in range(loss.n_outputs):
        slope = _slope(lambda s, k=k: loss.gradients(y, s)[0][:, k], raw, k)
        np.testing.assert_allclose(h[:, k], factor * slope, rtol=1e-6, atol=1e-7)


def test_gradient_of_the_absolute_error_is_a_sign_of_the_errors_size():
    loss, y, raw, _ = _problem("absolute")
    g, h = loss.gradients(y, raw)
    size = np.abs(loss.labels(y) - raw[:, 0]).mean()
    np.testing.assert_allclose(g, np.sign(raw - y[:, None]) * size)
    assert (h == 1).all()
    g, _ = loss.gradients(y, loss.labels(y)[:, None])
    np.testing.assert_array_equal(g, 0.0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", LOSSES)
def test_baseline_is_the_best_constant(kind, weighted):
    loss, y, _, weight = _problem(kind)
    weight = weight if weighted else None

    def total(constant):
        raw = np.tile(constant, (N, 1))
        return np.average(loss.per_row(y, raw), weights=weight)

    best = loss.baseline(y, weight)
    assert best.shape == (loss.n_outputs,)
    found = minimize(total, best + 0.3, method="Nelder-Mead", options={"xatol": 1e-6})
    assert total(best) <= found.fun + 1e-7
    if kind != "absolute":
        assert total(best) == pytest.approx(found.fun, abs=1e-6)


@pytest.mark.parametrize("kind", LOSSES)
def test_weights_are_worth_repetition(kind):
    loss, y, _, _ = _problem(kind)
    times = np.random.default_rng(1).integers(1, 4, N)
    if times.sum() % 2 == 0:
        times[0] += 1  # an odd number of rows has one median
    repeated = loss.baseline(np.repeat(y, times))
    np.testing.assert_allclose(loss.baseline(y, times.astype(float)), repeated)


@pytest.mark.parametrize(
    "kind, value",
    [("log-loss", 0.0), ("log-loss", 1.0), ("poisson", 0.0), ("multi-class", 1.0)],
)
def test_baseline_of_a_target_without_variation_is_finite(kind, value):
    loss = LOSSES[kind]
    y = np.full(N, value)
    best = loss.baseline(y)
    assert np.isfinite(best).all()
    assert np.isfinite(loss.per_row(y, np.tile(best, (N, 1)))).all()


def test_loss_per_row_is_that_of_scikit_learn():
    _, y, raw, weight = _problem("squared")
    ours = np.average(Squared().per_row(y, raw), weights=weight)
    assert ours == pytest.approx(mean_squared_error(y, raw, sample_weight=weight))
    ours = np.average(Absolute().per_row(y, raw), weights=weight)
    assert ours == pytest.approx(mean_absolute_error(y, raw, sample_weight=weight))

    loss, y, raw, weight = _problem("log-loss")
    p = 1 / (1 + np.exp(-raw[:, 0]))
    ours = np.average(loss.per_row(y, raw), weights=weight)
    assert ours == pytest.approx(log_loss(y, p, sample_weight=weight))

    loss, y, raw, weight = _problem("multi-class")
    p = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    ours = np.average(loss.per_row(y, raw), weights=weight)
    assert ours == pytest.approx(log_loss(y, p, sample_weight=weight))

    loss, y, raw, weight = _problem("poisson")
    ours = np.average(loss.per_row(y, raw), weights=weight)
    expected = mean_poisson_deviance(y, np.exp(raw[:, 0]), sample_weight=weight)
    assert ours == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["log-loss", "multi-class", "poisson"])
def test_far_scores_stay_finite(kind):
    loss, y, raw, _ = _problem(kind)
    for size in (1e3, -1e3):
        far = np.full_like(raw, size)
        far[:, 0] = -size if loss.n_outputs > 1 else size
        assert np.isfinite(loss.per_row(y, far)).all()
        g, h = loss.gradients(y, far)
        assert np.isfinite(g).all()
        assert np.isfinite(h).all()
        assert (h >= 0).all()
