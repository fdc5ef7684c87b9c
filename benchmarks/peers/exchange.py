"""What every runner does: read the request, measure, write the answer.

A runner is a script that is started in a folder of its own, in the environment of the
library it runs, as ``python run_<library>.py FOLDER``. The folder holds

- ``request.json``: ``task``, and the options of the method;
- ``train.parquet``, ``test.parquet``, ``y.npy``: the base columns, the training target.

The runner adds

- ``new_train.parquet``, ``new_test.parquet``: the columns that the method made;
- ``result.json``: CPU and wall seconds of fit and of transform, peak memory, how many
  columns were made, which of them are categorical, which base columns the method takes
  away, and versions.

This module is read by environments with old libraries: Python 3.9 and pandas 1.5 are
enough for it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


class Exchange:
    """One request and the answer to it.

    Parameters
    ----------
    folder : Path
        The folder that the request lies in.

    Attributes
    ----------
    request : dict
        The content of ``request.json``.
    seconds : dict
        Filled by `measure`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.request: dict[str, Any] = json.loads(
            (folder / "request.json").read_text(encoding="utf-8")
        )
        self.seconds: dict[str, float] = {}

    @classmethod
    def from_arguments(cls) -> Exchange:
        """Take the folder from the command line."""
        return cls(Path(sys.argv[1]))

    def read(self) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
        """Return the training table, the test table and the training target."""
        train = pd.read_parquet(self.folder / "train.parquet")
        test = pd.read_parquet(self.folder / "test.parquet")
        return train, test, np.load(self.folder / "y.npy")

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Measure the CPU (children included) and wall seconds of a part."""
        wall, cpu = time.perf_counter(), _cpu_seconds()
        yield
        self.seconds[f"{part}_cpu"] = round(_cpu_seconds() - cpu, 3)
        self.seconds[f"{part}_wall"] = round(time.perf_counter() - wall, 3)

    def write(
        self,
        train: pd.DataFrame | None = None,
        test: pd.DataFrame | None = None,
        *,
        dropped: list[str] | None = None,
        features: list[str] | None = None,
        versions: dict[str, str] | None = None,
    ) -> None:
        """Write the answer.

        Parameters
        ----------
        train, test : pandas.DataFrame, optional
            The new columns; left out when only the fit was asked for.
        dropped : list of str, optional
            Base columns that the method replaces by its new ones.
        features : list of str, optional
            Readable names of the new columns; the first fifty are kept.
        versions : dict, optional
            Versions of the libraries that matter.
        """
        peak = _peak_memory()  # before the tables are written
        categorical: list[str] = []
        n_columns = 0
        if train is not None and test is not None:
            n_columns = train.shape[1]
            categorical = [
                str(name)
                for name, dtype in train.dtypes.items()
                if not pd.api.types.is_numeric_dtype(dtype)
            ]
            for frame, name in ((train, "new_train"), (test, "new_test")):
                frame = frame.reset_index(drop=True)
                flags = frame.select_dtypes("bool").columns
                frame = frame.astype(dict.fromkeys(flags, "float64"))
                for column in categorical:
                    known = frame[column].notna()
                    text = frame[column].astype(object).where(known, None)
                    frame[column] = text.map(str, na_action="ignore")
                frame.to_parquet(self.folder / f"{name}.parquet")
        result = {
            **self.seconds,
            "peak_mb": round(peak / 2**20, 1),
            "n_new_columns": n_columns,
            "categorical": categorical,
            "dropped": dropped or [],
            "features": (features or [])[:50],
            "versions": {"python": sys.version.split()[0], **(versions or {})},
        }
        (self.folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


def _cpu_seconds() -> float:
    """Return the CPU seconds of this process and of the children it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak_memory() -> int:
    """Return the peak resident bytes of the largest process, this one or a child.

    On Linux this process is asked through ``/proc``: ``ru_maxrss`` of a process that
    was started by a larger one begins with the size of its parent.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return max(int(line.split()[1]) * 1024, children)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return max(own, children)
