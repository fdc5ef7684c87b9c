"""Values numbered as they come: the same in the end for any order and any blocks."""

from __future__ import annotations

import copy
import pickle
import struct
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurekit.data import vocabulary as module
from featurekit.data.frames import open_frame
from featurekit.data.raw import Raw, float_keys, floats_of, raw_values
from featurekit.data.vocabulary import Vocabulary
from featurekit.exceptions import SchemaError
from tests.data.libraries import column_frame

MASK = 2**64 - 1
NOON = datetime(2024, 5, 1, 12)


def raw_of(library, values, dtype=None):
    return raw_values(open_frame(column_frame(library, values, dtype)).columns[0], "a")


class Numbered:
    """A vocabulary with the count of every code, kept through all moves.

    The codes of each block are kept too, moved along, so that they can be checked.
    """

    def __init__(self, **params):
        self.vocabulary = Vocabulary("a", **params)
        self.counts = np.zeros(1, np.int64)
        self.codes = []

    def add(self, raw, n_rows):
        codes, moved = self.vocabulary.encode(raw, n_rows)
        assert codes.dtype == np.uint32 and len(codes) == n_rows
        if moved is not None:
            self._move(moved)
        self._widen()
        np.add.at(self.counts, codes, 1)
        self.codes.append(codes)
        return self

    def absorb(self, other):
        theirs, moved = self.vocabulary.absorb(other.vocabulary)
        if moved is not None:
            self._move(moved)
        self._widen()
        np.add.at(self.counts, theirs[: len(other.counts)], other.counts)
        self.codes += [theirs[codes] for codes in other.codes]
        return self

    def _widen(self):
        wide = np.zeros(self.vocabulary.n_values + 1, np.int64)
        wide[: len(self.counts)] = self.counts
        self.counts = wide

    def _move(self, moved):
        assert moved[0] == 0
        self.codes = [moved[codes] for codes in self.codes]
        old, self.counts = self.counts, np.zeros(int(moved.max()) + 1, np.int64)
        np.add.at(self.counts, moved[: len(old)], old)

    def found(self):
        """Rows of each value, in the values' order, and rows with none."""
        total = np.zeros_like(self.counts)
        for codes in self.codes:
            np.add.at(total, codes, 1)
        np.testing.assert_array_equal(total, self.counts)
        values = list(self.vocabulary.distinct())
        assert len(values) == self.vocabulary.n_values
        pairs = [(values[i - 1], int(self.counts[i])) for i in self.vocabulary.order()]
        assert sorted(self.vocabulary.order()) == list(range(1, len(values) + 1))
        return [(v, n) for v, n in pairs if n], int(self.counts[0])


def numbered(blocks, library="polars", dtype=None, **params):
    """All blocks of Python values, numbered one after the other."""
    out = Numbered(**params)
    for block in blocks:
        raw = raw_of(library, block, dtype) if len(block) else None
        out.add(raw, len(block))
    return out


def oracle(values):
    """Rows of each value in order, and of none, by a plain dictionary."""
    counts = Counter(v for v in values if v is not None)
    return sorted(counts.items()), sum(v is None for v in values)


def cut_up(values, sizes):
    blocks, start = [], 0
    for size in sizes:
        blocks.append(values[start : start + size])
        start += size
    return [*blocks, values[start:]]


# --- what each library's types become

DAYS = [date(2024, 5, 2), None, date(1969, 12, 31)]
TIMES = [NOON, None, NOON - timedelta(days=40_000, microseconds=1)]
ZONED = pa.timestamp("us", tz="Europe/Paris")

