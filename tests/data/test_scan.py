"""Blocks of files: the same rows from every format, none lost, and clear refusals."""

from __future__ import annotations

import csv
import gzip
import json
import random
import subprocess
import sys
from datetime import date
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from featurekit.data.scan import (
    MISSING,
    SourceError,
    UnsettledTypesError,
    is_source,
    scan,
)
from featurekit.exceptions import SchemaError

ROWS = 25
FRAME = pl.DataFrame(
    {
        "number": [None if i % 7 == 3 else i - 5 for i in range(ROWS)],
        "real": [None if i % 5 == 1 else i / 7 for i in range(ROWS)],
        "word": [None if i % 4 == 2 else f'v {i % 3}, "é"' for i in range(ROWS)],
        "flag": [None if i % 6 == 5 else i % 2 == 0 for i in range(ROWS)],
    }
)
FORMATS = ["parquet", "pq", *(f"{t}{c}" for t in ("csv", "tsv") for c in ("", ".gz"))]
FORMATS += ["csv.zst", "tsv.zst"]
MAP = "vw_namespace_map.csv"


def compressed(text, suffix):
    data = text.encode()
    if suffix.endswith(".gz"):
        return gzip.compress(data)
    if suffix.endswith(".zst"):
        return pa.compress(data, codec="zstd", asbytes=True)
    return data


