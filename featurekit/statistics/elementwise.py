"""Elementwise operations on columns, by their codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

IDENTITY, ADD, SUB, MUL, DIV, MIN, MAX = 0, 1, 2, 3, 4, 5, 6
ABS, LOG, SQRT, SQUARE, SIGMOID, FLOOR, FRACTION = 7, 8, 9, 10, 11, 12, 13

_OF_TWO: dict[int, Callable[..., Any]] = {
    ADD: np.add,
    SUB: np.subtract,
    MUL: np.multiply,
    DIV: np.divide,
    MIN: np.minimum,
    MAX: np.maximum,
}


def evaluate(op: int, a: Floats, b: Floats, out: Floats) -> None:
    """Fill ``out`` with ``op(a, b)``; outside an operator's domain it is NaN.

    Parameters
    ----------
    op : int
        A code of this module. Functions of one argument do not look at ``b``.
    a, b, out : float64 arrays of one shape
    """
    with np.errstate(all="ignore"):
        if op in _OF_TWO:
            _OF_TWO[op](a, b, out=out)
            if op == DIV:
                out[b == 0.0] = np.nan
        elif op == IDENTITY:
            out[...] = a
        elif op == SQUARE:
            np.multiply(a, a, out=out)
        elif op == FLOOR:
            np.floor(a, out=out)
            out += a - a  # NaN for infinities
        elif op == FRACTION:
            np.floor(a, out=out)
            np.subtract(a, out, out=out)
        elif op == SIGMOID:
            np.negative(a, out=out)
            np.exp(out, out=out)
            out += 1.0
            np.divide(1.0, out, out=out)
        else:
            np.abs(a, out=out)
            if op == LOG:
                np.log(out, out=out)
                out[a == 0.0] = np.nan
            elif op == SQRT:
                np.sqrt(out, out=out)
