"""What "auto" takes a target for, and where it says that it may be wrong."""

import warnings

import numpy as np
import pandas as pd
import pytest

from featurekit import OutRank
from featurekit.exceptions import FeatureKitWarning
from featurekit.fitting import Target
from featurekit.selection import InfFS


def labels(n_classes, rows_of_each=4, first=0):
    return np.repeat(np.arange(first, first + n_classes), rows_of_each)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float64])
def test_many_whole_numbers_that_run_like_labels_are_warned_of(first, dtype):
    y = labels(26, first=first).astype(dtype)
    with pytest.warns(FeatureKitWarning, match="task='classification' if they are"):
        assert Target.of(y).task == "regression"


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (labels(20), "multiclass"),
        (labels(26, first=2), "regression"),
        (labels(26) * 2, "regression"),
        (labels(26, rows_of_each=2), "regression"),
        (labels(26) + 0.5, "regression"),
        (labels(26) - 1, "regression"),
        (np.append(labels(26), 40), "regression"),
    ],
    ids=["few", "from 2", "even", "rare", "fractions", "negative", "a gap"],
)
def test_others_are_not(y, task):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Target.of(y).task == task


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_nor_where_the_task_is_said(task):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Target.of(labels(26), task)
    assert (found.task == "regression") == (task == "regression")


def test_text_is_classes_however_many():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Target.of(labels(26).astype(str)).task == "multiclass"


@pytest.mark.parametrize("estimator", [InfFS(alpha=(1, 0, 0)), OutRank()])
@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_estimators_warn(estimator, dtype):
    y = labels(26).astype(dtype)
    X = pd.DataFrame({"a": y % 7, "b": y % 3})
    with pytest.warns(FeatureKitWarning, match="26 different whole numbers, every one"):
        estimator.fit(X, y)
