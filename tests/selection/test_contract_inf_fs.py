"""The scikit-learn contract of InfFS: its own checks, and those it leaves out."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from featurekit.selection import InfFS
from tests.test_common import LEFT_OUT

ESTIMATORS = [
    InfFS(alpha=(0.5, 0.25, 0.25)),
    InfFS(cv=3),
    InfFS("unsupervised", alpha=0.5),
]


@parametrize_with_checks(ESTIMATORS)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["fixed", "cv", "unsupervised"])
@pytest.mark.parametrize("check", LEFT_OUT, ids=lambda c: c.__name__)
def test_checks_that_the_suite_leaves_out(check, estimator):
    check("InfFS", estimator)
