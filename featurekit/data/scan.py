"""Rows of files, block by block, in bounded memory.

polars reads a piece of a file at a time. What differs between the formats is settled
here before the first row: which columns there are and of which types. Text has no
types of its own: a column is of the first of Int64, UInt64, Float64, Boolean and
String that takes all its values. The first rows decide at first and all of them after
`Scan.settle`, so that types do not depend on the order of the rows.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw

from featurekit.data.blocks import (
    SUFFIXES,
    Block,
    Scan,
    SourceError,
    UnsettledTypesError,
    compare_columns,
    file_format,
    reading,
    shown,
)
from featurekit.data.frames import native_of
from featurekit.data.texts import MAP, Csv, Text, Vw
from featurekit.exceptions import SchemaError

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "MISSING", "Block", "Scan", "SourceError", "UnsettledTypesError", "is_source",
    "scan",
]  # fmt: skip

# those of pandas.read_csv
MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
    *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)

_SAMPLE = 10_000  # first rows, from which types are taken at first


def is_source(X: Any) -> bool:
    """Whether X names files or is a polars LazyFrame: something for `scan`."""
    if isinstance(X, list | tuple):
        return bool(X) and all(isinstance(item, str | Path) for item in X)
    lazy = nw.dependencies.is_polars_lazyframe(native_of(X))
    return isinstance(X, str | Path) or lazy


def scan(source: Any, *, missing: Sequence[str] = MISSING) -> Scan:
    """Open files without reading their rows.

    Parameters
    ----------
    source : str, Path, list of these, or polars LazyFrame
        A file, a folder or a pattern such as ``"folder/*.parquet"``. Of a folder, all
        files of a known suffix, nested ones too, sorted by name, without those that
        begin with "." or "_". A list keeps its order. Files of one source are of one
        format and have the same columns, in any order:

        - ``.parquet``, ``.pq``. Types are widened to hold those of all files. Row
          groups are held as a whole. Names of folders (``year=2024``) are no columns:
          for these pass ``pl.scan_parquet(folder, hive_partitioning=True)``.
        - ``.csv``, ``.tsv``, plain, ``.gz`` or ``.zst``. Numbers and true/false are
          recognised; dates stay text (for dates pass a LazyFrame). A column without
          a value is Float64. A ``dataset_desc.json`` beside the file gives types.
        - ``.vw`` (Vowpal Wabbit), plain, ``.gz`` or ``.zst``: "label" and a column for
          each namespace, with the names of a ``vw_namespace_map.csv`` beside the
          file. Tokens of a namespace are joined with "-"; importance, tag and the
          weights of namespaces are left out.
    missing : sequence of str
        The texts of CSV and TSV files that stand for a missing value.

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
    Types of text files come from the first rows, or at once from all, where a column
    is empty in the first. Be ready for a later row that does not fit::

        rows = scan("folder")
        try:
            result = work(rows.blocks())
        except UnsettledTypesError:
            rows = rows.settle()
            result = work(rows.blocks())
    """
    native = native_of(source)
    if nw.dependencies.is_polars_lazyframe(native):
        return _Lazy(native)
    if not isinstance(source, str | Path | list | tuple):
        raise TypeError(
            "a source is a path, a list of paths or a polars LazyFrame, "
            f"got {type(source).__qualname__}"
        )
    files = _find(source)
    formats = {file_format(file): file for file in files}
    if len(formats) > 1:
        found = ", ".join(f"{name} ({file})" for name, file in formats.items())
        raise SourceError(f"the files of a source are of one format, found {found}")
    if "parquet" in formats:
        return _Parquet(files)
    kind: type[Text] = Vw if "vw" in formats else Csv
    opened = kind(files, missing, _SAMPLE)
    return opened.settle() if opened.unseen else opened


class _Lazy(Scan):
    """Rows of a LazyFrame."""

    def __init__(self, frame: pl.LazyFrame) -> None:
        with reading("the LazyFrame"):
            super().__init__(frame.collect_schema())
        self._frame = frame

    def _frames(self) -> Iterator[tuple[str, pl.LazyFrame]]:
        yield "", self._frame


class _Parquet(Scan):
    """Rows of Parquet files, whose types are those of the first, widened."""

    def __init__(self, files: Sequence[Path]) -> None:
        import polars as pl
        from polars.exceptions import DuplicateError

        n_rows = 0
        schema: dict[str, pl.DataType] = {}
        for file in files:
            frame = pl.scan_parquet(file, glob=False, hive_partitioning=False)
            with reading(str(file)):
                try:
                    found = dict(frame.collect_schema())
                except DuplicateError as error:
                    raise SchemaError(f"{file}: {error}; rename it") from error
                n_rows += frame.select(pl.len()).collect().item()
            schema = schema or found
            compare_columns(file, found, files[0], schema)
            for name, dtype in found.items():
                common = _common(schema[name], dtype)
                if common is None:
                    raise SchemaError(
                        f"{file}: column {name!r} is {dtype}, but {schema[name]} in "
                        f"{files[0]}: make it one type in all files"
                    )
                schema[name] = common
        if not n_rows:
            raise SourceError(f"no rows in {shown(files)}")
        super().__init__(schema, files, n_rows)

    def _open(self, file: Path) -> pl.LazyFrame:
        import polars as pl

        frame = pl.scan_parquet(file, glob=False, hive_partitioning=False)
        return frame.select(pl.col(name).cast(t) for name, t in self.schema.items())


def _common(left: pl.DataType, right: pl.DataType) -> pl.DataType | None:
    """A type that holds the values of both, if they are of one kind."""
    import polars as pl

    if left == right or pl.Null in (left, right):
        return right if left == pl.Null else left
    if left.is_integer() and right.is_integer():
        frames = [pl.DataFrame(schema={"": dtype}) for dtype in (left, right)]
        return pl.concat(frames, how="vertical_relaxed").schema[""]
    if left.is_numeric() and right.is_numeric():
        return pl.Float64()
    texts = (pl.String, pl.Categorical, pl.Enum)
    return pl.String() if left in texts and right in texts else None


def _find(source: Any) -> list[Path]:
    """The data files that a path, a pattern or a list of these stands for."""
    if isinstance(source, list | tuple):
        files = [file for item in source for file in _find(item)]
        if len(set(files)) < max(len(files), 1):
            raise SourceError(f"no files, or one of them more than once: {source}")
        return files
    path = Path(source).expanduser()
    if path.is_file():
        found = [path]
    elif path.is_dir():
        found = _files_in(path)
    else:
        matches = [Path(match) for match in glob.glob(str(path), recursive=True)]
        if not matches:
            raise FileNotFoundError(f"{path}: no such file or folder, and no match")
        matches = [m for m in matches if not m.name.startswith((".", "_"))]
        nested = (_files_in(match) if match.is_dir() else [match] for match in matches)
        found = sorted({file for files in nested for file in files})
    files = [f for f in found if file_format(f) and (f == path or f.name != MAP)]
    if not files:
        names = [file.name for file in found[:3]]
        raise SourceError(
            f"{path}: no data in {names}. Files read are {SUFFIXES}; names that begin "
            "with . or _ are passed over."
        )
    return files


def _files_in(folder: Path) -> list[Path]:
    """Files of a folder and of those in it, without what "." and "_" hide."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(p.startswith((".", "_")) for p in path.relative_to(folder).parts)
    )
