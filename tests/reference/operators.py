"""The reference's operators in pandas, as slow and plain as they read."""

from __future__ import annotations

import numpy as np
import pandas as pd


def _lookup(table: pd.Series, key: pd.Series) -> pd.Series:
    return key.map(table).astype(float)


def unary(name: str, x: pd.Series) -> pd.Series:
    """abs, log, sqrt, square, sigmoid, round, residual."""
    return {
        "abs": lambda: x.abs(),
        "log": lambda: np.log(x.where(x != 0).abs()),
        "sqrt": lambda: np.sqrt(x.abs()),
        "square": lambda: x**2,
        "sigmoid": lambda: 1 / (1 + np.exp(-x)),
        "round": lambda: np.floor(x),
        "residual": lambda: x - np.floor(x),
    }[name]()


def binary(name: str, a: pd.Series, b: pd.Series) -> pd.Series:
    """min, max, +, -, *, /."""
    gone = a.isna() | b.isna()
    return {
        "min": lambda: np.minimum(a, b).mask(gone),
        "max": lambda: np.maximum(a, b).mask(gone),
        "+": lambda: a + b,
        "-": lambda: a - b,
        "*": lambda: a * b,
        "/": lambda: a / b.where(b != 0),
    }[name]()


def group(name: str, x: pd.Series, key: pd.Series) -> pd.Series:
    """GroupByThen Min, Max, Mean, Median, Std (of rows that have the key)."""
    return _lookup(getattr(x.groupby(key), name.lower())(), key)


def n_unique(what: pd.Series, key: pd.Series) -> pd.Series:
    """GroupByThenNUnique."""
    return _lookup(what.groupby(key).nunique(), key)


def frequency(key: pd.Series) -> pd.Series:
    """Share of all rows with the value."""
    return _lookup(key.value_counts() / len(key), key)


def rank(x: pd.Series, key: pd.Series) -> pd.Series:
    """Percentile of each row put, once more, among its key's rows."""
    out = pd.Series(np.nan, x.index)
    for i in x.index:
        if pd.isna(x[i]) or pd.isna(key[i]):
            continue
        same = x[(key == key[i]) & x.notna()]
        out[i] = ((same < x[i]).sum() + (same == x[i]).sum() / 2 + 1) / (len(same) + 1)
    return out


def target_mean(key: pd.Series, y: pd.Series, smoothing: float = 10.0) -> pd.Series:
    """Smoothed mean of y; missing is a key of its own."""
    key = key.astype(object).where(key.notna(), "missing!")
    sums, counts = y.groupby(key).sum(), y.groupby(key).count()
    return _lookup((sums + smoothing * y.mean()) / (counts + smoothing), key)
