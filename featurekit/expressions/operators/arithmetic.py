"""Functions of the row, which learn nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from featurekit.expressions.operators.base import (
    Bools,
    Floats,
    Operator,
    register_all,
)
from featurekit.kernels.registry import kernel


@dataclass(frozen=True)
class Elementwise(Operator):
    """``function(*arguments)``, or the compiled program ``code``."""

    function: Callable[..., Floats] | None = None
    code: int | None = None

    def apply(self, args: tuple[Any, ...]) -> Floats:
        """Values per row, float64 (n,)."""
        if self.code is not None:
            out = np.empty(len(args[0]))
            kernel("evaluate")(self.code, args[0], args[-1], out)
        else:
            assert self.function is not None
            out = np.asarray(self.function(*args), np.float64)
        out[~np.isfinite(out)] = np.nan
        return out


def _count_missing(*gone: Bools) -> Floats:
    return np.sum(gone, axis=0, dtype=np.float64)


ONE, TWO = ("numeric",), ("numeric", "numeric")

register_all(
    Elementwise("+", TWO, "{0} plus {1}", commutative=True, code=1),
    Elementwise("-", TWO, "{0} minus {1}", code=2),
    Elementwise("*", TWO, "{0} times {1}", commutative=True, code=3),
    Elementwise("/", TWO, "{0} divided by {1}, missing where that is 0", code=4),
    Elementwise("min", TWO, "the lesser of {0} and {1}", commutative=True, code=5),
    Elementwise("max", TWO, "the greater of {0} and {1}", commutative=True, code=6),
    Elementwise("abs", ONE, "the absolute value of {0}", code=7),
    Elementwise("log", ONE, "the natural logarithm of |{0}|, missing at 0", code=8),
    Elementwise("sqrt", ONE, "the square root of |{0}|", code=9),
    Elementwise("square", ONE, "the square of {0}", code=10),
    Elementwise("sigmoid", ONE, "1 / (1 + exp(-{0}))", code=11),
    Elementwise("round", ONE, "the greatest whole number not above {0}", code=12),
    Elementwise("residual", ONE, "the fractional part of {0}", code=13),
    Elementwise(
        "count_missing",
        ("any...",),
        "how many of {0} are missing in the row",
        commutative=True,
        former=("CountMissing",),
        function=_count_missing,
    ),
)
