"""What orders the rows alike: the same to trees, as a feature, and to nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRegressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from featurekit import OpenFE
from featurekit.exceptions import FeatureKitWarning
from featurekit.generation.model import is_of_trees


def table(n=600, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.uniform(0.1, 10, (n, 3)), columns=["a", "b", "c"])


def find(X, y, **params):
    return OpenFE(random_state=0, cv=3, **params).fit(X, y)


def test_squares_are_found_where_abs_is_no_operator():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(600, 2)), columns=["a", "b"])
    maker = find(X, X["a"] ** 2 + X["b"] ** 2, n_features=2, operators=["square"])
    assert {node.name for node in maker.features_} == {"square(a)", "square(b)"}


@pytest.mark.parametrize("operators", [["log"], "default"])
def test_a_linear_model_gets_the_logarithm(operators):
    X = table()
    y = np.log(X["a"]) + 0.1 * X["b"]
    maker = find(X, y, n_features=1, operators=operators, estimator=LinearRegression())
    assert [node.name for node in maker.features_] == ["log(a)"]
    line = make_pipeline(maker, LinearRegression()).fit(X, y)
    assert line.score(X, y) > 0.999


def test_a_linear_model_of_classes_gets_the_square():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(800, 3)), columns=["a", "b", "c"])
    y = (X["a"] ** 2 > 1).astype(int)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    operators = ["abs", "square", "sigmoid", "round"]
    maker = find(X, y, n_features=1, operators=operators, estimator=model)
    assert maker.features_[0].name in ("square(a)", "abs(a)")


def test_a_linear_model_gets_each_quotient_the_right_way_up():
    X = table()
    for name, y in (("a/b", X["a"] / X["b"]), ("b/a", X["b"] / X["a"])):
        maker = find(X, y, n_features=1, operators=["/"], estimator=LinearRegression())
        assert maker.features_[0].name == name


def test_trees_get_one_of_what_orders_the_rows_alike():
    X = table()
    y = np.log(X["a"]) + 0.1 * X["b"]
    with pytest.warns(FeatureKitWarning, match="no features|only 0"):
        maker = find(X, y, n_features=1, operators=["log", "sqrt"])
    report = maker.report_.set_index("feature")
    assert report.loc["log(a)", "reason"] == "for tree models equivalent to a"
    assert maker.features_ == []


def test_what_is_no_feature_is_still_an_argument():
    X = table(1000)
    y = np.sin(np.log(X["a"]) + X["b"])
    maker = find(X, y, n_features=3, order=2, operators=["log", "+"])
    report = maker.report_.set_index("feature")
    scored = report[report["stage"] != "candidate"].index
    assert "b+log(a)" in scored
    assert maker.features_[0].name == "b+log(a)"


def test_functions_of_columns_are_arguments_though_they_are_no_good_features():
    """The log of a column with zeros is no equivalent, and adds nothing by itself."""
    X = table(1000)
    X.loc[:20, "a"] = 0.0
    y = np.sin(np.log(X["a"] + 1e-300) + X["b"])
    maker = find(X, y, n_features=3, order=2, operators=["log", "+"])
    report = maker.report_.set_index("feature")
    assert report.loc["b+log(a)", "stage"] != "candidate"


@pytest.mark.parametrize(
    "model, trees",
    [
        (None, True),
        (LGBMRegressor(), True),
        (RandomForestRegressor(), True),
        (GradientBoostingClassifier(), True),
        (HistGradientBoostingRegressor(), True),
        (DecisionTreeRegressor(), True),
        (make_pipeline(StandardScaler(), LGBMRegressor()), True),
        (GridSearchCV(LGBMRegressor(), {}), True),
        (LinearRegression(), False),
        (make_pipeline(StandardScaler(), SVR()), False),
        (KNeighborsRegressor(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_models_of_trees_are_known(model, trees):
    assert is_of_trees(model) == trees
