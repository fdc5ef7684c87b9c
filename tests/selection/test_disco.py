"""DisCo: scores by the definition, planted features found, and clear errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
)
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featurekit.fitting import Target, make_folds
from featurekit.selection import DisCo, marginal
from featurekit.selection.base import Rows
from featurekit.selection.forward import Search
from featurekit.statistics import (
    distance_correlation,
    distance_correlation_pvalue,
    distance_correlations,
)

N = 400


def _forward(**params):
    return DisCo("forward", **({"random_state": 0} | params))


def _normal(n, d, seed=0):
    return np.random.default_rng([seed, n, d]).normal(size=(n, d))


def _mixed(n=300, seed=0):
    """Every kind of column, and targets that hang on several of them."""
    rng = np.random.default_rng(seed)
    number = rng.normal(size=n)
    city = rng.choice(["x", "y", "z"], n)
    flag = rng.random(n) < 0.3
    gaps = np.where(rng.random(n) < 0.2, np.nan, number + rng.normal(size=n))
    told = np.where(rng.random(n) < 0.3 + 0.4 * (number > 0), np.nan, 1.0)
    days = rng.integers(0, 500, n)
    kind = pd.Series(rng.choice(["p", "q"], n)).where(rng.random(n) < 0.7)
    frame = pd.DataFrame(
        {
            "number": number,
            "city": city,
            "flag": flag,
            "gaps": gaps,
            "told": told,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D"),
            "constant": 1.0,
            "kind": kind.astype("category"),
        }
    )
    frame["sold"] = frame["day"].where((rng.random(n) < 0.8) | (number > 1))
    y = number**2 + (city == "x") + days / 500 + flag + rng.normal(0, 0.3, n)
    return frame, y


def _classes(y):
    cuts = np.quantile(y, [0.4, 0.8])
    return np.array(["low", "middle", "top"])[np.digitize(y, cuts)]


# -- filter: scores --------------------------------------------------------------------


def _expected(column, y, **how):
    """The better of the numbers, gaps filled, and of whether they are missing."""
    values = column
    if column.dtype == "category":
        values = column.astype(object)
    if pd.api.types.is_datetime64_any_dtype(column):
        values = (column - pd.Timestamp("2000-01-01")).dt.total_seconds()
    if values.dtype.kind != "f":
        parts = [values.map(str)]
    else:
        middle = values.dropna().sort_values().iloc[(values.notna().sum() - 1) // 2]
        parts = [values.fillna(middle)]
        if values.isna().any():
            parts.append(values.isna())
    parts = {str(i): part.to_numpy() for i, part in enumerate(parts)}
    return max(distance_correlations(parts, y, class_distance="chi2", **how))


@pytest.mark.parametrize("bias_corrected", [True, False])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_scores_are_the_correlation_of_each_column(kind, bias_corrected):
    X, y = _mixed()
    y = _classes(y) if kind == "classes" else y
    disco = DisCo(
        n_features_to_select=4, bias_corrected=bias_corrected, redundancy_penalty=0
    ).fit(X, y)
    how = {"bias_corrected": bias_corrected}
    expected = [_expected(X[name], y, **how) for name in X]
    np.testing.assert_allclose(disco.scores_, expected, atol=1e-12)
    assert disco.scores_[6] == 0 and disco.ranking_[6] == 9
    varying = np.flatnonzero(np.arange(9) != 6)
    order = varying[np.argsort(-disco.scores_[varying], kind="stable")]
    np.testing.assert_array_equal(disco.order_, order[:4])
    assert disco.stopped_ == ""
    assert not hasattr(disco, "validation_scores_")


def test_missing_values_count_by_what_they_tell():
    X, y = _mixed()
    told = DisCo().fit(X, X["number"] > 0).scores_[4]
    assert told > 0.05
    assert told == pytest.approx(
        distance_correlation(X["told"].isna(), X["number"] > 0, bias_corrected=True)
    )


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_pvalues_are_those_of_the_chi_squared_test(kind):
    X, y = _mixed()
    disco = DisCo().fit(X, _classes(y) if kind == "classes" else y)
    expected = [distance_correlation_pvalue(r, len(X)) for r in disco.scores_]
    expected[6] = 1.0  # a constant
    np.testing.assert_allclose(disco.pvalues_, expected)
    assert disco.pvalues_[0] < 1e-3


def test_pvalues_only_where_they_are_of_a_test():
    X, y = _mixed(100)
    disco = DisCo().fit(X, y)
    assert hasattr(disco, "pvalues_")
    assert not hasattr(disco.set_params(bias_corrected=False).fit(X, y), "pvalues_")
    partial = disco.set_params(mode="partial", bias_corrected=True, random_state=0)
    assert not hasattr(partial.fit(X, y), "pvalues_")


def test_ids_say_nothing():
    X = pd.DataFrame({"id": [f"i{i}" for i in range(N)], "x": _normal(N, 1)[:, 0]})
    y = (X["x"] > 0).to_numpy()
    corrected = DisCo(n_features_to_select=1).fit(X, y)
    assert corrected.scores_[0] == 0
    assert corrected.pvalues_[0] > 0.3
    assert corrected.order_.tolist() == [1]
    # without the correction an id has a score for its number of categories
    assert DisCo(bias_corrected=False).fit(X, y).scores_[0] > 0.01


# -- filter: what is told already ------------------------------------------------------


def test_filter_puts_copies_behind_what_is_new():
    rng = np.random.default_rng(0)
    strong, weak, noise = rng.normal(size=(3, 1000))
    y = strong + 0.6 * weak + 0.1 * rng.normal(size=1000) > 0
    X = pd.DataFrame(
        {
            "near": strong + 0.2 * rng.normal(size=1000),
            "strong": strong,
            "negative": -3 * strong + 1e6,
            "weak": weak,
            "noise": noise,
        }
    )
    disco = DisCo(n_features_to_select=3).fit(X, y)
    assert disco.order_.tolist()[:2] == [1, 3]
    # a column that is nearly told goes before one that says nothing
    assert disco.order_[2] == 0
    # scores are those of each column by itself
    plain = clone(disco).set_params(redundancy_penalty=0).fit(X, y)
    np.testing.assert_array_equal(disco.scores_, plain.scores_)
    np.testing.assert_array_equal(disco.pvalues_, plain.pvalues_)
    assert plain.order_.tolist() == [1, 2, 0]


def test_filter_sees_a_copy_through_gaps_and_in_groups():
    rng = np.random.default_rng(0)
    strong, weak = rng.normal(size=(2, 1000))
    y = strong + 0.5 * weak
    X = np.column_stack([strong, strong, strong, weak])
    X[0, 1] = X[1, 2] = np.nan
    assert DisCo(n_features_to_select=4).fit(X, y).order_[1] == 3
    # beside noise in one group, too: the group scores as its copy
    near = strong + 0.05 * rng.normal(size=1000)
    X = np.column_stack([strong, near, rng.normal(size=1000), weak])
    disco = DisCo(n_features_to_select=3, groups=[[1, 2]]).fit(X, y)
    assert disco.order_.tolist() == [0, 3, 1, 2]


def test_filter_does_not_take_rare_categories_for_told():
    """Forty categories of four rows each have no number of their own."""
    rng = np.random.default_rng(0)
    code = np.repeat(np.arange(40), 4)
    z = (rng.permutation(40) % 2)[code]
    X = pd.DataFrame(rng.normal(size=(160, 7))).add_prefix("n")
    X["cat"] = [f"k{i}" for i in code]
    y = 1.5 * X["n0"] + 2 * z
    disco = DisCo(n_features_to_select=2).fit(X, y)
    assert sorted(disco.order_.tolist()) == [0, 7]


@pytest.mark.parametrize("penalty", [0.02, 0.1, 1.0])
def test_copies_are_equal_whatever_the_order_of_rows(penalty):
    rng = np.random.default_rng(0)
    a, weak, noise = rng.normal(size=(3, 301))
    X = np.column_stack([a, 3.7 * a + 11, 2.3 * a + 0.7, weak, noise])
    y = a + 0.5 * weak
    disco = DisCo(n_features_to_select=3, redundancy_penalty=penalty)
    for seed in range(20):
        p = np.random.default_rng(seed).permutation(len(y))
        order = clone(disco).fit(X[p], y[p]).order_.tolist()
        assert order[:2] == [0, 3]


def test_weights_are_repetition_in_what_is_told():
    X, y = _mixed(160)
    X["copy"] = X["told"].fillna(X["told"].median())
    weight = np.random.default_rng(1).integers(0, 9, len(X)) * 1.0
    weight[:40] *= 10
    again = np.repeat(np.arange(len(X)), weight.astype(int))
    disco = DisCo(n_features_to_select=10)
    weighted = clone(disco).fit(X, y, weight)
    repeated = clone(disco).fit(X.iloc[again].reset_index(drop=True), y[again])
    np.testing.assert_array_equal(weighted.order_, repeated.order_)


def test_few_numbers_are_compared_with_each_other(monkeypatch):
    monkeypatch.setattr(marginal, "MAX_NUMBERS", 5)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 12))
    y = X @ np.arange(12)[::-1]
    X[:, 3] = X[:, 0] + 0.1 * X[:, 3]
    X[:, 9] = X[:, 1] + 0.1 * X[:, 9]
    plain = DisCo(n_features_to_select=12, redundancy_penalty=0).fit(X, y).order_
    five = DisCo(n_features_to_select=12).fit(X, y).order_
    every = DisCo(n_features_to_select=12, max_candidates=None).fit(X, y).order_
    assert set(five[:5]) == set(plain[:5])
    assert five[:5].tolist() != plain[:5].tolist()
    np.testing.assert_array_equal(five[5:], plain[5:])
    assert set(every[:5]) != set(plain[:5])


def test_auto_keeps_the_same_with_and_without_a_penalty():
    rng = np.random.default_rng(0)
    X = _normal(400, 12)
    X[:, 1:4] = X[:, :1] + 0.1 * rng.normal(size=(400, 3))
    y = X[:, 0] + 0.6 * X[:, 7] > 0
    kept = [
        DisCo(n_features_to_select="auto", redundancy_penalty=penalty).fit(X, y)
        for penalty in (0.0, 1.0, 5.0)
    ]
    assert set(kept[0].order_) >= {0, 1, 2, 3, 7}
    for one in kept[1:]:
        np.testing.assert_array_equal(one.support_, kept[0].support_)
    assert 7 not in kept[0].order_[:3]
    assert kept[1].order_.tolist().index(7) == 1


def test_only_candidates_are_compared():
    X = _normal(300, 6)
    X[:, 1] = X[:, 0] + 0.05 * X[:, 1]
    y = X[:, 0] + 0.5 * X[:, 2] + 0.2 * X[:, 3]
    plain = DisCo(n_features_to_select=6, redundancy_penalty=0).fit(X, y)
    assert set(plain.order_[:2].tolist()) == {0, 1}
    assert DisCo(n_features_to_select=6).fit(X, y).order_[1] == 2
    two = DisCo(n_features_to_select=6, max_candidates=2).fit(X, y)
    np.testing.assert_array_equal(two.order_, plain.order_)
    everything = DisCo(n_features_to_select=6, max_candidates=None).fit(X, y)
    assert everything.order_[1] == 2


# -- filter: how many ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_auto_keeps_what_is_planted(kind):
    X = _normal(600, 12)
    y = X[:, 2] ** 2 + np.sin(2 * X[:, 5]) + X[:, 7] + 0.2 * _normal(600, 1, 1)[:, 0]
    y = _classes(y) if kind == "classes" else y
    disco = DisCo(n_features_to_select="auto").fit(X, y)
    assert {2, 5, 7} <= set(disco.order_.tolist())
    assert disco.n_features_to_select_ <= 4


def test_auto_keeps_one_of_noise_and_rarely_more():
    kept = [
        DisCo(n_features_to_select="auto")
        .fit(_normal(200, 10, seed), _normal(200, 1, seed)[:, 0])
        .n_features_to_select_
        for seed in range(20)
    ]
    assert min(kept) == 1
    assert sum(k > 1 for k in kept) <= 2


def test_auto_never_keeps_a_constant_whatever_alpha():
    X = np.column_stack([_normal(300, 1), np.ones(300)])
    disco = DisCo(n_features_to_select="auto", alpha=0.5).fit(X, X[:, 0])
    assert disco.order_.tolist() == [0]


@pytest.mark.parametrize(("sizes", "rate"), [((590, 10), 0.005), ((300, 297, 3), 0.02)])
def test_auto_does_not_find_sparse_columns_by_chance(sizes, rate):
    """The chi-squared test alone would, in half of these tables or more."""
    found = chance = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        y = np.repeat(np.arange(len(sizes)), sizes)
        X = (rng.random((600, 800)) < rate) * rng.integers(1, 4, (600, 800)) * 1.0
        X[:, 0] = 3 * y + rng.normal(size=600)
        disco = DisCo(n_features_to_select="auto", task="classification")
        disco.set_params(random_state=0).fit(X, y)
        found += disco.order_.tolist() != [0]
        p = np.array([distance_correlation_pvalue(r, 600) for r in disco.scores_])
        chance += (p[1:] < 0.05 / 800).any()
        # of those that permutations do as well as
        assert (disco.pvalues_ >= p - 1e-15).all()
    assert found <= 1
    assert chance >= 2


def test_auto_keeps_none_that_permutations_refuse_whatever_the_candidates(monkeypatch):
    """One of a higher score than those that are kept but not compared."""

    def refuse(columns, y, n_permutations, **how):
        return np.array([0.9 if name == "1" else 0.0 for name in columns])

    monkeypatch.setattr(marginal, "distance_permutation_pvalues", refuse)
    X = _normal(400, 8)
    y = X @ np.array([5.0, 4.0, 3.0, 2.0, 0, 0, 0, 0])
    for penalty in (0.0, 1.0):
        for most in (2, None):
            disco = DisCo(
                n_features_to_select="auto",
                redundancy_penalty=penalty,
                max_candidates=most,
            )
            assert sorted(disco.fit(X, y).order_.tolist()) == [0, 2, 3]


def test_auto_does_not_permute_more_rows_than_it_may(monkeypatch):
    asked = []

    def count(columns, y, n_permutations, **how):
        asked.append(n_permutations * len(y) * len(columns))
        return np.full(len(columns), 1 / (1 + n_permutations))

    monkeypatch.setattr(marginal, "distance_permutation_pvalues", count)
    X = _normal(100, 10)
    y = X[:, 0] + X[:, 1] > 0
    disco = DisCo(n_features_to_select="auto", alpha=0.2)
    expected = disco.fit(X, y).order_.tolist()
    assert set(expected) >= {0, 1}
    assert asked == [int(4 * 10 / 0.2 / len(expected) + 1) * 100 * len(expected)]
    monkeypatch.setattr(marginal, "PERMUTED_ROWS", 30 * 100 * len(expected))
    assert disco.fit(X, y).order_.tolist() == expected
    assert asked[1] == 30 * 100 * len(expected)
    monkeypatch.setattr(marginal, "PERMUTED_ROWS", 10 * 100 * len(expected))
    assert disco.fit(X, y).order_.tolist() == expected
    assert len(asked) == 2


def test_auto_checks_by_permutations_with_whole_weights_alone():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    y = X[:, 1] > 0
    weight = rng.integers(1, 3, 200)
    disco = DisCo(n_features_to_select="auto", random_state=0)
    whole = clone(disco).fit(X, y, weight)
    again = clone(disco).fit(X.repeat(weight, axis=0), y.repeat(weight))
    part = clone(disco).fit(X, y, weight * 0.7)
    for one in (whole, again, part):
        assert 1 in one.order_
    np.testing.assert_array_equal(whole.order_, again.order_)


def test_more_columns_at_a_larger_rate():
    X, y = _mixed(120)
    kept = [
        DisCo(n_features_to_select="auto", alpha=alpha).fit(X, y).support_
        for alpha in (1e-12, 0.05, 1.0)
    ]
    assert kept[0].sum() < kept[1].sum() < kept[2].sum()
    # all but the constant, which is not tested
    assert X.columns[~kept[2]].tolist() == ["constant"]


# -- filter: rows ----------------------------------------------------------------------


@pytest.mark.parametrize("bias_corrected", [True, False])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_weight_repeats_its_row(kind, bias_corrected):
    X, y = _mixed(160)
    y = _classes(y) if kind == "classes" else y
    weight = np.random.default_rng(1).integers(0, 4, len(X))
    again = np.repeat(np.arange(len(X)), weight)
    disco = DisCo(bias_corrected=bias_corrected)
    weighted = clone(disco).fit(X, y, weight)
    repeated = clone(disco).fit(X.iloc[again].reset_index(drop=True), y[again])
    np.testing.assert_allclose(weighted.scores_, repeated.scores_, atol=1e-9)
    np.testing.assert_array_equal(weighted.ranking_, repeated.ranking_)
    if bias_corrected:
        np.testing.assert_allclose(weighted.pvalues_, repeated.pvalues_, atol=1e-9)


def test_the_order_of_rows_does_not_matter():
    X, y = _mixed()
    expected = DisCo(n_features_to_select="auto").fit(X, y)
    mixed = np.random.default_rng(3).permutation(len(X))
    found = clone(expected).fit(X.iloc[mixed].reset_index(drop=True), y[mixed])
    np.testing.assert_allclose(found.scores_, expected.scores_, atol=1e-12)
    np.testing.assert_array_equal(found.order_, expected.order_)


ALL = [
    DisCo(n_features_to_select="auto"),
    _forward(n_features_to_select=3),
    DisCo("partial", n_features_to_select=3, random_state=0),
]
MODES = ["filter", "forward", "partial"]


@pytest.mark.parametrize("disco", ALL, ids=MODES)
def test_every_library_gives_the_same_result(disco):
    X, y = _mixed(200)
    frames = (pl.from_pandas(X), pa.Table.from_pandas(X))
    for target in (y, _classes(y)):
        expected = clone(disco).fit(X, target)
        for frame in frames:
            found = clone(disco).fit(frame, target)
            np.testing.assert_array_equal(found.scores_, expected.scores_)
            np.testing.assert_array_equal(found.ranking_, expected.ranking_)


@pytest.mark.parametrize("disco", ALL, ids=MODES)
def test_arrays_of_any_layout_give_the_same_result(disco):
    X = _normal(200, 6)
    y = X[:, 0] * X[:, 1]
    expected = clone(disco).fit(pd.DataFrame(X), y)
    fixed = X.copy()
    fixed.flags.writeable = False
    for array in (np.ascontiguousarray(X), np.asfortranarray(X), X.tolist(), fixed):
        found = clone(disco).fit(array, y)
        np.testing.assert_array_equal(found.scores_, expected.scores_)
        np.testing.assert_array_equal(found.order_, expected.order_)


@pytest.mark.parametrize("disco", ALL, ids=MODES)
def test_the_number_of_threads_does_not_matter(disco):
    X, y = _mixed(200)
    wide = pd.concat([X, pd.DataFrame(_normal(200, 70)).add_prefix("n")], axis=1)
    expected = clone(disco).fit(wide, y)
    for n_jobs in (2, 4):
        found = clone(disco).set_params(n_jobs=n_jobs).fit(wide, y)
        np.testing.assert_array_equal(found.scores_, expected.scores_)
        np.testing.assert_array_equal(found.ranking_, expected.ranking_)


@pytest.mark.parametrize("mode", ["forward", "partial"])
def test_the_seed_decides(mode):
    X, y = _mixed(300)
    first, same, other = (
        DisCo(mode, batch_size=64, n_batches=1, random_state=seed).fit(X, y)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.scores_, same.scores_)
    np.testing.assert_array_equal(first.ranking_, same.ranking_)
    assert (first.scores_ != other.scores_).any()


def test_columns_of_a_group_have_the_best_ones_score():
    X, y = _mixed()
    alone = DisCo().fit(X, y).scores_
    groups = ["a", "b", "b", "c", "c", "a", "d", "d", "d"]
    disco = DisCo(n_features_to_select=2, groups=groups).fit(X, y)
    best = [max(alone[[0, 5]]), max(alone[1:3]), max(alone[3:5]), max(alone[6:])]
    expected = np.array(best)[[0, 1, 1, 2, 2, 0, 3, 3, 3]]
    np.testing.assert_allclose(disco.scores_, expected)
    assert {0, 5} <= set(disco.order_.tolist())


# -- forward: what it finds ------------------------------------------------------------


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_forward_finds_planted_features(kind):
    X = _normal(800, 15)
    noise = 0.1 * _normal(800, 1, 1)[:, 0]
    y = X[:, 3] ** 2 + 1.5 * np.sin(2 * X[:, 8]) + X[:, 11] + noise
    y = _classes(y) if kind == "classes" else y
    disco = _forward(n_features_to_select=3).fit(X, y)
    assert set(disco.order_.tolist()) == {3, 8, 11}
    assert (disco.ranking_[disco.order_] == [1, 2, 3]).all()
    assert len(disco.validation_scores_) == 2
    assert disco.validation_scores_[1] < disco.validation_scores_[0]


def test_shares_of_classes_are_of_all_rows_and_their_weights():
    X, y = _mixed(120)
    rows = DisCo()._read(X, _classes(y))
    weight = np.random.default_rng(0).integers(1, 5, 120) * 1.0
    search = Search.begin(rows.design(), np.zeros(9), None, rows.target, weight)
    for code in range(3):
        mine = rows.target.y == code
        np.testing.assert_allclose(
            search.share[mine], weight[mine].sum() / weight.sum()
        )


@pytest.mark.parametrize("fraction", [0.1, 1e-200])
def test_a_class_of_less_than_a_row_is_one_row(fraction):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [100, 95, 5])
    X = rng.normal(size=(200, 3))
    X[:, 0] += y
    labels = np.array(list("abc"))[y]
    everywhere = np.full(200, max(fraction, 0.1))
    rare = np.where(y == 2, fraction, 1.0)
    for weight in (everywhere, rare):
        disco = DisCo(n_features_to_select=1).fit(X, labels, sample_weight=weight)
        assert disco.order_.tolist() == [0]
        assert 0.1 < disco.scores_[0] <= 1
        for bias_corrected in (False, True):
            found = distance_correlations(
                X,
                labels,
                class_distance="chi2",
                bias_corrected=bias_corrected,
                sample_weight=weight,
            )
            assert np.isfinite(found).all() and found.argmax() == 0


@pytest.mark.parametrize("mode", MODES)
def test_rare_classes_count_by_their_share(mode):
    """Nine rows in ten are of two classes that a coin tells, the rest of four others.

    A column that tells these four comes first, though the coin is of more rows.
    """
    rng = np.random.default_rng(0)
    y = np.where(rng.random(3000) < 0.9, rng.integers(0, 2, 3000), -1)
    rare = y < 0
    y[rare] = 2 + rng.integers(0, 4, rare.sum())
    X = rng.normal(size=(3000, 3))
    X[:, 0] += 1.2 * (y == 1)
    X[rare, 1] += 3.0 * y[rare]
    labels = np.array(list("abcdef"))[y]
    equal = distance_correlations(X, labels)
    assert equal[0] > equal[1]
    disco = DisCo(mode, n_features_to_select=2, random_state=0).fit(X, labels)
    assert disco.order_.tolist() == [1, 0]


def test_forward_finds_categories():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(_normal(N, 6)).add_prefix("n")
    X["city"] = rng.choice(list("uvwxyz"), N)
    X["n0"] += X["city"].isin(["u", "w"])
    y = X["city"].isin(["u", "w", "y"]) & (X["n3"] > -1)
    assert set(_forward(n_features_to_select=2).fit(X, y).order_) == {3, 6}


def test_forward_prefers_what_is_new_to_a_near_copy():
    rng = np.random.default_rng(0)
    strong, weak = rng.normal(size=(2, 1000))
    y = strong + 0.6 * weak + 0.1 * rng.normal(size=1000) > 0
    copy = strong + 0.2 * rng.normal(size=1000)
    X = np.column_stack([copy, strong, weak, rng.normal(size=(1000, 3))])
    plain = DisCo(n_features_to_select=2, redundancy_penalty=0)
    assert plain.fit(X, y).order_.tolist() == [1, 0]
    assert _forward(n_features_to_select=2).fit(X, y).order_.tolist() == [1, 2]


@pytest.mark.parametrize("mode", ["forward", "partial"])
def test_straight_lines_of_a_chosen_column_are_refused(mode):
    x = _normal(N, 4)
    y = x[:, 0] + 0.5 * x[:, 1] + 0.1 * x[:, 2]
    X = np.column_stack([x, x[:, 0], -x[:, 0], 1e9 * x[:, 0] + 1e9, 1e-20 * x[:, 0]])
    disco = DisCo(mode, n_features_to_select=4, random_state=0).fit(X, y)
    assert set(disco.order_.tolist()) == {0, 1, 2, 3}
    # they may still be asked for, last
    disco.set_params(n_features_to_select=8).fit(X, y)
    assert set(disco.order_[4:].tolist()) == {4, 5, 6, 7}
    # after those that were no candidates too
    disco.set_params(max_candidates=5).fit(X, y)
    assert set(disco.order_.tolist()) == set(range(8))
    assert disco.order_[:4].tolist() == [0, 1, 2, 3]


def test_copies_of_categories_and_of_columns_with_gaps_are_refused():
    rng = np.random.default_rng(0)
    city = rng.choice(["u", "v", "w"], N)
    gaps = np.where(np.arange(N) % 5 == 0, np.nan, rng.normal(size=N))
    gaps[1] = np.nan  # an odd number is left, so that the median has no neighbour
    X = pd.DataFrame(
        {"city": city, "gaps": gaps, "noise": rng.normal(size=N)}
        | {"town": np.char.add("t", city), "line": 3 - 2 * gaps}
    )
    y = 2.0 * (city == "u") - (city == "v") + np.nan_to_num(gaps)
    order = _forward(n_features_to_select=3).fit(X, y).order_.tolist()
    assert sorted(order) == [0, 1, 2]


def test_the_tolerance_says_how_near_is_a_duplicate():
    x = _normal(N, 3)
    near = x[:, 0] + 0.03 * x[:, 1]
    X = np.column_stack([x[:, 0], near, x[:, 2]])
    y = x[:, 0] > 0
    refused = _forward(n_features_to_select=2, duplicates_tol=0.01).fit(X, y)
    assert sorted(refused.order_.tolist()) in ([0, 2], [1, 2])
    allowed = _forward(n_features_to_select=3, duplicates_tol=1e-6).fit(X, y)
    assert np.isfinite(allowed.scores_).all()
    assert set(allowed.order_[:2].tolist()) == {0, 1}


def test_what_does_not_vary_is_never_chosen_before_what_does():
    X = pd.DataFrame(_normal(N, 4)).add_prefix("n")
    X.insert(0, "constant", 1.0)
    X.insert(1, "id", [f"i{i}" for i in range(N)])
    y = (X["n0"] > 0).to_numpy()
    disco = _forward(n_features_to_select=5).fit(X, y)
    assert set(disco.order_[:4].tolist()) == {2, 3, 4, 5}
    assert disco.scores_[0] == disco.scores_[1] == -np.inf
    assert disco.ranking_[0] == 6


def test_nothing_but_an_id():
    X = pd.DataFrame({"id": [f"i{i}" for i in range(N)], "constant": 1})
    y = np.arange(N) % 2
    for number in (1, "auto"):
        disco = _forward(n_features_to_select=number).fit(X, y)
        assert disco.order_.tolist() == [0]
        assert disco.validation_scores_ == []


def test_a_group_is_one_vector():
    """Neither half of an exclusive or says anything by itself."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, (2, N))
    X = np.column_stack([a, b, rng.normal(size=(N, 4)) + 0.1 * (a ^ b)[:, None]])
    groups = ["pair", "pair", "c", "d", "e", "f"]
    disco = _forward(n_features_to_select=1, groups=groups).fit(X, a ^ b)
    assert disco.order_.tolist() == [0, 1]
    assert disco.n_features_to_select_ == 1
    assert disco.scores_[0] == disco.scores_[1] > 0.3
    alone = _forward(n_features_to_select=6).fit(X, a ^ b)
    assert alone.ranking_[0] > 1


