"""StabilitySelection: how rows are drawn, what is counted, and the bound."""

from __future__ import annotations

import os
import signal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.feature_selection import (
    RFE,
    SelectFromModel,
    SelectKBest,
    SelectorMixin,
    VarianceThreshold,
    f_regression,
)
from sklearn.linear_model import Lasso, LinearRegression

from featurekit.exceptions import FeatureKitWarning
from featurekit.selection import MRMR, StabilitySelection
from featurekit.selection.resampling import draw
from featurekit.selection.stability import bound
from tests.selection.tiny import Tiny


class Recorder(SelectorMixin, BaseEstimator):
    """Keeps the first column, and what it was given."""

    seen: list = []

    def fit(self, X, y=None, sample_weight=None, groups=None):
        self.seen.append((X, y, sample_weight, groups))
        self.n_ = X.shape[1]
        return self

    def _get_support_mask(self):
        return np.arange(self.n_) == 0


@pytest.fixture
def recorder():
    Recorder.seen = []
    return Recorder()


def _planted(n=200, d=30, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, X[:, 3] + X[:, 7] + rng.normal(size=n)


def _rows(y, groups=None):
    X = np.random.default_rng(0).normal(size=(len(y), 2))
    return Tiny().fit(X, y, None, groups).rows_


def _stable(selector=None, **params):
    defaults = {"n_resamples": 20, "random_state": 0}
    return StabilitySelection(
        SelectKBest(f_regression, k=4) if selector is None else selector,
        **(defaults | params),
    )


# -- resamples -------------------------------------------------------------------------


@pytest.mark.parametrize("n", [9, 40])
def test_pairs_have_no_row_in_common(n):
    drawn = draw(_rows(np.arange(n) / 7), 6, 0.5, True, seed=0)
    assert len(drawn) == 6
    for a, b in zip(drawn[::2], drawn[1::2], strict=True):
        assert len(a) == len(b) == n // 2
        assert not set(a) & set(b)
        assert (np.diff(a) > 0).all()
    assert len({tuple(a) for a in drawn}) == 6


def test_every_row_is_drawn_equally_often():
    y = np.repeat([0, 1, 2], [5, 10, 25])
    for pairs in (True, False):
        drawn = draw(_rows(y), 4000, 0.3, pairs, seed=0)
        share = np.bincount(np.concatenate(drawn), minlength=40) / 4000
        assert np.abs(share - 0.3).max() < 0.04


def test_classes_keep_their_shares():
    y = np.repeat([0, 1, 2], [4, 17, 79])
    for at in draw(_rows(y), 50, 0.5, True, seed=1):
        counts = np.bincount(y[at], minlength=3)
        assert len(at) == 50
        assert (np.abs(counts - [2, 8.5, 39.5]) <= 1.5).all()


def test_rows_of_a_group_are_drawn_together():
    groups = np.array([f"g{i % 13}" for i in range(100)])
    y = np.random.default_rng(0).normal(size=100)
    for at in draw(_rows(y, groups), 10, 0.5, True, seed=0):
        assert len(set(groups[at])) == 6
        assert len(at) == np.isin(groups, groups[at]).sum()


def test_groups_of_a_class_are_spread():
    y = np.repeat([0, 1], [80, 20])
    groups = np.arange(100) // 5
    for at in draw(_rows(y, groups), 10, 0.5, True, seed=0):
        assert (y[at] == 1).sum() == 10


def test_too_few_rows_say_so():
    with pytest.raises(ValueError, match="no rows"):
        draw(_rows(np.arange(3.0) / 2, [0, 0, 0]), 2, 0.5, True, 0)
    X, _ = _planted(20, 8)
    with pytest.raises(ValueError, match="rows of one class only"):
        _stable(MRMR(1)).fit(X, np.r_[np.zeros(19), 1])


# -- what is counted -------------------------------------------------------------------


def test_probabilities_are_counts_of_the_clones():
    X, y = _planted()
    stable = _stable().fit(X, y)
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    expected = np.zeros(30)
    for at in draw(_rows(y), 20, 0.5, True, seed):
        expected += SelectKBest(f_regression, k=4).fit(X[at], y[at]).get_support()
    np.testing.assert_array_equal(stable.selection_probabilities_, expected / 20)
    assert stable.get_support(indices=True).tolist() == [3, 7]
    assert stable.average_selected_ == 4
    assert stable.n_resamples_ == 20
    assert stable.stopped_ == ""


def test_the_bound_is_its_formula():
    X, y = _planted()
    stable = _stable(threshold=0.8).fit(X, y)
    assert stable.error_bound_ == pytest.approx(4**2 / ((2 * 0.8 - 1) * 30))
    assert bound(10, 1000, 0.9) == pytest.approx(0.125)
    assert bound(10, 1000, 0.5) == np.inf
    constant = np.column_stack([X, np.ones((200, 10))])
    with np.errstate(all="ignore"):
        stable = _stable(threshold=0.8).fit(constant, y)
    assert stable.error_bound_ == pytest.approx(4**2 / (0.6 * 30))
    wide = _stable(sample_fraction=0.7, complementary_pairs=False).fit(X, y)
    assert np.isnan(wide.error_bound_)


def test_the_threshold_follows_from_the_errors_allowed():
    X, y = _planted()
    stable = _stable(threshold="auto", expected_false_positives=1.5).fit(X, y)
    assert stable.threshold_ == pytest.approx((1 + 16 / (1.5 * 30)) / 2)
    assert stable.error_bound_ == pytest.approx(1.5)
    with pytest.raises(ValueError, match="let the selector choose at most 3"):
        _stable(threshold="auto", expected_false_positives=0.5).fit(X, y)
    with pytest.raises(ValueError, match="threshold='auto' is worked out"):
        _stable(threshold="auto").fit(X, y)


@pytest.mark.parametrize(
    "selector",
    [
        SelectKBest(f_regression, k=20),
        MRMR(20),
        RFE(LinearRegression(), n_features_to_select=20),
    ],
)
def test_how_many_to_choose_follows_from_the_errors_allowed(selector):
    X, y = _planted()
    stable = _stable(selector, threshold=0.75, expected_false_positives=1).fit(X, y)
    # q = sqrt(1 * 30 * 0.5) = 3.87
    assert stable.average_selected_ == 3
    assert stable.error_bound_ <= 1
    assert stable.selector is selector and 20 in selector.get_params().values()


def test_errors_allowed_that_cannot_be_kept():
    X, y = _planted()
    with pytest.raises(ValueError, match="leaves no column to choose of 30"):
        _stable(expected_false_positives=0.01).fit(X, y)
    with pytest.raises(ValueError, match="cannot be told to choose 2 columns"):
        _stable(VarianceThreshold(), expected_false_positives=1).fit(X, y)
    with pytest.raises(ValueError, match="bounds no errors"):
        _stable(threshold=0.5, expected_false_positives=1).fit(X, y)
    with pytest.raises(ValueError, match="at most 0.5"):
        _stable(sample_fraction=0.6).fit(X, y)


def test_noise_is_kept_no_more_often_than_the_bound_says():
    rng = np.random.default_rng(0)
    kept = []
    for seed in range(20):
        X, y = rng.normal(size=(80, 40)), rng.normal(size=80)
        stable = _stable(threshold=0.75, random_state=seed)
        kept.append(_quiet(stable, X, y).support_.sum())
    assert np.mean(kept) <= stable.error_bound_  # 0.8


def _quiet(stable, X, y):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FeatureKitWarning)
        return stable.fit(X, y)


