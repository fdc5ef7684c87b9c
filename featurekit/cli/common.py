"""What the commands share: errors in one line, messages, values of options."""

from __future__ import annotations

import difflib
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

import typer

STDOUT = Path("-")


class UserError(Exception):
    """Something about the data or the files that the user can put right."""

    code = 1


class UsageError(UserError):
    """A wrong call, whatever the data are."""

    code = 2


# -- what is said ------------------------------------------------------------------


def say(text: str = "") -> None:
    """A line on stdout."""
    typer.echo(text)


@contextmanager
def messages_beside(out: Path | None) -> Iterator[TextIO]:
    """Yield stdout for the result; messages go to stderr if the result goes there."""
    stdout = sys.stdout
    if out != STDOUT:
        yield stdout
        return
    with redirect_stdout(sys.stderr):
        yield stdout


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


# -- values of options -------------------------------------------------------------


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


def parts(text: str, option: str) -> list[str]:
    """The names between commas."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise UsageError(f"{option}: {text!r} names no column")
    return found


def columns(
    names: Sequence[str], texts: Sequence[str] | None, option: str
) -> list[str]:
    """The columns that an option names: repeated, or with commas between them.

    A text that is a column's name as a whole is that column, commas included.
    """
    found: list[str] = []
    for text in texts or ():
        wanted = [text] if text in names else parts(text, option)
        found += [column(names, part, option) for part in wanted]
    return list(dict.fromkeys(found))


def categorical(
    names: Sequence[str], texts: Sequence[str] | None, words: Sequence[str] = ("auto",)
) -> str | list[str]:
    """The value of ``categorical_features``: one of the words, or columns."""
    texts = texts or ["auto"]
    if len(texts) == 1 and texts[0] in words and texts[0] not in names:
        return texts[0]
    return columns(names, texts, "--categorical")


_UNITS = " KMGT"


def size(text: str | None, option: str = "--memory-limit") -> int | None:
    """Bytes of a size such as 2GiB: K, Ki and KiB are 1024 bytes, KB is 1000."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)(IB?|B)?", text.strip().upper())
    n_bytes = 0
    if found:
        base = 1000 if found[3] == "B" else 1024
        n_bytes = int(float(found[1]) * base ** _UNITS.index(found[2] or " "))
    if n_bytes < 1:
        raise UsageError(f"{option}: {text!r} is no size; write it as 500MiB or 2GiB")
    return n_bytes


def in_bytes(n_bytes: float) -> str:
    """A size as people read it."""
    for unit in ("bytes", "KiB", "MiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.3g} GiB"


def in_time(seconds: float) -> str:
    """A duration as people read it."""
    if seconds < 100:
        return f"{seconds:.2g} seconds"
    if seconds < 6000:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