@pytest.mark.parametrize("mode", MODES)
def test_all_columns_in_an_order(mode):
    X, y = _mixed(150)
    disco = DisCo(mode, n_features_to_select=9, random_state=0).fit(X, y)
    assert sorted(disco.order_.tolist()) == list(range(9))
    assert sorted(disco.ranking_.tolist()) == list(range(1, 10))
    assert disco.order_[-1] == 6  # the constant
    assert disco.transform(X).shape == X.shape


@pytest.mark.parametrize("mode", ["forward", "partial"])
def test_candidates_are_the_best_by_filter(mode):
    X = _normal(N, 8)
    y = X @ np.arange(8.0)
    simple = DisCo(n_features_to_select=8).fit(X, y)
    disco = DisCo(mode, n_features_to_select=5, max_candidates=3, random_state=0)
    disco.fit(X, y)
    assert set(disco.order_[:3].tolist()) == set(simple.order_[:3].tolist())
    np.testing.assert_array_equal(disco.order_[3:], simple.order_[3:5])
    assert np.isfinite(disco.scores_).sum() == 3
    assert (disco.scores_[simple.order_[3:]] == -np.inf).all()


@pytest.mark.parametrize("mode", ["forward", "partial"])
def test_no_time_gives_the_order_of_filter(mode):
    X, y = _mixed(200)
    simple = DisCo(n_features_to_select=5).fit(X, y)
    disco = DisCo(mode, n_features_to_select=5, time_budget=0, random_state=0)
    disco.fit(X, y)
    np.testing.assert_array_equal(disco.ranking_, simple.ranking_)
    np.testing.assert_array_equal(disco.support_, simple.support_)
    assert "time_budget" in disco.stopped_
    if mode == "forward":
        disco.set_params(n_features_to_select="auto").fit(X, y)
        assert disco.order_.tolist() == simple.order_[:1].tolist()