TYPES = [
    ("numpy", [3, 1, 1], np.int8, "whole", "integer", [1, 3], 0),
    ("numpy", [3, 1, 1], np.uint16, "whole", "integer", [1, 3], 0),
    ("numpy", [-(2**62), 2**62], np.int64, "whole", "integer", [-(2**62), 2**62], 0),
    ("numpy", [2**63 - 1, 5], np.uint64, "whole", "integer", [5, 2**63 - 1], 0),
    ("numpy", [True, False, True], np.bool_, "whole", "boolean", [0, 1], 0),
    ("numpy", [1.5, None, -2.0], np.float64, "number", "float", [-2.0, 1.5], 1),
    ("numpy", [1.5, np.inf, -np.inf], np.float32, "number", "float", [1.5], 2),
    ("numpy", [0.0, -0.0, None], np.float64, "number", "float", [0.0], 1),
    ("numpy", ["b", "a", "b"], "U1", "text", "string", ["a", "b"], 0),
    ("numpy", ["b", None, "a"], object, "text", "string", ["a", "b"], 1),
    ("numpy", [2, None, 1], object, "whole", "integer", [1, 2], 1),
    ("numpy", [2**60 + 1, None, 2**60], object, "whole", "integer", [2**60, 2**60 + 1],
     1),
    ("numpy", [True, None], object, "whole", "boolean", [1], 1),
    ("numpy", [2.5, None, 1], object, "number", "float", [1.0, 2.5], 1),
    ("numpy", [Decimal("2.5"), None], object, "number", "float", [2.5], 1),
    ("numpy", ["2024-05-02", "NaT"], "M8[D]", "time", "date", [date(2024, 5, 2)], 1),
    ("numpy", [NOON, None], "M8[ns]", "time", "datetime", [NOON], 1),
    ("numpy", TIMES, object, "time", "datetime", [TIMES[2], NOON], 1),
    ("numpy", [timedelta(seconds=3), None], "m8[ms]", "number", "duration", [3.0], 1),
    ("pandas", ["b", None, "a"], "str", "text", "string", ["a", "b"], 1),
    ("pandas", ["b", None, "a"], "string", "text", "string", ["a", "b"], 1),
    ("pandas", ["b", None, "a"], object, "text", "string", ["a", "b"], 1),
    ("pandas", ["b", None, "a"], "category", "text", "string", ["a", "b"], 1),
    ("pandas", [7, None, 3], "category", "whole", "integer", [3, 7], 1),
    ("pandas", [7, None, 3], "Int64", "whole", "integer", [3, 7], 1),
    ("pandas", [2**60 + 1, None, 2**60], "Int64", "whole", "integer",
     [2**60, 2**60 + 1], 1),
    ("pandas", [True, None], "boolean", "whole", "boolean", [1], 1),
    ("pandas", [7, 3], "int32", "whole", "integer", [3, 7], 0),
    ("pandas", [0.5, None], "Float64", "number", "float", [0.5], 1),
    ("pandas", [NOON, None], "M8[ns]", "time", "datetime", [NOON], 1),
    ("pandas", [NOON, None], "datetime64[us, UTC]", "time", "datetime", [NOON], 1),
    ("polars", ["b", None, "a"], pl.String, "text", "string", ["a", "b"], 1),
    ("polars", ["b", None, "a"], pl.Categorical, "text", "string", ["a", "b"], 1),
    ("polars", ["b", None, "a"], pl.Enum(["z", "b", "a"]), "text", "string", ["a", "b"],
     1),
    ("polars", [7, None, 3], pl.Int8, "whole", "integer", [3, 7], 1),
    ("polars", [7, None, 3], pl.UInt64, "whole", "integer", [3, 7], 1),
    ("polars", [7, None, 3], pl.Int128, "whole", "integer", [3, 7], 1),
    ("polars", [True, None], pl.Boolean, "whole", "boolean", [1], 1),
    ("polars", [0.5, None, 0.25], pl.Float32, "number", "float", [0.25, 0.5], 1),
    ("polars", ["0.5", None], pl.Decimal(10, 2), "number", "float", [0.5], 1),
    ("polars", DAYS, pl.Date, "time", "date", [DAYS[2], DAYS[0]], 1),
    ("polars", TIMES, pl.Datetime("ms"), "time", "datetime",
     [TIMES[2].replace(microsecond=999_000), NOON], 1),
    ("polars", TIMES, pl.Datetime("us", "UTC"), "time", "datetime", [TIMES[2], NOON],
     1),
    ("pyarrow", ["b", None, "a"], pa.string(), "text", "string", ["a", "b"], 1),
    ("pyarrow", ["b", None, "a"], pa.large_string(), "text", "string", ["a", "b"], 1),
    ("pyarrow", ["b", None, "a"], pa.dictionary(pa.int8(), pa.string()), "text",
     "string", ["a", "b"], 1),
    ("pyarrow", [7, None, 3], pa.uint32(), "whole", "integer", [3, 7], 1),
    ("pyarrow", [True, None], pa.bool_(), "whole", "boolean", [1], 1),
    ("pyarrow", [Decimal("1.25"), None], pa.decimal128(9, 2), "number", "float", [1.25],
     1),
    ("pyarrow", DAYS, pa.date32(), "time", "date", [DAYS[2], DAYS[0]], 1),
    ("pyarrow", DAYS, pa.date64(), "time", "datetime", [DAYS[2], DAYS[0]], 1),
    ("pyarrow", TIMES, pa.timestamp("us"), "time", "datetime", [TIMES[2], NOON], 1),
    ("pyarrow", [NOON, None], ZONED, "time", "datetime", [datetime(2024, 5, 1, 14)], 1),
]  # fmt: skip


