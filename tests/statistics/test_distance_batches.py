"""Distance correlation on batches of rows, against whole matrices and whitening."""

from __future__ import annotations

import numpy as np
import pytest

from featurekit.statistics import (
    distance_correlation,
    distance_correlations,
    partial_distance_correlation,
)
from featurekit.statistics.distance_batches import Batch

N = 240


def _target(kind, n=N, seed=0):
    """Classes of equal sizes are as far apart after whitening as before."""
    rng = np.random.default_rng([seed, n])
    if kind == "numbers":
        return rng.normal(size=n), False
    if kind == "rare":
        return rng.choice(4, n, p=[0.6, 0.3, 0.07, 0.03]).astype(float), True
    return rng.permutation(np.arange(n) % int(kind[0])).astype(float), True


def _columns(k, y, seed=0):
    rng = np.random.default_rng([seed, k])
    shared = rng.normal(size=(len(y), 1))
    return rng.normal(size=(len(y), k)) + shared + 0.5 * y[:, None]


def _labels(y, discrete):
    return y.astype(int).astype(str) if discrete else y


# -- oracles: matrices, nothing shared with the module ---------------------------------


def _distances(points):
    return np.sqrt(((points[:, None] - points) ** 2).sum(axis=2))


def _inverse(y):
    """Of each row the inverse of its class's share."""
    return 1 / (y[:, None] == y).mean(axis=0)


def _of_target(y, discrete, apart=None):
    if not discrete:
        return np.abs(y[:, None] - y)
    v = np.ones(len(y)) if apart is None else apart
    return np.where(y[:, None] != y, v[:, None] + v, 0.0)


def _white(columns):
    """Centred, times the pseudo-inverse square root of the covariance."""
    x = columns - columns.mean(axis=0)
    x = x / np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    left, size, _ = np.linalg.svd(x, full_matrices=False)
    kept = size > 1e-6 * size.max(initial=0.0)
    return left[:, kept] * np.sqrt(len(x))


def _joint(columns, b):
    return _dcor(_distances(_white(columns)), b)


def _dcor(a, b):
    n = len(a)
    H = np.eye(n) - 1 / n
    A, B = H @ a @ H, H @ b @ H
    below = np.sqrt((A * A).sum() * (B * B).sum())
    return np.sqrt(max((A * B).sum() / below, 0)) if below > 1e-12 else 0.0


def _u(a):
    n = len(a)
    rows = a.sum(axis=0)
    out = a - rows / (n - 2) - rows[:, None] / (n - 2)
    out += rows.sum() / ((n - 1) * (n - 2))
    return out * (1 - np.eye(n))


def _partial(f, b, K):
    x, y = _u(_distances(f[:, None])), _u(b)
    if K.shape[1]:
        z = _u(_distances(_white(K)))
        x = x - (x * z).sum() / (z * z).sum() * z
        y = y - (y * z).sum() / (z * z).sum() * z
    return (x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum())


