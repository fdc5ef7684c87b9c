"""Infinite feature selection: its formulas, its rules for tables, planted truth."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics.cluster import expected_mutual_information
from sklearn.model_selection import LeaveOneGroupOut

from featurekit.fitting import Target
from featurekit.selection import InfFS
from featurekit.selection.paths import (
    Spread,
    Unlikeness,
    energies,
    released_energies,
    two_means,
)
from featurekit.selection.relevance import (
    between_within,
    correlation_ratio,
    equal_width,
    fisher,
    mutual_information,
    n_bins_of,
)
from featurekit.statistics.moments import unit_ranks_of
from tests.reference import inf_fs as oracle

SHARES = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.2, 0.3, 0.5)]
SCALES = ["minmax", "standard", None]


def _table(seed, n=60):
    """Numbers, ties, two values, a constant; a column twice, as it is and cubed."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    X = np.column_stack(
        [
            x,
            rng.exponential(size=n),
            rng.integers(0, 4, n),
            rng.random(n) < 0.3,
            x,
            x**3,
            np.full(n, 0.1),
            x + rng.normal(size=n),
            rng.uniform(-5, 50, n),
        ]
    ).astype(float)
    return X


def _classes(X, k, seed=0):
    """``k`` classes that hang on the first columns."""
    rng = np.random.default_rng(seed)
    order = np.argsort(X[:, 0] + X[:, 2] + rng.normal(size=len(X)))
    y = np.empty(len(X), np.int64)
    y[order] = np.arange(len(X)) * k // len(X)
    return y


def _number(X, seed=0):
    return X[:, 0] - X[:, 1] + np.random.default_rng(seed).normal(size=len(X))


def _scores(X, y=None, **params):
    method = "unsupervised" if y is None else "supervised"
    return InfFS(method, **params).fit(X, y).scores_


# -- the formulas --------------------------------------------------------------------


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("n", [8, 60])
def test_unsupervised_scores_are_the_series(n, alpha, scale):
    X = _table(n, n)
    found = _scores(X, alpha=alpha, scale=scale)
    for how in ("series", "solved"):
        expected = oracle.scores(X, alpha=alpha, scale=scale, how=how)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("alpha", SHARES)
@pytest.mark.parametrize("k", [0, 2, 3, 5])
def test_supervised_scores_are_the_series(k, alpha, scale):
    X = _table(k)
    y = _classes(X, k) if k else _number(X)
    found = _scores(X, y, alpha=alpha, scale=scale)
    expected = oracle.scores(X, y, alpha=alpha, scale=scale, classes=k > 0)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_scores_of_more_than_200_rows_have_20_bins():
    X = _table(1, 230)[:, :4]
    y = _classes(X, 3)
    found = _scores(X, y, alpha=(0.5, 0.5, 0.0))
    expected = oracle.scores(X, y, alpha=(0.5, 0.5, 0.0))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("rho", [0.01, 0.5, 0.999])
def test_scores_for_any_rho(rho):
    X = _table(3)
    found = _scores(X, alpha=0.3, rho=rho)
    expected = oracle.scores(X, alpha=0.3, rho=rho, how="solved")
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("method", ["unsupervised", "supervised"])
def test_more_columns_than_rows(method):
    X = np.random.default_rng(0).normal(size=(14, 40)) ** 3
    y = _classes(X, 2) if method == "supervised" else None
    alpha = (0.25, 0.25, 0.5) if method == "supervised" else 0.25
    found = _scores(X, y, alpha=alpha)
    expected = oracle.scores(X, y, alpha=alpha)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_released_unsupervised_form(alpha):
    X = np.random.default_rng(1).exponential(size=(50, 20)) ** 2
    found = _scores(X, alpha=alpha, graph="tpami2020", scale=None)
    expected = oracle.scores(X, alpha=alpha, scale=None, how="released")
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    A = oracle.adjacency(X, None, alpha, scale=None)
    # the rows' sums decide
    np.testing.assert_array_equal(np.argsort(-found), np.argsort(-A.sum(axis=1)))


@pytest.mark.parametrize("alpha", SHARES)
@pytest.mark.parametrize("k", [0, 2, 3])
def test_released_supervised_form(k, alpha):
    X = _table(k)
    y = _classes(X, k) if k else _number(X)
    found = _scores(X, y, alpha=alpha, graph="tpami2020")
    expected = oracle.scores(X, y, alpha=alpha, classes=k > 0, how="released")
    np.testing.assert_allclose(found, expected, rtol=1e-11)


