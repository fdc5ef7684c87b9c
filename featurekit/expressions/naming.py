"""Names of features, read back; which of them models refuse."""

from __future__ import annotations

import re
from collections.abc import Iterable

from featurekit.exceptions import warn
from featurekit.expressions.operators.base import INFIX, SEPARATORS, find, written
from featurekit.expressions.tree import Call, Column, Expression, Literal

_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<number>-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<word>[^\W\d]\w*)"
    r"|`(?P<column>(?:[^`\\]|\\.)*)`"
    r'|"(?P<quoted>(?:[^"\\]|\\.)*)"'
    r"|'(?P<text>(?:[^'\\]|\\.)*)'"
    r"|(?P<mark>[-+*/&(),;|])"
    r")",
    re.DOTALL,
)
_UNESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
REFUSED = {"LightGBM": '",:[]{}', "XGBoost": "[]<"}
"""Characters that models refuse in the names of features."""


def warn_of_refused(features: Iterable[Expression]) -> None:
    """Warn of names with characters that models refuse.

    They come from the names of the input's own columns and from class labels; what
    operators add to a name has none of them.
    """
    names = [node.name for node in features]
    for character in dict.fromkeys("".join(REFUSED.values())):
        name = next((name for name in names if character in name), None)
        if name is not None:
            models = [m for m, refused in REFUSED.items() if character in refused]
            warn(
                f"The feature {name!r} has a {character!r} in its name, from a column "
                f"of X or a class label; {' and '.join(models)} "
                f"refuse{'s' if len(models) == 1 else ''} such names. Rename the "
                "column or the class before fit, or the features before the model."
            )
            return


def _unquote(body: str) -> str:
    return re.sub(r"\\(.)", lambda m: _UNESCAPES.get(m[1], m[1]), body, flags=re.DOTALL)


def parse(text: str) -> Expression:
    """The feature that ``text`` names.

    Names as they were written before, and by openfe, are understood too:
    ``GroupByThenMean(price, city)``, columns in double quotes.

    Raises
    ------
    ValueError
        If ``text`` is not an expression; the message shows where it ends to be one.

    Examples
    --------
    >>> from featurekit.expressions import parse
    >>> parse('price/`living area`').columns()
    ('price', 'living area')
    >>> parse('GroupByThenMean(price, "home city")').name
    'mean(price|`home city`)'
    """
    tokens = _tokens(text)
    try:
        node, at = _operation(tokens, 0, 1, text)
    except RecursionError:
        raise ValueError(
            f"cannot read feature {text[:40]!r}...: it is nested too deeply"
        ) from None
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
    if kind in ("column", "quoted"):
        return Column(_unquote(value)), at + 1
    if kind == "mark" and value == "(":
        node, at = _operation(tokens, at + 1, 1, text)
        return node, _expect(tokens, at, ")", text)
    if kind != "word":
        raise _syntax(text, tokens[at])
    if tokens[at + 1][:2] != ("mark", "("):
        return Column(value), at + 1
    return _call(tokens, at, text)


def _call(tokens: list[Token], at: int, text: str) -> tuple[Expression, int]:
    word, start = tokens[at][1], at
    # where "&" stands between arguments, an argument ends there
    binding = INFIX["&"] + (written(word, "&") is not None)
    args: list[Expression] = []
    separator = ""
    at += 2
    if tokens[at][:2] != ("mark", ")"):
        while True:
            arg, at = _operation(tokens, at, binding, text)
            args.append(arg)
            kind, mark, _ = tokens[at]
            if kind != "mark" or mark not in (",", *SEPARATORS):
                break
            if mark != (separator or mark):
                raise _syntax(text, tokens[at])
            separator = mark
            at += 1
    at = _expect(tokens, at, ")", text)
    return Call(_name_of(word, separator, text, tokens[start]), tuple(args)), at


def _name_of(word: str, separator: str, text: str, token: Token) -> str:
    """Name of the operator that is written with this word and separator."""
    op = written(word, separator)
    if op is None and separator in ("", ",", ";"):
        op = find(word)
        return word if op is None else op.name
    if op is None:
        raise ValueError(
            f"cannot read feature {text!r} at position {token[2]}: no operator is "
            f"written {word}(...{separator}...). An operator of your own has to be "
            "registered with featurekit.expressions.register_operator first."
        )
    return op.name


def _expect(tokens: list[Token], at: int, mark: str, text: str) -> int:
    if tokens[at][:2] != ("mark", mark):
        raise _syntax(text, tokens[at])
    return at + 1