def test_nothing_that_is_stable_is_a_warning():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 40)), rng.normal(size=80)
    with pytest.warns(FeatureKitWarning, match=r"no column is chosen in 0\.95"):
        stable = _stable(SelectKBest(f_regression, k=1), threshold=0.95).fit(X, y)
    assert stable.order_.tolist() == []
    with pytest.warns(FeatureKitWarning, match="No features were selected"):
        assert stable.transform(X).shape == (80, 0)


def test_so_many_as_asked_for():
    X, y = _planted()
    stable = _stable(n_features_to_select=5).fit(X, y)
    assert stable.support_.sum() == 5
    assert stable.threshold_ == stable.selection_probabilities_[stable.order_[-1]]
    # both are always chosen; the selector's own scores say which is first
    wide = _stable(SelectKBest(f_regression, k=20), n_features_to_select=2).fit(X, y)
    F = f_regression(X, y)[0]
    assert wide.order_.tolist() == sorted([3, 7], key=lambda j: -F[j])
    with pytest.raises(ValueError, match="=31, but X has 30 columns"):
        _stable(n_features_to_select=31).fit(X, y)


def test_groups_of_columns():
    X, y = _planted()
    stable = _stable(groups=[[3, 10, 11], [7, 12]], n_features_to_select=2).fit(X, y)
    assert sorted(stable.order_.tolist()) == [3, 7, 10, 11, 12]
    p = stable.selection_probabilities_
    assert p[3] == p[10] == p[11]


# -- what the selector gets ------------------------------------------------------------


COLUMNS = {
    "text": [None if i % 9 == 0 else "ab"[i % 2] for i in range(60)],
    "number": [float(i) for i in range(60)],
    "gap": [None if i % 4 == 0 else float(i % 2) for i in range(60)],
}


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_go_to_the_selector_as_they_came(library, recorder):
    X = library(COLUMNS)
    y = np.array(["no", "yes"])[np.arange(60) % 2]
    StabilitySelection(recorder, n_resamples=2, random_state=0).fit(X, y)
    for part, target, weight, groups in recorder.seen:
        assert type(part) is type(X)
        assert part.shape == (30, 3)
        number = np.asarray(part["number"]).astype(int)
        assert target.tolist() == y[number].tolist()
        assert weight is None and groups is None


