"""Every score by its name: what it is, and that it puts first what matters."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

from featurekit.ranking import heuristics
from featurekit.ranking.scoring import SCORE_COLUMNS, SCORES
from tests.ranking import fitted, make_table, scores_of


@pytest.fixture(autouse=True)
def small_forests(monkeypatch):
    monkeypatch.setattr(heuristics, "N_TREES", 30)


def planted(n=800, seed=0, n_classes=2):
    """One column that tells of the target, among others of as many values."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.integers(0, 6, (n, 5))).add_prefix("c")
    y = np.where(
        rng.random(n) < 0.2, rng.integers(0, n_classes, n), X["c3"] % n_classes
    )
    return X, y


NAMES = [*SCORES, "outrank", *heuristics.NAMES]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("score", NAMES)
def test_every_score_puts_the_planted_column_first(score, n_classes):
    X, y = planted(n_classes=n_classes)
    ranker = fitted(X, y, criterion=score)
    assert tuple(ranker.scores_) == SCORE_COLUMNS
    assert ranker.scores_["feature"][0] == "c3"
    assert ranker.ranking_.tolist().index(1) == 3
    values = ranker.scores_["score"]
    assert values.is_monotonic_decreasing and values[0] > max(3 * values[1], 0.01)
    if score in SCORES:
        assert values.equals(ranker.scores_[score].rename("score"))


@pytest.mark.parametrize("score", NAMES)
def test_every_score_of_columns_of_every_kind(score):
    """Gaps, a constant, values seen once, numbers and times."""
    X, y = make_table(120)
    X = X.drop(columns="id") if score == "surrogate" else X
    ranker = fitted(X, y, criterion=score)
    assert np.isfinite(ranker.scores_["score"]).all()
    assert sorted(ranker.scores_["feature"]) == sorted(X)


def test_figures_by_scikit_learn():
    X, y = planted()
    X.loc[::7, "c1"] = np.nan
    ranker = fitted(X.astype("Int64"), y)
    codes = X.fillna(-1).astype(int)
    assert ranker.target_entropy_ == pytest.approx(mutual_info_score(y, y))
    for name in X:
        row = ranker.scores_.set_index("feature").loc[name]
        assert row["mi"] == pytest.approx(mutual_info_score(codes[name], y))
        table = contingency_matrix(y, codes[name], sparse=True)
        expected = expected_mutual_information(table, len(y))
        assert row["emi"] == pytest.approx(expected, rel=1e-9)
        assert row["excess"] == pytest.approx(row["mi"] - row["emi"], abs=1e-15)
        most = ranker.target_entropy_ - row["emi"]
        assert row["ami"] == pytest.approx(row["excess"] / most)
        assert row["cardinality"] == X[name].nunique()
        assert row["coverage"] == pytest.approx(X[name].notna().mean())


def information(x, y):
    """Mutual information of two columns, from the table of their counts."""
    p = np.zeros((x.max() + 1, y.max() + 1))
    np.add.at(p, (x, y), 1 / len(y))
    alone = p.sum(axis=1)[:, None] * p.sum(axis=0)
    return (p[p > 0] * np.log(p[p > 0] / alone[p > 0])).sum()


def test_chance_is_what_shuffles_give():
    X, y = planted(300)
    X["many"] = np.random.default_rng(1).integers(0, 200, 300)
    ranker = fitted(X, y)
    rng = np.random.default_rng(0)
    for name in ("c0", "many"):
        found = [
            information(X[name].to_numpy(), rng.permutation(y)) for _ in range(300)
        ]
        row = ranker.scores_.set_index("feature").loc[name]
        assert row["emi"] == pytest.approx(np.mean(found), abs=4 * row["sd"] / 17)
        assert row["sd"] == pytest.approx(np.std(found), rel=0.15)


# --- the released package's statistic


def shifted(x, y):
    """Its formula, row by row: labels against those as far on as a value has rows."""
    n = len(x)
    total = 0.0
    for v in set(x):
        at = [i for i in range(n) if x[i] == v]
        if len(at) < 2:
            continue
        here, there = {}, {}
        for i in at:
            here[y[i]] = here.get(y[i], 0) + 1
            other = y[(i + len(at)) % n]
            there[other] = there.get(other, 0) + 1
        for counts, sign in ((here, 1), (there, -1)):
            for k in counts.values():
                total += sign * k / n * math.log(k / len(at))
    return total


@pytest.mark.parametrize("seed", range(4))
def test_the_released_statistic(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 120))
    X = pd.DataFrame(
        {
            "few": rng.integers(0, 3, n),
            "many": rng.integers(0, n, n),
            "each once": rng.permutation(n),
            "constant": np.zeros(n, int),
            "gaps": pd.array(rng.choice([1, 2, None], n), "Int64"),
            "sorted": np.sort(rng.integers(0, 5, n)),
            "text": rng.choice(["a", "b"], n),
        }
    )
    y = rng.integers(0, 3, n).tolist()
    y[:2] = [0, 1]
    scores = scores_of(fitted(X, y, criterion="outrank"))
    for name in X:
        x = [None if pd.isna(v) else v for v in X[name]]
        assert scores[name] == pytest.approx(shifted(x, y), abs=1e-12)
    assert scores["each once"] == 0.0


