"""Derived features as data: trees, operators, evaluation, which to try, storage."""

from featurekit.expressions.evaluate import Fitted, cross_fit, fit
from featurekit.expressions.keyed import Key, Learning
from featurekit.expressions.naming import parse
from featurekit.expressions.operators import (
    OPERATORS,
    Elementwise,
    KeyTable,
    Operator,
    register_operator,
)
from featurekit.expressions.tree import Call, Column, Expression, Literal

__all__ = [
    "OPERATORS",
    "Call",
    "Column",
    "Elementwise",
    "Expression",
    "Fitted",
    "Key",
    "KeyTable",
    "Learning",
    "Literal",
    "Operator",
    "cross_fit",
    "fit",
    "parse",
    "register_operator",
]
