"""Readings of text columns where the first rows and the later ones differ."""

import polars as pl
import pytest

from featurekit.data.inference import _FIRST, Inference

MANY = ["7"] * (_FIRST + 50)


@pytest.mark.parametrize("decimal", [".", ",", None])
@pytest.mark.parametrize(
    "texts, dtype",
    [
        (MANY, pl.Int64()),
        ([*MANY, "-3"], pl.Int64()),
        ([*MANY, str(2**63)], pl.UInt64()),
        (["-3", *MANY, str(2**63)], pl.String()),  # a float would round it
        ([*MANY, str(2**70)], pl.String()),
        ([*MANY, "1e30"], pl.Float64()),
        ([*MANY, "2024-05-01"], pl.String()),
        ([*MANY, "true"], pl.String()),
        ([*MANY, "x"], pl.String()),
        ([" ", *MANY, ""], pl.Int64()),
        ([""] * 300, pl.Float64()),
        ([""] * 300 + ["2024-05-01"], pl.Date()),
        ([""] * 300 + ["true", "False"], pl.Boolean()),
        ([""] * 300 + ["12:30"], pl.Time()),
        (["2024-05-01"] * 300 + ["2024-05-02"], pl.Date()),
        (["2024-05-01"] * 300 + ["7"], pl.String()),
    ],
)
def test_later_rows_count(texts, dtype, decimal):
    frame = pl.LazyFrame({"a": texts})
    found = Inference(["a"], decimal)
    assert found.add(frame) == len(texts)
    assert found.reading("a").dtype == dtype
    # the same in two parts, of which the first holds whole numbers alone
    half = Inference(["a"], decimal)
    half.add(frame.head(150))
    half.add(frame.slice(150))
    assert half.reading("a").dtype == dtype
    if dtype != pl.String():
        values = frame.select(found.reading("a").values("a")).collect()["a"]
        assert values.null_count() == sum(not text.strip() for text in texts)


@pytest.mark.parametrize(
    "last, decimal, dtype",
    [
        ("0,5", None, pl.Float64()),
        ("0,5", ",", pl.Float64()),
        ("0,5", ".", pl.String()),
        ("1,250", None, pl.String()),  # a thousand and some, or a fraction
        ("0.5", None, pl.Float64()),
        ("0.5", ".", pl.Float64()),
        ("0.5", ",", pl.String()),
    ],
)
def test_a_fraction_in_the_last_row(last, decimal, dtype):
    found = Inference(["a"], decimal)
    found.add(pl.LazyFrame({"a": [*MANY, last]}))
    assert found.reading("a").dtype == dtype


def test_columns_do_not_share_what_was_found():
    frame = pl.LazyFrame({"a": MANY, "b": [*MANY[:-1], "0.5"], "c": ["x", *MANY[1:]]})
    found = Inference(["a", "b", "c"])
    found.add(frame)
    dtypes = [found.reading(name).dtype for name in "abc"]
    assert dtypes == [pl.Int64(), pl.Float64(), pl.String()]


def test_without_columns_rows_are_counted():
    assert Inference([]).add(pl.LazyFrame({"a": ["1", "2"]})) == 2
