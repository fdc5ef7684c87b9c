"""Rows of files, block by block, in bounded memory.

polars reads a piece of a file at a time. What differs between the formats is settled
here before the first row: which columns there are and of which types. Text has no
types of its own. A column of a text file is of the first of Int64, UInt64, Float64,
Boolean and String that loses none of its values, judged by its first rows at first and
by all of them after `Scan.settle`; as every later type reads what an earlier one
reads wrongly, the result depends on which rows there are and not on their order.
"""

from __future__ import annotations

import csv
import glob
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import narwhals as nw
import numpy as np

from featurekit.data.frames import native_of
from featurekit.exceptions import SchemaError

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")

# those of pandas.read_csv
MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
    *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)

_FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".vw": "vw",
}
_SUFFIXES = ".parquet, .pq, and .csv, .tsv, .vw, each also with .gz or .zst"
_MAP = "vw_namespace_map.csv"
_DESCRIPTION = "dataset_desc.json"
_NAMESPACE = r"\|[^\s|:]*"

# rows from which types are taken before anything is settled
_SAMPLE = 10_000


class SourceError(ValueError):
    """Files that cannot be read, or hold nothing to read."""


class UnsettledTypesError(SchemaError):
    """A row does not fit the types taken from the first rows.

    The blocks given so far have the wrong types: drop what was made of them and begin
    anew with ``scan.settle()``, which raises this no more.
    """


class Block(NamedTuple):
    """Some rows of one file.

    Attributes
    ----------
    frame : polars DataFrame
        Of the same names, order and types in every block.
    source : str
        The path of the file; "" for a LazyFrame.
    """

    frame: pl.DataFrame
    source: str


class Scan:
    """Rows that are read when they are asked for; made by `scan`.

    Attributes
    ----------
    names : tuple of str
    schema : mapping of str to polars type
    files : tuple of Path
        In the order of their rows; () for a LazyFrame.
    n_rows : int or None
        Known in advance for Parquet only.
    """

    def __init__(
        self,
        schema: Mapping[str, pl.DataType],
        files: Sequence[Path] = (),
        n_rows: int | None = None,
    ) -> None:
        self.schema = dict(schema)
        self.files = tuple(files)
        self.n_rows = n_rows

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.schema)

    def settle(self) -> Scan:
        """The same rows, with types that fit all of them.

        Reads text files once in full; anything else has its types already.
        """
        return self

    def blocks(
        self, columns: Sequence[str] | None = None, n_rows: int = 2**18
    ) -> Iterator[Block]:
        """The rows from the first to the last; each call begins anew.

        Parameters
        ----------
        columns : sequence of str, optional
            The columns wanted, in this order; others are not read. By default all.
        n_rows : int
            Rows of a block; the last of a file has fewer.

        Raises
        ------
        SchemaError
            At once, for columns that are not there.
        UnsettledTypesError
            While reading, when a row does not fit: see there.
        SourceError
            While reading, when a file turns out to be damaged. No block follows.
        """
        wanted = list(self.names if columns is None else columns)
        unknown = [name for name in wanted if name not in self.schema]
        if unknown:
            near = {n: get_close_matches(n, self.names) for n in unknown}
            hints = "; ".join(f"{n!r}: did you mean {m}?" for n, m in near.items() if m)
            raise SchemaError(f"no such columns: {unknown}. {hints}".rstrip())
        _refuse_duplicates(wanted, "columns")
        if not wanted or n_rows < 1:
            raise ValueError("blocks have at least one column and one row")
        return self._blocks(wanted, n_rows)

    def _blocks(self, wanted: list[str], n_rows: int) -> Iterator[Block]:
        from polars.exceptions import InvalidOperationError

        empty = True
        for source, frame in self._frames():
            with _reading(source or "the LazyFrame"):
                batches = frame.select(wanted).collect_batches(chunk_size=n_rows)
                try:
                    for batch in batches:
                        empty = False
                        yield Block(batch, source)
                except InvalidOperationError as error:
                    raise self._misfit(source, str(error)) from error
        if empty:
            raise SourceError("the source has no rows")

    def _frames(self) -> Iterator[tuple[str, pl.LazyFrame]]:
        """A name for messages and the typed rows, of each file."""
        raise NotImplementedError

    def _misfit(self, source: str, message: str) -> ValueError:
        """What to raise where polars could not convert a value."""
        return SourceError(f"{source or 'the LazyFrame'} cannot be read: {message}")