@pytest.mark.parametrize("library, values, dtype, family, word, distinct, gone", TYPES)
def test_types(library, values, dtype, family, word, distinct, gone):
    array = np.array(values) if library == "numpy" and str(dtype)[:2] == "M8" else None
    if array is not None and dtype == "M8[D]":
        raw = raw_values(array.astype(dtype), "a")
    else:
        raw = raw_of(library, values, dtype)
    assert (raw.family, raw.dtype) == (family, word)
    made = Numbered().add(raw, len(values))
    assert (made.vocabulary.family, made.vocabulary.dtype) == (family, word)
    found, missing = made.found()
    if family == "time":
        distinct = [np.datetime64(v, "us") for v in distinct]
    assert [value for value, _ in found] == distinct
    assert missing == gone
    assert sum(n for _, n in found) + missing == len(values)


def test_dictionaries_of_numbers():
    array = pa.array([7, None, 3, 7]).dictionary_encode()
    raw = raw_values(open_frame(pa.table({"a": array})).columns[0], "a")
    assert Numbered().add(raw, 4).found() == ([(3, 1), (7, 2)], 1)


@pytest.mark.parametrize(
    "library, values, dtype",
    [
        ("numpy", [None, None], object),
        ("numpy", [np.nan, np.nan], float),
        ("numpy", ["NaT"], "M8[us]"),
        ("pandas", [None, None], "str"),
        ("pandas", [None, None], "Int64"),
        ("pandas", [None, None], "category"),
        ("polars", [None, None], pl.String),
        ("polars", [None, None], pl.Null),
        ("polars", [None, None], pl.Int32),
        ("polars", [None], pl.Categorical),
        ("pyarrow", [None, None], pa.null()),
        ("pyarrow", [None, None], pa.timestamp("us")),
    ],
)
def test_nothing_but_gaps(library, values, dtype):
    raw = raw_of(library, values, dtype)
    assert raw is None
    made = Numbered().add(raw, len(values))
    assert made.vocabulary.family is None and made.vocabulary.n_values == 0
    assert made.found() == ([], len(values))
    made.add(raw_of("polars", ["x", None]), 2)
    assert made.found() == ([("x", 1)], len(values) + 1)


