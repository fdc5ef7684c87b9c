"""Which features a table allows: enumeration of candidates by the operators' inputs.

The pool holds the columns, each *numeric*, *ordinal* (a number of few values: used as
a number and as a key) or *categorical* (a key); datetimes give their calendar parts to
the pool. ``"openfe"`` enumerates exactly the candidates of the paper's reference
(arXiv 2211.12507); of these, those that are equivalent to another candidate or to a
column are marked with the reason instead of being scored. What only orders the rows
alike is equivalent for tree models alone, and only as a feature: as an argument of
another operator it is not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import CategoricalColumn, DatetimeColumn, Table
from featurekit.expressions.evaluate import fit
from featurekit.expressions.operators import Equivalence, KeyTable, Operator, operator
from featurekit.expressions.tree import Call, Column, Expression, Literal

MAX_ORDINAL = 100
MAX_PAIRS_PER_ROW = 20

_UNARY = ("abs", "log", "sqrt", "square", "sigmoid", "round", "residual")
_BINARY = ("min", "max", "+", "-", "*", "/")
_GROUP = (
    "group_min",
    "group_max",
    "mean",
    "median",
    "std",
    "rank",
)
_PAIRS = ("combine", "pair_freq", "nunique")
OPENFE = ("freq", *_UNARY, *_BINARY, *_GROUP, *_PAIRS)
_RELATIVE = ("diff", "ratio", "zscore")
_CALENDAR = (
    "year",
    "month",
    "day",
    "day_of_year",
    "day_of_week",
    "hour",
    "minute",
    "days",
)
DEFAULT = (
    *(name for name in OPENFE if name != "combine"),
    *_RELATIVE,
    "target_mean",
    *_CALENDAR,
    "count_missing",
)
_CALENDAR_KEYS = ("month", "day_of_week", "hour")


def operator_names(operators: str | Iterable[str]) -> tuple[str, ...]:
    """The operators that a parameter value stands for, checked.

    Raises
    ------
    ValueError
        For a name that is no operator.
    """
    if isinstance(operators, str):
        if operators not in ("openfe", "default"):
            raise ValueError(
                f"operators={operators!r}: use 'openfe', 'default' or a list of names"
            )
        return OPENFE if operators == "openfe" else DEFAULT
    names = tuple(dict.fromkeys(operator(name).name for name in operators))
    if not names:
        raise ValueError("operators is empty; name at least one, or use 'default'")
    return names


@dataclass(frozen=True)
class Member:
    """A column (or derived column) of the pool and what its values are like.

    Attributes
    ----------
    expression : Expression
    kind : str
        "numeric", "ordinal", "categorical", "datetime" or "constant".
    n_distinct : int
    low, high : float
        Range of the values that are not missing (numbers only).
    whole, has_zero, unique, repeats, gaps : bool
        All whole numbers; zero among them; each value once; whole numbers that occur
        three times on average, so that they may be keys; some missing.
    """

    expression: Expression
    kind: str
    n_distinct: int = 0
    low: float = np.nan
    high: float = np.nan
    whole: bool = False
    has_zero: bool = False
    unique: bool = False
    repeats: bool = False
    gaps: bool = False

    @property
    def is_number(self) -> bool:
        """Usable as a number."""
        return self.kind in ("numeric", "ordinal")

    @property
    def is_key(self) -> bool:
        """Usable as a key."""
        return self.kind in ("categorical", "ordinal")

    @property
    def sign_is_fixed(self) -> bool:
        """All above zero, or all below."""
        return self.low > 0 or self.high < 0

    @classmethod
    def of_numbers(
        cls, expression: Expression, values: NDArray[np.float64], key: bool = True
    ) -> Member:
        """A member from its values."""
        seen = values[np.isfinite(values)]
        distinct = np.unique(seen)
        gaps = len(seen) < len(values)
        if len(distinct) < 2 and not (len(distinct) == 1 and gaps):
            return cls(expression, "constant", len(distinct))
        few = key and len(distinct) <= MAX_ORDINAL
        whole = bool((distinct == np.floor(distinct)).all())
        return cls(
            expression,
            "ordinal" if few else "numeric",
            len(distinct),
            float(distinct[0]),
            float(distinct[-1]),
            whole,
            bool((distinct == 0).any()),
            unique=len(distinct) == len(seen),
            repeats=whole and 3 * len(distinct) <= len(seen),
            gaps=gaps,
        )


def pool_of(table: Table) -> list[Member]:
    """The pool of a table's own columns: numeric, then categorical, then ordinal."""
    members = []
    for name, column in table:
        node = Column(name)
        if isinstance(column, CategoricalColumn):
            counts = np.bincount(column.codes, minlength=column.n_categories + 2)
            present = int((counts[: column.n_categories] > 0).sum())
            gaps = bool(counts[column.missing_code] > 0)
            kind = "categorical" if present + gaps > 1 else "constant"
            unique = bool(counts[: column.n_categories].max(initial=0) <= 1)
            members.append(Member(node, kind, present, unique=unique, gaps=gaps))
        elif isinstance(column, DatetimeColumn):
            gaps = bool((column.values == np.iinfo(np.int64).min).any())
            members.append(Member(node, "datetime", gaps=gaps))
        else:
            members.append(Member.of_numbers(node, column.values))
    rank = {"numeric": 0, "categorical": 1, "ordinal": 2, "datetime": 3, "constant": 4}
    return sorted(members, key=lambda m: rank[m.kind])