def is_source(X: Any) -> bool:
    """Whether X names files or is a polars LazyFrame: something for `scan`."""
    if isinstance(X, list | tuple):
        return bool(X) and all(isinstance(item, str | Path) for item in X)
    return isinstance(X, str | Path) or nw.dependencies.is_polars_lazyframe(
        native_of(X)
    )


def scan(source: Any, *, missing: Sequence[str] = MISSING) -> Scan:
    """Open files without reading their rows.

    Parameters
    ----------
    source : str, Path, list of these, or polars LazyFrame
        A file, a folder or a pattern such as ``"folder/*.parquet"``. Of a folder, all
        files of a known suffix, nested ones too, sorted by name; names that begin with
        "." or "_" are passed over. A list keeps its order. Files of one source are of
        one format and have the same columns, in any order:

        - ``.parquet``, ``.pq``. Names of folders (``year=2024``) are no columns: for
          those pass ``pl.scan_parquet(folder, hive_partitioning=True)``.
        - ``.csv``, ``.tsv``, plain, ``.gz`` or ``.zst``. Numbers and true/false are
          recognised; dates stay text (for dates pass a LazyFrame). A column without
          a value is Float64. A ``dataset_desc.json`` beside the file gives types.
        - ``.vw`` (Vowpal Wabbit), plain, ``.gz`` or ``.zst``: "label" and a column for
          each namespace, with the names of a ``vw_namespace_map.csv`` beside the
          file. Tokens of a namespace are joined with "-"; importance, tag and the
          weights of namespaces are left out.
    missing : sequence of str
        The texts of CSV and TSV files that stand for a missing value.

    Returns
    -------
    Scan

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
    Types of text files come from the first rows (from all at once, where a column is
    empty in these). A loop over the blocks has to be ready for a row that does not fit::

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
    formats = {_format(file): file for file in reversed(files)}
    if len(formats) > 1:
        found = ", ".join(f"{name} ({file})" for name, file in formats.items())
        raise SourceError(f"the files of a source are of one format, found {found}")
    if "parquet" in formats:
        return _Parquet(files)
    kind: type[_Text] = _Vw if "vw" in formats else _Csv
    opened = kind(files, missing, _SAMPLE)
    return opened.settle() if opened.unseen else opened


class _Lazy(Scan):
    """Rows of a LazyFrame."""

    def __init__(self, frame: pl.LazyFrame) -> None:
        with _reading("the LazyFrame"):
            super().__init__(frame.collect_schema())
        if not self.schema:
            raise SourceError("the LazyFrame has no columns")
        self._frame = frame

    def _frames(self) -> Iterator[tuple[str, pl.LazyFrame]]:
        yield "", self._frame


class _Parquet(Scan):
    """Rows of Parquet files, whose types are those of the first, widened."""

    def __init__(self, files: Sequence[Path]) -> None:
        import polars as pl
        from polars.exceptions import DuplicateError

        n_rows, schema = 0, {}
        for file in files:
            with _reading(str(file)):
                try:
                    found = dict(self._open(file).collect_schema())
                except DuplicateError as error:
                    raise SchemaError(f"{file}: {error}; rename it") from error
                n_rows += self._open(file).select(pl.len()).collect().item()
            schema = schema or found
            _compare_columns(file, tuple(found), files[0], tuple(schema))
            for name, dtype in found.items():
                common = _common(schema[name], dtype)
                if common is None:
                    raise SchemaError(
                        f"{file}: column {name!r} is {dtype}, but {schema[name]} in "
                        f"{files[0]}: make it one type in all files"
                    )
                schema[name] = common
        if not n_rows:
            raise SourceError(f"no rows in {_shown(files)}")
        super().__init__(schema, files, n_rows)

    def _open(self, file: Path) -> pl.LazyFrame:
        import polars as pl

        return pl.scan_parquet(file, glob=False, hive_partitioning=False)

    def _frames(self) -> Iterator[tuple[str, pl.LazyFrame]]:
        import polars as pl

        casts = [pl.col(name).cast(dtype) for name, dtype in self.schema.items()]
        for file in self.files:
            yield str(file), self._open(file).select(casts)


class _Text(Scan):
    """Rows of text files: every column is read as String and then converted.

    Attributes
    ----------
    unseen : bool
        Whether a column has no value in the rows its type is taken from, which are
        not all.
    """

    def __init__(
        self, files: Sequence[Path], missing: Sequence[str], sample: int | None
    ) -> None:
        self.files = tuple(files)
        self._missing = list(missing)
        self._declared: dict[str, pl.DataType] = {}
        names = self._learn(sample)
        inferred = [name for name in names if name not in self._declared]
        types, self.unseen, self._settled = self._infer(inferred, sample)
        types |= self._declared
        super().__init__({name: types[name] for name in names}, files)

    def settle(self) -> Scan:
        return self if self._settled else type(self)(self.files, self._missing, None)

    def _learn(self, sample: int | None) -> tuple[str, ...]:
        """Names of the columns; types that are given go to ``_declared``."""
        raise NotImplementedError

    def _texts(self, file: Path, n_rows: int | None = None) -> pl.LazyFrame:
        """The (first) rows of a file, as columns of String."""
        raise NotImplementedError

    def _infer(
        self, names: Sequence[str], sample: int | None
    ) -> tuple[dict[str, pl.DataType], bool, bool]:
        """Types of columns, whether one is unseen, and whether all rows were read."""
        import polars as pl

        candidates: list[pl.DataType] = [pl.Int64(), pl.UInt64(), pl.Float64()]
        candidates += [pl.Boolean(), pl.String()]
        nulls = [
            _converted(name, dtype, strict=False).null_count().alias(f"{name}:{k}")
            for name in names
            for k, dtype in enumerate(candidates)
        ]
        n_rows, lost = 0, np.zeros((len(names), len(candidates)), np.int64)
        for file in self.files:
            left = None if sample is None else sample - n_rows
            with _reading(str(file)):
                counts = self._texts(file, left).select(pl.len().alias(""), *nulls)
                found, *losses = counts.collect(engine="streaming").row(0)
            n_rows += found
            lost += np.reshape(losses, lost.shape)
            if sample is not None and n_rows >= sample:
                break
        if not n_rows:
            raise SourceError(f"no rows in {_shown(self.files)}")
        empty = lost[:, -1] == n_rows
        # a text is lost where the conversion adds a null; String, the last, adds none
        first = np.where(empty, 2, np.argmin(lost > lost[:, -1:], axis=1))
        types = {name: candidates[k] for name, k in zip(names, first, strict=True)}
        settled = sample is None or n_rows < sample
        return types, bool(empty.any()) and not settled, settled

    def _frames(self) -> Iterator[tuple[str, pl.LazyFrame]]:
        casts = [_converted(name, dtype) for name, dtype in self.schema.items()]
        for file in self.files:
            yield str(file), self._texts(file).select(casts)

    def _misfit(self, source: str, message: str) -> ValueError:
        said = re.search(r"in column '(.*?)' for .*? values: (\[.*)", message)
        column, texts = said.groups() if said else ("?", message)
        dtype = self.schema.get(column)
        holds = f"{source}: column {column!r} is {dtype}"
        if column in self._declared:
            return SchemaError(
                f"{holds} according to {_DESCRIPTION} or {_MAP}, but holds {texts}: "
                "correct one of them"
            )
        if self._settled:
            return SchemaError(
                f"{holds} in all rows, but now holds {texts}: the file has changed "
                "since, scan it again"
            )
        return UnsettledTypesError(
            f"{holds} in the first rows, but holds {texts} further on. Begin anew with "
            "scan.settle(), which takes the types from all rows."
        )


class _Csv(_Text):
    """Rows of CSV and TSV files."""

    def _learn(self, sample: int | None) -> tuple[str, ...]:
        self._headers = {file: self._header(file) for file in self.files}
        first = self.files[0]
        names = self._headers[first]
        for file, header in self._headers.items():
            _refuse_duplicates(header, str(file))
            _compare_columns(file, header, first, names)
        self._declared = _beside(self.files, _described)
        if absent := sorted(self._declared.keys() - set(names)):
            raise SchemaError(f"{first} lacks columns of {_DESCRIPTION}: {absent}")
        return names

    def _open(self, file: Path, **options: Any) -> pl.LazyFrame:
        import polars as pl

        separator = "\t" if _format(file) == "tsv" else ","
        return pl.scan_csv(
            file, separator=separator, infer_schema=False, glob=False, **options
        )

    def _header(self, file: Path) -> tuple[str, ...]:
        # as a row: as names polars would make duplicates distinct
        options = {"has_header": False, "n_rows": 1, "empty_string_is_null": False}
        with _reading(str(file)):
            return self._open(file, **options).collect().row(0)

    def _texts(self, file: Path, n_rows: int | None = None) -> pl.LazyFrame:
        return self._open(
            file,
            new_columns=list(self._headers[file]),
            null_values=self._missing,
            empty_string_is_null="" in self._missing,
            n_rows=n_rows,
        )


class _Vw(_Text):
    """Rows of Vowpal Wabbit files."""

    def _learn(self, sample: int | None) -> tuple[str, ...]:
        import polars as pl

        mapped = _beside(self.files, _mapped)
        found: set[str] = set()
        for file in self.files:
            ids = pl.col("line").str.extract_all(_NAMESPACE).explode().unique()
            with _reading(str(file)):
                lines = self._lines(file, sample).select(ids)
                found.update(lines.collect(engine="streaming")["line"].drop_nulls())
        others = sorted({namespace[1:] for namespace in found} - mapped.keys())
        self._names = {key: name for key, (name, _) in mapped.items()}
        self._names |= {key: key for key in others}
        for name, dtype in mapped.values():
            self._declared[name] = dtype
        self._declared |= dict.fromkeys(others, pl.String())
        names = ("label", *self._names.values())
        _refuse_duplicates(names, f"label and namespaces of {_shown(self.files)}")
        return names

    def _lines(self, file: Path, n_rows: int | None) -> pl.LazyFrame:
        import polars as pl

        lines = pl.scan_lines(file, glob=False)
        lines = lines.filter(pl.col("line").str.contains(r"\S"))
        return lines if n_rows is None else lines.head(n_rows)

    def _texts(self, file: Path, n_rows: int | None = None) -> pl.LazyFrame:
        import polars as pl

        line = pl.col("line")
        # a namespace that has no column fails this conversion, and so is not lost
        known = pl.Enum([f"|{key}" for key in self._names])
        namespaces = line.str.extract_all(_NAMESPACE)
        checked = namespaces.list.eval(pl.element().cast(known)).list.len() >= 0
        columns = [line.str.extract(r"^\s*([^\s|]+)").alias("label")]
        for key, name in self._names.items():
            # a namespace may occur more than once: its tokens are those of all
            parts = line.str.extract_all(rf"\|{re.escape(key)}(?::\S*)?\s[^|]*")
            tokens = parts.list.join("").str.replace_all(r"\|\S*", " ")
            joined = tokens.str.strip_chars().str.replace_all(r"\s+", "-")
            columns.append(joined.replace("", None).alias(name))
        return self._lines(file, n_rows).filter(checked).select(columns)

    def _misfit(self, source: str, message: str) -> ValueError:
        if "to `enum` failed in column 'line'" not in message:
            return super()._misfit(source, message)
        new = re.findall(r'"\|(.*?)"', message.split("values:")[-1])
        return UnsettledTypesError(
            f"{source}: the namespaces {new} are neither in {_MAP} nor in the first "
            "rows. Begin anew with scan.settle(), which looks for them in all rows."
        )


def _converted(name: str, dtype: pl.DataType, strict: bool = True) -> pl.Expr:
    """A column of texts as another type; strict: with an error that names misfits."""
    import polars as pl

    text = pl.col(name)
    if dtype == pl.String:
        return text
    text = text.str.strip_chars()
    if dtype != pl.Boolean:
        return text.cast(dtype, strict=strict)
    # polars has no conversion to Boolean
    words = text.str.to_lowercase().cast(pl.Enum(["false", "true"]), strict=strict)
    return words.to_physical().cast(pl.Boolean)


def _common(left: pl.DataType, right: pl.DataType) -> pl.DataType | None:
    """A type that holds the values of both, if they are of one kind."""
    import polars as pl

    if left == right or right == pl.Null:
        return left
    if left == pl.Null:
        return right
    if left.is_integer() and right.is_integer():
        frames = [pl.DataFrame(schema={"": dtype}) for dtype in (left, right)]
        return pl.concat(frames, how="vertical_relaxed").schema[""]
    if left.is_numeric() and right.is_numeric():
        return pl.Float64()
    texts = (pl.String, pl.Categorical, pl.Enum)
    return pl.String() if left in texts and right in texts else None


@contextmanager
def _reading(source: str) -> Iterator[None]:
    """What polars and the system raise becomes one error that names the source."""
    from polars.exceptions import PanicException, PolarsError

    try:
        yield
    except FileNotFoundError:
        raise
    except (PolarsError, OSError, PanicException) as error:
        # advice on polars' own options is of no use here
        said = (
            str(error).split("\n")[0].replace("defined in 'Schema'", "the header has")
        )
        raise SourceError(f"{source} cannot be read: {said}") from error


def _refuse_duplicates(names: Sequence[str], where: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SchemaError(f"{where}: names that occur more than once: {twice}")


def _compare_columns(
    file: Path, found: Sequence[str], first: Path, names: Sequence[str]
) -> None:
    lacks = [name for name in names if name not in found]
    extra = [name for name in found if name not in names]
    if lacks or extra:
        raise SchemaError(
            f"{file} has other columns than {first}: it lacks {lacks} and has {extra} "
            "besides. All files of a source have the same columns."
        )


def _format(file: Path) -> str | None:
    name = file.name.lower()
    plain = name.removesuffix(".gz").removesuffix(".zst")
    found = _FORMATS.get(Path(plain).suffix)
    return None if found == "parquet" and plain != name else found


def _find(source: Any) -> list[Path]:
    """The data files that a path, a pattern or a list of these stands for."""
    if isinstance(source, list | tuple):
        files = [file for item in source for file in _find(item)]
        if not files or len(set(files)) < len(files):
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
        nested = (_files_in(match) if match.is_dir() else [match] for match in matches)
        found = sorted({file for files in nested for file in files})
    files = [f for f in found if _format(f) and (f == path or f.name != _MAP)]
    if not files:
        names = [file.name for file in found[:3]]
        raise SourceError(f"{path}: no data in {names}; files read are {_SUFFIXES}")
    return files


def _files_in(folder: Path) -> list[Path]:
    """Files of a folder and of those in it, without what "." and "_" hide."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part[0] in "._" for part in path.relative_to(folder).parts)
    )