def test_the_released_statistic_needs_rows_in_order(tmp_path):
    X, y = planted(100)
    X.assign(y=y).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="depends on the order of rows.*'excess'"):
        fitted(tmp_path, "y", criterion="outrank")
    with pytest.raises(ValueError, match="depends on the order of rows"):
        fitted(X, y, np.ones(100), criterion="outrank")


# --- models


def test_the_criterion_does_not_hide_a_method():
    """A final step has a method `score` or none; a string is neither."""
    assert not hasattr(fitted(*planted(60)), "score")


@pytest.mark.parametrize("rare", ["held out", "learnt from"])
def test_permutation_where_a_part_of_the_rows_lacks_a_class(rare):
    X, _ = planted(400)
    y = np.where(X["c3"] % 2, "a", "b").astype(object)
    for at in [8] if rare == "held out" else [1, 2, 3]:
        y[at] = "c"
    y[5] = "d"
    scores = scores_of(fitted(X, y, criterion="permutation"))
    assert scores.idxmax() == "c3" and np.isfinite(scores).all()


def test_a_forest_is_that_of_scikit_learn():
    from sklearn.ensemble import RandomForestClassifier

    X, y = planted()
    ranker = fitted(X, y, criterion="random_forest")
    forest = RandomForestClassifier(200, min_samples_leaf=5, random_state=1).fit(X, y)
    scores = scores_of(ranker)[list(X)]
    assert scores.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(scores, forest.feature_importances_, atol=0.06)


@pytest.mark.parametrize("score", heuristics.NAMES)
def test_models_of_a_numeric_target(score):
    X, _ = planted(500)
    y = X["c3"] + np.random.default_rng(0).normal(0, 0.3, 500)
    ranker = fitted(X, y, criterion=score)
    assert ranker.task_ == "regression"
    assert ranker.scores_["feature"][0] == "c3"


@pytest.mark.parametrize("score", heuristics.NAMES)
def test_models_do_not_warn_of_their_own(score):
    X, y = planted(300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(X, y, criterion=score)


def test_a_model_seeds_itself():
    X, y = planted(300)
    one = fitted(X, y, criterion="random_forest")
    again = fitted(X, y, criterion="random_forest")
    other = fitted(X, y, criterion="random_forest", random_state=1)
    assert one.scores_.equals(again.scores_)
    assert not one.scores_["score"].equals(other.scores_["score"])


def surrogate_data():
    """Two columns that say the same, and one that adds to them."""
    rng = np.random.default_rng(0)
    n = 1200
    X = pd.DataFrame({"known": rng.integers(0, 4, n), "new": rng.integers(0, 4, n)})
    X["copy"] = (X["known"] + 1) % 4
    X["noise"] = rng.integers(0, 4, n)
    p = 0.05 + 0.4 * (X["known"] % 2) + 0.3 * (X["new"] % 2)
    return X, (rng.random(n) < p).astype(int)


def test_a_surrogate_scores_what_is_added_to_a_model():
    X, y = surrogate_data()
    plain = scores_of(fitted(X, y, criterion="surrogate"))
    assert plain["copy"] > plain["new"] > plain["noise"] + 0.01
    assert plain["copy"] == pytest.approx(plain["known"], abs=1e-3)
    added = scores_of(fitted(X, y, criterion="surrogate", reference_features=["known"]))
    assert added.drop("known").idxmax() == "new" and added["new"] > 0.02
    assert abs(added["copy"]) < 0.005 and abs(added["noise"]) < 0.005
    # and what the model would lose without its own
    assert added["known"] == pytest.approx(plain["known"], abs=1e-3)


@pytest.mark.parametrize("reference", [["a", "b"], ["a,b"]])
def test_few_distinct_rows_have_models_too(reference):
    """A column that adds nothing costs next to nothing, and no model is needed."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.integers(0, 2, (600, 3)), columns=["a", "b", "c"])
    y = X["a"] ^ X["b"]
    scores = scores_of(
        fitted(X, y, criterion="surrogate", reference_features=reference)
    )
    assert abs(scores["c"]) < 0.05


def test_permutation_among_few_distinct_rows():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.integers(0, 2, (2000, 2)), columns=["a", "b"])
    y = X["a"] ^ (rng.random(2000) < 0.1)
    scores = scores_of(fitted(X, y, criterion="permutation"))
    assert scores["a"] > 0.5 and abs(scores["b"]) < 0.05


def test_a_reference_of_combinations(tmp_path):
    X, y = planted(300)
    X = X[["c1", "c2", "c3"]]
    plain = scores_of(fitted(X, y, criterion="surrogate"))
    params = {"criterion": "surrogate", "reference_features": ["c3,c1"]}
    given = scores_of(fitted(X, y, **params))
    assert plain["c3"] > 0.1 > given["c3"]  # known already, and more beside
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"desc": {"features": ["c3,c1"]}}))
    for name in (path, str(path)):
        params["reference_features"] = name
        assert scores_of(fitted(X, y, **params)).equals(given)
    path.write_text("{}")
    with pytest.raises(ValueError, match="is no reference model: a JSON file"):
        fitted(X, y, **params)
    with pytest.raises(ValueError, match="names 'd', no column of X"):
        fitted(X, y, criterion="surrogate", reference_features=["c3,d"])


@pytest.mark.parametrize(
    "score",
    [
        "random_forest",
        "ami",
    ],
)
def test_a_reference_is_for_surrogates_alone(score):
    X, y = planted(100)
    with pytest.raises(ValueError, match="goes with criterion='surrogate'"):
        fitted(X, y, criterion=score, reference_features=["c0"])