@pytest.mark.parametrize("d", [1, 2, 3, 30])
def test_released_energies_of_any_graph(d):
    rng = np.random.default_rng(d)
    for size in (1e-3, 1, 1e3):
        A = size * rng.random((d, d))
        found = released_energies(lambda V, A=A: A @ V, d)[:, 0]
        np.testing.assert_allclose(found, oracle.released(A), rtol=1e-12)
    assert (released_energies(np.zeros_like, d) == 1).all()


def test_released_form_has_no_meaning_for_very_many_columns():
    with pytest.raises(ValueError, match="not defined for 200000 features"):
        released_energies(lambda V: V, 200_000)


# -- products and paths --------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 511, 512, 513, 1030])
def test_a_matrix_that_is_never_formed_gives_the_same(d):
    rng = np.random.default_rng(d)
    R = unit_ranks_of(rng.normal(size=(20, d)))
    V = rng.random((d, 3))
    expected = 1 - np.abs(R.T @ R)
    np.fill_diagonal(expected, 0)
    for limit in (8 * d * d, 8 * d * d - 1):
        found = Unlikeness(R, limit)
        assert (found._matrix is None) == (limit < 8 * d * d)
        np.testing.assert_allclose(found @ V, expected @ V, rtol=1e-11)


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("graph", ["symmetric", "tpami2020"])
def test_memory_limit_does_not_change_the_scores(graph, alpha):
    X = np.random.default_rng(0).normal(size=(25, 700)) ** 3
    kept = _scores(X, alpha=alpha, graph=graph)
    found = _scores(X, alpha=alpha, graph=graph, memory_limit=0)
    np.testing.assert_allclose(found, kept, rtol=1e-12)


@pytest.mark.parametrize("d", [1, 2, 9])
def test_products_with_the_larger_of_two_spreads(d):
    rng = np.random.default_rng(d)
    for s in (rng.random(d), rng.integers(0, 3, d) / 2, np.zeros(d)):
        V = rng.normal(size=(d, 2))
        expected = np.maximum(s[:, None], s) @ V
        np.testing.assert_allclose(Spread.of(s) @ V, expected, atol=1e-13)


