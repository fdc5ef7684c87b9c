"""What chance gives: the kernels against the plain ones, scikit-learn and shuffles."""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics.cluster import expected_mutual_information

from featurekit.kernels.registry import kernel
from featurekit.statistics.contingency import (
    LOGS,
    Contingency,
    entropy,
    false_discovery_rate,
    finish,
    null_moments,
)
from tests.reference import contingency as oracle
from tests.reference.contingency import margin

DEVICES = ("cpu", "reference")
NAMES = ["null_of_counts", "null_of_table", "null_of_pairs", "null_within"]


@pytest.mark.parametrize("name", NAMES)
def test_signature(name):
    compiled = kernel(name)
    python = getattr(compiled, "py_func", compiled)
    assert inspect.signature(python) == inspect.signature(kernel(name, "reference"))


# classes, and counts of values: of one row and of all, with cells of two counts, cells
# that are certain, narrow ones, and wide ones that are summed by strides
CLASSES = {
    "one class": [60],
    "binary": [30, 30],
    "rare": [1, 59],
    "some alike": [10, 20, 10, 5, 5, 10],
    "all distinct": [1] * 6,
    "large": [20_000, 20_000],
    "large and rare": [39_990, 6, 4],
    "one row": [1],
}


def _same(b):
    _, first, at = np.unique(b, return_index=True, return_inverse=True)
    return first[at]


def _counts(b):
    n = sum(b)
    some = {1, 2, 3, 7, n // 3, n // 2, n - 2, n - 1, n}
    return np.array(sorted(k for k in some if 1 <= k <= n))


def _parts(device, a, b, n):
    out = np.full((len(a), 2 + 2 * len(b)), 7.0)
    kernel("null_of_counts", device)(a, b, _same(b), n, LOGS, out)
    return out


@pytest.mark.parametrize("classes", CLASSES)
def test_null_of_counts(classes):
    b = np.array(CLASSES[classes])
    fast, slow = (_parts(d, _counts(b), b, b.sum()) for d in DEVICES)
    np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_null_of_counts_of_any_margins(seed):
    rng = np.random.default_rng(seed)
    n = int(2 ** rng.uniform(3, 15))
    b = margin(rng, n, rng.integers(2, 7), 0.5)
    a = np.unique(2 ** rng.uniform(0, np.log2(n - 1), 8)).astype(np.int64)
    fast, slow = (_parts(d, a, b, n) for d in DEVICES)
    np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("n", [20, 60, 2000])
@pytest.mark.parametrize("n_classes", [1, 2, 5])
def test_null_of_table(n_classes, n):
    rng = np.random.default_rng(n)
    b = margin(rng, n, n_classes)
    a, times = np.unique(margin(rng, n, n // 4), return_counts=True)
    parts = _parts("reference", np.append(a, 1), b, n)
    outs = [np.full(2, 7.0) for _ in DEVICES]
    args = np.arange(len(a)), times.astype(np.float64), parts, b, n
    for device, out in zip(DEVICES, outs, strict=True):
        kernel("null_of_table", device)(*args, out)
    np.testing.assert_allclose(*outs, rtol=1e-9, atol=1e-12)


def test_null_of_pairs():
    nodes = np.array([1, 2, 3, 10, 40, 250, 999, 1000])
    rng = np.random.default_rng(0)
    memos = [np.full((8, 8), np.nan) for _ in DEVICES]
    for a, b in (([0, 3, 4], [1, 5]), ([3], [0, 1, 2]), ([], [4]), ([6, 7], [2, 7])):
        weights = rng.uniform(-0.1, 3, len(a)), rng.uniform(-0.1, 3, len(b))
        args = np.array(a, int), weights[0], np.array(b), weights[1], nodes, 1000, LOGS
        fast, slow = (
            kernel("null_of_pairs", device)(*args, memo)
            for device, memo in zip(DEVICES, memos, strict=True)
        )
        assert fast == pytest.approx(slow, rel=1e-10, abs=1e-12)
    np.testing.assert_allclose(*memos, rtol=1e-10, atol=1e-12)
    assert np.isnan(memos[0][4, 0]), "the lesser count comes first"


def _strata(seed):
    """Bounds, sizes and classes, with strata of no row, one value and one class."""
    rng = np.random.default_rng(seed)
    sizes, table = [], []
    for n, k in ((0, 0), (40, 1), (40, 7), (12, 12), (300, 20), (30, 3), (1, 1)):
        sizes.append(margin(rng, n, k) if n else np.zeros(0, np.int64))
        table.append(rng.multinomial(n, rng.dirichlet(np.ones(4))))
    table[5] = np.array([0, 0, 30, 0])
    table[2] = np.array([10, 0, 20, 10])
    bounds = np.cumsum([0, *map(len, sizes)])
    return bounds, np.concatenate(sizes), np.array(table)


@pytest.mark.parametrize("seed", range(3))
def test_null_within(seed):
    bounds, sizes, table = _strata(seed)
    outs = [np.full(2, 7.0) for _ in DEVICES]
    for device, out in zip(DEVICES, outs, strict=True):
        kernel("null_within", device)(bounds, sizes, table, LOGS, out)
    np.testing.assert_allclose(*outs, rtol=1e-9)
    # strata are shuffled each for itself: means and variances add up
    mean = variance = 0.0
    for v, b in enumerate(table):
        rows = sizes[bounds[v] : bounds[v + 1]]
        if b.sum():
            ((m, sd),) = null_moments([rows], b[b > 0])
            mean += b.sum() * m
            variance += (b.sum() * sd) ** 2
    np.testing.assert_allclose(outs[0], [mean, variance], rtol=1e-9)


# --- the mean


def _of_sklearn(a, b):
    """scikit-learn's, which asks a table for its shape and margins only."""
    table = SimpleNamespace(
        shape=(len(a), len(b)), sum=lambda axis: np.array(a if axis == 1 else b)
    )
    return expected_mutual_information(table, int(sum(a)))


@pytest.mark.parametrize("seed", range(60))
def test_mean_is_that_of_scikit_learn(seed):
    """Where that is accurate; its errors are some 1e-14 whatever the mean."""
    rng = np.random.default_rng(seed)
    n = int(2 ** rng.uniform(1, np.log2(20_000)))
    a = margin(rng, n, rng.integers(1, min(n, 400) + 1), 10 ** rng.uniform(-2, 2))
    b = margin(rng, n, rng.integers(1, min(n, 12) + 1), 10 ** rng.uniform(-2, 2))
    ((mean, _),) = null_moments([a], b)
    assert mean == pytest.approx(_of_sklearn(a, b), rel=1e-9, abs=2e-14)


@pytest.mark.parametrize("seed", range(20))
def test_mean_is_exact(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 300))
    a = margin(rng, n, rng.integers(2, min(n, 30) + 1), 10 ** rng.uniform(-2, 2))
    b = margin(rng, n, rng.integers(2, min(n, 5) + 1), 10 ** rng.uniform(-2, 2))
    ((mean, _),) = null_moments([a], b)
    assert mean == pytest.approx(oracle.expected_mi(a, b), rel=1e-11, abs=1e-15)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([500_000, 500_000], [500_000, 500_000]),  # scikit-learn is 3e-8 off
        ([990_000, 10_000], [500_000, 500_000]),  # 2e-8
        ([200_000] * 5, [300_000, 700_000]),
        ([999_990, 10], [999_000, 1_000]),
        ([20_000] * 50, [950_000, 30_000, 20_000]),
        ([30_000] * 100, [1_500_000, 1_499_999, 1]),
    ],
)
def test_mean_of_wide_cells(a, b):
    """scikit-learn sums factorials of a million, and loses half the digits."""
    pytest.importorskip("mpmath")
    ((mean, _),) = null_moments([np.array(a)], np.array(b))
    assert mean == pytest.approx(oracle.expected_mi_of_wide_cells(a, b), rel=1e-11)


