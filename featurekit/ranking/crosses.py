"""Crosses of columns: found on growing numbers of rows, half of them left each time.

A cross is two or three columns taken as one key. It is judged by its *gain*: what a
column says of the target once the others are known, above what chance would give it
there, less what it says by itself. That is what a model of the columns, each for
itself, cannot have. Nothing is made of strings, and no table of all pairs of values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from featurekit.execution.budget import Budget
from featurekit.execution.local import run_threads
from featurekit.ranking.counting import Counted
from featurekit.statistics.contingency import CountTable, entropy, null_moments
from featurekit.statistics.pairs import CrossNull, Group, Rows, null_within, sum_xlogx

Ints = NDArray[np.int64]
Cross = tuple[int, ...]

Phase = Callable[[str, int | None], AbstractContextManager[Callable[[], None]]]

FIRST_ROWS = 1 << 14
CANDIDATES_PER_KEPT = 2
PARENTS = 32
ALL_TRIPLES = 2000
N_SD = 2.0
MAX_KEY = 1 << 62


@contextmanager
def no_phase(name: str, n_steps: int | None) -> Iterator[Callable[[], None]]:
    """A phase that nobody looks at."""
    yield lambda: None


def splits(cross: Cross) -> list[tuple[Cross, Cross]]:
    """The ways to part a cross: all but one column, and that column."""
    return [(tuple(c for c in cross if c != last), (last,)) for last in cross]


class Told(NamedTuple):
    """Mutual information with the target, and what of it is above chance; nats."""

    mi: float
    excess: float
    sd: float = 0.0


@dataclass
class Found:
    """Gain of crosses on some rows, and its standard deviation by chance; nats."""

    gain: dict[Cross, float] = field(default_factory=dict)
    sd: dict[Cross, float] = field(default_factory=dict)

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
        self.h = entropy(rows.classes())
        self._null = CrossNull(rows.classes())
        self.told: dict[Cross, Told] = {
            (j,): self._single(j) for j in range(len(rows.codes))
        }

    def _single(self, j: int) -> Told:
        table = self._table(self.rows.codes[j], self.rows.sizes[j])
        sizes = table.sum(axis=1)
        difference = sum_xlogx(table.ravel()) - sum_xlogx(sizes)
        return self._judged(difference, sizes)

    def _judged(self, difference: float, sizes: Ints) -> Told:
        mi = self.h + difference / self.rows.n_total
        mean, sd = self._null.moments(sizes)
        return Told(mi, mi - mean, sd)

    def _table(self, codes: NDArray[Any], size: int) -> Ints:
        """Rows of each value and class, int64 (size, C)."""
        rows = self.rows
        cells = codes.astype(np.int64) * rows.n_classes + rows.y
        counts = rows.value_sizes(cells, size * rows.n_classes)
        return counts.reshape(size, rows.n_classes)

    def score(
        self,
        crosses: Sequence[Cross],
        stopped: Callable[[], bool],
        step: Callable[[], None] = lambda: None,
    ) -> Found:
        """Score crosses; work not begun when ``stopped`` says so is left out.

        ``step`` is called after each cross, from any thread.
        """
        parts = {
            rest
            for cross in crosses
            for rest, _ in splits(cross)
            if rest not in self.told
        }
        if parts:
            self.score(sorted(parts), stopped)
        given: dict[Cross, list[tuple[Cross, int]]] = {}
        for cross in crosses:
            known, other = self._given(cross)
            if known in self.told:
                given.setdefault(known, []).append((cross, other))
        found = Found()

        def one(known: Cross) -> None:
            if stopped():
                return
            codes, size = self._key(known)
            group = Group(self.rows, codes, size)
            table = self._table(codes, size)
            for cross, other in given[known]:
                difference, sizes, bounds = group.cross(
                    self.rows.codes[other], self.rows.sizes[other]
                )
                mean, sd = null_within(bounds, sizes, table)
                told = self._judged(difference, sizes)
                self.told[cross] = told
                gain = told.mi - self.told[known].mi - mean - self.told[other,].excess
                if len(cross) > 2:
                    gain = min(gain, told.excess - self._parts(cross))
                found.gain[cross] = gain
                found.sd[cross] = float(np.hypot(sd, self.told[other,].sd))
                step()

        run_threads(one, given, self.n_threads)
        return found

    def _given(self, cross: Cross) -> tuple[Cross, int]:
        """What is taken as known, and the column that may add to it.

        Of two columns the one that says more is known: chance within its values is not
        what chance over all rows is.
        """
        if len(cross) == 2:
            a, b = cross
            more = self.told[a,].excess >= self.told[b,].excess
            return ((a,), b) if more else ((b,), a)
        return cross[:-1], cross[-1]

    def _parts(self, cross: Cross) -> float:
        """The most that the parts of a cross say, split in two in any way."""
        known = [
            self.told[rest].excess + self.told[last].excess
            for rest, last in splits(cross)
            if rest in self.told
        ]
        return max(known, default=0.0)

    def _key(self, columns: Cross) -> tuple[NDArray[Any], int]:
        """Codes of one or more columns as one."""
        codes, size = self.rows.codes[columns[0]], self.rows.sizes[columns[0]]
        for j in columns[1:]:
            ids = codes.astype(np.int64) * self.rows.sizes[j] + self.rows.codes[j]
            known, codes = np.unique(ids, return_inverse=True)
            size = len(known)
        return codes, size


class Combinations(NamedTuple):
    """The combinations of values that a cross has.

    Attributes
    ----------
    numbers : int64 array
        As `emit.cross_keys` numbers them, rising.
    sizes : int64 array
        Rows of each.
    n_missing : int
        Rows without one.
    """

    numbers: Ints
    sizes: Ints
    n_missing: int


@dataclass(frozen=True, eq=False)
class CountedCross:
    """A cross with its finished table.

    Attributes
    ----------
    members : list of Counted
    name : str
    table : CountTable
        First of the rows where all is missing, if these are a value.
    combinations : Combinations
        In the table's order.
    coverage, cardinality, rare_share : float
        As of `Counted`.
    """

    members: list[Counted]
    name: str
    table: CountTable
    combinations: Combinations
    coverage: float
    cardinality: float
    rare_share: float

    @classmethod
    def of(cls, members: list[Counted], counted: Counted) -> CountedCross:
        """From what is counted of the numbers that `emit.cross_keys` gives."""
        ids = np.asarray(counted.vocabulary.distinct(), np.int64)
        numbers = np.sort(ids[counted.place[1:] > 0])
        sizes = counted.table.sizes[len(counted.table.sizes) - len(numbers) :]
        n_missing = int(counted.class_rows.sum() - sizes.sum())
        return cls(
            members, counted.name, counted.table,
            Combinations(numbers, sizes, n_missing),
            counted.coverage, counted.cardinality, counted.rare_share,
        )  # fmt: skip


def gain_of(cross: CountedCross) -> tuple[float, float]:
    """What a cross says above its parts, and in how many deviations of chance.

    Parameters
    ----------
    cross : CountedCross

    Returns
    -------
    gain : float
        The least over all ways to part the columns in two, X and Y, of
        I(XY; y) - I(X; y) - E[I(Y; y | X)] - (I(Y; y) - E[I(Y; y)]), nats.
    z : float
        In standard deviations of I(Y; y | X) when labels are shuffled within X, and of
        I(Y; y) when they are shuffled.
    """
    members, table, ids = cross.members, cross.table, cross.combinations.numbers
    if len(ids) < len(table.sizes):
        all_missing = 0
        for member in members:
            all_missing = all_missing * (member.n_places + 2) + member.n_places
        ids = np.concatenate([[all_missing], ids])
    codes = []
    for member in reversed(members):
        ids, code = np.divmod(ids, member.n_places + 2)
        codes.append(code)
    codes.reverse()
    columns = tuple(range(len(members)))
    best = (np.inf, 0.0)
    said = {
        part: _said(table, _merged(codes, members, part))
        for rest, last in splits(columns)
        for part in (rest, last)
    }
    n = int(table.sizes.sum())
    whole = _difference(table.counts, table.sizes) / n
    for pair in splits(columns):
        for x, y in (pair, pair[::-1]):
            tables, order, bounds = said[x].classes, said[x].order, said[x].bounds
            mean, sd = null_within(bounds, table.sizes[order], tables)
            gain = whole - said[x].difference - mean - said[y].excess
            if gain < best[0]:
                sd = float(np.hypot(sd, said[y].sd))
                best = gain, gain / sd if sd > 0 else 0.0
    return best


class _Said(NamedTuple):
    """A part of a cross: its table, and the combinations in order of its values."""

    classes: Ints
    order: Ints
    bounds: Ints
    difference: float
    excess: float
    sd: float


def _merged(codes: list[Ints], members: Sequence[Counted], part: Cross) -> Ints:
    key = codes[part[0]]
    for j in part[1:]:
        key = key * (members[j].n_places + 2) + codes[j]
    return key


def _said(table: CountTable, key: Ints) -> _Said:
    _, value = np.unique(key, return_inverse=True)
    order = np.argsort(value, kind="stable")
    size = int(value.max()) + 1
    bounds = np.searchsorted(value[order], np.arange(size + 1))
    classes = np.zeros((size, table.n_classes), np.int64)
    rows = np.repeat(value, np.diff(table.start))
    np.add.at(classes, (rows, table.classes), table.counts)
    sizes, b = classes.sum(axis=1), classes.sum(axis=0)
    n = int(b.sum())
    difference = _difference(classes.ravel(), sizes) / n
    mean, sd = null_moments([sizes], b[b > 0])[0]
    excess = difference + entropy(b) - mean
    return _Said(classes, order, bounds, difference, excess, sd)


def _difference(cells: Ints, sizes: Ints) -> float:
    return sum_xlogx(cells) - sum_xlogx(sizes)


def find_crosses(
    rows: Rows,
    columns: Sequence[int],
    order: int,
    n_keep: int,
    max_candidates: int | None,
    budget: Budget,
    n_threads: int = 1,
    phase: Phase = no_phase,
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
    n_threads : int
    phase : callable
        Opens a phase of the progress by name and number of steps.

    Returns
    -------
    crosses : list of tuples of int
    n_tried : int
        How many were looked at.
    """
    out: list[Cross] = []
    pairs = _allowed(rows, columns, max_candidates)
    n_tried = len(pairs)
    with phase("pairs", _n_scored(rows, len(pairs), n_keep)) as step:
        best = _halve(rows, pairs, n_keep, budget, n_threads, step)
    out += best
    if order > 2 and not budget.stopped():
        triples = _triples(columns, best)
        triples = [c for c in triples if _fits(rows, c)][:max_candidates]
        n_tried += len(triples)
        with phase("triples", _n_scored(rows, len(triples), n_keep)) as step:
            out += _halve(rows, triples, n_keep, budget, n_threads, step)
    return out, n_tried


