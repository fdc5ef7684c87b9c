"""How long does the import take, beyond that of ``sklearn.base``?

python -m benchmarks.imports [--rounds 15]

Fresh processes in turn, one of each a round; CPU seconds of the import statement alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.records import stamp

RESULT = Path(__file__).parent / "results" / "imports.json"
STATEMENTS = {
    "base": "import sklearn.base",
    "featurekit": "import featurekit",
    "OpenFE": "from featurekit import OpenFE",
}
HEAVY = ("torch", "numba.cuda", "dask", "optuna", "matplotlib")


def measure(statement: str) -> tuple[float, list[str]]:
    """Return the CPU seconds of a statement and which heavy libraries it loaded."""
    code = (
        "import sys, time; begin = time.process_time()\n"
        f"{statement}\n"
        "seconds = time.process_time() - begin\n"
        f"print(seconds, *[m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    seconds, *loaded = done.stdout.split()
    return float(seconds), loaded


def main() -> None:
    """Measure in turn, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    for statement in STATEMENTS.values():
        measure(statement)  # compiles to bytecode
    found = [{n: measure(s) for n, s in STATEMENTS.items()} for _ in range(rounds)]
    seconds = {n: [round(row[n][0], 4) for row in found] for n in STATEMENTS}
    content = {
        **stamp(),
        "cores": os.cpu_count(),
        "rounds": rounds,
        "median_seconds": {n: median(values) for n, values in seconds.items()},
        "median_beyond_base": {
            n: round(median(row[n][0] - row["base"][0] for row in found), 4)
            for n in ("featurekit", "OpenFE")
        },
        "loaded": found[0]["OpenFE"][1],
    }
    print(content)
    RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
