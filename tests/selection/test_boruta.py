"""BorutaShadow: the test of hits, the race, and planted structures."""

from __future__ import annotations

import os
import signal
import warnings
from math import comb

import numpy as np
import pandas as pd
import polars as pl
import pytest

from featurekit.exceptions import FeatureKitWarning
from featurekit.selection import BorutaShadow
from featurekit.selection.boruta import (
    CONFIRMED,
    MIN_SHADOWS,
    REJECTED,
    TENTATIVE,
    Race,
    Trial,
)
from tests.selection.tiny import Tiny


def _quick(**params):
    return BorutaShadow(**({"random_state": 0, "n_estimators": 20} | params))


def _fit(boruta, X, y, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FeatureKitWarning)
        return boruta.fit(X, y, **kwargs)


def _planted(n=400, d=8, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    X[:, 1] = X[:, 0]
    X[:, 2] = X[:, 0] + 0.3 * rng.normal(size=n)
    return X, X[:, 0] + X[:, 3] + 0.5 * rng.normal(size=n)


# -- the test of hits ------------------------------------------------------------------


@pytest.mark.parametrize("correction", ["bonferroni", "fdr"])
def test_decisions_are_those_of_binomial_tests(correction):
    rng = np.random.default_rng(0)
    chance = np.array([0.05, 0.3, 0.5, 0.5, 0.8, 0.99])
    trial = Trial(np.ones(6, bool), 0.05, correction)
    hits, verdict = np.zeros(6, int), [TENTATIVE] * 6
    for n in range(1, 60):
        hit = rng.random(6) < chance
        trial.add(hit)
        hits += hit
        more = [sum(comb(n, i) for i in range(h, n + 1)) / 2**n for h in hits]
        fewer = [sum(comb(n, i) for i in range(h + 1)) / 2**n for h in hits]
        for which, p in ((CONFIRMED, more), (REJECTED, fewer)):
            if correction == "bonferroni":
                significant = [6 * value <= 0.05 for value in p]
            else:
                ranked = sorted(p)
                below = [i for i in range(6) if ranked[i] <= 0.05 * (i + 1) / 6]
                most = ranked[below[-1]] if below else -1.0
                significant = [value <= most for value in p]
            for i in range(6):
                if verdict[i] == TENTATIVE and significant[i]:
                    verdict[i] = which
        assert trial.hits.tolist() == hits.tolist()
        assert trial.verdict.tolist() == verdict
    assert verdict[0] == REJECTED and verdict[-1] == CONFIRMED
    assert trial.alive().tolist() == [i for i in range(6) if verdict[i] != REJECTED]


# -- the race --------------------------------------------------------------------------


def test_shadows_are_of_all_units_and_columns_of_those_left():
    X, y = _planted()
    rows = Tiny(groups=["a", "a", "b", "c", "d", "e", "f", "g"]).fit(X, y).rows_
    race = Race(rows, "gain", 10, 1)
    at = np.arange(0, 400, 2)
    real, shadows = race.run(at, np.array([0, 2, 6]), 0)
    assert np.flatnonzero(~np.isnan(real)).tolist() == [0, 2, 6]
    assert len(shadows) == 7
    assert np.nansum(real) + shadows.sum() == pytest.approx(1)
    again = race.run(at, np.array([0, 2, 6]), 0)
    np.testing.assert_array_equal(real, again[0])
    assert race.run(at, np.array([0, 2, 6]), 1)[0].tolist() != real.tolist()
    few = Race(Tiny().fit(X[:, :2], y).rows_, "gain", 10, 1)
    assert len(few.run(at, np.array([0, 1]), 0)[1]) >= MIN_SHADOWS


def test_columns_of_a_group_are_shuffled_together():
    """A group that tells by its columns' product alone has shadows that tell nothing;
    shuffled apart, its columns would be equally useless, so the sums show it."""
    rng = np.random.default_rng(0)
    sign = rng.choice([-1.0, 1.0], size=(600, 2))
    X = np.column_stack([sign, rng.normal(size=(600, 4))])
    y = sign[:, 0] * sign[:, 1] + 0.1 * rng.normal(size=600)
    boruta = _fit(_quick(groups=[[0, 1]], max_iter=20), X, y)
    assert boruta.status_[:2].tolist() == ["confirmed"] * 2
    assert boruta.hits_[0] == boruta.hits_[1]


# -- planted structures ----------------------------------------------------------------


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_all_that_is_relevant_is_confirmed_copies_too(task):
    X, y = _planted()
    if task != "regression":
        cuts = [0.5] if task == "binary" else [0.33, 0.67]
        y = np.digitize(y, np.quantile(y, cuts))
    boruta = _quick().fit(X, y)
    assert boruta.task_ == task
    assert boruta.status_[[0, 2, 3]].tolist() == ["confirmed"] * 3
    assert boruta.status_[4:].tolist() == ["rejected"] * 4
    kept = boruta.get_support(indices=True).tolist()
    assert kept == np.flatnonzero(boruta.status_ == "confirmed").tolist()


def test_copies_share_what_they_tell():
    """One column twice: of each pair the model needs one, and both are kept."""
    X, y = _planted(800)
    boruta = _quick().fit(X[:, [0, 1, 4, 5, 6, 7]], y)
    assert boruta.status_.tolist() == ["confirmed"] * 2 + ["rejected"] * 4


def test_noise_is_not_confirmed():
    tables = 20
    confirmed = 0
    for seed in range(tables):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(200, 10)), rng.integers(0, 2, 200)
        boruta = _fit(_quick(n_estimators=10, max_iter=40, random_state=seed), X, y)
        confirmed += bool(boruta.support_.any())
    assert confirmed <= 1


