"""Folders of files: partitions, parts whose types differ, parts without a byte."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from featurekit.data.scan import SourceError, read_frame, scan
from featurekit.exceptions import FeatureKitWarning, SchemaError

FORMATS = ["parquet", "csv", "tsv", "csv.gz"]


def write(path, frame):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        mark = "\t" if path.suffix == ".tsv" else ","
        text = frame.write_csv(separator=mark).encode()
        if path.suffix == ".gz":
            import gzip

            text = gzip.compress(text)
        path.write_bytes(text)
    return path


def part(*values):
    return pl.DataFrame({"a": values})


# --- partitions


@pytest.mark.parametrize("suffix", FORMATS)
def test_names_of_folders_are_columns(tmp_path, suffix):
    write(tmp_path / f"year=2023/shop=a%2Fb/x.{suffix}", part(1, 2))
    write(tmp_path / f"year=2024/shop=c/x.{suffix}", part(3))
    write(tmp_path / f"year=2024/shop=__HIVE_DEFAULT_PARTITION__/y.{suffix}", part(4))
    expected = {
        "a": [1, 2, 4, 3],
        "year": [2023, 2023, 2024, 2024],
        "shop": ["a/b", "a/b", None, "c"],
    }
    years = [tmp_path / f"year={year}" for year in (2023, 2024)]
    for source in (tmp_path, str(tmp_path / "*" / "*"), str(tmp_path / "y*"), years):
        rows = scan(source)
        assert read_frame(rows).to_dict(as_series=False) == expected
        assert [b.frame["shop"].to_list() for b in rows.blocks(["shop"], 1)] == [
            ["a/b"], ["a/b"], [None], ["c"],
        ]  # fmt: skip
    inside = read_frame(tmp_path / "year=2024")
    assert inside.columns == ["a", "shop"]
    assert read_frame(tmp_path / f"year=2024/shop=c/x.{suffix}").columns == ["a"]


def test_partitions_have_the_types_of_their_texts(tmp_path):
    names = {
        "day": ["2024-01-01", "2024-01-02"],
        "rate": ["0.5", "1"],
        "month": ["01", "12"],
        "id": ["1", "99999999999999999999"],
        "flag": ["true", "false"],
    }
    for i in range(2):
        folders = [f"{key}={values[i]}" for key, values in names.items()]
        write(tmp_path.joinpath(*folders, "x.parquet"), part(i))
    assert read_frame(tmp_path).rows() == [
        (0, date(2024, 1, 1), 0.5, 1, "1", True),
        (1, date(2024, 1, 2), 1.0, 12, "99999999999999999999", False),
    ]


def test_a_column_of_the_files_comes_before_the_name_of_the_folder(tmp_path):
    write(tmp_path / "a=1" / "x.parquet", part(5, 6))
    assert read_frame(tmp_path).to_dict(as_series=False) == {"a": [5, 6]}


def test_folders_of_other_keys_are_refused(tmp_path):
    write(tmp_path / "year=2024" / "x.parquet", part(1))
    write(tmp_path / "y.parquet", part(1))
    with pytest.raises(SchemaError, match=r"year=2024.* keys \['year'\].*y.parquet"):
        scan(tmp_path)


# --- parts of other types

DAY, TIME = date(2024, 1, 31), datetime(2024, 1, 31, 8, 30)
ZONED = TIME.replace(tzinfo=UTC)
LONG = 2**53 + 1

MIXED = {
    "ns and us": (
        pl.Series([TIME], dtype=pl.Datetime("ns")),
        pl.Series([TIME], dtype=pl.Datetime("us")),
        pl.Datetime("us"), [TIME, TIME],
    ),
    "ms and ns": (
        pl.Series([TIME], dtype=pl.Datetime("ms")),
        pl.Series([TIME], dtype=pl.Datetime("ns")),
        pl.Datetime("us"), [TIME, TIME],
    ),
    "day and time": (
        pl.Series([DAY]), pl.Series([TIME], dtype=pl.Datetime("ns")),
        pl.Datetime("us"), [datetime(2024, 1, 31), TIME],
    ),
    "two zones": (
        pl.Series([ZONED]).dt.convert_time_zone("Asia/Tokyo"), pl.Series([ZONED]),
        pl.Datetime("us", "UTC"), [ZONED, ZONED],
    ),
    "durations": (
        pl.Series([timedelta(1)], dtype=pl.Duration("ns")),
        pl.Series([timedelta(2)], dtype=pl.Duration("ms")),
        pl.Duration("us"), [timedelta(1), timedelta(2)],
    ),
    "bool and int": (pl.Series([True]), pl.Series([5]), pl.Int64, [1, 5]),
    "int8 and bool": (
        pl.Series([5], dtype=pl.Int8), pl.Series([False]), pl.Int8, [5, 0]
    ),
    "bool and float": (pl.Series([True]), pl.Series([0.5]), pl.Float64, [1.0, 0.5]),
    "signed and unsigned": (
        pl.Series([-1]), pl.Series([2**64 - 1], dtype=pl.UInt64),
        pl.Int128, [-1, 2**64 - 1],
    ),
    "ids, some as floats": (
        pl.Series([LONG]), pl.Series([5.0, None]), pl.Int64, [LONG, 5, None],
    ),
    "numbers, some as floats": (
        pl.Series([5]), pl.Series([7.0]), pl.Float64, [5.0, 7.0]
    ),
    "decimal and float": (
        pl.Series(["1.5"]).cast(pl.Decimal(5, 2)), pl.Series([2.5]),
        pl.Float64, [1.5, 2.5],
    ),
    "nothing and day": (pl.Series([None]), pl.Series([DAY]), pl.Date, [None, DAY]),
    "nothing twice": (pl.Series([None]), pl.Series([None]), pl.Null, [None, None]),
}  # fmt: skip


@pytest.mark.parametrize("left, right, dtype, values", MIXED.values(), ids=MIXED)
def test_parts_of_different_types(tmp_path, left, right, dtype, values):
    write(tmp_path / "0.parquet", pl.DataFrame({"a": left}))
    write(tmp_path / "1.parquet", pl.DataFrame({"a": right}))
    expected = pl.DataFrame({"a": pl.Series(values, dtype=dtype)})
    assert_frame_equal(read_frame(tmp_path), expected)
    files = [tmp_path / "1.parquet", tmp_path / "0.parquet"]
    assert sorted(map(str, read_frame(files)["a"])) == sorted(map(str, expected["a"]))
    assert read_frame(files).schema == expected.schema


REFUSED = {
    "ids and fractions": (pl.Series([LONG]), pl.Series([0.5])),
    "zone and none": (pl.Series([ZONED]), pl.Series([TIME])),
    "int and text": (pl.Series([1]), pl.Series(["1"])),
}


@pytest.mark.parametrize("left, right", REFUSED.values(), ids=REFUSED)
def test_parts_of_types_without_a_common_one(tmp_path, left, right):
    write(tmp_path / "0.parquet", pl.DataFrame({"a": left, "b": 1}))
    write(tmp_path / "1.parquet", pl.DataFrame({"a": right, "b": 2}))
    with pytest.raises(SchemaError, match="column 'a'"):
        scan(tmp_path)
    rows = scan(tmp_path, drop=["a"])
    assert (rows.names, rows.header) == (("b",), ("a", "b"))
    assert read_frame(rows)["b"].to_list() == [1, 2]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_columns_that_are_dropped_are_not_read(tmp_path, suffix):
    write(tmp_path / f"x.{suffix}", pl.DataFrame({"a": [1], "b": [2], "c": [3]}))
    rows = scan(tmp_path, drop=["b"])
    assert (rows.names, rows.header) == (("a", "c"), ("a", "b", "c"))
    assert read_frame(tmp_path, drop=["a", "c"]).columns == ["b"]
    with pytest.raises(SchemaError, match=r"no such columns: \['B'\].*did you mean"):
        scan(tmp_path, drop=["B"])


# --- parts without a byte


@pytest.mark.parametrize("suffix", [*FORMATS, "vw"])
def test_parts_of_no_bytes_are_passed_over_with_a_warning(tmp_path, suffix):
    if suffix == "vw":
        (tmp_path / "1.vw").write_text("1 |a x\n")
    else:
        write(tmp_path / f"1.{suffix}", part(1))
    for name in (f"0.{suffix}", f"2.{suffix}"):
        (tmp_path / name).touch()
    for name in ("_SUCCESS", "._SUCCESS.crc", f".1.{suffix}.crc"):
        (tmp_path / name).write_bytes(b"\x00")
    with pytest.warns(FeatureKitWarning, match="2 of 3 files are empty") as said:
        frame = read_frame(tmp_path)
    assert len(frame) == 1 and len(said) == 1
    (tmp_path / f"1.{suffix}").unlink()
    with pytest.raises(
        SourceError, match=r"and 1 more cannot be read: empty \(0 bytes\)"
    ):
        scan(tmp_path)
