"""Run mRMR or Boruta, in the environment ``peer-select``; see `selection_exchange`.

mRMR is the package's default (F statistics over mean absolute correlations). Boruta has
its README's forest and 100 rounds; where it confirms more or fewer columns than k, its
``ranking_`` cuts or fills, and columns of one rank are in the order of their mean
importance over the rounds.
"""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pandas as pd
from selection_exchange import main


def mrmr(X, y, k, seed):
    """Greedily, the F statistic over the mean correlation with those chosen."""
    from mrmr import mrmr_classif

    chosen = mrmr_classif(
        pd.DataFrame(X), pd.Series(y), K=k, n_jobs=1, show_progress=False
    )
    if len(chosen) < k:  # columns that it drops as constant are never chosen
        chosen += [j for j in range(X.shape[1]) if j not in set(chosen)]
    return chosen


def boruta(X, y, k, seed, rounds=100):
    """Importance in a forest, against that of shuffled columns."""
    from boruta import BorutaPy
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(n_jobs=1, class_weight="balanced", max_depth=5)
    ranker = BorutaPy(forest, n_estimators="auto", max_iter=rounds, random_state=0)
    ranker.fit(X, y)
    # rejected columns have no importance in later rounds
    history = np.nan_to_num(np.asarray(ranker.importance_history_)[1:])
    return np.lexsort((-history.mean(axis=0), ranker.ranking_))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(
        {"mrmr": mrmr, "boruta": boruta},
        ("mrmr_selection", "Boruta", "scikit-learn", "numpy"),
        {"boruta": partial(boruta, rounds=5)},
    )
