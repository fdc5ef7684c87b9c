"""How much memory work may take where the caller does not say."""

from __future__ import annotations

import os
from pathlib import Path

SHARE = 8
"""A fit may take one part in so many of the machine's memory."""

_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)
_UNKNOWN = 8 << 30


def default_limit() -> int:
    """Bytes that a fit may take: an eighth of the machine's, or of the container's."""
    return machine_memory() // SHARE


def machine_memory() -> int:
    """Physical memory in bytes, or less where a container has less."""
    found = [_physical()]
    for name in _LIMITS:
        try:
            text = Path(name).read_text().strip()
        except OSError:
            continue
        if text.isdecimal():  # or "max"
            found.append(int(text))
    return min(found)


def _physical() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return _UNKNOWN