def _graphs():
    rng = np.random.default_rng(0)
    for d in (2, 3, 40, 150):
        dense = rng.random((d, d))
        yield f"dense{d}", dense + dense.T
        sparse = np.triu(rng.random((d, d)) < 3 / d, 1).astype(float)
        yield f"sparse{d}", sparse + sparse.T
        halves = np.zeros((d, d))
        halves[: d // 2, d // 2 :] = rng.random((d // 2, d - d // 2))
        yield f"bipartite{d}", halves + halves.T
        yield f"line{d}", np.eye(d, k=1) + np.eye(d, k=-1)
        near = np.full((d, d), 1e-4)
        near[: d // 2, : d // 2] = 1
        near[d // 2 :, d // 2 :] = 0.99
        yield f"nearly_apart{d}", near
        yield f"identity{d}", np.eye(d)
        yield f"zero{d}", np.zeros((d, d))
        pair = np.zeros((d, d))
        pair[0, 1] = pair[1, 0] = 5
        yield f"pair{d}", pair
        yield f"tiny{d}", 1e-150 * (dense + dense.T)
        yield f"huge{d}", 1e150 * (dense + dense.T)
    yield "one", np.ones((1, 1))


GRAPHS = dict(_graphs())


@pytest.mark.parametrize("name", GRAPHS)
def test_energies_and_spectral_radius_of_any_graph(name):
    A = GRAPHS[name]
    found, radius = energies(lambda V: A @ V, len(A), 1, 0.9)
    expected = np.abs(np.linalg.eigvalsh(A)).max()
    np.testing.assert_allclose(radius, expected, rtol=1e-12)
    solved = oracle.solved(A)
    np.testing.assert_allclose(found[:, 0], solved, atol=1e-11 * solved.max() + 1e-300)


@pytest.mark.parametrize("d", [2, 40])
def test_graphs_side_by_side_are_as_alone(d):
    several = [A for A in GRAPHS.values() if len(A) == d]

    def product(V):
        columns = [A @ V[:, [i]] for i, A in enumerate(several)]
        return np.hstack(columns)

    found, radius = energies(product, d, len(several), 0.7)
    for i, A in enumerate(several):
        alone, its = energies(lambda V, A=A: A @ V, d, 1, 0.7)
        np.testing.assert_allclose(radius[i], its[0], rtol=1e-12)
        atol = 1e-11 * alone.max()
        np.testing.assert_allclose(found[:, i], alone[:, 0], atol=atol)


def test_few_products_are_needed():
    X = np.random.default_rng(0).normal(size=(100, 300)) ** 3
    R = unit_ranks_of(X)
    calls = []
    unlike = Unlikeness(R, 2**30)

    def product(V):
        calls.append(1)
        return unlike @ V

    energies(product, 300, 1)
    assert len(calls) <= 12


@pytest.mark.parametrize("n", [37, 101, 500])
@pytest.mark.parametrize("memory_limit", [None, 0])
def test_columns_of_the_same_ranks_have_no_edges(n, memory_limit):
    x = np.random.default_rng(1).normal(size=n)
    X = np.column_stack([x, x, np.exp(x), x, -x, x**3, x])
    found = _scores(X, alpha=0.0, memory_limit=memory_limit)
    assert (found == 0).all()


# -- the upper of two clusters -------------------------------------------------------


def _left(x, k):
    x = np.sort(x)[::-1]
    return sum(((part - part.mean()) ** 2).sum() for part in (x[:k], x[k:]))


@pytest.mark.parametrize("seed", range(30))
def test_two_means_is_the_best_of_all_splits(seed):
    rng = np.random.default_rng(seed)
    x = rng.exponential(size=int(rng.integers(2, 40))) ** 2
    assert two_means(x) == oracle.two_means(x)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=2, max_size=25))
def test_two_means_of_ties(values):
    x = np.array(values, float)
    k = two_means(x)
    if len(set(values)) == 1:
        assert k == len(x)
        return
    best = _left(x, oracle.two_means(x))
    assert _left(x, k) <= best + 1e-9
    # equal scores are on one side, as each is nearer to one centre
    ranked = np.sort(x)[::-1]
    assert ranked[k - 1] > ranked[k]


def test_two_means_of_equal_scores_is_all():
    assert two_means(np.array([3.0])) == 1
    assert two_means(np.zeros(4)) == 4
    assert two_means(1 / 3 + 1e-16 * np.arange(5)) == 5
    assert two_means(np.array([1.0, 0.0])) == 1


# -- criteria ------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 2, 3, 5])
def test_criteria_are_their_definitions(k):
    X = _table(k)[:, [0, 1, 2, 3, 4, 5, 7, 8]]
    y = _classes(X, k) if k else _number(X)
    target = Target.of(y)
    for found, expected in (
        (fisher(X, target), oracle.fisher),
        (correlation_ratio(X, target), oracle.explained),
        (mutual_information(X, target), oracle.information),
    ):
        wanted = [expected(x, y, k > 0) for x in X.T]
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def test_columns_that_separate_the_classes_and_that_are_constant():
    y = np.array([0, 0, 1, 1, 2, 2])
    X = np.column_stack([y * 0.1, np.full(6, 0.1), [1.0, 2, 1, 2, 1, 2]])
    target = Target.of(y)
    assert fisher(X, target).tolist() == pytest.approx([10_000, 0, 0], abs=1e-12)
    assert correlation_ratio(X, target).tolist() == pytest.approx([1, 0, 0], abs=1e-12)
    assert mutual_information(X, target)[1] == 0


@pytest.mark.parametrize("k", [2, 4])
def test_chance_is_scikit_learns_expected_information(k):
    rng = np.random.default_rng(k)
    n = 150
    y = rng.integers(0, k, n)
    X = np.column_stack([rng.integers(0, 6, n), rng.exponential(size=n), y % 2 + 0.0])
    found = mutual_information(X, Target.of(y))
    for j, x in enumerate(X.T):
        a = equal_width(x[:, None], n_bins_of(n))[:, 0]
        table = pd.crosstab(a, y).to_numpy()
        p = table / n
        own = [-(q[q > 0] * np.log(q[q > 0])).sum() for q in (p.sum(1), p.sum(0), p)]
        chance = expected_mutual_information(table, n)
        above = max(own[0] + own[1] - own[2] - chance, 0)
        assert found[j] == pytest.approx(2 * above / (own[0] + own[1]), abs=1e-12)


def test_fractional_weights_take_the_first_term_of_chance():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 5)), rng.integers(0, 3, 400)
    target = Target.of(y)
    exact = mutual_information(X, target, np.full(400, 20.0))
    near = mutual_information(X, target, np.full(400, 20.0) + 1e-9)
    np.testing.assert_allclose(near, exact, atol=1e-4)