@pytest.mark.parametrize(
    "library, values, dtype, error, match",
    [
        ("numpy", ["a", 1], object, SchemaError, "column 'a' mixes types"),
        ("numpy", [1j, 2j], complex, ValueError, "Complex data not supported"),
        ("numpy", [{}, {}], object, TypeError, "must be a string or a number"),
        ("polars", [[1], [2]], pl.List(pl.Int64), TypeError, "Take it apart"),
        ("pyarrow", [b"x", b"y"], pa.binary(), SchemaError, "Convert it to numbers"),
    ],
)
def test_values_that_are_no_column(library, values, dtype, error, match):
    with pytest.raises(error, match=match):
        raw_of(library, values, dtype)


def test_whole_numbers_beyond_64_bits_are_told_apart():
    values = [2**64 - 1, 2**64 - 2, 5, None, 5]
    for library, dtype in (("polars", pl.UInt64), ("numpy", object)):
        found, missing = numbered([values], library, dtype).found()
        assert sorted(n for _, n in found) == [1, 1, 2] and missing == 1


@pytest.mark.parametrize("first", [[2**63 + 5, 5], [5, 6]])
def test_unsigned_numbers_in_blocks(first):
    """Whether a block holds a large one is chance; so is where it is cut."""
    second = [6, 5] if max(first) > 6 else [2**63 + 5, 5]
    cut = numbered([first, second], dtype=pl.UInt64)
    whole = numbered([first + second], dtype=pl.UInt64)
    assert cut.found() == whole.found()


# --- any order, any blocks

WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, -0.0, 1.5]
)
TEXTS = st.text(max_size=4) | st.sampled_from(["a", "b", "é"])
TEXTS = TEXTS.filter(lambda text: text.isprintable())
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
FAMILIES = {
    "whole": (WHOLE, pl.Int64),
    "number": (FLOATS, pl.Float64),
    "text": (TEXTS, pl.String),
    "time": (MOMENTS, pl.Datetime("us")),
}


@st.composite
def columns(draw):
    """A family's type, its values and the same values shuffled, both in blocks."""
    values, dtype = FAMILIES[draw(st.sampled_from(sorted(FAMILIES)))]
    rows = draw(st.lists(st.none() | values, max_size=40))
    if dtype == pl.Float64:
        rows = [v if v is None else v + 0.0 for v in rows]
    sizes = st.lists(st.integers(0, 15), max_size=4)
    one = cut_up(rows, draw(sizes))
    other = cut_up(draw(st.permutations(rows)), draw(sizes))
    return dtype, rows, one, other


def plain(found):
    """Values as Python's own, so that an oracle may hold them against its own."""
    values, missing = found
    return [(getattr(v, "item", lambda v=v: v)(), n) for v, n in values], missing


@settings(max_examples=120, deadline=None)
@given(columns())
def test_counts_of_any_order_and_blocks(column):
    dtype, rows, one, other = column
    for blocks in (one, other):
        made = numbered(blocks, dtype=dtype)
        assert plain(made.found()) == oracle(rows)
        assert made.vocabulary.n_values == len(oracle(rows)[0])


@settings(max_examples=60, deadline=None)
@given(columns())
def test_a_table_or_a_hash(column):
    """Whole numbers near each other are looked up in another way than far ones."""
    dtype, rows, one, other = column
    for span in (1, 8, 1 << 22):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "SPAN", span)
            assert plain(numbered(one, dtype=dtype).found()) == oracle(rows)
            assert plain(numbered(other, dtype=dtype).found()) == oracle(rows)


@pytest.mark.parametrize("step", [1, 1 << 30])
def test_many_values_in_many_blocks(step):
    """More than the first tables hold, with values that come late in between."""
    rng = np.random.default_rng(0)
    values = (rng.integers(-9000, 9000, 60_000) * step).astype(np.int64)
    made = Numbered()
    for block in np.array_split(values, 23):
        made.add(Raw("whole", "integer", block, None), len(block))
    expected = [(int(v), int(n)) for v, n in zip(*np.unique(values, return_counts=True),
                                                 strict=True)]  # fmt: skip
    assert made.found() == (expected, 0)


