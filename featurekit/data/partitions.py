"""Columns that the names of folders make, as in ``year=2024/part.parquet``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurekit.data.files import Partition
from featurekit.data.inference import Inference

if TYPE_CHECKING:
    import polars as pl


class Partitions:
    """Files with the typed values of their partitions.

    Attributes
    ----------
    files : tuple of Path
    types : dict of str to polars type
        Of each key, the outermost folder first.
    """

    def __init__(self, found: Mapping[Path, Partition]) -> None:
        import polars as pl

        self.files = tuple(found)
        first, *_ = found.values()
        keys = list(first)
        self.types: dict[str, pl.DataType] = {}
        self._values: dict[Path, dict[str, Any]] = {}
        if keys:
            texts = pl.LazyFrame(
                [list(partition.values()) for partition in found.values()],
                schema=dict.fromkeys(keys, pl.String()),
                orient="row",
            )
            kinds = Inference(keys)
            kinds.add(texts)
            typed = texts.select(kinds.reading(key).values(key) for key in keys)
            frame = typed.collect()
            self.types = dict(frame.schema)
            self._values = dict(zip(self.files, frame.to_dicts(), strict=True))

    def outside(self, names: Collection[str]) -> dict[str, pl.DataType]:
        """Types of the keys that are no columns of the files themselves."""
        return {key: t for key, t in self.types.items() if key not in names}

    def column(self, file: Path, key: str) -> pl.Expr:
        """The value of a key in one file, as a column."""
        import polars as pl

        return pl.lit(self._values[file][key], dtype=self.types[key]).alias(key)