def test_nothing_confirmed_is_a_warning():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 10)), rng.normal(size=200)
    with pytest.warns(FeatureKitWarning, match="no column is confirmed after"):
        boruta = _quick().fit(X, y)
    with pytest.warns(FeatureKitWarning, match="No features were selected"):
        assert boruta.transform(X).shape == (200, 0)


FRAME = pd.DataFrame(
    {
        "noise": np.random.default_rng(0).normal(size=500),
        "city": np.random.default_rng(1).choice(list("abcdefghijkl"), 500),
        "gap": np.random.default_rng(2).normal(size=500),
        "id": [f"u{i}" for i in range(500)],
        "constant": 1.0,
        "word": np.random.default_rng(3).choice(["p", "q", "r"], 500),
    }
)
LABEL = FRAME["city"].isin(list("acegik")).to_numpy() ^ (
    np.random.default_rng(4).random(500) < 0.1
)
FRAME.loc[LABEL & (np.random.default_rng(5).random(500) < 0.5), "gap"] = np.nan


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_categories_and_gaps_of_any_library(library):
    X = FRAME
    if library != "pandas":
        X = pl.from_pandas(FRAME)
    if library == "pyarrow":
        X = X.to_arrow()
    boruta = _quick().fit(X, LABEL)
    assert boruta.get_feature_names_out().tolist() == ["city", "gap"]
    assert boruta.status_[4] == "rejected"  # constant
    assert np.isfinite(boruta.scores_).all()
    expected = _quick().fit(FRAME, LABEL)
    np.testing.assert_array_equal(
        boruta.importance_history_, expected.importance_history_
    )


# -- what is kept ----------------------------------------------------------------------


def test_exactly_so_many_by_status_then_importance():
    X, y = _planted()
    boruta = _fit(_quick(max_iter=12), X, y)
    value = {"confirmed": 2, "tentative": 1, "rejected": 0}
    status = np.array([value[s] for s in boruta.status_])
    by_rank = np.argsort(boruta.ranking_)
    assert (np.diff(status[by_rank]) <= 0).all()
    for k in range(1, 9):
        some = _quick(max_iter=12, n_features_to_select=k).fit(X, y)
        assert some.order_.tolist() == by_rank[:k].tolist()
        np.testing.assert_array_equal(some.scores_, boruta.scores_)
    assert _quick(n_features_to_select=0.5, max_iter=5).fit(X, y).support_.sum() == 4
    with pytest.raises(ValueError, match="=9, but X has 8 columns"):
        _quick(n_features_to_select=9).fit(X, y)