def test_from_near_to_far():
    made = numbered([[5, 6, None], [6, 7], [2**50, 5], [-(2**50), 7]])
    expected = [(-(2**50), 1), (5, 2), (6, 2), (7, 2), (2**50, 1)]
    assert made.found() == (expected, 1)


def test_codes_are_those_of_the_rows():
    values = ["b", None, "a", "b"]
    made = numbered([values, ["c", "a"]])
    distinct = made.vocabulary.distinct()
    shown = [None if c == 0 else distinct[c - 1] for c in np.concatenate(made.codes)]
    assert shown == [*values, "c", "a"]
    assert [distinct[i - 1] for i in made.vocabulary.order()] == ["a", "b", "c"]


def test_text_that_looks_like_nothing():
    values = ["", "nan", "None", None, "\x00", "a\nb", "𝔘", "é"]
    assert numbered([values, values[::-1]]).found() == oracle(values * 2)


def test_float_keys_are_in_order():
    values = np.array([-np.inf, -1e300, -1.0, -5e-324, 0.0, 5e-324, 1.0, 1e300, np.inf])
    keys = float_keys(values)
    assert (np.diff(keys.astype(object)) > 0).all()
    np.testing.assert_array_equal(floats_of(keys), values)
    assert float_keys(np.array([-0.0])) == float_keys(np.array([0.0]))


# --- numbers on a scale are cut to fewer digits


def key_of(value):
    """A float as a whole number in its order, by its bits."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))
    return bits if bits < 2**63 else -1 - (bits - 2**63)


def fewest_digits(keys, most):
    """The oracle: digits to cut, one more at a time, and rows of what is left."""
    cut = 0
    while len({key >> cut for key in keys}) > most:
        cut += 1
    return cut, sorted(Counter(key >> cut for key in keys).items())


def check_scale(blocks, dtype, keys, most, **params):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SCALE_VALUES", most)
        made = numbered(blocks, dtype=dtype, **params)
    cut, left = fewest_digits([key for key in keys if key is not None], most)
    assert made.vocabulary.shift == cut and not made.vocabulary.folded
    found, missing = made.found()
    values = np.array([value for value, _ in found])
    if dtype == pl.Float64:
        values = [key_of(v) for v in values]
    elif dtype != pl.Int64:
        values = values.astype("M8[us]").astype(np.int64).tolist()
    assert [(int(v) >> cut, n) for v, (_, n) in zip(values, found, strict=True)] == left
    assert all(int(v) % (1 << cut) == 0 for v in values)
    assert missing == sum(key is None for key in keys)


@settings(max_examples=80, deadline=None)
@given(columns(), st.integers(1, 12))
def test_digits_are_cut_alike_for_any_order_and_blocks(column, most):
    dtype, rows, one, other = column
    if dtype == pl.String:
        return
    if dtype == pl.Float64:
        keys = [None if v is None else key_of(v) for v in rows]
    elif dtype == pl.Int64:
        keys = rows
    else:
        zero = datetime(1970, 1, 1)
        micro = timedelta(microseconds=1)
        keys = [None if v is None else (v - zero) // micro for v in rows]
    if sum({key < 0 for key in keys if key is not None}) and most < 2:
        most = 2  # a sign is never cut
    for blocks in (one, other):
        check_scale(blocks, dtype, keys, most, categorical=False)


def test_two_signs_are_always_left():
    """No digits to cut make one of them: the limit gives way, the counts do not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SCALE_VALUES", 2)
        made = numbered([[-5.0, 3.0], [-7.0, 1e9, None]])
    found, missing = made.found()
    assert [n for _, n in found] == [2, 2] and missing == 1


