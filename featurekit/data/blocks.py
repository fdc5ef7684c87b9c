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
SUFFIXES = ".parquet, .pq, and .csv, .tsv, .vw, each also with .gz or .zst"


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
    """

    def __init__(
        self,
        schema: Mapping[str, pl.DataType],
        files: Sequence[Path] = (),
        n_rows: int | None = None,
    ) -> None:
        self.schema = dict(schema)
        self.files = tuple(files)
        self.n_rows = n_rows

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(self.schema)

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
        unknown = [name for name in wanted if name not in self.schema]
        if unknown:
            near = {n: get_close_matches(n, self.names) for n in unknown}
            hints = "; ".join(f"{n!r}: did you mean {m}?" for n, m in near.items() if m)
            raise SchemaError(f"no such columns: {unknown}. {hints}".rstrip())
        refuse_duplicates(wanted, "columns")
        if not wanted or n_rows < 1:
            raise ValueError("blocks have at least one column and one row")
        return self._blocks(wanted, n_rows)

    def _blocks(self, wanted: list[str], n_rows: int) -> Iterator[Block]:
        empty = True
        for source, frame in self._frames():
            frame = frame.select(wanted)
            with reading(source or "the LazyFrame", self._misfit):
                for batch in frame.collect_batches(
                    chunk_size=n_rows, maintain_order=True
                ):
                    empty = False
                    yield Block(batch, source)
        if empty:
            raise SourceError("the source has no rows")

    def _frames(self) -> Iterator[tuple[str, pl.LazyFrame]]:
        for file in self.files:
            yield str(file), self._open(file)

    def _open(self, file: Path) -> pl.LazyFrame:
        """The rows of a file, of the types of ``schema``."""
        raise NotImplementedError

    def _misfit(self, source: str, said: str) -> ValueError:
        """What to raise where polars could not convert a value."""
        return SourceError(f"{source} cannot be read: {said}")


@contextmanager
def reading(
    source: str, misfit: Callable[[str, str], ValueError] | None = None
) -> Iterator[None]:
    """What polars and the system raise becomes one error that names the source."""
    from polars.exceptions import InvalidOperationError, PanicException, PolarsError

    try:
        yield
    except FileNotFoundError:
        raise
    except (PolarsError, OSError, PanicException) as error:
        # further lines advise on options of polars, which are of no use here
        said = str(error).split("\n")[0]
        if misfit and isinstance(error, InvalidOperationError):
            raise misfit(source, said) from error
        said = said.replace("defined in 'Schema'", "the header has")
        raise SourceError(f"{source} cannot be read: {said}") from error


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
    plain = name.removesuffix(".gz").removesuffix(".zst")
    found = _FORMATS.get(Path(plain).suffix)
    return None if found == "parquet" and plain != name else found


def shown(files: Sequence[Path]) -> str:
    return str(files[0]) + (f" and {len(files) - 1} more" if len(files) > 1 else "")