@pytest.mark.parametrize("n", [1, 99, 110, 200, 201, 10**6])
def test_number_of_bins(n):
    assert n_bins_of(n) == (20 if n > 200 else max(n // 10, 10))


def test_an_offset_costs_the_criteria_no_digits():
    X = np.random.default_rng(0).integers(0, 50, (90, 4)).astype(float)
    for y in (_classes(X, 3), _number(X)):
        plain = between_within(X, Target.of(y))
        moved = between_within(X + 1e8, Target.of(y))
        np.testing.assert_allclose(moved, plain, rtol=1e-10)


# -- tables --------------------------------------------------------------------------


@pytest.mark.parametrize("supervised", [False, True])
def test_constant_columns_come_last_with_score_0(supervised):
    X = _table(0)
    X = np.column_stack([np.zeros(len(X)), X])
    y = _classes(X[:, 1:], 2) if supervised else None
    alpha = (0.3, 0.3, 0.4) if supervised else 0.0
    method = "supervised" if supervised else "unsupervised"
    selector = InfFS(method, alpha=alpha).fit(X, y)
    assert (selector.scores_[[0, 7]] == 0).all()
    assert (np.delete(selector.scores_, [0, 7]) > 0).all()
    assert selector.ranking_[[0, 7]].tolist() == [9, 10]


@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize("graph", ["symmetric", "tpami2020"])
def test_duplicates_have_equal_scores_and_the_first_goes_first(supervised, graph):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70, 6)) ** 3
    X = X[:, [0, 1, 2, 0, 3, 1, 4, 5, 0]]
    y = _classes(X, 2) if supervised else None
    alpha = (0.3, 0.3, 0.4) if supervised else 0.2
    method = "supervised" if supervised else "unsupervised"
    selector = InfFS(method, alpha=alpha, graph=graph).fit(X, y)
    for same in ([0, 3, 8], [1, 5]):
        np.testing.assert_allclose(selector.scores_[same], selector.scores_[same[0]])
        ranks = selector.ranking_[same]
        assert (np.diff(ranks) == 1).all()


def test_columns_that_are_all_alike_are_kept_in_their_order():
    H = hadamard(32)[:, 1:].astype(float)
    selector = InfFS("unsupervised", alpha=0.3, n_features_to_select="auto").fit(H)
    assert selector.ranking_.tolist() == list(range(1, 32))
    assert selector.support_.all()
    assert InfFS("unsupervised", alpha=0.3).fit(H).order_.tolist() == list(range(15))


@pytest.mark.parametrize("how", ["unsupervised", "judged", "supervised"])
def test_a_single_column(how):
    x = np.random.default_rng(0).normal(size=(40, 1))
    y = (x[:, 0] > 0).astype(int)
    method = "supervised" if how == "supervised" else "unsupervised"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        selector = InfFS(method).fit(x, None if how == "unsupervised" else y)
    assert selector.support_.tolist() == [True]
    assert selector.scores_.tolist() == [0]


@pytest.mark.parametrize(
    "wanted, kept", [(None, 4), (3, 3), (1, 1), (9, 9), (0.5, 4), (1.0, 9), (0.01, 1)]
)
def test_how_many_are_kept(wanted, kept):
    X = _table(0)
    selector = InfFS("unsupervised", alpha=0.5, n_features_to_select=wanted).fit(X)
    assert selector.n_features_to_select_ == kept
    assert selector.support_.sum() == kept
    assert selector.transform(X).shape == (60, kept)
    best = np.argsort(-np.round(selector.scores_, 9), kind="stable")[:kept]
    assert selector.order_.tolist() == best.tolist()


def test_auto_keeps_the_upper_of_two_clusters():
    X = _table(0)
    y = _classes(X, 2)
    for params in ({"alpha": (0.5, 0.25, 0.25)}, {"cv": 3, "random_state": 0}):
        selector = InfFS(n_features_to_select="auto", **params).fit(X, y)
        varies = np.ptp(X, axis=0) > 0
        assert not varies.all()  # a constant is no member of a cluster
        expected = oracle.two_means(selector.scores_[varies])
        assert selector.n_features_to_select_ == expected
        assert selector.support_.sum() == selector.n_features_to_select_