def test_a_scale_of_many_numbers():
    values = np.random.default_rng(0).normal(size=90_000)
    one = Numbered().add(raw_values(values, "a"), len(values))
    keys = np.array([key_of(v) for v in values])
    cut = one.vocabulary.shift
    _, rows = np.unique(keys >> cut, return_counts=True)
    assert len(rows) <= module.SCALE_VALUES < len(np.unique(keys >> (cut - 1)))
    assert [n for _, n in one.found()[0]] == rows.tolist()
    many = Numbered()
    for block in np.array_split(values[::-1], 7):
        many.add(raw_values(block, "a"), len(block))
    assert many.found() == one.found()


# --- categories beyond the limit go into buckets


def bucket_of(key, most):
    """The finaliser of splitmix64, in whole numbers without end."""
    z = (key & MASK) ^ 0x9E3779B97F4A7C15
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return (z ^ (z >> 31)) & (most - 1)


def text_key(text):
    """A text's hash, all by itself."""
    return int(pd.util.hash_array(np.array([text], object), categorize=False)[0])


def bucket_oracle(values, most):
    there = [v for v in values if v is not None]
    keys = {v: text_key(v) if isinstance(v, str) else v for v in set(there)}
    counts = Counter(bucket_of(keys[v], most) for v in there)
    return sorted(counts.items()), len(values) - len(there)


KINDS = [
    pytest.param(lambda i: i * 977 - 3000, pl.Int64, id="whole"),
    pytest.param(lambda i: f"v{i}", pl.String, id="text"),
]


@pytest.mark.parametrize("make, dtype", KINDS)
@pytest.mark.parametrize("n_blocks", [1, 2, 9])
def test_buckets_are_those_of_the_values(make, dtype, n_blocks):
    rng = np.random.default_rng(1)
    values = [make(int(i)) for i in rng.integers(0, 300, 900)]
    values[::17] = [None] * len(values[::17])
    expected = bucket_oracle(values, 64)
    for rows in (values, values[::-1], sorted(values, key=lambda v: (v is None, v))):
        blocks = [list(b) for b in np.array_split(np.array(rows, object), n_blocks)]
        made = numbered(blocks, dtype=dtype, max_values=64)
        assert made.vocabulary.folded
        assert made.found() == expected
    assert len(expected[0]) > 48  # of 64, by 300 values


@settings(max_examples=60, deadline=None)
@given(columns())
def test_buckets_of_any_order_and_blocks(column):
    dtype, rows, one, other = column
    found = [
        plain(numbered(blocks, dtype=dtype, categorical=True, max_values=4).found())
        for blocks in (one, other, [rows])
    ]
    assert found[0] == found[1] == found[2]
    made = numbered(one, dtype=dtype, categorical=True, max_values=4)
    n_distinct = len({v for v in rows if v is not None})
    assert made.vocabulary.folded == (n_distinct > 4)
    assert sum(n for _, n in found[0][0]) + found[0][1] == len(rows)


def test_texts_of_one_block_after_folding_keep_their_buckets():
    made = numbered([[f"v{i}" for i in range(100)]], max_values=64)
    for i in range(100):
        made.add(raw_of("polars", [f"v{i}"]), 1)
    assert made.found() == bucket_oracle([f"v{i}" for i in range(100)] * 2, 64)


def test_as_many_values_as_the_limit_are_no_buckets():
    for make in (int, str):
        values = [make(i) for i in range(64)]
        made = numbered([values, values[::-1]], max_values=64)
        assert not made.vocabulary.folded
        assert made.found() == oracle(values * 2)
        made.add(raw_of("polars", [make(64)]), 1)
        assert made.vocabulary.folded


# --- two vocabularies as one

