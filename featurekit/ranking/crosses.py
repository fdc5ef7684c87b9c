"""Crosses of columns: found on growing numbers of rows, half of them left each time.

A cross is two or three columns taken as one key. It is judged by its *gain*: what it
says of the target above what its parts say each for itself, all of it less what chance
alone would give. Nothing is made of strings, and no table of all pairs of values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.execution.budget import Budget
from featurekit.execution.local import run_threads
from featurekit.statistics.contingency import entropy
from featurekit.statistics.pairs import CrossNull, Group, Rows, sum_xlogx

Ints = NDArray[np.int64]
Cross = tuple[int, ...]

FIRST_ROWS = 1 << 14
CANDIDATES_PER_KEPT = 2
PARENTS = 32
N_SD = 2.0
MAX_KEY = 1 << 62


def splits(cross: Cross) -> list[tuple[Cross, Cross]]:
    """The ways to part a cross: all but one column, and that column."""
    return [(tuple(c for c in cross if c != last), (last,)) for last in cross]


@dataclass
class Found:
    """Excess and gain of crosses on some rows, nats."""

    excess: dict[Cross, float] = field(default_factory=dict)
    sd: dict[Cross, float] = field(default_factory=dict)
    gain: dict[Cross, float] = field(default_factory=dict)

    def best(self, crosses: Sequence[Cross], n: int, hope: float = 0.0) -> list[Cross]:
        """The ``n`` of the greatest gain, each helped by ``hope`` deviations."""
        key = [-(self.gain[c] + hope * self.sd[c]) for c in crosses]
        order = np.argsort(key, kind="stable")[:n]
        return [crosses[i] for i in sorted(order)]


class Screen:
    """Crosses scored on some rows.

    Parameters
    ----------
    rows : Rows
    n_threads : int
    """

    def __init__(self, rows: Rows, n_threads: int) -> None:
        self.rows = rows
        self.n_threads = n_threads
        self.b = rows.classes()
        self.h = entropy(self.b)
        self.null = CrossNull(self.b)
        self._memo: dict[Cross, tuple[float, float]] = {}
        for j in range(len(rows.codes)):
            self._memo[(j,)] = self._single(j)

    def _single(self, j: int) -> tuple[float, float]:
        rows = self.rows
        n, size = rows.n_total, rows.sizes[j]
        wide = rows.codes[j].astype(np.int64) * rows.n_classes + rows.y
        cells = rows.value_sizes(wide, size * rows.n_classes)
        values = rows.value_sizes(rows.codes[j], size)
        mi = self.h + (sum_xlogx(cells) - sum_xlogx(values)) / n
        counts, times = np.unique(values[values > 0], return_counts=True)
        mean, sd = self.null.moments(counts, times)
        return mi - mean, sd

    def score(self, crosses: Sequence[Cross], stopped: Callable[[], bool]) -> Found:
        """Score crosses of which all but the last column are a left key.

        Work that has not begun when ``stopped`` says so is left out.
        """
        by_left: dict[Cross, list[int]] = {}
        for cross in crosses:
            if cross not in self._memo:
                by_left.setdefault(cross[:-1], []).append(cross[-1])

        def one(left: Cross) -> None:
            if stopped():
                return
            codes, size = self._key(left)
            group = Group(self.rows, codes, size)
            for j in by_left[left]:
                difference, counts, times = group.cross(
                    self.rows.codes[j], self.rows.sizes[j]
                )
                mean, sd = self.null.moments(counts, times)
                mi = self.h + difference / self.rows.n_total
                self._memo[(*left, j)] = (mi - mean, sd)

        run_threads(one, by_left, self.n_threads)
        found = Found()
        for cross in crosses:
            if cross in self._memo:
                found.excess[cross], found.sd[cross] = self._memo[cross]
                found.gain[cross] = found.excess[cross] - self._parts(cross, stopped)
        return found

    def _parts(self, cross: Cross, stopped: Callable[[], bool]) -> float:
        """The most that the parts of a cross say, split in two in any way."""
        best = -np.inf
        for rest, last in splits(cross):
            if rest not in self._memo:
                if stopped():
                    continue
                self.score([rest], stopped)
            if rest in self._memo:
                best = max(best, self._memo[rest][0] + self._memo[last][0])
        return best

    def _key(self, left: Cross) -> tuple[NDArray[Any], int]:
        """Codes of one or more columns as one."""
        codes, size = self.rows.codes[left[0]], self.rows.sizes[left[0]]
        for j in left[1:]:
            ids = codes.astype(np.int64) * self.rows.sizes[j] + self.rows.codes[j]
            known, codes = np.unique(ids, return_inverse=True)
            size = len(known)
        return codes.astype(np.uint32), size


def find_crosses(
    rows: Rows,
    columns: Sequence[int],
    order: int,
    n_keep: int,
    max_candidates: int | None,
    budget: Budget,
    n_threads: int = 1,
) -> tuple[list[Cross], int]:
    """The most promising crosses of two up to ``order`` columns, best first.

    Parameters
    ----------
    rows : Rows
        In an order of chance.
    columns : sequence of int
        Those that may be crossed.
    order : {2, 3}
    n_keep : int
        Crosses of each order to return, at most.
    max_candidates : int or None
        Crosses of each order to score, at most; those that may gain most.
    budget : Budget
        When it is spent, what is scored so far is judged.

    Returns
    -------
    crosses : list of tuples of int
    n_tried : int
        How many were looked at.
    """
    out: list[Cross] = []
    pairs = _allowed(rows, columns, max_candidates)
    n_tried = len(pairs)
    best = _halve(rows, pairs, n_keep, budget, n_threads)
    out += best
    if order > 2 and best and not budget.stopped():
        triples = sorted(
            {
                tuple(sorted((*pair, c)))
                for pair in best[:PARENTS]
                for c in columns
                if c not in pair and _fits(rows, (*pair, c))
            }
        )
        triples = triples[: max_candidates or len(triples)]
        n_tried += len(triples)
        out += _halve(rows, triples, n_keep, budget, n_threads)
    return out, n_tried


def _allowed(
    rows: Rows, columns: Sequence[int], max_candidates: int | None
) -> list[Cross]:
    """Pairs that can gain at all, the most promising if there are too many.

    A pair cannot say more of y than y holds, nor more than one part says and the other
    holds: I(ab; y) <= min(H(y), I(a; y) + H(b), I(b; y) + H(a)).
    """
    head = rows.head(FIRST_ROWS)
    screen = Screen(head, 1)
    says = [max(0.0, screen._memo[(j,)][0]) for j in range(len(rows.codes))]
    holds = [
        entropy(head.value_sizes(c, s))
        for c, s in zip(head.codes, head.sizes, strict=True)
    ]
    pairs: list[Cross] = []
    bounds = []
    for a, b in combinations(columns, 2):
        most = min(screen.h, says[a] + holds[b], says[b] + holds[a])
        if most - says[a] - says[b] > 0 and _fits(rows, (a, b)):
            pairs.append((a, b))
            bounds.append(most - says[a] - says[b])
    if max_candidates is None or len(pairs) <= max_candidates:
        return pairs
    order = np.argsort(-np.array(bounds), kind="stable")[:max_candidates]
    return [pairs[i] for i in np.sort(order)]


def _fits(rows: Rows, cross: Cross) -> bool:
    """Whether the cross's values can be numbered in 64 bits."""
    size = 1
    for j in cross:
        size *= int(rows.sizes[j]) + 2
    return size < MAX_KEY


def _halve(
    rows: Rows, crosses: list[Cross], n_keep: int, budget: Budget, n_threads: int
) -> list[Cross]:
    """Successive halving: twice the rows for half the crosses."""
    n = FIRST_ROWS
    while crosses:
        part = rows.head(n)
        found = Screen(part, n_threads).score(crosses, budget.stopped)
        scored = [c for c in crosses if c in found.gain]
        if n >= len(rows) or budget.stopped():
            kept = found.best(scored, n_keep)
            return sorted(kept, key=lambda c: (-found.gain[c], c))
        keep = max(n_keep * CANDIDATES_PER_KEPT, len(scored) // 2)
        crosses = found.best(scored, keep, N_SD)
        n *= 2
    return []
