"""Derived features as small immutable trees, with a name that parses back.

A tree is a `Column`, or a `Call` of an operator on trees; a `Literal` is a constant
argument, such as the class that a target rate is of. Trees hold no fitted state.

Names read as one would write them: ``price / sqft``, ``(a + b) * c``,
``GroupByThenMean(price, city)``. A column whose name is not a plain word stands in
double quotes, with backslash escapes: ``"NT-proBNP" + age``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

INFIX = {"+": 1, "-": 1, "*": 2, "/": 2}
COMMUTATIVE = frozenset(
    {"+", "*", "min", "max", "Combine", "CombineThenFreq", "CountMissing"}
)

_WORD = re.compile(r"[^\W\d]\w*")
_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<number>-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<word>[^\W\d]\w*)"
    r'|"(?P<column>(?:[^"\\]|\\.)*)"'
    r"|'(?P<text>(?:[^'\\]|\\.)*)'"
    r"|(?P<mark>[-+*/(),])"
    r")",
    re.DOTALL,
)
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
_UNESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def _quote(text: str, mark: str) -> str:
    body = "".join(_ESCAPES.get(c, c) for c in text)
    return mark + body.replace(mark, "\\" + mark) + mark


def _unquote(body: str) -> str:
    return re.sub(r"\\(.)", lambda m: _UNESCAPES.get(m[1], m[1]), body, flags=re.DOTALL)


class Expression:
    """A derived feature; see `Column`, `Literal` and `Call`."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The feature as text that `parse` reads back."""
        return _render(self, 0)

    def __str__(self) -> str:
        return self.name

    def columns(self) -> tuple[str, ...]:
        """Names of the base columns it uses, each once, in order of appearance."""
        return tuple(
            dict.fromkeys(n.name_ for n in self.walk() if isinstance(n, Column))
        )

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
        if self.op in COMMUTATIVE:
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
    def from_dict(data: dict[str, Any]) -> Expression:
        """The tree that `to_dict` wrote."""
        if "column" in data:
            return Column(str(data["column"]))
        if "literal" in data:
            return Literal(data["literal"])
        args = tuple(Expression.from_dict(arg) for arg in data["args"])
        return Call(str(data["op"]), args)


@dataclass(frozen=True, slots=True)
class Column(Expression):
    """A column of the input."""

    name_: str


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """A constant argument."""

    value: str | int | float


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """An operator on arguments."""

    op: str
    args: tuple[Expression, ...]
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.op, self.args)))

    def __hash__(self) -> int:
        """Taken once: a search looks each tree up dozens of times."""
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return Call, (self.op, self.args)  # hashes differ between processes


def _render(node: Expression, binding: int) -> str:
    if isinstance(node, Column):
        plain = _WORD.fullmatch(node.name_) is not None
        return node.name_ if plain else _quote(node.name_, '"')
    if isinstance(node, Literal):
        if isinstance(node.value, str):
            return _quote(node.value, "'")
        return repr(node.value)
    assert isinstance(node, Call)
    if node.op in INFIX:
        # every nested operation is put in brackets: no precedence to remember
        left, right = (_render(arg, 1) for arg in node.args)
        text = f"{left} {node.op} {right}"
        return f"({text})" if binding else text
    return f"{node.op}({', '.join(_render(arg, 0) for arg in node.args)})"


def parse(text: str) -> Expression:
    """The feature that ``text`` names.

    Raises
    ------
    ValueError
        If ``text`` is not an expression; the message shows where it ends to be one.

    Examples
    --------
    >>> from featurekit.expressions import parse
    >>> parse('price / "living area"').columns()
    ('price', 'living area')
    """
    tokens = _tokens(text)
    node, at = _operation(tokens, 0, 1, text)
    if tokens[at][0] != "end":
        raise _syntax(text, tokens[at])
    return node


Token = tuple[str, str, int]


def _tokens(text: str) -> list[Token]:
    out: list[Token] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            at = len(text) - len(text[at:].lstrip())
            raise _syntax(text, ("?", text[at], at))
        kind = str(found.lastgroup)
        value = found[kind]
        if kind == "number" and value.startswith("-") and _is_operand(out):
            found = re.compile(r"\s*(?P<mark>-)").match(text, at)
            assert found is not None
            kind, value = "mark", "-"
        out.append((kind, value, found.start(kind)))
        at = found.end()
    out.append(("end", "", len(text)))
    return out


def _is_operand(tokens: list[Token]) -> bool:
    if not tokens:
        return False
    kind, value, _ = tokens[-1]
    return kind != "mark" or value == ")"


def _syntax(text: str, token: Token) -> ValueError:
    kind, value, at = token
    what = "it ends too early" if kind == "end" else f"unexpected {value!r}"
    return ValueError(f"cannot read feature {text!r} at position {at}: {what}")


def _operation(
    tokens: list[Token], at: int, binding: int, text: str
) -> tuple[Expression, int]:
    node, at = _primary(tokens, at, text)
    while True:
        kind, value, _ = tokens[at]
        level = INFIX.get(value, 0) if kind == "mark" else 0
        if level < binding:
            return node, at
        right, at = _operation(tokens, at + 1, level + 1, text)
        node = Call(value, (node, right))


def _primary(tokens: list[Token], at: int, text: str) -> tuple[Expression, int]:
    kind, value, _ = tokens[at]
    if kind == "number":
        is_int = re.fullmatch(r"-?\d+", value) is not None
        return Literal(int(value) if is_int else float(value)), at + 1
    if kind == "text":
        return Literal(_unquote(value)), at + 1
    if kind == "column":
        return Column(_unquote(value)), at + 1
    if kind == "mark" and value == "(":
        node, at = _operation(tokens, at + 1, 1, text)
        return node, _expect(tokens, at, ")", text)
    if kind != "word":
        raise _syntax(text, tokens[at])
    if tokens[at + 1][:2] != ("mark", "("):
        return Column(value), at + 1
    args: list[Expression] = []
    at += 2
    if tokens[at][:2] != ("mark", ")"):
        while True:
            arg, at = _operation(tokens, at, 1, text)
            args.append(arg)
            if tokens[at][:2] != ("mark", ","):
                break
            at += 1
    return Call(value, tuple(args)), _expect(tokens, at, ")", text)


def _expect(tokens: list[Token], at: int, mark: str, text: str) -> int:
    if tokens[at][:2] != ("mark", mark):
        raise _syntax(text, tokens[at])
    return at + 1
