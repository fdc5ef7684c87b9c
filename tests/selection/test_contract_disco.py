"""The scikit-learn contract of DisCo: its own checks, and those it leaves out."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from featurekit.selection import DisCo
from tests.test_common import LEFT_OUT

ESTIMATORS = [
    DisCo(),
    DisCo("filter", n_features_to_select=1),
    DisCo("forward", n_features_to_select="auto", patience=1, random_state=0),
    DisCo("forward", n_features_to_select=1, random_state=0),
    DisCo("partial", n_features_to_select=1, random_state=0),
]
IDS = ["filter", "filter one", "forward auto", "forward one", "partial"]


@parametrize_with_checks(ESTIMATORS)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=IDS)
@pytest.mark.parametrize("check", LEFT_OUT, ids=lambda c: c.__name__)
def test_checks_that_the_suite_leaves_out(check, estimator):
    check("DisCo", estimator)
