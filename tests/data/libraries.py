"""The same values as frames of every library; shared by the tests of the data layer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

LIBRARIES = ["pandas", "polars", "pyarrow", "mapping"]


def make(library, columns):
    """A frame of these columns, lists of Python values with None where missing."""
    if library == "pandas":
        return pd.DataFrame(columns)
    if library == "polars":
        return pl.DataFrame(columns)
    if library == "pyarrow":
        return pa.table(columns)
    return {name: as_array(values) for name, values in columns.items()}


def as_array(values, dtype=object):
    """Values as a 1-D array, one item each, even where the items are sequences."""
    out = np.empty(len(values), dtype=object)
    out[:] = values
    if np.dtype(dtype).kind == "f":
        out[[v is None for v in values]] = np.nan
    return out if dtype is object else out.astype(dtype)


def column_frame(library, values, dtype):
    """One column "a" of the library's own type; x0 of a matrix where it has no names.

    ``dtype`` is one of the library's types, None for the one it finds itself.
    """
    if library == "pandas":
        return pd.DataFrame({"a": pd.Series(values, dtype=dtype)})
    if library == "polars":
        return pl.DataFrame({"a": pl.Series(values, dtype=dtype, strict=False)})
    if library == "pyarrow":
        return pa.table({"a": pa.array(values, type=dtype)})
    array = as_array(values, dtype or object)
    return {"a": array} if library == "mapping" else array.reshape(-1, 1)


def rows_of(X, start, stop):
    """Some rows of a frame, still of its own library."""
    if isinstance(X, dict):
        return {name: values[start:stop] for name, values in X.items()}
    if isinstance(X, pd.DataFrame):
        return X.iloc[start:stop]
    if isinstance(X, pa.Table):
        return X.slice(start, stop - start)
    return X[start:stop]


def n_rows(X):
    """The number of rows of a frame of any library."""
    return len(next(iter(X.values()))) if isinstance(X, dict) else len(X)