ABSORBED = {
    "whole": (lambda i: i * 7 - 90, pl.Int64, {"max_values": 64}),
    "text": (lambda i: f"v{i}", pl.String, {"max_values": 64}),
    "scale": (lambda i: (i * 37 % 1000) / 8 - 3, pl.Float64, {}),
    "time": (lambda i: NOON + timedelta(hours=i), pl.Datetime("us"), {}),
    "whole scale": (lambda i: i * 7 - 90, pl.Int64, {"categorical": False}),
}
SHARDS = {
    "few": range(10),
    "some": range(5, 55),
    "others": range(40, 90),
    "many": range(300),
    "none": [],
}


@pytest.mark.parametrize("kind", ABSORBED)
@pytest.mark.parametrize("left", SHARDS)
@pytest.mark.parametrize("right", SHARDS)
def test_absorbing_is_numbering_all_rows(monkeypatch, kind, left, right):
    monkeypatch.setattr(module, "SCALE_VALUES", 64)
    make, dtype, params = ABSORBED[kind]

    def shard(name):
        rows = [make(i) for i in SHARDS[name]] + [make(i) for i in SHARDS[name][::3]]
        return [*rows, None]

    one = numbered([shard(left)], dtype=dtype, **params)
    two = numbered([shard(right), shard(right)[:7]], dtype=dtype, **params)
    before = two.found()
    merged = one.absorb(two)
    rows = shard(left) + shard(right) + shard(right)[:7]
    whole = numbered([rows], dtype=dtype, **params)
    assert merged.found() == whole.found()
    for name in ("family", "dtype", "shift", "folded"):
        ours, theirs = (getattr(x.vocabulary, name) for x in (merged, whole))
        assert ours == theirs
    assert two.found() == before
    # and goes on as if nothing had been
    merged.add(raw_of("polars", shard("some"), dtype), len(shard("some")))
    whole.add(raw_of("polars", shard("some"), dtype), len(shard("some")))
    assert merged.found() == whole.found()


def test_absorbing_another_kind_is_refused():
    texts = numbered([["a", "b"]])
    numbers = numbered([[1, 2]])
    with pytest.raises(SchemaError, match="'a' holds text .* whole numbers in those"):
        numbers.vocabulary.absorb(texts.vocabulary)
    with pytest.raises(SchemaError, match="'a' holds whole numbers .* text in those"):
        texts.vocabulary.absorb(numbers.vocabulary)


def test_absorbing_whole_numbers_into_fractions():
    fractions, whole = numbered([[1.5, 2.0]]), numbered([[2, 3]])
    assert fractions.absorb(whole).found() == ([(1.5, 1), (2.0, 2), (3.0, 1)], 0)


def test_buckets_of_whole_numbers_are_not_those_of_fractions():
    """What the numbers were is not known any more, so that they cannot be converted."""
    params = {"categorical": True, "max_values": 4}
    fractions, whole = [[1.5, 2.0]], [list(range(10))]
    with pytest.raises(SchemaError, match="whole numbers .* numbers with fractions"):
        numbered(fractions, **params).absorb(numbered(whole, **params))


# --- pickles


@pytest.mark.parametrize("kind", ABSORBED)
@pytest.mark.parametrize("shard", SHARDS)
def test_pickle_goes_on_where_it_was(monkeypatch, kind, shard):
    monkeypatch.setattr(module, "SCALE_VALUES", 64)
    make, dtype, params = ABSORBED[kind]
    made = numbered([[make(i) for i in SHARDS[shard]]], dtype=dtype, **params)
    for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert again.found() == made.found()
        rows = [None, *(make(i) for i in range(20, 60))]
        raw = raw_of("polars", rows, dtype)
        straight = copy.deepcopy(made).add(raw, len(rows))
        again.add(raw, len(rows))
        assert again.found() == straight.found()
        np.testing.assert_array_equal(again.codes[-1], straight.codes[-1])


def test_pickle_of_many_texts_keeps_their_codes():
    texts = [f"v{i * 7919 % 50_000}" for i in range(50_000)]
    made = numbered([texts])
    again = pickle.loads(pickle.dumps(made.vocabulary))
    codes, moved = again.encode(raw_of("polars", texts), len(texts))
    assert moved is None
    np.testing.assert_array_equal(codes, made.codes[0])