# -- forward: when to stop -------------------------------------------------------------


class Told(ClassifierMixin, BaseEstimator):
    """Its log-loss is what ``losses`` has for the number of columns."""

    def __init__(self, losses=()):
        self.losses = losses

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X))

    def predict_proba(self, X):
        # the first column is the target
        own = np.exp(-self.losses[X.shape[1] - 1])
        yes = np.where(X[:, 0] > 0, own, 1 - own)
        return np.column_stack([1 - yes, yes])


def test_auto_stops_by_patience_and_keeps_the_best():
    y = np.arange(N) % 2
    X = np.column_stack([y, _normal(N, 9)])
    losses = [0.6, 0.5, 0.3, 0.4, 0.35, 0.31, 0.1, 0.1, 0.1, 0.1]
    settings = {"n_features_to_select": "auto", "estimator": Told(losses)}
    disco = _forward(patience=3, **settings).fit(X, y)
    np.testing.assert_allclose(disco.validation_scores_, losses[:6])
    assert disco.n_features_to_select_ == len(disco.order_) == 3
    assert disco.order_[0] == 0
    disco = _forward(patience=4, **settings).fit(X, y)
    np.testing.assert_allclose(disco.validation_scores_, losses)
    assert disco.n_features_to_select_ == 7  # the first of those as good


