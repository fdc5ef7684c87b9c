"""Columns that say something new: greedy choices that count what was said before.

"mrmr" takes the column of the most relevance less its mean redundancy with those taken
(Peng, Long and Ding, 2005); "3mr" adds the mean relation, what it says of the target
together with each of them (OutRank, arXiv 2309.01552). Only pairs with a column that
was taken are looked at, k F of F^2 / 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.statistics.contingency import entropy
from featurekit.statistics.pairs import (
    CrossNull,
    Group,
    PairNull,
    Rows,
    sum_xlogx,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PAIR_COLUMNS = (
    "feature_a", "feature_b", "mi", "emi", "excess", "ami", "theils_u_ab",
    "theils_u_ba",
)  # fmt: skip


@dataclass(frozen=True)
class PairScore:
    """Two columns together, nats; ``theils_u_ab`` is the share of b that a tells."""

    mi: float
    emi: float
    h_a: float
    h_b: float

    @property
    def excess(self) -> float:
        """What is above chance."""
        return self.mi - self.emi

    @property
    def ami(self) -> float:
        """Excess over the most it could be, min(H(a), H(b)) - emi."""
        most = min(self.h_a, self.h_b) - self.emi
        return self.excess / most if most > 1e-12 else 0.0

    def row(self, a: str, b: str) -> tuple[Any, ...]:
        """A line of `PAIR_COLUMNS`."""
        of_b = self.mi / self.h_b if self.h_b > 0 else 0.0
        of_a = self.mi / self.h_a if self.h_a > 0 else 0.0
        return (a, b, self.mi, self.emi, self.excess, self.ami, of_b, of_a)


class Pairs:
    """Mutual information of columns of the same rows, one left column at a time."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        n = rows.n_total
        sizes = [
            rows.value_sizes(c, s) for c, s in zip(rows.codes, rows.sizes, strict=True)
        ]
        self._sums = [sum_xlogx(s) for s in sizes]
        self._null = PairNull(n)
        self._margins = [self._null.margin(s) for s in sizes]
        self._h = [entropy(s) for s in sizes]

    def varies(self, a: int) -> bool:
        """Whether column ``a`` has two values at least."""
        return self._h[a] > 0

    def group(self, a: int) -> Group:
        """The rows by column ``a``."""
        return Group(self.rows, self.rows.codes[a], self.rows.sizes[a])

    def score(self, group: Group, a: int, b: int) -> PairScore:
        """Column ``a``, by which the rows are grouped, and another."""
        n = self.rows.n_total
        cells = group.pair(self.rows.codes[b], self.rows.sizes[b])
        mi = (cells - self._sums[a] - self._sums[b]) / n + np.log(n)
        emi = self._null.mean(self._margins[a], self._margins[b])
        return PairScore(max(0.0, float(mi)), emi, self._h[a], self._h[b])


def choose(
    rows: Rows,
    relevance: Floats,
    kind: str,
    n_choose: int,
    stopped: Callable[[], bool],
) -> tuple[list[int], Floats, dict[tuple[int, int], PairScore]]:
    """Columns in the order of the greedy choice.

    Parameters
    ----------
    rows : Rows
    relevance : float64 array (F,)
        Share of the target's entropy that each column tells, above chance.
    kind : {"mrmr", "3mr"}
    n_choose : int
        Columns to choose; the rest follows by what the last choice made of it, and
        constant columns come last.
    stopped : callable
        Says when to choose no more.

    Returns
    -------
    order : list of int
    criterion : float64 array (F,)
        Of each column when it was chosen, or last.
    pairs : dict
        The pairs looked at.

    Notes
    -----
    Redundancy is adjusted for chance and measured by the smaller entropy of the two,
    relation by that of the target: shares, as relevance is. The released package scales
    each by its least and greatest value over all pairs, which needs them all.
    """
    pairs = Pairs(rows)
    b = rows.classes()
    cross_null = CrossNull(b) if kind == "3mr" else None
    h = entropy(b)
    n_columns = len(rows.codes)
    # a constant has no redundancy, and with "3mr" the relation of the column chosen
    # before it, so that it would be chosen early
    left = [j for j in range(n_columns) if pairs.varies(j)]
    constant = [j for j in range(n_columns) if not pairs.varies(j)]
    redundancy, relation = np.zeros((2, n_columns))
    criterion = relevance.astype(np.float64)
    order: list[int] = []
    seen: dict[tuple[int, int], PairScore] = {}
    while left:
        value = relevance.copy()
        if order:
            value = value + (relation - redundancy) / len(order)
        criterion[left] = value[left]
        if len(order) == n_choose or (order and stopped()):
            order += sorted(left, key=lambda j: (-value[j], j))
            break
        best = max(left, key=lambda j: (value[j], -j))
        left.remove(best)
        order.append(best)
        if len(order) == n_choose or not left:
            continue
        group = pairs.group(best)
        for j in left:
            score = pairs.score(group, best, j)
            seen[(best, j)] = score
            redundancy[j] += score.ami
            if cross_null is not None and h > 0:
                difference, sizes, _ = group.cross(rows.codes[j], rows.sizes[j])
                mean, _ = cross_null.moments(sizes)
                relation[j] += (h + difference / rows.n_total - mean) / h
    return order + constant, criterion, seen