# --- types that change from block to block


@pytest.mark.parametrize(
    "first, then, match",
    [
        (["a"], [1], "whole numbers in this block of rows and text in those before"),
        (["a"], [1.5], "numbers with fractions in this block of rows and text"),
        ([1], ["a"], "text in this block of rows and whole numbers"),
        ([1.5], ["a"], "text in this block of rows and numbers with fractions"),
        ([1], [1.5], "numbers with fractions in this block of rows and whole numbers"),
        ([1], [2.0**60], "numbers with fractions in this block"),
        ([1], [NOON], "points in time in this block of rows and whole numbers"),
        ([NOON], [1], "whole numbers in this block of rows and points in time"),
        ([NOON], [1.0], "numbers with fractions in this block of rows and points"),
        ([1.5], [NOON], "points in time in this block of rows and numbers"),
    ],
)
def test_a_change_of_type_is_refused(first, then, match):
    made = numbered([first])
    with pytest.raises(SchemaError, match=f"column 'a' holds {match}.*Make it one"):
        made.add(raw_of("polars", then), len(then))
    assert made.found() == oracle(first) or isinstance(first[0], datetime)


def test_a_gap_makes_floats_of_whole_numbers():
    """As pandas has them, block by block."""
    made = numbered([[1, 2, 2]], "numpy", np.int64)
    made.add(raw_values(np.array([2.0, np.nan, 3.0]), "a"), 3)
    assert made.vocabulary.family == "whole" and not made.vocabulary.scale
    assert made.found() == ([(1, 1), (2, 3), (3, 1)], 1)


def test_infinities_are_missing_on_a_scale_whatever_the_blocks():
    rows = [np.inf, -np.inf, 1.5, 2.5, np.inf, -7.0]
    for sizes in ([], [2], [1, 1], [4, 1]):
        made = Numbered()
        for block in cut_up(rows, sizes):
            made.add(raw_values(np.array(block), "a"), len(block))
        assert made.found() == ([(-7.0, 1), (1.5, 1), (2.5, 1)], 3)
    made = numbered([rows], "numpy", float, categorical=True)
    assert [v for v, _ in made.found()[0]] == [-np.inf, -7.0, 1.5, 2.5, np.inf]


def test_fractions_after_a_block_without_any():
    """pandas' floats: that a few rows have no fractions is chance."""
    blocks = [[1.0, None, 2.0], [2.5, 1.0]]
    made = numbered(blocks, "pandas", "float64")
    whole = numbered([[1.0, None, 2.0, 2.5, 1.0]], "pandas", "float64")
    assert made.found() == whole.found()


def test_whole_numbers_after_fractions():
    made = numbered([[1.5, None], [2, 1, None]])
    assert made.vocabulary.family == "number"
    assert made.found() == ([(1.0, 1), (1.5, 1), (2.0, 1)], 2)


@pytest.mark.parametrize(
    "first, then",
    [
        ([True, False], [3, 1]),
        ([3, 1], [True]),
    ],
)
def test_booleans_and_whole_numbers_are_whole_numbers(first, then):
    made = numbered([first, then])
    assert made.found() == oracle([int(v) for v in first + then])
    assert made.vocabulary.dtype == "integer"


@pytest.mark.parametrize(
    "categorical, values, scale",
    [
        (None, [1, 2], False),
        (None, [True], False),
        (None, [0.5], True),
        (None, [NOON], True),
        (None, ["a"], False),
        (True, [0.5], False),
        (True, [NOON], False),
        (False, [1, 2], True),
        (False, ["a"], False),
    ],
)
def test_what_is_on_a_scale(categorical, values, scale):
    made = numbered([values], categorical=categorical)
    assert made.vocabulary.scale == scale
