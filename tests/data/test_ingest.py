"""The schema: one table from every library, and the same columns in later rows."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest

from featurekit.data import Schema
from featurekit.exceptions import SchemaError
from tests.data.libraries import LIBRARIES, as_array, make, rows_of

DAY, SPAN = date(2024, 1, 1), timedelta(hours=1)
BIG = 2**60
GOOD = {
    "x": [1.5, None, 3.0],
    "c": ["b", "a", None],
    "t": [DAY, None, date(1960, 1, 2)],
    "d": [SPAN, SPAN, None],
    "id": [BIG + 1, BIG, 7],
    "flag": [True, None, False],
}
KINDS = ["numeric", "categorical", "datetime", "numeric", "categorical", "numeric"]
WORDS = ["float", "string", "date", "duration", "integer", "boolean"]

every_library = pytest.mark.parametrize("library", LIBRARIES)


def learnt(columns=GOOD, **kwargs):
    return Schema.learn(make("mapping", columns), **kwargs)


# --- one table


@every_library
def test_every_library_gives_the_same_schema_and_table(library):
    schema, table = Schema.learn(make(library, GOOD))
    assert schema.names == table.names == tuple(GOOD)
    assert [spec.kind for spec in schema] == KINDS
    assert [spec.dtype for spec in schema] == WORDS
    assert schema.named
    assert table.equals(learnt()[1])
    assert table["c"].codes.tolist() == [1, 0, 2]
    assert table["id"].categories == (7, BIG, BIG + 1)


@every_library
@pytest.mark.parametrize("other", LIBRARIES)
def test_what_one_library_taught_another_reads(library, other):
    schema, table = Schema.learn(make(library, GOOD))
    assert schema.read(make(other, GOOD)).equals(table)
    for i in range(3):
        one = schema.read(rows_of(make(other, GOOD), i, i + 1))
        assert one.equals(table.take([i]))


@every_library
def test_random_rows_are_the_same_table(library):
    """Many rows with gaps and ties, in pieces and back to front."""
    rng = np.random.default_rng(1)
    gaps = rng.random((4, 500)) < 0.2
    columns = {
        "x": rng.normal(size=500).tolist(),
        "n": rng.integers(-3, 3, 500).tolist(),
        "c": [f"v{i}" for i in rng.integers(0, 300, 500)],
        "b": (rng.random(500) < 0.5).tolist(),
    }
    columns = {
        name: [None if gap else v for v, gap in zip(values, row, strict=True)]
        for (name, values), row in zip(columns.items(), gaps, strict=True)
    }
    schema, table = learnt(columns)
    X = make(library, columns)
    assert Schema.learn(X)[1].equals(table)
    assert Schema.learn(X)[0] == schema or library == "pandas"  # gaps make floats
    assert schema.read(rows_of(X, 100, 333)).equals(table.take(slice(100, 333)))
    back = make(library, {name: values[::-1] for name, values in columns.items()})
    assert schema.read(back).equals(table.take(slice(None, None, -1)))
    known = sorted({v for v in columns["c"] if v is not None})
    assert table["c"].categories == tuple(known)
    codes = [len(known) if v is None else known.index(v) for v in columns["c"]]
    assert table["c"].codes.tolist() == codes


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "?", object])
def test_a_matrix_is_its_columns(dtype, order):
    rng = np.random.default_rng(0)
    matrix = np.asarray(rng.integers(0, 5, (5000, 3)).astype(dtype), order=order)
    schema, table = Schema.learn(matrix)
    assert not schema.named
    assert schema.names == ("x0", "x1", "x2")
    for part in (matrix, matrix.tolist(), matrix[::-1][::-1]):
        assert schema.read(part).equals(table)
    for i, column in enumerate(table.columns):
        np.testing.assert_array_equal(column.values, matrix[:, i].astype(float))


def test_lists_of_words_and_numbers_keep_their_types():
    _, table = Schema.learn([["a", 1], ["b", None]])
    assert [c.kind for c in table.columns] == ["categorical", "numeric"]
    np.testing.assert_array_equal(table["x1"].values, [1, np.nan])


@pytest.mark.parametrize("library", ["pandas", "polars", "mapping"])
def test_floats_are_views(library):
    mine = np.arange(3.0)
    if library == "mapping":
        X = {"x": mine}
    else:
        X = (pd if library == "pandas" else pl).DataFrame({"x": mine})
        mine = X["x"].to_numpy()
    assert np.shares_memory(Schema.learn(X)[1]["x"].values, mine)


# --- later rows


@every_library
def test_unseen_values_are_not_missing_ones(library):
    schema, _ = learnt()
    new = {name: values[:1] * 4 for name, values in GOOD.items()}
    new |= {"c": ["b", "new", None, ""], "id": [BIG - 1, BIG, 7, BIG + 2]}
    read = schema.read(make(library, new))
    assert read["c"].codes.tolist() == [1, 3, 2, 3]
    assert read["c"].missing.tolist() == [False, False, True, False]
    assert read["id"].codes.tolist() == [4, 1, 0, 4]
    assert read["c"].categories == schema["c"].categories == ("a", "b")


@every_library
def test_columns_come_in_any_order(library):
    schema, table = learnt()
    turned = make(library, dict(reversed(GOOD.items())))
    assert schema.read(turned).equals(table)


@every_library
@pytest.mark.parametrize("name", GOOD)
def test_missing_values_alone_fit_every_kind(library, name):
    schema, table = learnt()
    for gaps in ([None] * 3, [float("nan")] * 3):
        read = schema.read(make(library, GOOD | {name: gaps}))[name]
        assert read.missing.all()
        assert read.kind == table[name].kind
        assert getattr(read, "categories", ()) == schema[name].categories


@every_library
@pytest.mark.parametrize(
    "name, values, says",
    [
        (
            "x",
            [None, "u", "v"],
            r"numeric float .* in row 1 'u'.*pd\.to_numeric\(X\['x",
        ),
        ("x", [SPAN] * 3, r"numeric duration values, in row 0 3600\.0"),
        ("c", [None, None, 5], r"categories 'a', 'b'.* in row 2 5.*cast\(pl\.String\)"),
        ("c", [DAY] * 3, r"X has datetime date values, in row 0 '2024-01-01"),
        ("t", [2.5, None, 1.0], r"datetime date .*numeric float.*Give it as in fit"),
        ("d", [1, 2, 3], r"numeric duration .*numeric integer.*pd\.to_timedelta"),
        ("id", ["7", None, "8"], r"integer .*categories 7, 11.*string.*to_numeric"),
        ("flag", ["yes", "no", "no"], r"numeric boolean .*categorical string"),
    ],
)
def test_values_of_another_kind_are_refused(library, name, values, says):
    """The error names the column, what fit saw, a row, and the conversion."""
    with pytest.raises(
        SchemaError, match=f"column {name!r} is of the wrong kind.*{says}"
    ):
        learnt()[0].read(make(library, GOOD | {name: values}))


@every_library
def test_columns_that_lack_or_are_too_many(library):
    schema, table = learnt()
    fewer = {name: GOOD[name] for name in ("x", "c", "t", "d")}
    with pytest.raises(
        SchemaError, match="X lacks columns seen in fit: 'id', 'flag'. A"
    ):
        schema.read(make(library, fewer))
    with pytest.raises(SchemaError, match="lacks.*'id', 'flag'.*renamed: 'ID'"):
        schema.read(make(library, fewer | {"ID": [1, 2, 3]}), extra="ignore")
    more = make(library, {"new": [1, 2, 3]} | GOOD)
    with pytest.raises(
        SchemaError, match="did not see: 'new'. Drop them, or pass extr"
    ):
        schema.read(more)
    assert schema.read(more, extra="ignore").equals(table)
    with pytest.raises(ValueError, match="'raise' or 'ignore', got 'drop'"):
        schema.read(more, extra="drop")


def test_columns_without_names_are_found_by_position():
    matrix = np.arange(6.0).reshape(3, 2)
    schema, table = Schema.learn(pd.DataFrame(matrix, columns=["p", "q"]))
    assert schema.read(matrix).equals(table)
    unnamed, _ = Schema.learn(matrix)
    read = unnamed.read(pl.DataFrame({"q": matrix[:, 0], "p": matrix[:, 1]}))
    assert read.names == ("x0", "x1")
    np.testing.assert_array_equal(read["x1"].values, matrix[:, 1])
    with pytest.raises(
        SchemaError, match="X has 3 features, but Schema is expecting 2"
    ):
        schema.read(np.zeros((1, 3)))


# --- columns that are asked for


@pytest.mark.parametrize(
    "asked",
    [
        ["n"],
        [1],
        [-2],
        [False, True, False],
        np.array(["n"]),
        np.array([0, 1, 0], bool),
    ],
    ids=str,
)
def test_categories_that_hold_numbers(asked):
    X = {"x": [0.5, 1.0], "n": [3, 1], "c": ["a", "b"]}
    _, table = learnt(X, categorical_features=asked)
    assert [c.kind for c in table.columns] == ["numeric", "categorical", "categorical"]
    assert table["n"].categories == (1, 3)
    _, table = learnt(X, categorical_features=[])
    assert table["n"].kind == "numeric"


@pytest.mark.parametrize(
    "asked, says",
    [
        (["z"], "names 'z', which is no column of X: 'x', 'n'"),
        ([2], "names 2, which is no column"),
        ([True], "a mask of 1, X has 2 columns"),
        ("n", r"'auto' or a list, got 'n': for one column write \['n'\]"),
        (1, "'auto' or a list"),
        (None, "'auto' or a list"),
    ],
)
def test_columns_asked_for_must_be_there(asked, says):
    with pytest.raises(SchemaError, match=says):
        learnt({"x": [1], "n": [2]}, categorical_features=asked)


# --- what is refused

OTHER = r"'a' is of type .*Convert it to numbers, text or datetimes first"
NESTED = "must be a string or a number.*'a' holds one in row 1. Take it apart"
MIXED = r"'a' mixes types: {} \(row 1\), {} \(row 2\).*astype\(str\).*pd\.to_numeric"


@every_library
@pytest.mark.parametrize(
    "values, error, says",
    [
        ([None, [1], [2, 3]], TypeError, NESTED),
        ([None, {"k": 1}, {"k": 2}], TypeError, NESTED),
        ([None, b"x", b"y"], SchemaError, OTHER),
    ],
    ids=["list", "struct", "bytes"],
)
def test_values_that_are_no_scalars_are_refused(library, values, error, says):
    for make_schema in (Schema.learn, learnt({"a": [1.0]})[0].read):
        with pytest.raises(error, match=says):
            make_schema(make(library, {"a": values}))


@pytest.mark.parametrize("library", ["pandas", "polars", "mapping", "category"])
@pytest.mark.parametrize(
    "values, one, two",
    [
        ([None, "x", 1], "str", "int"),
        ([None, 1.5, "x"], "float", "str"),
        ([None, True, "x"], "bool", "str"),
        ([None, DAY, "x"], "date", "str"),
        ([None, SPAN, 1], "timedelta", "int"),
    ],
)
def test_mixed_types_are_refused(library, values, one, two):
    """The error names the column, the types with a row each, and what to do."""
    X = {"a": as_array(values)}
    if library == "pandas":
        X = pd.DataFrame({"a": pd.Series(values, dtype=object)})
    if library == "category":
        X = pd.DataFrame({"a": pd.Categorical(values)})
    if library == "polars":
        X = pl.DataFrame({"a": pl.Series(values, dtype=pl.Object)})
    with pytest.raises(SchemaError, match=MIXED.format(one, two)):
        Schema.learn(X)


@pytest.mark.parametrize("gap", [None, float("nan"), np.nan, pd.NA, pd.NaT])
@pytest.mark.parametrize("value", ["a", 1, 2.5, True, DAY, SPAN])
def test_any_mark_of_a_gap_is_no_type(value, gap):
    """Numbers are numbers, strings strings and dates dates, whatever marks a gap."""
    for values in ([gap, value], [value, gap]):
        _, table = Schema.learn({"a": as_array(values)})
        assert table["a"].missing.tolist() == [v is gap for v in values]
        none = as_array([v if v is value else None for v in values])
        assert table.equals(Schema.learn({"a": none})[1])


@pytest.mark.parametrize("asked", ["auto", ["a"]], ids=["auto", "asked"])
@pytest.mark.parametrize("value", [1, True, BIG + 1])
def test_nan_among_whole_numbers_is_a_gap(value, asked):
    """Ids in a column of objects stay exact, and booleans booleans."""
    nan, none = (
        Schema.learn({"a": as_array([gap, value, value])}, asked)
        for gap in (np.nan, None)
    )
    assert nan[1].equals(none[1])
    assert nan[0] == none[0]


LATER = [["x", None], [1.5, None], [DAY, None], [True, None]]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("values", LATER, ids=["text", "number", "time", "flag"])
@pytest.mark.parametrize("asked", ["auto", ["a"]])
def test_a_column_without_any_value_in_fit_takes_anything_later(library, values, asked):
    """It carries nothing: it is missing in every row."""
    schema, table = Schema.learn(make(library, {"a": [None, None]}), asked)
    assert schema["a"].dtype == "null" and table["a"].missing.all()
    assert schema.read(make(library, {"a": values})).equals(table)
