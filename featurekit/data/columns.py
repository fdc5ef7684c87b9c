"""Typed columns and the table of them: what every layer above works on.

Arrays held by a column are read-only: a column may be a view of the caller's own
data, and compiled kernels then meet one kind of array instead of two.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Kind: TypeAlias = Literal["numeric", "categorical", "datetime"]
Scalar: TypeAlias = str | int | float | bool
Rows: TypeAlias = slice | ArrayLike

MISSING_DATETIME = int(np.iinfo(np.int64).min)

_T = TypeVar("_T", bound=np.generic)


def _frozen(values: NDArray[_T]) -> NDArray[_T]:
    """A read-only, contiguous view of a 1-D array; its base stays as it was."""
    if values.ndim != 1:
        raise ValueError(f"a column is 1-D, got an array of shape {values.shape}")
    values = np.ascontiguousarray(values).view()
    values.flags.writeable = False
    return values


def code_dtype(n_categories: int) -> np.dtype[np.unsignedinteger[Any]]:
    """The narrowest unsigned type that holds the code K + 1 (unseen)."""
    for dtype in (np.uint8, np.uint16, np.uint32):
        if n_categories + 1 <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    raise ValueError(f"{n_categories} categories are more than 32 bits can number")


@dataclass(frozen=True, slots=True, eq=False)
class NumericColumn:
    """Numbers; booleans are 0 and 1, durations and times of day are seconds.

    Parameters
    ----------
    values : float64 array (n,)
        NaN is missing; infinities are kept. Other real types are converted.
    """

    values: NDArray[np.float64]
    kind: ClassVar[Kind] = "numeric"

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        object.__setattr__(self, "values", _frozen(values))

    def __len__(self) -> int:
        return len(self.values)

    # pickle drops the read-only flag: build anew instead of restoring the state
    def __reduce__(self) -> tuple[Any, ...]:
        return NumericColumn, (self.values,)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """bool (n,), true where the value is missing."""
        return np.isnan(self.values)

    def take(self, rows: Rows) -> NumericColumn:
        """The column at these rows (indices, mask or slice; a slice is a view)."""
        return NumericColumn(self.values[_index(rows)])

    def equals(self, other: object) -> bool:
        """True for the same values; missing equals missing."""
        return isinstance(other, NumericColumn) and np.array_equal(
            self.values, other.values, equal_nan=True
        )


@dataclass(frozen=True, slots=True, eq=False)
class DatetimeColumn:
    """Points in time, of dates and datetimes alike.

    Parameters
    ----------
    values : int64 array (n,)
        Microseconds since 1970-01-01 of what a clock shows; for input of a time zone
        the clock of that zone in fit. The least int64 (`MISSING_DATETIME`) is missing.
    """

    values: NDArray[np.int64]
    kind: ClassVar[Kind] = "datetime"

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        if values.dtype.kind != "i":
            raise TypeError(f"microseconds are int64, got {values.dtype}")
        values = values.astype(np.int64, copy=False)
        object.__setattr__(self, "values", _frozen(values))

    def __len__(self) -> int:
        return len(self.values)

    def __reduce__(self) -> tuple[Any, ...]:
        return DatetimeColumn, (self.values,)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """bool (n,), true where the value is missing."""
        return np.asarray(self.values == MISSING_DATETIME)

    def take(self, rows: Rows) -> DatetimeColumn:
        """The column at these rows (indices, mask or slice; a slice is a view)."""
        return DatetimeColumn(self.values[_index(rows)])

    def equals(self, other: object) -> bool:
        """True for the same points in time."""
        return isinstance(other, DatetimeColumn) and np.array_equal(
            self.values, other.values
        )


@dataclass(frozen=True, slots=True, eq=False)
class CategoricalColumn:
    """Categories as codes.

    Parameters
    ----------
    codes : uint8, uint16 or uint32 array (n,)
        Position in ``categories``; K is missing, K + 1 is a value not seen in fit.
    categories : tuple of K values
        Distinct and sorted (strings by code point), all str or all numbers.
    """

    codes: NDArray[np.unsignedinteger[Any]]
    categories: tuple[Scalar, ...]
    kind: ClassVar[Kind] = "categorical"

    def __post_init__(self) -> None:
        codes = np.asarray(self.codes)
        if codes.dtype.kind not in "iu":
            raise TypeError(f"codes are integers, got {codes.dtype}")
        n = len(self.categories)
        # a kernel indexes its tables by code without asking: no code may lie outside
        if codes.size and (codes.max() > n + 1 or codes.min() < 0):
            raise ValueError(
                f"codes of {n} categories lie in 0..{n + 1}, "
                f"got {codes.min()}..{codes.max()}"
            )
        codes = codes.astype(code_dtype(n), copy=False)
        object.__setattr__(self, "codes", _frozen(codes))
        object.__setattr__(self, "categories", tuple(self.categories))

    def __len__(self) -> int:
        return len(self.codes)

    def __reduce__(self) -> tuple[Any, ...]:
        return CategoricalColumn, (self.codes, self.categories)

    @property
    def n_categories(self) -> int:
        """K, the number of categories seen in fit."""
        return len(self.categories)

    @property
    def missing_code(self) -> int:
        """The code of a missing value, K."""
        return len(self.categories)

    @property
    def unseen_code(self) -> int:
        """The code of a value not seen in fit, K + 1."""
        return len(self.categories) + 1

    @property
    def missing(self) -> NDArray[np.bool_]:
        """bool (n,), true where the value is missing; unseen values are not."""
        return np.asarray(self.codes == self.missing_code)

    def take(self, rows: Rows) -> CategoricalColumn:
        """The column at these rows, with all its categories."""
        return CategoricalColumn(self.codes[_index(rows)], self.categories)

    def recode(self, categories: tuple[Scalar, ...]) -> CategoricalColumn:
        """The same values as codes of other categories; what these lack is unseen.

        Parameters
        ----------
        categories : tuple
            Distinct and sorted. Numbers match by value, whatever their type.
        """
        n = len(categories)
        if self.categories == categories:
            return CategoricalColumn(self.codes, categories)
        lookup = np.full(self.n_categories + 2, n + 1, dtype=code_dtype(n))
        lookup[self.missing_code] = n
        lookup[: self.n_categories] = _positions(self.categories, categories)
        return CategoricalColumn(lookup[self.codes], categories)

    def equals(self, other: object) -> bool:
        """True for the same codes and categories, of the same types."""
        return (
            isinstance(other, CategoricalColumn)
            and self.categories == other.categories
            # 1 == 1.0 == True, yet they print differently
            and all(
                type(a) is type(b)
                for a, b in zip(self.categories, other.categories, strict=True)
            )
            and np.array_equal(self.codes, other.codes)
        )


def _positions(values: Sequence[Any], categories: tuple[Any, ...]) -> list[int]:
    """Where each value stands in the sorted categories; K + 1 where it does not."""
    unseen = len(categories) + 1
    if len(values) * 16 > len(categories):
        position = {value: i for i, value in enumerate(categories)}
        return [position.get(value, unseen) for value in values]
    # a few rows against a million categories: a map of all would cost far more
    found = []
    for value in values:
        i = bisect_left(categories, value)
        known = i < len(categories) and categories[i] == value
        found.append(i if known else unseen)
    return found


Column: TypeAlias = NumericColumn | CategoricalColumn | DatetimeColumn


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of one length under distinct names, in order; never changed in place.

    ``len(table)`` is the number of rows, as in every frame library; iteration gives
    (name, column) pairs.

    Parameters
    ----------
    names : tuple of str
    columns : tuple of NumericColumn, CategoricalColumn or DatetimeColumn
    n_rows : int
        Given apart, since a table may have no columns.
    """

    names: tuple[str, ...]
    columns: tuple[Column, ...]
    n_rows: int
    _position: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "columns", tuple(self.columns))
        position = {name: i for i, name in enumerate(self.names)}
        object.__setattr__(self, "_position", position)
        if len(self.names) != len(self.columns):
            raise ValueError(f"{len(self.names)} names for {len(self.columns)} columns")
        if len(position) != len(self.names):
            raise ValueError(f"column names must be distinct, got {self.names}")
        for name, column in self:
            if len(column) != self.n_rows:
                raise ValueError(
                    f"column {name!r} has {len(column)} rows, expected {self.n_rows}"
                )

    @classmethod
    def of(cls, columns: Mapping[str, Column]) -> Table:
        """A table of at least one column from a mapping of names to columns."""
        if not columns:
            raise ValueError("a table without columns needs its n_rows: use Table(...)")
        n_rows = len(next(iter(columns.values())))
        return cls(tuple(columns), tuple(columns.values()), n_rows)

    def __len__(self) -> int:
        return self.n_rows

    def __iter__(self) -> Iterator[tuple[str, Column]]:
        return iter(zip(self.names, self.columns, strict=True))

    def __contains__(self, name: object) -> bool:
        return name in self._position

    def __getitem__(self, name: str) -> Column:
        try:
            return self.columns[self._position[name]]
        except KeyError:
            near = difflib.get_close_matches(str(name), self.names, n=3)
            hint = f"; near it: {', '.join(map(repr, near))}" if near else ""
            raise KeyError(f"no column {name!r} in the table{hint}") from None

    def take(self, rows: Rows) -> Table:
        """The table at these rows: integer indices, a boolean mask or a slice."""
        index = _index(rows)
        if isinstance(index, slice):
            n_rows = len(range(*index.indices(self.n_rows)))
        elif index.dtype == np.bool_:
            if len(index) != self.n_rows:
                raise IndexError(f"a mask of {len(index)} for {self.n_rows} rows")
            n_rows = int(index.sum())
        else:
            n_rows = len(index)
        return Table(self.names, tuple(c.take(index) for c in self.columns), n_rows)

    def select(self, names: Sequence[str]) -> Table:
        """The table of these columns, in this order, sharing their arrays."""
        return Table(tuple(names), tuple(self[name] for name in names), self.n_rows)

    def equals(self, other: object) -> bool:
        """True for the same names, kinds, values, codes and categories, in order."""
        return (
            isinstance(other, Table)
            and self.names == other.names
            and self.n_rows == other.n_rows
            and all(
                a.equals(b) for a, b in zip(self.columns, other.columns, strict=True)
            )
        )


def _index(rows: Rows) -> slice | NDArray[Any]:
    """Row indices as numpy takes them; an empty list is no rows."""
    if isinstance(rows, slice):
        return rows
    index = np.asarray(rows)
    if index.ndim != 1:
        raise IndexError(f"rows are chosen by a 1-D array, got shape {index.shape}")
    if index.size == 0 and index.dtype != np.bool_:
        return index.astype(np.intp)
    return index
