"""The scikit-learn contract: its own checks, and those it leaves out."""

from __future__ import annotations

import pytest
import sklearn.utils.estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from featurekit import OpenFE

# the checks' blobs can be told apart by one column, and OpenFE says so; on their random
# targets it says that few features help
pytestmark = [
    pytest.mark.filterwarnings("ignore::featurekit.exceptions.LeakageWarning"),
    pytest.mark.filterwarnings("ignore:n_features="),
]


def _small(**params):
    """Few operators and folds: a check fits dozens of times."""
    defaults = {
        "operators": ["+", "*", "/", "mean", "target_mean"],
        "cv": 3,
        "random_state": 0,
        "feature_boosting": False,  # nothing improves on a model of the blobs
    }
    return OpenFE(**(defaults | params))


ESTIMATORS = [_small(), _small(n_features=2)]

WEIGHTS = (
    "weights equal repetition only where rows are not counted: folds, LightGBM's least "
    "rows in a leaf and the histograms' least rows in a bin count rows"
)


def _expected_failures(estimator):
    """Every exception, with its reason; empty for the default gate."""
    if estimator.n_features == "auto":
        return {}
    return {"check_sample_weight_equivalence_on_dense_data": WEIGHTS}


@parametrize_with_checks(
    ESTIMATORS, expected_failed_checks=_expected_failures, xfail_strict=True
)
def test_sklearn_checks(estimator, check):
    check(estimator)


LEFT_OUT = [
    checks.check_param_validation,
    checks.check_dataframe_column_names_consistency,
    checks.check_transformer_get_feature_names_out,
    checks.check_transformer_get_feature_names_out_pandas,
    checks.check_set_output_transform,
    checks.check_set_output_transform_pandas,
    checks.check_set_output_transform_polars,
    checks.check_global_output_transform_pandas,
    checks.check_global_set_output_transform_polars,
    checks.check_inplace_ensure_writeable,
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["auto", "two"])
@pytest.mark.parametrize("check", LEFT_OUT, ids=lambda c: c.__name__)
def test_checks_that_the_suite_leaves_out(check, estimator):
    check("OpenFE", estimator)
