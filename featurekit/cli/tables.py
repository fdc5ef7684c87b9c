"""Tables of plain text: numbers aligned, names last and never broken."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

from featurekit.cli.common import say

_INDENT = 6


def width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns


def show(
    heads: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[str] = ()
) -> None:
    """A line for each row.

    The last column is flush left and ends the line, so it holds what may be long. A
    name is never broken: one that does not fit goes to a line of its own.

    Parameters
    ----------
    heads : sequence of str
    rows : sequence of sequences of str
    left : sequence of str
        Other columns of text.
    """
    *inner, last = heads
    widths = [
        max(map(len, cells)) for cells in list(zip(heads, *rows, strict=True))[:-1]
    ]
    for cells in (heads, *rows):
        line = [
            cell.ljust(size) if head in left else cell.rjust(size)
            for cell, head, size in zip(cells[:-1], inner, widths, strict=True)
        ]
        text = "  ".join([*line, cells[-1]]).rstrip()
        if len(text) <= width():
            say(text)
        else:
            say("  ".join(line).rstrip())
            say(f"{'':>{_INDENT}}{cells[-1]}")


def indented(text: str, by: int) -> None:
    """A paragraph, wrapped between words."""
    space = " " * by
    say(
        textwrap.fill(
            text,
            width(),
            initial_indent=space,
            subsequent_indent=space,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