def _triples(columns: Sequence[int], pairs: Sequence[Cross]) -> list[Cross]:
    """All triples, if they are not too many; else those that hold a good pair."""
    n = len(columns)
    if n * (n - 1) * (n - 2) // 6 <= ALL_TRIPLES:
        return list(combinations(columns, 3))
    grown = {
        tuple(sorted((*pair, c)))
        for pair in pairs[:PARENTS]
        for c in columns
        if c not in pair
    }
    return sorted(grown)


def _allowed(
    rows: Rows, columns: Sequence[int], max_candidates: int | None
) -> list[Cross]:
    """Pairs that can gain at all, the most promising if there are too many.

    A pair cannot say more of y than y holds, nor more than one part says and the other
    holds: I(ab; y) <= min(H(y), I(a; y) + H(b), I(b; y) + H(a)).
    """
    head = rows.head(FIRST_ROWS)
    screen = Screen(head, 1)
    says = [max(0.0, screen.told[j,].excess) for j in range(len(rows.codes))]
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
    rows: Rows,
    crosses: list[Cross],
    n_keep: int,
    budget: Budget,
    n_threads: int,
    step: Callable[[], None],
) -> list[Cross]:
    """Successive halving: twice the rows for half the crosses."""
    n = FIRST_ROWS
    while crosses:
        part = rows.head(n)
        found = Screen(part, n_threads).score(crosses, budget.stopped, step)
        scored = [c for c in crosses if c in found.gain]
        if n >= len(rows) or budget.stopped():
            kept = found.best(scored, n_keep)
            return sorted(kept, key=lambda c: (-found.gain[c], c))
        crosses = found.best(scored, _n_left(len(scored), n_keep), N_SD)
        n *= 2
    return []


def _n_left(n_crosses: int, n_keep: int) -> int:
    return max(n_keep * CANDIDATES_PER_KEPT, n_crosses // 2)


def _n_scored(rows: Rows, n_crosses: int, n_keep: int) -> int:
    """How many crosses `_halve` scores, each as often as it does."""
    n, total = FIRST_ROWS, n_crosses
    while n < len(rows):
        n_crosses = min(n_crosses, _n_left(n_crosses, n_keep))
        total += n_crosses
        n *= 2
    return total
