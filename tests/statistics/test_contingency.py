"""Tables of counts, added up in any way, and the statistics read off them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import mutual_info_score

from featurekit.statistics import contingency
from featurekit.statistics.contingency import (
    STATISTICS,
    Contingency,
    CountTable,
    count_of_counts,
    entropy,
    false_discovery_rate,
    finish,
    quantile_groups,
)
from featurekit.statistics.tails import many_cells
from tests.reference import contingency as oracle

KINDS = ["dense", "sparse", "on the way"]


@pytest.fixture(params=KINDS)
def kind(request, monkeypatch):
    """Tables that are dense, that are lists of cells, and that turn into lists."""
    room = {"dense": 1 << 24, "sparse": 0, "on the way": 60}[request.param]
    monkeypatch.setattr(contingency, "DENSE_CELLS", room)
    return request.param


def _rows(n, seed=0, n_values=40, n_classes=3):
    rng = np.random.default_rng(seed)
    codes = rng.integers(1, n_values, n).astype(np.uint32)  # code 0 has no rows
    return codes, rng.integers(0, n_classes, n).astype(np.uint16)


def _wide(codes, y, n_values, n_classes, times=1):
    out = np.zeros((n_values, n_classes), np.int64)
    np.add.at(out, (codes, y), times)
    return out


def _check(counts, wide):
    """Everything that a table says of itself."""
    cells, rows = counts.cells()
    np.testing.assert_array_equal(cells, np.flatnonzero(wide))
    np.testing.assert_array_equal(rows, wide[wide > 0])
    np.testing.assert_array_equal(counts.per_code(), wide.sum(axis=1))
    np.testing.assert_array_equal(counts.classes(), wide.sum(axis=0))
    order = np.random.default_rng(0).permutation(len(wide))[: len(wide) // 2 + 1]
    np.testing.assert_array_equal(_again(counts.table(order)), _with_rows(wide[order]))


def _with_rows(wide):
    return wide[wide.sum(axis=1) > 0]


def _again(table):
    """A finished table as an array; what it says of itself is right."""
    wide = np.zeros((len(table.sizes), table.n_classes), np.int64)
    assert len(table.start) == len(wide) + 1
    assert table.start[-1] == len(table.classes) == len(table.counts)
    rows = np.arange(len(wide)).repeat(np.diff(table.start))
    wide[rows, table.classes] = table.counts
    assert (table.counts > 0).all()
    np.testing.assert_array_equal(table.sizes, wide.sum(axis=1))
    np.testing.assert_array_equal(table.class_sizes(), wide.sum(axis=0))
    return wide


def _table(wide):
    """From an array."""
    wide = np.asarray(wide, dtype=np.int64)
    cells = np.flatnonzero(wide)
    return CountTable.of_cells(cells, wide.ravel()[cells], wide.shape[1])


# --- adding up


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize("n", [1, 500])
def test_add(kind, n, dtype):
    codes, y = _rows(n)
    counts = Contingency(3)
    counts.add(codes.astype(dtype), y, 40)
    _check(counts, _wide(codes, y, 40, 3))


@pytest.mark.parametrize("seed", range(5))
def test_any_blocks_in_any_order_give_the_same_table(kind, seed):
    """The vocabulary grows from block to block, as it does when a file is read."""
    rng = np.random.default_rng(seed)
    codes, y = _rows(500, seed)
    cuts = np.sort(rng.integers(0, 501, 6))
    blocks = np.split(rng.permutation(500), cuts)
    counts = Contingency(3)
    known = 1
    for rows in sorted(blocks, key=len, reverse=True):
        known = max(known, int(codes[rows].max(initial=0)) + 1)
        counts.add(codes[rows], y[rows], known)
        assert counts.n_values == known
    counts.add(codes[:0], y[:0], 40)
    _check(counts, _wide(codes, y, 40, 3))


def test_weights_are_repeats(kind):
    codes, y = _rows(300)
    times = np.random.default_rng(1).integers(1, 6, 300)
    weighted, repeated = Contingency(3), Contingency(3)
    for rows in (slice(0, 100), slice(100, 300)):
        weighted.add(codes[rows], y[rows], 40, times[rows])
        each = times[rows]
        repeated.add(codes[rows].repeat(each), y[rows].repeat(each), 40)
    _check(weighted, _wide(codes, y, 40, 3, times))
    _check(repeated, _wide(codes, y, 40, 3, times))


def test_a_table_may_grow_and_lose_no_row(kind):
    counts = Contingency(2)
    wide = np.zeros((0, 2), np.int64)
    for n_values in (1, 2, 3, 7, 40, 41, 200, 5):
        code = np.array([n_values - 1], np.uint32)
        counts.add(code, np.ones(1, np.uint16), n_values)
        wide = np.pad(wide, ((0, max(0, n_values - len(wide))), (0, 0)))
        wide[code[0], 1] += 1
        _check(counts, wide)


@pytest.mark.parametrize("seed", range(3))
def test_merge(kind, seed):
    """Codes and classes of a shard are its own, and get those of the whole."""
    rng = np.random.default_rng(seed)
    whole, expected = Contingency(4), np.zeros((50, 4), np.int64)
    for n_values, n_classes in ((40, 3), (5, 2), (50, 4)):
        codes, y = _rows(300, seed + n_values, n_values, n_classes)
        shard = Contingency(n_classes)
        shard.add(codes, y, n_values)
        to_code = rng.permutation(50)[:n_values].astype(np.uint32)
        to_class = rng.permutation(4)[:n_classes]
        whole.merge(shard, to_code, to_class, 50)
        expected += _wide(to_code[codes], to_class[y], 50, 4)
        _check(shard, _wide(codes, y, n_values, n_classes))  # as it was
    _check(whole, expected)


def test_merge_of_codes_that_become_one(kind):
    codes, y = _rows(300)
    whole, shard = Contingency(2), Contingency(3)
    shard.add(codes, y, 40)
    to_code, to_class = (np.arange(40) // 3).astype(np.uint32), np.array([1, 0, 1])
    whole.add(codes[:50], y[:50] % 2, 40)
    whole.merge(shard, to_code, to_class, 40)
    expected = _wide(codes[:50], y[:50] % 2, 40, 2)
    _check(whole, expected + _wide(to_code[codes], to_class[y], 40, 2))


@pytest.mark.parametrize("n_values", [14, 40, 90])
def test_move(kind, n_values):
    codes, y = _rows(300)
    counts = Contingency(3)
    counts.add(codes, y, 40)
    moved = np.random.default_rng(0).integers(0, n_values, 40).astype(np.uint32)
    counts.move(moved, n_values)
    _check(counts, _wide(moved[codes], y, n_values, 3))
    more, labels = _rows(200, 1, n_values)
    counts.add(more, labels, n_values)
    expected = _wide(moved[codes], y, n_values, 3) + _wide(more, labels, n_values, 3)
    _check(counts, expected)


@pytest.mark.parametrize(
    ("to", "n_classes"),
    [([0, 1, 2], 3), ([2, 0, 1], 3), ([5, 0, 3], 6), ([0, 1, 0], 2), ([0, 0, 0], 1)],
)
def test_reclass(kind, to, n_classes):
    codes, y = _rows(300)
    to = np.array(to)
    counts = Contingency(3)
    counts.add(codes, y, 40)
    counts.reclass(to, n_classes)
    expected = _wide(codes, to[y], 40, n_classes)
    _check(counts, expected)
    more, labels = _rows(100, 1, 60, n_classes)
    counts.add(more, labels, 60)
    expected = np.pad(expected, ((0, 20), (0, 0))) + _wide(more, labels, 60, n_classes)
    _check(counts, expected)


@pytest.mark.parametrize("room", [1 << 24, 0])
@pytest.mark.parametrize("then", ["add", "weighted", "merge", "move", "reclass"])
def test_no_rows_at_first(monkeypatch, then, room):
    """Of a vocabulary that is or is not too wide for a dense table."""
    monkeypatch.setattr(contingency, "DENSE_CELLS", room)
    codes, y = _rows(0)
    counts, other = Contingency(3), Contingency(3)
    if then == "weighted":
        counts.add(codes, y, 40, np.zeros(0, np.int64))
    elif then == "merge":
        counts.merge(other, codes, np.arange(3), 40)
    else:
        counts.add(codes, y, 40)
    if then == "move":
        counts.move(np.arange(40, dtype=np.uint32), 40)
    if then == "reclass":
        counts.reclass(np.arange(3), 3)
    _check(counts, np.zeros((40, 3), np.int64))


# --- finished tables


def test_table_of_no_values():
    counts = Contingency(3)
    table = counts.table(np.zeros(0, np.int64))
    assert _again(table).shape == (0, 3)
    counts.add(*_rows(50), 40)
    assert _again(counts.table(np.array([0]))).shape == (0, 3)  # a code without rows


def test_of_cells():
    for wide in (_wide(*_rows(100), 40, 3), np.zeros((3, 2), int), [[0, 5]]):
        wide = np.asarray(wide)
        np.testing.assert_array_equal(_again(_table(wide)), _with_rows(wide))


@pytest.mark.parametrize("group", ["own", "pairs", "uneven", "one"])
def test_grouped(group):
    wide = _with_rows(_wide(*_rows(300), 40, 3))
    k = np.arange(len(wide))
    groups = {"own": k, "pairs": k // 2, "uneven": np.sqrt(k).astype(int), "one": 0 * k}
    expected = np.zeros((groups[group][-1] + 1, 3), int)
    np.add.at(expected, groups[group], wide)
    np.testing.assert_array_equal(_again(_table(wide).grouped(groups[group])), expected)


def test_grouped_of_no_values():
    table = _table(np.zeros((2, 3)))
    assert _again(table.grouped(np.zeros(0, np.int64))).shape == (0, 3)


@pytest.mark.parametrize("n_classes", [1, 2, 4, 8])
def test_collapsed(n_classes):
    wide = _with_rows(_wide(*_rows(300, n_classes=8), 40, 8))
    expected = wide.reshape(len(wide), -1, n_classes).sum(axis=1)
    np.testing.assert_array_equal(_again(_table(wide).collapsed(n_classes)), expected)


def test_with_first():
    first, then = ([[0, 3]], _with_rows(_wide(*_rows(60, n_classes=2), 40, 2)))
    both = _table(then).with_first(_table(first))
    np.testing.assert_array_equal(_again(both), np.concatenate([first, then]))
    for a, b in ((first, [[0, 0]]), ([[0, 0]], then)):
        both = _table(b).with_first(_table(a))
        expected = _with_rows(np.concatenate([a, b]))
        np.testing.assert_array_equal(_again(both), expected)


SIZES = st.lists(st.integers(1, 60) | st.integers(1, 10_000), max_size=80)


@settings(deadline=None, max_examples=150)
@given(sizes=SIZES, n_bins=st.integers(1, 30))
def test_quantile_groups(sizes, n_bins):
    sizes = np.array(sizes, dtype=np.int64)
    groups = quantile_groups(sizes, n_bins)
    assert groups.shape == sizes.shape
    if len(sizes) <= n_bins:
        np.testing.assert_array_equal(groups, np.arange(len(sizes)))
        return
    assert groups[0] == 0 and groups[-1] < n_bins
    assert np.isin(np.diff(groups), (0, 1)).all()  # no gaps, and neighbours together
    # as even as ties allow: from the middle of its first value to that of its last
    ends = np.flatnonzero(np.diff(groups))
    first, last = sizes[np.append(0, ends + 1)], sizes[np.append(ends, len(sizes) - 1)]
    rows = np.bincount(groups, sizes)
    assert (rows - (first + last) / 2 <= sizes.sum() / n_bins).all()


def test_quantile_groups_of_equal_sizes_are_even():
    for k, n_bins in ((100, 10), (64, 7), (1000, 64)):
        values = np.bincount(quantile_groups(np.full(k, 3), n_bins))
        assert len(values) == n_bins
        assert values.max() - values.min() <= 1


def test_a_common_value_leaves_the_others_a_group():
    """No matter at which end it stands; the mirror image does."""
    sizes = np.array([1] * 20 + [980])
    assert quantile_groups(sizes[::-1], 10)[-1] >= 1
    assert quantile_groups(sizes, 10)[-1] >= 1


@pytest.mark.parametrize("at", [0, 10, 20])
def test_values_beside_a_heavy_one_keep_their_bins(at):
    """96 rows of 100 have one value; the other four are spread over 400 values."""
    sizes = np.ones(400, np.int64)
    sizes = np.insert(sizes, 400 * at // 20, 9600)
    groups = quantile_groups(sizes, 10)
    assert groups[-1] + 1 == 10
    rows = np.bincount(groups, sizes)
    assert rows.max() == 9600 and np.sort(rows)[:-1].max() <= 60


def test_heavy_values_of_all_degrees():
    """Nine tenths are 0, of the rest six in ten are 1, and so on."""
    sizes = np.concatenate([[9000, 600], np.ones(400, np.int64)])
    rows = np.bincount(quantile_groups(sizes, 10), sizes)
    assert rows.tolist()[:2] == [9000, 600]
    assert len(rows) >= 6 and rows[2:].max() <= 134


def test_count_of_counts():
    rng = np.random.default_rng(0)
    some = [rng.integers(1, 9, 50), rng.choice([4095, 4096, 4097, 10**9, 1], 60)]
    for sizes in (*some, np.zeros(0, int), np.array([5000]), np.full(3, 2)):
        found = count_of_counts(sizes)
        for fast, slow in zip(found, np.unique(sizes, return_counts=True), strict=True):
            np.testing.assert_array_equal(fast, slow)


# --- statistics


def _random_table(seed):
    """Of 2 to 60 values and 2 to 5 classes, some of them rare, of up to 250 rows."""
    rng = np.random.default_rng(seed)
    k, c, n = rng.integers(2, 61), rng.integers(2, 6), rng.integers(2, 250)
    shares = rng.dirichlet(np.full(c, 0.7), k) * rng.dirichlet(np.full(k, 0.7))[:, None]
    wide = rng.multinomial(n, shares.ravel()).reshape(k, c)
    return _with_rows(wide)


TABLES = {
    **{f"seed {seed}": _random_table(seed) for seed in range(25)},
    "independent": np.outer([1, 2, 3], [2, 4]),
    "perfect": np.diag([3, 4, 5]),
    "nearly all distinct": np.concatenate([np.eye(2, dtype=int)[[0, 1] * 9], [[1, 1]]]),
    "a class without rows": np.array([[3, 0, 2], [1, 0, 7], [4, 0, 0]]),
    "two rows": np.eye(2, dtype=int),
    "common values": np.array([[9000, 5000], [4095, 1], [1, 20000]]),
}


@pytest.fixture(scope="module")
def found():
    """Statistics of each table, all asked for at once."""
    of_classes: dict[int, list[str]] = {}
    for name, wide in TABLES.items():
        of_classes.setdefault(wide.shape[1], []).append(name)
    out = {}
    for names in of_classes.values():
        tables = [_table(TABLES[name]) for name in names]
        out |= dict(zip(names, finish(tables, n_threads=2), strict=True))
    return out


def _close(value, expected):
    return value == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("name", TABLES)
def test_statistics(name, found):
    wide, one = TABLES[name], found[name]
    n, b = wide.sum(), wide.sum(axis=0)
    h = oracle.entropy(b)
    assert tuple(one) == STATISTICS
    assert _close(one["mi"], mutual_info_score(None, None, contingency=wide))
    assert _close(one["mi"], oracle.mutual_information(wide))
    assert _close(one["theils_u"], one["mi"] / h)
    assert _close(one["gini"], oracle.gini(wide))
    assert _close(one["cramers_v"], oracle.cramers_v(wide))
    pearson = stats.chi2_contingency(wide[:, b > 0], correction=False)
    assert _close(one["chi2"], pearson.statistic)
    iv = (
        oracle.information_value if len(b) == 2 else oracle.information_value_of_classes
    )
    assert _close(one["iv"], iv(wide))
    assert one["cardinality"] == len(wide)
    assert _close(one["rare_share"], (wide.sum(axis=1) == 1).mean())
    if n < 300:
        assert _close(one["te_gain"], oracle.encoding_gain(wide))


@pytest.mark.parametrize("name", TABLES)
def test_statistics_against_chance(name, found):
    wide, one = TABLES[name], found[name]
    n, a, b = wide.sum(), wide.sum(axis=1), wide.sum(axis=0)
    b = b[b > 0]
    if n < 300:
        assert one["emi"] == pytest.approx(oracle.expected_mi(a, b), rel=1e-10)
        variance = oracle.null_variance(a, b)
        assert one["sd"] == pytest.approx(math.sqrt(variance), rel=0.03, abs=1e-8)
    excess = one["mi"] - one["emi"]
    assert _close(one["excess"], excess)
    if one["sd"] == 0:  # as many values as rows
        assert (excess, one["z"], one["ami"], one["p"]) == (0, 0, 0, 1)
        return
    assert _close(one["ami"], excess / (oracle.entropy(b) - one["emi"]))
    assert _close(one["z"], excess / one["sd"])
    if len(a) == 2 == len(b) or not many_cells(a, b, (n * one["sd"]) ** 2):
        assert 0 < one["p"] <= 1  # tests/statistics/test_tails.py
        return
    scale = one["sd"] ** 2 / one["emi"]
    chance = stats.gamma.sf(one["mi"], one["emi"] / scale, scale=scale)
    assert one["p"] == pytest.approx(chance, rel=1e-8)


@pytest.mark.parametrize("name", TABLES)
def test_names_of_values_and_classes_do_not_matter(name, found):
    wide, rng = TABLES[name], np.random.default_rng(0)
    for _ in range(3):
        other = wide[rng.permutation(len(wide))][:, rng.permutation(wide.shape[1])]
        (again,) = finish([_table(other)])
        for statistic in STATISTICS:
            assert again[statistic] == pytest.approx(
                found[name][statistic], rel=1e-9, abs=1e-12
            ), statistic


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_no_say_in_each_others_statistics(name, found):
    assert finish([_table(TABLES[name])]) == [found[name]]


def test_p_of_full_cells_is_that_of_the_chi_squared_law():
    rng = np.random.default_rng(0)
    wide = np.stack([rng.multinomial(25_000, [0.5, 0.3, 0.2]) for _ in range(4)])
    (one,) = finish([_table(wide)])
    g = stats.chi2_contingency(wide, correction=False, lambda_="log-likelihood")
    assert one["p"] == pytest.approx(g.pvalue, rel=1e-3)


NOTHING = dict.fromkeys(STATISTICS, 0.0) | {"p": 1.0}


def test_of_no_rows_all_is_0():
    assert finish([]) == []
    assert finish([_table(np.zeros((3, 2)))]) == [NOTHING]


@pytest.mark.parametrize("b", [[7, 3], [5, 5], [1, 1, 98], [4, 0, 4], [1, 0]])
def test_a_constant_column_says_nothing(b):
    """Its shares are of one row less, which costs ``te_gain`` a little."""
    (one,) = finish([_table([b])])
    own = {"cardinality": 1.0, "rare_share": float(sum(b) == 1)}
    own["te_gain"] = oracle.encoding_gain(np.array([b]))
    assert one == pytest.approx(NOTHING | own, abs=1e-12)


@pytest.mark.parametrize("b", [[4, 0, 4], [10, 0]])
def test_a_constant_column_gains_nothing(b):
    (one,) = finish([_table([b])])
    assert one["te_gain"] < 1e-12


@pytest.mark.parametrize("b", [[7, 3], [5, 5], [1, 1, 98], [4, 0, 4], [3000, 1000]])
def test_a_column_of_distinct_values_is_no_better_than_chance(b):
    b = np.array(b)
    wide = np.eye(len(b), dtype=int)[np.arange(len(b)).repeat(b)]
    (one,) = finish([_table(wide)])
    assert one["mi"] == one["emi"] == entropy(b)
    assert {one[k] for k in ("excess", "ami", "z", "sd", "cramers_v")} == {0}
    assert one["p"] == one["rare_share"] == 1
    # another row of the value there is not: all that is left is the prior
    assert one["te_gain"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("sizes", [[10], [1, 9], [1] * 10, [5, 5]])
@pytest.mark.parametrize("n_classes", [1, 2])
def test_of_one_class_there_is_nothing_to_say(sizes, n_classes):
    wide = np.zeros((len(sizes), n_classes), int)
    wide[:, 0] = sizes
    (one,) = finish([_table(wide)])
    if n_classes == 1:
        assert abs(one["te_gain"]) < 1e-12
    own = {"cardinality": len(sizes), "rare_share": np.mean(np.array(sizes) == 1)}
    assert one == NOTHING | own | {"te_gain": one["te_gain"]}


@pytest.mark.parametrize("k", [2, 100, 1000, 8192])
def test_a_column_that_determines_the_class_is_perfect_however_many_values(k):
    """Subtracting chance alone would rank it the lower the more values it has."""
    n = 16_384
    x = np.arange(n) % k
    wide = _wide(x, x % 2, k, 2)
    (one,) = finish([_table(wide)])
    assert one["ami"] == pytest.approx(1, abs=1e-9)
    assert one["theils_u"] == pytest.approx(1, abs=1e-12)
    assert one["mi"] == pytest.approx(math.log(2), rel=1e-12)
    assert one["z"] > 50 and one["p"] == 0
    assert one["te_gain"] > 0
    assert one["gini"] == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_false_discovery_rate_is_that_of_scipy(seed):
    rng = np.random.default_rng(seed)
    p = rng.random([0, 1, 20, 300][seed]) ** 3
    p[::5] = p[:1]
    q = false_discovery_rate(p)
    np.testing.assert_allclose(q, stats.false_discovery_control(p) if len(p) else p)
    assert (np.diff(q[np.argsort(p)]) >= 0).all()


@pytest.mark.parametrize("counts", [[], [0, 0], [5], [0, 5], [3, 0, 4, 1]])
def test_entropy(counts):
    counts = np.array(counts, np.int64)
    expected = oracle.entropy(counts) if counts.sum() else 0.0
    assert entropy(counts) == pytest.approx(expected, abs=1e-15)
