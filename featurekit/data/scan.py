"""Rows of files, block by block, in bounded memory.

polars reads a piece of a file at a time. What differs between the formats is settled
here before the first row: which columns there are and of which types. Text has no
types of its own: a column is of the first of Int64, UInt64, Float64, Boolean and
String that takes all its values. The first rows decide at first and all of them after
`Scan.settle`, so that types do not depend on the order of the rows.
"""

from __future__ import annotations

import csv
import glob
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

_FORMATS = {f".{name}": name for name in ("parquet", "csv", "tsv", "vw")}
_FORMATS[".pq"] = "parquet"
_SUFFIXES = ".parquet, .pq, and .csv, .tsv, .vw, each also with .gz or .zst"
_MAP = "vw_namespace_map.csv"
_NAMESPACE = r"\|[^\s|:]*"

_SAMPLE = 10_000  # first rows, from which types are taken at first


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
        """The columns, in order."""
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
        empty = True
        for source, frame in self._frames():
            frame = frame.select(wanted)
            with _reading(source or "the LazyFrame", self._misfit):
                for batch in frame.collect_batches(
                    chunk_size=n_rows, maintain_order=True
                ):
                    empty = False
                    yield Block(batch, source)
        if empty:
            raise SourceError("the source has no rows")

    def _frames(self) -> Iterator[tuple[str, pl.LazyFrame]]:
        for file in self.files:
            yield str(file), self._open(file)

    def _open(self, file: Path) -> pl.LazyFrame:
        """The rows of a file, of the types of ``schema``."""
        raise NotImplementedError

    def _misfit(self, source: str, said: str) -> ValueError:
        """What to raise where polars could not convert a value."""
        return SourceError(f"{source} cannot be read: {said}")


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
    formats = {_format(file): file for file in files}
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
            with _reading(str(file)):
                try:
                    found = dict(frame.collect_schema())
                except DuplicateError as error:
                    raise SchemaError(f"{file}: {error}; rename it") from error
                n_rows += frame.select(pl.len()).collect().item()
            schema = schema or found
            _compare_columns(file, found, files[0], schema)
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

        frame = pl.scan_parquet(file, glob=False, hive_partitioning=False)
        return frame.select(pl.col(name).cast(t) for name, t in self.schema.items())


class _Text(Scan):
    """Rows of text files: every column is read as String and then converted."""

    _beside: str  # the file beside the data that may give types
    unseen: bool  # whether the first rows, which are not all, have a column empty

    def __init__(
        self, files: Sequence[Path], missing: Sequence[str], sample: int | None
    ) -> None:
        self.files = tuple(files)
        self._missing = list(missing)
        self._declared: dict[str, pl.DataType] = {}
        names = self._learn(sample)
        inferred = [name for name in names if name not in self._declared]
        types = self._infer(inferred, sample) | self._declared
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
    ) -> dict[str, pl.DataType]:
        """Types of columns, from the first rows or (None) from all."""
        import polars as pl

        types: list[pl.DataType] = [pl.Int64(), pl.UInt64(), pl.Float64(), pl.Boolean()]
        types.append(pl.String())
        nulls = [
            _converted(name, dtype, strict=False).null_count().alias(f"{name}:{k}")
            for name in names
            for k, dtype in enumerate(types)
        ]
        n_rows, lost = 0, np.zeros((len(names), len(types)), np.int64)
        for file in self.files:
            left = None if sample is None else sample - n_rows
            with _reading(str(file)):
                counts = self._texts(file, left).select(pl.len().alias(""), *nulls)
                found, *losses = counts.collect(engine="streaming").row(0)
            n_rows += found
            lost += np.array(losses, np.int64).reshape(lost.shape)
            if n_rows == sample:
                break
        if not n_rows:
            raise SourceError(f"no rows in {_shown(self.files)}")
        self._settled = n_rows != sample
        empty = lost[:, -1] == n_rows
        self.unseen = not self._settled and bool(empty.any())
        # String, the last, has the nulls of the texts; any more are values lost
        first = np.argmax(lost == lost[:, -1:], axis=1)
        first[empty] = types.index(pl.Float64())
        return {name: types[k] for name, k in zip(names, first, strict=True)}

    def _open(self, file: Path) -> pl.LazyFrame:
        casts = (_converted(name, dtype) for name, dtype in self.schema.items())
        return self._texts(file).select(casts)

    def _misfit(self, source: str, said: str) -> ValueError:
        found = re.search(r"in column '(.*?)' for .*? values: (\[.*)", said)
        column, texts = found.groups() if found else ("?", said)
        holds = f"{source}: column {column!r} is {self.schema.get(column)}"
        if column in self._declared:
            return SchemaError(
                f"{holds} in {self._beside}, but holds {texts}: correct one of them"
            )
        return self._late(f"{holds} in the first rows, but holds {texts} further on")

    def _late(self, found: str) -> SchemaError:
        if self._settled:
            return SchemaError(f"{found}. The file has changed: scan it again.")
        return UnsettledTypesError(
            f"{found}. Begin anew with scan.settle(), which looks at all rows."
        )


