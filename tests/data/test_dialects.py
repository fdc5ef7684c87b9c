"""Text files as strangers write them: separators, encodings, gaps, odd lines."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from datetime import UTC, date, datetime, time

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from featurekit.data.dialect import blank_records
from featurekit.data.scan import SourceError, read_frame, scan
from featurekit.exceptions import FeatureKitWarning, SchemaError

FRAME = pl.DataFrame(
    {
        "id": [1, 2, 3, 4],
        "price": [1.5, -0.25, 1000.125, None],
        "city": ["Köln", "a;b, c", None, 'say "x"\nand|y\tz'],
        "day": [date(2024, 1, 31), None, date(1999, 12, 1), date(2024, 2, 29)],
        "flag": [True, False, None, True],
    }
)


def as_text(separator=",", decimal=".", end="\n", frame=FRAME):
    text = frame.write_csv(separator=separator, line_terminator=end)
    if decimal == ",":
        for value in frame["price"].drop_nulls():
            text = text.replace(str(value), str(value).replace(".", ","))
    return text


DIALECTS = {
    "comma": as_text(),
    "semicolon": as_text(";"),
    "tab": as_text("\t"),
    "bar": as_text("|"),
    "semicolon and decimal comma": as_text(";", ","),
    "tab and decimal comma": as_text("\t", ","),
    "windows": as_text(end="\r\n"),
    "last line not ended": as_text().rstrip("\n"),
    "empty lines": as_text().replace("\n2,", "\n\n2,") + "\n\n",
    "empty lines of windows": "\r\n \r\n" + as_text(end="\r\n") + "\r\n \r\n",
}


@pytest.mark.parametrize("text", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_every_dialect_gives_the_same_rows(tmp_path, text, encoding):
    file = tmp_path / "x.csv"
    file.write_bytes(text.encode(encoding))
    assert_frame_equal(read_frame(file), FRAME)
    blocks = [block.frame for block in scan(file).blocks(n_rows=2)]
    assert_frame_equal(pl.concat(blocks), FRAME)


def zipped(data):
    import io

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("table.csv", data)
    return out.getvalue()


PACKED = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zip": zipped}


@pytest.mark.parametrize("suffix, pack", PACKED.items(), ids=PACKED)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_compressed_text_of_any_dialect(tmp_path, suffix, pack, encoding):
    file = tmp_path / f"x.csv.{suffix}"
    file.write_bytes(pack(as_text(";", ",").encode(encoding)))
    assert_frame_equal(read_frame(file), FRAME)
    plain = tmp_path / "x.csv"  # compressed, whatever its name says
    plain.write_bytes(file.read_bytes())
    assert_frame_equal(read_frame(plain), FRAME)


def test_archives_of_other_files_are_refused(tmp_path):
    file = tmp_path / "x.csv.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", "a\n1\n")
        archive.writestr("b.csv", "a\n1\n")
    with pytest.raises(SourceError, match=r"an archive of \['a.csv', 'b.csv'\]"):
        read_frame(file)
    FRAME.write_parquet(tmp_path / "y.csv")
    with pytest.raises(SourceError, match="is a Parquet file; name it .parquet"):
        read_frame(tmp_path / "y.csv")


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_other_bytes_are_western_european_with_a_warning(tmp_path, encoding):
    file = tmp_path / "x.csv"
    file.write_bytes(as_text().encode(encoding))
    with pytest.warns(FeatureKitWarning, match="not UTF-8 .* Windows-1252") as said:
        found = read_frame(file)
    assert len(said) == 1, [str(w.message) for w in said]
    assert said[0].filename == __file__
    assert_frame_equal(found, FRAME)
    assert_frame_equal(read_frame(file, encoding=encoding), FRAME)  # and no warning
    with pytest.raises(SourceError, match="x.csv is not in the encoding utf-8.*cp1252"):
        read_frame(file, encoding="utf-8")
    with pytest.raises(SourceError, match="x.csv is not in the encoding utf-16"):
        read_frame(file, encoding="utf-16")


def test_bytes_without_a_character_in_windows_1252(tmp_path):
    file = tmp_path / "x.csv"
    file.write_bytes(b"a,b\n1,\x81\xe9\n")
    with pytest.warns(FeatureKitWarning, match="not UTF-8"):
        assert read_frame(file)["b"].to_list() == ["\x81é"]


def test_an_encoding_that_shows_late(tmp_path):
    file = tmp_path / "x.csv"
    lines = ["a,b", *["1,plain text"] * 100_000, "2,Köln"]
    file.write_bytes("\n".join(lines).encode("latin-1"))
    with pytest.warns(FeatureKitWarning, match="not UTF-8"):
        assert read_frame(file)["b"][-1] == "Köln"


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
def test_a_separator_that_is_given_is_taken(tmp_path, separator):
    file = tmp_path / "x.csv"
    file.write_text("a;b\tc|d,e\n1;2\t3|4,5\n")
    names = read_frame(file, separator=separator).columns
    assert names == "a;b\tc|d,e".split(separator)


def test_separators_within_fields_mislead_nobody(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text('"a;b;c",d\n"1;2;3",4\n')
    assert read_frame(file).columns == ["a;b;c", "d"]
    file.write_text("a;b\n1,5;2,5\n3,25;4\n")
    assert read_frame(file).rows() == [(1.5, 2.5), (3.25, 4.0)]
    file.write_text("only\nx\ny\n")
    assert read_frame(file).rows() == [("x",), ("y",)]


COMMAS = [
    (["1,5", "2", "-0,25"], None, [1.5, 2.0, -0.25]),
    (["0,125", "1,125"], None, [0.125, 1.125]),
    (["1,250", "2,500"], None, ["1,250", "2,500"]),  # thousands, as like as not
    (["1,250", "2,500"], ",", [1.25, 2.5]),
    (["1,5", "2.5"], None, ["1,5", "2.5"]),
    (["1.234,5", "2"], None, ["1.234,5", "2"]),
    (["1,5", "x"], None, ["1,5", "x"]),
    (["1,5", "2"], ".", ["1,5", "2"]),
    (["1,5e3", ",5"], None, [1500.0, 0.5]),
    (["1", "2"], ",", [1, 2]),
]


@pytest.mark.parametrize("texts, decimal, values", COMMAS)
def test_a_decimal_comma_is_one_where_the_values_show_it(
    tmp_path, texts, decimal, values
):
    file = tmp_path / "x.csv"
    file.write_text("a;b\n" + "".join(f"{text};1\n" for text in texts))
    assert read_frame(file, decimal=decimal)["a"].to_list() == values
    quoted = "a,b\n" + "".join(f'"{text}",1\n' for text in texts)
    file.write_text(quoted)
    if decimal == ",":
        assert read_frame(file, decimal=decimal)["a"].to_list() == values


def test_a_fraction_that_shows_late(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("a;b\n" + "1,250;x\n" * 10_500 + "0,5;x\n")
    assert read_frame(file)["a"].to_list() == [1.25] * 10_500 + [0.5]


DATES = [
    ("2024-01-31", date(2024, 1, 31)),
    ("2024/01/31", date(2024, 1, 31)),
    ("31.01.2024", date(2024, 1, 31)),
    ("31/01/2024", date(2024, 1, 31)),
    ("01/31/2024", date(2024, 1, 31)),
    ("01/02/2024", "01/02/2024"),  # a day of January or of February
    ("31/01/24", "31/01/24"),
    ("2024-01-31 08:30:00", datetime(2024, 1, 31, 8, 30)),
    ("2024-01-31T08:30:00.250000", datetime(2024, 1, 31, 8, 30, 0, 250_000)),
    ("2024-01-31 08:30", datetime(2024, 1, 31, 8, 30)),
    ("31.01.2024 08:30", datetime(2024, 1, 31, 8, 30)),
    ("2024-01-31T08:30:00Z", datetime(2024, 1, 31, 8, 30, tzinfo=UTC)),
    ("2024-01-31 08:30:00+02:00", datetime(2024, 1, 31, 6, 30, tzinfo=UTC)),
    ("08:30", time(8, 30)),
    ("08:30:15.5", time(8, 30, 15, 500_000)),
    ("24:30", "24:30"),
    ("2024-02-30", "2024-02-30"),
]


@pytest.mark.parametrize("text, value", DATES)
def test_dates_are_recognised_where_only_one_is_meant(tmp_path, text, value):
    file = tmp_path / "x.csv"
    file.write_text(f"a,b\n{text},1\n,2\n")
    assert read_frame(file)["a"].to_list() == [value, None]
    assert read_frame(file, text=["a", "absent"])["a"].to_list() == [text, None]


def test_an_order_of_day_and_month_that_shows_late(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("a,b\n" + "01/02/2024,x\n" * 10_500 + "31/02/2024,x\n")
    assert read_frame(file)["a"].dtype == pl.String
    file.write_text("a,b\n" + "01/02/2024,x\n" * 10_500 + "31/03/2024,x\n")
    assert read_frame(file)["a"][0] == date(2024, 2, 1)


WHOLE = [
    ["1234567890123456789012", "1234567890123456789013"],
    ["-9223372036854775807", "18446744073709551615"],
    ["9223372036854775808", "-1"],
    ["1", "99999999999999999999"],
]


@pytest.mark.parametrize("texts", WHOLE)
@pytest.mark.parametrize("late", [False, True])
def test_whole_numbers_beyond_64_bits_stay_apart(tmp_path, texts, late):
    texts = ["1"] * 10_500 * late + texts
    file = tmp_path / "x.csv"
    file.write_text("a,b\n" + "".join(f"{text},1\n" for text in texts))
    assert read_frame(file)["a"].to_list() == texts


def test_whole_numbers_of_64_bits_stay_numbers(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("a,b\n9007199254740993,18446744073709551615\n,1\n")
    frame = read_frame(file)
    assert frame.schema == {"a": pl.Int64, "b": pl.UInt64}
    assert frame.row(0) == (2**53 + 1, 2**64 - 1)
    file.write_text("a,b\n1234567890123456789012,1\n0.5,2\n")
    assert read_frame(file)["a"].dtype == pl.Float64  # a quantity, not ids


def test_rows_that_are_empty_are_rows_and_lines_that_are_empty_are_none(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text('a,b\n1,x\n,\n\n"",\n\n2,"\n\n"\n\n')
    frame = read_frame(file)
    assert frame["a"].to_list() == [1, None, None, 2]
    assert frame["b"].to_list()[-1] == "\n\n"
    for n_rows in (1, 2, 3):
        blocks = [block.frame for block in scan(file).blocks(["a"], n_rows)]
        assert pl.concat(blocks)["a"].to_list() == [1, None, None, 2]
    file.write_text('a\n1\n\n""\n2\n')
    assert read_frame(file)["a"].to_list() == [1, None, 2]


def test_numbers_of_empty_lines(tmp_path, monkeypatch):
    file = tmp_path / "x.csv"
    text = '\n \na,"b\n\n"\n\n1,2\n"3\n\n\n",4\n \t\n\n5,6\n\n'
    for size in (1, 2, 3, 7, 1000):
        monkeypatch.setattr("featurekit.data.dialect._CHUNK", size)
        for end in ("\n", "\r\n"):
            file.write_bytes(text.replace("\n", end).encode())
            assert blank_records(file).tolist() == [0, 3, 4, 6]


def test_fields_of_spaces_are_empty_in_numbers(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("a,b\n 1 ,x\n  , \n3,y\n")
    assert read_frame(file).rows() == [(1, "x"), (None, " "), (3, "y")]


def test_old_line_ends(tmp_path):
    file = tmp_path / "x.csv"
    file.write_bytes(b"a,b\r1,x\r2,y\r")
    assert read_frame(file).rows() == [(1, "x"), (2, "y")]


@pytest.mark.parametrize(
    "text, says",
    [
        ("", r"x.csv cannot be read: empty \(0 bytes\)"),
        ("\n\n", "x.csv: there is no header"),
        ("a,b\n", "no rows in .*x.csv"),
        ("a,b\n\n\n", "the source has no rows"),
        (
            "a,b\n1,2\n3,4,5\n",
            "x.csv cannot be read: line 3 has 3 fields, the header 2.*separator=",
        ),
        ('a,b\n"1\n",2\n3,4,5\n', "x.csv cannot be read: line 4 has 3 fields"),
        ("a,b,a\n1,2,3\n", r"x.csv: names that occur more than once: \['a'\]"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, says):
    file = tmp_path / "x.csv"
    file.write_text(text)
    with pytest.raises((SourceError, SchemaError), match=says):
        read_frame(file)


def test_a_line_too_long_far_down(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("a,b\n" + "1,2\n" * 20_000 + "1,2,3\n")
    with pytest.raises(SourceError, match="line 20,002 has 3 fields"):
        read_frame(file)


def test_files_of_several_dialects_are_one_table(tmp_path):
    (tmp_path / "a.csv").write_text(as_text(frame=FRAME[:2]))
    (tmp_path / "b.csv").write_bytes(as_text("\t", frame=FRAME[2:]).encode("utf-16"))
    assert_frame_equal(read_frame(tmp_path), FRAME)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    file = tmp_path / "x.csv"
    file.write_bytes(bytes(range(256)))
    with pytest.raises(SourceError, match="x.csv cannot be read: it is not a text"):
        read_frame(file)
    with pytest.raises(ValueError, match="encoding='utf-99' is unknown"):
        read_frame(file, encoding="utf-99")