def test_history_hits_and_scores_agree():
    X, y = _planted()
    boruta = _quick().fit(X, y)
    history, least = boruta.importance_history_, boruta.shadow_history_
    assert history.shape == (boruta.n_iter_, 8)
    assert least.shape == (boruta.n_iter_,)
    hits = np.nansum(history > least[:, None], axis=0)
    np.testing.assert_array_equal(boruta.hits_, hits)
    np.testing.assert_allclose(boruta.scores_, np.nanmedian(history, axis=0))
    # once out, out
    gone = np.isnan(history)
    assert (np.diff(gone.astype(int), axis=0) >= 0).all()
    assert (boruta.status_[gone[-1]] == "rejected").all()
    assert boruta.n_iter_ < 100 and boruta.stopped_ == ""


def test_less_than_the_best_shadow_confirms_more():
    X, y = _planted(150)
    strict = _fit(_quick(max_iter=15), X, y)
    loose = _fit(_quick(max_iter=15, perc=50), X, y)
    assert loose.hits_.sum() > strict.hits_.sum()


def test_weight_zero_is_absent_and_weights_reach_the_model():
    X, y = _planted()
    rng = np.random.default_rng(0)
    wrong = np.r_[y, rng.normal(size=200)]
    more = np.r_[X, rng.normal(size=(200, 8))]
    weight = np.r_[np.ones(400), np.zeros(200)]
    absent = _quick().fit(more, wrong, sample_weight=weight)
    expected = _quick().fit(X, y)
    np.testing.assert_allclose(absent.importance_history_, expected.importance_history_)
    weight[400:] = 0.5
    counted = _fit(_quick(), more, wrong, sample_weight=weight)
    assert counted.scores_[0] != expected.scores_[0]


def test_the_seed_decides_whatever_the_threads():
    X, y = _planted()
    results = [
        _quick(max_iter=6, n_jobs=n_jobs, n_features_to_select=2, random_state=s)
        .fit(X, y)
        .importance_history_
        for n_jobs, s in ((1, 0), (2, 0), (1, 1))
    ]
    np.testing.assert_array_equal(results[0], results[1])
    assert results[0].tolist() != results[2].tolist()


def test_threads_of_lightgbm_change_nothing():
    X, y = _planted()
    one, two = (Race(Tiny().fit(X, y).rows_, "gain", 5, 1) for _ in range(2))
    two.params["num_threads"] = 2  # else from many rows on
    at, alive = np.arange(400), np.arange(8)
    for a, b in zip(one.run(at, alive, 0), two.run(at, alive, 0), strict=True):
        np.testing.assert_array_equal(a, b)


# -- budgets ---------------------------------------------------------------------------


def test_no_time_is_one_round():
    X, y = _planted()
    boruta = _quick(time_budget=0, n_features_to_select=3).fit(X, y)
    assert boruta.n_iter_ == 1
    assert "time_budget of 0 s" in boruta.stopped_
    assert (boruta.status_ == "tentative").all()
    assert boruta.support_.sum() == 3


def test_ctrl_c_keeps_decisions(monkeypatch, ctrl_c):
    run = Race.run
    rounds = []

    def interrupted(self, at, alive, seed):
        rounds.append(seed)
        if len(rounds) == 9:
            os.kill(os.getpid(), signal.SIGINT)
        return run(self, at, alive, seed)

    monkeypatch.setattr(Race, "run", interrupted)
    X, y = _planted()
    boruta = _quick().fit(X, y)
    assert boruta.n_iter_ == 9
    assert boruta.stopped_ == "interrupted"
    assert "confirmed" in boruta.status_


def test_few_rows_end_in_rejection_or_doubt():
    rng = np.random.default_rng(0)
    for n in (2, 5, 12):
        X, y = rng.normal(size=(n, 3)), np.arange(n) % 2
        assert not _fit(_quick(), X, y).support_.any()