class _Csv(_Text):
    """Rows of CSV and TSV files."""

    _beside = "dataset_desc.json"

    def _learn(self, sample: int | None) -> tuple[str, ...]:
        self._headers = {file: self._header(file) for file in self.files}
        first = self.files[0]
        names = self._headers[first]
        for file, header in self._headers.items():
            _refuse_duplicates(header, str(file))
            _compare_columns(file, header, first, names)
        self._declared = _agreed(self.files, self._beside, _described)
        if absent := sorted(self._declared.keys() - set(names)):
            raise SchemaError(f"{first} lacks columns of {self._beside}: {absent}")
        return names

    def _header(self, file: Path) -> tuple[str, ...]:
        # as a row: as names polars would make duplicates distinct
        options = {"has_header": False, "n_rows": 1, "empty_string_is_null": False}
        with _reading(str(file)):
            return _scan_csv(file, **options).collect().row(0)

    def _texts(self, file: Path, n_rows: int | None = None) -> pl.LazyFrame:
        return _scan_csv(
            file,
            new_columns=list(self._headers[file]),
            null_values=self._missing,
            empty_string_is_null="" in self._missing,
            n_rows=n_rows,
        )


class _Vw(_Text):
    """Rows of Vowpal Wabbit files."""

    _beside = _MAP

    def _learn(self, sample: int | None) -> tuple[str, ...]:
        import polars as pl

        mapped = _agreed(self.files, self._beside, _mapped)
        found: set[str] = set()
        for file in self.files:
            ids = pl.col("line").str.extract_all(_NAMESPACE).explode().unique()
            with _reading(str(file)):
                lines = self._lines(file, sample).select(ids)
                found.update(lines.collect(engine="streaming")["line"].drop_nulls())
        others = sorted({namespace[1:] for namespace in found} - mapped.keys())
        self._names = {key: name for key, (name, _) in mapped.items()}
        self._names |= {key: key for key in others}
        self._declared = dict(mapped.values())
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
            parts = line.str.extract_all(rf"\|{re.escape(key)}(?::[^\s|]*)?\s[^|]*")
            tokens = parts.list.join("").str.replace_all(r"\|\S*", " ")
            # null where there is none; Expr.replace would not run block by block
            tokens = tokens.str.extract(r"(\S(?:.*\S)?)").str.replace_all(r"\s+", "-")
            columns.append(tokens.alias(name))
        return self._lines(file, n_rows).filter(checked).select(columns)

    def _misfit(self, source: str, said: str) -> ValueError:
        if "to `enum` failed in column 'line'" not in said:
            return super()._misfit(source, said)
        new = re.findall(r'"\|(.*?)"', said.split("values:")[-1])
        return self._late(
            f"{source}: namespaces {new} are neither in {_MAP} nor in the first rows"
        )


