"""Types that few libraries have: zones, times of day, intervals, periods, sparse."""

from __future__ import annotations

import enum
import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from featurekit.data import Schema
from featurekit.data.frames import open_frame
from featurekit.data.raw import raw_values
from featurekit.data.unusual import zone_name
from featurekit.exceptions import SchemaError
from tests.data.libraries import LIBRARIES, make

ZONES = [
    "America/New_York", "Asia/Ho_Chi_Minh", "Europe/Berlin", "Asia/Kolkata",
    "Etc/GMT+5", "America/Argentina/Buenos_Aires", "UTC",
]  # fmt: skip
# both sides of changes of the clocks, and before 1970
INSTANTS = [
    datetime(2024, 3, 31, 0, 59, 59), datetime(2024, 3, 31, 1), None,
    datetime(2024, 11, 3, 5, 30), datetime(2024, 11, 3, 6, 30),
    datetime(1955, 7, 1, 12, 0, 0, 7),
]  # fmt: skip
NONE = np.iinfo(np.int64).min


def micros(values):
    """Microseconds of what the clock shows; the oracle is Python's own."""
    epoch = datetime(1970, 1, 1)
    return [
        NONE if v is None else (v.replace(tzinfo=None) - epoch) // timedelta(0, 0, 1)
        for v in values
    ]


def aware(zone):
    return [
        None if t is None else t.replace(tzinfo=UTC).astimezone(zone) for t in INSTANTS
    ]


def forms(zone, library):
    """A column of the zone's datetimes in the types that a library has for it."""
    utc = pd.Series(INSTANTS, dtype="M8[us]").dt.tz_localize("UTC")
    if library == "pandas":
        return [
            pd.DataFrame({"a": utc.dt.tz_convert(zone)}),
            pd.DataFrame({"a": utc.dt.tz_convert(ZoneInfo(zone)).dt.as_unit("ns")}),
            pd.DataFrame({"a": pd.Series(aware(ZoneInfo(zone)), dtype=object)}),
        ]
    if library == "polars":
        series = pl.Series("a", INSTANTS, dtype=pl.Datetime("us"))
        zoned = series.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
        return [pl.DataFrame({"a": zoned})]
    if library == "pyarrow":
        array = pa.array(INSTANTS, pa.timestamp("us", "UTC"))
        return [pa.table({"a": array.cast(pa.timestamp("us", zone))})]
    values = np.empty(len(INSTANTS), dtype=object)
    values[:] = aware(ZoneInfo(zone))
    return [{"a": values}]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("library", LIBRARIES)
def test_datetimes_of_a_zone_are_what_its_clocks_show(library, zone):
    for X in forms(zone, library):
        schema, table = Schema.learn(X)
        assert table["a"].values.tolist() == micros(aware(ZoneInfo(zone)))
        assert (schema["a"].kind, schema["a"].dtype) == ("datetime", "datetime")
        assert schema["a"].zone == zone


FIXED = {
    "timezone": timezone(timedelta(hours=-3, minutes=-30)),
    "utc": UTC,
}


@pytest.mark.parametrize("offset", FIXED)
def test_fixed_offsets(offset):
    zone = FIXED[offset]
    utc = pd.Series(INSTANTS, dtype="M8[us]").dt.tz_localize("UTC")
    X = pd.DataFrame({"a": utc.dt.tz_convert(zone)})
    schema, table = Schema.learn(X)
    assert table["a"].values.tolist() == micros(aware(zone))
    assert schema["a"].zone == ("UTC" if offset == "utc" else "UTC-03:30")
    text = "+00:00" if offset == "utc" else "-03:30"
    arrow = pa.table(
        {"a": pa.array(INSTANTS, pa.timestamp("us", "UTC")).cast(
            pa.timestamp("us", text)
        )}
    )  # fmt: skip
    assert schema.read(arrow).equals(table)


def test_zones_of_dateutil_and_pytz():
    dateutil = pytest.importorskip("dateutil.tz")
    berlin = dateutil.gettz("Europe/Berlin")
    assert zone_name(berlin) == "Europe/Berlin"
    assert zone_name(dateutil.tzutc()) == "UTC"
    assert zone_name(dateutil.tzoffset(None, 5400)) == "UTC+01:30"
    utc = pd.Series(INSTANTS, dtype="M8[us]").dt.tz_localize("UTC")
    X = pd.DataFrame({"a": utc.dt.tz_convert(berlin)})
    assert Schema.learn(X)[1]["a"].values.tolist() == micros(aware(berlin))
    pytz = pytest.importorskip("pytz")
    assert zone_name(pytz.timezone("Asia/Tokyo")) == "Asia/Tokyo"
    assert zone_name(pytz.FixedOffset(-90)) == "UTC-01:30"


