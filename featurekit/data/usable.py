"""Which columns a table can be learnt from: one rule for frames in memory and files.

Lists, structures, bytes and other objects are no column of numbers, text or times.
`encode` refuses them; where a table has many columns, one of these stops nothing, and
is left out with a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import time
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np

from featurekit.data.blocks import refuse_unknown
from featurekit.data.encode import encode
from featurekit.data.frames import Frame, Series
from featurekit.exceptions import SchemaError, warn

if TYPE_CHECKING:
    import polars as pl

_PLAIN = (nw.String, nw.Boolean, nw.Enum, nw.Date, nw.Datetime, nw.Duration)


def usable_columns(frame: Frame, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the named columns that can be encoded; a warning names the others.

    Parameters
    ----------
    frame : Frame
        Of a frame library; arrays are taken as they are, for they are of one type.
    names : iterable of str

    Raises
    ------
    SchemaError
        When none of the columns can be encoded.
    """
    columns = dict(zip(frame.names, frame.columns, strict=True))
    types = {}
    if frame.named:
        types = {name: unusable_type(columns[name]) for name in names}
    return _without(names, types)


def usable_names(
    schema: Mapping[str, pl.DataType], names: Iterable[str]
) -> tuple[str, ...]:
    """As `usable_columns`, of the columns of a file."""
    return _without(names, {name: _unusable_dtype(schema[name]) for name in names})


def _without(names: Iterable[str], types: Mapping[str, str]) -> tuple[str, ...]:
    unusable = {name: found for name, found in types.items() if found}
    kept = tuple(name for name in names if name not in unusable)
    shown = ", ".join(f"{name!r} ({found})" for name, found in unusable.items())
    if unusable and not kept:
        raise SchemaError(
            f"no column holds numbers, text, dates or times: {shown}. Take these apart "
            "into columns of such values."
        )
    if unusable:
        warn(
            f"{len(unusable)} column(s) are left out, for they hold neither numbers, "
            f"text, dates nor times: {shown}. Convert them, or name them in drop=."
        )
    return kept


def unusable_type(series: Series) -> str:
    """The type of a column that cannot be encoded; "" if it can."""
    if isinstance(series, np.ndarray):
        values = series
    else:
        dtype = series.dtype
        if dtype in _PLAIN or dtype.is_numeric():
            return ""
        native = series.to_native()
        if dtype != nw.Object:
            first = series.drop_nulls().head(1)
            return "" if not len(first) or _encodes(first) else _type_of(native)
        values = np.asarray(native.to_numpy())
    if values.dtype != object:
        return ""
    seen: dict[type, Any] = {type(value): value for value in values}
    for kind, value in seen.items():
        one = np.empty(1, object)
        one[0] = value
        if not _encodes(one):
            return kind.__name__
    return ""


def _unusable_dtype(dtype: pl.DataType) -> str:
    """As `unusable_type`, of a type of polars."""
    import polars as pl

    if dtype.is_nested() or dtype in (pl.Object, pl.Unknown):
        return str(dtype)
    values: dict[Any, Any] = {pl.Binary: b"", pl.Time: time(8, 30)}
    if dtype not in values:
        return ""
    one = pl.Series([values[type(dtype)]], dtype=dtype)
    return "" if _encodes(nw.from_native(one, series_only=True)) else str(dtype)


def _encodes(series: Series) -> bool:
    try:
        encode(series, "")
    except (TypeError, ValueError):
        return False
    return True


def _type_of(native: Any) -> str:
    # pandas and polars call it dtype, Arrow type
    return str(getattr(native, "dtype", None) or native.type)


def columns_without(names: Sequence[str], drop: Any) -> tuple[str, ...]:
    """The names that ``drop`` leaves.

    Raises
    ------
    SchemaError
        When ``drop`` is no list of columns, or leaves none.
    """
    if drop is None:
        return tuple(names)
    if isinstance(drop, str):
        raise SchemaError(f"drop is a list of columns, got {drop!r}: write [{drop!r}]")
    dropped = [str(name) for name in drop]
    refuse_unknown(dropped, names)
    kept = tuple(name for name in names if name not in dropped)
    if not kept:
        raise SchemaError(f"drop leaves no column of {list(names)[:10]}")
    return kept
