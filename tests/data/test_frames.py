"""What is taken for a table and what is refused; names; the schema as JSON."""

from __future__ import annotations

import json
from math import inf

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from featurekit.data import ColumnSpec, Schema, frame_type
from featurekit.data.frames import column_names
from featurekit.exceptions import SchemaError
from tests.data.libraries import LIBRARIES, make

ONE = {"a": [1.0, None]}


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_library_is_recognised(library):
    X = make(library, ONE)
    assert frame_type(X) == ("numpy" if library == "mapping" else library)
    if library != "mapping":
        assert frame_type(nw.from_native(X)) == library
        assert Schema.learn(nw.from_native(X))[1].equals(Schema.learn(X)[1])


@pytest.mark.parametrize("X", [np.zeros((2, 1)), [[1, "a"]], ((1,),)])
def test_arrays_and_lists_are_numpy(X):
    assert frame_type(X) == "numpy"


def test_a_record_batch_keeps_its_names():
    batch = pa.RecordBatch.from_pydict({"a": [1.0, 2.0], "b": [1, 2]})
    assert Schema.learn(batch)[0].names == ("a", "b")


@pytest.mark.parametrize(
    "names, shown",
    [
        (["b", "a"], ("b", "a")),
        ([2, 10], ("2", "10")),
        (pd.RangeIndex(2), ("0", "1")),
        ([np.str_("é"), ""], ("é", "")),
    ],
)
def test_names_are_strings(names, shown):
    X = pd.DataFrame([[1, 2]], columns=names)
    assert column_names(X) == Schema.learn(X)[0].names == shown
    assert all(type(name) is str for name in column_names(X))
    assert column_names(dict.fromkeys(names, [1])) == shown


def test_columns_of_a_mapping_may_be_of_any_library():
    words = pd.Series(["x", "y"], index=[5, 3])
    X = {"p": pl.Series([1, None]), "s": words, "l": [1, 2]}
    schema, table = Schema.learn(X)
    assert [spec.dtype for spec in schema] == ["integer", "string", "integer"]
    assert table["s"].codes.tolist() == [0, 1]
    np.testing.assert_array_equal(table["p"].values, [1, np.nan])


def test_strides_and_chunks_do_not_show():
    whole = np.arange(60.0).reshape(6, 10)
    steps = pd.DataFrame(whole).iloc[::2, ::-3]
    for name, column in Schema.learn(steps)[1]:
        np.testing.assert_array_equal(column.values, whole[::2, int(name)])
    pieces = pl.concat([pl.DataFrame({"a": [1, None]}), pl.DataFrame({"a": [3]})])
    chunks = pa.table({"a": pa.chunked_array([[1, None], [], [3]])})
    for X in (pieces, chunks, chunks.slice(0)):
        np.testing.assert_array_equal(Schema.learn(X)[1]["a"].values, [1, np.nan, 3])


# --- what is refused

OTHER = r"'a' is of type .*Convert it to numbers, text or datetimes first"
PAIR = [pa.array([1]), pa.array([2])]


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[1, 2]], columns=[0, 0]),
        pa.Table.from_arrays(PAIR, names=["a", "a"]),
    ],
    ids=["pandas", "numbers", "pyarrow"],
)
def test_names_that_occur_twice_are_refused(X):
    for make_schema in (Schema.learn, Schema.learn(ONE)[0].read):
        with pytest.raises(
            SchemaError, match=r"occur more than once: .*Rename or drop"
        ):
            make_schema(X)