def write(path, frame=FRAME, **options):
    """A file in the format of its name."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".parquet", ".pq"):
        frame.write_parquet(path, **options)
    else:
        separator = "\t" if ".tsv" in path.name else ","
        text = frame.write_csv(separator=separator)
        path.write_bytes(compressed(text, path.name))
    return path


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(compressed(text, path.name))
    return path


def read(rows, columns=None, n_rows=2**18):
    """All blocks as one frame; each is checked against the schema."""
    wanted = list(rows.names if columns is None else columns)
    frames = []
    for frame, source in rows.blocks(columns, n_rows):
        assert frame.schema == {name: rows.schema[name] for name in wanted}
        assert frame.columns == wanted and 0 < len(frame) <= n_rows
        assert source in ({str(file) for file in rows.files} or {""})
        frames.append(frame)
    return pl.concat(frames)


# --- the same rows whatever the format, the source and the block


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("n_rows", [1, 3, 25, 1000])
def test_every_format_gives_the_rows(tmp_path, suffix, n_rows):
    file = write(tmp_path / f"x.{suffix}")
    rows = scan(file)
    assert rows.names == tuple(FRAME.columns)
    assert rows.schema == FRAME.schema
    assert rows.files == (file,)
    assert rows.n_rows == (ROWS if suffix in ("parquet", "pq") else None)
    assert_frame_equal(read(rows, n_rows=n_rows), FRAME)
    assert_frame_equal(read(rows, n_rows=n_rows), FRAME)  # again from the start


def lists(folder):
    return [folder / "a.csv", str(folder / "b.csv"), folder / "c" / "d.csv"]


SOURCES = {
    "folder": lambda folder: folder,
    "text": str,
    "files": lists,
    "tuple": lambda folder: tuple(lists(folder)),
    "pattern": lambda folder: str(folder / "**" / "*.csv"),
    "mixture": lambda folder: [str(folder / "?.csv"), folder / "c"],
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("n_rows", [1, 4, 1000])
def test_files_of_a_source_follow_each_other(tmp_path, source, n_rows):
    parts = {"b.csv": FRAME[7:8], "a.csv": FRAME[:7], "c/d.csv": FRAME[8:]}
    for name, part in parts.items():
        write(tmp_path / name, part)
    rows = scan(source(tmp_path))
    files = [str(tmp_path / name) for name in ("a.csv", "b.csv", "c/d.csv")]
    assert [str(file) for file in rows.files] == files
    assert_frame_equal(read(rows, n_rows=n_rows), FRAME)
    blocks = list(rows.blocks(n_rows=n_rows))
    assert list(dict.fromkeys(block.source for block in blocks)) == files
    for file, n in zip(files, (7, 1, 17), strict=True):
        sizes = [len(block.frame) for block in blocks if block.source == file]
        assert sizes[:-1] == [n_rows] * (len(sizes) - 1) and sum(sizes) == n


def test_a_list_keeps_its_order(tmp_path):
    files = [write(tmp_path / "b.csv", FRAME[:5]), write(tmp_path / "a.csv", FRAME[5:])]
    assert_frame_equal(read(scan(files)), FRAME)


def test_what_a_folder_holds_besides_is_passed_over(tmp_path):
    write(tmp_path / "2024" / "folder.parquet" / "x.parquet")
    for name in ("_SUCCESS", ".x.parquet.crc", ".y.csv", "_tmp/z.csv", ".git/z.csv"):
        write_text(tmp_path / name, "no\n1\n")
    (tmp_path / "notes.txt").write_text("no")
    for source in (tmp_path, str(tmp_path / "*")):
        rows = scan(source)
        assert rows.names == tuple(FRAME.columns)
        assert_frame_equal(read(rows), FRAME)


def test_names_with_the_signs_of_a_pattern_are_found(tmp_path):
    for name in ("a[1].csv", "b[0-9]*.parquet"):
        assert_frame_equal(read(scan(write(tmp_path / name))), FRAME)


@pytest.mark.parametrize("n_rows", [1, 4, 1000])
def test_a_lazy_frame_is_a_source(n_rows):
    rows = scan(FRAME.lazy().filter(pl.col("number") > 0))
    assert rows.schema == FRAME.schema
    assert (rows.files, rows.n_rows) == ((), None)
    assert_frame_equal(read(rows, n_rows=n_rows), FRAME.filter(pl.col("number") > 0))
    assert rows.settle() is rows


@pytest.mark.parametrize("suffix", ["parquet", "csv", "csv.gz"])
def test_many_rows_keep_their_order(tmp_path, suffix):
    n = 60_000
    frame = pl.DataFrame({"i": range(n), "s": [f"v{i * 7919 % n}" for i in range(n)]})
    options = {"row_group_size": 5000} if suffix == "parquet" else {}
    rows = scan(write(tmp_path / f"x.{suffix}", frame, **options))
    for n_rows in (4097, 10**9):
        assert_frame_equal(read(rows, n_rows=n_rows), frame)
    assert_frame_equal(read(rows, ["s"], 777), frame.select("s"))


def test_compressed_files_of_several_members_are_read_to_the_end(tmp_path):
    text = FRAME.write_csv()
    for suffix in ("csv.gz", "csv.zst"):
        file = tmp_path / f"x.{suffix}"
        halves = [compressed(part, suffix) for part in (text[:150], text[150:])]
        file.write_bytes(b"".join(halves))
        assert_frame_equal(read(scan(file)), FRAME)


def test_an_iterator_may_be_left(tmp_path):
    rows = scan(write(tmp_path / "x.csv"))
    next(iter(rows.blocks(n_rows=1)))
    first, second = rows.blocks(n_rows=9), rows.blocks(n_rows=9)
    for a, b in zip(first, second, strict=True):
        assert_frame_equal(a.frame, b.frame)


def test_sources_are_told_from_tables():
    for X in ("a", Path("a"), ["a", Path("b")], ("a",), FRAME.lazy()):
        assert is_source(X)
    for X in (FRAME, FRAME.to_pandas(), {"a": [1]}, [[1]], [], ["a", 1], None, b"a"):
        assert not is_source(X)
    with pytest.raises(TypeError, match=r"a path, a list of paths.*got DataFrame"):
        scan(FRAME)


# --- projection


@pytest.mark.parametrize("suffix", ["parquet", "csv.gz", "tsv"])
@pytest.mark.parametrize("columns", [["word"], ["flag", "number"], FRAME.columns[::-1]])
def test_columns_come_in_the_order_asked_for(tmp_path, suffix, columns):
    rows = scan(write(tmp_path / f"x.{suffix}"))
    assert_frame_equal(read(rows, columns, 4), FRAME.select(columns))


def test_columns_not_asked_for_are_not_read(tmp_path):
    text = "a,b\n" + "1,1\n" * 10_500 + "1,x\n"
    rows = scan(write_text(tmp_path / "x.csv", text))
    assert read(rows, ["a"])["a"].sum() == 10_501
    with pytest.raises(UnsettledTypesError):
        read(rows, ["b"])


@pytest.mark.parametrize(
    "columns, n_rows, error, says",
    [
        (["numbr", "zz"], 1, SchemaError, r"\['numbr', 'zz'\]. 'numbr': .*'number'"),
        (["real", "real"], 1, SchemaError, r"columns: .*more than once: \['real'\]"),
        ([], 1, ValueError, "at least one column and one row"),
        (None, 0, ValueError, "at least one column and one row"),
    ],
)
def test_blocks_refuse_at_once(tmp_path, columns, n_rows, error, says):
    rows = scan(write(tmp_path / "x.csv"))
    with pytest.raises(error, match=says):
        rows.blocks(columns, n_rows)


# --- types of text

TYPES = [
    (["1", "-2", "+3", "007"], pl.Int64, [1, -2, 3, 7]),
    ([" 1", "2 ", '"3"', "NA"], pl.Int64, [1, 2, 3, None]),
    (["9223372036854775808", "1", "2", "3"], pl.UInt64, [2**63, 1, 2, 3]),
    (["9223372036854775808", "-1", "2"], pl.String, ["9223372036854775808", "-1", "2"]),
    (["1", "2.5", "1e3", "inf"], pl.Float64, [1, 2.5, 1000, float("inf")]),
    (["true", "False", "", "TRUE"], pl.Boolean, [True, False, None, True]),
    (["true", "1", "false", "0"], pl.String, ["true", "1", "false", "0"]),
    (["1", "2", "x", " y "], pl.String, ["1", "2", "x", " y "]),
    (["2024-01-31", "null", "None", "N/A"], pl.Date, [date(2024, 1, 31), *[None] * 3]),
    (["", "NA", "nan", '""'], pl.Float64, [None] * 4),
    (["1_000", "0x1", "1,5", "1"], pl.String, ["1_000", "0x1", "1,5", "1"]),
]


@pytest.mark.parametrize("texts, dtype, values", TYPES, ids=[str(t[0]) for t in TYPES])
def test_the_type_is_the_first_that_loses_nothing(tmp_path, texts, dtype, values):
    text = "a\tb\n" + "".join(f"{t}\t{i}\n" for i, t in enumerate(texts))
    rows = scan(write_text(tmp_path / "x.tsv", text))
    assert rows.schema == {"a": dtype, "b": pl.Int64}
    assert read(rows)["a"].to_list() == values


@pytest.mark.parametrize("suffix", ["csv", "tsv.gz"])
def test_types_agree_with_pandas(tmp_path, suffix):
    rng = random.Random(3)
    pool = [*"12345678", "1.5", "-2", "1e-3", "NA", "n/a", "<NA>", "", "NULL", "-nan"]
    words = [*pool, "x", "true", "9" * 19]
    columns = {
        f"c{j}": [rng.choice(pool if j < 5 else words) for _ in range(200)]
        for j in range(8)
    }
    file = tmp_path / f"x.{suffix}"
    separator = "\t" if "tsv" in suffix else ","
    table = pd.DataFrame(columns)
    table.to_csv(file, sep=separator, index=False)
    ours = read(scan(file))
    theirs = pd.read_csv(file, sep=separator, low_memory=False)
    for name in columns:
        expected = pl.from_pandas(theirs[name])
        assert ours[name].to_list() == expected.cast(ours[name].dtype).to_list()
        assert ours[name].dtype.is_numeric() == expected.dtype.is_numeric()


def test_the_texts_for_missing_can_be_chosen(tmp_path):
    file = write_text(tmp_path / "x.csv", "a,b\n?,NA\n1,\n")
    rows = scan(file, missing=["?"])
    assert rows.schema == {"a": pl.Int64, "b": pl.String}
    assert read(rows).rows() == [(None, "NA"), (1, "")]
    assert scan(file).schema == {"a": pl.String, "b": pl.Float64}
    assert {"", "NA", "NaN", "null"} <= set(MISSING)


LATE = {
    "text": ("1", "x", pl.Int64, pl.String),
    "real": ("1", "1.5", pl.Int64, pl.Float64),
    "big": ("1", "9223372036854775808", pl.Int64, pl.UInt64),
    "word": ("true", "maybe", pl.Boolean, pl.String),
    "number": ("true", "0", pl.Boolean, pl.String),
    "unreal": ("1.5", "1,5", pl.Float64, pl.String),
}


@pytest.mark.parametrize("usual, late, before, after", LATE.values(), ids=LATE)
@pytest.mark.parametrize("apart", [True, False], ids=["two files", "one file"])
@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_a_late_value_unsettles_the_types(
    tmp_path, usual, late, before, after, apart, suffix
):
    head, tail = [usual] * 10_000, [usual, late, usual]
    for i, values in enumerate((head, tail) if apart else (head + tail,)):
        write(tmp_path / f"{i}.{suffix}", pl.DataFrame({"i": 1, "a": values}))
    rows = scan(tmp_path)
    assert rows.schema == {"i": pl.Int64, "a": before}
    with pytest.raises(UnsettledTypesError) as caught:
        read(rows, n_rows=1000)
    said = str(caught.value)
    for part in (str(rows.files[-1]), "'a'", str(before()), f'"{late}"', "settle()"):
        assert part in said
    assert "\n" not in said
    settled = rows.settle()
    assert settled.schema == {"i": pl.Int64, "a": after}
    assert settled.settle() is settled
    values = read(settled, n_rows=1000)["a"]
    expected = pl.Series("a", head + tail)
    if after != pl.String:
        expected = expected.cast(after)
    assert values.to_list() == expected.to_list()


def test_types_come_from_the_first_rows_of_as_many_files_as_it_takes(tmp_path):
    for i, late in enumerate(("1", "1.5", "x")):
        text = "a\n" + "1\n" * 5_999 + f"{late}\n"
        write_text(tmp_path / f"{i}.csv", text)
    rows = scan(tmp_path)
    assert rows.schema == {"a": pl.Int64}  # of 6000 and 4000 rows
    assert rows.settle().schema == {"a": pl.String}
    (tmp_path / "2.csv").unlink()
    assert scan(tmp_path).settle().schema == {"a": pl.Float64}


def test_settled_types_do_not_depend_on_the_order_of_the_rows(tmp_path):
    rng = random.Random(0)
    columns = {
        "whole": ["1", "2", '"3"', ""],
        "real": ["1", "2", "3.5"],
        "text": ["1", "2.5", "x", "true"],
        "flag": ["true", "FALSE", "NA"],
        "none": ["", "NA"],
        "huge": ["1", "18446744073709551615"],
    }
    table = [[rng.choice(values) for values in columns.values()] for _ in range(60)]
    seen = set()
    for turn in range(5):
        rng.shuffle(table)
        lines = [",".join(row) for row in [list(columns), *table]]
        # the sample is of the first file: this one is larger
        common = [",".join(["1"] * 3 + ["true", "", "1"])] * 10_000
        text = "\n".join([lines[0], *common[: 10_000 * (turn % 2)], *lines[1:]])
        rows = scan(write_text(tmp_path / "x.csv", text)).settle()
        seen.add(tuple(map(str, rows.schema.values())))
    assert seen == {("Int64", "Float64", "String", "Boolean", "Float64", "UInt64")}


def test_a_column_empty_in_the_sample_is_settled_at_once(tmp_path):
    text = "a,b\n" + "1,\n" * 10_001 + "x,2.5\n"
    rows = scan(write_text(tmp_path / "x.csv", text))
    assert rows.schema == {"a": pl.String, "b": pl.Float64}
    assert rows.settle() is rows
    assert read(rows).row(-1) == ("x", 2.5)


def test_a_file_that_changed_does_not_ask_to_settle_again(tmp_path):
    file = write_text(tmp_path / "x.csv", "a\n1\n")
    rows = scan(file)
    assert rows.settle() is rows
    write_text(file, "a\nx\n")
    with pytest.raises(
        SchemaError, match=r"'a' is Int64.*\[\"x\"\].*changed"
    ) as caught:
        read(rows)
    assert not isinstance(caught.value, UnsettledTypesError)


def test_quotes_line_ends_and_odd_headers(tmp_path):
    rng = random.Random(0)
    words = ["".join(rng.choices('ab,\n"', k=rng.randrange(12))) for _ in range(3000)]
    file = tmp_path / "x.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["a,b", 'say "c"', ""])
        writer.writerows([i, word, "x"] for i, word in enumerate(words))
    rows = scan(file, missing=[])
    assert rows.names == ("a,b", 'say "c"', "")
    for n_rows in (7, 5000):
        assert read(rows, n_rows=n_rows)['say "c"'].to_list() == words
    windows = tmp_path / "w.csv"
    windows.write_bytes(b"\xef\xbb\xbfa,b\r\n1,x\r\n2,y")
    assert read(scan(windows)).to_dict(as_series=False) == {
        "a": [1, 2],
        "b": ["x", "y"],
    }


# --- types given beside the data


def describe(folder, **types):
    features = [{"name": name, "type": kind} for name, kind in types.items()]
    path = folder / "dataset_desc.json"
    path.write_text(json.dumps({"data_features": features}))
    return path


def test_a_description_gives_the_types(tmp_path):
    file = write_text(tmp_path / "data.csv", "a,b,c,d\n1,1,NA,1\n2,02,2,2\n")
    describe(tmp_path, a="float32", b="str", c="Float")
    for source in (tmp_path, file):
        rows = scan(source)
        types = {"a": pl.Float64, "b": pl.String, "c": pl.Float64, "d": pl.Int64}
        assert rows.schema == types
        assert read(rows).rows() == [(1.0, "1", None, 1), (2.0, "02", 2.0, 2)]


def test_a_description_that_is_wrong_is_refused(tmp_path):
    file = write_text(tmp_path / "data.csv", "a\nx\n")
    path = describe(tmp_path, a="float")
    with pytest.raises(SchemaError, match=r"'a' is Float64 in dataset_d.*\"x\"") as e:
        read(scan(file))
    assert not isinstance(e.value, UnsettledTypesError)
    assert "correct one of them" in str(e.value)
    write_text(file, "a\n" + "1\n" * 10_001 + "x\n")  # nor is it settled by later rows
    with pytest.raises(SchemaError, match="correct one of them") as e:
        read(scan(file))
    assert not isinstance(e.value, UnsettledTypesError)
    describe(tmp_path, b="float")
    with pytest.raises(SchemaError, match=r"lacks columns of dataset_desc.*\['b'\]"):
        scan(tmp_path)
    for text in ("{", "[]", '{"data_features": [1]}', '{"data_features": [{}]}'):
        path.write_text(text)
        with pytest.raises(SourceError, match="dataset_desc.json is not of the form"):
            scan(tmp_path)


def test_descriptions_of_two_folders_agree(tmp_path):
    for folder, kind in (("a", "float"), ("b", "str")):
        write_text(tmp_path / folder / "data.csv", "a\n1\n")
        describe(tmp_path / folder, a=kind)
    with pytest.raises(
        SchemaError, match=r"b/data\S+ and .*a/data\S+ do not say the same"
    ):
        scan(tmp_path)
    describe(tmp_path / "b", a="float")
    assert read(scan(tmp_path)).rows() == [(1.0,), (1.0,)]


# --- columns of several files


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_columns_of_another_order_are_put_in_order(tmp_path, suffix):
    write(tmp_path / f"a.{suffix}", FRAME[:9])
    write(tmp_path / f"b.{suffix}", FRAME[9:].select(FRAME.columns[::-1]))
    assert_frame_equal(read(scan(tmp_path), n_rows=4), FRAME)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize(
    "second, says",
    [
        (FRAME.drop("real", "flag"), r"lacks \['real', 'flag'\] and has \[\]"),
        (FRAME.with_columns(late=1), r"lacks \[\] and has \['late'\]"),
        (FRAME.rename({"real": "Real"}), r"lacks \['real'\] and has \['Real'\]"),
    ],
)
def test_files_of_other_columns_are_refused(tmp_path, suffix, second, says):
    first = write(tmp_path / f"a.{suffix}")
    last = write(tmp_path / f"b.{suffix}", second)
    with pytest.raises(SchemaError, match=says) as caught:
        scan(tmp_path)
    assert str(first) in str(caught.value) and str(last) in str(caught.value)


WIDER = [
    (pl.Int32, pl.Int64, pl.Int64),
    (pl.Int64, pl.Int8, pl.Int64),
    (pl.Int8, pl.UInt8, pl.Int16),
    (pl.Int64, pl.Float64, pl.Float64),
    (pl.Float32, pl.Int8, pl.Float64),
    (pl.Float32, pl.Float64, pl.Float64),
    (pl.Categorical, pl.String, pl.String),
    (pl.String, pl.Enum(["1", "2"]), pl.String),
    (pl.Enum(["1"]), pl.Enum(["2", "1"]), pl.String),
    (pl.Null, pl.Int8, pl.Int8),
    (pl.String, pl.Null, pl.String),
]


@pytest.mark.parametrize("left, right, both", WIDER)
def test_types_of_one_kind_are_widened(tmp_path, left, right, both):
    def part(dtype):
        values = pl.Series("a", ["1", None])
        if dtype == pl.Null:
            return pl.DataFrame({"a": [None, None]})
        through = values if dtype in (pl.Enum, pl.Categorical) else values.cast(pl.Int8)
        return pl.DataFrame({"a": through.cast(dtype)})

    write(tmp_path / "a.parquet", part(left))
    write(tmp_path / "b.parquet", part(right))
    rows = scan(tmp_path)
    assert rows.schema == {"a": both}
    expected = pl.concat([part(left).cast(both), part(right).cast(both)])
    assert_frame_equal(read(rows), expected)


@pytest.mark.parametrize(
    "left, right",
    [
        (pl.Series([1]), pl.Series(["1"])),
        (pl.Series([True]), pl.Series(["true"])),
        (pl.Series([date(2024, 1, 1)]), pl.Series(["2024-01-01"])),
    ],
)
def test_types_of_different_kinds_are_refused(tmp_path, left, right):
    write(tmp_path / "a.parquet", pl.DataFrame({"k": left}))
    write(tmp_path / "b.parquet", pl.DataFrame({"k": right}))
    says = rf"b.parquet: column 'k' is {right.dtype}, but {left.dtype} in .*a.parquet"
    with pytest.raises(SchemaError, match=says):
        scan(tmp_path)


def test_types_of_arrow_are_kept(tmp_path):
    table = pa.table(
        {
            "day": pa.array([date(2024, 1, 1), None]),
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "small": pa.array([1, 2], pa.int8()),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    rows = scan(tmp_path)
    assert rows.schema["day"] == pl.Date and rows.schema["small"] == pl.Int8
    assert read(rows)["kind"].cast(pl.String).to_list() == ["x", "y"]


def test_names_that_occur_twice_are_refused(tmp_path):
    file = write_text(tmp_path / "x.csv", "a,b,a,a_duplicated_0\n1,2,3,4\n")
    with pytest.raises(SchemaError, match=r"x.csv: .*more than once: \['a'\]"):
        scan(file)
    table = pa.Table.from_arrays([pa.array([1])] * 2, names=["a", "a"])
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(SchemaError, match="x.parquet: .*'a'.*more than one"):
        scan(tmp_path / "x.parquet")


# --- nothing to read


@pytest.mark.parametrize(
    "files, source, error, says",
    [
        ([], "x.csv", FileNotFoundError, r"x\.csv: no such file or folder"),
        ([], "*.csv", FileNotFoundError, r"\*\.csv: no such .* no match"),
        ([], "", SourceError, r"no data in \[\]. Files read are \.parquet"),
        (["_x.csv", MAP], "", SourceError, r"no data in"),
        (["a.json"], "a.json", SourceError, r"\['a.json'\].*\.csv, \.tsv, \.vw"),
        (["a.parquet.gz"], "*.gz", SourceError, r"\['a.parquet.gz'\].*Files read are"),
        (
            ["a.csv", "b.tsv"],
            "",
            SourceError,
            r"csv \(.*a.csv\).*tsv \(.*b.tsv\)|tsv.*",
        ),
        (["a.csv", "c/b.parquet"], "", SourceError, "of one format, found"),
        ([MAP, "a.vw", "b.csv"], "", SourceError, "csv .*vw|vw .*csv"),
    ],
)
def test_sources_without_data_are_refused(tmp_path, files, source, error, says):
    for name in files:
        write_text(tmp_path / name, "a\n1\n")
    with pytest.raises(error, match=says):
        scan(str(tmp_path / source))


@pytest.mark.parametrize("files", [[], ["a.csv", "a.csv"], ["a.csv", "*.csv"]])
def test_lists_of_nothing_or_of_one_file_twice_are_refused(tmp_path, files):
    write(tmp_path / "a.csv")
    with pytest.raises(SourceError, match="no files, or one of them more than once"):
        scan([tmp_path / name for name in files])


@pytest.mark.parametrize("suffix", ["parquet", "csv", "csv.gz"])
def test_files_without_rows_count_together(tmp_path, suffix):
    write(tmp_path / f"a.{suffix}", FRAME[:0])
    write(tmp_path / f"b.{suffix}", FRAME[:0])
    with pytest.raises(SourceError, match="no rows in .* and 1 more"):
        scan(tmp_path)
    write(tmp_path / f"c.{suffix}", FRAME)
    assert_frame_equal(read(scan(tmp_path)), FRAME)


def test_a_lazy_frame_without_rows_or_columns_is_refused():
    with pytest.raises(SourceError, match="no rows"):
        read(scan(FRAME.lazy().filter(pl.lit(False))))
    with pytest.raises(ValueError, match="at least one column"):
        scan(pl.LazyFrame()).blocks()
    with pytest.raises(SourceError, match="the LazyFrame cannot be read: .*absent"):
        scan(FRAME.lazy().select("absent"))
    with pytest.raises(SourceError, match="the LazyFrame cannot be read: conversion"):
        read(scan(FRAME.lazy().select(pl.col("word").cast(pl.Int64))))


# --- damage


def cut(data, part):
    return data[: int(len(data) * part)]


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


DAMAGE = {
    "half": lambda data: cut(data, 0.5),
    "most": lambda data: cut(data, 0.99),
    "end": lambda data: data[:-4],
    "sum": lambda data: flip(data, len(data) - 6),
    "more": lambda data: data + b"more",
}


@pytest.mark.parametrize(
    "suffix, damage",
    [
        (suffix, damage)
        for suffix in ("csv.gz", "csv.zst", "vw.gz", "vw.zst")
        for damage in DAMAGE
        if (suffix[-3:], damage) != ("zst", "sum")  # Arrow writes none
    ],
)
def test_damaged_archives_end_in_an_error(tmp_path, suffix, damage):
    rng = random.Random(0)
    if suffix.startswith("csv"):
        text = "a,b\n" + "".join(f"{rng.random()},x\n" for _ in range(40_000))
    else:
        text = "".join(f"1 |A {rng.random()}\n" for _ in range(40_000))
    data = compressed(text, suffix)
    write_text(tmp_path / f"a.{suffix}", text)
    bad = tmp_path / f"b.{suffix}"
    bad.write_bytes(DAMAGE[damage](data))
    write_text(tmp_path / f"c.{suffix}", text)
    seen = []
    blocks = iter(())
    with pytest.raises(SourceError, match=rf"b.{suffix} cannot be read: \w+"):
        blocks = scan(tmp_path).blocks(n_rows=1000)
        seen.extend(block.source for block in blocks)
    assert str(bad) not in seen or seen.count(str(bad)) < 40
    assert not any("c." in source for source in seen)
    assert next(blocks, None) is None


@pytest.mark.parametrize("damage", ["half", "end"])
def test_damaged_parquet_is_refused(tmp_path, damage):
    file = write(tmp_path / "x.parquet")
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with pytest.raises(SourceError, match="x.parquet cannot be read"):
        scan(file)


def test_parquet_with_damaged_rows_ends_in_an_error(tmp_path):
    file = tmp_path / "x.parquet"
    pl.DataFrame({"a": [f"v{i}" for i in range(5000)]}).write_parquet(
        file, row_group_size=1000, compression="snappy"
    )
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = b"\xff" * 3000
    file.write_bytes(data)
    rows = scan(file)
    assert rows.n_rows == 5000
    with pytest.raises(SourceError, match="x.parquet cannot be read"):
        read(rows, n_rows=100)


@pytest.mark.parametrize(
    "data, says",
    [
        (b"", "empty"),
        (b"a,b\n1,2\n1,2,3\n", "line 3 has 3 fields, the header 2"),
        (b'a,b\n1,"x\n2,y\n', "x.csv"),
    ],
)
def test_text_that_is_no_csv_is_refused(tmp_path, data, says):
    file = tmp_path / "x.csv"
    file.write_bytes(data)
    with pytest.raises(SourceError, match=f"x.csv.*{says}|{says}"):
        read(scan(file))


def test_a_file_that_is_gone_is_said_to_be_gone(tmp_path):
    file = write(tmp_path / "x.csv")
    rows = scan(file)
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"x\.csv"):
        read(rows)


# --- Vowpal Wabbit


VW = """\
1 |A v1 v2 |B w1
-1 |B w2 |C 0.5
 |A v3 |B |C 2