@dataclass(frozen=True)
class Candidate:
    """A feature to score, or (``reason``) why it need not be.

    ``extra`` marks what the reference does not enumerate; ``equivalent_to`` is the
    feature that orders the rows alike, where that is the reason.
    """

    expression: Expression
    reason: str | None = None
    extra: bool = False
    equivalent_to: Expression | None = None


Listed = tuple[Call, str | Equivalence | None, bool]
"""A candidate, why it need not be scored, and whether it is beyond the reference."""


class Enumeration:
    """All candidates of a pool under some operators, each once."""

    def __init__(
        self,
        pool: Sequence[Member],
        operators: Sequence[str],
        n_rows: int,
        classes: tuple[Any, ...] | None = None,
        fresh: frozenset[Expression] | None = None,
        singles: Sequence[Member] | None = None,
        pairs: Sequence[tuple[Member, Member]] | None = None,
        trees: bool = True,
    ) -> None:
        """List the candidates.

        Parameters
        ----------
        n_rows : int
            Rows of the table: pairs of keys that would hardly ever repeat are left out.
        classes : tuple, optional
            Class labels, for target rates of more than two classes.
        fresh : set of Expression, optional
            With it, only candidates that use one of these (the last order's survivors).
        singles, pairs : sequences of members of the pool, optional
            Members that candidates of one argument, and pairs that candidates of two,
            are made of; all of the pool by default.
        trees : bool
            Whether features are for a model of trees, to which what orders the rows
            alike is the same.
        """
        self.n_rows = n_rows
        self.trees = trees
        self.classes = classes
        self.fresh = fresh
        self.chosen_pairs = pairs
        alone = pool if singles is None else singles
        self.single_numbers = [m for m in alone if m.is_number]
        self.single_keys = [m for m in alone if m.is_key]
        self.numbers = [m for m in pool if m.is_number]
        self.keys = [m for m in pool if m.is_key]
        self.times = [m for m in pool if m.kind == "datetime"]
        self.pool = [m for m in pool if m.kind != "constant"]
        self.counts: Counter[str] = Counter()
        self.candidates: list[Candidate] = []
        columns = [m.expression for m in pool if isinstance(m.expression, Column)]
        # calendar parts of the pool are no features yet
        self._seen: dict[Expression, None] = dict.fromkeys(columns)
        self._seen |= {node.canonical(): None for node in fresh or ()}
        # features are written with signs or brackets: no plain word is one's name
        self._columns = {n.name_ for n in columns if not n.name_.isidentifier()}
        self._there = set(self._seen)
        self._equivalences: dict[int, tuple[Equivalence, Call]] = {}
        for name in operators:
            for expression, reason, extra in self._of(operator(name)):
                self._add(name, expression, reason, extra)
        self._drop_equivalent()

    def _add(
        self, name: str, node: Call, reason: str | Equivalence | None, extra: bool
    ) -> None:
        if self.fresh is not None and not any(n in self.fresh for n in node.walk()):
            return
        self.counts[name] += not extra
        canonical = node.canonical()
        if canonical in self._seen:
            reason = "the same as another candidate"
        elif self._columns and canonical.name in self._columns:
            reason = "X has a column of this name"
        self._seen[canonical] = None
        if isinstance(reason, Equivalence):
            if reason.same or self.trees:
                self._equivalences[len(self.candidates)] = reason, node
            reason = None
        self.candidates.append(Candidate(canonical, reason, extra))

    def _drop_equivalent(self) -> None:
        """Give the reason to candidates whose equivalent is a column or a candidate.

        Of several that are equivalent to each other, and to nothing else that is
        there, the first stays.
        """
        there = self._there | {
            c.expression
            for i, c in enumerate(self.candidates)
            if c.reason is None and i not in self._equivalences
        }
        first: dict[Expression, Expression] = {}
        for i, (found, node) in self._equivalences.items():
            candidate = self.candidates[i]
            other = node.args[found.argument]
            if found.to:
                other = Call(found.to, node.args).canonical()
            if other not in there:
                if other not in first:
                    first[other] = candidate.expression
                    continue
                other = first[other]
            how = (
                "the same values as" if found.same else "for tree models equivalent to"
            )
            self.candidates[i] = replace(
                candidate,
                reason=f"{how} {other.name}",
                equivalent_to=None if found.same else other,
            )

    @property
    def kept(self) -> list[Expression]:
        """Candidates to score."""
        return [c.expression for c in self.candidates if c.reason is None]

    def _of(self, op: Operator) -> Iterator[Listed]:
        kinds = tuple(k for k in op.inputs if not k.endswith("?"))
        if kinds == ("numeric",):
            for a in self.single_numbers:
                yield Call(op.name, (a.expression,)), _why_not(op, a), False
        elif kinds == ("numeric", "numeric"):
            yield from self._binary(op)
        elif kinds == ("numeric", "key"):
            for a, k in self._ordered_pairs(self.numbers, self.keys):
                yield Call(op.name, (a.expression, k.expression)), None, False
        elif kinds == ("key", "key"):
            commutative = op.commutative
            for a, b in (
                self._pairs(self.keys)
                if commutative
                else self._ordered_pairs(self.keys, self.keys)
            ):
                yield Call(op.name, (a.expression, b.expression)), None, False
        elif kinds == ("key",):
            yield from self._of_key(op)
        elif kinds == ("datetime",):
            for t in self.times:
                yield Call(op.name, (t.expression,)), None, False
        elif kinds == ("any...",):
            gaps = tuple(m.expression for m in self.pool if m.gaps)
            if len(gaps) > 1:
                yield Call(op.name, gaps), None, False

    def _pairs(self, members: Sequence[Member]) -> Iterator[tuple[Member, Member]]:
        """Unordered pairs of members of different columns."""
        pairs: Iterable[tuple[Member, Member]] = combinations(members, 2)
        if self.chosen_pairs is not None:
            inside = set(map(id, members))
            pairs = (
                (a, b)
                for a, b in self.chosen_pairs
                if id(a) in inside and id(b) in inside
            )
        for a, b in pairs:
            if _base(a) != _base(b):
                yield a, b

    def _ordered_pairs(
        self, first: Sequence[Member], second: Sequence[Member]
    ) -> Iterator[tuple[Member, Member]]:
        """Pairs of a member of each, of different columns."""
        pairs: Iterable[tuple[Member, Member]] = product(first, second)
        if self.chosen_pairs is not None:
            left, right = set(map(id, first)), set(map(id, second))
            pairs = (
                (a, b)
                for pair in self.chosen_pairs
                for a, b in (pair, pair[::-1])
                if id(a) in left and id(b) in right
            )
        for a, b in pairs:
            if _base(a) != _base(b):
                yield a, b

    def _binary(self, op: Operator) -> Iterator[Listed]:
        for a, b in self._pairs(self.numbers):
            yield (
                Call(op.name, (a.expression, b.expression)),
                _why_not(op, a, b),
                False,
            )
            if op.commutative or op.name == "-":
                continue  # b - a is a - b with the other sign: the same to any model
            if op.name == "/" and self.trees and a.sign_is_fixed and b.sign_is_fixed:
                continue  # b / a is a / b backwards where neither changes sign or is 0
            yield Call(op.name, (b.expression, a.expression)), None, True

    def _of_key(self, op: Operator) -> Iterator[Listed]:
        if isinstance(op, KeyTable) and op.target:
            yield from self._target(op)
            return
        for m in [*self.single_numbers, *self.single_keys]:
            why = "constant: every value occurs once" if m.unique else None
            yield Call(op.name, (m.expression,)), why, False

    def _target(self, op: Operator) -> Iterator[Listed]:
        countable = [m for m in self.numbers if _is_countable(m)]
        alone = [*self.single_keys, *filter(_is_countable, self.single_numbers)]
        single = [m.expression for m in alone if not m.unique]
        pairs = [
            Call("combine", (a.expression, b.expression))
            for a, b in self._pairs([*self.keys, *countable])
            if (a.is_key or b.is_key)
            and a.n_distinct * b.n_distinct <= MAX_PAIRS_PER_ROW * self.n_rows
        ]
        takes_class = "literal?" in op.inputs and self.classes is not None
        labels = self.classes if takes_class else None
        for key in [*single, *pairs]:
            if labels is None:
                yield Call(op.name, (key,)), None, False
            else:
                for label in labels:
                    yield Call(op.name, (key, Literal(label))), None, False


