"""The commands, and what their ends mean to the shell."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from featurekit.cli.apply import apply
from featurekit.cli.common import UserError, say
from featurekit.cli.compile import compile
from featurekit.cli.demo import demo
from featurekit.cli.generate import generate
from featurekit.cli.rank import rank
from featurekit.cli.select import select

_SHORT: dict[Any, str] = {
    generate: "Find features that improve a boosted model.",
    select: "Choose the columns to keep, with any selector.",
    rank: "Rank columns and crosses by their association with a target.",
    apply: "Add stored features to new rows.",
    compile: "Compile all kernels beforehand, for images and CI.",
    demo: "See it all at work on real data.",
}
_EXAMPLES = """\b
Examples:
  featurekit generate train.csv --target price --out features.json
  featurekit apply features.json new.csv --out new_with_features.csv
  featurekit select DisCo train.parquet --target price --out scores.csv
  featurekit rank 'logs/*.parquet' --target click --order 2
"""


def _version(show: bool) -> None:
    if show:
        from featurekit import __version__

        say(f"featurekit {__version__}")
        raise typer.Exit


def application() -> Any:
    """The commands, as typer runs them."""
    app = typer.Typer(
        help="Find new features for a table, choose columns, and rank them by their "
        "association with a target.",
        epilog=_EXAMPLES,
        add_completion=False,
        # boxes leave half a line for the text at 80 columns, and break names
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def root(
        version: Annotated[
            bool,
            typer.Option(
                "--version", callback=_version, is_eager=True, help="Show the version."
            ),
        ] = False,
    ) -> None:
        pass

    for command, text in _SHORT.items():
        app.command(short_help=text)(command)
    return app


def run(args: list[str]) -> int:
    """Run a command and return the exit code."""
    try:
        code = application()(
            args or ["--help"], prog_name="featurekit", standalone_mode=False
        )
    except UserError as error:
        return _stopped(str(error), error.code)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return _stopped(f"{error.format_message()} (see --help)", 2)
    # typer turns Ctrl-C into this code
    return _stopped("interrupted", 130) if code == 130 else int(code or 0)


def _stopped(text: str, code: int) -> int:
    sys.stderr.write(f"featurekit: {text}\n")
    return code
