"""A target as it was given, opened and read by the rules that hold for columns of X.

Every estimator and the command line read the target here, in one piece or block by
block, so the same target gets the same answer, or the same error, everywhere.
"""

from __future__ import annotations

import re
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import column_or_1d

from featurekit.data.frames import Series
from featurekit.data.raw import Raw, float_keys, floats_of, raw_values
from featurekit.exceptions import SchemaError

MAX_GUESSED_CLASSES = 20
"""Whole numbers with at most so many distinct values are class labels."""


def open_target(y: Any, n_rows: int | None = None, name: str = "y") -> Series:
    """``y`` as one column: a series of a frame library, or a 1-D array.

    Parameters
    ----------
    y : array-like (n,), series, Arrow array, or frame or array of one column
    n_rows : int, optional
        How many rows X has.
    name : str
        For messages.

    Raises
    ------
    ValueError
        For several columns, structured arrays, and another number of rows than X.
    """
    series = _one_column(y, name)
    if n_rows is not None and len(series) != n_rows:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: X has "
            f"{n_rows} rows and {name} has {len(series)}"
        )
    return series


def take_rows(series: Series, rows: NDArray[Any]) -> Series:
    """Some rows of an opened target, by number (ascending) or by mask."""
    if isinstance(series, np.ndarray):
        return series[rows]
    return series.filter(rows.tolist()) if rows.dtype == bool else series[rows]


def _one_column(y: Any, name: str) -> Series:
    series: Any = nw.from_native(_as_series(y), pass_through=True, allow_series=True)
    if isinstance(series, nw.LazyFrame):
        raise ValueError(f"{name} is a lazy frame: collect it, and pass one column")
    if isinstance(series, nw.DataFrame):
        _refuse_shape((len(series), len(series.columns)), name)
        column_or_1d(np.empty((len(series), 1)), warn=True)
        series = series[series.columns[0]]
    if isinstance(series, nw.Series):
        return series
    array = _as_array(y)
    if array.dtype.names is not None:
        raise ValueError(
            f"{name} is a structured array with the fields {list(array.dtype.names)}: "
            "survival targets are not supported. Pass one field, as numbers or labels."
        )
    if array.ndim != 1:
        _refuse_shape(array.shape, name)
        array = column_or_1d(array, warn=True)
    return array


def read_target(series: Series, name: str = "y", times: bool = False) -> Raw:
    """Values of a target, or of a block of its rows, none of them missing.

    Parameters
    ----------
    series : series or 1-D array (n,)
        Of `open_target`, or a column of a file.
    name : str
    times : bool, default=False
        Accept points in time, as what rows are only grouped by.

    Returns
    -------
    Raw
        Of the family "text", "whole" or "number"; durations are seconds.

    Raises
    ------
    ValueError
        For missing or infinite values, points in time, and values that are neither
        numbers nor labels.
    """
    if not times and _is_time(series):
        raise _times(name)
    try:
        raw = raw_values(series, name)
    except (SchemaError, TypeError, ValueError):
        raise _unreadable(series, name) from None
    if raw is None:
        raise _missing(len(series), len(series), name)
    if raw.family == "time" and not times:
        raise _times(name)
    if raw.family == "text" and raw.dtype == "integer":  # beyond 64 signed bits
        values = np.array([float(v) for v in raw.values if v is not None], np.float64)
        raw = Raw("number", "float", float_keys(values), None)
    gone = 0 if raw.gone is None else int(raw.gone.sum())
    if raw.family == "text":
        gone += raw.values.null_count()
    if gone:
        raise _missing(gone, len(series), name)
    if raw.family == "number":
        endless = int((~np.isfinite(floats_of(raw.values))).sum())
        if endless:
            raise ValueError(
                f"Input {name} contains infinity in {endless} of {len(series)} values: "
                "drop or clip those rows."
            )
    return raw


def holds_labels(series: Series) -> bool:
    """Whether the column has a category type, whatever its categories are."""
    return not isinstance(series, np.ndarray) and series.dtype in (
        nw.Categorical,
        nw.Enum,
    )


def numbers_of(raw: Raw) -> NDArray[np.float64]:
    """The values of a target as float64.

    Raises
    ------
    ValueError
        For text.
    """
    if raw.family == "number":
        return floats_of(raw.values)
    if raw.family == "whole":
        return raw.values.astype(np.float64)
    raise text_is_no_number()


