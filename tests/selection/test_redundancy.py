"""What one column says of another, and the order that follows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from featurekit.data import Schema
from featurekit.selection import redundancy
from featurekit.selection.design import Design, Standard, Units
from featurekit.selection.redundancy import greedy_order, shares_told


def _design(X, groups=None):
    schema, table = Schema.learn(X)
    return Design.of(table, Units.of(schema.names, groups))


def _shares(design, weight=None, share=None):
    order = np.argsort(design.unit, kind="stable")
    columns = [design.values[:, j] for j in order]
    share = np.ones(len(order)) if share is None else share[order]
    return shares_told(columns, design.unit[order], share, weight)


def _slow_shares(design, weight=None, share=None):
    rows = np.arange(len(design.values))
    if weight is not None:
        rows = rows.repeat(weight)
    with np.errstate(invalid="ignore"):
        squares = np.nan_to_num(np.corrcoef(design.values[rows].T) ** 2)
    m = design.n_units
    out = np.empty((m, m))
    for i in range(m):
        for j in range(m):
            mine = np.flatnonzero(design.unit == i)
            others = np.flatnonzero(design.unit == j)
            counts = np.ones(len(mine)) if share is None else share[mine]
            best = [max(squares[a, b] for b in others) for a in mine]
            out[i, j] = counts @ best / (counts.sum() or 1.0)
    return out


def _frame(n=300):
    rng = np.random.default_rng(n)
    a, b, c = rng.normal(size=(3, n))
    city = np.array(list("uvw"))[rng.integers(0, 3, n)]
    return pd.DataFrame(
        {
            "a": a,
            "copy": -2 * a + 5,
            "near": a + 0.3 * b,
            "city": city,
            "same": np.char.add(city, "!"),
            "gaps": np.where(c > 1, np.nan, b),
            "flag": (c > 1) * 1.0,
        }
    )


@pytest.mark.parametrize("block", [7, 100, 4096])
@pytest.mark.parametrize("groups", [None, list("aabbccd"), [[6, 0], [3, 5]]])
@pytest.mark.parametrize("weighted", [False, True])
def test_shares_are_squared_correlations(weighted, groups, block, monkeypatch):
    monkeypatch.setattr(redundancy, "_BLOCK", block)
    design = _design(_frame(), groups)
    rng = np.random.default_rng(0)
    weight = rng.integers(1, 4, 300) if weighted else None
    share = rng.random(len(design.unit)) * (rng.random(len(design.unit)) < 0.8)
    for counts in (None, share):
        found = _shares(design, None if weight is None else weight * 1.0, counts)
        expected = _slow_shares(design, weight, counts)
        np.testing.assert_allclose(found, expected, atol=1e-11)
    assert (np.diag(_shares(design)) == 1).all()


def test_shares_of_copies_and_parts():
    told = _shares(_design(_frame()))
    a, copy, near, city, same, gaps, flag = range(7)
    assert told[a, copy] == pytest.approx(1) and told[copy, a] == pytest.approx(1)
    assert told[city, same] == pytest.approx(1)
    assert 0.5 < told[near, a] < 1
    # of a column with gaps half is its numbers, half where they are missing
    assert 0.5 <= told[gaps, flag] < 0.55
    assert told[flag, gaps] == 1
    assert told[a, copy] == 1  # but for rounding


@pytest.mark.parametrize("scale", [(1e-200, 0), (1e200, 0), (1.0, 1e9), (2e307, 0)])
def test_neither_scale_nor_offset_costs_digits(scale):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    X[:, 1] += X[:, 0]
    X[:2] = [[8.0], [-8.0]]  # a range that float64 does not have at 2e307
    expected = _shares(_design(X))
    found = _shares(_design(X * scale[0] + scale[1]))
    np.testing.assert_allclose(found, expected, atol=1e-6 if scale[1] else 1e-12)


def test_a_constant_tells_nothing_and_is_told_by_nothing():
    X = np.random.default_rng(0).normal(size=(50, 3))
    X[:, 1] = 4.0
    told = _shares(_design(X))
    assert (told[1] == 0).all() and (told[:, 1] == 0).all()
    share = np.array([1.0, 0.0, 1.0])
    told = _shares(_design(X, [[0, 1], [2]]), share=share)
    np.testing.assert_allclose(told, _slow_shares(_design(X[:, [0, 2]])), atol=1e-12)


@pytest.mark.parametrize("penalty", [0.0, 0.5, 1.0, 3.0])
def test_each_next_one_is_the_best_of_those_left(penalty):
    rng = np.random.default_rng(1)
    scores = rng.normal(size=40)
    told = rng.random((40, 40))
    order = greedy_order(scores, told, penalty)
    assert sorted(order) == list(range(40))
    for step, unit in enumerate(order):
        share = told[:, order[:step]].max(axis=1, initial=0.0)
        value = np.maximum(scores, 0) * (1 - share) ** penalty
        left = [u for u in range(40) if u not in order[:step]]
        assert value[unit] == pytest.approx(value[left].max())


def test_ties_go_by_score_then_by_position():
    scores = np.array([-1.0, 0.5, -0.5, 0.5, 0.5])
    told = np.zeros((5, 5))
    assert greedy_order(scores, told, 1.0) == [1, 3, 4, 2, 0]
    told[:] = 1.0  # all are told once one is known
    assert greedy_order(scores, told, 1.0) == [1, 3, 4, 2, 0]
    assert greedy_order(np.zeros(0), np.zeros((0, 0)), 1.0) == []


def test_what_differs_by_rounding_alone_is_equal():
    assert greedy_order(np.array([1.0, 1.0]), np.eye(2), 1.0) == [0, 1]
    told = np.zeros((3, 3))
    told[1, 2], told[0, 2] = 0.5, 0.5 + 1e-15
    assert greedy_order(np.array([1.0, 1.0, 1.5]), told, 1.0) == [2, 0, 1]


def test_standard_of_a_constant_is_zero():
    standard = Standard.of(np.full(4, 3.0))
    assert standard.length == 0
    np.testing.assert_array_equal(standard.apply(np.array([3.0, 3.0])), [0.0, 0.0])
