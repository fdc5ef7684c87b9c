"""The passes over the rows of one ranking: what is counted, and read again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from featurekit.exceptions import SchemaError
from featurekit.execution.budget import Budget
from featurekit.execution.progress import Progress
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
    progress : Progress or None
    """

    source: Source | None
    target: TargetCodes
    counts: Counts
    budget: Budget = field(default_factory=Budget)
    drift_by: str | None = None
    shards: TargetCodes | None = None
    kept: list[Block] = field(default_factory=list)
    progress: Progress | None = None

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

    @property
    def n_blocks(self) -> int | None:
        """Blocks of one pass, where that is known."""
        return None if self.source is None else self.source.n_blocks

    @contextmanager
    def phase(self, name: str, n_steps: int | None) -> Iterator[Callable[[], None]]:
        """A phase of the progress; yields what counts its steps."""
        if self.progress is None:
            yield lambda: None
            return
        with self.progress.phase(name, n_steps) as step:
            yield step

    def coded(
        self, n_threads: int, columns: Sequence[int] | None = None
    ) -> Iterator[Block]:
        """Codes of columns, block by block: those kept, or read again.

        Parameters
        ----------
        n_threads : int
        columns : sequence of int, optional
            The columns that are needed, of which the codes are given by position; by
            default all.
        """
        assert self.source is not None
        if self.source.in_memory:
            yield from self.kept
            return
        wanted = range(len(self.counts.names)) if columns is None else columns
        names = [self.counts.names[j] for j in wanted]
        for block in self.source.blocks(None, names):
            found = self.counts.codes(names, block.columns, n_threads)
            labels = self.target.encode(block.y, self.source.y_name)
            yield dict(zip(wanted, found, strict=True)), labels, block.times


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
    if source.by_file(drift_by):
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
