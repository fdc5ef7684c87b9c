"""Columns of the caller's and others, in the caller's kind of frame."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurekit.data import CategoricalColumn, NumericColumn
from featurekit.data.assemble import Own, assemble
from featurekit.data.frames import column_names, frame_type


def append_columns(X, new, *, keep_input, container="default", input_names=None):
    """The caller's columns, then new ones."""
    if frame_type(X) == "numpy":
        names = [f"x{j}" for j in range(np.asarray(X).shape[1])]
    else:
        names = column_names(X)
    names = (input_names or names) if keep_input else []
    own = {name: Own(i) for i, name in enumerate(names)}
    return assemble(X, own | new, container)


NUMBERS = [1.0, None, float("inf"), -2.5]
NEW = {
    "num": NumericColumn(np.array([1.0, np.nan, np.inf, -2.5])),
    "cat": CategoricalColumn(np.array([1, 0, 2, 3]), ("u", "v")),  # missing, unseen
    "year": CategoricalColumn(np.array([0, 3, 1, 2]), (1999, 2024)),
    "raw": np.array([1.0, np.nan, np.inf, -2.5]),
}
WORDS, YEARS = ["v", "u", None, None], [1999, None, 2024, None]

OLD = {"a": [2**60 + 1, 2, 3, 4], "s": ["p", None, "q", "p"]}
INDEX = [7, 7, 3, -1]
FRAMES = {
    "pandas": pd.DataFrame(OLD, index=INDEX),
    "polars": pl.DataFrame(OLD),
    "pyarrow": pa.table(OLD),
}
TYPES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}
CONTAINERS = ["default", "pandas", "polars"]

every_frame = pytest.mark.parametrize("library", FRAMES)
every_container = pytest.mark.parametrize("container", CONTAINERS)
both = pytest.mark.parametrize("keep", [True, False])


def lists(frame):
    """Names and columns as plain lists, None where missing."""
    if isinstance(frame, pd.DataFrame):
        columns = [frame.iloc[:, i].tolist() for i in range(frame.shape[1])]
    else:
        columns = [c.to_list() for c in nw.from_native(frame).iter_columns()]
    return list(nw.from_native(frame).columns), [
        [None if v is None or v != v else v for v in column] for column in columns
    ]


# --- frames


@every_frame
@every_container
@both
def test_old_columns_come_first_and_new_ones_after(library, container, keep):
    X = FRAMES[library]
    out = append_columns(X, NEW, keep_input=keep, container=container)
    target = library if container == "default" else container
    assert type(out) is TYPES[target]
    years = YEARS if target == "pandas" else [y and str(y) for y in YEARS]
    expected = OLD if keep else {}
    expected = expected | {"num": NUMBERS, "cat": WORDS, "year": years, "raw": NUMBERS}
    assert lists(out) == (list(expected), list(expected.values()))
    assert lists(X) == (list(OLD), list(OLD.values()))  # untouched


@every_frame
@every_container
def test_categories_are_of_the_librarys_own_type(library, container):
    out = append_columns(FRAMES[library], NEW, keep_input=True, container=container)
    if isinstance(out, pd.DataFrame):
        assert out["cat"].dtype == pd.CategoricalDtype(["u", "v"])
        assert out["year"].dtype == pd.CategoricalDtype([1999, 2024])
        assert out["num"].dtype == out["raw"].dtype == "float64"
    elif isinstance(out, pl.DataFrame):
        assert out.schema["cat"] == pl.Enum(["u", "v"])
        assert out.schema["year"] == pl.Enum(["1999", "2024"])
        assert out.schema["num"] == out.schema["raw"] == pl.Float64
        assert out["num"].null_count() == out["raw"].null_count() == 1  # no NaN
    else:
        found = {name: out.schema.field(name).type for name in NEW}
        assert found["cat"].value_type == found["year"].value_type == pa.string()
        assert found["num"] == found["raw"] == pa.float64()
        assert out["num"].null_count == out["raw"].null_count == 1