def test_values_and_classes_may_change_places():
    rng = np.random.default_rng(0)
    a, b = margin(rng, 3000, 40), margin(rng, 3000, 6)
    np.testing.assert_allclose(null_moments([a], b), null_moments([b], a), rtol=1e-10)


def test_columns_have_no_say_in_each_others_null():
    """Nor has the number of threads; whatever is asked for, the bits are the same."""
    rng = np.random.default_rng(0)
    b = margin(rng, 5000, 3)
    columns = [margin(rng, 5000, k, 0.3) for k in (1, 2, 30, 800, 2500, 5000)]
    alone = [null_moments([a], b)[0] for a in columns]
    assert null_moments(columns, b) == alone
    assert null_moments(columns, b, n_threads=3) == alone
    assert null_moments([rng.permutation(a) for a in columns], b) == alone


@pytest.mark.parametrize("b", [[5, 5], [9, 1], [10], [1] * 10, [4, 3, 2, 1]])
def test_shuffles_change_nothing_for_one_value_or_as_many_as_rows(b):
    b = np.array(b)
    one, distinct = null_moments([np.array([10]), np.ones(10, int)], b)
    assert one == (0.0, 0.0)
    assert distinct == (entropy(b), 0.0)


def test_null_of_no_columns_and_no_rows():
    assert null_moments([], np.array([3, 4])) == []
    none = np.zeros(0, np.int64)
    assert null_moments([none], none) == [(0.0, 0.0)]


# --- the variance


@pytest.mark.parametrize("n", range(2, 9))
def test_moments_over_all_orders_of_the_labels(n):
    """The mean is exact, and the deviation to 2.8%: most for values of 3 rows of 6."""
    for b in oracle.partitions(n):
        if not 2 <= len(b) <= 3:
            continue
        for a in oracle.partitions(n):
            mi = oracle.mi_of_arrangements(a, b)
            ((mean, sd),) = null_moments([np.array(a)], np.array(b))
            assert mean == pytest.approx(mi.mean(), abs=1e-14)
            assert sd == pytest.approx(mi.std(), rel=0.029, abs=1e-8)
            # the oracle for larger tables
            assert oracle.null_variance(a, b) == pytest.approx(mi.var(), abs=1e-15)


