"""One ranking of files in this process: what a process of its own runs.

``python -m benchmarks.ranking_fit FILES TARGET [JSON OF PARAMETERS]``

Prints CPU and wall seconds of the import and of ``fit``, rows, and the peak memory.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def peak_mib() -> float:
    """Most resident memory of this process, MiB.

    On Linux asked through ``/proc``: ``ru_maxrss`` begins with the size of the parent.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _columns_of(name: str) -> tuple[str, ...]:
    from featurekit.expressions.naming import parse

    return parse(name).columns()


def main() -> None:
    """Import, fit, print."""
    begin = time.perf_counter()
    from featurekit import OutRank

    loaded, loaded_wall = time.process_time(), time.perf_counter() - begin
    parameters = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    begin = time.perf_counter()
    ranker = OutRank(**parameters).fit(sys.argv[1], y=sys.argv[2])
    scores = ranker.scores_
    crosses = scores.loc[scores["order"] > 1, "feature"].head(12)
    print(
        json.dumps(
            {
                "import_cpu": loaded,
                "import_wall": loaded_wall,
                "fit_cpu": time.process_time() - loaded,
                "fit_wall": time.perf_counter() - begin,
                "rows": ranker.n_rows_,
                "columns": ranker.n_features_in_,
                "peak_mib": peak_mib(),
                "first": scores["feature"].head(12).tolist(),
                "first_crosses": [list(_columns_of(name)) for name in crosses],
                "stopped": ranker.stopped_,
            }
        )
    )


if __name__ == "__main__":
    main()
