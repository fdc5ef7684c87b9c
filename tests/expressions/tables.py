"""Small frames with gaps, ties and zeros, and the tables made of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from featurekit.data.columns import (
    MISSING_DATETIME,
    CategoricalColumn,
    DatetimeColumn,
    NumericColumn,
    Table,
)
from featurekit.data.ingest import ColumnSpec, Schema
from featurekit.statistics.folds import Folds


def make_frame(n=200, seed=0):
    """Numbers x, z, o (o has few values, so it may be a key), keys c, d, a time t."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(n) < 0.1, 0.0, rng.normal(size=n))
    z = np.round(3 * rng.normal(size=n)) / 2 + 0.0  # no negative zeros
    days = pd.to_timedelta(rng.integers(-20_000, 20_000, n), unit="D")
    seconds = pd.to_timedelta(rng.integers(0, 86_400, n), unit="s")
    frame = pd.DataFrame(
        {
            "x": x,
            "z": z,
            "o": rng.integers(0, 6, n).astype(float),
            "c": rng.choice(
                list("abcdefg"), n, p=[0.3, 0.3, 0.2, 0.1, 0.05, 0.04, 0.01]
            ),
            "d": rng.choice(["u", "v", "w"], n),
            "t": pd.Timestamp("1970-01-01") + days + seconds,
        }
    )
    for name in ("x", "z", "o", "c", "t"):
        frame.loc[rng.random(n) < 0.12, name] = None
    return frame


def target(n=200, seed=0):
    """Numbers, 0/1 and class codes."""
    rng = np.random.default_rng([seed, 7])
    return {
        "numbers": rng.normal(size=n),
        "binary": rng.integers(0, 2, n).astype(float),
        "classes": rng.integers(0, 3, n).astype(float),
    }


def table_of(frame, like=None):
    """The frame's table; with ``like``, in the categories of that table."""
    columns = {}
    for name, values in frame.items():
        if values.dtype.kind == "M":
            micros = values.astype("datetime64[us]").to_numpy().astype(np.int64)
            columns[name] = DatetimeColumn(
                np.where(values.isna(), MISSING_DATETIME, micros)
            )
        elif values.dtype.kind in "fib":
            columns[name] = NumericColumn(values.to_numpy(np.float64))
        else:
            seen = tuple(sorted(values.dropna().unique()))
            codes = values.map({v: i for i, v in enumerate(seen)})
            column = CategoricalColumn(codes.fillna(len(seen)).astype(int), seen)
            known = column if like is None else column.recode(like[name].categories)
            columns[name] = known
    return Table.of(columns)


def schema_of(table):
    """The schema that a frame with this table has."""
    words = {"numeric": "float", "categorical": "string", "datetime": "datetime"}
    return Schema(
        tuple(
            ColumnSpec(
                name, column.kind, getattr(column, "categories", ()), words[column.kind]
            )
            for name, column in table
        )
    )


def folds_of(splitter, n):
    """Folds of a scikit-learn splitter."""
    return Folds.from_splits(list(splitter.split(np.zeros((n, 1)))), n)
