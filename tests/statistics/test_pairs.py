"""Pairs of columns and crosses, against tables that are made in full."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import xlogy
from sklearn.metrics.cluster import expected_mutual_information

from featurekit.statistics.contingency import null_moments
from featurekit.statistics.pairs import (
    CrossNull,
    Group,
    Nodes,
    PairNull,
    Rows,
    null_within,
    sum_xlogx,
)
from tests.reference import contingency as oracle
from tests.reference.contingency import margin

# rows; values of the left and the right column, of which code 0 has no rows; classes
SHAPES = {
    "no rows": (0, 5, 5, 2),
    "one row": (1, 5, 5, 2),
    "few values": (400, 4, 3, 2),
    "full cells": (40_000, 3, 3, 2),
    "many values": (400, 150, 90, 3),
    "many classes": (400, 4, 4, 60),
    "all distinct": (300, 301, 301, 2),
    "one value": (300, 2, 2, 2),
}
TIMES = {
    "once": lambda rng, n: np.ones(n, np.int64),
    "repeated": lambda rng, n: rng.integers(1, 5, n),
    "often": lambda rng, n: rng.choice([1, 3, 4095, 4096, 9000], n),
}


def _rows(shape, times="once", dtype=np.uint32):
    n, left, right, n_classes = SHAPES[shape]
    rng = np.random.default_rng(n + left)
    x, z = (
        1 + rng.integers(0, k - 1, n) * rng.integers(0, 2, n) for k in (left, right)
    )
    if shape == "all distinct":
        x, z = 1 + rng.permutation(n), 1 + rng.permutation(n)
    y = rng.integers(0, n_classes, n)
    y[x == 2] = 0
    return Rows(
        [x.astype(dtype), z.astype(dtype)], [left, right], y.astype(np.uint16),
        n_classes, TIMES[times](rng, n),
    )  # fmt: skip


def _repeated(rows):
    """Every row as often as it counts."""
    t = rows.times
    codes = [c.repeat(t) for c in rows.codes]
    once = np.ones(t.sum(), np.int64)
    return Rows(codes, rows.sizes, rows.y.repeat(t), rows.n_classes, once)


def _in_order(rows, order):
    codes = [c[order] for c in rows.codes]
    once = rows.y[order], rows.n_classes, rows.times[order]
    return Rows(codes, rows.sizes, *once)


def _cube(rows):
    """Rows by left and right value and class."""
    cube = np.zeros((*rows.sizes, rows.n_classes), np.int64)
    np.add.at(cube, (*rows.codes, rows.y), rows.times)
    return cube


def _group(rows):
    return Group(rows, rows.codes[0], rows.sizes[0])


def _right(rows):
    return rows.codes[1], rows.sizes[1]


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_know_their_numbers(shape, times):
    rows = _rows(shape, times)
    cube = _cube(rows)
    assert len(rows) == len(rows.y)
    assert rows.n_total == cube.sum()
    np.testing.assert_array_equal(rows.classes(), cube.sum(axis=(0, 1)))
    sizes = rows.value_sizes(*_right(rows))
    np.testing.assert_array_equal(sizes, cube.sum(axis=(0, 2)))
    head = rows.head(100)
    np.testing.assert_array_equal(head.codes[1], rows.codes[1][:100])
    assert head.n_total == rows.times[:100].sum()
    assert (head.sizes, head.n_classes) == (rows.sizes, rows.n_classes)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_pair(shape, times, dtype):
    rows = _rows(shape, times, np.uint16 if shape == "all distinct" else dtype)
    pairs = _cube(rows).sum(axis=2)
    expected = xlogy(pairs, pairs).sum()
    assert _group(rows).pair(*_right(rows)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_cross(shape, times):
    rows = _rows(shape, times)
    difference, sizes, bounds = _group(rows).cross(*_right(rows))
    cube = _cube(rows)
    pairs = cube.sum(axis=2)
    expected = xlogy(cube, cube).sum() - xlogy(pairs, pairs).sum()
    scale = xlogy(pairs, pairs).sum()
    assert difference == pytest.approx(expected, rel=1e-12, abs=1e-13 * scale)
    assert len(bounds) == rows.sizes[0] + 1
    for v, of_value in enumerate(pairs):
        found = np.sort(sizes[bounds[v] : bounds[v + 1]])
        np.testing.assert_array_equal(found, np.sort(of_value[of_value > 0]))


@pytest.mark.parametrize("shape", ["few values", "many values", "many classes"])
def test_a_group_may_be_asked_again(shape):
    """Counters are set back."""
    rows = _rows(shape)
    group = _group(rows)
    first = group.pair(*_right(rows)), group.cross(*_right(rows))
    own = group.pair(rows.codes[0], rows.sizes[0])
    again = group.pair(*_right(rows)), group.cross(*_right(rows))
    np.testing.assert_equal(again, first)
    assert own == pytest.approx(sum_xlogx(rows.value_sizes(*[rows.codes[0], 200])))


@pytest.mark.parametrize("times", ["repeated", "often"])
@pytest.mark.parametrize("shape", ["one row", "few values", "all distinct"])
def test_weights_are_repeats(shape, times):
    rows = _rows(shape, times).head(40)
    repeated = _repeated(rows)
    assert repeated.n_total == rows.n_total
    groups = _group(rows), _group(repeated)
    pair, pair_repeated = (g.pair(*_right(r)) for g, r in _both(groups, rows, repeated))
    assert pair == pair_repeated
    one, other = (g.cross(*_right(r)) for g, r in _both(groups, rows, repeated))
    np.testing.assert_equal(one, other)


def _both(groups, *rows):
    return zip(groups, rows, strict=True)


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_order_of_rows_changes_no_bit(shape, times):
    rows = _rows(shape, times)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(rows))
        other = _in_order(rows, order)
        assert _group(rows).pair(*_right(rows)) == _group(other).pair(*_right(other))
        one, two = (_group(r).cross(*_right(r)) for r in (rows, other))
        assert one[0] == two[0]
        np.testing.assert_array_equal(one[2], two[2])
        for v in range(rows.sizes[0]):
            run = slice(one[2][v], one[2][v + 1])
            np.testing.assert_array_equal(np.sort(one[1][run]), np.sort(two[1][run]))
        b = rows.classes()
        if len(rows) and (b > 0).sum() > 1:
            table = _cube(rows).sum(axis=1)
            assert CrossNull(b).moments(one[1]) == CrossNull(b).moments(two[1])
            within = null_within(one[2], one[1], table)
            assert within == null_within(two[2], two[1], table)


@pytest.mark.parametrize("shape", ["few values", "many values", "many classes"])
def test_mutual_information_of_columns_and_of_a_cross(shape):
    """As those who ask for the sums put them together."""
    rows = _rows(shape, "repeated")
    cube, n = _cube(rows), rows.n_total
    left, right = (
        rows.value_sizes(*c) for c in zip(rows.codes, rows.sizes, strict=True)
    )
    group = _group(rows)
    mi = (group.pair(*_right(rows)) - sum_xlogx(left) - sum_xlogx(right)) / n
    expected = oracle.mutual_information(cube.sum(axis=2))
    assert mi + math.log(n) == pytest.approx(expected, abs=1e-12)
    difference, *_ = group.cross(*_right(rows))
    mi = oracle.entropy(rows.classes()) + difference / n
    expected = oracle.mutual_information(cube.reshape(-1, rows.n_classes))
    assert mi == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("counts", [[], [0, 0], [1], [5, 0, 7], [4095, 4096, 10**6]])
def test_sum_xlogx(counts):
    counts = np.array(counts, np.int64)
    assert sum_xlogx(counts) == pytest.approx(xlogy(counts, counts).sum(), rel=1e-14)
    assert sum_xlogx(counts[::-1]) == sum_xlogx(counts)


# --- nodes


@settings(deadline=None, max_examples=100)
@given(most=st.integers(1, 10**7), data=st.data())
def test_nodes(most, data):
    nodes = Nodes(most)
    assert (np.diff(nodes.values) > 0).all()
    assert nodes.values[0] == 1 and nodes.values[-1] == most
    exact = np.arange(1, min(most, 128) + 1)
    np.testing.assert_array_equal(nodes.values[: len(exact)], exact)
    counts = data.draw(st.sets(st.integers(1, most), min_size=1, max_size=9))
    counts = np.array(sorted(counts))
    times = np.arange(1, len(counts) + 1)
    at, weights = nodes.spread(counts, times)
    assert (np.diff(at) > 0).all()
    # weights keep polynomials of the logarithm up to the third degree
    for degree in range(4):
        moved = np.log(nodes.values) / math.log(most + 1)
        expected = times @ (np.log(counts) / math.log(most + 1)) ** degree
        assert weights @ moved[at] ** degree == pytest.approx(expected, rel=1e-9)


def test_counts_at_nodes_are_taken_as_they_are():
    nodes = Nodes(5000)
    counts, times = np.array([1, 7, 128, 5000]), np.array([4, 3, 2, 1])
    at, weights = nodes.spread(counts, times)
    np.testing.assert_array_equal(nodes.values[at], counts)
    np.testing.assert_array_equal(weights, times)
    at, weights = nodes.spread(counts[:0], times[:0])
    assert len(at) == len(weights) == 0


# --- chance


def _expected(a, b):
    table = SimpleNamespace(
        shape=(len(a), len(b)), sum=lambda axis: np.array(a if axis == 1 else b)
    )
    return expected_mutual_information(table, int(sum(a)))


@pytest.mark.parametrize("seed", range(20))
def test_pair_null(seed):
    """Counts above 128 are interpolated."""
    rng = np.random.default_rng(seed)
    n = int(2 ** rng.uniform(1, np.log2(20_000)))
    null = PairNull(n)
    for _ in range(3):  # what is remembered is right
        a, b = (
            margin(rng, n, rng.integers(1, min(n, 300) + 1), 10 ** rng.uniform(-2, 2))
            for _ in range(2)
        )
        mean = null.mean(null.margin(a), null.margin(np.append(b, 0)))
        assert mean == pytest.approx(_expected(a, b), rel=1e-6, abs=1e-12)
        assert null.mean(null.margin(b), null.margin(a)) == pytest.approx(mean, 1e-12)


def test_pair_null_without_chance():
    null = PairNull(1000)
    one, two, distinct = (
        null.margin(np.array(sizes)) for sizes in ([1000], [400, 600], [1] * 1000)
    )
    assert null.mean(one, one) == null.mean(one, two) == null.mean(distinct, one) == 0
    h = oracle.entropy([400, 600])
    assert null.mean(distinct, two) == pytest.approx(h, rel=1e-7)
    assert null.mean(distinct, distinct) == pytest.approx(math.log(1000), rel=1e-7)


def _columns(rng, n):
    """Sizes of values that no value dominates."""
    yield from (margin(rng, n, k, 5.0) for k in (2, 5, 40, n // 20, n // 2))
    yield np.array([n - n // 10, n // 10])
    yield np.array([n // 3, *[1] * (n - n // 3)])


@pytest.mark.parametrize("n", [100, 1000, 20_000, 1_000_000])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_cross_null(n_classes, n):
    """Counts above 128 are interpolated; fewer are exact."""
    rng = np.random.default_rng(n)
    b = margin(rng, n, n_classes)
    columns = list(_columns(rng, n))
    null = CrossNull(np.append(b, 0))
    for a, (mean, sd) in zip(columns, null_moments(columns, b), strict=True):
        found = null.moments(np.append(a, 0))
        rel = 1e-6 if n > 128 else 1e-12
        assert found == pytest.approx((mean, sd), rel=rel, abs=1e-12)


def test_cross_null_without_chance():
    null = CrossNull(np.array([400, 600]))
    assert null.moments(np.array([1000])) == (0, 0)
    mean, sd = null.moments(np.ones(1000, np.int64))
    assert mean == pytest.approx(oracle.entropy([400, 600]), rel=1e-12)
    assert sd == pytest.approx(0, abs=1e-8)
    assert CrossNull(np.array([1000, 0])).moments(np.array([300, 700])) == (0, 0)


DOMINATED = [(3000, 30), (10_000, 100), (10_000, 12), (1_000_000, 1000)]


@pytest.mark.parametrize(("n", "rest"), DOMINATED)
def test_mean_where_one_value_has_nearly_all_rows(n, rest):
    a = np.array([n - rest, *[rest // 4] * 4])
    b = np.array([n // 5, n - n // 5])
    ((mean, _),) = null_moments([a], b)
    assert CrossNull(b).moments(a)[0] == pytest.approx(mean, rel=1e-6)
    null = PairNull(n)
    both = null.mean(null.margin(a), null.margin(b))
    assert both == pytest.approx(mean, rel=1e-6, abs=1e-11)


@pytest.mark.parametrize(("n", "rest"), DOMINATED)
def test_deviation_where_one_value_has_nearly_all_rows(n, rest):
    a = np.array([n - rest, *[rest // 4] * 4])
    b = np.array([n // 5, n - n // 5])
    ((_, sd),) = null_moments([a], b)
    assert CrossNull(b).moments(a)[1] == pytest.approx(sd, rel=1e-3)


def test_null_within_is_that_of_shuffles_in_strata():
    rng = np.random.default_rng(0)
    rows = _rows("few values").head(200)
    _, sizes, bounds = _group(rows).cross(*_right(rows))
    mean, sd = null_within(bounds, sizes, _cube(rows).sum(axis=1))
    strata = [np.flatnonzero(rows.codes[0] == v) for v in range(rows.sizes[0])]
    y, mi = rows.y.copy(), np.empty(3000)
    left = oracle.mutual_information(_cube(rows).sum(axis=1))
    for i in range(len(mi)):
        for stratum in strata:
            y[stratum] = rng.permutation(y[stratum])
        cube = _cube(Rows(rows.codes, rows.sizes, y, rows.n_classes, rows.times))
        mi[i] = oracle.mutual_information(cube.reshape(-1, rows.n_classes)) - left
    assert abs(mi.mean() - mean) < 4 * sd / math.sqrt(len(mi))
    assert mi.std() == pytest.approx(sd, rel=0.1)


def test_null_within_one_stratum_is_the_null_of_a_column():
    rng = np.random.default_rng(0)
    for k in (1, 2, 30, 500):
        a, b = margin(rng, 500, k), margin(rng, 500, 3)
        ((mean, sd),) = null_moments([a], b)
        found = null_within(np.array([0, k]), a, b[None])
        assert found == pytest.approx((mean, sd), rel=1e-10, abs=1e-15)