@pytest.mark.parametrize("fitted", ["pandas", "polars", "pyarrow", "mapping"])
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "mapping"])
def test_another_zone_is_converted_to_that_of_fit(fitted, library):
    schema, table = Schema.learn(forms("America/New_York", fitted)[0])
    stored = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    for known in (schema, stored):
        for X in forms("Asia/Kolkata", library):
            assert known.read(X).equals(table)
    # without a zone a datetime is what a clock shows already
    plain = pd.DataFrame({"a": pd.Series(table["a"].values.view("M8[us]"))})
    assert schema.read(plain).equals(table)


def test_objects_of_several_zones_are_those_of_utc_in_any_order():
    values = aware(ZoneInfo("Asia/Tokyo"))
    values[0] = values[0].astimezone(ZoneInfo("America/New_York"))
    expected = micros(aware(UTC))
    for step in (1, -1):
        column = pd.Series(values[::step], dtype=object)
        schema, table = Schema.learn(pd.DataFrame({"a": column}))
        assert table["a"].values.tolist() == expected[::step]
        assert schema["a"].zone == "UTC"


def test_a_zone_that_is_not_known_is_refused():
    schema = Schema.learn(forms("Asia/Tokyo", "pandas")[0])[0]
    data = schema.to_dict()
    for zone in ("Moon/Base", 7):
        data["columns"][0]["zone"] = zone
        with pytest.raises(SchemaError, match=f"no time zone {zone!r}"):
            Schema.from_dict(data)


# --- times of day

CLOCK = [time(8, 30), None, time(0), time(23, 59, 59, 250_000)]
SECONDS = [30600, np.nan, 0, 86399.25]


def test_times_of_day_are_seconds_since_midnight():
    frames = [make(library, {"a": CLOCK}) for library in LIBRARIES]
    arrow = [pa.time64("us"), pa.time64("ns")]
    frames += [pa.table({"a": pa.array(CLOCK, kind)}) for kind in arrow]
    frames.append(pd.DataFrame({"a": pd.array(CLOCK, pd.ArrowDtype(arrow[0]))}))
    for X in frames:
        schema, table = Schema.learn(X)
        np.testing.assert_array_equal(table["a"].values, SECONDS)
        assert (schema["a"].kind, schema["a"].dtype) == ("numeric", "time")
        assert Schema.from_dict(schema.to_dict()).read(frames[0]).equals(table)
        raw = raw_values(open_frame(X).columns[0], "a")  # as OutRank counts it
        assert raw.family == "number" and raw.gone.tolist() == [
            False,
            True,
            False,
            False,
        ]
    with pytest.raises(SchemaError, match="fit saw numeric time .*string values"):
        schema.read(pd.DataFrame({"a": ["08:30"]}))


# --- others


def column(X):
    schema, table = Schema.learn(X)
    spec, found = schema.specs[0], table.columns[0]
    if spec.kind == "categorical":
        known = [*spec.categories, None]
        return spec.dtype, [known[code] for code in found.codes]
    return spec.dtype, [None if v != v else v for v in found.values.tolist()]


IDS = [UUID(int=7), None, UUID(int=3)]
DAYS = pd.to_datetime(["2024-01-02", None, "1969-12-31"])


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


@pytest.mark.parametrize(
    ("series", "dtype", "expected"),
    [
        (
            pd.Series(pd.cut([1.0, np.nan, 3.0], [0, 2, 4])),
            *("string", ["(0, 2]", None, "(2, 4]"]),
        ),
        (
            pd.Series(pd.arrays.IntervalArray.from_tuples([(0, 1), None])),
            *("string", ["(0.0, 1.0]", None]),
        ),
        (pd.Series(IDS, dtype=object), "string", [str(IDS[0]), None, str(IDS[2])]),
        (pd.Series(pd.arrays.SparseArray([0, 1, 0])), "integer", [0, 1, 0]),
        (pd.Series(pd.arrays.SparseArray([False, True])), "boolean", [0, 1]),
        (pd.Series(pd.arrays.SparseArray([0.5, np.nan])), "float", [0.5, None]),
        (pd.Series(pd.Categorical([3, None, 1])), "integer", [3, None, 1]),
        (pd.Series(pd.Categorical([True, None])), "boolean", [True, None]),
        (pd.Series(pd.Categorical([1.5, None])), "float", [1.5, None]),
        (pd.Series([Decimal("1.5"), None]), "float", [1.5, None]),
        (pd.Series([Size.SMALL, Size.LARGE], dtype=object), "integer", [1, 2]),
        (
            pd.Series(pd.Categorical(pd.to_timedelta([2, None], unit="s"))),
            *("duration", [2, None]),
        ),
    ],
    ids=lambda v: str(v.dtype) if isinstance(v, pd.Series) else "",
)  # fmt: skip
def test_types_of_pandas_that_say_what_they_are(series, dtype, expected):
    assert column(pd.DataFrame({"a": series})) == (dtype, expected)


