"""Models fit and predict behind every transformer, with no step of the user's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from lightgbm import LGBMClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from featurekit import OpenFE, OutRank
from featurekit.exceptions import SchemaError
from featurekit.selection import (
    MRMR,
    OMP,
    BorutaShadow,
    DisCo,
    InfFS,
    StabilitySelection,
)

N = 240


def table():
    """Text, categories, booleans, dates and missing values of several types."""
    rng = np.random.default_rng(0)
    gone = rng.random(N) < 0.1
    price, area = rng.uniform(1, 9, N), rng.uniform(1, 9, N)
    city = rng.choice(["Rome", "Paris", "Oslo"], N)
    X = pd.DataFrame(
        {
            "price": pd.Series(price).mask(gone),
            "area": area,
            "rooms": pd.array(rng.integers(1, 6, N), "Int64"),
            "city": pd.Series(city).mask(rng.random(N) < 0.1),
            "kind": pd.Categorical(rng.choice(["a", "b"], N)),
            "new": pd.array(rng.random(N) < 0.5, "boolean"),
            "sold": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 300, N), unit="D"),
            "nothing": pd.Series([None] * N, dtype=object),
        }
    )
    X.loc[3, "new"] = pd.NA
    y = (price > area).astype(int) ^ ((city == "Rome") & (rng.random(N) < 0.5))
    return X, y


def frame_of(library, X):
    if library == "polars":
        return pl.from_pandas(X)
    if library == "pyarrow":
        return pa.Table.from_pandas(X, preserve_index=False)
    return X


def small(**parameters):
    return OpenFE(
        **{"n_features": 3, "random_state": 0, "cv": 2, "max_candidates": 60}
        | parameters
    )


TRANSFORMERS = {
    "OpenFE": small(),
    "OutRank": OutRank(order=2),
    "InfFS": InfFS("unsupervised", n_features_to_select=7, alpha=0.5),
    "DisCo": DisCo(n_features_to_select=7),
    "MRMR": MRMR(7),
    "OMP": OMP(7),
    "BorutaShadow": BorutaShadow(7, max_iter=5, random_state=0),
    "StabilitySelection": StabilitySelection(
        MRMR(7), n_features_to_select=7, n_resamples=4, random_state=0
    ),
}


def model(name):
    if name == "LightGBM":
        return LGBMClassifier(n_estimators=3, verbosity=-1, n_jobs=1)
    if name == "HistGradientBoosting":
        return HistGradientBoostingClassifier(max_iter=3)
    if name == "XGBoost":
        xgboost = pytest.importorskip("xgboost")
        return xgboost.XGBClassifier(n_estimators=3, n_jobs=1)
    catboost = pytest.importorskip("catboost")
    return catboost.CatBoostClassifier(
        iterations=3, verbose=0, thread_count=1, allow_writing_files=False
    )


MODELS = ["LightGBM", "HistGradientBoosting", "XGBoost", "CatBoost"]


@pytest.mark.parametrize("model_name", MODELS)
@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_a_model_behind_a_transformer(transformer, library, model_name):
    X, y = table()
    line = make_pipeline(TRANSFORMERS[transformer], model(model_name))
    line.fit(frame_of(library, X[:200]), y[:200])
    later = frame_of(library, X[200:])
    whole = line.predict_proba(later)
    assert np.isfinite(whole).all()
    # a batch that lacks some categories, and a row alone
    np.testing.assert_array_equal(line.predict_proba(later[:2]), whole[:2])
    np.testing.assert_array_equal(line.predict_proba(later[:1]), whole[:1])
    strange = X[200:].assign(city="elsewhere", kind="c", price=np.nan)
    assert np.isfinite(line.predict_proba(frame_of(library, strange))).all()


@pytest.mark.parametrize("transformer", ["OpenFE", "OutRank", "MRMR"])
def test_categories_of_pandas_for_models_that_treat_them_apart(transformer):
    X, y = table()
    maker = TRANSFORMERS[transformer].set_params(output_format="category")
    try:
        for name in ("LightGBM", "HistGradientBoosting"):
            line = make_pipeline(maker, model(name)).fit(X[:200], y[:200])
            whole = line.predict_proba(X[200:])
            np.testing.assert_array_equal(line.predict_proba(X[200:201]), whole[:1])
            strange = X[200:].assign(city="elsewhere")
            assert np.isfinite(line.predict_proba(strange)).all()
        out = line[0].transform(X[:1])
        assert out["city"].cat.categories.tolist() == ["Oslo", "Paris", "Rome"]
    finally:
        maker.set_params(output_format="codes")


@pytest.mark.parametrize("format", ["input", "category"])
def test_a_linear_model_refuses_crosses_as_categories_in_fit(format):
    """Not in predict, after it has taken their labels for numbers."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.integers(0, 4, 300), "b": rng.integers(0, 4, 300)})
    y = (X["a"] + X["b"]) % 2
    line = make_pipeline(OutRank(order=2, output_format=format), Ridge())
    with pytest.raises(ValueError, match="could not convert string to float: 'k"):
        line.fit(X, y)
    for good in ("codes", "onehot"):
        line = make_pipeline(OutRank(order=2, output_format=good), Ridge()).fit(X, y)
        assert np.isfinite(line.predict(X[:3])).all()


