"""What every runner of a feature selector does: read, warm up, fit, write.

A runner is started as ``python run_<library>.py FOLDER``, in the environment of the
library it runs. The folder holds ``X.npy`` (raw training columns, float64), ``y.npy``
(classes from 0) and ``request.json``: ``method``, ``k`` (how many columns), ``seed``,
``limit`` (wall seconds of the fit). The runner adds ``result.json``: ``order``
(columns, best first, at most k), ``fit_cpu``, ``fit_wall`` and ``versions``; or
``missing``, when the method is not there.

Beforehand the method is fitted on a tiny table, for what is loaded and compiled on
first use. A fit that is over the limit is ended by the system with SIGALRM.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

Selector = Callable[[np.ndarray, np.ndarray, int, int], Sequence[int]]
"""Takes X, y, k and a seed; returns columns, best first."""


class NotThere(Exception):
    """The method cannot be imported."""


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of the children it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def tiny(n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sixty rows of twelve columns, two of which tell the class."""
    rng = np.random.default_rng(0)
    y = np.arange(60, dtype=np.int64) % n_classes
    X = rng.normal(size=(60, 12))
    X[:, :2] += y[:, None]
    return X, y


def main(
    selectors: dict[str, Selector],
    libraries: Sequence[str],
    warm_ups: dict[str, Selector] | None = None,
) -> None:
    """Answer the request whose folder the command line names.

    Parameters
    ----------
    selectors : dict
        By the name of the method.
    libraries : sequence of str
        Whose versions are recorded.
    warm_ups : dict, optional
        What is fitted on the tiny table instead, where the method is slow even there.
    """
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    X, y = np.load(folder / "X.npy"), np.load(folder / "y.npy")
    try:
        selector = selectors[request["method"]]
        warm_up = (warm_ups or {}).get(request["method"], selector)
        warm_up(*tiny(2 if y.max() == 1 else 3), 3, request["seed"])
        result = fit(selector, X, y, request)
    except NotThere as error:
        result = {"missing": str(error)}
    result["versions"] = {
        "python": sys.version.split()[0],
        **{name: version(name) for name in libraries},
    }
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


def fit(
    selector: Selector, X: np.ndarray, y: np.ndarray, request: dict[str, Any]
) -> dict[str, Any]:
    """Fit within the limit, and return the order and what it took."""
    k, seed = request["k"], request["seed"]
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, request["limit"])
    wall, cpu = time.perf_counter(), cpu_seconds()
    order = selector(X, y, k, seed)
    cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
    signal.setitimer(signal.ITIMER_REAL, 0)
    columns = [int(column) for column in order][:k]
    if not columns or len(set(columns)) < len(columns):
        raise ValueError(f"Error: {len(set(columns))} distinct of {len(columns)}")
    return {"order": columns, "fit_cpu": round(cpu, 4), "fit_wall": round(wall, 4)}


def best_first(scores: np.ndarray) -> list[int]:
    """Return columns by descending score; ties in their order, undefined ones last."""
    scores = np.where(np.isnan(scores), -np.inf, scores)
    return [int(column) for column in np.argsort(-scores, kind="stable")]
