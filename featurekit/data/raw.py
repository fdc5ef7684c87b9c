"""A column's values as what they are numbered by: 64-bit keys, or strings.

The usual types of polars, Arrow, pandas and numpy are turned without a detour; whatever
else a column may hold goes the long way, through `featurekit.data.encode`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import CategoricalColumn
from featurekit.data.encode import encode
from featurekit.data.frames import Series

if TYPE_CHECKING:
    import polars as pl

Family: TypeAlias = Literal["text", "whole", "number", "time"]
Keys: TypeAlias = NDArray[np.int64]

_FLIP = np.int64(np.iinfo(np.int64).max)


class Raw(NamedTuple):
    """A column's values in the form that they are numbered in.

    Attributes
    ----------
    family : {"text", "whole", "number", "time"}
    dtype : str
        What the values were, as in `ColumnSpec`.
    values : int64 array (n,), or polars Series of strings
        Keys, in the order of the values.
    gone : bool array (n,) or None
        Where a key stands for a missing value.
    """

    family: Family
    dtype: str
    values: Any
    gone: NDArray[np.bool_] | None


def raw_values(series: Series, name: str) -> Raw | None:
    """The values of a series, or None if all are missing.

    Raises
    ------
    SchemaError, TypeError, ValueError
        For values that are no column of a table, as `encode` words it.
    """
    values = series
    if not isinstance(series, np.ndarray):
        native = series.to_native()
        quick = _from_polars(_to_polars(series, native))
        if quick is not None:
            return _present(quick)
        if isinstance(getattr(native, "dtype", None), np.dtype):
            values = native.to_numpy()
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        whole = values.dtype.kind in "biu"
        if whole and values.dtype != np.uint64:
            word = "boolean" if values.dtype.kind == "b" else "integer"
            return _present(Raw("whole", word, values.astype(np.int64), None))
        if not whole:
            return _present(_floats(values.astype(np.float64), "float"))
    return _present(_encoded(series, name))


def _to_polars(series: Any, native: Any) -> pl.Series | None:
    """The series as polars' own where that costs little."""
    import polars as pl

    library = series.implementation
    if library.is_polars():
        return native
    if library.is_pyarrow():
        out = pl.from_arrow(native)
        return out if isinstance(out, pl.Series) else None
    if library.is_pandas() and str(native.dtype) in ("str", "string"):
        return pl.Series(pl.from_pandas(native))
    return None


def _from_polars(series: pl.Series | None) -> Raw | None:
    """Keys of the usual types; None for the others."""
    import polars as pl

    if series is None:
        return None
    dtype = series.dtype
    if dtype in (pl.Categorical, pl.Enum):
        return Raw("text", "string", series.cast(pl.String), None)
    if dtype == pl.String:
        return Raw("text", "string", series, None)
    if dtype in (pl.UInt64, pl.Int128, pl.UInt128):
        least: Any = series.min()
        most: Any = series.max()
        if least is not None and not -(2**63) <= least <= most < 2**63:
            # beyond 64 signed bits: their texts tell them apart as well
            return Raw("text", "integer", series.cast(pl.String), None)
        series = series.cast(pl.Int64)
    if dtype.is_integer():
        return _whole(series, "integer")
    if dtype == pl.Boolean:
        return _whole(series, "boolean")
    if dtype in (pl.Float32, pl.Float64):
        return _floats(
            np.asarray(series.cast(pl.Float64).to_numpy(), np.float64), "float"
        )
    if dtype == pl.Date or (isinstance(dtype, pl.Datetime) and not dtype.time_zone):
        times = series.cast(pl.Datetime("us"))
        word = "date" if dtype == pl.Date else "datetime"
        return _whole(times, word)._replace(family="time")
    return None


def _whole(series: pl.Series, word: str) -> Raw:
    import polars as pl

    series = series.to_physical()
    if not series.null_count():
        return Raw("whole", word, series.to_numpy().astype(np.int64, copy=False), None)
    keys = series.cast(pl.Int64).fill_null(0).to_numpy()
    return Raw("whole", word, keys, series.is_null().to_numpy())


def _floats(values: NDArray[Any], word: str) -> Raw:
    gone = np.isnan(values)
    return Raw("number", word, float_keys(values), gone if gone.any() else None)


def float_keys(values: NDArray[np.float64]) -> Keys:
    """Integers in the order of the floats; -0.0 is 0.0."""
    bits = (values + 0.0).view(np.int64)
    return bits ^ ((bits >> 63) & _FLIP)


def floats_of(keys: Keys) -> NDArray[np.float64]:
    """The floats that `float_keys` numbered."""
    return (keys ^ ((keys >> 63) & _FLIP)).view(np.float64)


def finite(raw: Raw) -> Raw:
    """Infinities as missing, as in every derived feature."""
    endless = ~np.isfinite(floats_of(raw.values))
    if not endless.any():
        return raw
    gone = endless if raw.gone is None else endless | raw.gone
    keys = raw.values[int(np.argmin(gone))]
    return raw._replace(values=np.where(gone, keys, raw.values), gone=gone)


def _encoded(series: Series, name: str) -> Raw:
    """The long way, for whatever else a column may hold."""
    import polars as pl

    column, dtype, _ = encode(series, name)
    gone = column.missing
    if isinstance(column, CategoricalColumn):
        known = column.categories
        codes = np.minimum(column.codes, max(len(known) - 1, 0))
        if not known or isinstance(known[0], str):
            texts = pl.Series([*known, None], dtype=pl.String)
            return Raw("text", dtype, texts[column.codes.astype(np.int64)], None)
        if any(isinstance(v, float) for v in known):
            return _floats(np.where(gone, np.nan, np.array(known)[codes]), dtype)
        if not -(2**63) <= int(known[0]) <= int(known[-1]) < 2**63:
            # beyond 64 signed bits: their texts tell them apart as well
            texts = pl.Series([*map(str, known), None], dtype=pl.String)
            return Raw("text", "integer", texts[column.codes.astype(np.int64)], None)
        return Raw("whole", dtype, np.array(known, np.int64)[codes], gone)
    if column.kind == "datetime":
        return Raw("time", dtype, column.values, gone)
    values = np.asarray(column.values)
    if dtype in ("integer", "boolean"):
        return Raw("whole", dtype, np.where(gone, 0, values).astype(np.int64), gone)
    return _floats(values, dtype)


def _present(raw: Raw) -> Raw | None:
    """``raw``, with missing keys that are keys of rows there; None without such."""
    if raw.family == "text":
        return None if raw.values.null_count() == len(raw.values) else raw
    if raw.gone is None:
        return raw
    if raw.gone.all():
        return None
    keys = np.where(raw.gone, raw.values[int(np.argmin(raw.gone))], raw.values)
    return raw._replace(values=keys)
