"""Cross-validation folds from a number or a splitter, for any target."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold, check_cv

from featurekit.fitting.target import Target
from featurekit.statistics.folds import Folds


def make_folds(
    cv: Any, X: Any, target: Target, groups: Any = None, seed: int | None = None
) -> Folds:
    """Folds from a number or any splitter.

    A number means shuffled folds, stratified for classes; fewer folds are made of a
    table with fewer rows than that. Of two classes each fold gets both, if need be by
    fewer folds; of more classes the rare ones may be missing in some folds.
    """
    n = len(target.y)
    y = None if target.task == "regression" else target.y
    if isinstance(cv, (int, np.integer)) and not isinstance(cv, bool):
        splitter = _splitter(int(cv), target, groups, seed)
    else:
        splitter = check_cv(5 if cv is None else cv, y, classifier=y is not None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        splits = [
            (np.asarray(train, np.int64), np.asarray(test, np.int64))
            for train, test in splitter.split(np.zeros((n, 1)), target.y, groups)
        ]
    return Folds.from_splits(splits, n)


def _splitter(k: int, target: Target, groups: Any, seed: int | None) -> Any:
    n = len(target.y)
    if k < 2:
        raise ValueError(f"cv={k}: at least 2 folds are needed")
    if groups is not None:
        from sklearn.model_selection import GroupKFold

        n_groups = len(np.unique(np.asarray(groups)))
        if n_groups < 2:
            raise ValueError("groups has one group only; at least 2 are needed")
        return GroupKFold(min(k, n_groups), shuffle=True, random_state=seed)
    k = min(k, n)
    if target.task != "regression":
        sizes = np.bincount(target.y.astype(np.int64))
        k_possible = int(sizes.min() if target.task == "binary" else sizes.max())
        if k_possible >= 2:
            return StratifiedKFold(min(k, k_possible), shuffle=True, random_state=seed)
    return KFold(k, shuffle=True, random_state=seed)
