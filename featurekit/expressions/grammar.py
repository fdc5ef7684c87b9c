"""Which features a table allows: enumeration of candidates by the operators' inputs.

The pool holds the columns, each *numeric*, *ordinal* (a number of few values: used as
a number and as a key) or *categorical* (a key); datetimes give their calendar parts to
the pool. ``"openfe"`` enumerates exactly the candidates of the paper's reference
(arXiv 2211.12507); of these, those that a tree cannot tell from another are marked
with the reason instead of being scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import CategoricalColumn, DatetimeColumn, Table
from featurekit.expressions.evaluate import fit
from featurekit.expressions.operators import KeyTable, Operator, operator
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

    ``extra`` marks what the reference does not enumerate.
    """

    expression: Expression
    reason: str | None = None
    extra: bool = False


class Enumeration:
    """All candidates of a pool under some operators, each once."""

    def __init__(
        self,
        pool: Sequence[Member],
        operators: Sequence[str],
        n_rows: int,
        classes: tuple[Any, ...] | None = None,
        fresh: frozenset[Expression] | None = None,
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
        """
        self.n_rows = n_rows
        self.classes = classes
        self.fresh = fresh
        self.numbers = [m for m in pool if m.is_number]
        self.keys = [m for m in pool if m.is_key]
        self.times = [m for m in pool if m.kind == "datetime"]
        self.pool = [m for m in pool if m.kind != "constant"]
        self.counts: Counter[str] = Counter()
        self.candidates: list[Candidate] = []
        self._seen: dict[Expression, None] = {
            m.expression.canonical(): None for m in pool
        }
        self._columns = {
            m.expression.name_ for m in pool if isinstance(m.expression, Column)
        }
        for name in operators:
            for expression, reason, extra in self._of(operator(name)):
                self._add(name, expression, reason, extra)

    def _add(
        self, name: str, node: Expression, reason: str | None, extra: bool
    ) -> None:
        if self.fresh is not None and not any(n in self.fresh for n in node.walk()):
            return
        self.counts[name] += not extra
        node = node.canonical()
        if node in self._seen:
            reason = "the same as another candidate"
        elif node.name in self._columns:
            reason = "X has a column of this name"
        self._seen[node] = None
        self.candidates.append(Candidate(node, reason, extra))

    @property
    def kept(self) -> list[Expression]:
        """Candidates to score."""
        return [c.expression for c in self.candidates if c.reason is None]

    def _of(self, op: Operator) -> Iterator[tuple[Expression, str | None, bool]]:
        kinds = tuple(k for k in op.inputs if not k.endswith("?"))
        if kinds == ("numeric",):
            for a in self.numbers:
                yield Call(op.name, (a.expression,)), _same_unary(op.name, a), False
        elif kinds == ("numeric", "numeric"):
            yield from self._binary(op)
        elif kinds == ("numeric", "key"):
            for a in self.numbers:
                for k in self.keys:
                    if _base(a) != _base(k):
                        yield Call(op.name, (a.expression, k.expression)), None, False
        elif kinds == ("key", "key"):
            pairs = combinations if op.commutative else permutations
            for a, b in pairs(self.keys, 2):
                if _base(a) != _base(b):
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

    def _binary(self, op: Operator) -> Iterator[tuple[Expression, str | None, bool]]:
        for a, b in combinations(self.numbers, 2):
            if _base(a) == _base(b):
                continue
            yield (
                Call(op.name, (a.expression, b.expression)),
                _same_binary(op.name, a, b),
                False,
            )
            if op.commutative or op.name == "-":
                continue  # b - a is a - b backwards: the same to a tree
            if op.name == "/" and a.sign_is_fixed and b.sign_is_fixed:
                continue  # so is b / a where neither changes sign or is zero
            yield Call(op.name, (b.expression, a.expression)), None, True

    def _of_key(self, op: Operator) -> Iterator[tuple[Expression, str | None, bool]]:
        if isinstance(op, KeyTable) and op.target:
            yield from self._target(op)
            return
        for m in [*self.numbers, *self.keys]:
            why = "constant: every value occurs once" if m.unique else None
            yield Call(op.name, (m.expression,)), why, False

    def _target(self, op: Operator) -> Iterator[tuple[Expression, str | None, bool]]:
        countable = [m for m in self.numbers if m.repeats and not m.is_key]
        single = [m.expression for m in [*self.keys, *countable] if not m.unique]
        pairs = [
            Call("combine", (a.expression, b.expression))
            for a, b in combinations([*self.keys, *countable], 2)
            if _base(a) != _base(b)
            and (a.is_key or b.is_key)
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


def _same_unary(name: str, x: Member) -> str | None:
    """Why a tree cannot tell ``name(x)`` from x or |x|, if so."""
    positive = x.low >= 0
    if name == "sigmoid":
        return "the same to a tree as its argument"
    if name in ("abs", "sqrt", "square") and positive:
        return "the same to a tree as its argument"
    if name in ("sqrt", "square"):
        return "the same to a tree as abs"
    if name == "log" and not x.has_zero:
        return f"the same to a tree as {'its argument' if positive else 'abs'}"
    if name == "round" and x.whole:
        return "the same to a tree as its argument"
    if name == "residual" and x.whole:
        return "constant: whole numbers have no fraction"
    return None


def _same_binary(name: str, a: Member, b: Member) -> str | None:
    apart = a.high <= b.low or b.high <= a.low
    if name in ("min", "max") and apart and not (a.gaps or b.gaps):
        return "the same as one of its arguments"
    return None


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
