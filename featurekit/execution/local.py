"""Running work on this machine's threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def run_threads(
    work: Callable[[T], object], items: Iterable[T], n_threads: int
) -> None:
    """Call ``work`` on each item, on ``n_threads`` threads.

    Kernels release the interpreter lock, so threads suffice, and no process is ever
    forked. Each item's result must depend on that item alone; then the number of
    threads cannot change it. The first error is raised and stops the rest.
    """
    if n_threads <= 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in futures:
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            raise
