"""OpenFE as its users meet it."""

from __future__ import annotations

import json
import pickle
import signal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from featurekit import OpenFE
from featurekit.exceptions import (
    BackendUnavailableError,
    FeatureFileError,
    FeatureKitWarning,
    LeakageWarning,
    SchemaError,
)
from featurekit.generation import openfe

FEW = ["+", "-", "*", "/", "mean", "target_mean", "rank"]


def small(**params):
    return OpenFE(**({"operators": FEW, "cv": 4, "random_state": 0} | params))


def numbers(frame):
    if isinstance(frame, pl.DataFrame):
        return frame.to_numpy()
    if isinstance(frame, pa.Table):
        return frame.to_pandas().to_numpy(dtype=float)
    return np.asarray(frame, dtype=float)


def test_finds_the_planted_ratio(mixed):
    X, y = mixed
    maker = small(n_features=8).fit(X, y)
    assert "price/area" in [feature.name for feature in maker.features_]
    kept = maker.report_[maker.report_["stage"] == "kept"]
    assert list(kept["feature"]) == [f.name for f in maker.features_]
    assert maker.report_["feature"].is_unique
    assert "kept, number 1" in maker.explain(maker.features_[0])


def test_gate_keeps_a_strong_feature():
    rng = np.random.default_rng(0)
    X = rng.uniform(1, 10, (2000, 4))
    y = X[:, 0] / X[:, 1] + rng.normal(0, 0.1, 2000)
    maker = OpenFE(random_state=0).fit(X, y)
    assert "x0/x1" in [feature.name for feature in maker.features_]
    best = maker.gate_.gain[maker.gate_.sizes.index(maker.gate_.n_features)]
    assert best > maker.gate_.standard_error[1]


def test_noise_keeps_nothing():
    kept = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(500, 5))
        y = rng.normal(size=500)
        kept.append(len(OpenFE(random_state=seed).fit(X, y).features_))
    assert sum(k == 0 for k in kept) >= 3


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_same_from_every_frame(mixed, task):
    X, y = mixed
    X = X.drop(columns="sold")
    if task != "regression":
        y = np.digitize(y, np.quantile(y, [0.5] if task == "binary" else [0.3, 0.7]))
    made = {}
    for name, frame in {
        "pandas": X,
        "polars": pl.from_pandas(X),
        "arrow": pa.Table.from_pandas(X, preserve_index=False),
    }.items():
        maker = small(n_features=5, keep_input=False)
        out = maker.fit_transform(frame, y)
        assert type(out) is type(frame)
        made[name] = (
            [f.name for f in maker.features_],
            numbers(out),
            numbers(maker.transform(frame)),
            maker.report_["score"].to_numpy(),
        )
    for name in ("polars", "arrow"):
        assert made[name][0] == made["pandas"][0]
        for a, b in zip(made[name][1:], made["pandas"][1:], strict=True):
            np.testing.assert_array_equal(a, b)


def test_numpy_equals_pandas():
    rng = np.random.default_rng(0)
    X = rng.uniform(1, 5, (400, 3))
    y = X[:, 0] / X[:, 1]
    a = small(n_features=3).fit(X, y)
    b = small(n_features=3).fit(pd.DataFrame(X, columns=["x0", "x1", "x2"]), y)
    assert [f.name for f in a.features_] == [f.name for f in b.features_]
    assert isinstance(a.transform(X), np.ndarray)


def test_one_row_a_batch_or_all_rows(mixed):
    X, y = mixed
    maker = small(n_features=10, keep_input=False).fit(X, y)
    whole = maker.transform(X).to_numpy()
    one = np.vstack([maker.transform(X.iloc[[i]]).to_numpy() for i in range(20)])
    np.testing.assert_array_equal(whole[:20], one)
    np.testing.assert_array_equal(
        whole[100:300], maker.transform(X[100:300]).to_numpy()
    )


def test_threads_do_not_change_the_result(mixed):
    X, y = mixed
    one = small(n_features=8, n_jobs=1).fit(X, y)
    two = small(n_features=8, n_jobs=2).fit(X, y)
    pd.testing.assert_frame_equal(one.report_, two.report_)


