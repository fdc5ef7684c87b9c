"""What every estimator promises of its fit and of the names of columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

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

ESTIMATORS = [
    OpenFE(1, operators=["/", "*"], cv=2, random_state=0),
    OutRank(),
    InfFS("unsupervised", alpha=0.5, n_features_to_select=2),
    DisCo(n_features_to_select=2),
    MRMR(2),
    OMP(2),
    BorutaShadow(2, max_iter=3, random_state=0),
    StabilitySelection(
        MRMR(2), n_features_to_select=2, n_resamples=4, random_state=0
    ),
]  # fmt: skip

every_estimator = pytest.mark.parametrize(
    "estimator", ESTIMATORS, ids=lambda e: type(e).__name__
)


def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(1, 2, (120, 4)), columns=list("abcd"))
    return X, (X["a"] * X["b"] > 2.2).astype(int).to_numpy()


@every_estimator
def test_a_fit_that_fails_leaves_the_estimator_as_it_was(estimator):
    X, y = data()
    estimator.fit(X, y)
    before = dict(vars(estimator))
    expected = estimator.transform(X)
    # other columns, and a target that is refused only after X has been read
    bad = pd.DataFrame({"p": X["a"], "q": X["b"]})
    for args in ((bad, np.full(len(y), np.nan)), (bad, y[:-1]), ("nothing", y)):
        if getattr(estimator, "method", "") == "unsupervised" and args[0] is bad:
            args = (bad.assign(p=np.inf), y)
        with pytest.raises((ValueError, TypeError, OSError)):
            estimator.fit(*args)
        assert vars(estimator).keys() == before.keys()
        assert all(vars(estimator)[name] is before[name] for name in before)
    pd.testing.assert_frame_equal(estimator.transform(X), expected)


@every_estimator
def test_a_fit_that_is_interrupted_leaves_the_estimator_as_it_was(
    estimator, monkeypatch
):
    X, y = data()
    estimator.fit(X, y)
    before = dict(vars(estimator))

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    late = {"OutRank": "_learn_output", "OpenFE": "_result"}.get(
        type(estimator).__name__, "_keep"
    )
    monkeypatch.setattr(type(estimator), late, interrupt)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X[["b", "a"]], y)
    assert all(vars(estimator)[name] is before[name] for name in before)
    assert vars(estimator).keys() == before.keys()


@every_estimator
def test_nothing_of_an_earlier_fit_stays(estimator):
    X, y = data()
    estimator.fit(X, y).fit(X.to_numpy(), X["a"] * X["b"])
    assert not hasattr(estimator, "classes_")
    assert not hasattr(estimator, "feature_names_in_")


@every_estimator
def test_whole_numbers_as_names_are_the_same_strings_everywhere(estimator):
    X, y = data()
    numbered = X.set_axis(range(4), axis=1)
    named = X.set_axis(list("0123"), axis=1)
    expected = estimator.fit(named, y).get_feature_names_out().tolist()
    estimator.fit(numbered, y)
    assert estimator.feature_names_in_.tolist() == list("0123")
    assert estimator.get_feature_names_out().tolist() == expected
    for X in (numbered, named, pl.from_pandas(named)):
        out = estimator.transform(X)
        assert list(out.columns) == expected
    if isinstance(estimator, OutRank):
        assert set(estimator.scores_["feature"]) == set("0123")


@every_estimator
def test_names_of_mixed_types_are_refused(estimator):
    X, y = data()
    with pytest.raises(TypeError, match="only supported if all input features have"):
        estimator.fit(X.set_axis([0, 1, "c", "d"], axis=1), y)
    with pytest.raises(SchemaError, match="occur more than once"):
        estimator.fit(X.set_axis(list("aabc"), axis=1), y)


@every_estimator
def test_a_mapping_of_columns_is_a_table(estimator):
    X, y = data()
    expected = estimator.fit(X, y).transform(X)
    columns = {name: X[name].to_numpy() for name in X}
    out = estimator.fit(columns, y).transform(columns)
    assert isinstance(out, dict) and list(out) == list(expected)
    for name, values in out.items():
        np.testing.assert_array_equal(values, expected[name])
    lists = {name: X[name].tolist() for name in X}
    assert list(estimator.fit(lists, y).transform(lists)) == list(expected)


@pytest.mark.parametrize("estimator", ESTIMATORS[1:], ids=lambda e: type(e).__name__)
def test_more_features_than_columns_are_refused(estimator):
    X, y = data()
    estimator = clone(estimator).set_params(n_features_to_select=5)
    with pytest.raises(ValueError, match="n_features_to_select=5, but X has 4 columns"):
        estimator.fit(X, y)


def test_features_are_shown_by_their_names():
    X, y = data()
    maker = OpenFE(2, operators=["/", "*"], cv=2, random_state=0).fit(X, y)
    assert repr(maker.features_) == f"[{', '.join(f.name for f in maker.features_)}]"
