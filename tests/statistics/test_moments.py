"""Moments that merge, ranks and their correlations: against numpy and scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata, spearmanr

from featurekit.statistics.moments import (
    Moments,
    blocks,
    mid_ranks,
    unit_ranks,
    unit_ranks_of,
)


def _close(a, b, rtol=1e-12):
    assert a.weight == pytest.approx(b.weight, rel=1e-12)
    np.testing.assert_allclose(a.mean, b.mean, rtol=rtol)
    np.testing.assert_allclose(a.square, b.square, rtol=rtol)


@pytest.mark.parametrize("n", [1, 2, 7, 300])
@pytest.mark.parametrize("p", [1, 5])
def test_moments_are_numpys(n, p):
    X = np.random.default_rng(n).normal(3, 2, (n, p))
    found = Moments.summarise(X)
    assert found.weight == n
    np.testing.assert_allclose(found.mean, X.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.variance(), X.var(axis=0), rtol=1e-12)
    if n > 1:
        expected = X.var(axis=0, ddof=1)
        np.testing.assert_allclose(found.variance(ddof=1), expected, rtol=1e-12)
    else:
        assert (found.variance(ddof=1) == 0).all()


def test_many_columns_are_taken_in_blocks():
    X = np.random.default_rng(0).normal(size=(7000, 160))
    assert len(list(blocks(160, 7000))) > 2
    found = Moments.summarise(X)
    np.testing.assert_allclose(found.variance(), X.var(axis=0), rtol=1e-12)


@pytest.mark.parametrize("n", [0, 1, 10, 10**9])
def test_blocks_cover_all_columns_once(n):
    columns = np.arange(37)
    np.testing.assert_array_equal(
        np.concatenate([columns[b] for b in blocks(37, n)]), columns
    )


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("weighted", [False, True])
def test_any_split_merged_in_any_order_is_one_block(seed, weighted):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 200))
    X = rng.normal(rng.normal(0, 10), 1, (n, 3))
    weight = rng.random(n) * 3 if weighted else None
    # cuts may coincide: blocks without rows are blocks
    cuts = np.sort(rng.integers(0, n + 1, int(rng.integers(1, 8))))
    rows = np.split(rng.permutation(n), cuts)
    parts = [
        Moments.summarise(X[r], None if weight is None else weight[r]) for r in rows
    ]
    whole = Moments.summarise(X, weight)
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    _close(merged, whole)
    while len(parts) > 1:
        a, b = (parts.pop(int(rng.integers(len(parts)))) for _ in range(2))
        parts.append(b.merge(a))
    _close(parts[0], whole)


def test_a_large_offset_costs_no_digits():
    X = np.random.default_rng(0).integers(0, 100, (500, 4)).astype(float)
    plain, moved = Moments.summarise(X), Moments.summarise(X + 1e8)
    np.testing.assert_allclose(moved.square, plain.square, rtol=1e-13)
    np.testing.assert_allclose(moved.mean - 1e8, plain.mean, atol=1e-7)
    merged = Moments.summarise(X[:99] + 1e8).merge(Moments.summarise(X[99:] + 1e8))
    np.testing.assert_allclose(merged.square, plain.square, rtol=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_moments_weights_are_repetition(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(5, 1, (60, 3))
    weight = rng.integers(0, 4, 60)
    expected = Moments.summarise(np.repeat(X, weight, axis=0))
    _close(Moments.summarise(X, weight.astype(float)), expected)


@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3, 1e8 + 0.1, 1e-300])
def test_constants_have_no_variance_at_all(value):
    X = np.full((97, 2), value)
    weight = np.random.default_rng(0).random(97)
    for w in (None, weight):
        found = Moments.summarise(X, w)
        assert (found.variance() == 0).all()
        assert (found.mean == value).all()
    merged = Moments.summarise(X[:3]).merge(Moments.summarise(X[3:]))
    assert (merged.variance() == 0).all()


def test_no_rows_have_no_weight():
    none = Moments.summarise(np.zeros((0, 2)))
    assert none.weight == 0
    assert (none.variance() == 0).all()
    some = Moments.summarise(np.array([[1.0, 2.0], [3.0, 5.0]]))
    _close(none.merge(some), some)
    _close(some.merge(none), some)
    assert none.merge(none).weight == 0


# -- ranks ---------------------------------------------------------------------------


def _columns(rng, n):
    """Numbers, ties, two values, already in order."""
    return np.column_stack(
        [
            rng.normal(size=n),
            rng.integers(0, 5, n),
            rng.random(n) < 0.1,
            np.arange(n),
            -np.round(rng.exponential(size=n), 1),
        ]
    ).astype(float)


@pytest.mark.parametrize("n", [1, 2, 3, 50, 501])
def test_mid_ranks_are_average_ranks_less_a_half(n):
    for x in _columns(np.random.default_rng(n), n).T:
        np.testing.assert_array_equal(mid_ranks(x), rankdata(x) - 0.5)
        np.testing.assert_array_equal(mid_ranks(x, np.ones(n)), rankdata(x) - 0.5)


@pytest.mark.parametrize("seed", range(5))
def test_mid_ranks_weights_are_repetition(seed):
    rng = np.random.default_rng(seed)
    weight = rng.integers(1, 4, 40)
    for x in _columns(rng, 40).T:
        expected = mid_ranks(np.repeat(x, weight))
        found = np.repeat(mid_ranks(x, weight.astype(float)), weight)
        np.testing.assert_array_equal(found, expected)


def test_fractions_of_a_rank_share_the_whole():
    x = np.array([3.0, 1.0, 3.0, 2.0])
    weight = np.array([0.25, 0.5, 0.75, 0.5])
    np.testing.assert_allclose(mid_ranks(x, weight), [1.5, 0.25, 1.5, 0.75])


@pytest.mark.parametrize("n", [1, 2, 40, 200])
@pytest.mark.parametrize("share_missing", [0.0, 0.4, 1.0])
def test_missing_values_share_the_largest_ranks(n, share_missing):
    rng = np.random.default_rng(n)
    x = np.where(rng.random(n) < share_missing, np.nan, rng.integers(0, 9, n))
    x[x == 8] = np.inf
    gone = np.isnan(x)
    expected = pd.Series(x).rank(na_option="bottom").to_numpy(copy=True)
    if gone.any():  # pandas does not average the ranks of missing values
        expected[gone] = expected[gone].mean()
    np.testing.assert_array_equal(mid_ranks(x), expected - 0.5)
    R = unit_ranks(x)
    assert np.isfinite(R).all()
    centred = expected - expected.mean()
    length = np.sqrt((centred**2).sum())
    np.testing.assert_allclose(R * length, centred, atol=1e-12)
    assert abs(R @ R - (length > 0)) < 1e-12


def test_unit_ranks_of_one_column_are_those_of_the_matrix():
    X = _columns(np.random.default_rng(3), 50)
    for x, r in zip(X.T, unit_ranks_of(X).T, strict=True):
        np.testing.assert_array_equal(unit_ranks(x), r)


@pytest.mark.parametrize("n", [3, 10, 200])
def test_products_of_unit_ranks_are_spearmans(n):
    X = _columns(np.random.default_rng(n), n)
    X = X[:, np.ptp(X, axis=0) > 0]
    R = unit_ranks_of(X)
    assert R.flags.f_contiguous
    np.testing.assert_allclose(R.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.einsum("ij,ij->j", R, R), 1, rtol=1e-13)
    expected = np.atleast_2d(spearmanr(X).statistic)
    np.testing.assert_allclose(R.T @ R, expected, atol=1e-13)


@pytest.mark.parametrize("seed", range(5))
def test_unit_ranks_weights_are_repetition(seed):
    rng = np.random.default_rng(seed)
    X = _columns(rng, 60)
    weight = rng.integers(1, 4, 60)
    R = unit_ranks_of(X, weight.astype(float))
    again = unit_ranks_of(np.repeat(X, weight, axis=0))
    np.testing.assert_allclose(R.T @ R, again.T @ again, atol=1e-13)


@pytest.mark.parametrize("weighted", [False, True])
def test_constant_columns_have_no_ranks(weighted):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=33), np.full(33, 0.3), np.zeros(33)])
    # weights whose sum does not halve exactly
    weight = rng.random(33) if weighted else None
    R = unit_ranks_of(X, weight)
    assert (R[:, 1:] == 0).all()
    assert abs(R[:, 0] @ R[:, 0] - 1) < 1e-13
