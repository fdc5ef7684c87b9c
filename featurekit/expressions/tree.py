"""Derived features as small immutable trees, and the names they are written with.

A tree is a `Column`, or a `Call` of an operator on trees; a `Literal` is a constant
argument, such as the class that a target rate is of. Trees hold no fitted state.

Names read as one would write them, ``price/area``, ``(a+b)*c``, ``mean(price|city)``,
and `featurekit.expressions.naming.parse` reads them back. Operators say how they are
written (`featurekit.expressions.operators.base`). A column whose name is not a plain
word stands in backquotes, with backslash escapes: ```NT-proBNP`+age``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from featurekit.expressions.operators.base import INFIX, Alias, find

MAX_DEPTH = 50

_WORD = re.compile(r"[^\W\d]\w*")
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}


class Expression:
    """A derived feature; see `Column`, `Literal` and `Call`."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The feature as text that `parse` reads back."""
        return _render(self, 0)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name

    def columns(self) -> tuple[str, ...]:
        """Names of the base columns it uses, each once, in order of appearance."""
        if not isinstance(self, Call):
            return ()
        return tuple(dict.fromkeys(name for a in self.args for name in a.columns()))

    def walk(self) -> Iterator[Expression]:
        """This node and all below it, parents first."""
        yield self
        if isinstance(self, Call):
            for arg in self.args:
                yield from arg.walk()

    def depth(self) -> int:
        """Operators on the longest way to a column."""
        if isinstance(self, Call):
            return 1 + max((arg.depth() for arg in self.args), default=0)
        return 0

    def canonical(self) -> Expression:
        """The same feature with the operands of commutative operators sorted."""
        if not isinstance(self, Call):
            return self
        args = tuple(arg.canonical() for arg in self.args)
        op = find(self.op)
        if op is not None and op.commutative and len(args) > 1:
            args = tuple(sorted(args, key=lambda a: a.name))
        return Call(self.op, args)

    def to_dict(self) -> dict[str, Any]:
        """The tree as plain JSON values."""
        if isinstance(self, Column):
            return {"column": self.name_}
        if isinstance(self, Literal):
            return {"literal": self.value}
        assert isinstance(self, Call)
        return {"op": self.op, "args": [arg.to_dict() for arg in self.args]}

    @staticmethod
    def from_dict(data: Any, most: int = MAX_DEPTH) -> Expression:
        """The tree that `to_dict` wrote, of at most so many levels.

        Raises
        ------
        ValueError
            If it is none.
        """
        entries = data.keys() if isinstance(data, dict) else set()
        if entries == {"column"} and isinstance(data["column"], str):
            return Column(data["column"])
        if entries == {"literal"} and _is_constant(data["literal"]):
            return Literal(data["literal"])
        if entries == {"op", "args"} and most > 0:
            op, args = data["op"], data["args"]
            if isinstance(op, str) and isinstance(args, list):
                return Call(op, tuple(Expression.from_dict(a, most - 1) for a in args))
        raise ValueError(f"no expression, or one nested too deeply: {data!r:.60}")


@dataclass(frozen=True, slots=True, repr=False)
class Column(Expression):
    """A column of the input."""

    name_: str

    @property
    def name(self) -> str:
        """The column as it stands in a feature's name."""
        return _written(self.name_)

    def columns(self) -> tuple[str, ...]:
        """Its own name."""
        return (self.name_,)


@dataclass(frozen=True, slots=True, repr=False)
class Literal(Expression):
    """A constant argument."""

    value: str | int | float


@dataclass(frozen=True, slots=True, repr=False)
class Call(Expression):
    """An operator on arguments.

    ``op`` may be any name that the operator is known by; the tree holds its own name,
    and what an alias is short for in place of the alias.
    """

    op: str
    args: tuple[Expression, ...]
    _hash: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        op = find(self.op)
        if isinstance(op, Alias):
            object.__setattr__(self, "op", op.outer)
            object.__setattr__(self, "args", (Call(op.inner, self.args),))
        elif op is not None:
            object.__setattr__(self, "op", op.name)
        object.__setattr__(self, "_hash", hash((self.op, self.args)))

    def __hash__(self) -> int:
        """Taken once: a search looks each tree up dozens of times."""
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return Call, (self.op, self.args)  # hashes differ between processes


def _is_constant(value: Any) -> bool:
    return type(value) in (str, int) or type(value) is float and math.isfinite(value)


def _quote(text: str, mark: str) -> str:
    body = "".join(_ESCAPES.get(c, c) for c in text)
    return mark + body.replace(mark, "\\" + mark) + mark


@lru_cache(maxsize=1 << 16)
def _written(column: str) -> str:
    """A column's name as it stands in a feature's."""
    plain = _WORD.fullmatch(column) is not None
    return column if plain else _quote(column, "`")


def _render(node: Expression, binding: int) -> str:
    if isinstance(node, Column):
        return node.name
    if isinstance(node, Literal):
        if isinstance(node.value, str):
            return _quote(node.value, "'")
        return repr(node.value)
    assert isinstance(node, Call)
    label, separator = _form(node)
    if label in INFIX and len(node.args) == 2:
        # every nested operation is put in brackets: no precedence to remember
        left, right = (_render(arg, 1) for arg in node.args)
        text = f"{left}{label}{right}"
        return f"({text})" if binding else text
    inner = int(separator == "&")
    return f"{label}({separator.join(_render(arg, inner) for arg in node.args)})"


def _form(node: Call) -> tuple[str, str]:
    """Label and separator; the name and ";" where no operator takes such arguments."""
    op = find(node.op)
    if op is None or not op.takes(len(node.args)):
        return node.op, ";"
    return op.label_for(len(node.args)), op.separator