def _shown(files: Sequence[Path]) -> str:
    return str(files[0]) + (f" and {len(files) - 1} more" if len(files) > 1 else "")


def _beside(files: Sequence[Path], read: Callable[[Path], T]) -> T:
    """What the folders of the files say about them, which has to be the same."""
    folders = list(dict.fromkeys(file.parent for file in files))
    answers = [read(folder) for folder in folders]
    for folder, answer in zip(folders, answers, strict=True):
        if answer != answers[0]:
            raise SchemaError(
                f"{folder} and {folders[0]} differ in {_MAP} or {_DESCRIPTION}"
            )
    return answers[0]


def _described(folder: Path) -> dict[str, pl.DataType]:
    """Types by column, as the description of a data set gives them."""
    import polars as pl

    path = folder / _DESCRIPTION
    if not path.exists():
        return {}
    try:
        features = json.loads(path.read_text())["data_features"]
        words = {str(f["name"]): str(f["type"]).lower() for f in features}
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f'{path} is not of the form {{"data_features": [{{"name": …, "type": …}}]}}'
        ) from error
    types = {True: pl.Float64(), False: pl.String()}
    return {name: types["float" in word] for name, word in words.items()}


def _mapped(folder: Path) -> dict[str, tuple[str, pl.DataType]]:
    """Names and types by namespace, as the map of a Vowpal Wabbit file gives them."""
    import polars as pl

    path = folder / _MAP
    if not path.exists():
        return {}
    with path.open(newline="") as lines:
        rows = [[field.strip() for field in row] for row in csv.reader(lines) if row]
    if any(len(row) < 2 or row[2:] not in ([], ["f32"]) for row in rows):
        raise SourceError(f"{path}: lines are of the form id,name or id,name,f32")
    _refuse_duplicates([row[0] for row in rows], str(path))
    return {row[0]: (row[1], (pl.Float64 if row[2:] else pl.String)()) for row in rows}