@both
@pytest.mark.parametrize("container", ["default", "pandas"])
@pytest.mark.parametrize(
    "index",
    [
        INDEX,
        pd.date_range("2024", periods=4, tz="UTC"),
        pd.MultiIndex.from_product([["l", "r"], [1, 2]], names=["side", "place"]),
        [None, "x", None, "x"],
    ],
    ids=["repeated", "dates", "levels", "missing"],
)
def test_the_index_of_pandas_is_kept(index, container, keep):
    X = pd.DataFrame(OLD, index=index)
    out = append_columns(X, NEW, keep_input=keep, container=container)
    pd.testing.assert_index_equal(out.index, X.index)
    assert lists(out)[1][-1] == NUMBERS


TIME = datetime(2024, 1, 1, 12)
MANY = {
    "pandas": pd.DataFrame(
        {
            "int8": np.array([1, 2], "i1"),
            "Int64": pd.array([1, None], "Int64"),
            "float32": np.array([1, np.nan], "f4"),
            "boolean": pd.array([True, None], "boolean"),
            "category": pd.Categorical(["x", None], ["unused", "x"], ordered=True),
            "str": ["x", None],
            "object": pd.Series([1, "x"], dtype=object),
            "zone": pd.Series([TIME, None]).dt.tz_localize("Europe/Paris"),
            "duration": pd.to_timedelta([1, None], unit="s"),
            "arrow": pd.array([1, None], "int64[pyarrow]"),
            "period": pd.period_range("2024", periods=2),
        }
    ),
    "polars": pl.DataFrame(
        {
            "int8": pl.Series([1, None], dtype=pl.Int8),
            "float32": pl.Series([1, None], dtype=pl.Float32),
            "enum": pl.Series(["x", None], dtype=pl.Enum(["unused", "x"])),
            "category": pl.Series(["x", None], dtype=pl.Categorical),
            "zone": pl.Series([TIME, None], dtype=pl.Datetime("ns", "Asia/Tokyo")),
            "date": [date(2024, 1, 1), None],
            "decimal": [Decimal("1.50"), None],
            "list": [[1, 2], None],
            "struct": [{"k": 1}, None],
        }
    ),
    "pyarrow": pa.table(
        {
            "int8": pa.array([1, None], pa.int8()),
            "dictionary": pa.array(["x", None]).dictionary_encode(),
            "zone": pa.array([TIME, None], pa.timestamp("s", "Asia/Tokyo")),
            "decimal": [Decimal("1.50"), None],
            "list": [[1, 2], None],
            "bytes": [b"x", None],
        },
        metadata={"from": "somewhere"},
    ),
}


@every_frame
def test_columns_of_the_caller_keep_their_types(library):
    X, new = MANY[library], {"num": np.arange(2.0)}
    out = append_columns(X, new, keep_input=True)
    if library == "pandas":
        pd.testing.assert_frame_equal(out[list(X.columns)], X)
    elif library == "polars":
        assert out.select(X.columns).equals(X)
        assert out.schema == X.schema | {"num": pl.Float64()}
    else:
        assert out.select(X.column_names).equals(X, check_metadata=True)
    assert append_columns(X, {}, keep_input=True).equals(X)


@every_frame
@every_container
def test_old_columns_are_renamed_where_asked(library, container):
    out = append_columns(
        *(FRAMES[library], {"num": NEW["num"]}),
        **{"keep_input": True, "container": container, "input_names": ["p", "q"]},
    )
    assert lists(out) == (["p", "q", "num"], [*OLD.values(), NUMBERS])


def test_numbers_as_names_become_strings():
    X = pd.DataFrame([[1, 2]])
    new = {"num": np.zeros(1)}
    named = append_columns(X, new, keep_input=True, input_names=["0", "1"])
    assert named.columns.tolist() == ["0", "1", "num"]
    assert X.columns.tolist() == [0, 1]


