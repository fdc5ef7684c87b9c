"""Classes of a few rows: no fold may be lost and no model diverge because of them."""

import numpy as np
import pandas as pd

from featurekit import OpenFE
from featurekit.fitting import Target, make_folds


def table(n=900, seed=0):
    """Ten columns and six classes, two of which have two rows."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        rng.integers(1, 14, (n, 10)).astype(float), columns=list("abcdefghij")
    )
    y = np.where(X["a"] == X["b"], 2, (X["c"] > X["d"]).astype(int))
    y[rng.random(n) < 0.02] = 3
    y[:2], y[2:4] = 4, 5
    return X, y


def test_rare_classes_do_not_cost_folds():
    _, y = table()
    folds = make_folds(5, Target.of(y), seed=0)
    assert folds.n_folds == 5
    assert np.ptp([len(folds.test_rows(f)) for f in range(5)]) <= len(np.unique(y))


def test_each_fold_has_both_of_two_classes():
    y = np.r_[np.ones(3), np.zeros(200)]
    folds = make_folds(5, Target.of(y), seed=0)
    assert folds.n_folds == 3
    assert all(y[folds.test_rows(f)].sum() == 1 for f in range(3))


def test_the_base_model_does_not_diverge():
    X, y = table()
    share = np.bincount(y) / len(y)
    constant = -(share * np.log(share)).sum()
    found = OpenFE(n_features=3, operators=["-"], random_state=0).fit(X, y)
    assert found.base_score_ < constant
    assert "a-b" in [node.name for node in found.features_]