0 0.3 tag|A:2.0 x:1 y\t z  |Aa q
  -1 'tag |C -1 |A one |A two|A three
1
"""
NAMES = "A,first\nB,second\nC,number,f32\n"
PARSED = pl.DataFrame(
    {
        "label": [1, -1, None, 0, -1, 1],
        "first": ["v1-v2", None, "v3", "x:1-y-z", "one-two-three", None],
        "second": ["w1", "w2", None, None, None, None],
        "number": [None, 0.5, 2.0, None, -1.0, None],
        "Aa": [None, None, None, "q", None, None],
    }
)


@pytest.mark.parametrize("suffix", ["vw", "vw.gz", "vw.zst"])
@pytest.mark.parametrize("n_rows", [1, 2, 100])
def test_namespaces_become_columns(tmp_path, suffix, n_rows):
    write_text(tmp_path / f"data.{suffix}", VW)
    (tmp_path / MAP).write_text(NAMES)
    for source in (tmp_path, tmp_path / f"data.{suffix}", str(tmp_path / "*")):
        rows = scan(source)
        assert rows.schema == PARSED.schema
        assert rows.n_rows is None
        assert_frame_equal(read(rows, n_rows=n_rows), PARSED)
        columns = ["number", "first"]
        assert_frame_equal(read(rows, columns, n_rows), PARSED.select(columns))


def test_without_a_map_namespaces_keep_their_names(tmp_path):
    text = VW.replace("\n", "\r\n") + "2 |d.d+ a |(e b| c d"
    rows = scan(write_text(tmp_path / "data.vw", text))
    assert rows.names == ("label", "", "(e", "A", "Aa", "B", "C", "d.d+")
    assert rows.schema["C"] == pl.String
    found = read(rows)
    assert found.row(-1) == (2, "c-d", "b", None, None, None, None, "a")
    assert found["A"].to_list()[:-1] == PARSED["first"].to_list()


def slow_vw(text):
    """Line by line in plain Python: the label and the tokens of each namespace."""
    for line in text.split("\n"):
        if line.strip():
            label, *parts = line.split("|")
            row = {"label": label.split()[0] if label.strip() else None}
            for part in parts:
                name, *tokens = part.split(" ")
                row.setdefault(name.split(":")[0], []).extend(filter(None, tokens))
            yield row


def test_random_lines_agree_with_plain_python(tmp_path):
    rng = random.Random(1)

    def namespace():
        tokens = [
            f"{rng.choice('ABxé')}^{rng.randrange(99)}"
            for _ in range(rng.choice([0, 1, 1, 3]))
        ]
        gap = rng.choice(["", " "]) if not tokens else " "
        name = rng.choice(["A", "B", "AB", "A:0.5", "AB:2"])
        return f"|{name}{gap}{' '.join(tokens)}{rng.choice(['', ' '])}"

    lines = [
        f"{rng.choice(['1', '-1', '0.5', ''])} "
        + "".join(namespace() for _ in range(rng.randrange(5)))
        for _ in range(3000)
    ]
    text = "\n".join(lines)
    found = read(scan(write_text(tmp_path / "x.vw.gz", text)), n_rows=100)
    expected = list(slow_vw(text))
    assert len(found) == len(expected)
    for row, slow in zip(found.iter_rows(named=True), expected, strict=True):
        label = slow.pop("label")
        assert row.pop("label") == (None if label is None else float(label))
        tokens = {name: "-".join(slow.get(name, [])) or None for name in row}
        assert row == tokens


def test_a_late_namespace_unsettles_the_columns(tmp_path):
    lines = ["1 |A v |B w"] * 10_001
    write_text(tmp_path / "a.vw", "\n".join(lines))
    write_text(tmp_path / "b.vw", "\n".join([*lines, "x |Z late |A v"]))
    (tmp_path / MAP).write_text(NAMES)
    rows = scan(tmp_path)
    assert rows.schema["label"] == pl.Int64 and "Z" not in rows.names
    for columns, says in (
        (["first"], r"b\.vw: namespaces \['Z'\] are neither in .*settle\(\)"),
        (["label"], r"b\.vw: .*settle\(\)"),
    ):
        with pytest.raises(UnsettledTypesError, match=says):
            read(rows, columns)
    settled = rows.settle()
    assert settled.names == (*rows.names, "Z")
    assert settled.schema["label"] == pl.String
    found = read(settled, n_rows=1000)
    assert len(found) == 20_003
    assert found.row(-1) == ("x", "v", None, None, "late")


def test_a_label_that_comes_late_settles_at_once(tmp_path):
    text = " |A v\n" * 10_001 + "3.5 |Z v\n"
    rows = scan(write_text(tmp_path / "x.vw", text))
    assert rows.schema == {"label": pl.Float64, "A": pl.String, "Z": pl.String}
    assert read(rows).row(-1) == (3.5, None, "v")


@pytest.mark.parametrize(
    "names, error, says",
    [
        ("A\n", SourceError, "vw_namespace_map.csv: lines are of the form id,name"),
        ("A,a,f64\n", SourceError, "id,name or id,name,f32"),
        ("A,a\nA,b\n", SchemaError, r"vw_namespace_map.csv: .*once: \['A'\]"),
        ("A,a\nB,a\n", SchemaError, r"namespaces of .*more than once: \['a'\]"),
        ("A,label\n", SchemaError, r"more than once: \['label'\]"),
        ("A,Aa\n", SchemaError, r"more than once: \['Aa'\]"),
        ("B,b,f32\n", SchemaError, r"'b' is Float64 in vw_name.*\"w1\""),
    ],
)
def test_maps_that_are_wrong_are_refused(tmp_path, names, error, says):
    write_text(tmp_path / "x.vw", VW)
    (tmp_path / MAP).write_text(names)
    with pytest.raises(error, match=says) as caught:
        read(scan(tmp_path))
    assert not isinstance(caught.value, UnsettledTypesError)


def test_a_vw_file_without_lines_is_refused(tmp_path):
    for text, says in (
        ("", "x.vw cannot be read: empty"),
        ("\n \n", "no rows in .*x.vw"),
    ):
        write_text(tmp_path / "x.vw", text)
        with pytest.raises(SourceError, match=says):
            scan(tmp_path)


def test_a_vw_file_that_changed_does_not_ask_to_settle_again(tmp_path):
    file = write_text(tmp_path / "x.vw", VW)
    rows = scan(file)
    write_text(file, VW + "1 |New v\n")
    with pytest.raises(SchemaError, match=r"\['New'\].*has changed") as caught:
        read(rows)
    assert not isinstance(caught.value, UnsettledTypesError)


def test_polars_is_loaded_on_first_use():
    code = (
        "import sys, featurekit.data.scan as s\n"
        "print(s.is_source('a'), s.is_source([1]), 'polars' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False", "False"]