def test_auto_finds_how_many():
    X = _normal(600, 10)
    y = X[:, 2] + X[:, 4] * 2 > 0
    disco = _forward(n_features_to_select="auto", estimator=LogisticRegression())
    disco.fit(X, y)
    assert set(disco.order_[:2].tolist()) == {2, 4}
    assert len(disco.order_) <= 4
    assert len(disco.validation_scores_) < 10
    best = int(np.argmin(disco.validation_scores_)) + 1
    assert disco.n_features_to_select_ == best


# -- forward: the rows a model is unsure of --------------------------------------------


class Known(BaseEstimator):
    """Predicts its own first columns: probabilities of classes, or numbers."""

    def __init__(self, n_classes=2):
        self.n_classes = n_classes

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.arange(float(self.n_classes))
        return self

    def predict(self, X):
        return X[:, 0]

    def predict_proba(self, X):
        return X[:, : self.n_classes]


def _unsure(values, y, estimator, weight=None, **params):
    disco = DisCo("forward", estimator=estimator, **({"min_window": 40} | params))
    rows = disco._read(values, y, weight)
    assert isinstance(rows, Rows)
    folds = make_folds(3, rows.target, seed=0)
    order = list(range(values.shape[1]))
    loss, unsure = disco._model_of(rows, rows.design(), order, folds)
    return loss * rows.target.loss.unit, unsure  # as in validation_scores_