def guess_task(dtype: str, labels: bool, n_distinct: int, whole: bool) -> str:
    """What ``task="auto"`` takes a target for: "classification" or "regression".

    Parameters
    ----------
    dtype : str
        As in `Raw`.
    labels : bool
        Whether the column's type is a category.
    n_distinct : int
        Distinct values.
    whole : bool
        Whether all of them are whole numbers.
    """
    if labels or dtype in ("string", "boolean"):
        return "classification"
    few = whole and n_distinct <= MAX_GUESSED_CLASSES
    return "classification" if few and dtype != "duration" else "regression"


def text_is_no_number(name: str = "y") -> ValueError:
    """The error for text that is asked to be a quantity."""
    return ValueError(
        f"task='regression' needs a target of numbers, and {name} holds text: convert "
        "it to numbers, or use task='classification' for labels."
    )


def fractions(said: str) -> ValueError:
    """The error for numbers with fractions that ``said`` takes for classes."""
    return ValueError(
        "Unknown label type: continuous. The target has fractions, so it cannot be "
        f"classes; use task='regression' in place of {said}."
    )


def plain_label(value: Any, dtype: str) -> Any:
    """A label as Python's own str, bool, int or float."""
    value = value.item() if hasattr(value, "item") else value
    return bool(value) if dtype == "boolean" else value


def _as_series(y: Any) -> Any:
    """Arrays of pandas and Arrow as series of theirs; anything else as it is."""
    if (pd := nw.dependencies.get_pandas()) is not None and isinstance(
        y, pd.Index | pd.api.extensions.ExtensionArray
    ):
        return pd.Series(y)
    if (pa := nw.dependencies.get_pyarrow()) is not None and isinstance(y, pa.Array):
        return pa.chunked_array([y])
    return y


def _as_array(y: Any) -> NDArray[Any]:
    if isinstance(y, np.ma.MaskedArray):
        y = np.array(y.tolist(), dtype=object)  # None where masked
    try:
        array = np.asarray(y)
    except ValueError:  # rows of different lengths
        array = np.asarray(y, dtype=object)
    if array.dtype.kind in "US" and not hasattr(y, "__array__"):
        # numpy would turn the numbers of a mixed list into strings
        array = np.asarray(y, dtype=object)
    return array


def _refuse_shape(shape: tuple[int, ...], name: str) -> None:
    if len(shape) != 2 or shape[1] != 1:
        raise ValueError(
            f"{name} must have one column, a value for each row of X; got the shape "
            f"{shape}. Fit one estimator per target."
        )


def _is_time(series: Series) -> bool:
    dtype = series.dtype if isinstance(series, np.ndarray) else series.to_native()
    found = getattr(dtype, "dtype", None) or getattr(dtype, "type", None) or dtype
    times = "date|time(?!delta)|period"
    return re.match(times, str(found).lower()) is not None


def _times(name: str) -> ValueError:
    return ValueError(
        f"{name} holds points in time, which are neither classes nor numbers: pass a "
        "duration, such as the days since a start, or a part, such as the year."
    )


def _missing(gone: int, n: int, name: str) -> ValueError:
    return ValueError(
        f"Input {name} contains NaN: {gone} of {n} values are missing. Drop those "
        "rows; they cannot be imputed."
    )


def _unreadable(series: Series, name: str) -> ValueError:
    """What a target holds that is neither numbers nor labels."""
    native = series if isinstance(series, np.ndarray) else series.to_native()
    kind = getattr(native, "dtype", None) or getattr(native, "type", None)
    found = f"values of the type {kind}"
    if isinstance(native, np.ndarray) or str(kind) == "object":
        gap = ("NoneType", "NAType", "NaTType")
        types = sorted({type(v).__name__ for v in series} - set(gap))
        found = f"values of {'the type' if len(types) == 1 else 'several types:'} "
        found += ", ".join(types)
    if "complex" in found:
        return ValueError(f"Complex data not supported: {name} holds {found}")
    return ValueError(
        f"{name} holds {found}. Unknown label type: a target is numbers of one type, "
        "or labels: convert labels to text with .astype(str)."
    )
