"""Watchers of compilation; without numba, which takes long to load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_watchers: list[Callable[[], object]] = []


def tell() -> None:
    """Say that a kernel has been compiled."""
    for watcher in list(_watchers):
        watcher()


@contextmanager
def watching(watcher: Callable[[], object]) -> Iterator[None]:
    """Have ``watcher`` called after each kernel that is compiled meanwhile."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)