def test_groups_of_columns_stay_together_and_score_as_their_best():
    X = _table(0)
    plain = InfFS("unsupervised", alpha=0.5).fit(X).scores_
    labels = ["a", "b", "a", "c", "c", "d", "d", "b", "a"]
    selector = InfFS("unsupervised", alpha=0.5, groups=labels, n_features_to_select=2)
    selector.fit(X)
    for label in "abcd":
        members = [j for j in range(9) if labels[j] == label]
        assert np.ptp(selector.scores_[members]) == 0
        assert selector.scores_[members[0]] == plain[members].max()
        assert len(set(selector.support_[members].tolist())) == 1
    assert selector.n_features_to_select_ == 2


def _frame(n=120):
    rng = np.random.default_rng(0)
    number = rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "number": number,
            "gaps": np.where(rng.random(n) < 0.2, np.nan, rng.exponential(size=n)),
            "city": rng.choice(["x", "y", "z"], n),
            "gone": np.where(rng.random(n) < 0.3, None, rng.choice(["u", "v"], n)),
            "count": rng.integers(0, 9, n),
            "flag": rng.random(n) < 0.5,
        }
    )
    y = (number + (frame["city"] == "x") + rng.normal(0, 0.5, n) > 0).to_numpy()
    return frame, y.astype(int)


