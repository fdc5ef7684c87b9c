"""The command that compiles all kernels beforehand: compile."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from featurekit.cli.common import UsageError, UserError, say


def compile(
    n_jobs: Annotated[
        int,
        typer.Option(
            "--n-jobs", metavar="N", help="Processes; -1 is one for each core."
        ),
    ] = -1,
) -> None:
    """Compile all kernels now instead of at their first use.

    For images and CI: run it where the package is installed, before the image is
    closed. Containers then start fast, with a read-only package too, on processors of
    the same kind; set NUMBA_CPU_NAME=generic for both where they differ. Kernels are
    kept in the package, or in NUMBA_CACHE_DIR if that is set.
    """
    import joblib
    from rich.progress import Progress

    from featurekit.kernels import ahead
    from featurekit.kernels.compiler import folders

    if n_jobs == 0 or n_jobs < -1:
        raise UsageError(f"--n-jobs is {n_jobs}: give a number of processes, or -1")
    read, write = folders()
    begin = time.perf_counter()
    left = ahead.missing(ahead.names())
    if left and write is None:
        raise UserError(
            f"nothing can be kept: {read} cannot be written to; run this as a user who "
            "may, or set NUMBA_CACHE_DIR to a folder"
        )
    with Progress() as bar:
        task = bar.add_task("Compiling kernels", total=len(left))
        n_processes = joblib.cpu_count() if n_jobs == -1 else n_jobs
        ahead.compile_all(left, n_processes, lambda name: bar.advance(task))
    ready = len(ahead.names()) - len(left)
    files = list(Path(write or read).glob("*.nbc"))
    say(f"Compiled {len(left)} kernels in {time.perf_counter() - begin:.0f} s;")
    say(f"{ready} were ready. {_size(files)} in {write or read}")


def _size(files: list[Path]) -> str:
    return f"{sum(os.path.getsize(file) for file in files) / 1e6:.1f} MB"