def test_every_library_gives_the_same_choice():
    y = np.arange(60) % 2
    results = [
        StabilitySelection(MRMR(1), n_resamples=8, random_state=0).fit(make(COLUMNS), y)
        for make in (pd.DataFrame, pl.DataFrame, pa.table)
    ]
    for result in results:
        assert result.get_feature_names_out().tolist() == ["text"]
        np.testing.assert_array_equal(result.scores_, results[0].scores_)


def test_weights_and_groups_reach_the_selector(recorder):
    X, y = _planted(60, 8)
    weight = np.arange(60) % 3
    groups = np.arange(60) // 2
    X[:, 2] = np.arange(60)  # says which row it is
    stable = StabilitySelection(recorder, n_resamples=4, random_state=0)
    stable.fit(X, y, sample_weight=weight.tolist(), groups=groups.tolist())
    for part, target, given, together in recorder.seen:
        at = part[:, 2].astype(int)
        assert (given > 0).all()
        np.testing.assert_array_equal(given, weight[at])
        np.testing.assert_array_equal(together, groups[at])
        np.testing.assert_array_equal(target, y[at])
    with pytest.raises(ValueError, match="SelectKBest has no such argument"):
        _stable().fit(X, y, sample_weight=weight)


def test_metadata_is_routed(recorder):
    X, y = _planted(60, 8)
    weight = np.arange(60) + 1.0
    with config_context(enable_metadata_routing=True):
        asks = recorder.set_fit_request(sample_weight=True, groups=False)
        stable = StabilitySelection(asks, n_resamples=2).set_fit_request(groups=True)
        stable.fit(X, y, sample_weight=weight, groups=np.arange(60) // 2)
    assert all(w is not None and g is None for _, _, w, g in recorder.seen)


def test_nested_parameters():
    stable = _stable(MRMR(2))
    assert stable.get_params()["selector__n_features_to_select"] == 2
    again = clone(stable).set_params(selector__n_features_to_select=3)
    assert again.selector.n_features_to_select == 3
    assert stable.selector.n_features_to_select == 2


def test_any_selector_will_do():
    X, y = _planted()
    for selector in (
        SelectFromModel(Lasso(0.2)),
        RFE(LinearRegression(), n_features_to_select=3),
        StabilitySelection(SelectKBest(f_regression, k=3), n_resamples=10),
    ):
        stable = _stable(selector, n_resamples=6).fit(X, y)
        assert {3, 7} <= set(stable.get_support(indices=True).tolist())
    unsupervised = _stable(VarianceThreshold(0.5), n_resamples=4).fit(X)
    assert unsupervised.support_.all()


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_the_seed_decides_whatever_the_threads(n_jobs):
    X, y = _planted(100, 10)
    trees = SelectFromModel(ExtraTreesRegressor(5), max_features=3)
    one = _stable(trees, n_resamples=8).fit(X, y)
    many = _stable(trees, n_resamples=8, n_jobs=n_jobs).fit(X, y)
    np.testing.assert_array_equal(one.scores_, many.scores_)
    other = _stable(trees, n_resamples=8, random_state=1).fit(X, y)
    assert other.scores_.tolist() != one.scores_.tolist()


# -- budgets ---------------------------------------------------------------------------


class Interrupts(Recorder):
    """Ctrl-C in the third fit."""

    def fit(self, X, y=None):
        self.seen.append(X)
        if len(self.seen) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        self.n_ = X.shape[1]
        return self


def test_ctrl_c_keeps_what_is_counted(ctrl_c):
    Interrupts.seen = []
    X, y = _planted()
    stable = StabilitySelection(Interrupts(), n_resamples=50).fit(X, y)
    assert stable.n_resamples_ == 3
    assert stable.stopped_ == "interrupted"
    assert stable.support_.sum() == 1


def test_no_time_is_one_resample():
    X, y = _planted()
    stable = _stable(time_budget=0, n_features_to_select=4).fit(X, y)
    assert stable.n_resamples_ == 1
    assert "time_budget of 0 s" in stable.stopped_


def test_tags_are_those_of_the_selector():
    assert not _stable().__sklearn_tags__().input_tags.allow_nan
    assert _stable(MRMR(1)).__sklearn_tags__().input_tags.allow_nan
    assert _stable(MRMR(1)).__sklearn_tags__().target_tags.required
    assert not _stable(VarianceThreshold()).__sklearn_tags__().target_tags.required
