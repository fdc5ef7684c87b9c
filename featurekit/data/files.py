"""Which files a source stands for, and what the names of their folders say.

A path, a pattern or a list of these becomes a mapping from each data file to the values
of its hive partition: of ``sales/year=2024/part.parquet``, read from ``sales``, the
column ``year`` is 2024.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

from featurekit.data.blocks import SUFFIXES, SourceError, file_format
from featurekit.exceptions import SchemaError, warn

Partition: TypeAlias = dict[str, str | None]

NAMESPACE_MAP = "vw_namespace_map.csv"
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def find_files(source: Any) -> dict[Path, Partition]:
    """The data files of a source, in order, each with the values of its partition.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    SourceError
        When none of the files holds data.
    SchemaError
        When some files are in partitions of other keys than the rest.
    """
    items = list(source) if isinstance(source, list | tuple) else [source]
    files = [file for item in items for file in _files_of(item)]
    if len(set(files)) < max(len(files), 1):
        raise SourceError(f"no files, or one of them more than once: {source}")
    files = _without_empty(files)
    base = Path(os.path.commonpath([_fixed_part(item) for item in items]))
    found = {file: _partition(file, base) for file in files}
    first, keys = next(iter(found.items()))
    for file, partition in found.items():
        if partition.keys() != keys.keys():
            raise SchemaError(
                f"{file} is in a folder of the keys {list(partition)}, but {first} in "
                f"one of {list(keys)}. Folders of one source have the same keys."
            )
    return found


def _files_of(item: Any) -> list[Path]:
    path = Path(item).expanduser()
    if path.is_file():
        found = [path]
    elif path.is_dir():
        found = _files_in(path)
    else:
        matches = [Path(match) for match in glob.glob(str(path), recursive=True)]
        if not matches:
            raise FileNotFoundError(f"{path}: no such file or folder, and no match")
        matches = [m for m in matches if not m.name.startswith((".", "_"))]
        nested = (_files_in(match) if match.is_dir() else [match] for match in matches)
        found = sorted({file for files in nested for file in files})
    files = [
        f for f in found if file_format(f) and (f == path or f.name != NAMESPACE_MAP)
    ]
    if not files:
        names = [file.name for file in found[:3]]
        raise SourceError(
            f"{path}: no data in {names}. Files read are {SUFFIXES}; names that begin "
            "with . or _ are passed over."
        )
    return files


def _files_in(folder: Path) -> list[Path]:
    """Files of a folder and of those in it, without what "." and "_" hide."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(p.startswith((".", "_")) for p in path.relative_to(folder).parts)
    )


def _without_empty(files: list[Path]) -> list[Path]:
    """Files of at least one byte: an interrupted job leaves empty ones."""
    full = [file for file in files if file.stat().st_size]
    if not full:
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        raise SourceError(f"{files[0]}{more} cannot be read: empty (0 bytes)")
    if len(full) < len(files):
        empty = [str(file) for file in files if file not in set(full)]
        warn(
            f"{len(empty)} of {len(files)} files are empty (0 bytes) and are passed "
            f"over: {empty[:3]}. Was the job that wrote them interrupted?"
        )
    return full


def _fixed_part(item: Any) -> str:
    """The path of a source, without what begins with a wildcard."""
    path = Path(item).expanduser()
    parts = Path(os.path.abspath(path)).parts
    if not path.exists():
        magic = [i for i, part in enumerate(parts) if glob.has_magic(part)]
        parts = parts[: magic[0]] if magic else parts
    return os.path.join(*parts)


def _partition(file: Path, base: Path) -> Partition:
    """Keys and values of the folders between ``base`` and the file."""
    inside = Path(os.path.abspath(file)).relative_to(base).parts[:-1]
    pairs = [part.partition("=") for part in inside if "=" in part]
    return {
        unquote(key): None if value == _NULL_PARTITION else unquote(value)
        for key, _, value in pairs
        if key
    }
