"""Arrays as JSON, and back: checked before anything is allocated."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

DTYPES = ("<f8", "<i8")
_INLINE = 64
_INT64 = np.iinfo(np.int64)


def array_to_json(array: Array) -> dict[str, Any]:
    """Short arrays as readable lists, long ones as base64 of their bytes."""
    array = np.ascontiguousarray(array)
    out = {"dtype": array.dtype.newbyteorder("<").str, "shape": list(array.shape)}
    if array.size > _INLINE:
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        return out | {"base64": base64.b64encode(raw).decode("ascii")}
    flat = array.ravel().tolist()
    return out | {"values": [None if v != v else v for v in flat]}


def array_from_json(data: Any) -> Array:
    """The array that `array_to_json` wrote: float64 or int64, without infinities.

    Raises
    ------
    ValueError
        If type, shape and content do not fit each other.
    """
    if not isinstance(data, dict):
        raise ValueError(f"an array is expected, not {_short(data)}")
    dtype: Any = data.get("dtype")
    shape: Any = data.get("shape")
    if dtype not in DTYPES:
        raise ValueError(f"an array is of type {_short(dtype)}, not float64 or int64")
    good = isinstance(shape, list) and all(map(_is_size, shape))
    if not good or not 1 <= len(shape) <= 2:
        raise ValueError(f"an array has the shape {_short(shape)}")
    n = math.prod(shape)
    if data.keys() == {"dtype", "shape", "base64"}:
        flat = _decoded(data["base64"], dtype, n)
    elif data.keys() == {"dtype", "shape", "values"}:
        flat = _listed(data["values"], dtype, n)
    else:
        raise ValueError(f"an array has the entries {sorted(map(str, data))}")
    if np.isinf(flat).any():
        raise ValueError("an array holds infinities")
    return flat.reshape(shape)


def _is_size(value: Any) -> bool:
    return type(value) is int and value >= 0


def _decoded(text: Any, dtype: str, n: int) -> Array:
    n_bytes = n * np.dtype(dtype).itemsize
    # before decoding: what a shape claims must not be allocated
    if not isinstance(text, str) or len(text) != 4 * -(-n_bytes // 3):
        raise ValueError(f"the bytes of an array are not those of {n} numbers")
    raw = base64.b64decode(text, validate=True)
    native = np.dtype(dtype).newbyteorder("=")
    return np.frombuffer(raw, dtype).astype(native)


def _listed(values: Any, dtype: str, n: int) -> Array:
    if not isinstance(values, list) or len(values) != n:
        raise ValueError(f"the values of an array are not {n} numbers")
    if dtype == "<i8":
        if not all(type(v) is int and _INT64.min <= v <= _INT64.max for v in values):
            raise ValueError("an array of whole numbers holds something else")
        return np.array(values, np.int64)
    if not all(v is None or type(v) in (int, float) for v in values):
        raise ValueError("an array of numbers holds something else")
    return np.array([np.nan if v is None else float(v) for v in values], np.float64)


def _short(value: Any) -> str:
    return repr(value)[:60]
