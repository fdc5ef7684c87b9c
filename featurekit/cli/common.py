"""What the commands share: errors in one line, files checked, read and written."""

from __future__ import annotations

import difflib
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import rich  # noqa: F401
    import typer
except ImportError:  # pragma: no cover - only without the extra
    typer = None  # type: ignore[assignment]

SUFFIXES = (".parquet", ".pq", ".csv")
_MISSING = ["NA", "N/A", "NaN", "nan", "null", "NULL"]


class UserError(Exception):
    """Something the user can put right; shown in one line, exit code 2."""


# -- files -------------------------------------------------------------------------


def check_input(path: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Refuse what is no file, or of a suffix that is not read."""
    if not path.exists():
        raise UserError(f"there is no file {path}")
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file in it")
    if suffixes and path.suffix.lower() not in suffixes:
        raise UserError(f"{path}: only {_kinds(suffixes)} are read")


def check_output(
    path: Path | None, inputs: Sequence[Path], suffixes: Sequence[str] = SUFFIXES
) -> None:
    """Refuse before the work begins what could not be written after it."""
    if path is None:
        return
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file in it")
    if suffixes and path.suffix.lower() not in suffixes:
        raise UserError(f"{path}: only {_kinds(suffixes)} are written")
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {path.parent}; make it first")
    if path.resolve() in [other.resolve() for other in inputs]:
        raise UserError(f"{path} is named twice; give the output a name of its own")


def _kinds(suffixes: Sequence[str]) -> str:
    *first, last = [suffix for suffix in suffixes if suffix != ".pq"]
    return f"{', '.join(first)} and {last}"


@contextmanager
def blame(path: Path, done: str) -> Iterator[None]:
    """Turn a failure to read or write a file into one line."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path} cannot be {done}: {_first_line(error)}") from None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def read(path: Path, text: Sequence[str] = ()) -> Any:
    """A polars frame; of a CSV file the columns ``text`` are not guessed at."""
    import polars as pl

    with blame(path, "read"):
        if path.suffix.lower() != ".csv":
            return pl.read_parquet(path, hive_partitioning=False)
        header = pl.read_csv(path, has_header=False, n_rows=1, infer_schema=False)
        names = header.row(0) if len(header) else ()
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise UserError(f"{path} has more than one column named {twice[0]!r}")
        return pl.read_csv(
            path,
            infer_schema_length=None,
            try_parse_dates=True,
            null_values=_MISSING,
            schema_overrides={name: pl.String for name in text if name in names},
        )


def write(frame: Any, path: Path) -> None:
    """Write a polars frame by the file's suffix."""
    with blame(path, "written"):
        if path.suffix.lower() == ".csv":
            frame.write_csv(path)
        else:
            frame.write_parquet(path)


def column(names: Sequence[str], name: str, option: str) -> str:
    """``name``, if it is a column; else an error with the nearest there is."""
    if name in names:
        return name
    lower = {there.lower(): there for there in names}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    if near:
        hint = f"do you mean {lower[near[0]]!r}?"
    else:
        shown = ", ".join(names[:10])
        hint = f"there are {shown}{', …' if len(names) > 10 else ''}"
    raise UserError(f"{option}: there is no column {name!r}; {hint}")


# -- what is said ------------------------------------------------------------------


def say(text: str = "") -> None:
    """A line on stdout."""
    typer.echo(text)


def warn(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
    """One line for a warning of ours; those of other libraries are for developers."""
    from featurekit.exceptions import FeatureKitWarning

    if issubclass(category, FeatureKitWarning):
        sys.stderr.write(f"featurekit: warning: {message}\n")


@contextmanager
def one_line() -> Iterator[None]:
    """What the library refuses, as an error for the user; its warnings, plainly."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = warn  # type: ignore[assignment]
        try:
            yield
        except (ValueError, TypeError, MemoryError, ImportError) as error:
            raise UserError(" ".join(str(error).split())) from error
        except FileNotFoundError as error:
            raise UserError(str(error)) from error


def plain(text: str) -> Any:
    """Text for a rich table."""
    from rich.text import Text

    return Text(text)  # brackets in it are no markup