def test_two_classes_near_a_half_are_unsure():
    rng = np.random.default_rng(0)
    p = rng.random(N)
    y = (rng.random(N) < p).astype(int)
    loss, unsure = _unsure(np.column_stack([1 - p, p]), y, Known())
    np.testing.assert_array_equal(unsure, np.flatnonzero((p > 0.3) & (p < 0.7)))
    assert loss == pytest.approx(-np.log(np.where(y, p, 1 - p)).mean())
    _, fewer = _unsure(np.column_stack([1 - p, p]), y, Known(), window=0.2)
    np.testing.assert_array_equal(fewer, np.flatnonzero((p > 0.4) & (p < 0.6)))


def test_of_many_classes_the_two_likeliest_count():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), N)
    y = np.array([rng.choice(4, p=row) for row in p])
    loss, unsure = _unsure(p, y, Known(4))
    two = np.sort(p, axis=1)
    np.testing.assert_array_equal(unsure, np.flatnonzero(two[:, 3] - two[:, 2] < 0.4))
    assert loss == pytest.approx(-np.log(p[np.arange(N), y]).mean())


def test_of_numbers_the_largest_residuals_count():
    rng = np.random.default_rng(0)
    guess, off = rng.normal(size=(2, N))
    loss, unsure = _unsure(guess[:, None], guess + off, Known(), residual_share=0.25)
    np.testing.assert_array_equal(unsure, np.sort(np.argsort(-np.abs(off))[: N // 4]))
    assert loss == pytest.approx((off**2).mean())


def test_validation_scores_are_in_squared_units_of_the_target():
    X = _normal(N, 4)
    y = X[:, 1] + 0.5 * X[:, 2]
    metres = _forward(n_features_to_select=3).fit(X, y)
    millimetres = _forward(n_features_to_select=3).fit(X, 1000 * y + 5)
    scores = np.array(metres.validation_scores_)
    assert len(scores) > 0 and scores[0] < y.var()
    np.testing.assert_allclose(millimetres.validation_scores_, 1e6 * scores)


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_loss_is_weighted(kind):
    rng = np.random.default_rng(0)
    p, w = rng.random((2, N))
    if kind == "numbers":
        loss, _ = _unsure(p[:, None], 0.7 * p, Known(), weight=w)
        assert loss == pytest.approx((w * (0.3 * p) ** 2).sum() / w.sum())
    else:
        y = np.arange(N) % 2
        loss, _ = _unsure(np.column_stack([1 - p, p]), y, Known(), weight=w)
        each = -np.log(np.where(y, p, 1 - p))
        assert loss == pytest.approx((w * each).sum() / w.sum())


def test_all_rows_serve_where_few_are_unsure():
    y = np.arange(N) % 2
    p = np.where(y, 0.99, 0.01)
    p[:20] = 0.5
    _, unsure = _unsure(np.column_stack([1 - p, p]), y, Known())
    np.testing.assert_array_equal(unsure, np.arange(N))
    p[:60] = 0.5
    _, unsure = _unsure(np.column_stack([1 - p, p]), y, Known())
    np.testing.assert_array_equal(unsure, np.arange(60))
    _, unsure = _unsure(np.column_stack([1 - p, p]), y, Known(), min_window=61)
    np.testing.assert_array_equal(unsure, np.arange(N))
    p[:100] = np.where(y[:100], 0.5, 0.01)  # unsure ones of one class alone
    p[100:] = np.where(y[100:], 0.99, 0.01)
    _, unsure = _unsure(np.column_stack([1 - p, p]), y, Known())
    np.testing.assert_array_equal(unsure, np.arange(N))


class Short(BaseEstimator):
    """Knows one class fewer than there are."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)[:2]
        return self

    def predict(self, X):
        return np.zeros(len(X))

    def predict_proba(self, X):
        return np.column_stack([1 - X[:, 0], X[:, 0]])


def test_a_class_that_a_model_has_not_seen_has_no_probability():
    p = np.random.default_rng(0).random(N)
    loss, unsure = _unsure(p[:, None], np.arange(N) % 3, Short())
    np.testing.assert_array_equal(unsure, np.flatnonzero((p > 0.3) & (p < 0.7)))
    assert np.isfinite(loss)


# -- forward: models -------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        RidgeClassifier(),  # without predict_proba
        KNeighborsClassifier(),
        RandomForestClassifier(5, max_depth=3, random_state=0),  # len() of it fails
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_any_classifier(estimator, n_classes):
    X = _normal(N, 5)
    signal = X[:, 1] + X[:, 3]
    y = np.array(["a", "b", "c"])[np.digitize(signal, [0, 1][: n_classes - 1])]
    disco = _forward(n_features_to_select=2, estimator=estimator).fit(X, y)
    assert set(disco.order_.tolist()) == {1, 3}
    assert not hasattr(estimator, "classes_")  # a clone was fitted


@pytest.mark.parametrize(
    "estimator",
    [Ridge(), KNeighborsRegressor(), make_pipeline(StandardScaler(), Ridge())],
    ids=lambda e: type(e).__name__,
)
def test_any_regressor(estimator):
    X = _normal(N, 5)
    y = X[:, 1] + X[:, 3]
    disco = _forward(n_features_to_select=2, estimator=estimator).fit(X, y)
    assert set(disco.order_.tolist()) == {1, 3}


class Recorder(RegressorMixin, BaseEstimator):
    """Writes down what it learns from and what it predicts: the first column."""

    seen: list = []

    def fit(self, X, y, sample_weight=None):
        self.learnt_ = X[:, 0].copy()
        self.weight_ = sample_weight
        return self

    def predict(self, X):
        Recorder.seen.append((self.learnt_, X[:, 0].copy(), self.weight_))
        return np.zeros(len(X))


@pytest.mark.parametrize("cv", [3, GroupKFold(4)], ids=["3", "splitter"])
def test_rows_of_a_group_stay_together(cv):
    Recorder.seen = []
    number = np.arange(120.0)
    groups = np.random.default_rng(0).integers(0, 12, 120)
    X = np.column_stack([number, _normal(120, 2)])
    weight = 1.0 + number
    disco = _forward(n_features_to_select=2, estimator=Recorder(), cv=cv, min_window=9)
    disco.fit(X, number, weight, groups=groups)
    assert disco.order_[0] == 0
    assert len(Recorder.seen) == (3 if cv == 3 else 4)
    for learnt, tested, w in Recorder.seen:
        assert not set(groups[learnt.astype(int)]) & set(groups[tested.astype(int)])
        np.testing.assert_array_equal(w, 1 + learnt)
    everything = np.concatenate([tested for _, tested, _ in Recorder.seen])
    np.testing.assert_array_equal(np.sort(everything), number)


def test_folds_given_one_by_one():
    X = _normal(90, 3)
    splits = [(np.arange(45), np.arange(45, 90)), (np.arange(45, 90), np.arange(45))]
    disco = _forward(n_features_to_select=2, cv=splits, estimator=Recorder())
    disco.set_params(min_window=30)
    assert disco.fit(X, X[:, 0]).order_[0] == 0
    # they number the rows of X, those that do not count too
    weight = (np.arange(90) % 3 > 0) * 1.0
    Recorder.seen = []
    assert disco.fit(X, X[:, 0], weight).order_[0] == 0
    for (learnt, tested, _), (train, test) in zip(Recorder.seen, splits, strict=True):
        np.testing.assert_array_equal(learnt, X[train[weight[train] > 0], 0])
        np.testing.assert_array_equal(tested, X[test[weight[test] > 0], 0])


def test_a_small_table_has_no_window():
    """But "auto" needs the model to say how many are enough."""
    X = _normal(99, 4)
    settings = {"estimator": Recorder(), "min_window": 50}
    Recorder.seen = []
    disco = _forward(n_features_to_select=3, **settings).fit(X, X[:, 1])
    assert not Recorder.seen and disco.validation_scores_ == []
    assert disco.order_[0] == 1
    disco.set_params(n_features_to_select="auto").fit(X, X[:, 1])
    assert Recorder.seen and len(disco.validation_scores_) > 0
    disco.set_params(n_features_to_select=3, min_window=49).fit(X, X[:, 1])
    assert len(disco.validation_scores_) == 2


def test_weights_decide_what_is_seen():
    """y is one column on some rows and another one on the others."""
    X = _normal(600, 4)
    first = np.arange(600) < 100
    y = np.where(first, X[:, 1], X[:, 2])
    for mode in ("forward", "partial"):
        disco = DisCo(mode, n_features_to_select=1, random_state=0)
        assert disco.fit(X, y).order_.tolist() == [2]
        assert disco.fit(X, y, np.where(first, 1.0, 0.05)).order_.tolist() == [1]
        assert disco.fit(X, y, np.where(first, 0.0, 1.0)).order_.tolist() == [2]


# -- partial ---------------------------------------------------------------------------


def test_partial_takes_the_common_cause_out():
    rng = np.random.default_rng(0)
    z, u, a, b, c = rng.normal(size=(5, 1500))
    x = z + 0.5 * a
    y = 2 * z + u + 0.3 * b
    X = np.column_stack([x, z, u, c])
    simple = DisCo(n_features_to_select=4, redundancy_penalty=0).fit(X, y)
    assert simple.order_[:2].tolist() == [1, 0]
    disco = DisCo("partial", n_features_to_select=2, random_state=0).fit(X, y)
    assert disco.order_.tolist() == [1, 2]
    assert abs(disco.scores_[0]) < 0.15


def test_partial_of_a_group_is_its_best_column():
    X = _normal(N, 6)
    y = X[:, 1] + 0.5 * X[:, 4]
    disco = DisCo("partial", groups=list("aabbcc"), n_features_to_select=2)
    disco.set_params(random_state=0).fit(X, y)
    assert disco.order_.tolist() == [0, 1, 4, 5]


# -- small tables and errors -----------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [4, 5, 7])
def test_few_rows(mode, n):
    X = _normal(n, 3)
    rare, unique = [0, 0, 0, 1, 1, 1, 1][:n], list("abcdefg")[:n]
    for y in (np.arange(n) % 2, X[:, 1], rare, unique):
        disco = DisCo(mode, n_features_to_select=3, random_state=0).fit(X, y)
        assert sorted(disco.order_.tolist()) == [0, 1, 2]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_too_few_rows(mode, n):
    with pytest.raises(ValueError, match="at least 4|1 sample"):
        DisCo(mode).fit(_normal(n, 2), np.arange(n) % 2)


X20, Y20 = _normal(20, 3), np.arange(20) % 2


@pytest.mark.parametrize(
    "params, X, y, text",
    [
        ({}, X20, np.zeros(20, int), "one class only"),
        ({}, X20, np.full(20, 0.5), "one class only|on every row"),
        ({}, X20, np.where(Y20, np.nan, 1.5), "y contains NaN: 10 of 20"),
        ({}, X20, np.where(Y20, np.inf, 1.5), "y contains infinity"),
        ({}, np.where(X20 > 1, np.inf, X20), Y20, "infinity, in column 'x"),
        ({}, np.ones((20, 3)), Y20, "all 3 columns of X are constant"),
        ({}, X20, None, "requires y"),
        ({}, X20, Y20[:19], "inconsistent numbers of samples"),
        ({"n_features_to_select": 4}, X20, Y20, "but X has 3 columns"),
        ({"n_features_to_select": 0}, X20, Y20, "n_features_to_select"),
        ({"n_features_to_select": 3, "groups": list("aab")}, X20, Y20, "2 groups"),
        ({"batch_size": 8}, X20, Y20, "batch_size"),
        ({"mode": "backward"}, X20, Y20, "mode"),
        ({"task": "regression"}, X20, list("ab") * 10, "needs a target of numbers"),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_errors_say_what_is_wrong(mode, params, X, y, text):
    with pytest.raises(ValueError, match=text):
        DisCo(**({"mode": mode} | params)).fit(X, y)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "weight, text",
    [
        (np.full(20, -1.0), "[Nn]egative"),
        (np.where(np.arange(20) < 2, 1.0, 0), "adds up to 2 rows"),
        (np.where(np.arange(20) < 2, 1 / 20, 0), "adds up to 2 rows"),
        (1.0 * Y20, "one class only"),
        (np.ones(19), "sample_weight.shape"),
    ],
)
def test_weights_that_do_not_do(mode, weight, text):
    with pytest.raises(ValueError, match=text):
        DisCo(mode).fit(X20, Y20, weight)


@pytest.mark.parametrize("mode", MODES)
def test_scale_of_fractional_weights_does_not_matter(mode):
    weight = np.random.default_rng(0).random(20)
    for one, other in ((weight, weight / 16), (None, np.full(20, 1 / 20))):
        one, other = (
            DisCo(mode, random_state=0).fit(X20, Y20, each) for each in (one, other)
        )
        np.testing.assert_array_equal(one.scores_, other.scores_)
        np.testing.assert_array_equal(one.order_, other.order_)


@pytest.mark.parametrize(
    "params, text",
    [
        ({"mode": "partial"}, "'partial' has no measure"),
        ({"bias_corrected": False}, "use bias_corrected=True"),
    ],
)
def test_auto_where_there_is_no_measure(params, text):
    with pytest.raises(ValueError, match=text):
        DisCo(n_features_to_select="auto", **params).fit(X20, Y20)


@pytest.mark.parametrize(
    "estimator, y, weight, text",
    [
        (LinearRegression(), Y20, None, "a regressor and y has classes"),
        (LogisticRegression(), X20[:, 0], None, "a classifier and y has numbers"),
        (KNeighborsClassifier(), Y20, np.ones(20), "takes no sample_weight"),
    ],
)
def test_a_model_that_does_not_go_with_the_target(estimator, y, weight, text):
    with pytest.raises(ValueError, match=text):
        _forward(estimator=estimator).fit(X20, y, weight)


def test_folds_of_one_class_each():
    with pytest.raises(ValueError, match="mix the classes"):
        _forward(cv=2, n_features_to_select="auto").fit(X20, Y20, groups=Y20)


def test_a_target_of_the_known_kinds():
    """Whole numbers are classes or numbers as ``task`` says."""
    X, y = _mixed(200)
    whole = np.round(2 * y).astype(int) % 6
    assert Target.of(whole).task == "multiclass"
    classes = DisCo().fit(X, whole)
    numbers = DisCo(task="regression").fit(X, whole)
    assert (classes.scores_ != numbers.scores_)[0]
    assert classes.classes_.tolist() == list(range(6))
    assert not hasattr(numbers, "classes_")
