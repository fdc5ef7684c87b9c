"""How a text file is written: its encoding, and what separates its fields.

The rule, which a caller may override: the encoding of a file is the one that its
byte-order mark names; without a mark UTF-8 if the file is valid UTF-8, and Windows-1252
if it is not. The separator is the one of comma, semicolon, tab and bar that divides the
header and the rows after it into the same number of fields, more than one; if several
do, the one that makes the most fields.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import itertools
import lzma
import shutil
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from featurekit.data.blocks import SourceError, file_format

SEPARATORS = (",", ";", "\t", "|")
FALLBACK = "cp1252"

_SAMPLE = 1 << 20  # bytes that the encoding and the separator are taken from
_ROWS = 100
_CHUNK = 1 << 22
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins as the mark of UTF-16 does
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NATIVE = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # gzip and zstd: polars opens these


class Dialect(NamedTuple):
    """How one file is written.

    Attributes
    ----------
    encoding : str
    separator : str
    guessed : bool
        Whether the encoding is taken for want of a better one.
    """

    encoding: str
    separator: str
    guessed: bool = False


def dialect_of(
    file: Path, encoding: str | None, separator: str | None, whole: bool
) -> Dialect:
    """The dialect of a file, with what is given taken as it is.

    Parameters
    ----------
    file : Path
    encoding, separator : str or None
    whole : bool
        Whether to look at all bytes for the encoding, not at the first million.
    """
    with open_bytes(file) as stream:
        head = stream.read(_SAMPLE)
    if head.startswith(b"PAR1"):
        raise SourceError(f"{file} is a Parquet file; name it .parquet")
    guessed = False
    if encoding is None:
        encoding = _marked(head)
        if encoding is None and b"\0" in head:
            raise SourceError(f"{file} cannot be read: it is not a text file")
    else:
        _check_encoding(encoding)
    if encoding is None:
        ends = len(head) < _SAMPLE
        valid = _is_utf8([head], ends) and (ends or not whole or _is_utf8_file(file))
        encoding, guessed = ("utf-8", False) if valid else (FALLBACK, True)
    if separator is None and file_format(file) == "tsv":
        separator = "\t"
    return Dialect(encoding, separator or _separator(head, encoding), guessed)


def _check_encoding(name: str) -> None:
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError(
            f"encoding={name!r} is unknown; write 'utf-8', 'cp1252', 'latin-1' or "
            "'utf-16', for example"
        ) from None


def _marked(head: bytes) -> str | None:
    """The encoding by its mark, or by the zeros that UTF-16 has in Latin text."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    few = np.frombuffer(head[:1000], np.uint8)
    if len(few) > 3 and not few[1::2].any():
        return "utf-16-le"
    if len(few) > 3 and not few[::2].any():
        return "utf-16-be"
    return None


def _is_utf8(chunks: Any, ends: bool) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in chunks:
            decoder.decode(chunk)
        decoder.decode(b"", final=ends)
    except UnicodeDecodeError:
        return False
    return True


def _is_utf8_file(file: Path) -> bool:
    with open_bytes(file) as stream:
        return _is_utf8(_chunks(stream), True)


def _separator(head: bytes, encoding: str) -> str:
    # the last line may be cut
    try:
        text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    except UnicodeError:  # of UTF-16 without its mark, which the whole file will show
        return SEPARATORS[0]
    lines = [line for line in text.splitlines() if line.strip()]
    if len(head) == _SAMPLE:
        lines = lines[:-1]
    fields = {mark: _fields(lines[:_ROWS], mark) for mark in SEPARATORS}
    even = {
        mark: numbers[0]
        for mark, numbers in fields.items()
        if numbers and numbers[0] > 1 and max(numbers) == numbers[0] == min(numbers)
    }
    if even:
        return max(even, key=lambda mark: even[mark])
    # ragged rows: the header decides
    return max(SEPARATORS, key=lambda mark: (fields[mark] or [0])[0])


def _fields(lines: list[str], mark: str) -> list[int]:
    try:
        rows = list(csv.reader(lines, delimiter=mark))
    except csv.Error:
        return []
    return [len(row) for row in rows]


@contextmanager
def open_bytes(file: Path) -> Iterator[Any]:
    """The bytes of a file, decompressed by what it begins with.

    Raises
    ------
    SourceError
        When it is damaged.
    """
    try:
        with _opened(file) as stream:
            yield stream
    except FileNotFoundError:
        raise
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise SourceError(f"{file} cannot be read: {error}") from error


def _opened(file: Path) -> Any:
    with file.open("rb") as stream:
        magic = stream.read(6)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.open(file)
    if magic.startswith(b"BZh"):
        return bz2.open(file)
    if magic == b"\xfd7zXZ\x00":
        return lzma.open(file)
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        import pyarrow as pa

        return pa.input_stream(str(file), compression="zstd")
    if magic.startswith(b"PK\x03\x04"):
        archive = zipfile.ZipFile(file)
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1 or not names[0].lower().endswith((".csv", ".tsv", ".txt")):
            raise SourceError(
                f"{file} is an archive of {names[:3]}; one CSV file is read from an "
                "archive. Unpack it first."
            )
        return archive.open(names[0])
    return file.open("rb")