@every_frame
def test_frames_in_the_wrapper_of_narwhals_come_back_without(library):
    wrapped = nw.from_native(FRAMES[library])
    out = append_columns(wrapped, NEW, keep_input=True)
    assert type(out) is TYPES[library]
    assert lists(out) == lists(append_columns(FRAMES[library], NEW, keep_input=True))


@every_frame
@both
def test_one_row_and_none(library, keep):
    for n in (1, 0):
        X = FRAMES[library].head(n) if library != "pyarrow" else FRAMES[library][:n]
        new = {k: v[:n] if k == "raw" else v.take(slice(n)) for k, v in NEW.items()}
        out = append_columns(X, new, keep_input=keep)
        old = [column[:n] for column in OLD.values()] if keep else []
        assert lists(out)[1][-1] == NUMBERS[:n]
        assert lists(out)[1][: len(old)] == old


# --- arrays

ARRAYS = {
    "float64": np.array([[1.5, np.nan], [3, 4], [5, 6], [7, 8]]),
    "int64": np.arange(8).reshape(4, 2),
    "bool": np.arange(8).reshape(4, 2) % 3 == 0,
    "fortran": np.asfortranarray(np.arange(8.0).reshape(4, 2)),
    "list": [[1.0, 2.0], [3, 4], [5, 6], [7, 8]],
}


@pytest.mark.parametrize("kind", ARRAYS)
@both
def test_arrays_of_numbers_give_float64(kind, keep):
    """Categories are codes; missing and unseen are NaN."""
    out = append_columns(ARRAYS[kind], NEW, keep_input=keep)
    gap, number = np.nan, NEW["raw"]
    made = np.column_stack([number, [1, 0, gap, gap], [0, gap, 1, gap], number])
    assert out.dtype == np.float64
    old = np.asarray(ARRAYS[kind], float)
    np.testing.assert_array_equal(out, np.hstack([old, made]) if keep else made)


@pytest.mark.parametrize(
    "X",
    [
        np.array([["p", 1], [None, 2], ["q", 3], ["p", 4]], dtype=object),
        np.array([["p", "1"]] * 4),
        [["p", 1.0]] * 4,
    ],
    ids=["objects", "strings", "lists"],
)
def test_arrays_of_text_give_objects(X):
    out = append_columns(X, {"num": NEW["num"]}, keep_input=True)
    assert out.dtype == object
    assert out[:, :2].tolist() == np.asarray(X, dtype=object).tolist()
    np.testing.assert_array_equal(out[:, 2].astype(float), NEW["num"].values)
    assert append_columns(X, NEW, keep_input=False).dtype == np.float64


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("container", ["pandas", "polars"])
@both
def test_arrays_become_frames(kind, container, keep):
    """The columns keep their type, and an array of integers does not become floats."""
    out = append_columns(
        *(ARRAYS[kind], NEW),
        **{"keep_input": keep, "container": container, "input_names": ["x0", "x1"]},
    )
    assert type(out) is TYPES[container]
    array = np.asarray(ARRAYS[kind])
    names, columns = lists(out)
    assert names == [*(["x0", "x1"] if keep else []), *NEW]
    assert columns[-1] == NUMBERS
    assert columns[-3] == WORDS
    if keep:
        np.testing.assert_array_equal(out["x0"].to_numpy(), array[:, 0])
        np.testing.assert_array_equal(out["x1"].to_numpy(), array[:, 1])
        assert out["x0"].to_numpy().dtype == array.dtype


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_arrays_without_names_get_some(container):
    X = ARRAYS["float64"]
    out = append_columns(X, NEW, keep_input=True, container=container)
    assert lists(out)[0] == ["x0", "x1", *NEW]


def test_arrays_of_objects_become_typed_columns_of_polars():
    X = np.array([["p", 1.5], [None, None]], dtype=object)
    names = ["x0", "x1"]
    out = append_columns(X, {}, keep_input=True, container="polars", input_names=names)
    assert out.schema == {"x0": pl.String(), "x1": pl.Float64()}
