"""Fitted features as versioned JSON, and back.

The file holds each feature's tree and what it learnt, and the schema of the columns it
reads; it needs neither the training data nor the search to be applied.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from featurekit._files import write_text
from featurekit._version import __version__
from featurekit.data.ingest import Schema
from featurekit.exceptions import FeatureFileError
from featurekit.expressions.evaluate import Distinct, Fitted
from featurekit.expressions.operators import operator
from featurekit.expressions.tree import Call, Expression

FORMAT = 1
_INLINE = 64


def write(path: str | Path, content: dict[str, Any]) -> None:
    """Write ``content`` with the format's version."""
    head = {"format": "featurekit.features", "format_version": FORMAT}
    text = json.dumps(
        head | {"featurekit_version": __version__} | content,
        allow_nan=False,
        ensure_ascii=False,
        indent=1,
    )
    write_text(path, text)


def read(path: str | Path) -> dict[str, Any]:
    """The content of a file that `write` made.

    Raises
    ------
    FeatureFileError
        If the file is damaged, is something else, or is of a newer format.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FeatureFileError(
            f"{path} is damaged or no JSON ({error}). Write it again with to_json."
        ) from None
    if not isinstance(data, dict) or data.get("format") != "featurekit.features":
        raise FeatureFileError(f"{path} is JSON, but no file of features.")
    version = data.get("format_version")
    if not isinstance(version, int) or version > FORMAT:
        raise FeatureFileError(
            f"{path} has format {version} (written by featurekit "
            f"{data.get('featurekit_version')}); this {__version__} reads up "
            f"to {FORMAT}. Upgrade featurekit."
        )
    return data


def check_estimator(data: dict[str, Any], name: str, path: str | Path) -> None:
    """Refuse a file that another estimator wrote."""
    found = data.get("estimator", "OpenFE")
    if found != name:
        raise FeatureFileError(
            f"{path} was written by {found}: read it with {found}.from_json."
        )


def fitted_to_dict(fitted: Fitted) -> dict[str, Any]:
    """A fitted feature as plain JSON values."""
    out: dict[str, Any] = {"expression": fitted.expression.to_dict()}
    if fitted.children:
        out["children"] = [fitted_to_dict(child) for child in fitted.children]
    if fitted.state is not None:
        out["state"] = _state_to_json(fitted.state)
    if fitted.as_key is not None:
        out["as_key"] = _array_to_json(fitted.as_key.seen)
    return out


def fitted_from_dict(data: dict[str, Any]) -> Fitted:
    """The fitted feature that `fitted_to_dict` wrote."""
    expression = Expression.from_dict(data["expression"])
    for node in expression.walk():
        if isinstance(node, Call):
            operator(node.op)  # an unknown operator is named here, not at transform
    as_key = data.get("as_key")
    return Fitted(
        expression,
        tuple(fitted_from_dict(child) for child in data.get("children", ())),
        _state_from_json(data["state"]) if "state" in data else None,
        None if as_key is None else Distinct(_array_from_json(as_key)),
    )


def content_to_features(data: dict[str, Any]) -> tuple[Schema, list[Fitted]]:
    """Schema and features of a file's content.

    Raises
    ------
    FeatureFileError
        If parts are missing or do not fit each other.
    """
    try:
        schema = Schema.from_dict(data["schema"])
        return schema, [fitted_from_dict(item) for item in data["features"]]
    except (KeyError, TypeError, IndexError) as error:
        raise FeatureFileError(
            f"the feature file is incomplete ({type(error).__name__}: {error}). "
            "Write it again with to_json."
        ) from None


def _state_to_json(state: Any) -> dict[str, Any]:
    if isinstance(state, Distinct):
        return {"distinct": _array_to_json(state.seen)}
    if isinstance(state, dict):
        return {"arrays": {k: _array_to_json(v) for k, v in state.items()}}
    return {"array": _array_to_json(state)}


def _state_from_json(data: dict[str, Any]) -> Any:
    if "distinct" in data:
        return Distinct(_array_from_json(data["distinct"]))
    if "arrays" in data:
        return {k: _array_from_json(v) for k, v in data["arrays"].items()}
    return _array_from_json(data["array"])


def _array_to_json(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Short arrays as readable lists, long ones as base64 of their bytes."""
    array = np.ascontiguousarray(array)
    out = {"dtype": array.dtype.newbyteorder("<").str, "shape": list(array.shape)}
    if array.size > _INLINE:
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        return out | {"base64": base64.b64encode(raw).decode("ascii")}
    flat = array.ravel().tolist()
    return out | {"values": [None if v != v else v for v in flat]}


def _array_from_json(data: dict[str, Any]) -> np.ndarray[Any, Any]:
    dtype = np.dtype(data["dtype"])
    shape = tuple(data["shape"])
    if "base64" in data:
        flat = np.frombuffer(base64.b64decode(data["base64"]), dtype)
    else:
        flat = np.array([np.nan if v is None else v for v in data["values"]], dtype)
    return flat.reshape(shape).astype(dtype.newbyteorder("="))
