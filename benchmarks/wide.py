"""The thirteen wide tables on which feature selectors are compared.

They lie where `benchmarks.datasets` says, and are no part of the repository. Columns
are numbers, given as the source has them; classes are numbered from 0.

`mice_protein` has 15 rows of every mouse: a mouse is either for training or for
testing, and its genotype, treatment and behaviour, which make up the class, are left
out. Its missing values are filled with the medians of the training rows, for most
selectors take none.

Seeds 0 to 4 make the splits that results are reported on; seeds from 100 on are for
development, as in `benchmarks.datasets`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from benchmarks.datasets import data_folder

TEST_SHARE = 0.3
MAX_TRAIN_ROWS = 2_000
MAX_TEST_ROWS = 4_000

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Wide:
    """A whole set.

    Attributes
    ----------
    X : float64 array (rows, columns)
    y : int64 array (rows,)
        Classes, numbered from 0.
    groups : int64 array (rows,) or None
        Rows of the same number are for training together, or for testing.
    """

    X: Floats
    y: Codes
    groups: Codes | None = None


@dataclass(frozen=True)
class WideSplit:
    """One paired train and test split, its columns not standardised."""

    X_train: Floats
    y_train: Codes
    X_test: Floats
    y_test: Codes
    n_classes: int

    @property
    def n_columns(self) -> int:
        return self.X_train.shape[1]


def _matrix(name: str) -> Callable[[], Wide]:
    """Return the loader of a set that is one file with ``X`` and ``y``."""

    def load_matrix() -> Wide:
        with np.load(data_folder() / name / f"{name}.npz") as data:
            X = data["X"].astype(np.float64)
            _, y = np.unique(data["y"], return_inverse=True)
        return Wide(X, y.astype(np.int64))

    return load_matrix


def _mice_protein() -> Wide:
    frame = pd.read_parquet(data_folder() / "mice_protein/mice_protein.parquet")
    # "309_7" is the seventh measurement of mouse 309.
    mice, _ = pd.factorize(frame.pop("MouseID").astype(str).str.rsplit("_", n=1).str[0])
    y, _ = pd.factorize(frame.pop("class"), sort=True)
    X = frame.drop(columns=["Genotype", "Treatment", "Behavior"])
    return Wide(X.to_numpy(np.float64), y.astype(np.int64), mice.astype(np.int64))


LOADERS: dict[str, Callable[[], Wide]] = {
    **{
        name: _matrix(name)
        for name in (
            "colon", "lymphoma", "prostate_ge", "warppie10p", "orl", "arcene",
            "isolet", "madelon", "usps", "sylva", "mnist_10k", "basehock",
        )
    },
    "mice_protein": _mice_protein,
}  # fmt: skip


@lru_cache(maxsize=1)
def load(name: str) -> Wide:
    """Return the whole of a set.

    Parameters
    ----------
    name : str
        A key of `LOADERS`.
    """
    return LOADERS[name]()


def split(name: str, seed: int) -> WideSplit:
    """Return the split of a set that belongs to a seed.

    Three rows in ten are for testing, drawn class by class. Of each part at most
    `MAX_TRAIN_ROWS` and `MAX_TEST_ROWS` rows are kept, drawn with the same seed.

    Parameters
    ----------
    name : str
        A key of `LOADERS`.
    seed : int
        0 to 4 for reported results, from 100 on for development.
    """
    whole = load(name)
    if whole.groups is None:
        train, test = _stratified(whole.y, seed)
    else:
        # one row stands for each group
        _, first = np.unique(whole.groups, return_index=True)
        chosen = first[_stratified(whole.y[first], seed)[0]]
        is_train = np.isin(whole.groups, whole.groups[chosen])
        train, test = np.flatnonzero(is_train), np.flatnonzero(~is_train)
    train = _at_most(train, MAX_TRAIN_ROWS, seed, whole.y)
    test = _at_most(test, MAX_TEST_ROWS, seed, whole.y)
    X_train, X_test = whole.X[train], whole.X[test]
    if np.isnan(X_train).any() or np.isnan(X_test).any():
        middle = np.nanmedian(X_train, axis=0)
        X_train = np.where(np.isnan(X_train), middle, X_train)
        X_test = np.where(np.isnan(X_test), middle, X_test)
    return WideSplit(
        X_train, whole.y[train], X_test, whole.y[test], int(whole.y.max()) + 1
    )


def standardised(train: Floats, test: Floats) -> tuple[Floats, Floats]:
    """Shift and scale the columns of both by the training rows' mean and deviation."""
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation == 0] = 1.0
    return (train - mean) / deviation, (test - mean) / deviation


def _stratified(y: Codes, seed: int) -> tuple[Codes, Codes]:
    train, test = train_test_split(
        np.arange(len(y)), test_size=TEST_SHARE, random_state=seed, stratify=y
    )
    return train, test


def _at_most(rows: Codes, limit: int, seed: int, y: Codes) -> Codes:
    if len(rows) <= limit:
        return rows
    kept, _ = train_test_split(
        rows, train_size=limit, random_state=seed, stratify=y[rows]
    )
    return kept
