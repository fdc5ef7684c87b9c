"""What callers pass as variables and weights, read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import CategoricalColumn
from featurekit.data.encode import encode
from featurekit.data.frames import open_frame
from featurekit.statistics.distance_variables import Sample

Floats = NDArray[np.float64]
Discrete = str | bool | NDArray[Any] | Sequence[int] | Sequence[bool]

_EXACT = 2**53
_MOST_ROWS = 2**31 - 2
_MOST_TIMES = 1e100


def read_variable(values: Any, name: str) -> Floats | NDArray[np.int32]:
    """Numbers (n,) or (n, p) as float64, or labels as int32 codes (n,)."""
    if type(values) is np.ndarray and values.ndim == 1:
        return read_column(values, name, "auto")
    native = nw.from_native(
        values, allow_series=True, eager_only=True, pass_through=True
    )
    if isinstance(native, nw.DataFrame):
        return _matrix(values, name)
    if not isinstance(native, nw.Series):
        if not hasattr(values, "__array__") and not isinstance(values, np.ndarray):
            values = _array_of(values)
        native = np.asarray(values)
        if native.ndim == 2:
            if native.shape[1] == 1:
                native = native[:, 0]
            else:
                return _matrix(native, name)
        if native.ndim != 1:
            raise ValueError(
                f"{name} has {native.ndim} dimensions: pass an array (n,) or (n, p)"
            )
    return read_column(native, name, "auto")


def _array_of(values: Any) -> NDArray[Any]:
    """A list as an array; numpy would make texts of the numbers in a mixed one."""
    array = np.asarray(values)
    return np.asarray(values, dtype=object) if array.dtype.kind in "US" else array


def _matrix(values: Any, name: str) -> Any:
    if len(values) == 0:
        raise ValueError(f"{name} has no rows")
    frame = open_frame(values)
    columns = [
        read_column(column, f"column {label!r} of {name}", "auto")
        for column, label in zip(frame.columns, frame.names, strict=True)
    ]
    for column, label in zip(columns, frame.names, strict=True):
        if column.dtype != np.float64:
            raise ValueError(
                f"column {label!r} of {name} holds labels: several columns are taken "
                "as one point each row and have to be numbers. Pass labels alone, or "
                "one-hot encode them."
            )
    if len(columns) == 1:
        return columns[0]
    return np.stack(columns, axis=1)


def read_column(
    values: Any, name: str, discrete: str | bool
) -> Floats | NDArray[np.int32]:
    """One column (n,): numbers as float64, or classes as int32 codes from 0.

    Parameters
    ----------
    values : narwhals Series or array (n,)
    name : str
        For messages.
    discrete : {"auto", True, False}
        Whether values are classes; "auto": if they are not numbers.
    """
    array, labels = _plain(values, name)
    if labels and discrete is False:
        if array.dtype.kind in "US" or not np.can_cast(array.dtype, np.float64):
            raise ValueError(f"{name} holds labels, which are not numbers")
        raise ValueError(
            f"{name} holds labels, which have no distances but 0 and 1: leave its "
            "place in discrete_features or discrete_target at True or 'auto'"
        )
    if labels:
        return array.astype(np.int32)
    if array.dtype.kind in "iu":
        if discrete is True:
            return _codes_of(array)
        return _floats_of_whole(array)
    out = np.ascontiguousarray(array, dtype=np.float64)
    if len(out) and not (np.isfinite(out.min()) and np.isfinite(out.max())):
        row = int(np.argmin(np.isfinite(out)))
        raise ValueError(
            f"{name} contains NaN or infinity (row {row}): fill in missing values, or "
            "leave out such rows of all arguments"
        )
    return _codes_of(out) if discrete is True else out


def _plain(values: Any, name: str) -> tuple[NDArray[Any], bool]:
    """Numbers as an array, or codes of labels; whether they are labels."""
    if isinstance(values, nw.Series):
        whole = values.dtype.is_integer() and not values.is_null().any()
        if whole or isinstance(getattr(values.to_native(), "dtype", None), np.dtype):
            values = values.to_numpy()
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "fiu":
            return values, False
        if values.dtype.kind == "b":
            return values.astype(np.int32), True
    number = isinstance(values, nw.Series) and values.dtype.is_numeric()
    column, word, _ = encode(values, name, "numeric" if number else "auto")
    gone = column.missing
    if gone.any():
        raise ValueError(
            f"{name} has missing values (row {int(gone.argmax())}): give them a label "
            "or number of their own, or leave out such rows of all arguments"
        )
    if isinstance(column, CategoricalColumn):
        return np.asarray(column.codes), True
    array = np.asarray(column.values)
    return array, word == "boolean"


def _codes_of(array: NDArray[Any]) -> NDArray[np.int32]:
    """Numbers as classes."""
    if array.dtype.kind in "iu" and len(array):
        low, high = int(array.min()), int(array.max())
        if high - low < max(1024, len(array)):
            return (array - array.dtype.type(low)).astype(np.int32)
    return np.unique(array, return_inverse=True)[1].astype(np.int32)


def _floats_of_whole(array: NDArray[Any]) -> Floats:
    """Whole numbers; large ones less their least, so that float64 can hold them."""
    if array.dtype.itemsize == 8 and len(array):
        low, high = int(array.min()), int(array.max())
        if low < -_EXACT or high > _EXACT:
            # differences modulo 2^64 are those of the numbers
            return (array.view(np.uint64) - np.uint64(low % 2**64)).astype(np.float64)
    return array.astype(np.float64)


def read_sample(
    n_rows: int, sample_weight: Any, bias_corrected: bool
) -> tuple[Sample, NDArray[np.bool_] | None]:
    """The rows as they count, and which to keep (None: all)."""
    if n_rows > _MOST_ROWS:
        raise ValueError(f"{n_rows} rows are more than {_MOST_ROWS}: take a sample")
    correction = 1.0 if bias_corrected else 0.0
    if sample_weight is None:
        _refuse_few(n_rows, float(n_rows), bias_corrected)
        return Sample(n_rows, np.zeros(0), float(n_rows), correction), None
    times = np.asarray(sample_weight, dtype=np.float64)
    if times.shape != (n_rows,):
        raise ValueError(
            f"sample_weight has the shape {times.shape}, there are {n_rows} rows: "
            "pass one weight for each row"
        )
    if not np.isfinite(times).all():
        raise ValueError(
            "sample_weight contains NaN or infinity: give rows that are not to count "
            "the weight 0"
        )
    if (times < 0).any():
        raise ValueError(
            "sample_weight contains negative weights: a row counts 0 times or more"
        )
    if not times.any():
        raise ValueError(
            "all weights in sample_weight are 0: give the rows that count weights "
            "above 0"
        )
    keep = times > 0
    kept = np.ascontiguousarray(times[keep])
    if not bias_corrected:
        # only proportions matter: near 1, no square under- or overflows
        top = np.frexp(kept.max())[1]
        total = float(np.ldexp(kept, -top).sum())
        _refuse_few(len(kept), float(np.ldexp(total, top)), False)
        kept = np.ldexp(kept, -top)
    else:
        total = float(kept.sum())
        if not total < _MOST_TIMES:
            raise ValueError(
                "the sum of sample_weight is too large: weights count rows if "
                "bias_corrected, so scale them to the number of rows"
            )
        _refuse_few(len(kept), total, True)
    return Sample(len(kept), kept, total, correction), None if keep.all() else keep


def _refuse_few(n_rows: int, n_total: float, bias_corrected: bool) -> None:
    if n_rows == 0 or (n_rows == 1 and n_total < 2):
        raise ValueError(
            f"{n_rows} row(s) have no distances: at least 2 rows are needed"
        )
    if bias_corrected and n_total < 4:
        raise ValueError(
            f"{n_total:g} rows are too few for a bias-corrected statistic, which needs "
            "at least 4 (weights count rows): add rows, or use bias_corrected=False "
            "where there is a choice"
        )


def read_discrete(discrete: Discrete, n_features: int) -> list[str | bool]:
    """``discrete_features``, column by column."""
    if isinstance(discrete, str):
        if discrete != "auto":
            raise ValueError(
                f"discrete_features={discrete!r}: use 'auto', True, False, a mask or "
                "a list of indices"
            )
        return ["auto"] * n_features
    if isinstance(discrete, bool | np.bool_):
        return [bool(discrete)] * n_features
    listed = np.asarray(discrete)
    if listed.dtype == bool:
        if listed.shape != (n_features,):
            raise ValueError(
                f"the mask discrete_features has the shape {listed.shape}, X has "
                f"{n_features} columns"
            )
        return [bool(flag) for flag in listed]
    if listed.size and (listed.ndim != 1 or listed.dtype.kind not in "iu"):
        raise ValueError("discrete_features: use 'auto', a bool, a mask or indices")
    if listed.size and not (-n_features <= listed.min() <= listed.max() < n_features):
        raise ValueError(
            f"discrete_features names columns outside 0..{n_features - 1}: "
            f"{listed.tolist()}"
        )
    mask = np.zeros(n_features, bool)
    mask[listed.astype(np.int64)] = True
    return [bool(flag) for flag in mask]


def read_target(y: Any, discrete: str | bool) -> Floats | NDArray[np.int32]:
    """``y`` (n,) as in `read_column`."""
    native = nw.from_native(y, allow_series=True, eager_only=True, pass_through=True)
    if not isinstance(native, nw.Series):
        native = np.asarray(y if hasattr(y, "__array__") else _array_of(y))
        if native.ndim == 2 and native.shape[1] == 1:
            native = native[:, 0]
        if native.ndim != 1:
            raise ValueError(
                f"y has the shape {native.shape}, not (n,): for a target of several "
                "columns call distance_correlation for each feature"
            )
    return read_column(native, "y", discrete)