def _base(m: Member) -> frozenset[str]:
    return frozenset(m.expression.columns())


def _is_countable(m: Member) -> bool:
    """A number that repeats often enough for a target mean, but is no key."""
    return m.is_number and m.repeats and not m.is_key


def _why_not(op: Operator, *members: Member) -> str | Equivalence | None:
    """Why a candidate of these arguments need not be scored, if so."""
    return op.equivalent(*members) if op.equivalent is not None else None


def with_calendar(pool: Sequence[Member], table: Table) -> list[Member]:
    """The pool with month, weekday and hour of its datetimes as keys."""
    parts = []
    for m in pool:
        if m.kind == "datetime":
            for name in _CALENDAR_KEYS:
                node = Call(name, (m.expression,))
                member = Member.of_numbers(node, fit(node, table).values(table))
                if member.kind != "constant":
                    parts.append(member)
    return [*pool, *parts]


def count_candidates(
    pool: Sequence[Member],
    operators: Sequence[str],
    n_rows: int,
    classes: tuple[Any, ...] | None = None,
    trees: bool = True,
) -> Counter[str]:
    """How many candidates `Enumeration` lists per operator, without listing them."""
    numbers = [m for m in pool if m.is_number]
    keys = [m for m in pool if m.is_key]
    times = [m for m in pool if m.kind == "datetime"]
    n_missing = sum(m.gaps for m in pool if m.kind != "constant")
    countable = [m for m in numbers if _is_countable(m)]
    out: Counter[str] = Counter()
    for name in operators:
        op = operator(name)
        kinds = tuple(k for k in op.inputs if not k.endswith("?"))
        if kinds == ("numeric",):
            out[name] = len(numbers)
        elif kinds == ("numeric", "numeric"):
            out[name] = _n_pairs(numbers)
            if op.name == "/":
                out[name] *= 2
                fixed = [m for m in numbers if m.sign_is_fixed and trees]
                out[name] -= _n_pairs(fixed)
            elif not op.commutative and op.name != "-":
                out[name] *= 2
        elif kinds == ("numeric", "key"):
            out[name] = _n_ordered_pairs(numbers, keys)
        elif kinds == ("key", "key"):
            out[name] = _n_pairs(keys) * (1 if op.commutative else 2)
        elif kinds == ("key",) and isinstance(op, KeyTable) and op.target:
            single = sum(not m.unique for m in [*keys, *countable])
            most = MAX_PAIRS_PER_ROW * n_rows
            pairs = _n_pairs([*keys, *countable], most) - _n_pairs(countable, most)
            takes_class = "literal?" in op.inputs and classes is not None
            out[name] = (single + pairs) * (len(classes or ()) if takes_class else 1)
        elif kinds == ("key",):
            out[name] = len(numbers) + len(keys)
        elif kinds == ("datetime",):
            out[name] = len(times)
        elif kinds == ("any...",):
            out[name] = int(n_missing > 1)
    return out


