"""The command line: generate, apply, rank, demo.

What is read and written is told by the suffix: Parquet and CSV, and of 'rank' whatever
`featurekit.data.scan` opens. What a user can put right is said in one line on stderr,
with exit code 2; anything else is a bug and shows its traceback.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

from featurekit.cli.apply import apply
from featurekit.cli.common import UserError, say, typer
from featurekit.cli.generate import Metric, Task, demo, generate
from featurekit.cli.rank import rank

__all__ = ["Metric", "Task", "UserError", "application", "main"]

_NEEDS = 'the command line needs its extra: python -m pip install "featurekit[cli]"'
_EXAMPLES = (
    "featurekit generate train.parquet --target price --out features.json, "
    "then featurekit apply features.json new.parquet --out made.parquet; "
    "featurekit rank clicks.csv.gz --target click --order 2 --out ranks.tsv"
)


def _version(show: bool) -> None:
    if show:
        from featurekit import __version__

        say(f"featurekit {__version__}")
        raise typer.Exit


def application() -> Any:
    """The commands, as typer runs them."""
    app = typer.Typer(
        help="New features for tables, found by what they add to a boosted model; "
        "and columns ranked by what they tell of a target.",
        epilog=_EXAMPLES,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def root(
        version: Annotated[
            bool,
            typer.Option(
                "--version", callback=_version, is_eager=True, help="Say the version."
            ),
        ] = False,
    ) -> None:
        pass

    for command in (generate, apply, rank, demo):
        app.command()(command)
    return app


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 the user's to mend, 130 interrupted."""
    if typer is None:
        _stop(_NEEDS, 2)
    args = sys.argv[1:] if args is None else args
    try:
        code = application()(
            args or ["--help"], prog_name="featurekit", standalone_mode=False
        )
    except UserError as error:
        _stop(str(error), 2)
    except typer.Abort:
        _stop("interrupted; nothing was written", 130)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        _stop(f"{error.format_message()} (see --help)", 2)  # wrong usage
    raise SystemExit(code or 0)


def _stop(text: str, code: int) -> None:
    sys.stderr.write(f"featurekit: {text}\n")
    raise SystemExit(code)
