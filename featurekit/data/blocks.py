"""Rows in blocks: what a source of rows is, whatever its files are, and its errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from featurekit.exceptions import SchemaError

if TYPE_CHECKING:
    import polars as pl

_FORMATS = {f".{name}": name for name in ("parquet", "csv", "tsv", "vw")}
_FORMATS[".pq"] = "parquet"
_COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".zip")
SUFFIXES = (
    ".parquet, .pq, and .csv, .tsv, .vw, these also compressed "
    "(.gz, .zst; .csv and .tsv as .bz2, .xz, .zip too)"
)


class SourceError(ValueError):
    """Files that cannot be read, or hold nothing to read."""


class UnsettledTypesError(SchemaError):
    """A row does not fit the types taken from the first rows.

    The blocks given so far have the wrong types: drop what was made of them and begin
    anew with ``scan.settle()``, which raises this no more.
    """


class Block(NamedTuple):
    """Some rows of one file.

    Attributes
    ----------
    frame : polars DataFrame
        Of the same names, order and types in every block.
    source : str
        The path of the file; "" for a LazyFrame.
    """

    frame: pl.DataFrame
    source: str


class Scan:
    """Rows that are read when they are asked for; made by `scan`.

    Attributes
    ----------
    schema : mapping of str to polars type
    files : tuple of Path
        In the order of their rows; () for a LazyFrame.
    n_rows : int or None
        Known in advance for Parquet only.
    header : tuple of str
        All columns in order, those that are dropped among them.
    """

    def __init__(
        self,
        schema: Mapping[str, pl.DataType],
        files: Sequence[Path] = (),
        rows_of_files: Sequence[int] | None = None,
        drop: Sequence[str] = (),
    ) -> None:
        self.header = tuple(schema)
        refuse_unknown(drop, self.header)
        self.schema = {name: t for name, t in schema.items() if name not in drop}
        self.files = tuple(files)
        self._rows = rows_of_files
        self.n_rows = None if rows_of_files is None else sum(rows_of_files)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(self.schema)

    def n_blocks(self, n_rows: int) -> int | None:
        """How many blocks of so many rows there are, where that is known."""
        if self._rows is None:
            return None
        return sum(-(-n // n_rows) for n in self._rows)

    def settle(self) -> Scan:
        """The same rows, with types that fit all of them.

        Reads text files once in full; anything else has its types already.
        """
        return self

    def blocks(
        self, columns: Sequence[str] | None = None, n_rows: int = 2**18
    ) -> Iterator[Block]:
        """The rows from the first to the last; each call begins anew.

        Parameters
        ----------
        columns : sequence of str, optional
            The columns wanted, in this order; others are not read. By default all.
        n_rows : int
            Rows of a block; the last of a file has fewer.

        Raises
        ------
        SchemaError
            At once, for columns that are not there.
        UnsettledTypesError
            While reading, when a row does not fit: see there.
        SourceError
            While reading, when a file turns out to be damaged. No block follows.
        """
        wanted = list(self.names if columns is None else columns)
        refuse_unknown(wanted, self.names)
        refuse_duplicates(wanted, "columns")
        if not wanted or n_rows < 1:
            raise ValueError("blocks have at least one column and one row")
        return self._blocks(wanted, n_rows)

    def _blocks(self, wanted: list[str], n_rows: int) -> Iterator[Block]:
        empty = True
        for source, frame in self._frames():
            frame = frame.select(wanted)
            first = 0
            with reading(source or "the LazyFrame", self._misfit):
                for batch in frame.collect_batches(
                    chunk_size=n_rows, maintain_order=True
                ):
                    rows = self._records(batch, source, first)
                    first += len(batch)
                    if len(rows):
                        empty = False
                        yield Block(rows, source)
        if empty:
            raise SourceError("the source has no rows")

    def _frames(self) -> Iterator[tuple[str, pl.LazyFrame]]:
        for file in self.files:
            yield str(file), self._open(file)

    def _open(self, file: Path) -> pl.LazyFrame:
        """The rows of a file, of the types of ``schema``."""
        raise NotImplementedError

    def _records(self, batch: pl.DataFrame, source: str, first: int) -> pl.DataFrame:
        """The rows of a batch, the first of number ``first``, that are records."""
        return batch

    def _misfit(self, source: str, said: str) -> ValueError | None:
        """What to raise for what polars said; None: that it cannot be read."""
        return None


@contextmanager
def reading(
    source: str, misfit: Callable[[str, str], ValueError | None] | None = None
) -> Iterator[None]:
    """What polars and the system raise becomes one error that names the source."""
    from polars.exceptions import PanicException, PolarsError

    try:
        yield
    except FileNotFoundError:
        raise
    except (PolarsError, OSError, PanicException) as error:
        # further lines advise on options of polars, which are of no use here
        said = str(error).split("\n")[0]
        if misfit and (better := misfit(source, said)) is not None:
            raise better from error
        raise SourceError(f"{source} cannot be read: {said}") from error


def refuse_unknown(wanted: Iterable[str], names: Sequence[str]) -> None:
    """Raise for names that are no columns, with those near them."""
    unknown = [name for name in wanted if name not in names]
    if unknown:
        lower = {name.lower(): name for name in names}
        near = {
            n: [lower[m] for m in get_close_matches(n.lower(), lower, n=3)]
            for n in unknown
        }
        hints = "; ".join(f"{n!r}: did you mean {m}?" for n, m in near.items() if m)
        raise SchemaError(f"no such columns: {unknown}. {hints}".rstrip())


def refuse_duplicates(names: Sequence[str], where: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SchemaError(f"{where}: names that occur more than once: {twice}")


def compare_columns(
    file: Path, found: Iterable[str], first: Path, names: Iterable[str]
) -> None:
    here, there = dict.fromkeys(found), dict.fromkeys(names)
    lacks = [name for name in there if name not in here]
    extra = [name for name in here if name not in there]
    if lacks or extra:
        raise SchemaError(
            f"{file} has other columns than {first}: it lacks {lacks} and has {extra} "
            "besides. All files of a source have the same columns."
        )


def file_format(file: Path) -> str | None:
    name = file.name.lower()
    plain = name.removesuffix(Path(name).suffix) if name.endswith(_COMPRESSED) else name
    found = _FORMATS.get(Path(plain).suffix)
    if plain == name or found in ("csv", "tsv"):
        return found
    # Vowpal Wabbit's lines are read by polars alone, which knows these two
    return found if found == "vw" and name.endswith((".gz", ".zst")) else None


def shown(files: Sequence[Path]) -> str:
    return str(files[0]) + (f" and {len(files) - 1} more" if len(files) > 1 else "")