def test_training_rows_get_out_of_fold_values():
    """A key seen once must look unseen to its own row, as it will to a new one."""
    rng = np.random.default_rng(0)
    n = 400
    X = pd.DataFrame({"id": [f"k{i}" for i in range(n)], "x": rng.normal(size=n)})
    X.loc[: n // 2, "id"] = "common"
    y = rng.normal(size=n) + (X["id"] == "common")
    maker = OpenFE(n_features=1, operators=["target_mean"], random_state=0, cv=4)
    out = maker.fit_transform(X, y)
    rare = (X["id"] != "common").to_numpy()
    name = maker.features_[0].name
    # the smoothed overall mean of the other folds: one value per fold
    assert len(np.unique(out[name].to_numpy()[rare])) == 4
    assert len(np.unique(maker.transform(X)[name].to_numpy()[rare])) > 100


def test_json_round_trip(mixed, tmp_path):
    X, y = mixed
    maker = small(n_features=10).fit(X, y)
    maker.to_json(tmp_path / "f.json")
    again = OpenFE.from_json(tmp_path / "f.json")
    pd.testing.assert_frame_equal(maker.transform(X), again.transform(X))
    assert list(again.get_feature_names_out()) == list(maker.get_feature_names_out())
    copy = pickle.loads(pickle.dumps(maker))
    pd.testing.assert_frame_equal(maker.transform(X), copy.transform(X))


def test_damaged_and_newer_files(mixed, tmp_path):
    X, y = mixed
    path = tmp_path / "f.json"
    small(n_features=2).fit(X, y).to_json(path)
    data = json.loads(path.read_text())
    for broken, match in (
        (path.read_text()[:100], "damaged"),
        (json.dumps(data | {"format_version": 99}), "Upgrade"),
        (json.dumps({"a": 1}), "no file of features"),
        (json.dumps(data | {"keep_input": False}), "changed after it was written"),
        (json.dumps(data | {"format_version": 1, "schema": 3}), "its 'schema' is 3"),
    ):
        path.write_text(broken)
        with pytest.raises(FeatureFileError, match=match):
            OpenFE.from_json(path)


def test_pipeline_groups_time_and_order(mixed):
    X, y = mixed
    numeric = X[["price", "area", "rooms"]]
    line = make_pipeline(small(n_features=3), LinearRegression()).fit(numeric, y)
    assert line.score(numeric, y) > LinearRegression().fit(numeric, y).score(numeric, y)
    groups = np.arange(len(y)) % 30
    small(n_features=2, cv=GroupKFold(4)).fit(X, y, groups=groups)
    small(n_features=2).fit(X, y, groups=groups)
    small(cv=TimeSeriesSplit(5)).fit(X, y)
    deep = small(n_features=3, order=2, operators=["+", "/"]).fit(X, y)
    assert deep.report_["feature"].str.count(r"[+/]").max() > 1


@pytest.mark.parametrize("metric", ["rmse", "mae", "poisson"])
def test_regression_metrics(mixed, metric):
    X, y = mixed
    y = np.floor(2 * np.abs(y)) if metric == "poisson" else y
    maker = small(metric=metric, task="regression", n_features=2).fit(X, y)
    assert maker.base_score_ > 0 and len(maker.features_) == 2


def test_auc_permutation_estimator_and_weights(mixed):
    X, y = mixed
    label = np.where(y > np.median(y), "yes", "no")
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    maker = small(metric="auc", importance="permutation")
    maker.fit(X, label, sample_weight=weight)
    assert 0.5 < maker.base_score_ <= 1 and list(maker.classes_) == ["no", "yes"]
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(n_estimators=20, verbosity=-1)
    small(estimator=model, n_features=2).fit(X, label)


def test_estimate_and_budgets(mixed):
    X, y = mixed
    forecast = small().estimate(X, y)
    maker = small(n_features=3).fit(X, y)
    assert forecast["n_candidates"] == maker.n_candidates_
    assert forecast["seconds"] > 0 and forecast["bytes"] > 0
    assert small(n_features=2, max_candidates=5).fit(X, y).n_candidates_ == 5
    with pytest.raises(MemoryError, match="memory_limit"):
        small(memory_limit=1000).fit(X, y)
    with pytest.warns(FeatureKitWarning, match="unjudged"):
        short = small(time_budget=0).fit(X, y)
    assert "time_budget" in short.stopped_


def _frame(**columns):
    return pd.DataFrame(columns)


BAD = [
    (np.empty((0, 3)), [], ValueError, "0 sample"),
    (np.empty((5, 0)), [1.0] * 5, ValueError, "0 feature"),
    (np.ones((1, 2)), [1.0], ValueError, "1 sample"),
    (np.random.rand(30, 2), ["a"] * 30, ValueError, "one class"),
    (np.random.rand(30, 2), [1.5] * 30, ValueError, "nothing to learn"),
    (np.random.rand(3, 2), [1.0, np.nan, 2.0], ValueError, "Drop those rows"),
    (_frame(a=["x", 1, "y"]), [1.0, 2.5, 3.0], SchemaError, "mixes types"),
    (np.random.rand(30, 2), np.arange(20.0), ValueError, "inconsistent numbers"),
]


@pytest.mark.parametrize("X, y, error, match", BAD)
def test_bad_input_in_fit(X, y, error, match):
    with pytest.raises(error, match=match):
        OpenFE(random_state=0).fit(X, y)


def test_more_bad_input(mixed):
    X, y = mixed
    twice = pd.concat([X[["price"]], X[["price"]]], axis=1)
    with pytest.raises(SchemaError, match="more than once"):
        small().fit(twice, y)
    with pytest.raises(BackendUnavailableError, match="CUDA"):
        small(device="cuda").fit(X, y)
    with pytest.raises(ValueError, match="no operator"):
        small(operators=["nope"]).fit(X, y)
    with pytest.raises(ValueError, match="in place of metric"):
        small(metric="logloss").fit(X, y)
    with pytest.warns(LeakageWarning, match="same"):
        small(n_features=1).fit(X.assign(same=y), y)


def test_nothing_to_make_features_of():
    X = pd.DataFrame({"c": [1.0] * 60, "n": [np.nan] * 60})
    y = np.random.default_rng(0).normal(size=60)
    maker = OpenFE(random_state=0).fit(X, y)
    assert maker.features_ == [] and maker.transform(X).shape == (60, 2)


def test_infinities_count_as_missing():
    rng = np.random.default_rng(0)
    X = rng.uniform(1, 5, (300, 3))
    y = X[:, 0] / X[:, 1]
    X[::7, 0] = np.inf
    out = small(n_features=3, keep_input=False).fit(X, y).transform(X)
    assert not np.isinf(out).any()


def test_bad_input_in_transform(mixed):
    X, y = mixed
    maker = small(n_features=3).fit(X, y)
    with pytest.raises(ValueError, match="area"):
        maker.transform(X.drop(columns="area"))
    with pytest.raises(SchemaError, match="numeric"):
        maker.transform(X.assign(area="big"))
    with pytest.raises(ValueError):
        maker.transform(X.assign(more=1))
    maker.set_params(extra_columns="ignore")
    shuffled = X.assign(more=1)[["more", *X.columns[::-1]]]
    a, b = maker.transform(shuffled), maker.transform(X)
    for feature in maker.features_:
        pd.testing.assert_series_equal(a[feature.name], b[feature.name])
    unseen = X.assign(city="elsewhere")
    assert maker.transform(unseen).shape == b.shape


def test_one_split_scores_alone_or_says_why_not(mixed):
    X, y = mixed
    rows = np.arange(len(y))
    split = [(rows[: len(y) // 2], rows[len(y) // 2 :])]
    maker = small(n_features=3, feature_boosting=False, cv=split).fit(X, y)
    assert len(maker.features_) == 3
    assert (maker.report_["score"] > 0).any()
    with pytest.raises(ValueError, match="feature_boosting=False"):
        small(n_features=3, cv=split).fit(X, y)


def ratio_task(seed, n=1500):
    """A label that a ratio decides, and columns of many values beside it."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "income": rng.lognormal(10, 0.5, n),
            "debt": rng.lognormal(9, 0.8, n),
            "job": rng.choice(["nurse", "clerk", "cook", "pilot"], n),
        }
    )
    return X, X["debt"] / X["income"] > rng.lognormal(-1, 0.4, n)


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_ratio_comes_first(seed):
    X, late = ratio_task(seed)
    maker = OpenFE(3, random_state=seed).fit(X, late)
    assert set(maker.features_[0].columns()) == {"debt", "income"}
    assert "/" in maker.features_[0].name


def test_fewer_are_kept_than_asked_for_where_no_more_help():
    rng = np.random.default_rng(2)
    X = pd.DataFrame({"id": np.arange(400), "a": rng.normal(size=400)})
    y = rng.normal(size=400)
    with pytest.warns(FeatureKitWarning, match="n_features=20, but only"):
        maker = OpenFE(20, random_state=0, operators=FEW).fit(X, y)
    assert len(maker.features_) < 20
    kept = maker.report_[maker.report_["stage"] == "kept"]
    assert (kept["score"] > 0).all()
    dropped = maker.report_["reason"] == "does not reduce the held-out loss"
    assert (maker.report_.loc[dropped, "score"] <= 0).all() and dropped.any()


def test_truncate_is_a_fit_with_fewer_features(mixed):
    X, y = mixed
    maker = small(n_features=8).set_output(transform="pandas")
    out = maker.fit_transform(X, y)
    cut = maker.truncate(3)
    again = small(n_features=3).fit(X, y)
    assert cut.features_ == again.features_ and cut.n_features == 3
    pd.testing.assert_frame_equal(cut.report_, again.report_)
    pd.testing.assert_frame_equal(cut.transform(X), again.transform(X))
    assert list(out.columns[: X.shape[1] + 3]) == list(cut.get_feature_names_out())
    assert len(maker.features_) == 8  # the first is as it was
    more = maker.truncate(12)
    assert len(more.features_) == 12 and more.features_[:8] == maker.features_
    assert more.transform(X).shape[1] == X.shape[1] + 12
    none = maker.truncate(0)
    assert none.transform(X).shape == X.shape
    with pytest.raises(ValueError, match="greater n_features"):
        maker.truncate(1000)


def test_a_fit_that_fails_or_is_interrupted_leaves_the_former(mixed, monkeypatch):
    X, y = mixed
    maker = small(n_features=3).fit(X, y)
    before = maker.transform(X)
    other = X[["price", "area"]].rename(columns={"area": "new"})
    with pytest.raises(ValueError):
        maker.fit(other, np.full(len(y), "one class"))

    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("featurekit.generation.openfe.fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            maker.fit(other, y)
    pd.testing.assert_frame_equal(maker.transform(X), before)
    assert maker.n_features_in_ == X.shape[1]
    numbers_only = X[["price", "area"]].to_numpy()
    maker.fit(numbers_only, y)
    assert not hasattr(maker, "feature_names_in_")


def test_ctrl_c_during_the_search_keeps_what_was_found(mixed, monkeypatch, ctrl_c):
    X, y = mixed
    from featurekit.generation import search

    scored = []
    score = search.Screener.drops

    def stopping(self, nodes, *args):
        scored.extend(nodes)
        if len(scored) > 30:
            signal.raise_signal(signal.SIGINT)
        return score(self, nodes, *args)

    monkeypatch.setattr(search.Screener, "drops", stopping)
    with pytest.warns(FeatureKitWarning, match="interrupted"):
        maker = small().fit(X, y)
    assert maker.stopped_ == "interrupted" and len(maker.features_) > 0
    assert 30 < maker.n_candidates_ == len(scored)
    assert maker.transform(X).shape == (len(X), X.shape[1] + len(maker.features_))


def first(X, n):
    return X.iloc[:, :n]


def test_a_grid_over_numbers_of_features_searches_once_a_fold(
    mixed, tmp_path, monkeypatch
):
    X, y = mixed
    numeric = X[["price", "area", "rooms"]]
    searched = []
    find = openfe.find_features

    def spy(*args):
        searched.append(1)
        return find(*args)

    monkeypatch.setattr(openfe, "find_features", spy)
    pipeline = make_pipeline(
        small(n_features=4, operators=["+", "-", "*", "/"]),
        FunctionTransformer(first),
        LinearRegression(),
        memory=str(tmp_path),
    )
    sizes = [{"n": 3 + k} for k in (0, 1, 2, 4)]
    grid = GridSearchCV(pipeline, {"functiontransformer__kw_args": sizes}, cv=2)
    grid.fit(numeric, y)
    assert len(searched) == 3  # two folds, and once on all rows
    assert grid.best_params_["functiontransformer__kw_args"]["n"] > 3
