"""Columns put together in the caller's kind of frame; rows and columns taken of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import CategoricalColumn, NumericColumn
from featurekit.data.frames import FrameType, as_matrix, frame_type, native_of


@dataclass(frozen=True, slots=True)
class Own:
    """A column of the caller's, untouched."""

    position: int


Made: TypeAlias = NumericColumn | CategoricalColumn | NDArray[Any]


def assemble(
    X: Any, columns: Mapping[str, Own | Made], container: str = "default"
) -> Any:
    """Columns of the caller's and others, in the caller's kind of frame.

    Parameters
    ----------
    X : frame, 2-D array-like or mapping of 1-D arrays
    columns : mapping of names to columns (n,)
        Categorical columns become the frame library's own category type; missing and
        unseen are missing.
    container : {"default", "pandas", "polars"}
        "default" is what X is.

    Returns
    -------
    frame or array of shape (n, columns), or mapping of arrays
        The rows and the index of X. An array is of X's type if all columns are X's
        own; else float64, or of objects where one of X's own is not of numbers.
    """
    came = frame_type(X)
    if isinstance(X, Mapping):
        if container == "default":
            return _mapping(X, columns)
        X, came = _frame_of_mapping(X, container), container  # type: ignore[assignment]
    target: FrameType = came if container == "default" else container  # type: ignore[assignment]
    if target == "numpy":
        return _array(as_matrix(X), columns)
    if target == "pandas":
        return _pandas(X, columns)
    if target == "polars":
        return _polars(X, columns)
    return _arrow(native_of(X), columns)


def select_columns(X: Any, positions: Sequence[int]) -> Any:
    """Some of the caller's columns, untouched, in the order given.

    Parameters
    ----------
    X : frame, 2-D array-like or mapping of 1-D arrays
    positions : sequence of int
    """
    if isinstance(X, Mapping):
        items = list(X.items())
        return dict(items[position] for position in positions)
    if frame_type(X) == "numpy":
        return as_matrix(X)[:, list(positions)]
    native = native_of(X)
    frame: Any = nw.from_native(native, eager_only=True)
    if frame.implementation.is_pandas():
        return native.iloc[:, list(positions)]  # keeps the rows of no columns
    if not len(positions):
        return frame.drop(frame.columns).to_native()
    return frame[:, list(positions)].to_native()


def take_rows(X: Any, rows: Sequence[int] | NDArray[np.integer[Any]]) -> Any:
    """Some of the caller's rows, untouched, in the order given.

    Parameters
    ----------
    X : frame, 2-D array-like or mapping of 1-D arrays
    rows : sequence of int

    Returns
    -------
    frame, array or mapping
        Of the type that came in.
    """
    index = np.asarray(rows, dtype=np.intp)
    if isinstance(X, Mapping):
        return {name: _take(values, index) for name, values in X.items()}
    if frame_type(X) == "numpy":
        return as_matrix(X)[index]
    frame: Any = nw.from_native(native_of(X), eager_only=True)
    return frame[index].to_native()


def as_floats(column: Made) -> NDArray[np.float64]:
    """Values as float64; categories as codes, NaN where missing or unseen."""
    if isinstance(column, CategoricalColumn):
        codes = column.codes.astype(np.float64)
        codes[column.codes >= column.missing_code] = np.nan
        return codes
    return np.asarray(getattr(column, "values", column), dtype=np.float64)


def _take(values: Any, index: NDArray[np.intp]) -> Any:
    series: Any = nw.from_native(values, pass_through=True, allow_series=True)
    if isinstance(series, nw.Series):
        return series[index].to_native()
    return np.asarray(values)[index]


# -- arrays and mappings ---------------------------------------------------------------


def _mapping(X: Mapping[Any, Any], columns: Mapping[str, Own | Made]) -> dict[str, Any]:
    values = list(X.values())
    return {
        name: values[column.position] if isinstance(column, Own) else as_floats(column)
        for name, column in columns.items()
    }


def _frame_of_mapping(X: Mapping[Any, Any], container: str) -> Any:
    columns = {
        str(name): values if hasattr(values, "dtype") else np.asarray(values)
        for name, values in X.items()
    }
    return _frame(container, columns)


def _array(matrix: NDArray[Any], columns: Mapping[str, Own | Made]) -> NDArray[Any]:
    own = [c.position for c in columns.values() if isinstance(c, Own)]
    if len(own) == len(columns):
        return matrix[:, own]
    text = bool(own) and matrix.dtype.kind not in "biuf"
    shape = (len(matrix), len(columns))
    out = np.empty(shape, dtype=object if text else np.float64, order="F")
    for i, column in enumerate(columns.values()):
        if isinstance(column, Own):
            out[:, i] = matrix[:, column.position]
        else:
            out[:, i] = as_floats(column)
    return out


