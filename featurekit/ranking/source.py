"""Where the rows of a ranking come from: memory or files, as often as asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.frames import Frame, Series, open_frame
from featurekit.data.scan import Scan, check_targets, with_target
from featurekit.data.usable import columns_without, usable_names
from featurekit.exceptions import SchemaError
from featurekit.fitting import counting_weights
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
    names : tuple of str
        The columns that are counted.
    """

    in_memory = True
    y_name = "y"
    files: tuple[str, ...] = ()
    n_blocks: int | None = 1

    def __init__(
        self, frame: Frame, y: Series, times: Ints | None, names: tuple[str, ...]
    ) -> None:
        if times is not None and (times == 0).any():
            there = times > 0
            frame, y = _rows_of(frame, there), take_rows(y, there)
            times = times[there]
        self._frame, self._y, self._times = frame, y, times
        self.header = frame.names
        self.names = names
        self.weighted = times is not None

    def targets(self) -> Iterator[tuple[Series, Ints | None]]:
        """The target, block by block, and how often rows count."""
        yield self._y, self._times

    def by_file(self, shard: str | None) -> bool:
        """Whether ``shard`` is a row's file; no rows here have one."""
        return False

    def columns(self, name: str) -> Iterator[tuple[Series, Ints | None]]:
        """One column, block by block, and how often rows count."""
        if name not in self.header:
            raise SchemaError(f"there is no column {name!r} in X")
        yield self._frame.columns[self.header.index(name)], self._times

    def blocks(
        self, shard: str | None = None, names: Sequence[str] | None = None
    ) -> Iterator[Block]:
        """All rows; with the column ``shard`` apart too."""
        apart = None if shard is None else next(self.columns(shard))[0]
        wanted = self.names if names is None else names
        columns = tuple(next(self.columns(name))[0] for name in wanted)
        yield Block(columns, self._y, self._times, apart)


class FileSource:
    """Blocks of rows of files, with their target among the columns.

    Rows without a target are passed over.

    Parameters
    ----------
    found : Scan
    y : str
    drop : list of str or None
        Columns that are not counted.
    """

    in_memory = False
    weighted = False

    def __init__(self, found: Scan, y: str, drop: Any = None) -> None:
        if y not in found.names:
            shown = ", ".join(found.names[:20])
            raise SchemaError(
                f"there is no column {y!r} for the target; there are {shown}"
            )
        self._scan = found
        self.y_name = y
        self.header = tuple(name for name in found.header if name != y)
        if not self.header:
            raise ValueError("there is no column beside the target")
        kept = columns_without(self.header, drop)
        read = [name for name in kept if name in found.schema]
        self.names = usable_names(found.schema, read)
        self.files = tuple(str(file) for file in found.files)
        # of text known once the rows were read
        self.n_blocks: int | None = found.n_blocks(BLOCK_ROWS)

    def targets(self) -> Iterator[tuple[Series, Ints | None]]:
        """The target, block by block; a warning counts the rows without one."""
        n_blocks = n_rows = n_lost = 0
        for block in self._scan.blocks([self.y_name], BLOCK_ROWS):
            there = with_target(block.frame, self.y_name)
            n_rows += len(block.frame)
            n_lost += len(block.frame) - len(there)
            n_blocks += len(there) > 0
            if len(there):
                yield open_frame(there).columns[0], None
        check_targets(n_lost, n_rows, self.y_name)
        self.n_blocks = n_blocks

    def by_file(self, shard: str | None) -> bool:
        """Whether ``shard`` is a row's file: "file", unless a column is so named."""
        return shard == "file" and "file" not in (*self.header, self.y_name)

    def columns(self, name: str) -> Iterator[tuple[Series, Ints | None]]:
        """One column, block by block."""
        for block in self._scan.blocks([name, self.y_name], BLOCK_ROWS):
            there = with_target(block.frame, self.y_name)
            if len(there):
                yield open_frame(there).columns[0], None

    def blocks(
        self, shard: str | None = None, names: Sequence[str] | None = None
    ) -> Iterator[Block]:
        """All rows; with the column ``shard``, or the number of the file, apart too.

        Parameters
        ----------
        shard : str, optional
        names : sequence of str, optional
            The columns to read; by default all.
        """
        place = {name: i for i, name in enumerate(self.files)}
        wanted = list(self.names if names is None else names)
        by_file = self.by_file(shard)
        more = [] if shard is None or by_file or shard in wanted else [shard]
        for block in self._scan.blocks([*wanted, *more, self.y_name], BLOCK_ROWS):
            there = with_target(block.frame, self.y_name)
            if not len(there):
                continue
            opened = open_frame(there)
            columns = dict(zip(opened.names, opened.columns, strict=True))
            apart: Any = None
            if by_file:
                apart = place[block.source]
            elif shard is not None:
                apart = columns[shard]
            used = tuple(columns[name] for name in wanted)
            yield Block(used, columns[self.y_name], None, apart)


Source = MemorySource | FileSource

BLOCK_ROWS = 1 << 18


def whole_weights(weight: NDArray[np.float64]) -> Ints | None:
    """Weights as numbers of rows; None where all are equal, and no such numbers.

    Raises
    ------
    ValueError
        For other weights than whole ones, and for such that are no numbers of rows.
    """
    counted = counting_weights(weight)
    if counted is None:
        return None
    if (counted % 1 != 0).any():
        fractions = int((weight % 1 != 0).sum())
        what = f"add up to {weight.sum():.3g}"
        if fractions:
            what = f"are fractions in {fractions} of {len(weight)} rows"
        raise ValueError(
            f"the values of sample_weight {what}: OutRank needs whole numbers that say "
            "how often each row counts, for what chance gives depends on the number of "
            "rows. Multiplying weights would make evidence out of nothing. Leave them "
            "out, or draw rows in proportion to them: w.sum()**2 / (w**2).sum() rows "
            "are worth as much."
        )
    return counted.astype(np.int64)


def _rows_of(frame: Frame, there: NDArray[np.bool_]) -> Frame:
    columns = [take_rows(column, there) for column in frame.columns]
    n_rows = int(there.sum())
    return Frame(frame.library, frame.names, frame.named, tuple(columns), n_rows)