@pytest.mark.parametrize("supervised", [False, True])
def test_any_kind_of_frame_has_the_same_scores(supervised):
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    frame, y = _frame()
    y = y if supervised else None
    alpha = (0.3, 0.3, 0.4) if supervised else 0.5
    scores = _scores(frame, y, alpha=alpha)
    for other in (pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        np.testing.assert_array_equal(_scores(other, y, alpha=alpha), scores)
    names = ["number", "count", "gaps"]
    numbers = frame[names].astype(float)
    plain = _scores(numbers.to_numpy(), y, alpha=alpha)
    np.testing.assert_array_equal(_scores(numbers, y, alpha=alpha), plain)


def test_categories_and_missing_values_are_nodes():
    frame, y = _frame()
    found = _scores(frame[["number", "gaps", "city"]], y, alpha=(0.4, 0.3, 0.3))
    gaps = frame["gaps"].to_numpy()
    known = np.sort(gaps[~np.isnan(gaps)])
    filled = np.where(np.isnan(gaps), known[(len(known) - 1) // 2], gaps)
    nodes = np.column_stack(
        [frame["number"], filled, np.isnan(gaps)]
        + [frame["city"] == city for city in "xyz"]
    ).astype(float)
    each = oracle.scores(nodes, y, alpha=(0.4, 0.3, 0.3))
    expected = [each[0], each[1:3].max(), each[3:].max()]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_numbers_may_be_named_as_categories():
    frame, y = _frame()
    as_numbers = InfFS(alpha=(0.4, 0.3, 0.3)).fit(frame, y)
    as_codes = InfFS(alpha=(0.4, 0.3, 0.3), categorical_features=["count"])
    as_codes.fit(frame, y)
    assert as_codes.scores_[4] != as_numbers.scores_[4]


@pytest.mark.parametrize("k", [None, 0, 2, 3])
def test_weights_are_repetition(k):
    X = _table(5)
    rng = np.random.default_rng(5)
    weight = rng.integers(0, 4, len(X))
    X[rng.random(X.shape) < 0.05] = np.nan
    y, alpha = None, 0.4
    if k is not None:
        clean = _table(5)
        y, alpha = _classes(clean, k) if k else _number(clean), (0.3, 0.3, 0.4)
    method = "unsupervised" if k is None else "supervised"
    selector = InfFS(method, alpha=alpha)
    found = selector.fit(X, y, sample_weight=weight).scores_
    repeated = None if y is None else np.repeat(y, weight)
    expected = selector.fit(np.repeat(X, weight, axis=0), repeated).scores_
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("k", [None, 0, 2, 3])
def test_fractional_weights(k):
    X = _table(5)
    weight = np.random.default_rng(5).random(len(X))
    y, alpha = None, 0.4
    if k is not None:
        y, alpha = _classes(X, k) if k else _number(X), (0.3, 0.3, 0.4)
    method = "unsupervised" if k is None else "supervised"
    found = InfFS(method, alpha=alpha).fit(X, y, sample_weight=weight).scores_
    assert np.isfinite(found).all()
    assert found[6] == 0
    assert (np.delete(found, 6) > 0).all()


def test_the_size_of_the_weights_does_not_matter_where_nothing_is_counted():
    X = _table(5)
    weight = np.random.default_rng(5).random(len(X))
    selector = InfFS("unsupervised", alpha=0.4)
    found = selector.fit(X, sample_weight=weight).scores_
    shares = selector.fit(X, sample_weight=weight / (2 * weight.sum())).scores_
    np.testing.assert_allclose(shares, found, rtol=1e-9)


@pytest.mark.parametrize("k", [None, 0, 3])
def test_order_of_the_rows_does_not_matter(k):
    X = _table(6)
    y, alpha = None, 0.4
    if k is not None:
        y, alpha = _classes(X, k) if k else _number(X), (0.3, 0.3, 0.4)
    order = np.random.default_rng(0).permutation(len(X))
    moved = None if y is None else y[order]
    found = _scores(X[order], moved, alpha=alpha)
    np.testing.assert_allclose(found, _scores(X, y, alpha=alpha), rtol=1e-9, atol=1e-12)


def test_threads_do_not_matter():
    X = _table(7)
    y = _classes(X, 3)
    one = InfFS(n_jobs=1, random_state=0, cv=3).fit(X, y)
    several = InfFS(n_jobs=3, random_state=0, cv=3).fit(X, y)
    np.testing.assert_array_equal(one.scores_, several.scores_)
    assert one.cv_results_["alpha"] == several.cv_results_["alpha"]
    means = [s.cv_results_["mean_test_score"] for s in (one, several)]
    np.testing.assert_array_equal(*means)


# -- the choice of the mixture -------------------------------------------------------


def _one_mixture_works(spread, n=240, seed=0):
    """Two columns that tell the class, which either sigma or unlikeness finds.

    A column of two values has the largest deviation of all of its range, one of long
    tails has little; copies of one column have little that the others lack.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    copies = np.sign(rng.normal(size=n))[:, None] * np.ones(6)
    copies = np.where(rng.random((n, 6)) < 0.02, -copies, copies)
    tails = rng.standard_t(3, size=(n, 6))
    # the informative are copies of the class, or tails that the class moves
    if spread:
        copies = np.where(rng.random((n, 6)) < 0.05, 1 - y[:, None], y[:, None]) * 1.0
    else:
        tails += np.where(y == 1, 0.8, -0.8)[:, None]
    return np.hstack([copies, tails]), y


@pytest.mark.parametrize("spread", [True, False])
def test_cv_picks_the_mixture_that_works(spread):
    X, y = _one_mixture_works(spread)
    selector = InfFS("unsupervised", n_features_to_select=6, random_state=0).fit(X, y)
    results = selector.cv_results_
    assert results["alpha"] == [(i / 10,) for i in range(11)]
    mean = results["mean_test_score"]
    assert mean.shape == results["std_test_score"].shape == (11,)
    worst, best = (0, 10) if spread else (10, 0)
    assert mean[best] > mean[worst] + 0.2
    assert selector.alpha_ == results["alpha"][int(np.argmax(np.round(mean, 12)))]
    informative = range(6) if spread else range(6, 12)
    assert np.flatnonzero(selector.support_).tolist() == list(informative)
    fixed = InfFS("unsupervised", alpha=selector.alpha_[0]).fit(X)
    np.testing.assert_array_equal(fixed.scores_, selector.scores_)


def test_supervised_grid_and_its_best():
    X = _table(0, 90)
    y = _number(X)
    selector = InfFS(random_state=0, n_features_to_select=2).fit(X, y)
    grid = selector.cv_results_["alpha"]
    assert len(set(grid)) == 15
    assert all(len(a) == 3 and sum(a) == 1 and min(a) >= 0 for a in grid)
    mean = selector.cv_results_["mean_test_score"]
    assert selector.alpha_ == grid[int(np.argmax(np.round(mean, 12)))]
    selector.set_params(alpha=selector.alpha_).fit(X, y)
    assert not hasattr(selector, "cv_results_")


def test_cv_is_the_same_for_the_same_seed():
    X = _table(1, 90)
    y = _classes(X, 2)
    runs = [InfFS(random_state=s, cv=3).fit(X, y).cv_results_ for s in (1, 1, 2)]
    means = [run["mean_test_score"] for run in runs]
    np.testing.assert_array_equal(means[0], means[1])
    assert (means[0] != means[2]).any()


def test_unsupervised_without_a_target_takes_the_middle():
    X = _table(1)
    selector = InfFS("unsupervised").fit(X)
    assert selector.alpha_ == (0.5,)
    assert not hasattr(selector, "cv_results_")


class _Spy(BaseEstimator):
    """Keeps the values of the first column that it was fitted on and judged by."""

    seen: list = []
    weights: list = []

    def fit(self, X, y, sample_weight=None):
        self.fitted_ = np.unique(X[:, 0])
        self.weights.append(sample_weight)
        return self

    def predict(self, X):
        self.seen.append((self.fitted_, np.unique(X[:, 0])))
        return np.zeros(len(X))


@pytest.fixture
def spy():
    _Spy.seen, _Spy.weights = [], []
    return _Spy


def test_groups_of_rows_are_judged_together(spy):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 8)
    X = np.column_stack([groups, rng.normal(size=(96, 3))]).astype(float)
    y = rng.integers(0, 2, 96)
    selector = InfFS(estimator=spy(), cv=3, n_features_to_select=4, random_state=0)
    selector.fit(X, y, groups=groups)
    assert len(spy.seen) == 3
    for train, test in spy.seen:
        assert len(np.intersect1d(train, test)) == 0
        assert len(train) + len(test) == 12
    spy.seen.clear()
    selector.fit(X, y)
    assert any(len(np.intersect1d(*pair)) for pair in spy.seen)


def test_a_splitter_of_groups_needs_them():
    X = _table(2)
    y = _classes(X, 2)
    selector = InfFS(cv=LeaveOneGroupOut())
    groups = np.arange(len(X)) % 4
    selector.fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="groups"):
        selector.fit(X, y)


@pytest.mark.parametrize("k", [0, 2])
def test_weights_are_repetition_in_cv_where_folds_are_given(k):
    X = _table(2, 100)
    y = _classes(X, 2) if k else _number(X)
    rng = np.random.default_rng(0)
    weight, groups = rng.integers(1, 4, 100), rng.integers(0, 4, 100)
    selector = InfFS(cv=LeaveOneGroupOut(), n_features_to_select=2)
    selector.fit(X, y, sample_weight=weight, groups=groups)
    found = selector.cv_results_["mean_test_score"]
    selector.fit(*(np.repeat(v, weight, axis=0) for v in (X, y)),
                 groups=np.repeat(groups, weight))  # fmt: skip
    expected = selector.cv_results_["mean_test_score"]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_estimator_is_given_the_weights(spy):
    X = _table(2)
    weight = np.arange(1.0, 61.0)  # with fractions they would be scaled
    InfFS(estimator=spy(), cv=2).fit(X, _classes(X, 2), sample_weight=weight)
    assert all(set(w) <= set(weight) for w in spy.weights)


def test_given_folds_leave_out_rows_of_weight_0():
    X = _table(2, 90)
    y = _classes(X, 2)
    weight = np.ones(90)
    weight[::9] = 0
    cv = [(np.arange(45), np.arange(45, 90)), (np.arange(45, 90), np.arange(45))]
    selector = InfFS(cv=cv).fit(X, y, sample_weight=weight)
    there = np.flatnonzero(weight)
    place = [tuple(np.searchsorted(there, r[weight[r] > 0]) for r in p) for p in cv]
    expected = InfFS(cv=place).fit(X[there], y[there])
    np.testing.assert_allclose(selector.scores_, expected.scores_, rtol=1e-9)
    assert selector.alpha_ == expected.alpha_


def test_an_estimator_of_the_other_task_is_refused():
    X = _table(2)
    with pytest.raises(ValueError, match="is a regressor and y has classes"):
        InfFS(estimator=Ridge()).fit(X, _classes(X, 2))


@pytest.mark.parametrize("estimator", [LogisticRegression(), Ridge()])
def test_any_estimator_judges(estimator):
    X = _table(2)
    y = _number(X) if isinstance(estimator, Ridge) else _classes(X, 2)
    selector = InfFS(estimator=estimator, cv=3, random_state=0).fit(X, y)
    assert np.isfinite(selector.cv_results_["mean_test_score"]).all()
    assert not hasattr(estimator, "coef_")


def test_folds_without_a_score_leave_the_middle_of_the_grid():
    X = np.random.default_rng(0).normal(size=(4, 3))
    y = [0, 0, 1, 1]
    # every training part has one class
    cv = [(np.array([0, 1]), np.array([2, 3])), (np.array([2, 3]), np.array([0, 1]))]
    selector = InfFS("unsupervised", cv=cv).fit(X, y)
    assert selector.alpha_ == (0.5,)


# -- planted truth -------------------------------------------------------------------


def _planted(n=400, d=50, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * 10 ** rng.uniform(-2, 2, d)
    informative = np.sort(rng.choice(d, 5, replace=False))
    y = rng.integers(0, 3, n)
    for j in informative:
        shift = rng.permutation(3) - 1.0
        X[:, j] += X[:, j].std() * shift[y]
    return X, y, informative


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("alpha", ["cv", (0.6, 0.2, 0.2)])
def test_supervised_finds_what_tells_of_the_target(alpha, seed):
    X, y, informative = _planted(seed=seed)
    selector = InfFS(alpha=alpha, n_features_to_select=5, random_state=0).fit(X, y)
    np.testing.assert_array_equal(np.flatnonzero(selector.support_), informative)


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_unsupervised_drops_what_is_there_already(alpha):
    rng = np.random.default_rng(0)
    own = rng.normal(size=(200, 5))
    copies = own[:, [0]] + 0.05 * rng.normal(size=(200, 15))
    X = np.hstack([copies, own[:, 1:]])
    selector = InfFS("unsupervised", alpha=alpha, n_features_to_select=4).fit(X)
    assert np.flatnonzero(selector.support_).tolist() == [15, 16, 17, 18]


# -- errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method, alpha",
    [
        ("supervised", 0.5),
        ("supervised", (0.5, 0.5)),
        ("supervised", (0.5, 0.5, 0.5)),
        ("supervised", (1.5, -0.5, 0.0)),
        ("supervised", (np.nan, 0.5, 0.5)),
        ("supervised", ("a", "b", "c")),
        ("supervised", [[0.2, 0.3, 0.5]]),
        ("supervised", []),
        ("unsupervised", (0.2, 0.3, 0.5)),
        ("unsupervised", [1.5]),
        ("unsupervised", [np.nan]),
        ("unsupervised", [[0.5]]),
    ],
)
def test_alpha_of_the_wrong_form(method, alpha):
    X = _table(0)
    takes = "three shares of sum 1" if method == "supervised" else "a number in"
    with pytest.raises(ValueError, match=f"alpha=.*takes {takes}"):
        InfFS(method, alpha=alpha).fit(X, _classes(X, 2))


@pytest.mark.parametrize("params", [{"alpha": 1.5}, {"alpha": "best"}, {"rho": 1.0},
                                    {"rho": 0.0}, {"scale": "log"}, {"graph": "x"},
                                    {"memory_limit": -1}, {"method": "both"},
                                    {"n_features_to_select": 0}])  # fmt: skip
def test_parameters_out_of_their_domain(params):
    X = _table(0)
    name = next(iter(params))
    with pytest.raises(ValueError, match=f"'{name}' parameter of InfFS must be"):
        InfFS(**params).fit(X, _classes(X, 2))


def _with(X, value):
    X = X.copy()
    X[3, 2] = value
    return X


BAD = {
    "one row": (_table(0)[:1], [0], {}, "1 sample"),
    "one class": (_table(0), np.zeros(60, int), {}, "one class only"),
    "y with a gap": (_table(0), np.r_[np.nan, np.ones(59)], {}, "y contains NaN"),
    "infinity": (_with(_table(0), np.inf), None, {}, "contains infinity"),
    "constant": (np.ones((60, 3)), None, {}, "all 3 columns of X are constant"),
    "too many": (_table(0), None, {"n_features_to_select": 10}, "X has 9 columns"),
    "short y": (_table(0), [0, 1], {}, "inconsistent numbers of samples"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("method", ["unsupervised", "supervised"])
def test_what_cannot_be_fitted_is_said(name, method):
    X, y, params, text = BAD[name]
    if y is None:
        y = np.arange(60) % 2
    with pytest.raises(ValueError, match=text):
        InfFS(method, **params).fit(X, y)


def test_one_row_without_a_target():
    with pytest.raises(ValueError, match="1 sample"):
        InfFS("unsupervised").fit(_table(0)[:1])


def test_supervised_needs_a_target():
    with pytest.raises(ValueError, match="requires y to be passed"):
        InfFS().fit(_table(0))


def test_negative_weights():
    X = _table(0)
    weight = np.r_[-1.0, np.ones(59)]
    with pytest.raises(ValueError, match="[Nn]egative"):
        InfFS("unsupervised").fit(X, sample_weight=weight)
