"""From a caller's frame to a `Table`, and the schema that makes it repeatable.

`Schema.learn` decides in fit what each column is and which categories it has;
`Schema.read` gives later rows the same columns and codes, or says what does not fit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import (
    MISSING_DATETIME,
    CategoricalColumn,
    Column,
    DatetimeColumn,
    Kind,
    NumericColumn,
    Scalar,
    Table,
)
from featurekit.data.encode import FAMILIES, Encoded, Want, encode, encode_nulls
from featurekit.data.frames import Frame, Series, open_frame
from featurekit.data.unusual import check_zone
from featurekit.exceptions import SchemaError

CategoricalFeatures: TypeAlias = (
    Literal["auto"] | Sequence[str] | Sequence[int] | Sequence[bool] | NDArray[Any]
)

FORMAT = 1
_LARGE = 1 << 128
"""Whole numbers are below it in every frame library."""

# (what fit saw, what came) to how pandas and polars convert X[name]; what is no value
# of the kind wanted becomes missing
_FIXES = {
    ("boolean", "string"): (
        "X[{name!r}].map({{'True': True, 'False': False}})",
        "X[{name!r}].replace_strict({{'True': True, 'False': False}}, default=None)",
    ),
    ("number", "string"): (
        "pd.to_numeric(X[{name!r}], errors='coerce')",
        "X[{name!r}].cast(pl.Float64, strict=False)",
    ),
    ("number", "duration"): (
        "X[{name!r}].dt.total_seconds()",
        "X[{name!r}].dt.total_seconds()",
    ),
    ("string", "whole"): (
        "X[{name!r}].astype('Int64').astype('string')",
        "X[{name!r}].cast(pl.Int64).cast(pl.String)",
    ),
    ("string", "number"): (
        "X[{name!r}].astype('string')",
        "X[{name!r}].cast(pl.String)",
    ),
    ("string", "boolean"): (
        "X[{name!r}].map({{True: 'True', False: 'False'}})",
        "X[{name!r}].replace_strict({{True: 'True', False: 'False'}}, default=None)",
    ),
    ("string", "datetime"): (
        "X[{name!r}].astype('string')",
        "X[{name!r}].cast(pl.String)",
    ),
    ("datetime", "string"): (
        "pd.to_datetime(X[{name!r}], errors='coerce')",
        "X[{name!r}].str.to_datetime(strict=False)",
    ),
    ("duration", "number"): (
        "pd.to_timedelta(X[{name!r}], unit='s')",
        "pl.from_epoch(X[{name!r}], 's') - pl.datetime(1970, 1, 1)",
    ),
    ("time", "string"): (
        "pd.to_datetime(X[{name!r}], format='%H:%M').dt.time",
        "X[{name!r}].str.to_time('%H:%M')",
    ),
    ("time", "datetime"): ("X[{name!r}].dt.time", "X[{name!r}].dt.time()"),
}


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """What fit learnt about one column.

    Parameters
    ----------
    name : str
    kind : {"numeric", "categorical", "datetime"}
    categories : tuple of str or of numbers
        Distinct and sorted; empty unless categorical.
    dtype : {"boolean", "integer", "float", "string", "date", "datetime", "duration", \
"time", "null"}
        What the values were, in the same words for every library.
    zone : str
        The time zone that datetimes are the wall time of; "" without one.
    """

    name: str
    kind: Kind
    categories: tuple[Scalar, ...] = ()
    dtype: str = "float"
    zone: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "categories", tuple(self.categories))
        if self.kind not in get_args(Kind):
            raise SchemaError(f"column {self.name!r}: unknown kind {self.kind!r}")
        if self.dtype not in FAMILIES:
            raise SchemaError(f"column {self.name!r}: unknown dtype {self.dtype!r}")
        check_zone(self.zone)
        if len({isinstance(c, str) for c in self.categories}) > 1:
            raise SchemaError(f"column {self.name!r} mixes strings and numbers")
        if list(self.categories) != sorted(set(self.categories)):
            raise SchemaError(
                f"column {self.name!r}: categories must be distinct and sorted"
            )


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns seen in fit.

    Parameters
    ----------
    specs : tuple of ColumnSpec
    named : bool
        Whether the names are the input's own. Without, columns are found by position.
    """

    specs: tuple[ColumnSpec, ...]
    named: bool = True
    _position: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "specs", tuple(self.specs))
        position = {spec.name: i for i, spec in enumerate(self.specs)}
        if len(position) != len(self.specs):
            raise SchemaError(f"column names must be distinct, got {self.names}")
        object.__setattr__(self, "_position", position)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in the order of fit."""
        return tuple(spec.name for spec in self.specs)

    def __len__(self) -> int:
        return len(self.specs)

    def __iter__(self) -> Iterator[ColumnSpec]:
        return iter(self.specs)

    def __getitem__(self, name: str) -> ColumnSpec:
        return self.specs[self._position[name]]

    @classmethod
    def learn(
        cls, X: Any, categorical_features: CategoricalFeatures = "auto"
    ) -> tuple[Schema, Table]:
        """Decide what the columns of X are, and encode them.

        Strings, categories and enums are categorical; numbers and booleans numeric;
        durations numeric, in seconds, and times of day too, since midnight; dates and
        datetimes datetime, those of a time zone as its wall time. A column of
        integers beyond 2**53 (ids, hashes) is categorical, for float64 cannot tell
        them apart. A column without any value is numeric, of dtype "null", and later
        rows may hold anything there: it is missing in all of them.

        Parameters
        ----------
        X : pandas, polars or pyarrow frame, 2-D array-like, or mapping of 1-D arrays
        categorical_features : "auto" or sequence of str, int or bool
            Names, positions, or a mask of columns that are categorical though they
            hold numbers. Their categories stay numbers; 1.0 and 2.0 become 1 and 2
            if no value of the column has a fraction.

        Returns
        -------
        schema : Schema
        table : Table
            The encoded columns. Float64 columns are views of X where its memory
            allows.
        """
        frame = open_frame(X)
        asked = positions_of(frame.names, categorical_features)
        specs, columns = [], []
        for i, (name, series) in enumerate(
            zip(frame.names, frame.columns, strict=True)
        ):
            want: Want = "categorical" if i in asked else "auto"
            column, dtype, zone = encode(series, name, want)
            if column.missing.all():  # no value says what it would be
                column, dtype, zone = encode_nulls(frame.n_rows), "null", ""
            elif i in asked and column.kind != "categorical":
                raise SchemaError(
                    f"column {name!r} is in categorical_features but holds {dtype} "
                    f"values: use X[{name!r}].astype('string') in pandas, "
                    f"X[{name!r}].cast(pl.String) in polars, or leave it out"
                )
            known = getattr(column, "categories", ())
            specs.append(ColumnSpec(name, column.kind, known, dtype, zone))
            columns.append(column)
        table = Table(frame.names, tuple(columns), frame.n_rows)
        return cls(tuple(specs), frame.named), table

    def read(self, X: Any, extra: Literal["raise", "ignore"] = "raise") -> Table:
        """Encode X as in fit.

        Columns are found by name where both X and the input of fit have names, in
        any order, and by position otherwise. The library may differ from fit's.
        Values that fit did not see get the unseen code; a column of missing values
        alone fits every kind.

        Parameters
        ----------
        X : as in `learn`
        extra : {"raise", "ignore"}
            What to do about named columns that fit did not see.

        Returns
        -------
        Table
            The columns of fit, in its order.

        Raises
        ------
        SchemaError
            When columns are missing, surplus, or of another kind than in fit.
        """
        if extra not in ("raise", "ignore"):
            raise ValueError(f"extra is 'raise' or 'ignore', got {extra!r}")
        frame = open_frame(X)
        columns = tuple(
            read_column(spec, series)
            for spec, series in zip(self, self._find(frame, extra), strict=True)
        )
        return Table(self.names, columns, frame.n_rows)

    def select(self, names: Sequence[str]) -> Schema:
        """The schema of these columns, in this order."""
        return Schema(tuple(self[name] for name in names), self.named)

    def with_categories(self, table: Table) -> Schema:
        """The schema with the categories that a table of its columns has."""
        specs = tuple(
            replace(spec, categories=getattr(column, "categories", ()))
            for spec, column in zip(self, table.columns, strict=True)
        )
        return Schema(specs, self.named)

    def positions(self, X: Any) -> list[int]:
        """Where the columns of fit are in X, which may have others."""
        frame = open_frame(X)
        if not (self.named and frame.named):
            return list(range(len(self)))
        place = {name: i for i, name in enumerate(frame.names)}
        return [place[name] for name in self.names]

    def _find(self, frame: Frame, extra: str) -> tuple[Series, ...]:
        """The columns of the frame, one for each spec."""
        if not (self.named and frame.named):
            if len(frame.columns) != len(self):
                # scikit-learn's words, down to "Schema" in the estimator's place
                raise SchemaError(
                    f"X has {len(frame.columns)} features, but Schema is expecting "
                    f"{len(self)} features as input."
                )
            return frame.columns
        found = dict(zip(frame.names, frame.columns, strict=True))
        lacking = [name for name in self.names if name not in found]
        surplus = [name for name in frame.names if name not in self._position]
        if lacking:
            renamed = f" New in X, perhaps renamed: {_few(surplus)}." if surplus else ""
            raise SchemaError(
                f"X lacks columns seen in fit: {_few(lacking)}. Add them (missing "
                f"values will do).{renamed}"
            )
        if surplus and extra == "raise":
            raise SchemaError(
                f"X has columns that fit did not see: {_few(surplus)}. Drop them, or "
                "pass extra='ignore'."
            )
        return tuple(found[name] for name in self.names)

    def to_dict(self) -> dict[str, Any]:
        """The schema as what JSON can hold; `from_dict` reads it back."""
        return {
            "format": FORMAT,
            "named": self.named,
            "columns": [
                {
                    "name": spec.name,
                    "kind": spec.kind,
                    "dtype": spec.dtype,
                    "categories": [_to_json(c) for c in spec.categories],
                    **({"zone": spec.zone} if spec.zone else {}),
                }
                for spec in self
            ],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Schema:
        """Read what `to_dict` wrote, before or after a trip through JSON.

        Raises
        ------
        SchemaError
            If it is no schema, or one that no table can have.
        """
        if data.get("format") != FORMAT:
            raise SchemaError(
                f"this is format {data.get('format')!r} of a schema, not {FORMAT}: "
                "it was stored by a newer version, or is no schema"
            )
        columns, named = data.get("columns"), data.get("named")
        if not isinstance(columns, list) or not isinstance(named, bool):
            raise SchemaError("the schema has no list of columns")
        return cls(tuple(_spec_from_json(entry) for entry in columns), named)


def positions_of(names: tuple[str, ...], features: CategoricalFeatures) -> set[int]:
    """Positions of the columns named by ``categorical_features``."""
    if isinstance(features, str):
        if features == "auto":
            return set()
        raise SchemaError(
            f"categorical_features is 'auto' or a list, got {features!r}: for one "
            f"column write [{features!r}]"
        )
    if not hasattr(features, "__len__"):
        raise SchemaError(f"categorical_features is 'auto' or a list, got {features!r}")
    items = np.asarray(features).tolist() if len(features) else []
    if items and all(isinstance(item, bool) for item in items):
        if len(items) != len(names):
            raise SchemaError(
                f"categorical_features is a mask of {len(items)}, X has {len(names)} "
                "columns"
            )
        return {i for i, chosen in enumerate(items) if chosen}
    position = {name: i for i, name in enumerate(names)}
    asked = set()
    for item in items:
        if isinstance(item, str) and item in position:
            asked.add(position[item])
        elif type(item) is int and -len(names) <= item < len(names):
            asked.add(item % len(names))
        else:
            raise SchemaError(
                f"categorical_features names {item!r}, which is no column of X: "
                f"{_few(list(names))}"
            )
    return asked


def read_column(spec: ColumnSpec, series: Series) -> Column:
    """A column as fit saw it: `SchemaError` if it is of another kind."""
    if spec.dtype == "null":
        return encode_nulls(len(series))
    want: Want = "categorical" if spec.kind == "categorical" else "numeric"
    encoded = encode(series, spec.name, want, spec.zone)
    column = encoded.column
    if not _fits(spec, encoded):
        if column.missing.all():
            return _all_missing(spec, len(column))
        raise _wrong_kind(spec, encoded)
    if isinstance(column, CategoricalColumn):
        return column.recode(spec.categories)
    return column


def _fits(spec: ColumnSpec, encoded: Encoded) -> bool:
    same = FAMILIES[encoded.dtype] == FAMILIES[spec.dtype]
    return same and encoded.column.kind == spec.kind


def _all_missing(spec: ColumnSpec, n_rows: int) -> Column:
    if spec.kind == "categorical":
        codes = np.full(n_rows, len(spec.categories), dtype=np.uint32)
        return CategoricalColumn(codes, spec.categories)
    if spec.kind == "datetime":
        return DatetimeColumn(np.full(n_rows, MISSING_DATETIME, dtype=np.int64))
    return NumericColumn(np.full(n_rows, np.nan))


def _wrong_kind(spec: ColumnSpec, encoded: Encoded) -> SchemaError:
    column = encoded.column
    row = int(np.argmin(column.missing))
    if isinstance(column, CategoricalColumn):
        shown: Any = column.categories[int(column.codes[row])]
    elif isinstance(column, DatetimeColumn):
        shown = str(column.values[row].astype("datetime64[us]"))
    else:
        shown = float(column.values[row])
    known = ""
    if spec.kind == "categorical":
        known = f" (categories {_few(list(spec.categories))})"
    fix = _fix(spec, encoded)
    return SchemaError(
        f"column {spec.name!r} is of the wrong kind: fit saw {spec.kind} {spec.dtype} "
        f"values{known}, X has {column.kind} {encoded.dtype} values, in row {row} "
        f"{shown!r}. Give it as in fit{fix}, or fit again."
    )


def _fix(spec: ColumnSpec, encoded: Encoded) -> str:
    """How to convert a column to what fit saw, where that can be said."""
    wanted, came = FAMILIES[spec.dtype], FAMILIES[encoded.dtype]
    if spec.dtype == "boolean" and came == "string":
        wanted = "boolean"
    if wanted == "string" and came == "number":
        values = getattr(encoded.column, "values", np.zeros(0))
        came = "whole" if _all_whole(values) else came
        came = "boolean" if encoded.dtype == "boolean" else came
    if (wanted, came) not in _FIXES:
        return ""
    pandas, polars = (text.format(name=spec.name) for text in _FIXES[wanted, came])
    return f", in pandas {pandas}, in polars {polars}"


def _all_whole(values: NDArray[np.float64]) -> bool:
    present = values[np.isfinite(values)]
    return bool((present == np.floor(present)).all())


def _few(values: list[Any], n: int = 5) -> str:
    shown = ", ".join(repr(value) for value in values[:n])
    rest = len(values) - n
    return f"{shown} and {rest} more" if rest > 0 else shown


def _to_json(value: Scalar) -> Scalar:
    """Infinities as strings: JSON has none."""
    return value if isinstance(value, str) or math.isfinite(value) else repr(value)


def _spec_from_json(entry: Any) -> ColumnSpec:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise SchemaError("the schema has a column without a name")
    name: str = entry["name"]
    kind: Any = entry.get("kind")
    dtype: Any = entry.get("dtype")
    known = entry.get("categories")
    if (
        not isinstance(dtype, str)
        or kind not in get_args(Kind)
        or FAMILIES.get(dtype) not in _FAMILIES_OF[kind]
    ):
        raise SchemaError(f"column {name!r}: {kind!r} of dtype {dtype!r} is unknown")
    if not isinstance(known, list) or (known and kind != "categorical"):
        raise SchemaError(f"column {name!r}: its categories are no list of categories")
    read = _text_from_json if dtype == "string" else _number_from_json
    categories = tuple(read(c, name) for c in known)
    return ColumnSpec(name, kind, categories, dtype, entry.get("zone", ""))


_FAMILIES_OF = {
    "numeric": ("number", "duration", "time"),
    "datetime": ("datetime",),
    "categorical": ("string", "number"),
}


def _text_from_json(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise SchemaError(f"column {name!r}: its category {value!r:.40} is no text")
    return value


def _number_from_json(value: Any, name: str) -> Scalar:
    if value in ("inf", "-inf"):
        return float(value)
    if isinstance(value, bool | float) and math.isfinite(value):
        return value
    if isinstance(value, int) and abs(value) < _LARGE:
        return value
    raise SchemaError(f"column {name!r}: its category {value!r:.40} is no number")
