"""One column of any library to a typed column: the encoders behind ingest.

Numbers, durations and datetimes go through narwhals. Strings take the quickest way
each library has to number its distinct values; the categories are then sorted, so
that the codes are the same whatever the library and the order of the rows.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeAlias

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import (
    CategoricalColumn,
    Column,
    DatetimeColumn,
    NumericColumn,
    Scalar,
    code_dtype,
)
from featurekit.data.frames import Series
from featurekit.data.unusual import (
    seconds_of,
    usual,
    usual_objects,
    utc_times,
    wall_times,
    zone_name,
    zone_of,
)
from featurekit.exceptions import SchemaError

Want: TypeAlias = Literal["auto", "numeric", "categorical"]
Codes: TypeAlias = NDArray[np.integer[Any]]

# beyond it neighbouring integers share a float64
EXACT = 2**53

FAMILIES = {
    "null": "number",
    "boolean": "number",
    "integer": "number",
    "float": "number",
    "string": "string",
    "date": "datetime",
    "datetime": "datetime",
    "duration": "duration",
    "time": "time",
}

# the first that fits names the type: bool is an int, datetime a date, timedelta64 a
# numpy integer
_WORDS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("boolean", (bool, np.bool_)),
    ("duration", (timedelta, np.timedelta64)),
    ("integer", (int, np.integer)),
    ("float", (numbers.Real, Decimal)),
    ("complex", (complex, np.complexfloating)),
    ("string", (str,)),
    ("datetime", (datetime, np.datetime64)),
    ("date", (date,)),
    ("time", (time,)),
    ("bytes", (bytes,)),
)


class Encoded(NamedTuple):
    """A typed column and a word for what it was.

    Attributes
    ----------
    column : Column
    dtype : {"boolean", "integer", "float", "string", "date", "datetime", "duration", \
"time", "null"}
        The same word from every library; "null" for a column of no type.
    zone : str
        The time zone that datetimes are the wall time of; "" without one.
    """

    column: Column
    dtype: str
    zone: str = ""


def encode(series: Series, name: str, want: Want = "auto", zone: str = "") -> Encoded:
    """Encode one column.

    Parameters
    ----------
    series : narwhals Series or 1-D array (n,)
    name : str
        For messages.
    want : {"auto", "numeric", "categorical"}
        "auto" makes integers beyond 2**53 categories, for float64 cannot tell them
        apart; "numeric" rounds them; "categorical" makes categories of any numbers.
        Strings are categories and datetimes datetimes in each case.
    zone : str
        Time zone to give the wall time of; their own if "". Datetimes without a zone
        are wall time already.
    """
    if not isinstance(series, np.ndarray):
        native = series.to_native()
        if isinstance(getattr(native, "dtype", None), np.dtype):
            series = native.to_numpy()
        else:
            series = usual(series)
    if isinstance(series, np.ndarray):
        return _encode_array(series, name, want, zone)
    return _encode_series(series, name, want, zone)


def _encode_series(series: nw.Series[Any], name: str, want: Want, zone: str) -> Encoded:
    dtype = series.dtype
    if own := zone_of(series):
        times = wall_times(utc_times(series), zone or own)
        return _encode_array(times, name, want)._replace(zone=zone or own)
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        codes, distinct = _factorize(series)
        return _from_distinct(codes, distinct, name)
    if dtype.is_numeric() or dtype == nw.Boolean:
        return _encode_numbers(series, name, want)
    if dtype in (nw.Datetime, nw.Date, nw.Duration, nw.Object):
        return _encode_array(series.to_numpy(), name, want, zone)
    if series.is_null().all():
        return Encoded(encode_nulls(len(series)), "null")
    native = series.to_native()
    # pandas and polars call it dtype, Arrow type
    found = getattr(native, "dtype", None) or native.type
    if dtype.is_nested():
        row = int(series.is_null().to_numpy().argmin())
        raise _not_a_scalar(name, str(found), row)
    if str(found).startswith("complex"):
        raise _complex(name)
    raise _unsupported(name, str(found))


def _encode_numbers(series: nw.Series[Any], name: str, want: Want) -> Encoded:
    """Numbers of a frame library: float64 with NaN, or categories of exact values."""
    dtype = series.dtype
    if dtype == nw.Boolean:
        word = "boolean"
    else:
        word = "integer" if dtype.is_integer() else "float"
    wide = dtype in (nw.Int64, nw.UInt64, nw.Int128, nw.UInt128)
    if want == "auto" and wide and _inexact(series.min(), series.max()):
        want = "categorical"
    if dtype.is_decimal():
        # value by value: Arrow's own cast is not always the nearest float
        gone = series.is_null().to_numpy()
        floats = [
            np.nan if none else float(v)
            for v, none in zip(series.to_list(), gone, strict=True)
        ]
        return _encode_array(np.array(floats, np.float64), name, want)
    if want != "categorical":
        values = series.cast(nw.Float64).to_numpy()
        return Encoded(NumericColumn(values), word)
    if dtype in (nw.Int128, nw.UInt128):
        return _encode_objects(np.array(series.to_list(), dtype=object), name, want)
    present = ~series.is_null().to_numpy()
    found = _number_categories(series.drop_nulls().to_numpy())
    codes = np.full(len(series), found.missing_code, dtype=found.codes.dtype)
    codes[present] = found.codes
    return Encoded(CategoricalColumn(codes, found.categories), word)


def _encode_array(
    values: NDArray[Any], name: str, want: Want, zone: str = ""
) -> Encoded:
    kind = values.dtype.kind
    if kind in "biuf":
        word = {"b": "boolean", "f": "float"}.get(kind, "integer")
        wide = kind in "iu" and values.dtype.itemsize > 4
        if want == "auto" and wide and _inexact(values.min(), values.max()):
            want = "categorical"
        if want == "categorical":
            return Encoded(_number_categories(values), word)
        return Encoded(NumericColumn(values), word)
    if kind == "M":
        day = np.datetime_data(values.dtype)[0] in ("Y", "M", "W", "D")
        times = values.astype("datetime64[us]").view(np.int64)
        return Encoded(DatetimeColumn(times), "date" if day else "datetime")
    if kind == "m":
        seconds = values / np.timedelta64(1, "s")
        if want == "categorical":
            return Encoded(_number_categories(seconds), "duration")
        return Encoded(NumericColumn(seconds), "duration")
    if kind in "OUT":
        return _encode_objects(values.astype(object, copy=False), name, want, zone)
    if kind == "c":
        raise _complex(name)
    raise _unsupported(name, str(values.dtype))


def _encode_objects(
    values: NDArray[np.object_], name: str, want: Want, zone: str = ""
) -> Encoded:
    """Python objects: the types that occur decide, and they must agree."""
    values = usual_objects(values)
    types = {kind: _word(kind) for kind in set(map(type, values))}
    _refuse_types(types, values, name)
    words = set(types.values()) - {"missing"}
    if len(words) > 1 and "float" in words:
        # a float among other types may be no more than the mark of a gap
        gap = all(v != v for v in values if types[type(v)] == "float")
        words -= {"float"} if gap else set()
    families = _families(words)
    if len(families) > 1:
        raise _mixed(types, values, name)
    if not words:
        return Encoded(encode_nulls(len(values)), "null")
    family = families.pop()
    if family in ("datetime", "duration"):
        present = ~_missing(values, types)
        unit = "m8[us]" if family == "duration" else "M8[us]"
        times = np.full(len(values), "NaT", dtype=unit)
        zones = _zones(values[present]) if family == "datetime" else set()
        zone = zone or (zones.pop() if len(zones) == 1 else "UTC") if zones else ""
        times[present] = _without_zone(values[present], zone).astype(unit)
        encoded = _encode_array(times, name, want)._replace(zone=zone)
        return encoded._replace(dtype="date") if words == {"date"} else encoded
    if family == "time":
        seconds = np.full(len(values), np.nan)
        present = ~_missing(values, types)
        seconds[present] = [seconds_of(v) for v in values[present]]
        return _encode_array(seconds, name, want)._replace(dtype="time")
    if family == "number":
        whole = [v for v in values if types[type(v)] == "integer"]
        exact = words <= {"integer", "boolean"}
        if want == "auto" and whole and exact and _inexact(min(whole), max(whole)):
            want = "categorical"
        if want != "categorical":
            filled = np.where(_missing(values, types), np.nan, values)
            column = NumericColumn(filled.astype(np.float64))
            return Encoded(column, _common(words))
    index: dict[Any, int] = {}
    numbered = (index.setdefault(v, len(index)) for v in values)
    codes = np.fromiter(numbered, np.intp, len(values))
    return _from_distinct(codes, list(index), name, words)


def encode_nulls(n_rows: int) -> NumericColumn:
    """A column of which nothing is known but that it is missing."""
    return NumericColumn(np.full(n_rows, np.nan))


def _factorize(series: nw.Series[Any]) -> tuple[Codes, list[Any]]:
    """Number the values of a string or category series.

    Returns
    -------
    codes : integer array (n,)
        -1 is missing.
    distinct : list
        The value of each code, in any order; may hold missing values too.
    """
    native = series.to_native()
    if series.implementation.is_pandas():
        import pandas as pd

        codes, uniques = pd.factorize(native)
        return codes, uniques.tolist()
    if series.implementation.is_polars():
        import polars as pl

        # physical codes of a Categorical number all strings of the process; an Enum
        # of just these values has codes of its own
        text = native.cast(pl.String)
        distinct = text.drop_nulls().unique().sort()
        codes = text.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64).fill_null(-1)
        return codes.to_numpy(), distinct.to_list()
    import pyarrow as pa

    if pa.types.is_dictionary(native.type):
        native = native.cast(native.type.value_type)
    encoded = native.dictionary_encode().unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, encoded.dictionary.to_pylist()


def _from_distinct(
    codes: Codes, distinct: Sequence[Any], name: str, words: set[str] | None = None
) -> Encoded:
    """Sort the distinct values and renumber; -1 and missing values are missing.

    ``words`` are the types of the rows where these are known: 1 and True are one
    distinct value, and which of them it shows depends on the order of the rows.
    """
    values = np.empty(len(distinct), dtype=object)
    values[:] = distinct
    types = {kind: _word(kind) for kind in set(map(type, values))}
    _refuse_types(types, values, name, codes)
    gaps = _missing(values, types)
    words = words or {types[type(v)] for v in values[~gaps]}
    families = _families(words)
    if len(families) > 1:
        raise _mixed(types, values, name, codes)
    if families - {"string", "number"}:
        raise _unsupported(name, f"category of {families.pop()}s")
    plain = [_plain(v, words) for v in values[~gaps]]
    if plain and all(isinstance(v, float) and v.is_integer() for v in plain):
        # a gap turns pandas' integers into floats: the categories stay the same
        plain = [int(v) for v in plain]
    categories = tuple(sorted(set(plain)))
    n = len(categories)
    position = {value: i for i, value in enumerate(categories)}
    lookup = np.full(len(values) + 1, n, dtype=code_dtype(n))  # the last: code -1
    lookup[:-1][~gaps] = [position[v] for v in plain]
    column = CategoricalColumn(lookup[codes], categories)
    return Encoded(column, _common(words) if words else "string")


def _number_categories(values: NDArray[Any]) -> CategoricalColumn:
    """Categories of booleans, integers or floats, exactly; NaN is missing."""
    present = values == values
    distinct, inverse = np.unique(values[present], return_inverse=True)
    categories = distinct.tolist()
    if distinct.dtype.kind == "f" and all(v.is_integer() for v in categories):
        categories = [int(v) for v in categories]  # see _from_distinct
    n = len(categories)
    codes = np.full(len(values), n, dtype=code_dtype(n))
    codes[present] = inverse
    return CategoricalColumn(codes, tuple(categories))


def _families(words: set[str]) -> set[str]:
    return {FAMILIES[word] for word in words}


def _common(words: set[str]) -> str:
    """The one word for numbers of these types, or for strings."""
    if len(words) == 1:
        return next(iter(words))
    return "integer" if words == {"integer", "boolean"} else "float"


def _inexact(least: Any, greatest: Any) -> bool:
    """Whether integers in this range (None: there are none) may not fit float64."""
    # a column of pd.NA alone has the least value pd.NA
    if not isinstance(least, numbers.Integral):
        return False
    return int(least) < -EXACT or int(greatest) > EXACT


def _plain(value: Any, words: set[str]) -> Scalar:
    """The value as str, bool, int or float."""
    if isinstance(value, str):
        return str(value)
    if words == {"boolean"}:
        return bool(value)
    return int(value) if words <= {"integer", "boolean"} else float(value)


def _zones(values: NDArray[np.object_]) -> set[str]:
    """The time zones of datetimes."""
    kinds = {getattr(value, "tzinfo", None) for value in values} - {None}
    return {zone_name(kind) for kind in kinds}


def _without_zone(values: NDArray[np.object_], zone: str) -> NDArray[Any]:
    """Dates, datetimes and durations; those of a time zone as the wall time of one."""
    aware = [getattr(value, "tzinfo", None) is not None for value in values]
    if not any(aware):
        return values
    out = np.empty(len(values), dtype=object)
    out[:] = values
    utc = [v.astimezone(UTC).replace(tzinfo=None) for v in values[aware]]
    out[aware] = wall_times(np.array(utc, "M8[us]"), zone).astype(object)
    return out


def _word(kind: type) -> str:
    # pd.NA and pd.NaT by name: pandas need not be there
    if kind.__name__ in ("NoneType", "NAType", "NaTType"):
        return "missing"
    for word, types in _WORDS:
        if issubclass(kind, types):
            return word
    return "other"


def _missing(values: NDArray[np.object_], types: dict[type, str]) -> NDArray[np.bool_]:
    """bool (n,): None, pd.NA, NaT and NaN among objects."""
    none = tuple(kind for kind, word in types.items() if word == "missing")
    if not none and set(types.values()) <= {"boolean", "integer", "string"}:
        return np.zeros(len(values), np.bool_)
    flags = (isinstance(v, none) or v != v for v in values)
    return np.fromiter(flags, np.bool_, len(values))


def _refuse_types(
    types: dict[type, str],
    values: NDArray[np.object_],
    name: str,
    codes: Codes | None = None,
) -> None:
    """Raise for what is neither a string, a number nor a time."""
    for kind, word in types.items():
        if word == "complex":
            raise _complex(name)
        if word == "bytes":
            raise _unsupported(name, "bytes")
        if word == "other":
            raise _not_a_scalar(name, kind.__name__, _row_of(kind, values, codes))


def _row_of(kind: type, values: NDArray[np.object_], codes: Codes | None) -> int:
    """The first row that holds a value of this type."""
    first = next(i for i, v in enumerate(values) if type(v) is kind)
    return first if codes is None else int(np.argmax(codes == first))


def _mixed(
    types: dict[type, str],
    values: NDArray[np.object_],
    name: str,
    codes: Codes | None = None,
) -> SchemaError:
    present = {type(v) for v in values if v is not None and v == v}
    rows = {k: _row_of(k, values, codes) for k in types if k in present}
    found = ", ".join(
        f"{kind.__name__} (row {row})"
        for kind, row in sorted(rows.items(), key=lambda item: item[1])
    )
    return SchemaError(
        f"column {name!r} mixes types: {found}. Make it one type first: "
        f"X[{name!r}] = X[{name!r}].astype(str) for categories, or "
        f"pd.to_numeric(X[{name!r}], errors='coerce') for numbers."
    )


def _not_a_scalar(name: str, found: str, row: int) -> TypeError:
    return TypeError(
        f"argument must be a string or a number, not {found!r}: column {name!r} holds "
        f"one in row {row}. Take it apart into columns of text and numbers first, or "
        "leave the column out."
    )


def _unsupported(name: str, found: str) -> SchemaError:
    text = ""
    if "bytes" in found or "inary" in found:
        text = (
            f": as text, X[{name!r}].str.decode('utf-8') in pandas, "
            f"X[{name!r}].cast(pl.String) in polars"
        )
    return SchemaError(
        f"column {name!r} is of type {found}, which is not supported. Convert it to "
        f"numbers, text or datetimes first{text}, or leave the column out."
    )


def _complex(name: str) -> ValueError:
    return ValueError(
        f"Complex data not supported: column {name!r}. Give its real and its imaginary "
        "part as two columns."
    )
