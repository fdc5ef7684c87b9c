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

_ROUNDING = 1e-12
"""Of a share: what is closer to 1 is 1. Of values: what is closer is equal."""


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
    floor = _ROUNDING * worth.max(initial=0.0)
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
    columns: Sequence[NDArray[Any]],
    unit: Ints,
    share: Floats,
    weight: Floats | None = None,
) -> Floats:
    """How much of each unit straight lines through columns of each other one tell.

    Parameters
    ----------
    columns : sequence of p float64 or bool arrays (n,)
    unit : int64 array (p,)
        The unit of each, ascending from 0 to m - 1.
    share : float64 array (p,)
        How much each counts of what is to be told of its unit; a unit of which nothing
        counts is told by none.
    weight : float64 array (n,), optional
        How often each row counts.

    Returns
    -------
    float64 array (m, m)
        Row i, column j: the mean over the columns of unit i, as they count, of the
        squared correlation with that column of unit j that tells it best.
    """
    squares = _squared_correlations(columns, weight)
    first = np.searchsorted(unit, np.arange(unit[-1] + 1))
    best = np.maximum.reduceat(squares, first, axis=1)
    total = np.add.reduceat(share, first)
    part = share / np.where(total > 0, total, 1.0)[unit]
    told = np.add.reduceat(best * part[:, None], first, axis=0)
    told[told > 1 - _ROUNDING] = 1.0
    return told


def _squared_correlations(
    columns: Sequence[NDArray[Any]], weight: Floats | None
) -> Floats:
    """Of each two columns (p, p); 0 of constants."""
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
    np.multiply(out, out, out=out)
    return np.minimum(out, 1.0, out=out)
