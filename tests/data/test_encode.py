"""One column of every library and type gives the typed column that plain Python gives.

The expected columns come from `oracle`, which looks at a list of Python values.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from math import nan

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurekit.data import CategoricalColumn, DatetimeColumn, NumericColumn, Schema
from featurekit.exceptions import SchemaError
from tests.data.libraries import LIBRARIES, column_frame, make, n_rows, rows_of

MISSING = np.iinfo(np.int64).min


def present(values):
    """The values that are not missing, each counted once."""
    return {v for v in values if v is not None and v == v}


def micros(value):
    """Microseconds since 1970."""
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return (value - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def oracle(values, asked):
    """The typed column of Python values, row by row."""
    found = present(values)
    if found and all(isinstance(v, date) for v in found):
        return DatetimeColumn(
            np.array([MISSING if v is None else micros(v) for v in values])
        )
    if any(isinstance(v, timedelta) for v in found):
        values = [None if v is None else v.total_seconds() for v in values]
    values = [float(v) if isinstance(v, Decimal) else v for v in values]
    found = present(values)
    ids = all(isinstance(v, int) for v in found) and any(abs(v) > 2**53 for v in found)
    if asked or ids or any(isinstance(v, str) for v in found):
        if not all(isinstance(v, str | bool) for v in found):
            fraction = any(v != int(v) for v in found)
            found = {float(v) if fraction else int(v) for v in found}
        known = sorted(found)
        codes = [known.index(v) if v in known else len(known) for v in values]
        return CategoricalColumn(np.array(codes, np.int64), tuple(known))
    return NumericColumn(
        np.array([nan if v is None else float(v) for v in values], float)
    )


DATES = [date(2024, 2, 29), None, date(1950, 1, 1), date(2024, 2, 29)]
TIMES = [
    *(datetime(2024, 3, 31, 1, 30, 0, 5), None, datetime(1969, 12, 31, 23, 59, 59, 1)),
    datetime(1970, 1, 1),
]
SPANS = [timedelta(1), None, timedelta(microseconds=-7), timedelta(hours=5)]
WORDS = ["b", "a", None, "é", "", "Z", "b", "10"]
DICT = pa.dictionary(pa.int8(), pa.string())
ARROW = pd.ArrowDtype

# values; their word; types by library, None being the one that the library finds
CASES = {
    "floats": (
        *([1.5, nan, None, -0.25, 1e300, float("inf"), 1.5], "float"),
        *(["float64", "Float64", "float64[pyarrow]", object], [pl.Float64]),
        *([pa.float64()], ["f8", ">f8", object]),
    ),
    "small floats": (
        *([1.5, None, -0.25, 2.0], "float"),
        *(["float32", "Float32", "float16"], [pl.Float32, pl.Float16]),
        *([pa.float32(), pa.float16()], ["f4", "f2"]),
    ),
    "whole floats": (
        *([1.0, None, 3.0, 1.0], "float"),
        *(["float64", "Float64"], [pl.Float64], [pa.float64()], ["f8", object]),
    ),
    "integers": (
        *([3, -1, 2**53, 0, 3], "integer"),
        *(["int64", "Int64", "int64[pyarrow]", object], [pl.Int64, pl.Int128]),
        *([pa.int64()], ["i8", ">i8", object]),
    ),
    "integers with gaps": (
        *([3, None, 100, 0, 3], "integer"),
        *(["Int64", "UInt8", "Int16", "int32[pyarrow]", object], [pl.Int64, pl.UInt8]),
        *([pa.int64(), pa.uint16()], [object]),
    ),
    "ids": (
        *([2**53 + 1, 2**53, 0, 7, 2**53 + 1], "integer"),
        *(["int64", "UInt64", object], [pl.Int64, pl.UInt64], [pa.int64()]),
        *(["i8", "u8", object],),
    ),
    "ids with gaps": (
        *([-(2**53) - 1, None, -(2**53), 2**53, 7], "integer"),
        *(["Int64", "int64[pyarrow]", object], [pl.Int64, pl.Int128], [pa.int64()]),
        *([object],),
    ),
    "unsigned ids": (
        *([2**64 - 1, None, 2**64 - 2, 0], "integer"),
        *(["UInt64", object], [pl.UInt64, pl.UInt128], [pa.uint64()], [object]),
    ),
    "booleans": (
        *([True, False, True], "boolean"),
        *(["bool", "boolean", object], [None], [None], ["?", object]),
    ),
    "booleans with gaps": (
        *([True, None, False, True], "boolean"),
        *(["boolean", "bool[pyarrow]", object], [None], [None], [object]),
    ),
    "strings": (
        *(WORDS, "string"),
        *(["str", "string", ARROW(pa.large_string()), "string[pyarrow]", object],),
        *([pl.String], [pa.string(), pa.large_string(), pa.string_view()], [object]),
    ),
    "categories": (
        *(WORDS, "string"),
        *(["category", pd.CategoricalDtype(["zz", *WORDS[:2], *WORDS[3:6], "10"])],),
        *([pl.Categorical, pl.Enum(["zz", "b", "Z", "10", "a", "é", ""])],),
        *([DICT, pa.dictionary(pa.int32(), pa.large_string())], [object]),
    ),
    "dates": (
        *(DATES, "date"),
        *([object, "date32[pyarrow]"], [pl.Date], [pa.date32()], ["M8[D]", object]),
    ),
    "datetimes": (
        *(TIMES, "datetime"),
        *(["M8[us]", "M8[ns]", "timestamp[us][pyarrow]", object],),
        *(
            [pl.Datetime("us"), pl.Datetime("ns")],
            [pa.timestamp("us")],
        ),
        *(["M8[us]", "M8[ns]", object],),
    ),
    "durations": (
        *(SPANS, "duration"),
        *(["m8[us]", "m8[ns]", "duration[us][pyarrow]", object],),
        *(
            [pl.Duration("us"), pl.Duration("ns")],
            [pa.duration("us")],
        ),
        *(["m8[us]", object],),
    ),
    "decimals": (
        *([Decimal("1.50"), None, Decimal("-0.25"), Decimal("12.00")], "float"),
        *(
            [object, ARROW(pa.decimal128(9, 2))],
            [pl.Decimal(9, 2)],
        ),
        *([pa.decimal128(9, 2), None], [object]),
    ),
    "constant": (
        *([7, 7, 7], "integer"),
        *(["int8", "Int8"], [pl.Int8], [pa.int8()], ["i1", "u2", object]),
    ),
    "missing numbers": (
        *([None, None], "null"),
        *(["float64", "Float64"], [pl.Float64], [pa.float64()], ["f8"]),
    ),
    "no type": ([None, None], "null", [object], [pl.Null], [pa.null()], [object]),
    "missing strings": (
        *([None, None], "null"),
        *(["str", "string"], [pl.String, pl.Categorical, pl.Enum(["u"])]),
        *([pa.string(), DICT], []),
    ),
}
FORMS = [
    pytest.param(case, lib, dtype, id=f"{case}-{lib}-{dtype}".replace("\n", " "))
    for case, (_, _, *types) in CASES.items()
    for lib, dtypes in zip(
        ["pandas", "polars", "pyarrow", "mapping", "numpy"],
        [*types, types[-1]],
        strict=True,
    )
    for dtype in dtypes
]


def expected(case, asked=False):
    values, word = CASES[case][:2]
    return oracle(values, asked and word != "null"), word


def same(column, other):
    assert column.kind == other.kind
    if column.kind == "categorical":
        assert column.categories == other.categories
        assert list(map(type, column.categories)) == list(map(type, other.categories))
        assert column.codes.dtype == other.codes.dtype
        np.testing.assert_array_equal(column.codes, other.codes)
    else:
        np.testing.assert_array_equal(column.values, other.values)
    assert column.equals(other)


@pytest.mark.parametrize("case, library, dtype", FORMS)
def test_every_form_of_the_values_gives_the_same_column(case, library, dtype):
    schema, table = Schema.learn(column_frame(library, CASES[case][0], dtype))
    column, word = expected(case)
    same(table.columns[0], column)
    assert schema.specs[0].dtype == word
    assert schema.specs[0].kind == column.kind
    assert schema.specs[0].categories == getattr(column, "categories", ())


@pytest.mark.parametrize("case, library, dtype", FORMS)
def test_numbers_asked_for_as_categories_keep_their_values(case, library, dtype):
    X = column_frame(library, CASES[case][0], dtype)
    column, word = expected(case, asked=True)
    if column.kind == "datetime":
        with pytest.raises(SchemaError, match=r"holds date.*astype\('string'\)"):
            Schema.learn(X, [0])
        return
    schema, table = Schema.learn(X, [0])
    same(table.columns[0], column)
    assert schema.specs[0].dtype == word


@pytest.mark.parametrize("case, library, dtype", FORMS)
def test_rows_read_one_by_one_are_the_rows_of_the_batch(case, library, dtype):
    """The schema learnt from plain objects reads every form, whole and row by row."""
    values = CASES[case][0]
    X = column_frame(library, values, dtype)
    learnt = column_frame("numpy" if library == "numpy" else "mapping", values, None)
    schema, _ = Schema.learn(learnt)
    # None alone has no type, and is numeric until something else is seen
    whole = oracle(values, False)
    same(schema.read(X).columns[0], whole)
    for i in range(n_rows(X)):
        same(schema.read(rows_of(X, i, i + 1)).columns[0], whole.take([i]))
    middle = schema.read(rows_of(X, 1, n_rows(X))).columns[0]
    same(middle, whole.take(slice(1, None)))


def decimal_frame(library):
    """Prices of two places, most of which no float holds exactly."""
    cents = np.random.default_rng(0).integers(-(10**9), 10**9, 500)
    prices = [Decimal(int(c)).scaleb(-2) for c in cents]
    if library == "pandas of arrow":
        return prices, column_frame("pandas", prices, ARROW(pa.decimal128(12, 2)))
    return prices, make(library, {"a": prices})


@pytest.mark.parametrize(
    "library",
    ["pandas", "polars", "mapping", "pyarrow", "pandas of arrow"],
)
@pytest.mark.parametrize("asked", [False, True])
def test_decimals_are_the_nearest_floats(library, asked):
    prices, X = decimal_frame(library)
    _, table = Schema.learn(X, [0] if asked else "auto")
    same(table["a"], oracle(prices, asked))


def test_physical_codes_of_polars_categories_do_not_show():
    """A Categorical numbers all strings of the process; the codes here start at 0."""
    other = pl.Series(["q", "zebra", "k"], dtype=pl.Categorical)
    words = pl.Series(["zebra", "k", None, "ant"], dtype=pl.Categorical)
    assert other.len() == 3
    assert words.to_physical().drop_nulls().to_list() != [0, 1, 2]
    column = Schema.learn(pl.DataFrame({"a": words}))[1]["a"]
    same(column, oracle(["zebra", "k", None, "ant"], False))
    part = pl.DataFrame({"a": words}).filter(pl.col("a") != "k")
    same(Schema.learn(part)[1]["a"], oracle(["zebra", "ant"], False))


@pytest.mark.parametrize(
    "array",
    [
        pa.chunked_array([["b", None], [], ["a", "b"]]),
        pa.chunked_array(
            [pa.array(c).dictionary_encode() for c in (["b", None], ["a", "b"])]
        ),
        pa.DictionaryArray.from_arrays(pa.array([2, 1, 2]), ["unused", "b", "a"]),
        pa.DictionaryArray.from_arrays(pa.array([1, 3, 2, 1]), ["c", "b", "a", None]),
    ],
    ids=["chunks", "dictionaries that differ", "unused", "null in the dictionary"],
)
def test_layouts_of_arrow(array):
    column = Schema.learn(pa.table({"a": array}))[1]["a"]
    same(column, oracle(array.to_pylist(), False))


@pytest.mark.parametrize("n", [1, 254, 255, 256, 65_534, 65_535])
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_narrowest_codes_hold_missing_and_unseen(library, n):
    """K + 1 is the largest code, so 255 categories need 16 bits."""
    schema, table = Schema.learn(make(library, {"a": [f"{i:06}" for i in range(n)]}))
    bits = 8 if n + 1 < 2**8 else 16 if n + 1 < 2**16 else 32
    read = schema.read(make(library, {"a": ["new", None, "000000"]}))["a"]
    assert table["a"].codes.dtype == read.codes.dtype == np.dtype(f"u{bits // 8}")
    assert read.codes.tolist() == [n + 1, n, 0]
    np.testing.assert_array_equal(table["a"].codes, np.arange(n))
