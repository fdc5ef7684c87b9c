"""The scikit-learn contract of the selectors: its own checks, and those left out."""

from __future__ import annotations

import pytest
from sklearn.feature_selection import SelectKBest
from sklearn.utils.estimator_checks import parametrize_with_checks

from featurekit.selection import MRMR, BorutaShadow, StabilitySelection
from tests.test_common import LEFT_OUT

ESTIMATORS = {
    "mrmr": MRMR(),
    "mrmr-difference": MRMR("auto", relevance="correlation", scheme="difference"),
    "boruta": BorutaShadow(n_estimators=2, max_iter=3, random_state=0),
    "boruta-one": BorutaShadow(1, n_estimators=2, max_iter=3, random_state=0),
    "stability": StabilitySelection(
        MRMR(1), n_resamples=4, threshold=0.5, random_state=0
    ),
    "stability-sklearn": StabilitySelection(
        SelectKBest(k=1), n_resamples=4, n_features_to_select=1, random_state=0
    ),
}
"""One line for each way a selector works; others are added here."""

# a few rounds confirm nothing, and it says so
pytestmark = pytest.mark.filterwarnings(
    "ignore::featurekit.exceptions.FeatureKitWarning"
)

REPEATED = "check_sample_weight_equivalence_on_dense_data"
DRAWN = "rows are drawn: two of weight 1 may be drawn apart, one of weight 2 may not"
NO_WEIGHTS = "SelectKBest takes no weights, and an error says so"
WEIGHTED = (
    "check_sample_weights_pandas_series",
    "check_sample_weights_not_an_array",
    "check_sample_weights_list",
    "check_sample_weights_shape",
    "check_sample_weights_not_overwritten",
    REPEATED,
)
PASSED_ON = "transform passes columns on as they are, gaps included"


def _expected_failures(estimator):
    """Every exception, with its reason."""
    if isinstance(estimator, MRMR):
        return {}
    if isinstance(estimator, BorutaShadow):
        # in so few rounds no column is confirmed, with weights or without
        confirmed_only = estimator.n_features_to_select is None
        return {} if confirmed_only else {REPEATED: DRAWN}
    if isinstance(estimator.selector, SelectKBest):
        unweighted = dict.fromkeys(WEIGHTED, NO_WEIGHTS)
        return unweighted | {"check_estimators_nan_inf": PASSED_ON}
    return {REPEATED: DRAWN}


@parametrize_with_checks(
    list(ESTIMATORS.values()),
    expected_failed_checks=_expected_failures,
    xfail_strict=True,
)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "name",
    # it keeps no column here, and a frame of polars without columns has no rows
    [name for name in ESTIMATORS if name != "boruta"],
)
@pytest.mark.parametrize("check", LEFT_OUT, ids=lambda c: c.__name__)
def test_checks_that_the_suite_leaves_out(check, name):
    check(type(ESTIMATORS[name]).__name__, ESTIMATORS[name])
