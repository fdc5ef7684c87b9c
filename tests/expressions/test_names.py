"""Names of features in models, frames and SQL; the warning about the user's own."""

from __future__ import annotations

import re
import sqlite3

import numpy as np
import pandas as pd
import polars as pl
import pytest

from featurekit import OpenFE, OutRank
from featurekit.exceptions import FeatureKitWarning
from featurekit.expressions import OPERATORS, Call, Column, Literal, parse
from featurekit.expressions.naming import warn_of_refused
from featurekit.expressions.operators import Alias
from featurekit.generation.report import in_words

lightgbm = pytest.importorskip("lightgbm")

OF_KIND = {"numeric": "price", "key": "city", "datetime": "date", "any": "area"}


def one_of_each():
    """A feature of every operator, with all its arguments and without the last."""
    nodes = []
    for op in OPERATORS.values():
        if isinstance(op, Alias):
            continue
        if op.takes_any_number:
            kinds = [op.input_kind(0)] * 3
        else:
            kinds = [op.input_kind(i) for i in range(len(op.inputs))]
        args = tuple(
            Literal("yes") if kind == "literal" else Column(f"{OF_KIND[kind]}{i}")
            for i, kind in enumerate(kinds)
        )
        nodes += [Call(op.name, args[:n]) for n in (len(args) - 1, len(args))
                  if op.takes(n)]  # fmt: skip
    nodes.append(parse("mean(price/area|city&month)"))
    nodes.append(parse("cross((a&b)&bin(x+y))"))
    return nodes


NAMES = [node.name for node in one_of_each()]
TABLE = np.random.default_rng(0).normal(size=(50, len(NAMES)))


def test_names_are_distinct_and_read_back():
    assert len(set(NAMES)) == len(NAMES)
    assert [parse(name) for name in NAMES] == one_of_each()


def test_lightgbm_takes_every_name():
    data = lightgbm.Dataset(
        TABLE, TABLE[:, 0], feature_name=NAMES, params={"verbosity": -1}
    )
    model = lightgbm.train({"num_iterations": 1, "verbosity": -1}, data)
    assert model.feature_name() == NAMES


def test_lightgbm_takes_a_frame_with_every_name(recwarn):
    frame = pd.DataFrame(TABLE, columns=NAMES)
    model = lightgbm.LGBMRegressor(n_estimators=1, verbosity=-1)
    model.fit(frame, TABLE[:, 0])
    assert model.feature_name_ == NAMES
    assert not [w for w in recwarn if "whitespace" in str(w.message)]


def test_xgboost_takes_every_name():
    xgboost = pytest.importorskip("xgboost")
    data = xgboost.DMatrix(TABLE, TABLE[:, 0], feature_names=NAMES)
    model = xgboost.train({}, data, 1)
    assert model.feature_names == NAMES


def test_catboost_takes_every_name():
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostRegressor(
        iterations=1, verbose=0, allow_writing_files=False
    )
    model.fit(pd.DataFrame(TABLE, columns=NAMES), TABLE[:, 0])
    assert model.feature_names_ == NAMES


def test_frames_and_sql_take_every_name(tmp_path):
    frame = pl.DataFrame(TABLE, schema=NAMES)
    assert frame.select(pl.col(name) for name in NAMES).columns == NAMES
    frame.write_parquet(tmp_path / "made.parquet")
    assert pl.read_parquet(tmp_path / "made.parquet").columns == NAMES
    with sqlite3.connect(":memory:") as database:
        columns = ", ".join(f'"{name}"' for name in NAMES)
        database.execute(f"create table made ({columns})")
        found = database.execute(f"select {columns} from made").description
    assert [column[0] for column in found] == NAMES


def test_names_that_models_refuse_are_named_once():
    nodes = [parse("a/b"), parse("`a,b`-c"), parse("`x,y`*c")]
    with pytest.warns(FeatureKitWarning) as caught:
        warn_of_refused(nodes)
    (warning,) = caught
    text = str(warning.message)
    assert "'`a,b`-c' has a ','" in text and "LightGBM refuses" in text
    assert "Rename the column" in text


@pytest.mark.parametrize(
    "name, who", [("a[0]", "LightGBM and XGBoost refuse"), ("a<1", "XGBoost refuses")]
)
def test_the_models_that_refuse_are_named(name, who):
    with pytest.warns(FeatureKitWarning, match=who):
        warn_of_refused([Call("log", (Column(name),))])


