"""Resamples of rows without replacement, in shares of classes and in whole groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featurekit.selection.base import Ints, Rows


def draw(
    rows: Rows, n_resamples: int, fraction: float, pairs: bool, seed: int
) -> list[Ints]:
    """Positions of the rows of each resample, ascending.

    Rows of a group of ``rows.groups`` are drawn together; ``fraction`` is then one of
    the groups. Every class keeps its share, up to one row (or group); a group counts
    for its most frequent class.

    Parameters
    ----------
    rows : Rows
    n_resamples : int
    fraction : float
    pairs : bool
        Resamples 2i and 2i + 1 have no row in common.
    seed : int

    Raises
    ------
    ValueError
        If there are too few rows or groups.
    """
    n = len(rows)
    item = np.arange(n)
    if rows.groups is not None:
        item = np.unique(rows.groups, return_inverse=True)[1].ravel()
    n_items = int(item.max()) + 1
    size = int(fraction * n_items + 1e-9)
    if size < 1:
        what = "1 sample" if rows.groups is None else f"{n_items} groups"
        raise ValueError(
            f"a resample of {fraction:g} of {what} (n_samples = {n}) has no rows: more "
            "are needed"
        )
    stratum = _strata(rows, item, n_items)
    rng = np.random.default_rng(seed)
    drawn: list[Ints] = []
    while len(drawn) < n_resamples:
        order = _spread(stratum, rng)
        for start in (0, size) if pairs else (0,):
            taken = np.zeros(n_items, bool)
            taken[order[start : start + size]] = True
            drawn.append(np.flatnonzero(taken[item]))
    del drawn[n_resamples:]
    return drawn


def _strata(rows: Rows, item: Ints, n_items: int) -> Ints:
    """The class of each item; all the same for a target of numbers."""
    if rows.target is None or rows.target.task == "regression":
        return np.zeros(n_items, np.int64)
    k = len(rows.target.labels)
    counts = np.zeros((n_items, k))
    np.add.at(counts, (item, rows.target.y.astype(np.int64)), 1)
    return counts.argmax(axis=1)


def _spread(stratum: Ints, rng: np.random.Generator) -> NDArray[np.intp]:
    """Items at random, every class spread evenly over the whole.

    The items of a class stand at equal distances behind a random start; any run of
    items then has its share of each class.
    """
    place = np.empty(len(stratum))
    for value in np.unique(stratum):
        members = np.flatnonzero(stratum == value)
        start = rng.random()
        place[rng.permutation(members)] = (np.arange(len(members)) + start) / len(
            members
        )
    return np.argsort(place, kind="stable")


def refuse_one_class(rows: Rows, drawn: list[Ints]) -> None:
    """Raise a ValueError if a resample has no two classes."""
    if rows.target is None or rows.target.task == "regression":
        return
    for at in drawn:
        codes = rows.target.y[at]
        if codes.min() == codes.max():
            label = rows.target.labels[int(codes[0])]
            raise ValueError(
                f"a resample has rows of one class only ({label!r}): the others have "
                "too few rows, or too few groups, to be drawn. Leave out rare classes, "
                "or join them."
            )
