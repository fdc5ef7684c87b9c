"""Cross-validation folds as sets of atoms, the smallest row blocks that matter.

An *atom* is a set of rows that every fold treats alike. Sums taken per atom give the
sums of any fold's training or test part by addition, so a statistic is computed once
and serves all folds, nested ones included. Five-fold cross-validation has five
atoms; a time-ordered splitter with five splits has six, the first of which is never
tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_MAX_ATOMS = 255


@dataclass(frozen=True)
class Folds:
    """Which rows each fold learns from and which it is tested on.

    Attributes
    ----------
    atom : int64 array (n,)
        Atom of each row.
    train, test : bool arrays (F, A)
        Atoms of each fold's training and test part.
    """

    atom: NDArray[np.int64]
    train: NDArray[np.bool_]
    test: NDArray[np.bool_]

    @classmethod
    def from_splits(
        cls, splits: list[tuple[NDArray[np.int64], NDArray[np.int64]]], n_rows: int
    ) -> Folds:
        """Folds of a splitter's (train, test) index pairs.

        Raises
        ------
        ValueError
            If a row is tested by two folds, or the folds overlap so irregularly that
            more than 255 atoms arise.
        """
        role = np.zeros((len(splits), n_rows), np.uint8)
        for fold, (train, test) in enumerate(splits):
            role[fold, train] = 1
            role[fold, test] = 2
        if ((role == 2).sum(axis=0) > 1).any():
            raise ValueError(
                "cv must test each row at most once (KFold, GroupKFold, "
                "TimeSeriesSplit, ...); repeated or shuffled splits that test a row "
                "twice cannot give it one out-of-fold value."
            )
        patterns, atom = _distinct_columns(role)
        if patterns.shape[1] > _MAX_ATOMS:
            raise ValueError(
                f"cv makes {patterns.shape[1]} distinct groups of rows; at most "
                f"{_MAX_ATOMS} are supported. Use fewer or more regular splits."
            )
        return cls(atom, patterns == 1, patterns == 2)

    def __post_init__(self) -> None:
        # kernels are compiled for one memory order
        for name in ("train", "test"):
            masks = np.ascontiguousarray(getattr(self, name))
            object.__setattr__(self, name, masks)

    @property
    def n_folds(self) -> int:
        """Number of folds F."""
        return self.train.shape[0]

    @property
    def n_atoms(self) -> int:
        """Number of atoms A."""
        return self.train.shape[1]

    @cached_property
    def fold_of_atom(self) -> NDArray[np.int64]:
        """Fold that tests each atom, -1 where none does, shape (A,)."""
        return np.where(self.test.any(axis=0), self.test.argmax(axis=0), -1)

    @cached_property
    def fold(self) -> NDArray[np.int64]:
        """Fold that tests each row, -1 where none does, shape (n,)."""
        return self.fold_of_atom[self.atom]

    def train_rows(self, fold: int) -> NDArray[np.int64]:
        """Rows that ``fold`` learns from."""
        return np.flatnonzero(self.train[fold][self.atom])

    def test_rows(self, fold: int) -> NDArray[np.int64]:
        """Rows that ``fold`` is tested on."""
        return np.flatnonzero(self.test[fold][self.atom])

    def take(self, rows: NDArray[np.int64]) -> Folds:
        """The same folds on some of the rows."""
        return Folds(self.atom[rows], self.train, self.test)

    def within(self, fold: int) -> tuple[Folds, NDArray[np.int64]]:
        """Folds for use inside the training part of ``fold``, and its rows.

        The other folds, each without what ``fold`` may not see. Folds left with
        nothing to learn from or to be tested on are dropped.
        """
        allowed = self.train[fold]
        train = self.train & allowed
        test = self.test & allowed
        kept = train.any(axis=1) & test.any(axis=1)
        rows = self.train_rows(fold)
        return Folds(self.atom[rows], train[kept], test[kept]), rows


def _distinct_columns(
    role: NDArray[np.uint8],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Distinct columns of 0, 1 and 2 in ascending order, and which of them each is.

    As ``numpy.unique(role, axis=1)``, at the cost of sorting one number a column.
    """
    code = np.zeros(role.shape[1], np.int64)
    for i, digit in enumerate(role):
        code = 3 * code + digit
        if i % 20 == 19:  # before it grows beyond 63 bits
            code = np.unique(code, return_inverse=True)[1].astype(np.int64)
    _, first, which = np.unique(code, return_index=True, return_inverse=True)
    return role[:, first], which.astype(np.int64)
