"""Rows of files, block by block in bounded memory, or all of them as one frame.

polars reads a piece of a file at a time. What differs between the formats is settled
here before the first row: which columns there are and of which types. Text has no
types of its own (`featurekit.data.inference`): the first rows decide at first and all
of them after `Scan.settle`, so that types do not depend on the order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw

from featurekit.data.blocks import (
    Block,
    Scan,
    SourceError,
    UnsettledTypesError,
    file_format,
    reading,
)
from featurekit.data.files import find_files
from featurekit.data.frames import native_of
from featurekit.data.inference import Decimal
from featurekit.data.parquet import Parquet
from featurekit.data.partitions import Partitions
from featurekit.data.texts import Csv, Options, Text, Vw
from featurekit.exceptions import warn

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "MISSING", "Block", "Scan", "SourceError", "UnsettledTypesError", "check_targets",
    "is_source", "read_frame", "scan", "with_target",
]  # fmt: skip

# those of pandas.read_csv
MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
    *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)

_SAMPLE = 10_000  # first rows, from which types are taken at first


def is_source(X: Any) -> bool:
    """Whether X names files or is a polars LazyFrame: something for `scan`."""
    if isinstance(X, Scan):
        return True
    if isinstance(X, list | tuple):
        return bool(X) and all(isinstance(item, str | Path) for item in X)
    lazy = nw.dependencies.is_polars_lazyframe(native_of(X))
    return isinstance(X, str | Path) or lazy


def scan(
    source: Any,
    *,
    missing: Sequence[str] = MISSING,
    separator: str | None = None,
    encoding: str | None = None,
    decimal: Decimal | None = None,
    text: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> Scan:
    """Open files without reading their rows.

    Parameters
    ----------
    source : str, Path, list of these, polars LazyFrame, or Scan
        A file, a folder or a pattern such as ``"folder/*.parquet"``. Of a folder, all
        files of a known suffix, nested ones too, sorted by name, without those that
        begin with "." or "_" and with a warning for those of no bytes. A list keeps its
        order. Names of folders such as ``year=2024`` become columns. Files of one
        source are of one format and have the same columns, in any order:

        - ``.parquet``, ``.pq``. Types are widened to hold those of all files. Row
          groups are held as a whole.
        - ``.csv``, ``.tsv``, plain, ``.gz``, ``.zst``, ``.bz2``, ``.xz`` or ``.zip``.
          Numbers, true/false, dates, datetimes and times of day are recognised. Whole
          numbers beyond 64 bits stay text. A column without a value is Float64. Empty
          lines are passed over. A ``dataset_desc.json`` beside the file gives types.
        - ``.vw`` (Vowpal Wabbit), plain, ``.gz`` or ``.zst``: "label" and a column for
          each namespace, with the names of a ``vw_namespace_map.csv`` beside the
          file. Tokens of a namespace are joined with "-"; importance, tag and the
          weights of namespaces are left out.
    missing : sequence of str
        The texts of CSV and TSV files that stand for a missing value.
    separator : str, optional
        What separates the fields of CSV files. By default the one of comma, semicolon,
        tab and bar that divides the header and the rows after it into the same number
        of fields; of TSV files the tab.
    encoding : str, optional
        Of CSV files. By default what the byte-order mark says, else UTF-8, else (with a
        warning) Windows-1252.
    decimal : {".", ","}, optional
        The decimal point of CSV files. By default the point; the comma too where it
        does not separate fields, in columns that have a value such as ``0,5`` or
        ``12,25``, which is no number of thousands.
    text : sequence of str
        Columns of text files that stay text; names that are no columns are passed over.
    drop : sequence of str
        Columns not to read, whatever their types.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    SourceError
        When a file cannot be read, or there are no rows.
    SchemaError
        When the files do not have the same columns.

    Notes
    -----
    Types of text files come from the first rows, or at once from all, where the first
    leave one open. Be ready for a later row that does not fit::

        rows = scan("folder")
        try:
            result = work(rows.blocks())
        except UnsettledTypesError:
            rows = rows.settle()
            result = work(rows.blocks())
    """
    native = native_of(source)
    if isinstance(native, Scan):
        return native
    if nw.dependencies.is_polars_lazyframe(native):
        return _Lazy(native, drop)
    if not isinstance(source, str | Path | list | tuple):
        raise TypeError(
            "a source is a path, a list of paths or a polars LazyFrame, "
            f"got {type(source).__qualname__}"
        )
    files = find_files(source)
    formats = {file_format(file): file for file in files}
    if len(formats) > 1:
        found = ", ".join(f"{name} ({file})" for name, file in formats.items())
        raise SourceError(f"the files of a source are of one format, found {found}")
    partitions = Partitions(files)
    if "parquet" in formats:
        return Parquet(partitions, drop)
    options = Options(
        tuple(missing), separator, encoding, decimal, frozenset(text), tuple(drop)
    )
    kind: type[Text] = Vw if "vw" in formats else Csv
    try:
        opened = kind(partitions, options, _SAMPLE)
    except UnsettledTypesError:
        return kind(partitions, options, None)
    return opened.settle() if opened.unseen else opened


def read_frame(source: Any, **options: Any) -> pl.DataFrame:
    """Read all rows of files into one polars frame, with the types of all rows.

    Parameters
    ----------
    source, **options
        As for `scan`.

    Returns
    -------
    polars DataFrame

    Raises
    ------
    FileNotFoundError, SourceError, SchemaError
        As from `scan`.
    """
    import polars as pl

    rows = scan(source, **options)
    try:
        frames = [block.frame for block in rows.blocks()]
    except UnsettledTypesError:
        frames = [block.frame for block in rows.settle().blocks()]
    return pl.concat(frames)


def with_target(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """The rows of a file that have a value of the target, neither null nor NaN."""
    there = frame[name].is_not_null()
    if frame.schema[name].is_float():
        there &= frame[name].is_not_nan().fill_null(False)
    return frame if there.all() else frame.filter(there)


def check_targets(n_without: int, n_rows: int, name: str) -> None:
    """Say how many rows of files are passed over for want of a target.

    Raises
    ------
    ValueError
        When no row has one.
    """
    if n_without == n_rows:
        raise ValueError(f"the target {name!r} is missing on all {n_rows:,} rows")
    if n_without:
        warn(
            f"{n_without:,} of {n_rows:,} rows have no value of the target {name!r} "
            "and are passed over."
        )


class _Lazy(Scan):
    """Rows of a LazyFrame."""

    def __init__(self, frame: pl.LazyFrame, drop: Sequence[str]) -> None:
        with reading("the LazyFrame"):
            super().__init__(frame.collect_schema(), drop=drop)
        self._frame = frame

    def _frames(self) -> Iterator[tuple[str, pl.LazyFrame]]:
        yield "", self._frame
