"""Results as JSON lines: one record for each set, split and method."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def read(path: Path) -> list[Record]:
    """Return the records of a file, none when it is not there."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def append(path: Path, record: Record) -> None:
    """Add a record at the end of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(record) + "\n")


def drop(path: Path, unwanted: Callable[[Record], bool]) -> int:
    """Take records out of a file and return how many they were."""
    records = read(path)
    kept = [record for record in records if not unwanted(record)]
    if len(kept) < len(records):
        copy = path.with_suffix(".tmp")
        copy.write_text(
            "".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8"
        )
        copy.replace(path)
    return len(records) - len(kept)


def pace() -> float:
    """Return the CPU seconds of ten million additions in Python.

    About half a second on the machine of the results while nothing else ran on its
    host; what a busy host costs every CPU second beside this one.
    """
    begin, total = time.process_time(), 0
    for i in range(10_000_000):
        total += i
    return round(time.process_time() - begin, 2)


def stamp() -> Record:
    """Return what every record says about where it comes from."""
    return {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "harness": {
            name: version(name) for name in ("lightgbm", "pandas", "scikit-learn")
        },
    }
