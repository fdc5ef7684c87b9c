"""Kernels compiled before they are needed, by processes of their own.

Processes are started as a command, never forked; kernels are handed to them by name,
one after the other, and what they compile reaches others through the cache on disk.
``python -m featurekit.kernels.ahead`` is such a process: it reads names of kernels, a
line each, and repeats each when it is done.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from featurekit.kernels.registry import kernel

WORTH = 4
"""Kernels that have to be missing for a process to be started: some seconds' worth."""

_found: set[str] = set()
"""Kernels that this process need not look for again."""


def names() -> list[str]:
    """All kernels that can be compiled beforehand."""
    from featurekit.kernels.signatures import SIGNATURES

    return list(SIGNATURES)


def missing(wanted: Iterable[str]) -> list[str]:
    """Those of the kernels for which no compiled code is found."""
    from featurekit.kernels.compiler import folders
    from featurekit.kernels.signatures import SIGNATURES, parse

    read = [folder for folder in folders() if folder is not None]
    out = []
    for name in wanted:
        if name in _found:
            continue
        dispatcher: Any = kernel(name)
        kept = getattr(dispatcher, "_cache", None)
        if kept is None:  # numba is switched off
            continue
        codegen = dispatcher.targetctx.codegen()
        files = [kept.file_name(parse(s), codegen) for s in SIGNATURES[name]]
        if all(any((folder / f).exists() for folder in read) for f in files):
            _found.add(name)
        else:
            out.append(name)
    return out


def compile_here(name: str) -> None:
    """Compile one kernel in this process, or load it."""
    from featurekit.kernels.signatures import SIGNATURES, parse

    for signature in SIGNATURES[name]:
        kernel(name).compile(parse(signature))  # type: ignore[attr-defined]


def compile_all(
    wanted: Iterable[str], n_processes: int, done: Callable[[str], object]
) -> None:
    """Compile kernels into the cache, in several processes, and wait for all.

    Parameters
    ----------
    wanted : iterable of str
    n_processes : int
    done : callable
        Called with the name of each kernel that is ready.
    """
    wanted = list(wanted)
    left = deque(wanted)
    workers = [_Worker(left.popleft, done) for _ in range(min(n_processes, len(left)))]
    for worker in workers:
        worker.join()
    # where no process could be started, or one ended by an error
    for name in missing(wanted):
        compile_here(name)
        done(name)


def start(wanted: Iterable[str]) -> None:
    """Have kernels compiled by another process while this one goes on.

    This process compiles what it meets; the other takes the kernels from the end of
    the list, and whoever needs what the other is at waits for it. Nothing happens if
    few are missing, if there is but one processor, or where Python cannot be started
    as a command.

    Parameters
    ----------
    wanted : iterable of str
        Kernels in the order of their use.
    """
    import joblib

    from featurekit.kernels.compiler import folders

    if joblib.cpu_count() < 2 or folders()[1] is None or not _python():
        return
    left = missing(wanted)
    if len(left) >= WORTH:

        def take() -> str:
            while True:
                name = left.pop()
                if missing([name]):
                    return name

        _Worker(take, lambda name: None)


def _python() -> str | None:
    """The interpreter, if there is one that can be started."""
    path = sys.executable or ""
    usable = Path(path).name.lower().startswith(("python", "pypy"))
    return path if usable and not getattr(sys, "frozen", False) else None


class _Worker:
    """A process that compiles, and the thread that hands kernels to it."""

    def __init__(self, take: Callable[[], str], done: Callable[[str], object]) -> None:
        self._take, self._done = take, done
        self._thread = threading.Thread(target=self._hand_out, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until there is nothing left to take."""
        self._thread.join()

    def _hand_out(self) -> None:
        # no process can be started, it has ended, or nothing is left
        with suppress(OSError, IndexError), _process() as process:
            while True:
                name = self._take()
                process.stdin.write(f"{name}\n")
                process.stdin.flush()
                if process.stdout.readline().strip() != name:
                    return
                self._done(name)


def _process() -> Any:
    python = _python()
    if python is None:
        raise OSError("Python cannot be started as a command here")
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [python, "-m", "featurekit.kernels.ahead"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )


def _serve() -> None:
    for line in sys.stdin:
        compile_here(line.strip())
        sys.stdout.write(line)
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
