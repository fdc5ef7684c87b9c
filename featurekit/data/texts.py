"""Text files in blocks: CSV, TSV, Vowpal Wabbit, whose types have to be found out."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from featurekit.data.blocks import (
    Scan,
    SourceError,
    UnsettledTypesError,
    compare_columns,
    reading,
    refuse_duplicates,
    shown,
)
from featurekit.data.dialect import (
    Copies,
    Dialect,
    Header,
    blank_records,
    dialect_of,
    first_ragged,
    header_of,
)
from featurekit.data.files import NAMESPACE_MAP
from featurekit.data.inference import Decimal, Inference, Reading, text_reading
from featurekit.data.partitions import Partitions
from featurekit.exceptions import SchemaError, warn

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")

_NAMESPACE = r"\|[^\s|:]*"


class Options(NamedTuple):
    """What a caller says about text files; see `scan`."""

    missing: tuple[str, ...]
    separator: str | None = None
    encoding: str | None = None
    decimal: Decimal | None = None
    text: frozenset[str] = frozenset()
    drop: tuple[str, ...] = ()


class Text(Scan):
    """Rows of text files: every column is read as String and then converted.

    Parameters
    ----------
    partitions : Partitions
    options : Options
    sample : int or None
        The rows that types are taken from; None: all.
    copies : Copies, optional
        Of files that polars cannot read as they are.
    """

    _beside: str  # the file beside the data that may give types
    unseen: bool  # whether the first rows, which are not all, leave a type open

    def __init__(
        self,
        partitions: Partitions,
        options: Options,
        sample: int | None,
        copies: Copies | None = None,
    ) -> None:
        self.files = partitions.files
        self._partitions = partitions
        self._options = options
        self._sample = sample
        self._copies = copies or Copies()
        self._declared: dict[str, pl.DataType] = {}
        self._settled = sample is None
        names = self._learn(sample)
        keys = partitions.outside(names)
        readings = self._infer(names, sample)
        self._readings = readings
        schema = {name: reading.dtype for name, reading in readings.items()}
        super().__init__(schema | keys, self.files, drop=options.drop)

    def settle(self) -> Scan:
        if self._settled:
            return self
        return type(self)(self._partitions, self._options, None, self._copies)

    def _learn(self, sample: int | None) -> tuple[str, ...]:
        """Names of the columns; types that are given go to ``_declared``."""
        raise NotImplementedError

    def _texts(self, file: Path, n_rows: int | None = None) -> pl.LazyFrame:
        """The (first) rows of a file, as columns of String."""
        raise NotImplementedError

    def _may_have_commas(self) -> bool:
        """Whether a comma may be a decimal point."""
        return False

    def _infer(self, names: Sequence[str], sample: int | None) -> dict[str, Reading]:
        """How columns are read, by the first rows or (None) by all."""
        given = {name: Reading(dtype) for name, dtype in self._declared.items()}
        given |= dict.fromkeys(
            {*self._options.text, *self._options.drop}, text_reading()
        )
        open_ones = [name for name in names if name not in given]
        found = Inference(open_ones, self._options.decimal, self._may_have_commas())
        for file in self.files:
            left = None if sample is None else sample - found.n_rows
            with reading(str(file), self._misfit):
                found.add(self._texts(file, left))
            if found.n_rows == sample:
                break
        if not found.n_rows:
            raise SourceError(f"no rows in {shown(self.files)}")
        self._settled = found.n_rows != sample
        self.unseen = not self._settled and any(map(found.undecided, open_ones))
        return {
            name: given[name] if name in given else found.reading(name)
            for name in names
        }

    def _open(self, file: Path) -> pl.LazyFrame:
        columns = [
            self._readings[name].values(name)
            if name in self._readings
            else self._partitions.column(file, name)
            for name in self.schema
        ]
        return self._texts(file).select(columns)

    def _misfit(self, source: str, said: str) -> ValueError | None:
        found = re.search(r"in column '(.*?)' for .*? values: (\[.*)", said)
        if not found:
            return None
        column, texts = found.groups()
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


class Csv(Text):
    """Rows of CSV and TSV files."""

    _beside = "dataset_desc.json"

    def _learn(self, sample: int | None) -> tuple[str, ...]:
        given = self._options
        self._dialects = {
            file: dialect_of(file, given.encoding, given.separator, sample is None)
            for file in self.files
        }
        self._blank: dict[str, NDArray[np.int64]] = {}
        guessed = [str(file) for file in self.files if self._dialects[file].guessed]
        if guessed and guessed != self._copies.guessed:
            self._copies.guessed = guessed
            warn(
                f"{guessed[:3]} are not UTF-8 and are read as Windows-1252 (Western "
                "European). If letters look wrong, pass encoding=."
            )
        self._headers = {file: self._header(file) for file in self.files}
        first = self.files[0]
        names = self._headers[first].names
        for file, header in self._headers.items():
            refuse_duplicates(header.names, str(file))
            compare_columns(file, header.names, first, names)
        self._declared = _agreed(self.files, self._beside, _described)
        if absent := sorted(self._declared.keys() - set(names)):
            raise SchemaError(f"{first} lacks columns of {self._beside}: {absent}")
        return names

    def _may_have_commas(self) -> bool:
        return all(dialect.separator != "," for dialect in self._dialects.values())

    def _header(self, file: Path) -> Header:
        # polars would make distinct names of duplicates
        dialect = self._dialects[file]
        header = header_of(self._copies.path(file, dialect), dialect.separator)
        if header is None:
            raise SourceError(f"{file}: there is no header; all lines are empty")
        return header

    def _texts(self, file: Path, n_rows: int | None = None) -> pl.LazyFrame:
        missing = self._options.missing
        return self._scan_csv(
            file,
            skip_lines=self._headers[file].n_before,
            new_columns=list(self._headers[file].names),
            null_values=list(missing),
            empty_string_is_null="" in missing,
            n_rows=n_rows,
        )

    def _scan_csv(self, file: Path, **options: Any) -> pl.LazyFrame:
        import polars as pl

        dialect = self._dialects[file]
        return pl.scan_csv(
            self._copies.path(file, dialect), separator=dialect.separator,
            infer_schema=False, glob=False, **options,
        )  # fmt: skip

    def _records(self, batch: pl.DataFrame, source: str, first: int) -> pl.DataFrame:
        """The rows without those that are empty lines."""
        import polars as pl

        own = [name for name in batch.columns if name in self._readings]
        if not own:
            return batch
        tests = [_is_empty(name, batch.schema[name]) for name in own]
        if not batch.select(pl.all_horizontal(tests).any()).item():
            return batch
        if source not in self._blank:
            file = Path(source)
            self._blank[source] = blank_records(
                self._copies.path(file, self._dialects[file])
            )
        blank = self._blank[source]
        inside = blank[(blank >= first) & (blank < first + len(batch))] - first
        kept = np.ones(len(batch), bool)
        kept[inside] = False
        return batch.filter(pl.Series(kept))

    def _misfit(self, source: str, said: str) -> ValueError | None:
        file = Path(source)
        dialect = self._dialects[file]
        if "invalid utf-8" in said:
            if not self._settled and self._options.encoding is None:
                return UnsettledTypesError(
                    f"{source} is not UTF-8 further on. Begin anew with scan.settle()."
                )
            return SourceError(
                f"{source} is not in the encoding {dialect.encoding}. Name the one it "
                "is in with encoding=, such as 'cp1252', 'latin-1' or 'utf-16'."
            )
        if "found more fields" in said:
            return self._ragged(file, dialect)
        return super()._misfit(source, said)

    def _ragged(self, file: Path, dialect: Dialect) -> SourceError:
        n_fields = len(self._headers[file].names)
        found = first_ragged(
            self._copies.path(file, dialect), dialect.separator, n_fields
        )
        where = "a line has more fields than the header"
        if found:
            where = f"line {found[0]:,} has {found[1]} fields, the header {n_fields}"
        return SourceError(
            f"{file} cannot be read: {where}. Fields are separated by "
            f"{dialect.separator!r}: quote those that hold it, or name another with "
            "separator=."
        )


def _is_empty(name: str, dtype: pl.DataType) -> pl.Expr:
    import polars as pl

    column = pl.col(name)
    empty = column.is_null()
    return empty | (column == "") if dtype == pl.String else empty


class Vw(Text):
    """Rows of Vowpal Wabbit files."""

    _beside = NAMESPACE_MAP

    def _learn(self, sample: int | None) -> tuple[str, ...]:
        import polars as pl

        mapped = _agreed(self.files, self._beside, _mapped)
        found: set[str] = set()
        for file in self.files:
            ids = pl.col("line").str.extract_all(_NAMESPACE).explode().unique()
            with reading(str(file)):
                lines = self._lines(file, sample).select(ids)
                found.update(lines.collect(engine="streaming")["line"].drop_nulls())
        others = sorted({namespace[1:] for namespace in found} - mapped.keys())
        self._names = {key: name for key, (name, _) in mapped.items()}
        self._names |= {key: key for key in others}
        self._declared = dict(mapped.values())
        self._declared |= dict.fromkeys(others, pl.String())
        names = ("label", *self._names.values())
        refuse_duplicates(names, f"label and namespaces of {shown(self.files)}")
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

    def _misfit(self, source: str, said: str) -> ValueError | None:
        if "to `enum` failed in column 'line'" not in said:
            return super()._misfit(source, said)
        new = re.findall(r'"\|(.*?)"', said.split("values:")[-1])
        return self._late(
            f"{source}: namespaces {new} are neither in {NAMESPACE_MAP} nor in the "
            "first rows"
        )


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
    refuse_duplicates([row[0] for row in rows], str(path))
    return {row[0]: (row[1], (pl.Float64 if row[2:] else pl.String)()) for row in rows}
