"""Which candidates a search scores: all that the operators allow, or the likeliest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from featurekit.data.columns import Table
from featurekit.expressions.evaluate import cross_fit
from featurekit.expressions.grammar import (
    Candidate,
    Enumeration,
    Member,
    count_candidates,
    pool_of,
    with_calendar,
)
from featurekit.expressions.keyed import Key
from featurekit.expressions.operators import operator
from featurekit.expressions.tree import Call, Column, Expression
from featurekit.generation.interactions import Promise, n_rows, promise
from featurekit.generation.problem import Problem

AUTO_CANDIDATES = 10_000
"""With ``max_candidates="auto"``; tables of some 20 columns allow fewer."""
_SOME = 24
MAX_OTHERS = 30
SINGLE_EVERY = 4
"""One in so many places of the shortlist is for a candidate of one column."""


@dataclass(frozen=True)
class Listed:
    """Candidates to score, in the order of scoring; and what is not scored.

    Attributes
    ----------
    nodes : list of Expression
    unscored : list of Candidate
        Those listed that need no score, with the reason.
    n_left_out : int
        Those not listed at all.
    """

    nodes: list[Expression]
    unscored: list[Candidate] = field(default_factory=list)
    n_left_out: int = 0


@dataclass(frozen=True)
class Space:
    """The candidates that a table and some operators allow.

    Parameters
    ----------
    pool : list of Member
    operators : tuple of str
    n_rows : int
        Rows of the table.
    classes : tuple or None
        Class labels, where there are more than two.
    most : int or None
        Limit on the number of candidates scored; None for no limit.
    ordered : bool
        Always list the likeliest first, as is worth while where time may run out.
    fresh : tuple of Member
        Features of the last order; with them, only candidates that use one.
    trees : bool
        Whether features are for a model of trees.
    """

    pool: list[Member]
    operators: tuple[str, ...]
    n_rows: int
    classes: tuple[Any, ...] | None = None
    most: int | None = None
    ordered: bool = False
    fresh: tuple[Member, ...] = ()
    trees: bool = True

    @classmethod
    def of(
        cls,
        table: Table,
        operators: tuple[str, ...],
        classes: tuple[Any, ...] | None,
        most: int | None,
        ordered: bool,
        trees: bool = True,
    ) -> Space:
        """The space of a table's own columns and the calendar parts of its dates."""
        pool = pool_of(table)
        if "month" in operators:
            pool = with_calendar(pool, table)
        return cls(pool, operators, len(table), classes, most, ordered, trees=trees)

    @cached_property
    def by_operator(self) -> dict[str, int]:
        """Number of candidates per operator."""
        every = [*self.pool, *self.fresh]
        args = (self.operators, self.n_rows, self.classes, self.trees)
        counts = count_candidates(every, *args)
        counts.subtract(count_candidates(self.pool, *args) if self.fresh else {})
        return {name: n for name, n in counts.items() if n}

    @property
    def size(self) -> int:
        """Number of candidates, those that need no score included."""
        return sum(self.by_operator.values())

    @property
    def is_cut(self) -> bool:
        """Whether there are more candidates than the limit lets be scored."""
        return self.most is not None and self.size > self.most

    @property
    def n_scored(self) -> int:
        """Number of candidates that a search scores."""
        if self.is_cut:
            assert self.most is not None
            return self.most
        return len(self._all.nodes)

    def some(self, n: int) -> list[Expression]:
        """About ``n`` candidates, of columns and operators from all over the space."""
        spread = np.linspace(0, len(self.pool) - 1, min(len(self.pool), _SOME))
        pool = [self.pool[int(i)] for i in spread]
        nodes = replace(self, pool=pool, most=None, fresh=())._all.nodes
        return (
            [nodes[int(i)] for i in np.linspace(0, len(nodes) - 1, n)] if nodes else []
        )

    @cached_property
    def _all(self) -> Listed:
        found = self._enumerate().candidates
        nodes = [c.expression for c in found if c.reason is None]
        return Listed(nodes, [c for c in found if c.reason is not None])

    def _enumerate(self, **chosen: Any) -> Enumeration:
        fresh = frozenset(m.expression for m in self.fresh) if self.fresh else None
        return Enumeration(
            [*self.pool, *self.fresh], self.operators, self.n_rows, self.classes,
            fresh, trees=self.trees, **chosen,
        )  # fmt: skip

    def listed(self, problem: Problem, seed: int) -> Listed:
        """The candidates to score on a problem: all, or the likeliest on its rows."""
        if not self.is_cut:
            if not self.ordered:
                return self._all
            likely = self._promise(problem, seed, len(self._all.nodes))
            return replace(self._all, nodes=self._in_order(self._all.nodes, likely))
        assert self.most is not None
        likely = self._promise(problem, seed, self.most + 1)
        found = self._enumerate(
            singles=[self._members[i] for i in likely.columns[: self.most]],
            pairs=list(self._enough_pairs(likely)),
        ).candidates
        nodes = self._in_order([c.expression for c in found if not c.reason], likely)
        unscored = [c for c in found if c.reason is not None]
        left_out = self.size - min(self.most, len(nodes)) - len(unscored)
        return Listed(nodes[: self.most], unscored, left_out)

    def grown(
        self,
        problem: Problem,
        best: Sequence[Expression],
        listed: Listed,
    ) -> Space:
        """The space of the next order: what uses one of the best and the columns.

        Parameters
        ----------
        listed : Listed
            Candidates of the last order. A function of a column that is no feature, for
            it orders the rows as the column does, is an argument of others: the log of
            a column may be worth adding to another one.
        """
        target = (problem.y, problem.classes)
        fresh = []
        for node in [*best, *_other_arguments(best, listed)]:
            values = cross_fit(node, problem.table, target, problem.folds)
            if isinstance(values, Key):
                fresh.append(Member(node, "categorical", values.size - 2))
            else:
                fresh.append(Member.of_numbers(node, values, key=False))
        return replace(self, fresh=tuple(fresh))

    @cached_property
    def _members(self) -> list[Member]:
        """Members that have a place in the ranking."""
        return [m for m in [*self.pool, *self.fresh] if m.is_number or m.is_key]

    def _promise(self, problem: Problem, seed: int, n_pairs: int) -> Promise:
        """Rank the members and their pairs on a sample of the problem's rows."""
        known = np.flatnonzero(~np.isnan(problem.raw[:, 0]))
        part = problem if len(known) == len(problem.y) else problem.take(known)
        part = part.sample(n_rows(len(self._members)), seed)
        target = (part.y, part.classes)
        columns = [
            cross_fit(m.expression, part.table, target, part.folds)
            for m in self._members
        ]
        constant = np.tile(part.loss.baseline(part.y, part.weight), (len(part.y), 1))
        gradients = []
        for raw in (constant, part.raw):
            g = part.loss.gradients(part.y, raw)[0]
            gradients.append(g if part.weight is None else g * part.weight[:, None])
        n_old = len(self._members) - sum(m in self._members for m in self.fresh)
        return promise(columns, gradients, n_pairs, n_old if self.fresh else 0)

    def _enough_pairs(self, likely: Promise) -> Iterator[tuple[Member, Member]]:
        """The first pairs, as many as give enough candidates."""
        per_pair: dict[tuple[str, str], int] = {}
        assert self.most is not None
        wanted = self.most + 1.0
        for i, j in likely.pairs:
            a, b = self._members[i], self._members[j]
            kinds = (a.kind, b.kind)
            if kinds not in per_pair:
                made = self._enumerate(singles=[], pairs=[(a, b)])
                per_pair[kinds] = max(1, len(made.kept))
            yield a, b
            wanted -= per_pair[kinds]
            if wanted <= 0:
                return

    def _in_order(self, nodes: list[Expression], likely: Promise) -> list[Expression]:
        """The likeliest first: by the place of a candidate's column or pair.

        Candidates of one column and those of two take turns, one to three.
        """
        member = {m.expression: i for i, m in enumerate(self._members)}
        of_column = {int(i): place for place, i in enumerate(likely.columns)}
        of_pair = {(int(i), int(j)): k for k, (i, j) in enumerate(likely.pairs)}
        single: list[tuple[int, int]] = []
        double: list[tuple[int, int]] = []
        for at, node in enumerate(nodes):
            used = sorted({member[a] for a in _operands(node) if a in member})
            if len(used) == 2:
                place = of_pair.get((used[0], used[1]), len(of_pair))
                double.append((place, at))
            else:
                places = [of_column[i] for i in used]
                single.append((min(places, default=0), at))
        turns = [
            (float(SINGLE_EVERY * k), at) for k, (_, at) in enumerate(sorted(single))
        ]
        share = SINGLE_EVERY / (SINGLE_EVERY - 1)
        turns += [(share * k, at) for k, (_, at) in enumerate(sorted(double))]
        return [nodes[at] for _, at in sorted(turns)]


def _other_arguments(best: Sequence[Expression], listed: Listed) -> list[Expression]:
    """Arguments of the next order besides the best, at most `MAX_OTHERS`.

    What was left out because it orders the rows like a column or like one of the best,
    and scored functions of a column; those of the columns that the best use first.
    """
    used = {name for node in best for name in node.columns()}
    usable = [
        c.expression
        for c in listed.unscored
        if isinstance(c.equivalent_to, Column)
        or (c.equivalent_to is not None and c.equivalent_to in best)
    ]
    usable += [n for n in listed.nodes if _is_of_column(n) and n not in best]
    usable.sort(key=lambda node: not used.issuperset(node.columns()))
    return usable[:MAX_OTHERS]


def _is_of_column(node: Expression) -> bool:
    """Whether it is a function of one column's own value."""
    assert isinstance(node, Call)
    alone = len(node.args) == 1 and isinstance(node.args[0], Column)
    return alone and operator(node.op).equivalent is not None


def _operands(node: Expression) -> Iterator[Expression]:
    """Arguments of a candidate; of a pair of keys, its two keys."""
    assert isinstance(node, Call)
    for arg in node.args:
        yield arg
        if isinstance(arg, Call):
            yield from arg.args
