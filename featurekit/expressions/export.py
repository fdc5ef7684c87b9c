"""Fitted features as versioned JSON, and back.

The file holds each feature's tree and what it learnt, and the schema of the columns it
reads; it needs neither the training data nor the search to be applied. What was learnt
comes from the training data: the categories of text columns, the distinct values of
numbers that serve as keys, and statistics of groups, which of a group of one row are
that row's own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from featurekit._files import write_text
from featurekit._version import __version__
from featurekit.data.ingest import Schema
from featurekit.exceptions import FeatureFileError
from featurekit.expressions.evaluate import Fitted
from featurekit.expressions.restore import (
    empty_table,
    fitted_from_dict,
    fitted_to_dict,
)

__all__ = [
    "content_to_features",
    "entry",
    "fitted_to_dict",
    "load",
    "read",
    "write",
]

FORMAT = 2

T = TypeVar("T")


def write(path: str | Path, content: dict[str, Any]) -> None:
    """Write ``content`` with the format's version and a checksum."""
    head = {"format": "featurekit.features", "format_version": FORMAT}
    whole = head | {"featurekit_version": __version__} | content
    text = json.dumps(
        whole | {"checksum": checksum(whole)},
        allow_nan=False,
        ensure_ascii=False,
        indent=1,
    )
    write_text(path, text)


def checksum(content: dict[str, Any]) -> str:
    """SHA-256 of the content, whatever its layout in the file."""
    whole = {key: value for key, value in content.items() if key != "checksum"}
    text = json.dumps(whole, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def read(path: str | Path) -> dict[str, Any]:
    """The content of a file that `write` made.

    Raises
    ------
    FeatureFileError
        If the file is damaged, is something else, or is of a newer format.
    """
    with _blamed(path):
        try:
            text = Path(path).read_bytes().decode("utf-8")
            data = json.loads(text, parse_constant=_refused)
        except (ValueError, RecursionError) as error:
            raise FeatureFileError(
                f"{path} is damaged or no JSON ({error}). Write it again with to_json."
            ) from None
        if not isinstance(data, dict) or data.get("format") != "featurekit.features":
            raise FeatureFileError(f"{path} is JSON, but no file of features.")
        version = data.get("format_version")
        if type(version) is not int or not 1 <= version <= FORMAT:
            raise FeatureFileError(
                f"{path} has format {version} (written by featurekit "
                f"{data.get('featurekit_version')}); this {__version__} reads up "
                f"to {FORMAT}. Upgrade featurekit."
            )
        if version > 1 and data.get("checksum") != checksum(data):
            raise FeatureFileError(
                f"{path} was changed after it was written: its content does not fit "
                "its checksum. Write it again with to_json."
            )
        return data


def load(path: str | Path, estimator: str, make: Callable[[dict[str, Any]], T]) -> T:
    """What ``make`` builds of a file of this estimator; any failure names the file.

    Raises
    ------
    FeatureFileError
        If the file is damaged, of a newer format or of another estimator, or holds
        what fitting cannot have given.
    """
    data = read(path)
    with _blamed(path):
        found = entry(data, "estimator", str, "OpenFE")
        if found != estimator:
            raise FeatureFileError(
                f"{path} was written by {found}: read it with {found}.from_json."
            )
        return make(data)


def content_to_features(data: dict[str, Any]) -> tuple[Schema, list[Fitted]]:
    """Schema and features of a file's content.

    Raises
    ------
    ValueError
        If parts are missing or do not fit each other.
    """
    schema = Schema.from_dict(entry(data, "schema", dict))
    rows = empty_table(schema)
    stored = entry(data, "features", list)
    fitted = [fitted_from_dict(item, schema, rows) for item in stored]
    names = [feature.expression.name for feature in fitted]
    if len(set(names)) < len(names):
        raise ValueError("it holds a feature twice")
    return schema, fitted


_NOTHING = object()


def entry(data: dict[str, Any], key: str, kind: Any, default: Any = _NOTHING) -> Any:
    """``data[key]``, which must be of this type (of one of several, in a tuple)."""
    value = data.get(key, default)
    if value is _NOTHING:
        raise ValueError(f"it has no {key!r}")
    kinds = kind if isinstance(kind, tuple) else (kind,)
    # a bool is an int to isinstance
    if value is not default and type(value) not in kinds:
        raise ValueError(f"its {key!r} is {repr(value)[:60]}")
    return value


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


@contextmanager
def _blamed(path: str | Path) -> Iterator[None]:
    """Whatever goes wrong with the content is said of the file."""
    try:
        yield
    except (FeatureFileError, OSError):
        raise
    except ValueError as error:
        what = str(error).rstrip(".")
        raise FeatureFileError(
            f"{path} cannot be used: {what}. If the file is damaged, write it again "
            "with to_json."
        ) from None
    except Exception as error:
        raise FeatureFileError(
            f"{path} cannot be used ({type(error).__name__}: {error}). Write it again "
            "with to_json."
        ) from None
