"""Columns that are no numbers, text or times are named and left out."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurekit.data.frames import open_frame
from featurekit.data.usable import columns_without, usable_columns, usable_names
from featurekit.exceptions import FeatureKitWarning, SchemaError

GOOD = {
    "int": [1, None],
    "text": ["x", None],
    "real": [0.5, None],
    "day": [date(2024, 1, 1), None],
    "when": [datetime(2024, 1, 1), None],
    "span": [timedelta(1), None],
    "flag": [True, None],
    "none": [None, None],
}
BAD = {
    "list": [[1, 2], None],
    "struct": [{"a": 1}, None],
    "bytes": [b"x", None],
}
LIBRARIES = {
    "pandas": lambda columns: pd.DataFrame(columns),
    "polars": lambda columns: pl.DataFrame(columns),
    "arrow": lambda columns: pa.table(columns),
    "arrow in pandas": lambda columns: pa.table(columns).to_pandas(
        types_mapper=pd.ArrowDtype
    ),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_same_columns_are_left_out_of_every_library(library):
    frame = open_frame(LIBRARIES[library](GOOD | BAD))
    with pytest.warns(FeatureKitWarning, match="3 column.s. are left out") as said:
        assert usable_columns(frame, frame.names) == tuple(GOOD)
    text = str(said[0].message)
    assert all(f"{name!r}" in text for name in BAD) and "drop=" in text
    assert usable_columns(frame, ["int", "text"]) == ("int", "text")  # and no warning
    with pytest.raises(SchemaError, match="no column holds numbers.*'bytes'"):
        usable_columns(frame, list(BAD))


def test_the_same_columns_are_left_out_of_files():
    frame = pl.DataFrame(GOOD | BAD)
    with pytest.warns(FeatureKitWarning, match="3 column.s. are left out"):
        assert usable_names(frame.schema, frame.columns) == tuple(GOOD)


def test_a_time_of_day_stays_in_memory_and_in_files():
    frame = pl.DataFrame({"a": [1, 2], "time": [time(8, 30), None]})
    assert usable_columns(open_frame(frame), frame.columns) == ("a", "time")
    assert usable_columns(open_frame(frame.to_pandas()), ["time"]) == ("time",)
    assert usable_names(frame.schema, frame.columns) == ("a", "time")


@pytest.mark.parametrize(
    "value",
    [(1, 2), {1}, b"x", np.array([1]), object(), 1j],
    ids=lambda value: type(value).__name__,
)
def test_objects_among_good_values_are_found(value):
    values = pd.Series([1.5, None, value, "x"], dtype=object)
    frame = open_frame(pd.DataFrame({"a": values, "b": 1}))
    with pytest.warns(FeatureKitWarning, match=rf"'a' \({type(value).__name__}\)"):
        assert usable_columns(frame, ["a", "b"]) == ("b",)


def test_objects_that_are_numbers_and_text_stay():
    frame = pd.DataFrame(
        {
            "decimal": [Decimal("1.5"), None],
            "int": pd.Series([2**80, None], dtype=object),
            "category": pd.Categorical(["x", None]),
        }
    )
    assert usable_columns(open_frame(frame), frame.columns) == tuple(frame.columns)


def test_names_to_drop():
    assert columns_without(("a", "b"), None) == ("a", "b")
    assert columns_without(("a", "b"), ["b"]) == ("a",)
    assert columns_without(("0", "1"), [1]) == ("0",)
    with pytest.raises(SchemaError, match=r"no such columns: \['A'\].*mean \['a'\]"):
        columns_without(("a", "b"), ["A"])
    with pytest.raises(SchemaError, match=r"write \['a'\]"):
        columns_without(("a", "b"), "a")
    with pytest.raises(SchemaError, match="drop leaves no column"):
        columns_without(("a", "b"), ["a", "b"])