def _n_pairs(members: Sequence[Member], most: int | None = None) -> int:
    """Unordered pairs of different columns, whose numbers of values multiply to at
    most ``most``."""
    groups: dict[frozenset[str], list[int]] = defaultdict(list)
    for m in members:
        groups[_base(m)].append(m.n_distinct)
    of_one_column = sum(_n_below(sizes, most) for sizes in groups.values())
    return _n_below([m.n_distinct for m in members], most) - of_one_column


def _n_below(sizes: Sequence[int], most: int | None) -> int:
    """Unordered pairs whose product is at most ``most``."""
    n = len(sizes)
    if most is None or n < 2:
        return n * (n - 1) // 2
    values = np.sort(np.asarray(sizes, np.float64))
    ends = np.searchsorted(values, most / np.maximum(values, 0.5), side="right")
    return int(np.maximum(ends - np.arange(n) - 1, 0).sum())


def _n_ordered_pairs(first: Sequence[Member], second: Sequence[Member]) -> int:
    """Pairs of a member of each, of different columns."""
    left = Counter(_base(m) for m in first)
    right = Counter(_base(m) for m in second)
    same = sum(n * right[columns] for columns, n in left.items())
    return len(first) * len(second) - same


def n_reference_candidates(n_numeric: int, n_categorical: int, n_ordinal: int) -> int:
    """How many candidates the reference enumerates at order 1 (before deduplication).

    Parameters
    ----------
    n_numeric : int
        Columns used as numbers, ordinal ones included.
    n_categorical : int
        Columns used as keys, ordinal ones included.
    n_ordinal : int
        Columns that are both.
    """
    n, c, o = n_numeric, n_categorical, n_ordinal
    return (n + c) + 7 * n + 3 * n * (n - 1) + 6 * (n * c - o) + 2 * c * (c - 1)