def _scan_csv(file: Path, **options: Any) -> pl.LazyFrame:
    import polars as pl

    mark = "\t" if _format(file) == "tsv" else ","
    return pl.scan_csv(file, separator=mark, infer_schema=False, glob=False, **options)


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

    if left == right or pl.Null in (left, right):
        return right if left == pl.Null else left
    if left.is_integer() and right.is_integer():
        frames = [pl.DataFrame(schema={"": dtype}) for dtype in (left, right)]
        return pl.concat(frames, how="vertical_relaxed").schema[""]
    if left.is_numeric() and right.is_numeric():
        return pl.Float64()
    texts = (pl.String, pl.Categorical, pl.Enum)
    return pl.String() if left in texts and right in texts else None


@contextmanager
def _reading(
    source: str, misfit: Callable[[str, str], ValueError] | None = None
) -> Iterator[None]:
    """What polars and the system raise becomes one error that names the source."""
    from polars.exceptions import InvalidOperationError, PanicException, PolarsError

    try:
        yield
    except FileNotFoundError:
        raise
    except (PolarsError, OSError, PanicException) as error:
        # further lines advise on options of polars, which are of no use here
        said = str(error).split("\n")[0]
        if misfit and isinstance(error, InvalidOperationError):
            raise misfit(source, said) from error
        said = said.replace("defined in 'Schema'", "the header has")
        raise SourceError(f"{source} cannot be read: {said}") from error


def _refuse_duplicates(names: Sequence[str], where: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SchemaError(f"{where}: names that occur more than once: {twice}")


def _compare_columns(
    file: Path, found: Iterable[str], first: Path, names: Iterable[str]
) -> None:
    here, there = dict.fromkeys(found), dict.fromkeys(names)
    lacks = [name for name in there if name not in here]
    extra = [name for name in here if name not in there]
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
    files = [f for f in found if _format(f) and (f == path or f.name != _MAP)]
    if not files:
        names = [file.name for file in found[:3]]
        raise SourceError(
            f"{path}: no data in {names}. Files read are {_SUFFIXES}; names that begin "
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


def _shown(files: Sequence[Path]) -> str:
    return str(files[0]) + (f" and {len(files) - 1} more" if len(files) > 1 else "")


def _agreed(
    files: Sequence[Path], name: str, read: Callable[[Path], dict[str, T]]
) -> dict[str, T]:
    """What the file of that name beside each file says: nothing, or the same."""
    paths = list(dict.fromkeys(file.parent / name for file in files))
    answers = [read(path) if path.exists() else {} for path in paths]
    for path, answer in zip(paths, answers, strict=True):
        if answer != answers[0]:
            raise SchemaError(f"{path} and {paths[0]} do not say the same")
    return answers[0]


def _described(path: Path) -> dict[str, pl.DataType]:
    """Types by column, of a dataset_desc.json."""
    import polars as pl

    try:
        features = json.loads(path.read_text())["data_features"]
        words = {str(f["name"]): str(f["type"]).lower() for f in features}
    except (ValueError, KeyError, TypeError) as error:
        form = '{"data_features": [{"name": ..., "type": ...}]}'
        raise SourceError(f"{path} is not of the form {form}") from error
    types = {True: pl.Float64(), False: pl.String()}
    return {name: types["float" in word] for name, word in words.items()}


def _mapped(path: Path) -> dict[str, tuple[str, pl.DataType]]:
    """Names and types by namespace, of a vw_namespace_map.csv."""
    import polars as pl

    with path.open(newline="") as lines:
        rows = [[field.strip() for field in row] for row in csv.reader(lines) if row]
    if any(len(row) < 2 or row[2:] not in ([], ["f32"]) for row in rows):
        raise SourceError(f"{path}: lines are of the form id,name or id,name,f32")
    _refuse_duplicates([row[0] for row in rows], str(path))
    return {row[0]: (row[1], (pl.Float64 if row[2:] else pl.String)()) for row in rows}
