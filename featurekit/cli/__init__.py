"""The command line: generate, select, rank, apply, compile, demo.

Exit codes: 0 done; 1 something about the data or the files, said in one line on stderr;
2 wrong usage, said in one line; 130 interrupted by Ctrl-C. Anything else is a bug and
shows its traceback.
"""

from __future__ import annotations

import os
import sys

_NEEDS = 'the command line needs its extra: python -m pip install "featurekit[cli]"'


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit."""
    try:
        import typer  # noqa: F401
    except ImportError:
        _stop(_NEEDS, 1)
    from featurekit.cli.application import run

    try:
        code = run(sys.argv[1:] if args is None else args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _stop("interrupted", 130)
    except BrokenPipeError:
        # who read the output has left, as 'head' does: nobody is there to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    raise SystemExit(code)


def _stop(text: str, code: int) -> None:
    sys.stderr.write(f"featurekit: {text}\n")
    raise SystemExit(code)
