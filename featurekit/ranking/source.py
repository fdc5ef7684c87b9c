"""Where the rows of a ranking come from: memory or files, as often as asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.frames import Frame, Series, open_frame
from featurekit.data.scan import Scan
from featurekit.exceptions import SchemaError
from featurekit.fitting.reading import take_rows

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Block:
    """Some rows.

    Attributes
    ----------
    columns : tuple of series (n,)
    y : series (n,)
    times : int64 array (n,) or None
        How often each row counts.
    shard : series (n,), int or None
        The column that shards are made of, or the number of the file.
    """

    columns: tuple[Series, ...]
    y: Series
    times: Ints | None
    shard: Any


class MemorySource:
    """One block of rows, with their target.

    Parameters
    ----------
    frame : Frame
    y : series (n,)
        Of `open_target`.
    times : int64 array (n,) or None
    """

    in_memory = True
    y_name = "y"
    files: tuple[str, ...] = ()
    n_blocks: int | None = 1

    def __init__(self, frame: Frame, y: Series, times: Ints | None) -> None:
        if times is not None and (times == 0).any():
            there = times > 0
            frame, y = _rows_of(frame, there), take_rows(y, there)
            times = times[there]
        self._frame, self._y, self._times = frame, y, times
        self.names = frame.names
        self.weighted = times is not None

    def targets(self) -> Iterator[tuple[Series, Ints | None]]:
        """The target, block by block, and how often rows count."""
        yield self._y, self._times

    def columns(self, name: str) -> Iterator[tuple[Series, Ints | None]]:
        """One column, block by block, and how often rows count."""
        if name not in self.names:
            raise SchemaError(f"there is no column {name!r} in X")
        yield self._frame.columns[self.names.index(name)], self._times

    def blocks(self, shard: str | None = None) -> Iterator[Block]:
        """All rows; with the column ``shard`` apart too."""
        apart = None if shard is None else next(self.columns(shard))[0]
        yield Block(self._frame.columns, self._y, self._times, apart)


class FileSource:
    """Blocks of rows of files, with their target among the columns.

    Parameters
    ----------
    found : Scan
    y : str
    """

    in_memory = False
    weighted = False
    n_blocks = None  # each file has its own last block; text tells nothing before

    def __init__(self, found: Scan, y: str) -> None:
        if y not in found.names:
            shown = ", ".join(found.names[:20])
            raise SchemaError(
                f"there is no column {y!r} for the target; there are {shown}"
            )
        self._scan = found
        self.y_name = y
        self.names = tuple(name for name in found.names if name != y)
        if not self.names:
            raise ValueError("there is no column beside the target")
        self.files = tuple(str(file) for file in found.files)

    def targets(self) -> Iterator[tuple[Series, Ints | None]]:
        """The target, block by block."""
        return self.columns(self.y_name)

    def columns(self, name: str) -> Iterator[tuple[Series, Ints | None]]:
        """One column, block by block."""
        for block in self._scan.blocks([name], BLOCK_ROWS):
            yield open_frame(block.frame).columns[0], None

    def blocks(self, shard: str | None = None) -> Iterator[Block]:
        """All rows; with the column ``shard``, or the number of the file, apart too."""
        place = {name: i for i, name in enumerate(self.files)}
        for block in self._scan.blocks([*self.names, self.y_name], BLOCK_ROWS):
            columns = open_frame(block.frame).columns
            apart: Any = None
            if shard == "file":
                apart = place[block.source]
            elif shard is not None:
                apart = columns[self.names.index(shard)]
            yield Block(columns[:-1], columns[-1], None, apart)


Source = MemorySource | FileSource

BLOCK_ROWS = 1 << 18


def whole_weights(weights: NDArray[Any]) -> Ints:
    """Weights as numbers of rows.

    Raises
    ------
    ValueError
        For fractions.
    """
    times = np.asarray(weights)
    if (times != np.floor(times)).any():
        raise ValueError(
            "sample_weight must be whole numbers, 0 or more: they say how often a row "
            "counts, and chance is computed for a number of rows. Round them, or "
            "multiply by what makes them whole."
        )
    return times.astype(np.int64)


def _rows_of(frame: Frame, there: NDArray[np.bool_]) -> Frame:
    columns = [take_rows(column, there) for column in frame.columns]
    n_rows = int(there.sum())
    return Frame(frame.library, frame.names, frame.named, tuple(columns), n_rows)
