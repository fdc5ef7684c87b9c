"""The 23 operators of the reference in pandas, on the rows at hand: slow and obvious.

Written from what the paper's reference does with a whole frame (arXiv 2211.12507):
counts are counts, a rank is that of a row within its own group, pairs are numbered by
first appearance. featurekit differs on purpose in some; the tests say where.
"""

from __future__ import annotations

import numpy as np
import pandas as pd


def freq(x):
    """Count of each row's value; missing stays missing."""
    return x.map(x.value_counts()).astype(float)


def log(x):
    """ln |x|, missing at zero."""
    size = x.abs()
    return np.log(size.where(size > 0))


def residual(x):
    """What floor takes off."""
    return x - np.floor(x)


def least(a, b):
    """The lesser, missing if either is."""
    return a.where(a < b, b).where(a.notna() & b.notna())


def greatest(a, b):
    """The greater, missing if either is."""
    return a.where(a > b, b).where(a.notna() & b.notna())


def quotient(a, b):
    """a / b, missing where b is zero."""
    return a / b.where(b != 0)


def by(statistic):
    """An aggregate of x per key, given to each row."""

    def operator(x, key):
        table = x.groupby(key).agg(statistic)
        return key.map(table).astype(float)

    return operator


def rank(x, key):
    """Percentile rank within the key's rows."""
    return x.groupby(key).rank(pct=True)


def _text(a, b):
    pair = a.astype("string") + "_" + b.astype("string")
    return pair.where(a.notna() & b.notna())


def combine(a, b):
    """Number of the pair by first appearance, -1 where either is missing."""
    return pd.Series(pd.factorize(_text(a, b))[0], index=a.index)


def combine_then_freq(a, b):
    """Count of the pair."""
    return freq(_text(a, b))


OPERATORS = {
    "freq": freq,
    "abs": lambda x: x.abs(),
    "log": log,
    "sqrt": lambda x: np.sqrt(x.abs()),
    "square": lambda x: x**2,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "round": np.floor,
    "residual": residual,
    "min": least,
    "max": greatest,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": quotient,
    "GroupByThenMin": by("min"),
    "GroupByThenMax": by("max"),
    "GroupByThenMean": by("mean"),
    "GroupByThenMedian": by("median"),
    "GroupByThenStd": by("std"),
    "GroupByThenRank": rank,
    "Combine": combine,
    "CombineThenFreq": combine_then_freq,
    "GroupByThenNUnique": by("nunique"),
}