def test_categories_for_xgboost():
    xgboost = pytest.importorskip("xgboost")
    X, y = table()
    tree = xgboost.XGBClassifier(n_estimators=3, n_jobs=1, enable_categorical=True)
    line = make_pipeline(small(output_format="category"), tree).fit(X[:200], y[:200])
    whole = line.predict_proba(X[200:])
    np.testing.assert_array_equal(line.predict_proba(X[200:201]), whole[:1])


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_a_linear_model_behind_a_transformer(transformer, library):
    X, y = table()
    maker = TRANSFORMERS[transformer].set_params(output_format="onehot")
    try:
        for linear in (Ridge(), LogisticRegression(max_iter=20_000)):
            line = make_pipeline(maker, linear)
            if library == "pyarrow":
                line.set_output(transform="pandas")
            line.fit(frame_of(library, X[:200]), y[:200])
            out = line.predict(frame_of(library, X[200:]))
            assert np.isfinite(out).all()
            strange = X[200:].assign(city="elsewhere", price=np.nan, area=np.inf)
            assert np.isfinite(line.predict(frame_of(library, strange))).all()
    finally:
        maker.set_params(output_format="codes")


@pytest.mark.parametrize("format", ["codes", "category", "onehot", "input"])
@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_names_are_those_of_the_columns(transformer, format):
    X, y = table()
    maker = TRANSFORMERS[transformer].set_params(output_format=format)
    try:
        maker.fit(X, y)
        names = maker.get_feature_names_out().tolist()
        for container in ("default", "pandas", "polars"):
            out = maker.set_output(transform=container).transform(X[:9])
            assert list(out.columns) == names and len(set(names)) == len(names)
        out = maker.set_output(transform="pandas").transform(X[5:9])
        assert out.index.tolist() == [5, 6, 7, 8]
    finally:
        maker.set_params(output_format="codes").set_output(transform="default")


@pytest.mark.parametrize("format", ["codes", "category", "onehot", "input"])
@pytest.mark.parametrize("kind", [OpenFE, OutRank])
def test_stored_and_read_back(kind, format, tmp_path):
    X, y = table()
    maker = small() if kind is OpenFE else OutRank(order=2, n_features_to_select=5)
    maker.set_params(output_format=format).fit(X, y)
    maker.to_json(tmp_path / "f.json")
    again = kind.from_json(tmp_path / "f.json")
    assert again.output_format == format
    later = X[::-7].assign(city=["Rome", "elsewhere", None] * 11 + ["Oslo"] * 2)
    pd.testing.assert_frame_equal(again.transform(later), maker.transform(later))


def test_values_of_fit_transform_and_transform_have_the_same_columns():
    X, y = table()
    maker = small(n_features=10, output_format="onehot")
    train = maker.fit_transform(X, y)
    assert train.columns.tolist() == maker.transform(X).columns.tolist()
    assert np.isfinite(train.to_numpy()).all()


# -- order of columns, and columns more ------------------------------------------------


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("format", ["codes", "category", "onehot", "input"])
def test_the_columns_of_fit_in_its_order_whatever_comes_in(library, format):
    X, y = table()
    maker = small(extra_columns="ignore", output_format=format)
    maker.fit(frame_of(library, X), y)
    expected = maker.transform(frame_of(library, X))
    names = maker.get_feature_names_out().tolist()
    others = X[X.columns[::-1]].assign(id=np.arange(N), price_=1.0)
    out = maker.transform(frame_of(library, others))
    assert list(getattr(out, "column_names", out.columns)) == names
    assert out.equals(expected)
    for container in ("pandas", "polars"):
        framed = maker.set_output(transform=container).transform(
            frame_of(library, others)
        )
        assert list(framed.columns) == names


def test_reordered_columns_do_not_change_predictions():
    X, y = table()
    line = make_pipeline(
        small(extra_columns="ignore", output_format="onehot"), Ridge()
    ).set_output(transform="pandas")
    expected = line.fit(X, y).predict(X)
    shuffled = X[X.columns[::-1]].assign(more=7)
    np.testing.assert_array_equal(line.predict(shuffled), expected)


@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_reordered_and_other_columns_are_refused_by_default(transformer):
    X, y = table()
    maker = TRANSFORMERS[transformer].fit(X, y)
    with pytest.raises(ValueError, match="order|should match"):
        maker.transform(X[X.columns[::-1]])
    with pytest.raises(ValueError, match="unseen at fit time"):
        maker.transform(X.assign(more=1))


def test_a_column_of_another_kind_is_refused_where_it_is_given_back():
    X, y = table()
    with pytest.raises(SchemaError, match="'city' is of the wrong kind"):
        MRMR(8).fit(X, y).transform(X.assign(city=1.5))