@pytest.mark.parametrize(
    "series",
    [
        pd.Series(pd.Categorical(DAYS)),
        pd.Series(DAYS.to_period("D")),
        pd.Series(list(DAYS.to_period("D")), dtype=object),
        pd.Series(pd.Categorical(DAYS.to_period("D"))),
        pd.Series(pd.Categorical([date(2024, 1, 2), None, date(1969, 12, 31)])),
    ],
    ids=["category", "period", "objects", "category of periods", "dates"],
)
def test_periods_and_categories_of_times_are_times(series):
    schema, table = Schema.learn(pd.DataFrame({"a": series}))
    assert schema["a"].kind == "datetime"
    expected = micros([datetime(2024, 1, 2), None, datetime(1969, 12, 31)])
    assert table["a"].values.tolist() == expected


def test_a_period_of_a_month_is_its_start():
    X = pd.DataFrame({"a": pd.period_range("2024-02", periods=2, freq="M")})
    assert Schema.learn(X)[1]["a"].values.tolist() == micros(
        [datetime(2024, 2, 1), datetime(2024, 3, 1)]
    )


def test_categories_of_zoned_datetimes():
    zoned = pd.DatetimeIndex(DAYS).tz_localize("Asia/Tokyo")
    schema, table = Schema.learn(pd.DataFrame({"a": pd.Categorical(zoned)}))
    assert schema["a"].zone == "Asia/Tokyo"
    assert table["a"].values[0] == micros([datetime(2024, 1, 2)])[0]


def test_types_of_arrow_and_polars():
    days = [datetime(2024, 1, 2), None]
    wide = pa.array([Decimal("1.5"), None], pa.decimal256(50, 2))
    assert column(pa.table({"a": wide})) == ("float", [1.5, None])
    table = Schema.learn(pa.table({"a": pa.array(days).dictionary_encode()}))[1]
    assert table["a"].values.tolist() == micros(days)
    objects = pl.DataFrame({"a": pl.Series(IDS, dtype=pl.Object)})
    assert column(objects)[1] == [str(IDS[0]), None, str(IDS[2])]


def test_sparse_matrices_are_refused_with_advice_for_a_pipeline():
    with pytest.raises(TypeError, match="sparse_output=False.*FunctionTransformer"):
        Schema.learn(sparse.eye(3, format="csr"))
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    dense = FunctionTransformer(sparse.csr_array.toarray, accept_sparse=True)
    out = make_pipeline(dense).fit_transform(sparse.csr_array(np.eye(3)))
    Schema.learn(out)


# --- advice is followed


ADVICE = {
    "flags as text": ([True, False], ["True", "False"]),
    "numbers as text": ([1.5, 2.0], ["1.5", "2"]),
    "numbers as words": ([1.5, 2.0], ["1.5", "many"]),
    "spans": ([1.5, 2.0], [timedelta(1), timedelta(2)]),
    "text as whole numbers": (["1", "2"], [1, 2]),
    "text as numbers with a gap": (["1", "2"], [1.0, None]),
    "text as flags": (["True", "False"], [True, False]),
    "text as times": (["a", "b"], [datetime(2024, 1, 1), datetime(2024, 1, 2)]),
    "times as text": ([datetime(2024, 1, 1)] * 2, ["2024-01-01 00:00:00", None]),
    "spans as numbers": ([timedelta(1), timedelta(2)], [1, 2]),
    "clock as text": ([time(8, 30), time(9)], ["08:30", "09:00"]),
    "clock as times": ([time(8, 30), time(9)], [datetime(2024, 1, 1, 8, 30)] * 2),
}


@pytest.mark.parametrize("case", ADVICE)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_the_advice_of_an_error_can_be_followed(library, case):
    fitted, came = ADVICE[case]
    schema, table = Schema.learn(make(library, {"a": fitted}))
    X = make(library, {"a": came})
    with pytest.raises(SchemaError, match="in pandas .*, in polars ") as error:
        schema.read(X)
    text = str(error.value)
    pandas, polars = (
        text.split(", in pandas ")[1].split(", or fit")[0].split(", in polars ")
    )
    mended = eval(pandas if library == "pandas" else polars)
    mended = (
        X.assign(a=mended) if library == "pandas" else X.with_columns(mended.alias("a"))
    )
    read = schema.read(mended)
    if case in ("flags as text", "numbers as text", "text as whole numbers",
                "text as flags", "clock as text"):  # fmt: skip
        assert read.equals(table)
    if case == "text as numbers with a gap":
        assert read["a"].codes.tolist() == [0, 2]
