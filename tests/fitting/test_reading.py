"""The same target gets the same task, labels or error from every estimator."""

from __future__ import annotations

import datetime as dt
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurekit import OpenFE, OutRank
from featurekit.exceptions import FeatureKitWarning
from featurekit.fitting import Target
from featurekit.selection import MRMR, DisCo, InfFS, StabilitySelection

N = 40
RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(N, 3)), columns=list("abc"))
BITS = np.arange(N) % 2
MANY = np.arange(N) * 3
FRACTIONS = np.arange(N) / 8

# what it is: (target, task, labels)
READ = {
    "list of ints": (BITS.tolist(), "binary", (0, 1)),
    "tuple of texts": (tuple("ab"[i] for i in BITS), "binary", ("a", "b")),
    "series, other index": (
        pd.Series(BITS, index=np.arange(N)[::-1] + 7), "binary", (0, 1)),
    "pandas index": (pd.Index(MANY), "regression", ()),
    "pandas array": (pd.array(BITS, dtype="Int64"), "binary", (0, 1)),
    "polars": (pl.Series(FRACTIONS), "regression", ()),
    "arrow array": (pa.array(FRACTIONS), "regression", ()),
    "chunked array": (
        pa.chunked_array([BITS[:9].tolist(), BITS[9:].tolist()]), "binary", (0, 1)),
    "bool": (BITS == 1, "binary", (False, True)),
    "object ints": (BITS.astype(object), "binary", (0, 1)),
    "object floats": (FRACTIONS.astype(object), "regression", ()),
    "object bools": ((BITS == 1).astype(object), "binary", (False, True)),
    "decimals": ([Decimal(int(v)) / 8 for v in MANY], "regression", ()),
    "arrow decimals": (
        pa.array([Decimal(int(v)) / 8 for v in MANY]), "regression", ()),
    "floats that are whole": (BITS * 1.0, "binary", (0.0, 1.0)),
    "many whole floats": (MANY * 1.0, "regression", ()),
    "timedelta": (pd.Series(pd.to_timedelta(BITS + 1, "h")), "regression", ()),
    "timedelta objects": (
        [dt.timedelta(seconds=float(v)) for v in MANY], "regression", ()),
    "polars duration": (
        pl.Series([dt.timedelta(hours=int(v)) for v in MANY]), "regression", ()),
    "category of ints": (
        pd.Series(MANY).astype("category"), "multiclass", tuple(MANY.tolist())),
    "category of floats": (
        pd.Series(FRACTIONS[BITS + 1]).astype("category"), "binary", (0.125, 0.25)),
    "polars categorical": (
        pl.Series([str(v) for v in BITS], dtype=pl.Categorical), "binary", ("0", "1")),
    "polars enum": (
        pl.Series([str(v) for v in BITS], dtype=pl.Enum(["1", "0"])),
        "binary", ("0", "1")),
    "arrow dictionary": (
        pa.array([str(v) for v in BITS]).dictionary_encode(), "binary", ("0", "1")),
    "nullable string": (
        pd.Series(["a", "b"] * 20, dtype="string"), "binary", ("a", "b")),
}  # fmt: skip

NEVER = "holds points in time, which are neither classes nor numbers"
DAYS = pd.date_range("2024-01-01", periods=N)
REFUSED = {
    "datetime": (pd.Series(DAYS), NEVER),
    "datetime, zoned": (pd.Series(DAYS.tz_localize("America/New_York")), NEVER),
    "datetime array": (DAYS.to_numpy(), NEVER),
    "dates": (DAYS.date, NEVER),
    "timestamps": (list(DAYS), NEVER),
    "periods": (pd.Series(DAYS.to_period("D")), NEVER),
    "polars dates": (pl.Series(DAYS.date.tolist()), NEVER),
    "arrow times": (pa.array(DAYS), NEVER),
    "structured": (
        np.array([(True, 1.0)] * N, dtype=[("event", "?"), ("time", "f8")]),
        "structured array with the fields .*event.*survival",
    ),
    "polars struct": (pl.Series([{"event": True, "time": 1.0}] * N), "neither|holds"),
    "lists": ([[1], [2, 3]] * 20, "holds values of the type list"),
    "two columns": (np.ones((N, 2)), r"one column.*\(40, 2\)"),
    "frame of two": (X[["a", "b"]], r"one column.*\(40, 2\)"),
    "bytes": (np.array([b"a", b"b"] * 20), "holds values of the type"),
    "int and text": ([1, "a"] * 20, "several types: int, str"),
    "complex": (np.arange(N) * 1j, "Complex data not supported: y"),
    "None": (["a", None] * 20, "y contains NaN: 20 of 40 values are missing"),
    "NaN": ([1.5, np.nan] * 20, "y contains NaN: 20 of 40 values are missing"),
    "NA": (pd.array([1, None] * 20, "Int64"), "y contains NaN: 20 of 40"),
    "string NA": (pd.Series(["a", pd.NA] * 20, dtype="string"), "NaN: 20 of 40"),
    "boolean NA": (pd.Series([True, pd.NA] * 20, dtype="boolean"), "NaN: 20 of 40"),
    "arrow string NA": (
        pd.Series(["a", pd.NA] * 20, dtype="string[pyarrow]"), "NaN: 20 of 40"),
    "polars null": (pl.Series([True, None] * 20), "NaN: 20 of 40"),
    "NaT": (pd.Series(pd.to_timedelta([1, None] * 20, "h")), "NaN: 20 of 40"),
    "all missing": ([None] * N, "NaN: 40 of 40"),
    "masked": (np.ma.array(FRACTIONS, mask=BITS), "NaN: 20 of 40"),
    "infinite": ([1.5, np.inf] * 20, "y contains infinity in 20 of 40"),
    "short": (BITS[:30], "X has 40 rows and y has 30"),
}  # fmt: skip

