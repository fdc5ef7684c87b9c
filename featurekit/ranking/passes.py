"""The passes over the rows of one ranking: what is counted, and read again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from featurekit.exceptions import SchemaError
from featurekit.execution.budget import Budget
from featurekit.ranking.counting import Counts
from featurekit.ranking.rows import Block
from featurekit.ranking.source import Source
from featurekit.ranking.target import MAX_CLASSES, TargetCodes

MAX_SHARDS = 1000


@dataclass
class Passes:
    """What one ranking goes by.

    Attributes
    ----------
    source : Source or None
        None where the rows were counted before, and are not at hand.
    target : TargetCodes
    counts : Counts
    budget : Budget
    drift_by : str or None
        The column that shards are made of, or "file".
    shards : TargetCodes or None
        Its values as codes.
    kept : list of blocks
        Codes of all columns, where they are needed again and in memory anyway.
    """

    source: Source | None
    target: TargetCodes
    counts: Counts
    budget: Budget = field(default_factory=Budget)
    drift_by: str | None = None
    shards: TargetCodes | None = None
    kept: list[Block] = field(default_factory=list)

    def count(self, keep: bool, n_threads: int) -> Iterator[None]:
        """Count all blocks, one a step; with ``keep`` their codes are kept."""
        assert self.source is not None
        for block in self.source.blocks(self.drift_by):
            labels = self.target.encode(block.y, self.source.y_name)
            classes = labels
            if self.shards is not None:
                assert self.drift_by is not None
                shard = block.shard
                if not isinstance(shard, int):
                    shard = self.shards.encode(shard, self.drift_by).astype(np.int64)
                classes = (shard * len(self.target.labels) + labels).astype(np.uint16)
            codes = self.counts.encode(
                block.columns, classes, block.times, n_threads, keep
            )
            if keep:
                self.kept.append((codes, labels, block.times))
            yield

    def coded(self, n_threads: int) -> Iterator[Block]:
        """Codes of all columns, block by block: those kept, or read again."""
        assert self.source is not None
        if self.source.in_memory:
            yield from self.kept
            return
        for block in self.source.blocks():
            codes = self.counts.codes(block.columns, n_threads)
            yield codes, self.target.encode(block.y, self.source.y_name), block.times


def learn_shards(
    source: Source, drift_by: str | None, target: TargetCodes
) -> TargetCodes | None:
    """The values of ``drift_by`` as codes of shards.

    Raises
    ------
    SchemaError
        If it is no column.
    ValueError
        If it has more values than can be compared.
    """
    if drift_by is None:
        return None
    if drift_by == source.y_name and drift_by not in source.names:
        raise SchemaError(f"drift_by={drift_by!r} is the target; name a column")
    if drift_by == "file" and source.files:
        paths = [Path(file) for file in source.files]
        names = [path.name for path in paths]
        if len(set(names)) < len(names):
            names = [str(path) for path in paths]
        shards = TargetCodes("classification", range(len(names)), lows=names)
    else:
        shards = TargetCodes.learn(
            source.columns(drift_by), "auto", drift_by, shards=True
        )
    n, n_classes = len(shards.labels), len(target.labels)
    if n > MAX_SHARDS or n * n_classes > MAX_CLASSES:
        raise ValueError(
            f"drift_by={drift_by!r} makes {n:,} shards of {n_classes:,} classes; at "
            f"most {MAX_SHARDS:,} shards, and {MAX_CLASSES:,} of both, are compared. "
            "Give it fewer values, such as months, or a number or a time, which are "
            "cut into bins."
        )
    return shards
