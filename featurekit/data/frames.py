"""What a caller's X is: its library, its names and its columns one by one.

Everything accepted as X is opened here, and everything refused is refused here, with
scikit-learn's wording where its estimator checks look for it. No frame library is
imported: a value can only be a polars frame if polars is loaded already.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from featurekit.exceptions import SchemaError

FrameType: TypeAlias = Literal["pandas", "polars", "pyarrow", "numpy"]
Series: TypeAlias = "nw.Series[Any] | NDArray[Any]"

_SPARSE = (
    "Sparse data was passed for X, but dense data is required. Use '.toarray()' to "
    "convert to a dense numpy array. In a pipeline, ask the step before for dense "
    "output (OneHotEncoder(sparse_output=False), ColumnTransformer(..., "
    "sparse_threshold=0)), or put FunctionTransformer(scipy.sparse.csr_array.toarray, "
    "accept_sparse=True) between."
)


@dataclass(frozen=True, slots=True)
class Frame:
    """X taken apart.

    Attributes
    ----------
    library : {"pandas", "polars", "pyarrow", "numpy"}
        "numpy" also for mappings and nested lists.
    names : tuple of str
        x0, x1, … where X has none.
    named : bool
        Whether the names are X's own.
    columns : tuple of narwhals Series or 1-D arrays
    n_rows : int
    """

    library: FrameType
    names: tuple[str, ...]
    named: bool
    columns: tuple[Series, ...]
    n_rows: int


def frame_type(X: Any) -> FrameType:
    """Which library X belongs to; arrays, mappings and nested lists are "numpy".

    Raises
    ------
    TypeError
        For lazy frames, sparse matrices and frames of other libraries.
    ValueError
        For 1-D data.
    """
    library = _open_native(X)[0]
    if library == "numpy" and not isinstance(X, Mapping):
        as_matrix(X)
    return library


def open_frame(X: Any) -> Frame:
    """Take X apart, without converting its values.

    Parameters
    ----------
    X : pandas, polars or pyarrow frame, 2-D array-like, or mapping of 1-D arrays

    Returns
    -------
    Frame
        Of at least one row and one column.

    Raises
    ------
    TypeError, ValueError
        When X is not a table, is empty, or its column names cannot be told apart.
    """
    library, frame = _open_native(X)
    if library != "numpy":
        names = column_names(X)
        columns: tuple[Series, ...] = tuple(frame.iter_columns())
        opened = Frame(library, names, True, columns, len(frame))
    elif isinstance(X, Mapping):
        columns = tuple(_vector(key, value) for key, value in X.items())
        lengths = {str(key): len(c) for key, c in zip(X, columns, strict=True)}
        if len(set(lengths.values())) > 1:
            raise SchemaError(f"columns of different lengths: {lengths}")
        n_rows = next(iter(lengths.values()), 0)
        opened = Frame("numpy", column_names(X), True, columns, n_rows)
    else:
        array = as_matrix(X)
        names = tuple(f"x{j}" for j in range(array.shape[1]))
        opened = Frame("numpy", names, False, _split(array), len(array))
    _refuse_empty(opened.n_rows, len(opened.names))
    return opened


def column_names(X: Any) -> tuple[str, ...]:
    """The names of a frame's or a mapping's columns, as distinct strings.

    Integer names become strings. A mixture of types, or tuples, is a TypeError as in
    scikit-learn: 1 and "1" would be one name.
    """
    if isinstance(X, Mapping):
        names: list[Any] = list(X)
    else:
        names = list(_open_native(X)[1].columns)
    _refuse_duplicates(names)
    if all(isinstance(name, str) for name in names):
        return tuple(str(name) for name in names)
    if all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in names):
        return tuple(str(name) for name in names)
    types = sorted({type(name).__qualname__ for name in names})
    raise TypeError(
        "Feature names are only supported if all input features have string names, "
        f"but your input has {types} as feature name / column name types. Convert "
        "them all to strings, by using X.columns = X.columns.astype(str) for example "
        "(a MultiIndex: X.columns = ['_'.join(c) for c in X.columns])."
    )


def header(X: Any) -> Any:
    """X without its rows, its names as strings; arrays and lists as they are.

    It is for what knows pandas alone, such as scikit-learn's checks of names.
    """
    if frame_type(X) == "numpy" and not isinstance(X, Mapping):
        return X
    import pandas as pd

    return pd.DataFrame(columns=list(column_names(X)))


def as_matrix(X: Any) -> NDArray[Any]:
    """X as a 2-D array; nested lists of strings and numbers stay what they are."""
    array = np.asarray(X)
    if array.dtype.kind in "US" and not hasattr(X, "__array__"):
        # numpy would turn the numbers of a mixed list into strings
        array = np.asarray(X, dtype=object)
    if array.ndim == 2:
        return array
    if array.ndim > 2:
        raise ValueError(
            f"Found array with dim {array.ndim}. X must be a table: dim <= 2."
        )
    shape = "1D" if array.ndim else "scalar"
    raise ValueError(
        f"Expected 2D array, got {shape} array instead:\narray={array}.\n"
        "Reshape your data either using array.reshape(-1, 1) if your data has a "
        "single feature or array.reshape(1, -1) if it contains a single sample."
    )


def native_of(X: Any) -> Any:
    """X without a wrapper of narwhals; an Arrow record batch as a table."""
    native = nw.to_native(X, pass_through=True)
    if (pa := nw.dependencies.get_pyarrow()) and isinstance(native, pa.RecordBatch):
        return pa.Table.from_batches([native])
    return native


def _open_native(X: Any) -> tuple[FrameType, Any]:
    """The library of X and its narwhals frame (None for "numpy")."""
    native = native_of(X)
    if "scipy.sparse" in sys.modules and sys.modules["scipy.sparse"].issparse(native):
        raise TypeError(_SPARSE)
    if nw.dependencies.is_pandas_dataframe(native):
        _refuse_duplicates(list(native.columns))
    if nw.dependencies.is_pyarrow_table(native):
        _refuse_duplicates(native.column_names)
    frame: Any = nw.from_native(native, pass_through=True, allow_series=True)
    if isinstance(frame, nw.LazyFrame):
        raise TypeError(
            f"X is a lazy frame ({type(native).__module__}); its rows are not here "
            "yet. Collect it first: X.collect() in polars, X.compute() in Dask."
        )
    if isinstance(frame, nw.Series):
        as_matrix(frame.to_numpy())  # raises: 1-D
    if not isinstance(frame, nw.DataFrame):
        return "numpy", None
    library = frame.implementation
    if library.is_pandas():
        return "pandas", frame
    if library.is_polars():
        return "polars", frame
    if library.is_pyarrow():
        return "pyarrow", frame
    raise TypeError(
        f"X is a frame of {type(native).__module__}, which is not supported: convert "
        "it to pandas, polars or Arrow first, for example with X.to_pandas()."
    )


def _split(array: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """The columns of a 2-D array, contiguous where they hold numbers."""
    contiguous = array.strides[0] == array.itemsize
    if array.dtype.kind in "biuf" and not contiguous:
        array = _as_fortran(array)
    return tuple(array[:, j] for j in range(array.shape[1]))


def _as_fortran(array: NDArray[Any], block: int = 4096) -> NDArray[Any]:
    """A column-major copy, written in blocks of rows that stay in the cache."""
    out = np.empty(array.shape, dtype=array.dtype, order="F")
    for start in range(0, len(array), block):
        out[start : start + block] = array[start : start + block]
    return out


def _vector(name: Any, values: Any) -> Series:
    """One column of a mapping: a 1-D array, or a series of a frame library."""
    series: Any = nw.from_native(values, pass_through=True, allow_series=True)
    if isinstance(series, nw.Series):
        return series
    try:
        array = np.asarray(values)
    except ValueError:
        raise SchemaError(
            f"column {name!r}: the values of a mapping are 1-D, got sequences of "
            "different lengths"
        ) from None
    if array.dtype.kind in "US" and not hasattr(values, "__array__"):
        array = np.asarray(values, dtype=object)
    if array.ndim != 1:
        raise SchemaError(
            f"column {name!r}: the values of a mapping are 1-D, got shape {array.shape}"
        )
    return array


def _refuse_duplicates(names: Iterable[Any]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SchemaError(
            f"column names must be distinct, but these occur more than once: {twice}. "
            "Rename or drop the duplicates."
        )


def _refuse_empty(n_rows: int, n_columns: int) -> None:
    shape = f"(shape=({n_rows}, {n_columns})) while a minimum of 1 is required."
    if n_columns == 0:
        raise ValueError(f"Found array with 0 feature(s) {shape}")
    if n_rows == 0:
        raise ValueError(f"Found array with 0 sample(s) {shape}")
