"""The form in which a transformer's columns leave it."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest

from featurekit.data import CategoricalColumn, NumericColumn, Output, Schema
from featurekit.exceptions import FeatureKitWarning, SchemaError
from tests.data.libraries import LIBRARIES, make, rows_of

NONE = np.nan
FIT = {
    "number": [1.5, None, -2.0, 4.0],
    "whole": [3, 1, 2, 2**60 + 1],
    "flag": [True, None, False, True],
    "exact": [Decimal("1.50"), None, Decimal("2"), Decimal("0")],
    "city": ["b", None, "c", "a"],
    "day": [date(1970, 1, 2), None, date(1970, 1, 11), date(1969, 12, 31)],
    "time": [datetime(1970, 1, 2, 12), None, *(datetime(1970, m, 1) for m in (1, 2))],
    "span": [timedelta(seconds=3), None, timedelta(days=1), timedelta(0)],
    "empty": [None] * 4,
}  # fmt: skip
CODES = {
    "number": [1.5, NONE, -2, 4],
    "whole": [3, 1, 2, 2**60 + 1],
    "flag": [1, NONE, 0, 1],
    "exact": [1.5, NONE, 2, 0],
    "city": [1, NONE, 2, 0],
    "day": [1, NONE, 10, -1],
    "time": [1.5, NONE, 0, 31],
    "span": [3, NONE, 86400, 0],
    "empty": [0] * 4,
}
NEW = {
    "ratio": np.array([0.5, np.nan, 2, np.inf]),
    "cross": CategoricalColumn(np.array([1, 2, 0, 0]), ("0", "1")),
}


def learnt(X, format, new=None):
    schema, table = Schema.learn(X)
    return Output.learn(format, schema, table, new)


def lists(frame):
    """Columns as lists of floats or of text, NaN where missing."""
    if isinstance(frame, dict):
        columns = {name: values.tolist() for name, values in frame.items()}
    elif isinstance(frame, pd.DataFrame):
        columns = {n: frame[n].astype(object).tolist() for n in frame}
    else:
        frame = nw.from_native(frame)
        columns = {name: frame[name].to_list() for name in frame.columns}
    return {
        name: [
            NONE if v is None or v is pd.NA or v != v else v
            if isinstance(v, str | int) else float(v)
            for v in values
        ]
        for name, values in columns.items()
    }  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
def test_codes_are_numbers_and_the_same_from_every_library(library):
    X = make(library, FIT)
    if library == "mapping":  # objects that float64 would round become codes
        X["whole"] = np.array(FIT["whole"])
    output = learnt(X, "codes")
    out = output.write(X)
    assert type(out) is type(X)
    np.testing.assert_equal(lists(out), CODES)
    assert lists(out)["whole"][3] == 2**60 + 1  # an id is not rounded
    for i in range(4):
        one = output.write(rows_of(X, i, i + 1))
        np.testing.assert_equal(
            lists(one), {name: values[i : i + 1] for name, values in CODES.items()}
        )


@pytest.mark.parametrize("library", LIBRARIES)
def test_unseen_values_are_missing(library):
    output = learnt(make(library, FIT), "codes")
    later = {name: values[:1] for name, values in FIT.items()} | {"city": ["new"]}
    out = lists(output.write(make(library, later)))
    assert np.isnan(out["city"][0])
    assert out["number"] == [1.5]


def test_columns_of_numbers_keep_their_type():
    frame = pd.DataFrame(
        {
            "single": np.array([1, np.nan], "f4"),
            "small": np.array([1, 2], "i1"),
            "bool": [True, False],
            "nullable": pd.array([1, None], "Int16"),
            "real": pd.array([1.5, None], "Float32"),
        }
    )
    pd.testing.assert_frame_equal(learnt(frame, "codes").write(frame), frame)
    frame = pl.DataFrame(
        {
            "single": pl.Series([1, None], dtype=pl.Float32),
            "small": pl.Series([1, None], dtype=pl.UInt8),
            "bool": [True, None],
        }
    )
    assert learnt(frame, "codes").write(frame).equals(frame)
    for array in (np.arange(4, dtype="i2").reshape(2, 2), np.ones((2, 2), "f4")):
        out = learnt(array, "codes").write(array)
        assert out.dtype == array.dtype
        np.testing.assert_array_equal(out, array)


def test_numbers_that_some_models_refuse_become_float64():
    frame = pd.DataFrame(
        {
            "boolean": pd.array([True, None], "boolean"),
            "arrow": pd.array([1, None], "int64[pyarrow]"),
            "object": pd.Series([1, None], dtype=object),
        }
    )
    out = learnt(frame, "codes").write(frame)
    assert (out.dtypes == "float64").all()
    np.testing.assert_array_equal(out, [[1.0] * 3, [np.nan] * 3])
    frame = pl.DataFrame({"half": pl.Series([1.5, None], dtype=pl.Float16)})
    assert learnt(frame, "codes").write(frame).schema == {"half": pl.Float64}


def test_an_array_of_objects_becomes_numbers():
    X = np.array([["b", 1.5], [None, 2], ["a", None]], dtype=object)
    out = learnt(X, "codes").write(X)
    assert out.dtype == np.float64
    np.testing.assert_array_equal(out, [[1, 1.5], [np.nan, 2], [0, np.nan]])


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_categories_are_those_of_fit_in_every_batch(library):
    output = learnt(make(library, FIT), "category")
    later = {name: values[:2] for name, values in FIT.items()} | {"city": ["new", "c"]}
    out = output.write(make(library, later))
    if library == "pandas":
        assert out["city"].dtype == pd.CategoricalDtype(["a", "b", "c"])
        values = out["city"].tolist()
    elif library == "polars":
        assert out.schema["city"] == pl.Enum(["a", "b", "c"])
        values = out["city"].to_list()
    else:
        values = out["city"].to_pylist()
        known = out["city"].chunk(0).dictionary.to_pylist()
        assert known == ["a", "b", "c"]
    assert values[0] is None or values[0] != values[0]
    assert values[1] == "c"


def test_declared_categories_are_categories_and_codes_leave_their_numbers():
    X = pd.DataFrame({"zip": [70, 10, 10], "a": [1.0, 2, 3]})
    schema, table = Schema.learn(X, ["zip"])
    codes = Output.learn("codes", schema, table).write(X)
    pd.testing.assert_frame_equal(codes, X)
    out = Output.learn("category", schema, table).write(X)
    assert out["zip"].dtype == pd.CategoricalDtype([10, 70])
    floats = X.astype({"zip": object})  # a type that has to be converted
    assert Output.learn("codes", schema, table).write(floats)["zip"].tolist() == [
        70, 10, 10,
    ]  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
def test_onehot_has_no_missing_values(library):
    X = make(library, FIT)
    output = learnt(X, "onehot", NEW)
    out = lists(output.write(X, NEW))
    assert list(out) == output.names(list(NEW))
    values = np.array(list(out.values()), float)
    assert np.isfinite(values).all()
    expected = {
        "number": [1.5, 1.5, -2, 4],  # the median, always one of the values
        "number=(missing)": [0, 1, 0, 0],
        "city=a": [0, 0, 0, 1],
        "city=b": [1, 0, 0, 0],
        "city=c": [0, 0, 1, 0],
        "city=(missing)": [0, 1, 0, 0],
        "day": [1, 1, 10, -1],
        "empty": [0, 0, 0, 0],
        "ratio": [0.5, 0.5, 2, 0.5],  # infinity is missing
        "ratio=(missing)": [0, 1, 0, 1],
        "cross=0": [0, 0, 1, 1],
        "cross=1": [1, 0, 0, 0],
        "cross=(missing)": [0, 1, 0, 0],
    }
    assert {name: out[name] for name in expected} == expected


def test_onehot_of_rows_with_unseen_and_newly_missing_values():
    X = pd.DataFrame({"city": ["a", "b", "b"], "n": [1.0, 2.0, 6.0]})
    output = learnt(X, "onehot")
    assert output.names() == ["city=a", "city=b", "n"]
    later = pd.DataFrame({"city": ["new", None], "n": [np.nan, np.inf]}, index=[7, 3])
    out = output.write(later)
    assert out.index.tolist() == [7, 3]
    np.testing.assert_array_equal(out, [[0, 0, 2], [0, 0, 2]])


def test_rare_categories_share_an_indicator():
    values = [f"v{i:02d}" for i in range(40)]
    X = pd.DataFrame({"c": values + values[:32]})
    output = learnt(X, "onehot")
    assert output.names()[-1] == "c=(other)" and len(output.names()) == 33
    out = output.write(X)
    assert (out.to_numpy().sum(axis=1) == 1).all()
    assert out["c=(other)"].tolist() == [False] * 32 + [True] * 8 + [False] * 32
    assert output.write(pd.DataFrame({"c": ["new"]}))["c=(other)"].tolist() == [True]


def test_names_never_collide():
    X = pd.DataFrame({"a=b": [1.0, 2.0], "a": ["b", "(missing)"], "n": [None, "x"]})
    output = learnt(X.assign(m=X["a"].where([True, False])), "onehot")
    names = output.names()
    assert len(names) == len(set(names))
    assert names[:3] == ["a=b", "a=(missing)", "a=b_"]
    out = output.write(X.assign(m=X["a"].where([True, False])))
    assert list(out.columns) == names


def test_names_that_the_caller_gives():
    X = np.array([["b", 1.5], ["a", 2]], dtype=object)
    output = learnt(X, "onehot")
    assert output.names() == ["x0=a", "x0=b", "x1"]
    assert output.names(inputs=["p", "q"]) == ["p=a", "p=b", "q"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_input_is_untouched(library):
    X = make(library, FIT)
    out = learnt(X, "input").write(X)
    if library == "pandas":
        pd.testing.assert_frame_equal(out, X)
    elif library == "mapping":
        assert all(out[name] is X[name] for name in X)
    else:
        assert out.equals(X)


@pytest.mark.parametrize("format", ["codes", "category", "onehot", "input"])
@pytest.mark.parametrize("container", ["pandas", "polars"])
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "mapping"])
def test_a_container_that_is_asked_for(library, container, format):
    columns = {name: FIT[name] for name in ("number", "city", "day")}
    X = make(library, columns)
    new = {"new": NumericColumn(np.array([1.0, 2, 3, np.nan]))}
    output = learnt(X, format, new)
    out = output.write(X, new, container)
    assert isinstance(out, {"pandas": pd.DataFrame, "polars": pl.DataFrame}[container])
    assert list(out.columns) == output.names(["new"])
    if format == "codes":
        expected = {name: CODES[name] for name in columns} | {"new": [1, 2, 3, NONE]}
        np.testing.assert_equal(lists(out), expected)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "array"])
def test_nothing_selected_keeps_the_rows(library):
    X = np.ones((3, 2)) if library == "array" else make(library, {"a": [1, 2, 3]})
    if library == "pandas":
        X.index = [5, 5, 6]
    schema, table = Schema.learn(X)
    output = Output.learn("codes", schema.select(()), table)
    with pytest.warns(FeatureKitWarning, match="No features were selected"):
        out = output.write(X)
    assert out.shape == (3, 0)
    assert library != "pandas" or out.index.tolist() == [5, 5, 6]


@pytest.mark.parametrize("format", ["codes", "onehot", "input"])
def test_a_new_column_of_a_known_name_is_refused(format):
    X = pd.DataFrame({"a": [1.0, 2.0]})
    output = learnt(X, format)
    with pytest.raises(ValueError, match="'a'.*keep_input=False"):
        output.write(X, {"a": np.ones(2)})


@pytest.mark.parametrize("format", ["codes", "category", "onehot", "input"])
def test_stored_and_read_back(format):
    X = pd.DataFrame({name: FIT[name] for name in ("number", "city", "day", "flag")})
    output = learnt(X, format, NEW)
    data = json.loads(json.dumps(output.to_dict()))
    again = Output.from_dict(data, output.schema)
    pd.testing.assert_frame_equal(again.write(X, NEW), output.write(X, NEW))
    assert again.to_dict() == output.to_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "anything"},
        {"dense": {}, "format": None},
        {"dense": [1]},
        {"dense": {"city": [1]}},
        {"dense": {"city": [[9], ["a"], True]}},
        {"dense": {"city": [["a"], ["a"], True]}},
        {"dense": {"other": [0.0, True]}},
    ],
)
def test_damaged_files_are_refused(change):
    X = pd.DataFrame({"city": ["a", "b"]})
    output = learnt(X, "onehot")
    with pytest.raises(SchemaError, match="output format"):
        Output.from_dict(output.to_dict() | change, output.schema)