VARIANCE_OF = {
    "binary": [0.5, 0.5],
    "a fifth": [0.2, 0.8],
    "rare": [0.01, 0.99],
    "three": [0.5, 0.3, 0.2],
    "ten": [0.1] * 10,
    "ten, skewed": [0.55, 0.2, 0.1, 0.05, 0.03, 0.02, 0.02, 0.01, 0.01, 0.01],
}


def _classes(shares, n):
    b = np.maximum(1, np.array(shares) * n).astype(np.int64)
    b[np.argmax(b)] += n - b.sum()
    return b


@pytest.mark.parametrize("n", [200, 2000])
@pytest.mark.parametrize("classes", VARIANCE_OF)
def test_deviation_against_all_degrees(classes, n):
    """What is taken as independent is not: that costs 2.1% of the deviation at most.

    That much where classes are two of equal size and every value has three to six rows,
    however many values there are; elsewhere a part of it.
    """
    b, rng = _classes(VARIANCE_OF[classes], n), np.random.default_rng(n)
    columns = [margin(rng, n, k, e) for k in (2, 5, n // 20, n // 2) for e in (0.3, 10)]
    columns += [np.full(n // k, k) for k in (2, 4, 5, 8, 20, n // 4)]
    for a, (_, sd) in zip(columns, null_moments(columns, b), strict=True):
        expected = np.sqrt(oracle.null_variance(a, b))
        assert sd == pytest.approx(expected, rel=0.022, abs=1e-9)


@pytest.mark.parametrize("k", [2, 20, 150])
@pytest.mark.parametrize("classes", ["binary", "three", "ten, skewed"])
def test_moments_of_shuffles(classes, k):
    n, n_shuffles = 300, 20_000
    b, rng = _classes(VARIANCE_OF[classes], n), np.random.default_rng(k)
    a = margin(rng, n, k, 3.0)
    x, y = (np.arange(len(m)).repeat(m) for m in (a, b))
    x, y = x.astype(np.uint16), y.astype(np.uint16)
    of_count = np.arange(n + 1) * np.log(np.maximum(np.arange(n + 1), 1))
    cells, mi = np.zeros(k * len(b), np.int64), np.empty(n_shuffles)
    for i in range(n_shuffles):
        cells[:] = 0
        kernel("count_codes")(x, rng.permutation(y), len(b), cells)
        mi[i] = of_count[cells].sum()
    mi = (mi - of_count[a].sum() - of_count[b].sum() + of_count[n]) / n
    ((mean, sd),) = null_moments([a], b)
    assert abs(mi.mean() - mean) < 4 * sd / np.sqrt(n_shuffles)
    kurtosis = ((mi - mi.mean()) ** 4).mean() / mi.var() ** 2
    noise = np.sqrt((kurtosis - 1) / n_shuffles) / 2
    assert abs(mi.std() / sd - 1) < 0.022 + 3 * noise


# --- noise


N = 4000
CARDINALITIES = [2, 5, 20, 100, 500, 2000]
N_SHUFFLES = 1000


@pytest.fixture(scope="module", params=["a fifth", "five classes"])
def shuffled(request):
    """z and p of noise columns, each under shuffles of the label, (K, shuffles)."""
    rng = np.random.default_rng(7)
    y = np.arange(N) % 5
    if request.param == "a fifth":
        y = y == 0
    y, n_classes = y.astype(np.uint16), int(y.max()) + 1
    z, p = np.empty((2, len(CARDINALITIES), N_SHUFFLES))
    for i, k in enumerate(CARDINALITIES):
        x = rng.integers(0, k, N).astype(np.uint32)
        tables = []
        for _ in range(N_SHUFFLES):
            counts = Contingency(n_classes)
            counts.add(x, rng.permutation(y), k)
            tables.append(counts.table(np.arange(k)))
        found = finish(tables)
        z[i], p[i] = ([one[name] for one in found] for name in ("z", "p"))
    return z, p


def test_z_of_noise_has_mean_0_and_deviation_1(shuffled):
    z, _ = shuffled
    assert np.abs(z.mean(axis=1)).max() < 0.1
    assert np.abs(z.std(axis=1) - 1).max() < 0.15


def test_p_of_noise_is_uniform(shuffled):
    _, p = shuffled
    for alpha in (0.01, 0.05, 0.2):
        noise = np.sqrt(alpha * (1 - alpha) / N_SHUFFLES)
        found = (p < alpha).mean(axis=1)
        assert np.abs(found - alpha).max() < 3.5 * noise, alpha


def test_false_discoveries_are_no_more_than_asked_for(shuffled):
    """Families of 30 columns of noise, five of each cardinality."""
    _, p = shuffled
    families = np.moveaxis(p.reshape(len(p), -1, 5), 1, 0).reshape(-1, 30)
    for alpha in (0.05, 0.1, 0.2):
        hit = [(false_discovery_rate(one) <= alpha).any() for one in families]
        noise = np.sqrt(alpha * (1 - alpha) / len(families))
        assert np.mean(hit) < alpha + 2.5 * noise, alpha
