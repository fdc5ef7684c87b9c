"""The columns that a transformer gives back, in a form that a model takes.

LightGBM, XGBoost, CatBoost and scikit-learn agree on numbers alone. With their default
parameters XGBoost and CatBoost refuse pandas categories, and LightGBM ends the process
on categories and datetimes of polars; so ``"codes"`` is the default.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

import narwhals as nw
import numpy as np

from featurekit.data.assemble import Made, Own, as_floats, assemble
from featurekit.data.columns import (
    CategoricalColumn,
    Column,
    DatetimeColumn,
    NumericColumn,
    Table,
)
from featurekit.data.dense import (
    Dense,
    Imputed,
    Indicators,
    learn_dense,
    numbers,
)
from featurekit.data.encode import EXACT, FAMILIES, encode
from featurekit.data.frames import Series, as_matrix, frame_type, open_frame
from featurekit.data.ingest import ColumnSpec, Schema, read_column
from featurekit.exceptions import SchemaError, warn

OutputFormat: TypeAlias = Literal["codes", "category", "onehot", "input"]
FORMATS = get_args(OutputFormat)

_PLAIN = (
    nw.Int8, nw.Int16, nw.Int32, nw.Int64, nw.UInt8, nw.UInt16, nw.UInt32, nw.UInt64,
    nw.Float32, nw.Float64, nw.Boolean,
)  # fmt: skip


@dataclass(frozen=True)
class Output:
    """How the columns of a transformer leave it, learnt in fit.

    Parameters
    ----------
    format : {"codes", "category", "onehot", "input"}
        "codes": numbers of the caller's stay as they are, categories become codes,
        datetimes days since 1970, missing values NaN (null in polars and Arrow); a
        column that had no value in fit is 0.
        "category": the same, but categories are the frame library's category type with
        the categories of fit. "onehot": float64 without missing values. "input": the
        caller's columns as they are.
    schema : Schema
        The caller's columns that are kept, in their order.
    dense : mapping of names to Imputed or Indicators
        With "onehot", what each column becomes, new columns among them.
    """

    format: str
    schema: Schema
    dense: Mapping[str, Dense] = field(default_factory=dict)

    @classmethod
    def learn(
        cls,
        format: str,
        schema: Schema,
        table: Table,
        new: Mapping[str, Made] | None = None,
    ) -> Output:
        """Learn from the rows of fit.

        Parameters
        ----------
        format : str
        schema : Schema
            The columns to keep.
        table : Table
            Their values, other columns allowed.
        new : mapping of names to columns (n,)
            The columns made of them; looked at with "onehot" only.
        """
        if format != "onehot":
            return cls(format, schema)
        columns: dict[str, Column | Made] = {s.name: table[s.name] for s in schema}
        columns |= new or {}
        dense = {name: learn_dense(_for_dense(c)) for name, c in columns.items()}
        return cls(format, schema, dense)

    def without_input(self) -> Output:
        """The new columns alone."""
        return replace(self, schema=self.schema.select(()))

    # -- names ---------------------------------------------------------------------

    def names(
        self, new: Sequence[str] = (), inputs: Sequence[str] | None = None
    ) -> list[str]:
        """Names of the columns of `write`.

        Parameters
        ----------
        new : sequence of str
            Names of the new columns.
        inputs : sequence of str, optional
            Names of the caller's columns, where these are others than in fit.
        """
        given = dict(zip(self.schema.names, inputs or self.schema.names, strict=True))
        names: dict[str, None] = {}
        for name in [*self.schema.names, *new]:
            if name in self.dense:
                names |= dict.fromkeys(self._spread(name, given.get(name, name), names))
            else:
                names[given.get(name, name)] = None
        return list(names)

    def _spread(self, name: str, shown: str, taken: Mapping[str, Any]) -> list[str]:
        """Names of what one column becomes, none of them taken."""
        out: list[str] = []
        for label in self.dense[name].labels():
            made = f"{shown}={label}" if label else shown
            while made in taken or made in out:
                made += "_"
            out.append(made)
        return out

    # -- values --------------------------------------------------------------------

    def write(
        self,
        X: Any,
        new: Mapping[str, Made] | None = None,
        container: str = "default",
        table: Table | None = None,
    ) -> Any:
        """The columns of fit, and new ones after them.

        Parameters
        ----------
        X : frame, 2-D array-like or mapping of 1-D arrays
            The columns of ``schema``, in its order and no others; with an empty schema
            any, for its rows.
        new : mapping of names to columns (n,)
        container : {"default", "pandas", "polars"}
            "default" is what X is.
        table : Table, optional
            X as the schema reads it, where the caller has it already.
        """
        if frame_type(X) == "numpy" and not isinstance(X, Mapping):
            X = as_matrix(X)
        new = new or {}
        if taken := sorted(set(self.schema.names) & set(new)):
            raise ValueError(
                f"X has columns named like new ones: {taken}. Rename them, or use "
                "keep_input=False."
            )
        columns = dict(self._columns(X, new, table))
        if not columns:
            warn(
                "No features were selected: transform returns no columns, which most "
                "models refuse. Allow more, for example by a larger alpha or "
                "n_features_to_select, or select on more rows."
            )
        return assemble(X, columns, container)

    def _columns(
        self, X: Any, new: Mapping[str, Made], table: Table | None
    ) -> Iterator[tuple[str, Own | Made]]:
        taken: dict[str, None] = {}
        for name, column in [*self._inputs(X, table), *new.items()]:
            if self.format != "onehot":
                yield name, column if self.format != "codes" else _code(column)
                continue
            assert not isinstance(column, Own)
            made = self.dense[name].apply(_for_dense(column))
            names = self._spread(name, name, taken)
            taken |= dict.fromkeys(names)
            yield from zip(names, made, strict=True)

    def _inputs(
        self, X: Any, table: Table | None
    ) -> Iterator[tuple[str, Own | NumericColumn | CategoricalColumn]]:
        if not len(self.schema):
            return
        if self.format == "input":
            yield from ((name, Own(i)) for i, name in enumerate(self.schema.names))
            return
        for i, (spec, series) in enumerate(zip(self.schema, _series(X), strict=True)):
            if spec.dtype == "null" and self.format != "onehot":
                # scikit-learn's histograms cannot bin a column without any value
                yield spec.name, NumericColumn(np.zeros(len(series)))
                continue
            if self._stays(spec, series):
                yield spec.name, Own(i)
                continue
            column = read_column(spec, series) if table is None else table[spec.name]
            if isinstance(column, DatetimeColumn):
                column = days(column)
            if self.format == "codes" and isinstance(column, CategoricalColumn):
                column = _number(spec, series, column)
            yield spec.name, column

    def _stays(self, spec: ColumnSpec, series: Series) -> bool:
        """Whether a model takes the column as it is."""
        if self.format == "onehot":
            return False
        if self.format == "category" and spec.kind == "categorical":
            return False
        return FAMILIES[spec.dtype] == "number" and _is_plain(series)

    # -- JSON ----------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads back beside the schema, as JSON can hold it."""
        return {
            "format": self.format,
            "dense": {
                name: [dense.value, dense.indicator]
                if isinstance(dense, Imputed)
                else [list(dense.codes), list(dense.categories), dense.rest]
                for name, dense in self.dense.items()
            },
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], schema: Schema) -> Output:
        """Read what `to_dict` wrote.

        Raises
        ------
        SchemaError
            If the content is not what `to_dict` writes.
        """
        try:
            if data["format"] not in FORMATS:
                raise ValueError(data["format"])
            dense = {str(n): _dense(entry) for n, entry in data["dense"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SchemaError(
                f"the stored output format is damaged ({type(error).__name__}: {error})"
            ) from None
        lacking = [n for n in schema.names if dense and n not in dense]
        if lacking:
            raise SchemaError(f"the stored output format lacks the columns {lacking}")
        return cls(data["format"], schema, dense)

    def check_complete(self, new: Iterable[str]) -> None:
        """Refuse an output format that does not say how each column is written.

        Parameters
        ----------
        new : iterable of str
            Names of the new columns.

        Raises
        ------
        SchemaError
        """
        needed = {*self.schema.names, *new} if self.format == "onehot" else set()
        lacking = needed - set(self.dense)
        if lacking:
            raise SchemaError(
                f"the stored output format lacks the columns {sorted(lacking)}"
            )


def _dense(entry: list[Any]) -> Dense:
    if len(entry) == 2:
        value, indicator = entry
        if type(value) not in (int, float) or type(indicator) is not bool:
            raise ValueError(f"{entry} is no imputed column")
        return Imputed(float(value), indicator)
    codes, categories, rest = entry
    if not isinstance(codes, list) or not isinstance(categories, list):
        raise ValueError("codes and categories are no lists")
    if not all(type(code) is int and 0 <= code <= len(categories) for code in codes):
        raise ValueError(f"codes {codes} of {len(categories)} categories")
    if not all(isinstance(label, str | int | float) for label in categories):
        raise ValueError("categories are no labels")
    return Indicators(tuple(codes), tuple(categories), bool(rest))


def _series(X: Any) -> tuple[Series, ...]:
    """The columns of X; those of an array as views, for most are not looked into."""
    if isinstance(X, np.ndarray):
        return tuple(X[:, j] for j in range(X.shape[1]))
    return open_frame(X).columns


def _code(column: Own | Made) -> Own | Made:
    return as_floats(column) if isinstance(column, CategoricalColumn) else column


def days(column: DatetimeColumn) -> NumericColumn:
    """Days since 1970: of a size that linear models bear beside other columns."""
    return NumericColumn(numbers(column) / 86400)


def _for_dense(column: Column | Made) -> NumericColumn | CategoricalColumn:
    """Points in time as days; infinities as missing, as in derived features."""
    if isinstance(column, CategoricalColumn):
        return column
    if isinstance(column, DatetimeColumn):
        return days(column)
    values = column if isinstance(column, np.ndarray) else column.values
    endless = np.isinf(values)
    return NumericColumn(np.where(endless, np.nan, values) if endless.any() else values)


def _number(
    spec: ColumnSpec, series: Series, column: CategoricalColumn
) -> CategoricalColumn | NumericColumn:
    """Numbers that are keys are still numbers, unless float64 cannot hold them."""
    if FAMILIES[spec.dtype] != "number" or any(abs(v) > EXACT for v in spec.categories):  # type: ignore[arg-type, operator]
        return column
    read = encode(series, spec.name, "numeric").column
    return read if isinstance(read, NumericColumn) else column


def _is_plain(series: Series) -> bool:
    """Whether a column holds numbers of a type that every model takes."""
    if isinstance(series, np.ndarray):
        return series.dtype.kind in "biuf" and series.dtype.itemsize <= 8
    if series.implementation.is_pandas():
        # LightGBM refuses pandas columns of Arrow types, CatBoost a missing boolean
        dtype = series.to_native().dtype
        masked = str(dtype).startswith(("Int", "UInt", "Float"))
        return masked or (isinstance(dtype, np.dtype) and dtype.kind in "biuf")
    return series.dtype in _PLAIN
