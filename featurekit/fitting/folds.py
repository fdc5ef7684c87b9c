"""Cross-validation folds from a number or a splitter, for any target."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold, check_cv

from featurekit.data.raw import raw_values
from featurekit.exceptions import SchemaError
from featurekit.fitting.reading import open_target
from featurekit.fitting.target import Target
from featurekit.statistics.folds import Folds

Ints = NDArray[np.int64]


def check_groups(groups: Any, n_rows: int) -> NDArray[Any] | None:
    """The group of each row as an array (n,), or None where there are no groups.

    Raises
    ------
    ValueError
        For another number of rows, missing values and values that cannot be sorted.
    """
    if groups is None:
        return None
    series = open_target(groups, n_rows, "groups")
    try:
        raw = raw_values(series, "groups")
    except (SchemaError, TypeError, ValueError):
        raise ValueError(
            "groups holds values that cannot be told apart: give each row a number or "
            "a text, all of one type"
        ) from None
    gone = n_rows
    if raw is not None:
        gone = 0 if raw.gone is None else int(raw.gone.sum())
        gone += raw.values.null_count() if raw.family == "text" else 0
    if gone:
        raise ValueError(
            f"groups contains NaN: {gone} of {n_rows} values are missing. Give each "
            "row a group; a row that belongs to none is a group of its own."
        )
    return series if isinstance(series, np.ndarray) else series.to_numpy()


def make_folds(
    cv: Any,
    target: Target,
    groups: Any = None,
    seed: int | None = None,
    place: Ints | None = None,
) -> Folds:
    """Folds from a number or any splitter.

    A number means shuffled folds, stratified for classes; fewer folds are made of a
    table with fewer rows than that. Of two classes each fold gets both, if need be by
    fewer folds; of more classes the rare ones may be missing in some folds.

    Parameters
    ----------
    cv : int, splitter, iterable of (train, test) or None
        Rows of an iterable are numbers or boolean masks.
    target : Target
        Of n rows.
    groups : array (n,), optional
        Of `check_groups`.
    seed : int, optional
    place : int64 array (rows of X,), optional
        Where rows of X were left out because they weigh nothing: the number of each row
        among those that are left, or -1. An iterable ``cv`` numbers the rows of X.

    Raises
    ------
    ValueError
        For folds that are empty, that overlap or that hold rows which are not there.
    """
    n = len(target.y)
    y = None if target.task == "regression" else target.y
    if isinstance(cv, (int, np.integer)) and not isinstance(cv, bool):
        splitter = _splitter(int(cv), target, groups, seed)
    elif cv is not None and not hasattr(cv, "split"):
        return Folds.from_splits(
            _pairs(cv, place if place is not None else np.arange(n)), n
        )
    else:
        splitter = check_cv(5 if cv is None else cv, y, classifier=y is not None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        splits = list(splitter.split(np.zeros((n, 1)), target.y, groups))
    return Folds.from_splits(_pairs(splits, np.arange(n)), n)


def _pairs(cv: Any, place: Ints) -> list[tuple[Ints, Ints]]:
    """Rows that each fold learns from and is tested on, checked."""
    if not isinstance(cv, Iterable) or isinstance(cv, str):
        raise ValueError(
            f"cv={cv!r}: give a number of folds, a splitter, or pairs of training and "
            "test rows"
        )
    pairs = []
    for fold, pair in enumerate(cv):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError(
                f"cv, fold {fold}: expected a pair of training and test rows, got "
                f"{type(pair).__name__}"
            )
        train, test = (_rows(rows, place, fold) for rows in pair)
        trains = np.zeros(len(place), bool)
        trains[train] = True
        both = test[trains[test]]
        if len(both):
            raise ValueError(
                f"cv, fold {fold}: the training and the test part overlap in "
                f"{len(both)} rows, such as row {both[0]}; what is learnt on a row "
                "must not be tested on it. Use parts without common rows."
            )
        pairs.append((train, test))
    if not pairs:
        raise ValueError(
            "cv has no folds: it is empty, or an iterator that an earlier fit has used "
            "up. Pass a list of its folds, list(cv), or a splitter."
        )
    return pairs


def _rows(given: Any, place: Ints, fold: int) -> Ints:
    """Row numbers of one part of a fold, from numbers or a mask."""
    rows = np.asarray(given)
    n_known = len(place)
    if rows.dtype == bool:
        if rows.shape != (n_known,):
            raise ValueError(
                f"cv, fold {fold}: a mask of shape {rows.shape} for {n_known} rows"
            )
        rows = np.flatnonzero(rows)
    if rows.ndim != 1 or (rows.dtype.kind not in "iu" and rows.size):
        raise ValueError(
            f"cv, fold {fold}: rows are numbers or boolean masks, got an array of "
            f"{rows.dtype} of shape {rows.shape}"
        )
    rows = rows.astype(np.int64)
    if rows.size and (rows.min() < 0 or rows.max() >= n_known):
        wrong_row = rows[(rows < 0) | (rows >= n_known)][0]
        raise ValueError(f"cv, fold {fold}: there is no row {wrong_row} of {n_known}")
    if rows.size and np.bincount(rows).max() > 1:
        raise ValueError(
            f"cv, fold {fold}: a row occurs more than once. Use sample_weight for rows "
            "that count more than others."
        )
    rows = place[rows]
    rows = rows[rows >= 0]
    if not rows.size:
        raise ValueError(f"cv, fold {fold}: the training or the test part has no rows")
    return rows


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
