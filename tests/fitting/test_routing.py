"""Weights and groups reach every estimator with metadata routing on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline

from featurekit import OpenFE, OutRank
from featurekit.selection import (
    MRMR,
    OMP,
    BorutaShadow,
    DisCo,
    InfFS,
    SequentialAttention,
    StabilitySelection,
)

N = 120
RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(N, 4)), columns=list("abcd"))
Y = (X.a + X.b + 0.3 * RNG.normal(size=N) > 0).astype(int).to_numpy()
WEIGHT = RNG.integers(1, 4, N).astype(float)
GROUPS = np.arange(N) // 10

with sklearn.config_context(enable_metadata_routing=True):
    INNER = MRMR(2).set_fit_request(sample_weight=True)
# what fit takes: weights, or weights and groups
BOTH = {
    "OpenFE": OpenFE(2, operators=["+"], cv=2, random_state=0),
    "OpenFE, a model": OpenFE(
        2, operators=["+"], cv=2, estimator=LogisticRegression(), random_state=0
    ),
    "InfFS": InfFS(n_features_to_select=2, cv=2, random_state=0),
    "InfFS, a model": InfFS(
        n_features_to_select=2, cv=2, estimator=LogisticRegression(),
        random_state=0,
    ),
    "DisCo": DisCo(n_features_to_select=2),
    "DisCo, forward": DisCo(
        "forward", n_features_to_select=2, min_window=10, cv=2, random_state=0
    ),
    "SequentialAttention": SequentialAttention(2, model="linear"),
    "StabilitySelection": StabilitySelection(INNER, n_resamples=4, random_state=0),
}  # fmt: skip
WEIGHTS = {
    "OutRank": OutRank(n_features_to_select=2),
    "MRMR": MRMR(2),
    "OMP": OMP(2),
    "BorutaShadow": BorutaShadow(2, max_iter=3, random_state=0),
}


@pytest.fixture(autouse=True)
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.parametrize("name", [*BOTH, *WEIGHTS])
def test_alone(name):
    given = {"sample_weight": WEIGHT} | ({"groups": GROUPS} if name in BOTH else {})
    fitted = clone((BOTH | WEIGHTS)[name]).fit(X, Y, **given)
    with sklearn.config_context(enable_metadata_routing=False):
        plain = clone((BOTH | WEIGHTS)[name]).fit(X, Y, **given)
    names = fitted.get_feature_names_out().tolist()
    assert names == plain.get_feature_names_out().tolist()


@pytest.mark.parametrize("name", [*BOTH, *WEIGHTS])
def test_in_a_pipeline(name):
    given = {"sample_weight": WEIGHT} | ({"groups": GROUPS} if name in BOTH else {})
    step = clone((BOTH | WEIGHTS)[name]).set_fit_request(**dict.fromkeys(given, True))
    model = LogisticRegression().set_fit_request(sample_weight=True)
    pipe = make_pipeline(step, model).fit(X, Y, **given)
    alone = clone((BOTH | WEIGHTS)[name]).fit(X, Y, **given)
    names = pipe[0].get_feature_names_out().tolist()
    assert names == alone.get_feature_names_out().tolist()
    assert pipe.predict(X).shape == (N,)


def test_in_a_grid_search_of_groups():
    step = OpenFE(1, operators=["+"], cv=2, random_state=0).set_fit_request(
        sample_weight=True, groups=True
    )
    model = LogisticRegression().set_fit_request(sample_weight=True)
    model.set_score_request(sample_weight=True)
    grid = {"openfe__keep_input": [True, False]}
    search = GridSearchCV(
        make_pipeline(step, model), grid, cv=GroupKFold(3), error_score="raise"
    )
    search.fit(X, Y, sample_weight=WEIGHT, groups=GROUPS)
    assert np.isfinite(search.best_score_)