def _frame(target: str, columns: Mapping[str, Any]) -> Any:
    """A frame of arrays and of series of its library."""
    if target == "pandas":
        import pandas as pd

        return pd.DataFrame(dict(columns))
    import polars as pl

    # objects one by one, so that their own type decides
    typed = {
        name: values.tolist() if values.dtype == object else values
        for name, values in columns.items()
    }
    return pl.DataFrame(typed)


def _own_columns(X: Any, columns: Mapping[str, Own | Made], target: str) -> Any:
    """The caller's columns that are kept, under their new names, in a frame."""
    own = {n: c.position for n, c in columns.items() if isinstance(c, Own)}
    if frame_type(X) == "numpy":
        matrix = as_matrix(X)
        if not own:
            return _frame(target, {"": np.empty(len(matrix))})
        return _frame(target, {name: matrix[:, at] for name, at in own.items()})
    frame: Any = nw.from_native(select_columns(X, list(own.values())), eager_only=True)
    old = frame.columns
    if list(old) != list(own):
        frame = frame.rename(dict(zip(old, own, strict=True)))
    same = getattr(frame.implementation, f"is_{target}")()
    return frame.to_native() if same else getattr(frame, f"to_{target}")()


# -- frames ----------------------------------------------------------------------------


def _pandas(X: Any, columns: Mapping[str, Own | Made]) -> Any:
    """The caller's columns in runs as they are, the others in frames between them."""
    import pandas as pd

    own = _own_columns(X, columns, "pandas")
    pieces, at = [], 0
    for known, run in groupby(columns.items(), lambda item: isinstance(item[1], Own)):
        items = list(run)
        if known:
            pieces.append(own.iloc[:, at : at + len(items)])
            at += len(items)
        else:
            made = {name: _pandas_values(column) for name, column in items}
            pieces.append(pd.DataFrame(made, index=own.index))
    if not pieces:
        return own.iloc[:, :0]
    return pd.concat(pieces, axis=1) if len(pieces) > 1 else pieces[0]


def _pandas_values(column: Any) -> Any:
    import pandas as pd

    if isinstance(column, CategoricalColumn):
        codes, known = _signed_codes(column), list(column.categories)
        return pd.Categorical.from_codes(codes, categories=known)
    return as_floats(column)


def _polars(X: Any, columns: Mapping[str, Own | Made]) -> Any:
    import polars as pl

    own = _own_columns(X, columns, "polars")
    if not columns:
        return own.drop(own.columns)  # keeps the rows
    return pl.DataFrame(
        [
            own[name] if isinstance(column, Own) else _polars_values(name, column)
            for name, column in columns.items()
        ]
    )


def _polars_values(name: str, column: Made) -> Any:
    import polars as pl

    if isinstance(column, CategoricalColumn):
        known = pl.Enum([str(value) for value in column.categories])
        return pl.Series(name, _texts(column), dtype=known)
    return pl.Series(name, as_floats(column), nan_to_null=True)


def _arrow(X: Any, columns: Mapping[str, Own | Made]) -> Any:
    import pyarrow as pa

    if not columns:
        return X.select([])
    made = [
        X.column(column.position) if isinstance(column, Own) else _arrow_values(column)
        for column in columns.values()
    ]
    fields = [
        X.schema.field(column.position).with_name(name)
        if isinstance(column, Own)
        else pa.field(name, values.type)
        for (name, column), values in zip(columns.items(), made, strict=True)
    ]
    return pa.table(made, schema=pa.schema(fields, metadata=X.schema.metadata))


def _arrow_values(column: Any) -> Any:
    import pyarrow as pa

    if isinstance(column, CategoricalColumn):
        codes = pa.array(_signed_codes(column), mask=_signed_codes(column) < 0)
        known = pa.array([str(value) for value in column.categories], pa.string())
        return pa.DictionaryArray.from_arrays(codes, known)
    return pa.array(as_floats(column), from_pandas=True)


def _signed_codes(column: CategoricalColumn) -> NDArray[np.int64]:
    codes = column.codes.astype(np.int64)
    codes[codes >= column.missing_code] = -1
    return codes


def _texts(column: CategoricalColumn) -> list[str | None]:
    names = [str(value) for value in column.categories]
    return [None if c < 0 else names[c] for c in _signed_codes(column).tolist()]
