"""Text files in blocks: CSV, TSV, Vowpal Wabbit, whose types have to be found out."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from featurekit.data.blocks import (
    Scan,
    SourceError,
    UnsettledTypesError,
    compare_columns,
    file_format,
    reading,
    refuse_duplicates,
    shown,
)
from featurekit.exceptions import SchemaError

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")

MAP = "vw_namespace_map.csv"
_NAMESPACE = r"\|[^\s|:]*"


class Text(Scan):
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
            with reading(str(file)):
                counts = self._texts(file, left).select(pl.len().alias(""), *nulls)
                found, *losses = counts.collect(engine="streaming").row(0)
            n_rows += found
            lost += np.array(losses, np.int64).reshape(lost.shape)
            if n_rows == sample:
                break
        if not n_rows:
            raise SourceError(f"no rows in {shown(self.files)}")
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


class Csv(Text):
    """Rows of CSV and TSV files."""

    _beside = "dataset_desc.json"

    def _learn(self, sample: int | None) -> tuple[str, ...]:
        self._headers = {file: self._header(file) for file in self.files}
        first = self.files[0]
        names = self._headers[first]
        for file, header in self._headers.items():
            refuse_duplicates(header, str(file))
            compare_columns(file, header, first, names)
        self._declared = _agreed(self.files, self._beside, _described)
        if absent := sorted(self._declared.keys() - set(names)):
            raise SchemaError(f"{first} lacks columns of {self._beside}: {absent}")
        return names

    def _header(self, file: Path) -> tuple[str, ...]:
        # as a row: as names polars would make duplicates distinct
        options = {"has_header": False, "n_rows": 1, "empty_string_is_null": False}
        with reading(str(file)):
            return _scan_csv(file, **options).collect().row(0)

    def _texts(self, file: Path, n_rows: int | None = None) -> pl.LazyFrame:
        return _scan_csv(
            file,
            new_columns=list(self._headers[file]),
            null_values=self._missing,
            empty_string_is_null="" in self._missing,
            n_rows=n_rows,
        )


class Vw(Text):
    """Rows of Vowpal Wabbit files."""

    _beside = MAP

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

    def _misfit(self, source: str, said: str) -> ValueError:
        if "to `enum` failed in column 'line'" not in said:
            return super()._misfit(source, said)
        new = re.findall(r'"\|(.*?)"', said.split("values:")[-1])
        return self._late(
            f"{source}: namespaces {new} are neither in {MAP} nor in the first rows"
        )


def _scan_csv(file: Path, **options: Any) -> pl.LazyFrame:
    import polars as pl

    mark = "\t" if file_format(file) == "tsv" else ","
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
