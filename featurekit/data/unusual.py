"""Columns of types that few libraries have, as columns of types that all have.

Intervals and UUIDs become text, periods the time they start at, times of day seconds
since midnight, sparse columns dense ones, and categories of such values these values.
Datetimes of a time zone become that zone's wall time, since that is what an hour or a
day of the week means to people.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, time, timedelta, timezone
from typing import Any
from uuid import UUID

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from featurekit.exceptions import SchemaError

_FIXED = re.compile(r"(?:UTC)?([+-])(\d{2}):?(\d{2})")


def usual(series: nw.Series[Any]) -> nw.Series[Any] | NDArray[Any]:
    """A column of a frame library, of a type that `encode` knows where there is one."""
    native = series.to_native()
    if series.implementation.is_pandas():
        return _usual_pandas(series, native)
    if series.dtype == nw.Time:
        return _seconds_of_day(series)
    dtype = str(getattr(native, "type", ""))
    if dtype.startswith("decimal256"):
        return np.array(native.to_pylist(), dtype=object)
    if dtype.startswith("dictionary") and not _is_plain(native.type.value_type):
        plain = native.cast(native.type.value_type)
        return usual(nw.from_native(plain, series_only=True))
    return series


def _usual_pandas(series: nw.Series[Any], native: Any) -> nw.Series[Any] | NDArray[Any]:
    kind = type(native.dtype).__name__
    if kind == "SparseDtype":
        native = native.sparse.to_dense()
    elif kind == "IntervalDtype":
        native = native.astype(object)
    elif kind == "PeriodDtype":
        native = native.dt.to_timestamp()
    elif kind == "CategoricalDtype" and _hides(native.cat.categories):
        known = native.cat.categories.dtype
        interval = type(known).__name__ == "IntervalDtype"
        native = native.astype(object if interval else known)
    elif series.dtype == nw.Time:
        return _seconds_of_day(series)
    else:
        return series
    if isinstance(native.dtype, np.dtype):
        return np.asarray(native.to_numpy())
    return usual(nw.from_native(native, series_only=True))


def _hides(categories: Any) -> bool:
    """Whether pandas' categories are neither text nor numbers."""
    dtype = categories.dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "O":
        return any(not isinstance(v, str | int | float) for v in categories)
    kind = type(dtype).__name__
    return kind in ("IntervalDtype", "PeriodDtype", "DatetimeTZDtype") or (
        isinstance(dtype, np.dtype) and dtype.kind in "mM"
    )


def _is_plain(dtype: Any) -> bool:
    """Whether a type of Arrow's is text or a number that `encode` takes as a key."""
    return str(dtype).startswith(
        ("string", "large_string", "int", "uint", "float", "double", "half", "bool")
    )


def _seconds_of_day(series: nw.Series[Any]) -> NDArray[np.object_]:
    """Times of day of polars and Arrow, to the microsecond, as Python's own."""
    import polars as pl

    values = series.to_native()
    if not isinstance(values, pl.Series):
        values = pl.Series(pl.from_arrow(series.to_arrow()))
    return np.array(values.to_list(), dtype=object)


# -- objects ---------------------------------------------------------------------------


def usual_objects(values: NDArray[np.object_]) -> NDArray[np.object_]:
    """Python objects of types that `encode` knows, where there are such."""
    found = {kind: _converter(kind) for kind in set(map(type, values))}
    if not any(found.values()):
        return values
    out = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        convert = found[type(value)]
        out[i] = value if convert is None else convert(value)
    return out


def _converter(kind: type) -> Callable[[Any], Any] | None:
    if issubclass(kind, UUID):
        return str
    if kind.__module__.startswith("pandas"):  # by name: pandas need not be there
        if kind.__name__ == "Interval":
            return str
        if kind.__name__ == "Period":
            return lambda value: value.to_timestamp().to_pydatetime()
    return None


def seconds_of(value: time) -> float:
    """A time of day as seconds since midnight."""
    return (
        value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    )


# -- time zones ------------------------------------------------------------------------


def zone_name(zone: Any) -> str:
    """A time zone as text: "Europe/Paris", "UTC", or "UTC+03:00" of a fixed offset.

    Parameters
    ----------
    zone : str or tzinfo
        Also those of pytz and dateutil.
    """
    if isinstance(zone, str):
        match = _FIXED.fullmatch(zone)
        return f"UTC{match[1]}{match[2]}:{match[3]}" if match else zone
    for name in ("key", "zone"):
        if isinstance(getattr(zone, name, None), str):
            return zone_name(getattr(zone, name))
    path = str(getattr(zone, "_filename", ""))  # of dateutil
    if "zoneinfo/" in path:
        return path.partition("zoneinfo/")[2]
    fixed = isinstance(zone, timezone)
    offset = zone.utcoffset(None if fixed else datetime(2000, 1, 1))
    if not offset:
        return "UTC"
    minutes = int(offset / timedelta(minutes=1))
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def zone_of(series: nw.Series[Any]) -> str:
    """The time zone of a column of datetimes; "" without one."""
    native = series.to_native()
    if type(getattr(native, "dtype", None)).__name__ == "DatetimeTZDtype":
        return zone_name(native.dtype.tz)  # narwhals does not read all of their names
    zone = getattr(series.dtype, "time_zone", None)
    return zone_name(zone) if zone else ""


def utc_times(series: nw.Series[Any]) -> NDArray[np.datetime64]:
    """Datetimes with a time zone as those of UTC without one."""
    native = series.to_native()
    if type(getattr(native, "dtype", None)).__name__ == "DatetimeTZDtype":
        return np.asarray(native.dt.tz_convert(None).to_numpy())
    return np.asarray(
        series.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy()
    )


def check_zone(zone: str) -> None:
    """Refuse with a `SchemaError` what is neither "" nor a time zone."""
    if not isinstance(zone, str):
        raise SchemaError(f"there is no time zone {zone!r}")
    if zone:
        wall_times(np.zeros(1, "M8[us]"), zone)


def wall_times(times: NDArray[np.datetime64], zone: str) -> NDArray[np.datetime64]:
    """What the clocks of a time zone show.

    Parameters
    ----------
    times : datetime64 array (n,)
        UTC.
    zone : str
        As `zone_name` gives it.

    Raises
    ------
    SchemaError
        When there is no such time zone.
    """
    if match := _FIXED.fullmatch(zone):
        minutes = int(match[2]) * 60 + int(match[3])
        return times + np.timedelta64(-minutes if match[1] == "-" else minutes, "m")
    if zone == "UTC":
        return times
    import polars as pl

    utc = pl.Series(times.astype("M8[us]")).dt.replace_time_zone("UTC")
    try:
        there = utc.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    except pl.exceptions.PolarsError:
        raise SchemaError(f"there is no time zone {zone!r}") from None
    return np.asarray(there.to_numpy())