@pytest.mark.parametrize(
    "X, error, says",
    [
        (
            pd.DataFrame([[1, 2]], columns=["a", 1]),
            TypeError,
            r"\['int', 'str'\].*astype",
        ),
        (
            pd.DataFrame([[1]], columns=[("a", "b")]),
            TypeError,
            r"MultiIndex: X\.columns =",
        ),
        (
            {"a": [1, 2], "b": [1]},
            SchemaError,
            r"different lengths: \{'a': 2, 'b': 1\}",
        ),
        ({"a": [[1, 2]]}, SchemaError, r"column 'a': .* 1-D, got shape \(1, 2\)"),
        ({"a": 3}, SchemaError, r"column 'a': .* 1-D, got shape \(\)"),
        ({"a": [1j]}, ValueError, "Complex data not supported: column 'a'"),
        ([1, 2], ValueError, r"Expected 2D array, got 1D.*reshape\(-1, 1\)"),
        (pd.Series([1, 2]), ValueError, "Expected 2D array, got 1D"),
        (pl.Series([1, 2]), ValueError, "Expected 2D array, got 1D"),
        (np.zeros((1, 1, 1)), ValueError, "dim 3. X must be a table"),
        (pl.LazyFrame(ONE), TypeError, r"lazy frame.*X\.collect\(\)"),
        (
            sparse.eye(2).tocsr(),
            TypeError,
            r"dense data is required. Use '\.toarray\(\)'",
        ),
        (pa.table({"a": pa.array([b"x"])}), SchemaError, OTHER),
        (np.array([[1, 2]], "m8[us]").view("V8"), SchemaError, "x0.*Convert it"),
        ({"a": [[1], [2, 3]]}, ValueError, "column 'a'"),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_table_is_refused(X, error, says):
    with pytest.raises(error, match=f"(?s){says}"):
        Schema.learn(X)


@pytest.mark.parametrize(
    "X",
    [
        *(pd.DataFrame({"a": []}), pl.DataFrame({"a": []}), pa.table({"a": []})),
        *({"a": []}, np.empty((0, 1))),
    ],
    ids=[*LIBRARIES, "numpy"],
)
def test_no_rows_are_refused(X):
    for make_schema in (Schema.learn, Schema.learn(ONE)[0].read):
        with pytest.raises(ValueError, match=r"0 sample\(s\) \(shape=\(0, 1\)\)"):
            make_schema(X)


@pytest.mark.parametrize(
    "X",
    [pd.DataFrame(index=range(3)), pl.DataFrame(), pa.table({}), {}, np.empty((3, 0))],
    ids=[*LIBRARIES, "numpy"],
)
def test_no_columns_are_refused(X):
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        Schema.learn(X)


# --- stored


@pytest.mark.parametrize(
    "values",
    [
        *(["inf", "nan", "é", "1"], [1, 2, 2**63], [0.1, 1 / 3, 1e300]),
        *([inf, -inf, 0.5], [True, False], [None], [1.0, 2.0]),
    ],
    ids=str,
)
def test_json_gives_the_same_schema(values):
    X = make("mapping", {"a": values, "b": range(len(values))})
    schema, table = Schema.learn(X, ["a"])
    text = json.dumps(schema.to_dict(), allow_nan=False)
    again = Schema.from_dict(json.loads(text))
    assert again == schema
    types = [list(map(type, s["a"].categories)) for s in (again, schema)]
    assert types[0] == types[1]
    assert again.read(X).equals(table)
    assert not Schema.from_dict(Schema.learn([[1]])[0].to_dict()).named


def test_a_schema_of_another_format_is_refused():
    for format in (None, 99):
        with pytest.raises(SchemaError, match=f"format {format} of a schema.*newer"):
            Schema.from_dict({"format": format, "columns": [], "named": True})


@pytest.mark.parametrize(
    "build, says",
    [
        (lambda: ColumnSpec("a", "number"), "'a': unknown kind 'number'"),
        (lambda: ColumnSpec("a", "numeric", (), "f8"), "'a': unknown dtype 'f8'"),
        (lambda: ColumnSpec("a", "categorical", ("b", "a")), "distinct and sorted"),
        (lambda: ColumnSpec("a", "categorical", (1, 1)), "distinct and sorted"),
        (lambda: ColumnSpec("a", "categorical", (1, "a")), "mixes strings and num"),
        (lambda: Schema((ColumnSpec("a", "numeric"),) * 2), "names must be distinct"),
    ],
)
def test_specs_that_cannot_be_are_refused(build, says):
    with pytest.raises(SchemaError, match=says):
        build()
