"""Folds as atoms."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, TimeSeriesSplit

from featurekit.statistics.folds import Folds

X = np.zeros((60, 1))
GROUPS = np.arange(60) % 12


@pytest.mark.parametrize("cv", [KFold(5), GroupKFold(4), TimeSeriesSplit(5, gap=3)])
def test_atoms_give_the_splitter_back(cv):
    splits = list(cv.split(X, groups=GROUPS))
    folds = Folds.from_splits(splits, 60)
    for f, (train, test) in enumerate(splits):
        np.testing.assert_array_equal(folds.train_rows(f), np.sort(train))
        np.testing.assert_array_equal(folds.test_rows(f), np.sort(test))


@pytest.mark.parametrize("cv", [KFold(5), TimeSeriesSplit(5)])
def test_within_never_sees_what_the_fold_may_not(cv):
    folds = Folds.from_splits(list(cv.split(X)), 60)
    for f in range(folds.n_folds):
        inner, rows = folds.within(f)
        allowed = set(folds.train_rows(f).tolist())
        assert set(rows.tolist()) == allowed
        for g in range(inner.n_folds):
            train, test = rows[inner.train_rows(g)], rows[inner.test_rows(g)]
            assert set(train) <= allowed and set(test) <= allowed
            assert not set(train) & set(test)
            if isinstance(cv, TimeSeriesSplit):
                assert train.max() < test.min()


def test_rows_tested_twice_are_refused():
    with pytest.raises(ValueError, match="at most once"):
        Folds.from_splits(list(ShuffleSplit(5, random_state=0).split(X)), 60)