@pytest.mark.parametrize("name", ["living area", "NT-proBNP", "größe", "a/b", "`"])
def test_other_odd_columns_need_no_warning(name, recwarn):
    warn_of_refused([Call("log", (Column(name),))])
    assert not recwarn.list


def odd_table(n=200):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(1, 2, (n, 2)), columns=["mass, kg", "volume"])
    return X, X["mass, kg"] / X["volume"]


def test_openfe_warns_of_the_users_own_columns():
    X, y = odd_table()
    maker = OpenFE(n_features=1, operators=["/"], random_state=0, cv=3)
    with pytest.warns(FeatureKitWarning, match="`mass, kg`/volume"):
        maker.fit(X, y)
    assert maker.get_feature_names_out()[-1] == "`mass, kg`/volume"


def test_outrank_warns_of_the_users_own_columns():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.integers(0, 2, (400, 2)), columns=["a:b", "c"]).astype(str)
    y = (X["a:b"] == X["c"]).astype(int)
    with pytest.warns(FeatureKitWarning, match=r"cross\(`a:b`&c\)"):
        ranker = OutRank(order=2, random_state=0).fit(X, y)
    assert ranker.get_feature_names_out()[-1] == "cross(`a:b`&c)"


def test_old_and_new_names_of_operators_find_the_same():
    X, y = odd_table()
    X = X.rename(columns={"mass, kg": "mass"}).assign(kind=["p", "q"] * 100)
    found = [
        OpenFE(n_features=2, operators=operators, random_state=0, cv=3).fit(X, y)
        for operators in (
            ["GroupByThenMean", "CombineThenFreq", "/", "TargetMean"],
            ["mean", "pair_freq", "/", "target_mean"],
        )
    ]
    assert found[0].features_ == found[1].features_
    pd.testing.assert_frame_equal(found[0].report_, found[1].report_)
    assert set(found[0].report_["operator"]) >= {"mean", "/", "target_mean"}
    assert found[0].explain("mass / volume") == found[0].explain("mass/volume")


WORDS = {
    "price/area": "price divided by area, missing where that is 0",
    "mean(price|city)": "the mean price of this city",
    "min(price|city)": "the least price of this city",
    "min(price;area)": "the lesser of price and area",
    "target_mean(city&month)": "the smoothed mean of the target, or rate of its class, "
    "for this (the pair of city and month)",
    "count_missing(a;b)": "how many of a, b are missing in the row",
    "log(price-cost)": "the natural logarithm of |(price minus cost)|, missing at 0",
}


@pytest.mark.parametrize("name", WORDS)
def test_features_in_words(name):
    assert in_words(parse(name)) == WORDS[name]


def test_a_class_is_said_in_words():
    assert in_words(parse("target_rate(city;'yes')")).endswith("for this city ('yes')")


def crossed(library):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.integers(0, 6, (900, 2)), columns=["a", "b"]).astype(str)
    y = (X["a"] == X["b"]).astype(int)
    return (pl.from_pandas(X) if library == "polars" else X), y


@pytest.mark.parametrize("output_format", ["category", "input"])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_labels_of_crosses_are_text_in_fit_and_in_transform(library, output_format):
    """Digits such as "05" would be numbers to a linear model."""
    X, y = crossed(library)
    ranker = OutRank(
        order=2, n_features_to_select=1, output_format=output_format, random_state=0
    )
    train = ranker.fit_transform(X, y)
    name = ranker.crosses_[0].name
    some = ranker.transform(X[:5])
    assert train[name].dtype == some[name].dtype
    labels = {str(label) for label in train[name]}
    assert len(labels) == 36
    assert all(re.fullmatch(r"k\d\d", label) for label in labels)
    with pytest.raises(ValueError, match="could not convert string"):
        np.asarray(train[name].to_numpy(), dtype=float)


def test_pairs_of_openfe_have_the_same_categories_out_of_fold():
    X, y = crossed("pandas")
    maker = OpenFE(
        1, operators=["combine"], cv=3, random_state=0, output_format="category"
    )
    train = maker.fit_transform(X, y)["a&b"]
    assert train.dtype == maker.transform(X.head())["a&b"].dtype
    assert train.cat.categories[0] == "k00"
