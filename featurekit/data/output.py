"""New columns put beside the caller's own, in the caller's kind of frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import CategoricalColumn, NumericColumn
from featurekit.data.frames import (
    FrameType,
    as_matrix,
    column_names,
    frame_type,
    native_of,
)

New = NumericColumn | CategoricalColumn | NDArray[Any]


def append_columns(
    X: Any,
    new: Mapping[str, New],
    *,
    keep_input: bool,
    container: str = "default",
    input_names: Sequence[str] = (),
) -> Any:
    """The caller's columns, untouched, followed by new ones.

    Parameters
    ----------
    X : frame or 2-D array-like
    new : mapping of names to columns (n,)
        Categorical columns become the frame library's own category type; missing and
        unseen are missing.
    keep_input : bool
        Whether the caller's columns are part of the result.
    container : {"default", "pandas", "polars"}
        "default" is what X is.
    input_names : sequence of str
        Names of X's columns in the result, where X has others or none.

    Returns
    -------
    frame or array of shape (n, columns)
        An array is float64, or of objects where X held text.
    """
    came = frame_type(X)
    if isinstance(X, Mapping) and container != "default":
        X, came = _frame(container, _arrays(X), len(_first(X)), None), container  # type: ignore[assignment]
    _refuse_taken(X, came, new, keep_input, input_names)
    target: FrameType = came if container == "default" else container  # type: ignore[assignment]
    if isinstance(X, Mapping):
        made = {name: _numbers(column) for name, column in new.items()}
        return {**X, **made} if keep_input else made
    if target == "numpy":
        return _array(as_matrix(X), new, keep_input)
    if came == "numpy":
        matrix = as_matrix(X)
        n_rows = len(matrix)
        names = input_names or [f"x{i}" for i in range(matrix.shape[1])]
        kept = {name: matrix[:, i] for i, name in enumerate(names)}
        old = _frame(target, kept if keep_input else {}, n_rows, None)
    else:
        old = _convert(native_of(X), target)
        n_rows = len(old)
        names = list(nw.from_native(old).columns)
        if input_names and names != list(input_names):
            renamed = nw.from_native(old).rename(
                dict(zip(names, input_names, strict=True))
            )
            old = renamed.to_native()
    if target == "pandas":
        return _beside_pandas(old, new, keep_input, n_rows)
    if target == "polars":
        return _beside_polars(old, new, keep_input)
    return _beside_arrow(old, new, keep_input)


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


def _take(values: Any, index: NDArray[np.intp]) -> Any:
    series: Any = nw.from_native(values, pass_through=True, allow_series=True)
    if isinstance(series, nw.Series):
        return series[index].to_native()
    return np.asarray(values)[index]


def _first(X: Mapping[Any, Any]) -> Any:
    return next(iter(X.values()), ())


def _arrays(X: Mapping[Any, Any]) -> dict[str, Any]:
    """The columns of a mapping as what `_frame` takes: series as they are."""
    return {str(name): _column(values) for name, values in X.items()}


def _column(values: Any) -> Any:
    return values if hasattr(values, "dtype") else np.asarray(values)


def _refuse_taken(
    X: Any,
    came: FrameType,
    new: Mapping[str, New],
    keep_input: bool,
    input_names: Sequence[str],
) -> None:
    """A new column's name must not be one of the caller's; arrays have no names."""
    if not keep_input or (came == "numpy" and not input_names):
        return
    taken = set(input_names or column_names(X)) & set(new)
    if taken:
        raise ValueError(
            f"X has columns named like new ones: {sorted(taken)}. Rename them, or use "
            "keep_input=False."
        )


def _array(matrix: NDArray[Any], new: Mapping[str, New], keep: bool) -> NDArray[Any]:
    width = matrix.shape[1] if keep else 0
    text = keep and matrix.dtype.kind not in "biuf"
    shape = (len(matrix), width + len(new))
    out = np.empty(shape, dtype=object if text else np.float64, order="F")
    if keep:
        out[:, :width] = matrix
    for i, column in enumerate(new.values(), start=width):
        out[:, i] = _numbers(column)
    return out


def _numbers(column: New) -> NDArray[np.float64]:
    """Values as float64; categories as codes, NaN where missing or unseen."""
    if isinstance(column, CategoricalColumn):
        codes = column.codes.astype(np.float64)
        codes[column.codes >= column.missing_code] = np.nan
        return codes
    return np.asarray(getattr(column, "values", column), dtype=np.float64)


def _signed_codes(column: CategoricalColumn) -> NDArray[np.int64]:
    codes = column.codes.astype(np.int64)
    codes[codes >= column.missing_code] = -1
    return codes


def _frame(target: str, columns: Mapping[str, Any], n_rows: int, index: Any) -> Any:
    if target == "pandas":
        import pandas as pd

        return pd.DataFrame(dict(columns), index=index if columns else range(n_rows))
    import polars as pl

    # objects one by one, so that their own type decides
    typed = {
        name: values.tolist() if values.dtype == object else values
        for name, values in columns.items()
    }
    return pl.DataFrame(typed)


def _convert(native: Any, target: str) -> Any:
    frame: Any = nw.from_native(native, eager_only=True)
    if target == "pandas":
        return native if frame.implementation.is_pandas() else frame.to_pandas()
    if target == "polars":
        return native if frame.implementation.is_polars() else frame.to_polars()
    return native


def _beside_pandas(old: Any, new: Mapping[str, New], keep: bool, n_rows: int) -> Any:
    import pandas as pd

    columns: dict[str, Any] = {}
    for name, column in new.items():
        if isinstance(column, CategoricalColumn):
            columns[name] = pd.Categorical.from_codes(
                _signed_codes(column), categories=list(column.categories)
            )
        else:
            columns[name] = _numbers(column)
    made = pd.DataFrame(columns, index=old.index)
    return pd.concat([old, made], axis=1) if keep else made


def _beside_polars(old: Any, new: Mapping[str, New], keep: bool) -> Any:
    import polars as pl

    made = []
    for name, column in new.items():
        if isinstance(column, CategoricalColumn):
            values = _texts(column)
            made.append(pl.Series(name, values, dtype=pl.Categorical))
        else:
            made.append(pl.Series(name, _numbers(column), nan_to_null=True))
    return old.with_columns(made) if keep else pl.DataFrame(made)


def _beside_arrow(old: Any, new: Mapping[str, New], keep: bool) -> Any:
    import pyarrow as pa

    made: dict[str, Any] = {}
    for name, column in new.items():
        if isinstance(column, CategoricalColumn):
            texts = pa.array(_texts(column), pa.string())
            made[name] = texts.dictionary_encode()
        else:
            made[name] = pa.array(_numbers(column), from_pandas=True)
    if not keep:
        return pa.table(made)
    for name, values in made.items():
        old = old.append_column(name, values)
    return old


def _texts(column: CategoricalColumn) -> list[str | None]:
    names = [str(value) for value in column.categories]
    return [None if c < 0 else names[c] for c in _signed_codes(column).tolist()]
