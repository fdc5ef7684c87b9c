"""What the ranking benchmarks share: data, own processes, the peer, records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import build

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"
LABEL = "click"
ONE_THREAD = dict.fromkeys(
    (
        "POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "LOKY_MAX_CPU_COUNT",
    ),
    "1",
)  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What a process took, and what it printed.

    Attributes
    ----------
    cpu : float
        User and system seconds, children that it waited for included.
    wall : float
    peak_mib : float
        Of the largest process.
    code : int
        As it ended; negative where a signal ended it.
    output : str
    """

    cpu: float
    wall: float
    peak_mib: float
    code: int
    output: str

    @property
    def last_json(self) -> dict[str, Any]:
        """The last line, read as JSON."""
        return json.loads(self.output.strip().splitlines()[-1])


def process(
    command: Sequence[str], limit: float = 3600.0, cwd: Path | None = None
) -> Cost:
    """Run a command on one thread and say what it took; ended after ``limit`` s."""
    with tempfile.TemporaryFile("w+") as out:
        begin = time.perf_counter()
        running = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, cwd=cwd or ROOT,
            env=os.environ | ONE_THREAD, start_new_session=True,
        )  # fmt: skip
        timer = threading.Timer(limit, os.killpg, (running.pid, signal.SIGKILL))
        timer.start()
        _, status, usage = os.wait4(running.pid, 0)
        timer.cancel()
        running.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return Cost(
            usage.ru_utime + usage.ru_stime, time.perf_counter() - begin,
            usage.ru_maxrss / unit, running.returncode, out.read(),
        )  # fmt: skip


def module(name: str, *arguments: str, limit: float = 3600.0) -> Cost:
    """Run one of these modules in a process of its own."""
    cost = process([sys.executable, "-m", f"benchmarks.{name}", *arguments], limit)
    if cost.code:
        raise RuntimeError(f"{name} ended with {cost.code}:\n{cost.output[-2000:]}")
    return cost


def outrank(
    folder: Path, subsampling: int = 1, limit: float = 3600.0
) -> tuple[Cost, dict[str, float]]:
    """Rank ``folder/data.csv`` by the released package's command line.

    Its target ranking with one worker, on every ``subsampling``-th row, defaults
    otherwise.

    Returns
    -------
    cost : Cost
    scores : dict
        Of each column, the label left out.
    """
    with tempfile.TemporaryDirectory(prefix="outrank-") as place:
        out = Path(place) / "out"
        script = Path(__file__).resolve().parent / "peers" / "run_outrank.py"
        python = str(build.python_of("peer-outrank"))
        cost = process(
            [python, str(script), "rank", str(folder), str(out), LABEL,
             str(subsampling)],
            limit, Path(place),
        )  # fmt: skip
        ranks = out / "pairwise_ranks.tsv"
        if cost.code or not ranks.exists():
            raise RuntimeError(f"outrank ended with {cost.code}: {cost.output[-2000:]}")
        return cost, _scores(ranks)


def _scores(path: Path) -> dict[str, float]:
    scores = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        a, b, score = line.split("\t")
        # names are followed by "-(cardinality; coverage%)"
        names = {name.split("-(")[0] for name in (a, b)} - {LABEL}
        if len(names) == 1:
            scores[names.pop()] = float(score)
    return scores


def peer_versions(peer: str, *names: str) -> dict[str, str]:
    """Versions that an environment has."""
    code = (
        "import sys, json; from importlib.metadata import version;"
        "print(json.dumps({n: version(n) for n in sys.argv[1:]}))"
    )
    command = [str(build.python_of(peer)), "-c", code, *names]
    return process(command).last_json


def write_mixed(folder: Path, n_rows: int, n_features: int = 100, seed: int = 0):
    """`make_mixed` as ``data.csv`` and ``data.parquet``; its truth."""
    from featurekit.datasets import make_mixed

    folder.mkdir(parents=True, exist_ok=True)
    data = make_mixed(n_rows, n_features, random_state=seed)
    frame = data.X.assign(**{LABEL: data.y})
    frame.to_csv(folder / "data.csv", index=False)
    frame.to_parquet(folder / "data.parquet", index=False)
    return data.truth


def write_small(folder: Path) -> None:
    """Two columns of 2,000 rows, whose ranking costs nothing but the start-up."""
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    columns = {name: rng.integers(0, 10, 2000) for name in ("f0", "f1")}
    frame = pd.DataFrame(columns | {LABEL: rng.integers(0, 2, 2000)})
    frame.to_csv(folder / "data.csv", index=False)
    frame.to_parquet(folder / "data.parquet", index=False)


def dense_codes(values: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Numbers from 0 without gaps, in the narrowest unsigned type; how many."""
    known, codes = np.unique(values, return_inverse=True)
    return codes.astype(np.min_scalar_type(len(known) - 1)), len(known)


def middle(values: Sequence[float], digits: int = 3) -> float:
    """Their median."""
    return round(float(median(values)), digits)


def stamp() -> dict[str, Any]:
    """Date, machine and versions."""
    names = ("featurekit", "numpy", "numba", "polars", "pyarrow", "scikit-learn")
    return {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "versions": {
            "python": sys.version.split()[0],
            **{name: version(name) for name in names},
        },
    }


def write(name: str, what: str, content: dict[str, Any]) -> None:
    """Print a result, and keep it as ``results/<name>.json``."""
    record = {"what": what, **stamp(), **content}
    text = json.dumps(record, indent=1)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
