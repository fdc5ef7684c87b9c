"""Columns one after the other, by what each says that those before it do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.selection.design import Standard

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BLOCK = 4096
"""Rows whose products are summed at once."""


def greedy_order(scores: Floats, told: Floats, penalty: float) -> list[int]:
    """Order units by score, those that are told already later.

    Next is always the unit of the largest score (1 - r^2)^penalty, where r^2 is the
    largest share that a unit before it tells. Ties go by score, then by position.

    Parameters
    ----------
    scores : float64 array (m,)
        One below 0 is as one of 0.
    told : float64 array (m, m)
        How much of unit i unit j tells.
    penalty : float

    Returns
    -------
    list of int
    """
    left = np.argsort(-scores, kind="stable")
    worth = np.maximum(scores, 0.0)[left]
    floor = 1e-12 * worth.max(initial=0.0)
    share = np.zeros(len(left))
    order: list[int] = []
    while len(left):
        value = worth * (1 - share) ** penalty
        # equal but for rounding is equal: the first goes first
        best = int(np.argmax(value >= value.max() - floor))
        unit = int(left[best])
        order.append(unit)
        left, worth, share = (np.delete(part, best) for part in (left, worth, share))
        np.maximum(share, told[left, unit], out=share)
    return order


def shares_told(
    columns: Sequence[NDArray[Any]], unit: Ints, weight: Floats | None = None
) -> Floats:
    """How much of each unit a straight line through each other one tells.

    Parameters
    ----------
    columns : sequence of p float64 or bool arrays (n,)
    unit : int64 array (p,)
        The unit of each, ascending from 0 to m - 1; each has a column that varies.
    weight : float64 array (n,), optional
        How often each row counts.

    Returns
    -------
    float64 array (m, m)
        Row i, column j: of the columns of unit i the one that is told least, by that
        column of unit j that tells it best, as a squared correlation.
    """
    squares, varies = _squared_correlations(columns, weight)
    # nothing is left to tell of a constant
    squares[~varies] = 1.0
    first = np.searchsorted(unit, np.arange(unit[-1] + 1))
    best = np.maximum.reduceat(squares, first, axis=1)
    return np.minimum.reduceat(best, first, axis=0)


def _squared_correlations(
    columns: Sequence[NDArray[Any]], weight: Floats | None
) -> tuple[Floats, NDArray[np.bool_]]:
    """Of each two columns (p, p), 0 of constants; and which are none."""
    n, p = len(columns[0]), len(columns)
    root = None if weight is None else np.sqrt(weight)
    standards = [Standard.of(column, weight) for column in columns]
    out = np.zeros((p, p))
    for start in range(0, n, _BLOCK):
        rows = slice(start, min(start + _BLOCK, n))
        Z = np.empty((rows.stop - start, p), order="F")
        for j, (column, standard) in enumerate(zip(columns, standards, strict=True)):
            Z[:, j] = standard.apply(column[rows])
        if root is not None:
            Z *= root[rows, None]
        out += Z.T @ Z
    varies = np.array([standard.length > 0 for standard in standards])
    return np.minimum(out**2, 1.0), varies
