"""Typed columns and tables: codes, rows, and arrays that nobody can change."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from featurekit.data.columns import (
    MISSING_DATETIME,
    CategoricalColumn,
    DatetimeColumn,
    NumericColumn,
    Table,
    code_dtype,
)

X = [1.0, np.nan, np.inf, -2.5, 0.0, 1.0]
T = [0, MISSING_DATETIME, -1, 5, 5, 2**60]
CODES = [1, 0, 2, 3, 1, 1]  # 2 is missing, 3 unseen


def table():
    return Table.of(
        {
            "x": NumericColumn(np.array(X)),
            "t": DatetimeColumn(np.array(T)),
            "c": CategoricalColumn(np.array(CODES), ("a", "b")),
        }
    )


def plain(column):
    """The numbers of a column as a list; NaN as None, since it equals nothing."""
    values = getattr(column, "codes", None)
    values = column.values if values is None else values
    return [None if v != v else v for v in values.tolist()]


PLAIN = {"x": [None if v != v else v for v in X], "t": T, "c": CODES}
KINDS = list(PLAIN)


# --- codes


@pytest.mark.parametrize(
    "n, bits",
    [
        *((0, 8), (1, 8), (253, 8), (254, 8), (255, 16), (256, 16), (257, 16)),
        *((65_533, 16), (65_534, 16), (65_535, 32), (65_536, 32), (2**32 - 2, 32)),
    ],
)
def test_code_dtype_leaves_room_for_missing_and_unseen(n, bits):
    assert code_dtype(n) == np.dtype(f"u{bits // 8}")


def test_more_categories_than_codes_are_refused():
    with pytest.raises(ValueError, match="more than 32 bits can number"):
        code_dtype(2**32 - 1)


@pytest.mark.parametrize("n", [0, 1, 254, 255, 256, 65_534, 65_535])
def test_missing_and_unseen_are_codes_of_their_own(n):
    codes = np.array([*range(min(n, 2)), n, n + 1])
    column = CategoricalColumn(codes, tuple(range(n)))
    assert (column.n_categories, column.missing_code, column.unseen_code) == (
        *(n, n, n + 1),
    )
    assert column.codes.dtype == code_dtype(n)
    assert column.codes.tolist() == codes.tolist()
    assert column.missing.tolist() == [c == n for c in codes]


@pytest.mark.parametrize("codes", [[0, 4], [-1, 0], [300]])
def test_codes_outside_are_refused(codes):
    with pytest.raises(ValueError, match=r"codes of 2 categories lie in 0\.\.3"):
        CategoricalColumn(np.array(codes), ("a", "b"))


def recoded(values, new):
    """Codes in the new categories, one value at a time."""
    known = list(new)
    return [
        len(known) if v is None else known.index(v) if v in known else len(known) + 1
        for v in values
    ]


@pytest.mark.parametrize(
    "old, new",
    [
        (("a", "b"), ("a", "b")),
        (("a", "b"), ()),
        (("a", "b"), ("B", "b", "c")),
        ((1, 2), (1.0, 1.5, 2.0)),
        ((1.5, 2.0), (1, 2)),
        ((False, True), (0, 1, 2)),
        ((2**53, 2**53 + 1), (2**53 + 1, 2**53 + 2)),
        (("k00007", "k1", "zz"), tuple(f"k{i:05}" for i in range(300))),
        ((-5, 7, 299, 10**6), tuple(range(300))),
        (tuple(range(300)), (7, 299)),
    ],
)
def test_recode_finds_the_values_in_other_categories(old, new):
    """Also where few values are looked up among many categories, and by value."""
    values = [*old, None, *reversed(old)]
    codes = [len(old) if v is None else old.index(v) for v in values]
    column = CategoricalColumn(np.array([*codes, len(old) + 1]), old).recode(new)
    assert column.codes.tolist() == [*recoded(values, new), len(new) + 1]
    assert column.codes.dtype == code_dtype(len(new))
    assert column.categories == new


def test_categories_of_other_types_are_other_categories():
    """1, 1.0 and True are equal in Python, and print differently."""
    codes = np.array([0, 1])
    number, real, truth = (
        CategoricalColumn(codes, known) for known in [(0, 1), (0.0, 1.0), (False, True)]
    )
    assert number.equals(CategoricalColumn(codes.astype(np.uint8), (0, 1)))
    assert not number.equals(real)
    assert not number.equals(truth)
    assert not number.equals(CategoricalColumn(codes[::-1], (0, 1)))


# --- rows

ROWS = {
    "indices": np.array([3, 3, 0]),
    "list": [5, 1],
    "from the end": [-1, -6],
    "none": [],
    "mask": np.array([True, False, True, True, False, False]),
    "mask of nothing": np.zeros(6, bool),
    "list mask": [True, False, False, False, False, True],
    "slice": slice(1, 4),
    "steps": slice(None, None, 2),
    "backwards": slice(None, None, -1),
    "past the end": slice(4, 99),
    "empty slice": slice(3, 3),
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_take_gives_the_rows_in_their_order(rows):
    order = np.arange(6)[rows].tolist()
    taken = table().take(rows)
    assert len(taken) == taken.n_rows == len(order)
    assert taken.names == ("x", "t", "c")
    for name, column in taken:
        assert plain(column) == [PLAIN[name][i] for i in order]
        assert plain(table()[name].take(rows)) == plain(column)
        assert column.missing.tolist() == table()[name].missing[order].tolist()
    assert taken["c"].categories == ("a", "b")


def test_a_slice_is_a_view():
    whole = table()
    for name, column in whole.take(slice(1, 4)):
        array = "codes" if name == "c" else "values"
        assert np.shares_memory(getattr(column, array), getattr(whole[name], array))


@pytest.mark.parametrize(
    "rows, says",
    [
        ([[0, 1]], r"1-D array, got shape \(1, 2\)"),
        ([True, False], "a mask of 2 for 6 rows"),
        ([6], "out of bounds"),
        ([0.5], "integer"),
    ],
)
def test_rows_that_are_none_are_refused(rows, says):
    with pytest.raises(IndexError, match=says):
        table().take(rows)


def test_a_table_without_columns_has_rows():
    empty = Table((), (), 6)
    assert len(empty) == 6
    assert [len(empty.take(r)) for r in ([0, 1], slice(1, 3), [True] * 6)] == [2, 2, 6]
    with pytest.raises(ValueError, match="needs its n_rows"):
        Table.of({})


# --- arrays


@pytest.mark.parametrize("name", KINDS)
def test_columns_cannot_be_written_to(name):
    """Not even after a copy, a slice or a trip through pickle."""
    column = table()[name]
    array = "codes" if name == "c" else "values"
    for other in (
        *(column, column.take([0, 1]), column.take(slice(2))),
        *(
            pickle.loads(pickle.dumps(column)),
            pickle.loads(pickle.dumps(table()))[name],
        ),
    ):
        with pytest.raises(ValueError, match="read-only"):
            getattr(other, array)[0] = 0
        with pytest.raises(AttributeError):
            setattr(other, array, np.zeros(1))
        assert getattr(other, array).flags.c_contiguous


def test_the_callers_array_is_shared_and_stays_writable():
    mine = np.arange(4.0)
    column = NumericColumn(mine)
    assert np.shares_memory(column.values, mine)
    mine[0] = 9  # no error


@pytest.mark.parametrize("dtype", ["f4", "f2", ">f8", "i1", "u8", "?"])
def test_numbers_become_float64(dtype):
    column = NumericColumn(np.array([0, 1, 1], dtype=dtype))
    assert column.values.dtype == np.dtype("f8")
    assert column.values.dtype.isnative
    assert column.values.tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("name", KINDS)
def test_pickle_gives_the_same_column(name):
    column = table()[name]
    again = pickle.loads(pickle.dumps(column))
    assert column.equals(again)
    assert plain(again) == PLAIN[name]
    assert type(again) is type(column)


@pytest.mark.parametrize("name", KINDS)
def test_columns_are_equal_by_kind_and_value(name):
    column, whole = table()[name], table()
    assert [column.equals(c) for c in whole.columns] == [n == name for n in KINDS]
    assert not column.equals(column.take([1, 0, 2, 3, 4, 5]))
    assert not column.equals(None)
    assert whole.equals(table())
    assert not whole.equals(whole.select(["t", "x", "c"]))
    assert not whole.equals(whole.take(slice(5)))


@pytest.mark.parametrize(
    "build, error, says",
    [
        (lambda: NumericColumn(np.zeros((2, 2))), ValueError, "a column is 1-D"),
        (lambda: DatetimeColumn(np.zeros(2)), TypeError, "microseconds are int64"),
        (lambda: CategoricalColumn(np.zeros(2), ("a",)), TypeError, "codes are int"),
        (lambda: Table(("x",), (), 0), ValueError, "1 names for 0 columns"),
        (
            lambda: Table(("x",), (NumericColumn(np.zeros(2)),), 3),
            *(ValueError, "column 'x' has 2 rows, expected 3"),
        ),
        (
            lambda: Table(("x", "x"), (NumericColumn(np.zeros(2)),) * 2, 2),
            *(ValueError, "names must be distinct"),
        ),
    ],
)
def test_what_is_no_column_or_table_is_refused(build, error, says):
    with pytest.raises(error, match=says):
        build()


# --- names


def test_columns_by_name():
    whole = Table.of({name: table()["x"] for name in ("price", "area", "city")})
    assert [name for name, _ in whole] == ["price", "area", "city"]
    assert "area" in whole
    assert "x" not in whole
    some = whole.select(["city", "price"])
    assert some.names == ("city", "price")
    assert some["city"] is whole["city"]
    assert len(whole.select([])) == 6
    with pytest.raises(KeyError, match="no column 'prize' in the table; near it: 'p"):
        whole["prize"]
    with pytest.raises(KeyError, match="no column 'zzz' in the table"):
        whole.select(["zzz"])
