"""Distance correlation against its definition, in fractions where there are any."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest

import featurekit.statistics as public
from featurekit.statistics import (
    distance_correlation,
    distance_correlation_pvalue,
    distance_correlation_test,
    distance_correlations,
    distance_permutation_pvalues,
    partial_distance_correlation,
)
from tests.reference import distance as oracle

KINDS = ["normal", "ties", "one", "outlier", "outliers", "tiny", "huge", "offset"]


def _column(kind, n, seed):
    rng = np.random.default_rng([seed, n])
    z = rng.normal(size=n)
    return {
        "normal": z,
        "ties": rng.integers(0, 4, n) * 1.0,
        "one": (np.arange(n) == seed % n) * 1.0,
        "outlier": np.where(np.arange(n) == 1, 1e8, z),
        "outliers": np.where(np.arange(n) < 2, 1e8 + z, z),
        "tiny": z * 1e-150,
        "huge": z * 1e150,
        "offset": z + 1e8,
    }[kind]


def _close(found, square, bias_corrected):
    """The ratio itself if bias-corrected, its root otherwise."""
    if bias_corrected:
        assert found == pytest.approx(square, rel=1e-11, abs=1e-11)
    else:
        assert found == pytest.approx(math.sqrt(square), rel=1e-11)


@pytest.mark.parametrize("bias_corrected", [False, True])
@pytest.mark.parametrize("kinds", [(a, b) for a in KINDS for b in KINDS])
@pytest.mark.parametrize("n", [4, 5, 11])
def test_numbers_against_fractions(n, kinds, bias_corrected):
    x, y = (_column(kind, n, seed) for seed, kind in enumerate(kinds))
    expected = oracle.exact(oracle.line(x), oracle.line(y), bias_corrected)
    found = distance_correlation(x, y, bias_corrected=bias_corrected)
    _close(found, expected, bias_corrected)


@pytest.mark.parametrize("bias_corrected", [False, True])
@pytest.mark.parametrize("kind", ["ties", "outlier"])
def test_sixty_rows_against_fractions(kind, bias_corrected):
    x, y = _column(kind, 60, 0), _column("normal", 60, 1)
    expected = oracle.exact(oracle.line(x), oracle.line(y), bias_corrected)
    found = distance_correlation(x, y, bias_corrected=bias_corrected)
    _close(found, expected, bias_corrected)


@pytest.mark.parametrize("bias_corrected", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_classes_against_fractions(kind, n_classes, bias_corrected):
    n = 13
    rng = np.random.default_rng(n_classes)
    x = _column(kind, n, 0)
    c, d = (rng.permutation(np.arange(n) % n_classes).astype(str) for _ in range(2))
    for left, right, a, b in [
        (x, c, oracle.line(x), oracle.labels(c)),
        (c, x, oracle.labels(c), oracle.line(x)),
        (c, d, oracle.labels(c), oracle.labels(d)),
    ]:
        found = distance_correlation(left, right, bias_corrected=bias_corrected)
        _close(found, oracle.exact(a, b, bias_corrected), bias_corrected)


@pytest.mark.parametrize("bias_corrected", [False, True])
@pytest.mark.parametrize("shares", [(7, 6), (8, 4, 1), (4, 3, 1, 1, 1, 1, 1, 1)])
@pytest.mark.parametrize("kind", [*KINDS, "labels"])
def test_rare_classes_are_far_from_others(kind, shares, bias_corrected):
    n = sum(shares)
    rng = np.random.default_rng(n)
    y = rng.permutation(np.repeat([f"c{i}" for i in range(len(shares))], shares))
    if kind == "labels":
        x = rng.permutation(np.arange(n) % 3).astype(str)
        distances = oracle.labels(x)
    else:
        x = _column(kind, n, 0)
        distances = oracle.line(x)
    options = {"bias_corrected": bias_corrected, "class_distance": "chi2"}
    found = distance_correlations({"x": x}, y, **options)[0]
    expected = oracle.exact(distances, oracle.labels_by_share(y), bias_corrected)
    _close(found, expected, bias_corrected)
    # rows that count several times
    times = rng.integers(1, 4, n)
    once = distance_correlations({"x": x.repeat(times)}, y.repeat(times), **options)
    often = distance_correlations({"x": x}, y, sample_weight=times, **options)
    np.testing.assert_allclose(often, once, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("bias_corrected", [False, True])
@pytest.mark.parametrize("n_classes", [1, 2, 5])
def test_classes_of_one_size_are_equally_far_apart(n_classes, bias_corrected):
    rng = np.random.default_rng(n_classes)
    X = rng.normal(size=(60, 4))
    y = rng.permutation(np.arange(60) % n_classes).astype(str)
    if n_classes == 2:  # of any size
        y[:20] = "0"
    one, other = (
        distance_correlations(
            X, y, bias_corrected=bias_corrected, class_distance=distance
        )
        for distance in ("equal", "chi2")
    )
    np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)
    assert (n_classes > 1) == (one != 0).any()


def test_a_rare_class_is_seen():
    """Nine rows in ten are of two classes that a coin tells, the rest of four others.

    A column that tells these four scores above the coin, by a class's share.
    """
    rng = np.random.default_rng(0)
    y = np.where(rng.random(4000) < 0.9, rng.integers(0, 2, 4000), -1)
    rare = y < 0
    y[rare] = 2 + rng.integers(0, 4, rare.sum())
    X = rng.normal(size=(4000, 2))
    X[:, 0] += 1.2 * (y == 1)
    X[rare, 1] += 3.0 * y[rare]
    equal = distance_correlations(X, y, discrete_target=True)
    shared = distance_correlations(X, y, discrete_target=True, class_distance="chi2")
    assert equal[0] > equal[1]
    assert shared[1] > shared[0]


@pytest.mark.parametrize("range_", [(1e300, 1e-5), (1e-310, 1e-310), (1e307, -1e307)])
def test_the_ends_of_float64(range_):
    x = np.append(np.random.default_rng(0).normal(size=9), [1.0]) * range_[1]
    x[0] = range_[0]
    y = np.arange(10.0)
    for bias_corrected in (False, True):
        expected = oracle.exact(oracle.line(x), oracle.line(y), bias_corrected)
        found = distance_correlation(x, y, bias_corrected=bias_corrected)
        _close(found, expected, bias_corrected)


def _variables(n):
    rng = np.random.default_rng(n)
    z = rng.normal(size=n)
    return {
        "numbers": z,
        "ties": np.round(z + rng.normal(size=n)),
        "labels": rng.integers(0, 4, n).astype(str),
        "flags": z > 0.5,
        "points": np.stack([z, rng.normal(size=n), z**2], axis=1),
    }


PAIRS = [(a, b) for a in _variables(2) for b in _variables(2)]


@pytest.mark.parametrize("bias_corrected", [False, True])
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("n", [4, 50, 700])
def test_all_kinds_against_the_definition(n, pair, bias_corrected):
    x, y = (_variables(n)[name] for name in pair)
    expected = oracle.plain(x, y, bias_corrected)
    found = distance_correlation(x, y, bias_corrected=bias_corrected)
    if not bias_corrected:
        found *= found
    assert found == pytest.approx(expected, abs=1e-11)
    other = distance_correlation(y, x, bias_corrected=bias_corrected)
    assert other == pytest.approx(
        found if bias_corrected else math.sqrt(found), abs=1e-7
    )


@pytest.mark.parametrize("bias_corrected", [False, True])
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("n", [6, 300])
def test_weights_count_rows(n, pair, bias_corrected):
    x, y = (_variables(n)[name] for name in pair)
    times = np.random.default_rng(1).integers(0, 4, n)
    times[:4] = 2, 1, 1, 3
    options = {"bias_corrected": bias_corrected}
    found = distance_correlation(x, y, sample_weight=times, **options)
    expected = distance_correlation(x.repeat(times, 0), y.repeat(times, 0), **options)
    assert found == pytest.approx(expected, rel=1e-11, abs=1e-12)
    if not bias_corrected:
        shares = distance_correlation(x, y, sample_weight=times * 1e-200)
        assert shares == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize("bias_corrected", [False, True])
@pytest.mark.parametrize("discrete_target", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_columns_are_those_of_single_calls(weighted, discrete_target, bias_corrected):
    n = 600
    v = _variables(n)
    frame = pd.DataFrame({k: x for k, x in v.items() if k != "points"})
    y = np.round(v["numbers"] ** 2 * 2)
    weights = np.random.default_rng(0).integers(0, 3, n) if weighted else None
    options = {"bias_corrected": bias_corrected, "sample_weight": weights}
    found = [
        distance_correlations(
            data, y, discrete_target=discrete_target, n_jobs=jobs, **options
        )
        for data in (frame, pl.from_pandas(frame))
        for jobs in (1, 3)
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)
    target = y.astype(str) if discrete_target else y
    expected = [distance_correlation(frame[c], target, **options) for c in frame]
    # texts are classes of other codes, added up in another order
    np.testing.assert_allclose(found[0], expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("which", [[1], [-2], [False, True, False], np.array([1])])
def test_which_features_are_discrete(which):
    X = np.random.default_rng(0).integers(0, 4, (80, 3))
    y = X[:, 1] % 2 * 1.0
    found = distance_correlations(X, y, discrete_features=which)
    expected = [
        distance_correlation(x, y) for x in (X[:, 0], X[:, 1].astype(str), X[:, 2])
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    everything = distance_correlations(X, y, discrete_features=True)
    assert everything[1] == pytest.approx(expected[1], rel=1e-14)


def test_layout_and_type_do_not_matter():
    X = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    y = X[:, 0].astype(np.float64) ** 2
    expected = distance_correlations(X.astype(np.float64), y)
    for array in (X, np.asfortranarray(X), X[:, ::-1][:, ::-1]):
        array.flags.writeable = False
        np.testing.assert_array_equal(distance_correlations(array, y), expected)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_the_order_of_rows_does_not_matter(pair):
    n = 900
    x, y = (_variables(n)[name] for name in pair)
    rows = np.random.default_rng(0).permutation(n)
    found = distance_correlation(x, y), distance_correlation(x[rows], y[rows])
    assert found[0] == pytest.approx(found[1], rel=1e-12)


@pytest.mark.parametrize("n", [2, 3, 50, 5000])
def test_identities(n):
    x = np.random.default_rng(n).normal(size=n)
    for y in (x, -x, 3 * x - 7, x[:, None] * [[3.0, 4.0]]):
        assert distance_correlation(x, y) == pytest.approx(1, abs=1e-12)
        assert distance_correlation(x, y) <= 1
    turned = np.stack([x, x**2], axis=1) @ [[0.6, 0.8], [-0.8, 0.6]]
    straight = distance_correlation(np.stack([x, x**2], axis=1), x)
    assert distance_correlation(turned, x) == pytest.approx(straight, abs=1e-12)
    grid = np.divmod(np.arange(36), 6)
    assert distance_correlation(*grid) == 0  # exactly independent
    assert distance_correlation(*(g.astype(str) for g in grid)) == 0


@pytest.mark.parametrize("other", ["numbers", "labels", "points"])
@pytest.mark.parametrize("bias_corrected", [False, True])
def test_constants_correlate_with_nothing(bias_corrected, other):
    y = _variables(20)[other]
    for x in (np.full(20, 1e9 + 0.1), np.full(20, "a"), np.ones((20, 2))):
        for pair in ((x, y), (y, x), (x, x)):
            assert distance_correlation(*pair, bias_corrected=bias_corrected) == 0


@pytest.mark.parametrize("bias_corrected", [False, True])
@pytest.mark.parametrize("values", [(0.0, 1.0), (-7.5, 2e300), (3.0, 3.0 + 2e-15)])
@pytest.mark.parametrize("start", [1, 63, 64, 299])
def test_two_numbers_are_two_classes(start, values, bias_corrected):
    """However late the second one comes, and unless there is a third."""
    x = _variables(300)["numbers"]
    second = np.arange(300) >= start
    second[start + 1 : start + 100 : 3] = False
    y = np.where(second, values[1], values[0])
    options = {"bias_corrected": bias_corrected}
    found = [
        distance_correlation(x, y, **options),
        distance_correlation(y, x, **options),
        distance_correlations(x[:, None], y, **options)[0],
        distance_correlations(y[:, None], x, **options)[0],
    ]
    expected = distance_correlation(x, second.astype(str), **options)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    y = second * 1.0
    y[-1] = 5.0
    expected = oracle.plain(x, y, bias_corrected)
    found = distance_correlation(x, y, bias_corrected=bias_corrected)
    if not bias_corrected:
        found *= found
    assert found == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("bias_corrected", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_pair_in_the_order_of_one_is_a_pair(kind, bias_corrected, weighted):
    """Single calls number rows by the order of x, other calls as they come."""
    n = 900
    x, y = _column(kind, n, 0), _column("ties", n, 1) + _column("normal", n, 2)
    weights = np.arange(n) % 3 if weighted else None
    options = {"bias_corrected": bias_corrected, "sample_weight": weights}
    expected = distance_correlations(x[:, None], y, **options)[0]
    for pair in ((x, y), (y, x)):
        found = distance_correlation(*pair, **options)
        assert found == pytest.approx(expected, rel=1e-11, abs=1e-12)


def test_large_whole_numbers_keep_their_differences():
    x = np.arange(50)
    y = (x - 20) ** 2
    expected = distance_correlation(x, y)
    assert distance_correlation(x + 2**62, y) == pytest.approx(expected, rel=1e-14)
    assert distance_correlation(x - 2**62, y) == pytest.approx(expected, rel=1e-14)


def test_labels_of_any_library():
    labels = np.random.default_rng(0).integers(0, 3, 60)
    y = labels + np.arange(60) / 30
    expected = distance_correlation(labels.astype(str), y)
    for x in (
        labels.astype(str).tolist(),
        labels.astype(str).astype(object),
        pd.Series(labels).astype("category"),
        pd.Series(labels.astype(str)),
        pl.Series(labels.astype(str)),
        pl.Series(labels.astype(str), dtype=pl.Categorical),
    ):
        assert distance_correlation(x, y) == pytest.approx(expected, rel=1e-14)
    flags = labels > 0
    numbers = distance_correlation(flags * 1.0, y)
    for x in (flags, pd.Series(flags), pl.Series(flags), flags.tolist()):
        assert distance_correlation(x, y) == pytest.approx(numbers, rel=1e-13)


def test_affine_invariance():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    y = x[:, 0] * x[:, 1] + rng.normal(size=80)
    expected = distance_correlation(x, y, affine_invariant=True)
    moved = x @ rng.normal(size=(3, 3)) * 1e3 + 5
    assert distance_correlation(moved, y, affine_invariant=True) == pytest.approx(
        expected, rel=1e-9
    )
    doubled = np.c_[x, x[:, 0] - x[:, 2]]  # singular
    assert distance_correlation(doubled, y, affine_invariant=True) == pytest.approx(
        expected, rel=1e-9
    )
    root = np.linalg.cholesky(np.linalg.inv(np.cov(x.T)))
    plain = oracle.plain(x @ root, y)
    assert expected == pytest.approx(math.sqrt(plain), rel=1e-11)


@pytest.mark.parametrize("n", [4, 5, 12])
def test_partial_against_fractions(n):
    x, y, z = (_column(kind, n, 1) for kind in ("normal", "outlier", "ties"))
    expected = oracle.partial(*(oracle.line(v) for v in (x, y, z)))
    found = partial_distance_correlation(x, y, z)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-10)
    assert partial_distance_correlation(x, x, x) == 0


def test_bias_corrected_of_rare_classes_is_zero_on_average():
    rng = np.random.default_rng(1)
    y = np.repeat(np.arange(6), [50, 40, 5, 3, 1, 1])
    found = np.concatenate(
        [
            distance_correlations(
                rng.standard_cauchy(size=(100, 50)),
                rng.permutation(y),
                bias_corrected=True,
                discrete_target=True,
                class_distance="chi2",
            )
            for _ in range(40)
        ]
    )
    assert abs(found.mean()) < 4 * found.std() / math.sqrt(len(found))
    assert found.std() > 0


def test_bias_corrected_is_zero_on_average():
    rng = np.random.default_rng(0)
    r = [
        distance_correlation(*rng.normal(size=(2, 20)), bias_corrected=True)
        for _ in range(2000)
    ]
    assert abs(np.mean(r)) < 4 * np.std(r) / math.sqrt(len(r))


def test_chi_square_is_valid_and_not_useless():
    rng = np.random.default_rng(0)
    p = np.array(
        [
            distance_correlation_test(x, y > 0 if k % 2 else y).p_value
            for k, (x, y) in enumerate(rng.normal(size=(2000, 2, 40)))
        ]
    )
    for level in (0.01, 0.05):
        assert (p <= level).mean() <= level + 3 * math.sqrt(level / len(p))
    assert (p <= 0.05).mean() > 0.005
    from scipy.stats import chi2

    for r in (-0.5, 0.0, 0.03, 0.4):
        expected = chi2.sf(max(70 * r + 1, 0), 1)
        assert distance_correlation_pvalue(r, 70) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("class_distance", ["equal", "chi2"])
def test_permutations_of_columns(class_distance):
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], [30, 25, 5])
    columns = {"x": rng.normal(size=60), "z": rng.normal(size=60), "c": rng.permuted(y)}
    columns["x"][-5:] += 4.0
    how = {"class_distance": class_distance}
    p, again = (
        distance_permutation_pvalues(
            columns, y, n_permutations=199, random_state=0, n_jobs=n_jobs, **how
        )
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(p, again)
    assert p[0] < 0.02 < p[1] and p[2] > 0.02
    # as often as in orders of another seed
    given = distance_correlations(columns, y, bias_corrected=True, **how)
    others = [
        distance_correlations(columns, rng.permuted(y), bias_corrected=True, **how)
        for _ in range(199)
    ]
    slow = (1 + (np.array(others) >= given - 1e-12).sum(axis=0)) / 200
    np.testing.assert_allclose(p, slow, atol=0.12)


def test_permutations_are_valid_for_sparse_columns_of_a_rare_class():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [590, 10])
    X = (rng.random((600, 300)) < 0.005) * 1.0
    X[0] = 1.0  # none is a constant
    p = distance_permutation_pvalues(
        X, y, n_permutations=99, discrete_target=True, random_state=0
    )
    assert (p <= 0.05).mean() <= 0.08
    assert (p == 0.01).mean() <= 0.03


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_permutations(pair):
    x, y = (_variables(40)[name] for name in pair)
    options = {"method": "permutation", "n_permutations": 30, "random_state": 3}
    test = distance_correlation_test(x, y, **options)
    assert test == distance_correlation_test(x, y, **options)
    draw = np.random.RandomState(3)
    expected = distance_correlation(x, y, bias_corrected=True)
    assert test.statistic == expected
    reached = sum(
        distance_correlation(x, y[draw.permutation(40)], bias_corrected=True)
        >= expected - 1e-12
        for _ in range(30)
    )
    assert test.p_value == (1 + reached) / 31
    weights = np.arange(40) % 3
    weighted = distance_correlation_test(x, y, sample_weight=weights, **options)
    again = distance_correlation_test(
        x.repeat(weights, 0), y.repeat(weights, 0), **options
    )
    assert weighted == again


X3 = np.arange(10.0)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: distance_correlation([1.0], [2.0]), "at least 2 rows"),
        (lambda: distance_correlation(X3, X3[1:]), "x has 10 rows, y has 9"),
        (lambda: distance_correlation(X3, [np.nan] * 10), "y contains NaN"),
        (lambda: distance_correlation(np.full(10, np.inf), X3), "x contains NaN"),
        (lambda: distance_correlation(["a", None], [1, 2]), "x has missing values"),
        (lambda: distance_correlation(X3[:3], X3[:3], bias_corrected=True), "at least"),
        (lambda: partial_distance_correlation(*[X3[:3]] * 3), "at least 4"),
        (lambda: distance_correlation(np.ones((2, 2, 2)), X3), "3 dimensions"),
        (lambda: distance_correlations(X3[:, None], X3[1:]), "X has 10 rows, y has 9"),
        (lambda: distance_correlations(X3[:, None] * np.nan, X3), "'x0' of X contains"),
        (lambda: distance_correlations(X3[:, None], np.eye(10)), "several"),
        (lambda: distance_correlations(X3[:, None], X3, discrete_features="x"), "mask"),
        (lambda: distance_correlations(X3[:, None], X3, discrete_features=[1]), "0..0"),
        (lambda: distance_correlations(X3[:, None], X3, discrete_target="x"), "'auto'"),
        (lambda: distance_correlations(X3[:, None], X3, class_distance=1), "'chi2'"),
        (lambda: distance_correlation_test(X3, X3, method="f"), "'permutation'"),
        (lambda: distance_permutation_pvalues(X3[:, None], X3, n_permutations=0),
         "at least 1"),
        (lambda: distance_correlation_test(X3, X3, method="permutation",
                                           n_permutations=0), "at least 1"),
        (lambda: distance_correlation_test(X3, X3, method="permutation",
                                           sample_weight=X3 + 0.5), "fractions"),
        (lambda: distance_correlation_pvalue(2.0, 10), r"\[-1, 1\]"),
        (lambda: distance_correlation_pvalue(0.0, 0), "above 0"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ([-1] + [1] * 9, "negative"),
        ([np.nan] + [1] * 9, "weight 0"),
        ([0] * 10, "all weights"),
        ([1] * 9, "one weight for each row"),
    ],
)
def test_weights_that_are_no_counts(weights, text):
    for call in (distance_correlation, distance_correlation_test):
        with pytest.raises(ValueError, match=text):
            call(X3, X3, sample_weight=weights)
    with pytest.raises(ValueError, match=text):
        distance_correlations(X3[:, None], X3, sample_weight=weights)


def test_public_names():
    assert set(public.__all__) <= set(dir(public))
    for name in public.__all__:
        assert getattr(public, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        public.nothing  # noqa: B018
