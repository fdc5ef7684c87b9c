"""Rows in memory for what needs them together: all, or a sample that any order gives.

The rows of the least hashes are taken, a hash being of all the values of a row and its
label. Alike rows are taken together and counted; so a table of few distinct rows is
taken whole, whatever its length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.kernels.registry import kernel, read_only
from featurekit.ranking.counting import Counted
from featurekit.statistics.pairs import Rows

Ints = NDArray[np.int64]
Codes = NDArray[np.uint32]
Block = tuple[Sequence[Codes] | Mapping[int, Codes], NDArray[np.uint16], Ints | None]

SAMPLE_ROWS = 1 << 18


def sample_rows(
    columns: Sequence[Counted],
    blocks: Iterable[Block],
    n_classes: int,
    n_most: int = SAMPLE_ROWS,
) -> Rows:
    """Distinct rows, up to ``n_most``, in the order of their hashes.

    Parameters
    ----------
    columns : sequence of Counted
    blocks : iterable of (codes, y, times)
        Codes of each column as its vocabulary gave them.
    n_classes : int
    n_most : int

    Returns
    -------
    Rows
    """
    sizes = [column.n_places + 1 for column in columns]
    pool = _Pool([np.min_scalar_type(size - 1) for size in sizes], n_most)
    for codes, y, times in blocks:
        hashes = np.zeros(len(y), np.uint64)
        add = kernel("hash_rows")
        for j, column in enumerate(columns):
            add(read_only(codes[j]), column.place, np.uint64(2 * j + 1), hashes)
        labels = read_only(y.astype(np.uint32))  # the type that codes have
        add(labels, np.arange(n_classes), np.uint64(2 * len(columns) + 1), hashes)
        pool.add(hashes, codes, columns, y, times)
    return pool.rows(sizes, n_classes)


class _Pool:
    """The rows of the least hashes so far."""

    def __init__(self, dtypes: list[Any], n_most: int) -> None:
        self._n_most = n_most
        self._hashes = np.zeros(0, np.uint64)
        self._codes = [np.zeros(0, dtype) for dtype in dtypes]
        self._y = np.zeros(0, np.uint16)
        self._times = np.zeros(0, np.int64)
        self._whole = True

    def add(
        self,
        hashes: NDArray[np.uint64],
        codes: Sequence[Codes] | Mapping[int, Codes],
        columns: Sequence[Counted],
        y: NDArray[np.uint16],
        times: Ints | None,
    ) -> None:
        """Take a block in, and leave out again what is beyond the most."""
        times = np.ones(len(y), np.int64) if times is None else times
        if not self._whole:
            near = np.flatnonzero(hashes <= self._hashes[-1])
        else:
            near = np.arange(len(y))
        both = np.concatenate([self._hashes, hashes[near]])
        distinct, first, of = np.unique(both, return_index=True, return_inverse=True)
        counts = np.zeros(len(distinct), np.int64)
        np.add.at(counts, of, np.concatenate([self._times, times[near]]))
        if len(distinct) > self._n_most:
            self._whole = False
        keep = first[: self._n_most]
        self._hashes = distinct[: self._n_most]
        self._times = counts[: self._n_most]
        self._y = np.concatenate([self._y, y[near]])[keep]
        for j, column in enumerate(columns):
            fresh = column.place[codes[j][near]].astype(self._codes[j].dtype)
            self._codes[j] = np.concatenate([self._codes[j], fresh])[keep]

    def rows(self, sizes: list[int], n_classes: int) -> Rows:
        """What was kept."""
        return Rows(self._codes, sizes, self._y, n_classes, self._times)