def _chunks(stream: Any) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


class Copies:
    """Files as polars reads them: in UTF-8, plain or compressed by gzip or zstd.

    Others are copied into a temporary folder, which goes with this object.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._made: dict[tuple[Path, str], Path] = {}
        self.guessed: list[str] = []  # files whose encoding was said to be a guess

    def path(self, file: Path, dialect: Dialect) -> Path:
        """The file itself, or its copy."""
        with file.open("rb") as stream:
            head = stream.read(_SAMPLE)
        unknown = (b"BZh", b"\xfd7zXZ\x00", b"PK\x03\x04")
        plain = not head.startswith((*_NATIVE, *unknown))
        old_ends = plain and b"\r" in head and b"\n" not in head
        utf8 = codecs.lookup(dialect.encoding).name in ("utf-8", "utf-8-sig")
        if utf8 and not old_ends and not head.startswith(unknown):
            return file
        key = (file, dialect.encoding)
        if key not in self._made:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="featurekit-"))
                weakref.finalize(self, shutil.rmtree, self._folder, True)
            copy = self._folder / f"{len(self._made)}.csv"
            self._write(file, dialect, copy, old_ends)
            self._made[key] = copy
        return self._made[key]

    def _write(self, file: Path, dialect: Dialect, copy: Path, old_ends: bool) -> None:
        encodings = [dialect.encoding]
        if dialect.guessed:
            encodings.append("latin-1")  # has a character for every byte
        for encoding in encodings:
            try:
                decoder = codecs.getincrementaldecoder(encoding)()
                with open_bytes(file) as stream, copy.open("wb") as out:
                    for chunk in _chunks(stream):
                        text = decoder.decode(chunk)
                        text = text.replace("\r", "\n") if old_ends else text
                        out.write(text.encode())
                    out.write(decoder.decode(b"", final=True).encode())
            except UnicodeError as error:
                said = f"{file} is not in the encoding {encoding}: {error}"
                continue
            return
        raise SourceError(f"{said}. Name another with encoding=.")


def blank_records(file: Path) -> NDArray[np.int64]:
    """Which records after the header are empty lines, numbered from 0."""
    quoted = False
    n_records, visible = 0, 0  # records before, and signs of the one begun
    found: list[NDArray[np.int64]] = []
    with open_bytes(file) as stream:
        begin = stream.read(len(codecs.BOM_UTF8))
        first = [] if begin == codecs.BOM_UTF8 else [begin]
        for chunk in itertools.chain(first, _chunks(stream)):
            signs = np.frombuffer(chunk, np.uint8)
            quotes = np.cumsum(signs == ord('"')) + quoted
            ends = np.flatnonzero((signs == ord("\n")) & (quotes % 2 == 0))
            seen = np.cumsum(~np.isin(signs, list(b" \t\r\n")))
            upto = seen[ends] + visible
            filled = np.diff(upto, prepend=0)
            found.append(n_records + np.flatnonzero(filled == 0))
            n_records += len(ends)
            visible += int(seen[-1])
            if len(ends):
                visible -= int(upto[-1])
            quoted = bool(quotes[-1] % 2)
    blank = np.concatenate(found) if found else np.zeros(0, np.int64)
    # lines before the header are no records
    header = int(np.argmax(np.append(blank, -1) != np.arange(len(blank) + 1)))
    return blank[header:] - header - 1


class Header(NamedTuple):
    """The names of the columns, and the lines before them, which are empty."""

    names: tuple[str, ...]
    n_before: int


def header_of(file: Path, separator: str) -> Header | None:
    """The first line that is not empty, if there is one."""
    before = 0
    with _records(file, separator) as rows:
        for row in rows:
            if len(row) > 1 or any(field.strip() for field in row):
                return Header(tuple(row), before)
            before = rows.line_num
    return None


def first_ragged(file: Path, separator: str, n_fields: int) -> tuple[int, int] | None:
    """The first line of more fields than the header, from 1, and how many it has."""
    with _records(file, separator) as rows:
        return next(
            ((rows.line_num, len(row)) for row in rows if len(row) > n_fields), None
        )


@contextmanager
def _records(file: Path, separator: str) -> Iterator[Any]:
    with open_bytes(file) as stream:
        text = io.TextIOWrapper(
            io.BufferedReader(stream), "utf-8-sig", errors="replace", newline=""
        )
        try:
            yield csv.reader(text, delimiter=separator)
        except csv.Error as error:
            raise SourceError(f"{file} cannot be read: {error}") from error
        finally:
            text.close()