ESTIMATORS = {
    "OpenFE": OpenFE(operators=["+"], cv=2),
    "OutRank": OutRank(),
    "InfFS": InfFS(alpha=(0.5, 0.25, 0.25)),
    "MRMR": MRMR(),
    "DisCo": DisCo(),
    "StabilitySelection": StabilitySelection(MRMR(2), n_resamples=2),
}


@pytest.mark.parametrize("name", READ)
def test_task_and_labels(name):
    y, task, labels = READ[name]
    found = Target.of(y, n_rows=N)
    assert (found.task, found.labels) == (task, labels)
    assert [type(v) for v in found.labels] == [type(v) for v in labels]


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("name", READ)
def test_estimators_agree_on_the_task(name, estimator):
    y, task, labels = READ[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FeatureKitWarning)
        fitted = ESTIMATORS[estimator].fit(X, y)
    found = fitted.task_
    assert found == task or (found == "classification" and task != "regression")
    if task != "regression":
        assert fitted.classes_.tolist() == list(labels)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("name", REFUSED)
def test_estimators_agree_on_what_they_refuse(name, estimator):
    y, said = REFUSED[name]
    with pytest.raises(ValueError, match=said):
        ESTIMATORS[estimator].fit(X, y)


def test_durations_are_seconds():
    y = pd.Series(pd.to_timedelta(MANY, "min"))
    np.testing.assert_array_equal(Target.of(y).y, MANY * 60.0)


FRAMES = [pd.DataFrame, pl.DataFrame, pa.table, lambda frame: frame["a"][:, None]]


@pytest.mark.parametrize("make", FRAMES, ids=["pandas", "polars", "arrow", "numpy"])
def test_columns_of_one_are_accepted(make):
    y = make({"a": MANY})
    with pytest.warns(match="column-vector"):
        assert Target.of(y).task == "regression"


@pytest.mark.parametrize(
    ("metric", "y", "task"),
    [
        ("poisson", BITS, "regression"),
        ("rmse", BITS, "regression"),
        ("mae", BITS, "regression"),
        ("rmse", pd.Series(BITS).astype("category"), "regression"),
        ("logloss", BITS, "binary"),
        ("multi_logloss", BITS, "binary"),
        ("multi_logloss", MANY, "multiclass"),
        ("auc", MANY, "multiclass"),
    ],
)
def test_metric_decides_the_task(metric, y, task):
    assert Target.of(y, "auto", metric).task == task


@pytest.mark.parametrize(
    ("task", "metric", "y", "said"),
    [
        ("auto", "logloss", FRACTIONS, "fractions.*in place of metric='logloss'"),
        ("classification", None, FRACTIONS, "fractions.*in place of task="),
        ("auto", "rmse", ["a", "b"], "y holds text: convert"),
        ("regression", None, ["1.5", "2.5"], "y holds text: convert"),
        ("binary", "rmse", [0, 1], "'rmse' does not go with task='binary'"),
        ("regression", "auc", [0, 1, 2], "'auc' does not go with task='regression'"),
        ("auto", "logloss", [0, 1, 2], "'logloss' does not go with .*multi_logloss"),
        ("auto", "poisson", [-1, 0], "none below 0"),
    ],
)
def test_task_and_metric_that_do_not_fit(task, metric, y, said):
    with pytest.raises(ValueError, match=said):
        Target.of(y, task, metric)


def test_stability_selection_keeps_the_task_in_resamples():
    """Half of the rows have few distinct whole numbers, which look like labels."""
    tasks = []

    class Asked(MRMR):
        def fit(self, X, y, sample_weight=None):
            super().fit(X, y, sample_weight)
            tasks.append(self.task_)
            return self

    y = np.random.default_rng(0).permutation(np.repeat(np.arange(21) * 3, 2))[:N]
    StabilitySelection(Asked(2), n_resamples=4, random_state=0).fit(X, y)
    assert set(tasks) == {"regression"}
