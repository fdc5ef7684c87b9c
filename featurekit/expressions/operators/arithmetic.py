"""Functions of the row, which learn nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from featurekit.expressions.operators.base import (
    Bools,
    Equivalence,
    EquivalenceRule,
    Floats,
    Operator,
    register_all,
)
from featurekit.statistics.elementwise import evaluate


@dataclass(frozen=True)
class Elementwise(Operator):
    """``function(*arguments)``, or the compiled program ``code``."""

    function: Callable[..., Floats] | None = None
    code: int | None = None

    def apply(self, args: tuple[Any, ...]) -> Floats:
        """Values per row, float64 (n,)."""
        if self.code is not None:
            out = np.empty(len(args[0]))
            evaluate(self.code, args[0], args[-1], out)
        else:
            assert self.function is not None
            out = np.asarray(self.function(*args), np.float64)
        out[~np.isfinite(out)] = np.nan
        return out


def _count_missing(*gone: Bools) -> Floats:
    return np.sum(gone, axis=0, dtype=np.float64)


def _of_sigmoid(x: Any) -> Equivalence:
    return Equivalence()


def _of_abs(x: Any) -> Equivalence | None:
    if x.low >= 0:
        return Equivalence(same=True)
    return Equivalence() if x.high <= 0 else None


def _of_magnitude(x: Any) -> Equivalence:
    return Equivalence() if x.low >= 0 or x.high <= 0 else Equivalence("abs")


def _of_log(x: Any) -> Equivalence | None:
    return None if x.has_zero else _of_magnitude(x)


def _of_round(x: Any) -> Equivalence | None:
    return Equivalence(same=True) if x.whole else None


def _of_residual(x: Any) -> str | None:
    return "constant: whole numbers have no fraction" if x.whole else None


def _of_min(a: Any, b: Any) -> Equivalence | None:
    if a.gaps or b.gaps or not (a.high <= b.low or b.high <= a.low):
        return None
    return Equivalence(argument=int(b.high <= a.low), same=True)


def _of_max(a: Any, b: Any) -> Equivalence | None:
    least = _of_min(a, b)
    return least and Equivalence(argument=1 - least.argument, same=True)


ONE, TWO = ("numeric",), ("numeric", "numeric")


def _of_one(
    name: str, about: str, equivalent: EquivalenceRule, code: int
) -> Elementwise:
    return Elementwise(name, ONE, about, equivalent=equivalent, code=code)


register_all(
    Elementwise("+", TWO, "{0} plus {1}", commutative=True, code=1),
    Elementwise("-", TWO, "{0} minus {1}", code=2),
    Elementwise("*", TWO, "{0} times {1}", commutative=True, code=3),
    Elementwise("/", TWO, "{0} divided by {1}, missing where that is 0", code=4),
    Elementwise(
        "min",
        TWO,
        "the lesser of {0} and {1}",
        commutative=True,
        equivalent=_of_min,
        code=5,
    ),
    Elementwise(
        "max",
        TWO,
        "the greater of {0} and {1}",
        commutative=True,
        equivalent=_of_max,
        code=6,
    ),
    _of_one("abs", "the absolute value of {0}", _of_abs, 7),
    _of_one("log", "the natural logarithm of |{0}|, missing at 0", _of_log, 8),
    _of_one("sqrt", "the square root of |{0}|", _of_magnitude, 9),
    _of_one("square", "the square of {0}", _of_magnitude, 10),
    _of_one("sigmoid", "1 / (1 + exp(-{0}))", _of_sigmoid, 11),
    _of_one("round", "the greatest whole number not above {0}", _of_round, 12),
    _of_one("residual", "the fractional part of {0}", _of_residual, 13),
    Elementwise(
        "count_missing",
        ("any...",),
        "how many of {0} are missing in the row",
        commutative=True,
        former=("CountMissing",),
        function=_count_missing,
    ),
)
