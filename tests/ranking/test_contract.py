"""The scikit-learn contract of OutRank: its own checks, and those it leaves out."""

from __future__ import annotations

import pytest
import sklearn.utils.estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from featurekit import OutRank
from tests.test_common import LEFT_OUT

ESTIMATORS = [
    OutRank(),
    OutRank(n_features_to_select=1),
    OutRank(order=2),
    OutRank(redundancy="mrmr"),
]


REFUSED = (
    "pairs and redundancy need the rows again, so `partial_fit` refuses them; checks "
    "call any method of that name"
)


def _expected_failures(estimator):
    if estimator.order == 1 and estimator.redundancy is None:
        return {}
    names = ("check_fit_score_takes_y", "check_n_features_in_after_fitting")
    return dict.fromkeys(names, REFUSED)


@parametrize_with_checks(
    ESTIMATORS, expected_failed_checks=_expected_failures, xfail_strict=True
)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["all", "one", "pairs", "mrmr"])
@pytest.mark.parametrize("check", LEFT_OUT, ids=lambda c: c.__name__)
def test_checks_that_the_suite_leaves_out(check, estimator):
    if check is checks.check_dataframe_column_names_consistency:
        estimator = OutRank()  # it calls `partial_fit` too
    check("OutRank", estimator)


def test_names_of_columns_are_held_against_those_of_fit():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame({"a": [0, 1, 0, 1], "b": [0, 0, 1, 1]})
    ranker = OutRank().fit(X, [0, 1, 0, 1])
    assert ranker.feature_names_in_.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="feature names should match"):
        ranker.transform(X[["b", "a"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        ranker.transform(X.to_numpy())
