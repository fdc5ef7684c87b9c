"""Folds as sets of atoms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)

from featurekit.statistics.folds import Folds, _distinct_columns

N = 60


def _splits(kind):
    rng = np.random.default_rng(0)
    X, y = np.zeros((N, 1)), rng.integers(0, 2, N)
    groups = rng.integers(0, 11, N)
    splitter = {
        "two folds": KFold(2),
        "k-fold": KFold(5),
        "shuffled": KFold(4, shuffle=True, random_state=1),
        "stratified": StratifiedKFold(3),
        "groups": GroupKFold(4),
        "time": TimeSeriesSplit(5),
        "time, gap": TimeSeriesSplit(4, gap=3),
        "time, window": TimeSeriesSplit(4, max_train_size=15),
        "one split": PredefinedSplit(np.where(np.arange(N) < 40, -1, 0)),
    }[kind]
    return list(splitter.split(X, y, groups if kind == "groups" else None))


KINDS = [
    *("two folds", "k-fold", "shuffled", "stratified", "groups", "time"),
    *("time, gap", "time, window", "one split"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_folds_hold_the_rows_of_the_splits(kind):
    splits = _splits(kind)
    folds = Folds.from_splits(splits, N)
    assert folds.n_folds == len(splits)
    assert folds.train.shape == folds.test.shape == (folds.n_folds, folds.n_atoms)
    tested = np.full(N, -1)
    for f, (train, test) in enumerate(splits):
        np.testing.assert_array_equal(folds.train_rows(f), np.sort(train))
        np.testing.assert_array_equal(folds.test_rows(f), np.sort(test))
        tested[test] = f
    np.testing.assert_array_equal(folds.fold, tested)
    np.testing.assert_array_equal(np.unique(folds.atom), np.arange(folds.n_atoms))


def test_number_of_atoms_is_the_least_there_can_be():
    assert Folds.from_splits(_splits("k-fold"), N).n_atoms == 5
    assert Folds.from_splits(_splits("groups"), N).n_atoms == 4
    assert Folds.from_splits(_splits("time"), N).n_atoms == 6
    assert Folds.from_splits(_splits("one split"), N).n_atoms == 2


def test_first_rows_of_a_time_series_are_never_tested():
    folds = Folds.from_splits(_splits("time"), N)
    never = np.flatnonzero(folds.fold == -1)
    np.testing.assert_array_equal(never, np.arange(10))
    assert (folds.fold_of_atom == -1).sum() == 1


def test_rows_in_no_part_of_any_split():
    folds = Folds.from_splits([(np.array([0, 1]), np.array([2]))], 5)
    assert folds.n_atoms == 3
    np.testing.assert_array_equal(folds.fold, [-1, -1, 0, -1, -1])
    np.testing.assert_array_equal(folds.train_rows(0), [0, 1])


@pytest.mark.parametrize(
    "splitter", [RepeatedKFold(n_splits=3, n_repeats=2), ShuffleSplit(4, test_size=0.5)]
)
def test_rows_tested_twice_are_refused(splitter):
    splits = list(splitter.split(np.zeros((N, 1))))
    with pytest.raises(ValueError, match="at most once"):
        Folds.from_splits(splits, N)


def test_too_many_atoms_are_refused():
    splits = list(LeaveOneOut().split(np.zeros((300, 1))))
    with pytest.raises(ValueError, match="300 distinct groups.*255"):
        Folds.from_splits(splits, 300)


def test_take_keeps_the_fold_of_each_row():
    folds = Folds.from_splits(_splits("shuffled"), N)
    rows = np.array([3, 59, 3, 17])
    np.testing.assert_array_equal(folds.take(rows).fold, folds.fold[rows])


@pytest.mark.parametrize("kind", KINDS)
def test_within_shows_no_row_that_the_fold_may_not_see(kind):
    folds = Folds.from_splits(_splits(kind), N)
    for f in range(folds.n_folds):
        inner, rows = folds.within(f)
        np.testing.assert_array_equal(rows, folds.train_rows(f))
        assert len(inner.atom) == len(rows)
        allowed = set(rows)
        for g in range(inner.n_folds):
            train, test = set(rows[inner.train_rows(g)]), set(rows[inner.test_rows(g)])
            assert train and test
            assert not train & test
            assert train | test <= allowed
        tested = [i for g in range(inner.n_folds) for i in inner.test_rows(g)]
        assert len(tested) == len(set(tested))


def test_within_keeps_the_other_folds():
    folds = Folds.from_splits(_splits("k-fold"), N)
    inner, rows = folds.within(2)
    assert inner.n_folds == 4
    for g, f in enumerate([0, 1, 3, 4]):
        np.testing.assert_array_equal(rows[inner.test_rows(g)], folds.test_rows(f))
        both = np.intersect1d(folds.train_rows(f), rows)
        np.testing.assert_array_equal(rows[inner.train_rows(g)], both)


def test_within_drops_folds_with_nothing_to_learn_from():
    assert Folds.from_splits(_splits("two folds"), N).within(0)[0].n_folds == 0
    time = Folds.from_splits(_splits("time"), N)
    assert [time.within(f)[0].n_folds for f in range(5)] == [0, 1, 2, 3, 4]


@given(st.lists(st.integers(-1, 4), min_size=5, max_size=40), st.integers(0, 4))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_within_twice_leaves_out_both_folds(tests, f):
    fold = np.array(tests)
    splits = list(PredefinedSplit(fold).split())
    if f >= len(splits):
        return
    folds = Folds.from_splits(splits, len(fold))
    inner, rows = folds.within(f)
    for g in range(inner.n_folds):
        deeper, deep_rows = inner.within(g)
        seen = rows[deep_rows]
        out = np.union1d(folds.test_rows(f), rows[inner.test_rows(g)])
        assert not np.intersect1d(seen, out).size
        assert deeper.n_folds <= inner.n_folds


def test_masks_have_one_memory_order():
    """Kernels are compiled for one; inner folds would cost a second compilation."""
    splits = list(KFold(4).split(np.zeros(20)))
    folds = Folds.from_splits(splits, 20)
    for some in (folds, folds.within(1)[0], folds.take(np.arange(10))):
        assert some.train.flags.c_contiguous and some.test.flags.c_contiguous


@pytest.mark.parametrize("n_folds", [1, 3, 19, 20, 21, 45, 90])
def test_atoms_are_the_distinct_patterns_in_ascending_order(n_folds):
    rng = np.random.default_rng(n_folds)
    role = rng.integers(0, 3, (n_folds, 30)).astype(np.uint8)
    role = role[:, rng.integers(0, 30, 200)]
    patterns, atom = _distinct_columns(role)
    theirs, which = np.unique(role, axis=1, return_inverse=True)
    np.testing.assert_array_equal(patterns, theirs)
    np.testing.assert_array_equal(atom, which.reshape(-1))