# -- the two scores --------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1, 5])
@pytest.mark.parametrize("kind", ["2 classes", "4 classes", "numbers"])
def test_joint_is_the_affine_invariant_correlation(kind, k):
    y, discrete = _target(kind)
    K, F = _columns(k, y), _columns(4, y, seed=1)
    found = Batch.of(y, discrete).joint(K, F)
    expected = [
        distance_correlation(
            np.column_stack([K, f]), _labels(y, discrete), affine_invariant=True
        )
        for f in F.T
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("n", [4, 5, 33, 700])
@pytest.mark.parametrize("k", [0, 1, 3])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_joint_by_brute_force(kind, k, n):
    rng = np.random.default_rng([n, k])
    y = rng.normal(size=n)
    if kind == "classes":  # of unequal sizes, and in no case one alone
        y = np.digitize(y, [-0.5, 0.8]) * (np.arange(n) > 0) + 1.0 * (np.arange(n) < 1)
    K, F = rng.normal(size=(n, k)) + y[:, None], rng.exponential(size=(n, 3))
    found = Batch.of(y, kind == "classes").joint(K, F)
    b = _of_target(y, kind == "classes")
    expected = [_joint(np.column_stack([K, f]), b) for f in F.T]
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_rare_classes_are_as_far_as_in_columns_by_themselves():
    y, discrete = _target("rare")
    F = _columns(4, y)
    found = Batch.of(y, discrete, _inverse(y)).joint(np.empty((N, 0)), F)
    expected, equal = (
        distance_correlations(F, y, discrete_target=True, class_distance=distance)
        for distance in ("chi2", "equal")
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(found - equal).min() > 1e-3


@pytest.mark.parametrize("shrinkage", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("k", [0, 1, 5])
@pytest.mark.parametrize("kind", ["4 classes", "numbers"])
def test_joint_of_a_shrunk_covariance_by_brute_force(kind, k, shrinkage):
    y, discrete = _target(kind)
    K, F = _columns(k, y), _columns(3, y, seed=1)
    if k > 1:
        K = np.column_stack([K, K[:, 0] - K[:, 1], 2 * K[:, 0]])
    expected = []
    for f in F.T:
        x = np.column_stack([K, f])
        x = (x - x.mean(axis=0)) / x.std(axis=0)
        R = x.T @ x / N
        shrunk = (1 - shrinkage) * R + shrinkage * np.eye(len(R))
        # lengths by the Cholesky factor are those by the inverse
        points = np.linalg.solve(np.linalg.cholesky(shrunk), x.T).T
        expected.append(_dcor(_distances(points), _of_target(y, discrete)))
    found = Batch.of(y, discrete).joint(K, F, shrinkage=shrinkage)
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("kind", ["2 classes", "4 classes", "numbers"])
def test_partial_beside_one_column(kind):
    y, discrete = _target(kind)
    K, F = _columns(1, y), _columns(4, y, seed=1)
    found = Batch.of(y, discrete).partial(K, F)
    expected = [
        partial_distance_correlation(f, _labels(y, discrete), K[:, 0]) for f in F.T
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("n", [6, 33, 400])
@pytest.mark.parametrize("k", [0, 1, 2, 6])
@pytest.mark.parametrize("kind", ["2 classes", "4 classes", "rare", "numbers"])
def test_partial_by_brute_force(kind, k, n):
    if k > n - 3:
        pytest.skip("nothing is left of so few rows")
    y, discrete = _target(kind, n)
    K, F = _columns(k, y), _columns(4, y, seed=1)
    apart = _inverse(y) if kind == "rare" else None
    found = Batch.of(y, discrete, apart).partial(K, F)
    b = _of_target(y, discrete, apart)
    np.testing.assert_allclose(found, [_partial(f, b, K) for f in F.T], atol=2e-6)


def test_partial_without_others_is_the_bias_corrected_correlation():
    y, _ = _target("numbers")
    F = _columns(3, y)
    expected = [distance_correlation(f, y, bias_corrected=True) for f in F.T]
    found = Batch.of(y, False).partial(np.empty((N, 0)), F)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_partial_is_small_where_the_others_explain_all():
    rng = np.random.default_rng(0)
    z = rng.normal(size=800)
    x, y = z + rng.normal(size=(2, 800))
    batch = Batch.of(y, False)
    assert batch.joint(np.empty((800, 0)), x[:, None])[0] > 0.3
    assert abs(batch.partial(z[:, None], x[:, None])[0]) < 0.06


# -- columns that say nothing new ------------------------------------------------------


@pytest.mark.parametrize("kind", ["2 classes", "numbers"])
def test_what_the_others_span_adds_nothing(kind):
    y, discrete = _target(kind)
    K = _columns(3, y)
    spanned = np.column_stack([K[:, 0], -3 * K[:, 1] + 2, K @ [1.0, 2, 3], np.ones(N)])
    batch = Batch.of(y, discrete)
    alone = batch.joint(K[:, :2], K[:, [2]])[0]
    np.testing.assert_allclose(batch.joint(K, spanned), alone, atol=1e-6)


@pytest.mark.parametrize("kind", ["2 classes", "4 classes", "numbers"])
def test_collinear_columns_count_once(kind):
    y, discrete = _target(kind)
    K, F = _columns(2, y), _columns(3, y, seed=1)
    twice = np.column_stack([K, K[:, 0] - K[:, 1], 1e5 * K[:, 0] + 7, np.full(N, 3.0)])
    batch = Batch.of(y, discrete)
    np.testing.assert_allclose(batch.joint(twice, F), batch.joint(K, F), atol=1e-6)
    np.testing.assert_allclose(batch.partial(twice, F), batch.partial(K, F), atol=1e-6)


@pytest.mark.parametrize("score", ["joint", "partial"])
@pytest.mark.parametrize("constant", [0.0, 1.0, 1e8, -1e30])
def test_a_constant_correlates_with_nothing(score, constant):
    y, _ = _target("numbers")
    f = np.full((N, 1), constant)
    batch = Batch.of(y, False)
    assert getattr(batch, score)(np.empty((N, 0)), f)[0] == 0
    assert getattr(batch, score)(f, f)[0] == 0
    assert batch.partial(_columns(2, y), f)[0] == 0


@pytest.mark.parametrize("score", ["joint", "partial"])
@pytest.mark.parametrize("discrete", [True, False])
def test_a_constant_target(score, discrete):
    x = np.random.default_rng(0).normal(size=(40, 3))
    batch = Batch.of(np.ones(40), discrete)
    np.testing.assert_array_equal(getattr(batch, score)(x[:, :1], x), 0)
    np.testing.assert_array_equal(getattr(batch, score)(x[:, :0], x), 0)


def test_partial_of_what_is_taken_out():
    y, _ = _target("numbers")
    x = _columns(2, y)
    batch = Batch.of(y, False)
    assert batch.partial(x[:, :1], x[:, :1])[0] == 0
    assert batch.partial(y[:, None], x)[0] == 0


def test_a_column_whose_rows_are_all_tied_but_one():
    """Its bias-corrected variance is 0, and so is what it takes out."""
    y, _ = _target("numbers")
    lone = (np.arange(N) == 3) * 1.0
    F = _columns(3, y)
    batch = Batch.of(y, False)
    assert batch.partial(np.empty((N, 0)), lone[:, None])[0] == 0
    expected = batch.partial(np.empty((N, 0)), F)
    np.testing.assert_allclose(batch.partial(lone[:, None], F), expected, atol=1e-9)
    for k in (0, 2):
        found = Batch.of(lone, True).partial(_columns(k, y), F)
        np.testing.assert_array_equal(found, 0)


# -- invariance ------------------------------------------------------------------------


@pytest.mark.parametrize("score", ["joint", "partial"])
@pytest.mark.parametrize(
    "factor, offset", [(1e-30, 0), (1e30, 0), (-1, 0), (1, 1e8), (1e3, -1e8)]
)
def test_scale_and_offset(score, factor, offset):
    y, _ = _target("numbers")
    K, F = _columns(2, y), _columns(4, y, seed=1)
    run = getattr(Batch.of(y, False), score)
    moved = run(K * factor + offset, F * factor + offset)
    np.testing.assert_allclose(moved, run(K, F), atol=2e-6)


@pytest.mark.parametrize("score", ["joint", "partial"])
@pytest.mark.parametrize("factor", [1e-60, 1e-30, -7.0, 1e30, 1e60])
def test_scale_of_the_target(score, factor):
    y, _ = _target("numbers")
    K, F = _columns(2, y), _columns(4, y, seed=1)
    expected = getattr(Batch.of(y, False), score)(K, F)
    found = getattr(Batch.of(factor * y, False), score)(K, F)
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("kind", ["2 classes", "4 classes", "numbers"])
def test_joint_is_the_same_for_every_invertible_map(kind):
    rng = np.random.default_rng(5)
    y, discrete = _target(kind)
    columns = _columns(5, y)
    batch = Batch.of(y, discrete)
    expected = batch.joint(columns[:, :4], columns[:, 4:])[0]
    for _ in range(4):
        mapped = columns @ rng.normal(size=(5, 5)) + rng.normal(size=5)
        found = batch.joint(mapped[:, :4], mapped[:, 4:])[0]
        assert found == pytest.approx(expected, abs=3e-6)


@pytest.mark.parametrize("score", ["joint", "partial"])
@pytest.mark.parametrize("k", [0, 3])
def test_threads_do_not_change_a_bit(score, k):
    y, _ = _target("4 classes")
    K, F = _columns(k, y), _columns(100, y, seed=1)
    run = getattr(Batch.of(y, True), score)
    one = run(K, F, n_threads=1)
    for n_threads in (2, 5):
        np.testing.assert_array_equal(run(K, F, n_threads=n_threads), one)
    columns = run(np.asfortranarray(K), np.asfortranarray(F))
    np.testing.assert_allclose(columns, one, rtol=1e-12)


def test_neither_argument_is_written_to():
    y, _ = _target("numbers")
    K, F = _columns(2, y), _columns(3, y, seed=1)
    for array in (y, K, F):
        array.flags.writeable = False
    batch = Batch.of(y, False)
    assert batch.joint(K, F).shape == batch.partial(K, F).shape == (3,)


@pytest.mark.parametrize("score", ["joint", "partial"])
def test_no_candidates(score):
    y, _ = _target("numbers")
    run = getattr(Batch.of(y, False), score)
    assert run(_columns(2, y), np.empty((N, 0))).shape == (0,)
