"""Folds, groups and weights that cannot be are refused in one place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.model_selection import KFold

from featurekit import OpenFE, OutRank
from featurekit.fitting import Target, check_groups, check_weights, make_folds
from featurekit.fitting.weights import counting_weights
from featurekit.selection import MRMR, DisCo, InfFS

N = 60
Y = np.arange(N) % 2
X = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 3)), columns=list("abc"))
TARGET = Target.of(Y)
LOW, HIGH = np.arange(30), np.arange(30, 60)


def _mask(rows):
    out = np.zeros(N, bool)
    out[rows] = True
    return out


def test_masks_are_rows():
    rows = make_folds([(LOW, HIGH), (HIGH, LOW)], TARGET)
    masks = make_folds([(_mask(LOW), _mask(HIGH)), (_mask(HIGH), _mask(LOW))], TARGET)
    np.testing.assert_array_equal(masks.atom, rows.atom)
    np.testing.assert_array_equal(masks.train, rows.train)


USED = iter([(LOW, HIGH)])
next(USED)
WRONG = {
    "no folds": ([], "cv has no folds"),
    "used up": (USED, "an earlier fit has used up"),
    "overlap": ([(np.arange(40), HIGH)], "overlap in 10 rows, such as row 30"),
    "same mask": ([(_mask(LOW), _mask(LOW))], "overlap in 30 rows"),
    "no test": ([(LOW, LOW[:0])], "has no rows"),
    "short mask": ([(_mask(LOW)[:50], HIGH)], r"mask of shape \(50,\) for 60 rows"),
    "beyond": ([(LOW, [60])], "there is no row 60 of 60"),
    "negative": ([(LOW, [-1])], "there is no row -1"),
    "floats": ([(LOW * 1.0, HIGH)], "numbers or boolean masks"),
    "twice": ([([1, 1, 2], HIGH)], "occurs more than once"),
    "no pair": ([LOW, HIGH], "expected a pair"),
    "one fold": (1, "at least 2 folds"),
}
WITH_CV = {
    "OpenFE": lambda cv: OpenFE(operators=["+"], cv=cv),
    "InfFS": lambda cv: InfFS(cv=cv),
    "DisCo": lambda cv: DisCo("forward", cv=cv, min_window=10),
}


@pytest.mark.parametrize("name", WRONG)
def test_folds_that_cannot_be(name):
    cv, said = WRONG[name]
    with pytest.raises(ValueError, match=said):
        make_folds(cv, TARGET)


@pytest.mark.parametrize("estimator", WITH_CV)
@pytest.mark.parametrize("name", ["no folds", "overlap", "short mask"])
def test_estimators_refuse_them(name, estimator):
    cv, said = WRONG[name]
    with pytest.raises(ValueError, match=said):
        WITH_CV[estimator](cv).fit(X, Y)


@pytest.mark.parametrize(
    "groups",
    [
        [None, *range(N - 1)],
        np.r_[np.nan, np.ones(N - 1)],
        pd.Series([pd.NA, *["a"] * (N - 1)], dtype="string"),
        pl.Series([None, *["a"] * (N - 1)]),
    ],
    ids=["None", "NaN", "NA", "null"],
)
def test_groups_with_missing_values(groups):
    with pytest.raises(ValueError, match="groups contains NaN: 1 of 60"):
        check_groups(groups, N)
    for estimator in (OpenFE(operators=["+"], cv=KFold(3)), InfFS(), DisCo()):
        with pytest.raises(ValueError, match="groups contains NaN: 1 of 60"):
            estimator.fit(X, Y, groups=groups)


WEIGHTS = {
    "NaN": (np.r_[np.nan, np.ones(N - 1)], "contains NaN or infinity, in 1 of 60"),
    "None": ([None, *np.ones(N - 1)], "contains NaN or infinity, in 1 of 60"),
    "infinite": (np.full(N, np.inf), "contains NaN or infinity, in 60 of 60"),
    "negative": (-np.ones(N), "negative values, in 60 of 60"),
    "zero": (np.zeros(N), "zero on every row"),
    "short": (np.ones(N - 1), r"sample_weight.shape == \(59,\), expected \(60,\)"),
    "text": (["1"] * N, "values that are no numbers"),
    "two columns": (np.ones((N, 2)), "must have one column"),
}
WEIGHTED = [OpenFE(operators=["+"]), OutRank(), InfFS(), MRMR(), DisCo()]


@pytest.mark.parametrize("estimator", WEIGHTED, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_cannot_be(name, estimator):
    weight, said = WEIGHTS[name]
    with pytest.raises(ValueError, match=said):
        estimator.fit(X, Y, sample_weight=weight)


def test_weights_of_any_library():
    for weight in (
        list(range(N)),
        pl.Series(range(N)),
        pd.Series(range(N)[::-1])[::-1],
    ):
        np.testing.assert_array_equal(check_weights(weight, N), np.arange(N))
    assert check_weights(None, N) is None
    assert check_weights(2.5, N) is None


def test_whole_weights_count_rows_and_others_are_relative():
    whole = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(counting_weights(whole), whole)
    for scale in (1e-12, 0.3, 1e12, 1e38):
        np.testing.assert_allclose(counting_weights(whole * scale), [0.5, 1, 1.5])
