"""The methods that are compared: what each adds to the columns of a split.

Methods other than `base` and `noise10` run in a process of their own, in their own
environment, on one core: see `benchmarks.peers.exchange` for what they are handed and
what they hand back.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.datasets import Split
from benchmarks.peers.build import python_of

PEERS = Path(__file__).resolve().parent / "peers"
ROOT = Path(__file__).resolve().parents[1]

ONE_CORE = {
    "LOKY_MAX_CPU_COUNT": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "PYTHONHASHSEED": "0",
}


@dataclass(frozen=True)
class Runner:
    """A script in `PEERS`, its environment and the options it is called with."""

    script: str
    environment: str | None
    """The name of the peer's environment; None is the running one."""
    options: dict[str, Any]


RUNNERS = {
    "openfe": Runner("run_openfe.py", "peer-openfe", {"n_features": 10}),
    "autogluon": Runner("run_autogluon.py", "peer-ag", {"method": "all"}),
    "autogluon_lgb": Runner("run_autogluon.py", "peer-ag", {"method": "lightgbm"}),
    "featurekit": Runner("run_featurekit.py", None, {"n_features": "auto"}),
    "featurekit_10": Runner(
        "run_featurekit.py", None, {"n_features": 10, "again": True}
    ),
    "featurekit_alone": Runner(
        "run_featurekit.py", None, {"n_features": 10, "feature_boosting": False}
    ),
}
METHODS = ("base", "noise10", *RUNNERS)
PEER_METHODS = ("openfe", "autogluon", "autogluon_lgb")


class MethodFailed(Exception):
    """A method raised an error or ran out of time."""


@dataclass(frozen=True)
class Augmented:
    """The tables of a split with the columns of a method, and what it cost."""

    X_train: pd.DataFrame
    X_test: pd.DataFrame
    cost: dict[str, Any] = field(default_factory=dict)


def augment(method: str, split: Split, seed: int, limit: float) -> Augmented:
    """Return the tables of a split as a method augments them.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    split : Split
        The training and test rows.
    seed : int
        The seed of the split, which `noise10` draws with.
    limit : float
        Wall seconds that the method may take.

    Raises
    ------
    MethodFailed
        The method raised an error or took longer than `limit`.
    """
    if method == "base":
        return Augmented(split.X_train, split.X_test)
    if method == "noise10":
        return with_noise(split, seed)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        result = run(RUNNERS[method], folder, split, limit)
        new_train = pd.read_parquet(folder / "new_train.parquet")
        new_test = pd.read_parquet(folder / "new_test.parquet")
    dropped = result.pop("dropped")
    categorical = result.pop("categorical")
    for frame in (new_train, new_test):
        if list(frame.select_dtypes(exclude=np.number)) != categorical:
            raise MethodFailed("a column is neither a number nor declared categorical")
    X_train = split.X_train.drop(columns=dropped)
    X_test = split.X_test.drop(columns=dropped)
    return Augmented(
        pd.concat([X_train, new_train], axis=1),
        pd.concat([X_test, new_test], axis=1),
        {**result, "n_dropped": len(dropped)},
    )


def with_noise(split: Split, seed: int) -> Augmented:
    """Add ten Gaussian columns: what harm ten useless columns do."""
    rng = np.random.default_rng(seed)

    def add(X: pd.DataFrame) -> pd.DataFrame:
        values = rng.standard_normal((len(X), 10))
        noise = pd.DataFrame(values, columns=[f"noise{i}" for i in range(10)])
        return pd.concat([X, noise], axis=1)

    train, test = add(split.X_train), add(split.X_test)
    return Augmented(train, test, {"n_new_columns": 10})


def run(runner: Runner, folder: Path, split: Split, limit: float) -> dict[str, Any]:
    """Run a script on a split in a folder and return its ``result.json``.

    Parameters
    ----------
    runner : Runner
        What to run.
    folder : Path
        An empty folder; the working folder of the script too, because openfe leaves
        files there.
    split : Split
        The rows handed to it, without the test target.
    limit : float
        Wall seconds.
    """
    request = {"task": split.task, **runner.options}
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    write_plain(split.X_train, folder / "train.parquet")
    write_plain(split.X_test, folder / "test.parquet")
    np.save(folder / "y.npy", split.y_train)

    python = Path(sys.executable)
    if runner.environment:
        python = python_of(runner.environment)
    if not python.exists():
        raise FileNotFoundError(
            f"{runner.environment} has no environment: run "
            "python -m benchmarks.peers.build"
        )
    environment = {**os.environ, **ONE_CORE}
    if runner.environment is None:
        paths = (str(ROOT), environment.get("PYTHONPATH"))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    else:
        environment.pop("PYTHONPATH", None)
    log = folder / "log.txt"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [str(python), str(PEERS / runner.script), str(folder)],
            cwd=folder,
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            raise MethodFailed(f"more than {limit:g} s") from None
        finally:
            end_group(process)
    answer = folder / "result.json"
    if code != 0 or not answer.exists():
        raise MethodFailed(last_error(log, folder))
    return json.loads(answer.read_text(encoding="utf-8"))


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and the workers it left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def write_plain(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame without pandas' own notes, which old versions cannot read."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    fields = [
        pa.field(column.name, pa.string())
        if pa.types.is_large_string(column.type)
        else column
        for column in table.schema
    ]
    table = table.cast(pa.schema(fields)).replace_schema_metadata(None)
    pq.write_table(table, path)


def last_error(log: Path, folder: Path) -> str:
    """Return the first line of the log that names an error, without local paths."""
    text = log.read_text(encoding="utf-8", errors="replace")
    errors = [
        line.strip()
        for line in text.splitlines()
        if not line.startswith(" ") and ("Error" in line or "Exception" in line)
    ]
    line = errors[0] if errors else "no error was printed"
    return line.replace(str(folder), ".").replace(str(Path.home()), "~")[:300]
