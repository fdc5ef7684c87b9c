"""End to end from files, each fit a process of its own, beside outrank's command line.

    python -m benchmarks.ranking_files [--rounds 5] [--peer-rounds 2] [--large 1000000]

``OutRank(categorical_features="all", n_jobs=1).fit(file, y=...)`` on Parquet and on
CSV, outrank's target ranking on the same CSV: 100,000 rows of `make_mixed`, every row
scored. CPU seconds of whole processes, kernels compiled beforehand, in turns. Start-up
is what the same program takes for two columns of 2,000 rows: imports, loading kernels.
What is left of ours without it is so little on Parquet that it drowns on a busy
machine: the difference is taken within each round, and no ratio is given where it is
not above 0 in all of them. Of a million rows featurekit alone is run; outrank scores
one row in ten there by its defaults, so what it takes for a scored row stands for it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import ranking_common as common
from benchmarks.ranking_common import Cost

ROWS = 100_000
LARGE_ROUNDS = 2
PARAMETERS = '{"categorical_features": "all", "n_jobs": 1}'


def fit(folder: Path, kind: str) -> Cost:
    """One fit of ``folder/data.<kind>`` in a process of its own."""
    path = str(folder / f"data.{kind}")
    return common.module("ranking_fit", path, common.LABEL, PARAMETERS)


def figures(runs: list[Cost]) -> dict[str, float]:
    """Medians of what the processes took."""
    inside = [run.last_json for run in runs]
    return {
        "cpu_seconds": common.middle([run.cpu for run in runs]),
        "of_it_import": common.middle([i["import_cpu"] for i in inside]),
        "of_it_fit": common.middle([i["fit_cpu"] for i in inside]),
        "wall_seconds": common.middle([run.wall for run in runs]),
        "peak_mib": common.middle([i["peak_mib"] for i in inside], 0),
        "runs": len(runs),
    }


def main() -> None:
    """Measure in turns, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer-rounds", type=int, default=2)
    parser.add_argument("--large", type=int, default=1_000_000)
    arguments = parser.parse_args()
    ours: dict[tuple[str, str], list[Cost]] = {}
    peer: list[Cost] = []
    peer_start: list[Cost] = []
    with tempfile.TemporaryDirectory(prefix="ranking-") as place:
        folders = {name: Path(place) / name for name in ("small", "mixed", "large")}
        common.write_small(folders["small"])
        common.write_mixed(folders["mixed"], ROWS)
        common.write_mixed(folders["large"], arguments.large)
        for kind in ("parquet", "csv"):
            fit(folders["small"], kind)  # compiles the kernels
        common.outrank(folders["small"])
        for number in range(max(arguments.rounds, arguments.peer_rounds)):
            for name, folder in folders.items():
                if name == "large" and number >= LARGE_ROUNDS:
                    continue
                for kind in ("parquet", "csv"):
                    ours.setdefault((name, kind), []).append(fit(folder, kind))
            if number < arguments.peer_rounds:
                peer_start.append(common.outrank(folders["small"])[0])
                peer.append(common.outrank(folders["mixed"])[0])
                print(f"outrank {peer[-1].cpu:.1f} s", flush=True)
    content = {
        "columns": 100,
        "threads": 1,
        "rows": ROWS,
        "large_rows": arguments.large,
        "featurekit": {
            f"{kind}_{name}": figures(runs) for (name, kind), runs in ours.items()
        },
    }
    if peer:
        whole = common.middle([run.cpu for run in peer], 6)
        bare = whole - common.middle([run.cpu for run in peer_start], 6)
        content["outrank"] = {
            "cpu_seconds": [round(run.cpu, 2) for run in peer],
            "start_up_cpu_seconds": [round(run.cpu, 2) for run in peer_start],
            "wall_seconds": [round(run.wall, 1) for run in peer],
            "peak_mib": [round(run.peak_mib) for run in peer],
            "versions": common.peer_versions("peer-outrank", "outrank", "numpy"),
        }
        content["ratios"] = {}
        for name, n in (("mixed", ROWS), ("large", arguments.large)):
            for kind in ("parquet", "csv"):
                runs = ours[name, kind]
                mine = common.middle([run.cpu for run in runs], 6)
                fits = common.middle([run.last_json["fit_cpu"] for run in runs], 6)
                both = zip(runs, ours["small", kind], strict=False)
                left = [run.cpu - small.cpu for run, small in both]
                times = n / ROWS  # what outrank would take to score as many rows
                content["ratios"][f"{kind}_{n}_rows"] = {
                    "whole_processes": round((whole + bare * (times - 1)) / mine, 1),
                    "fit_without_import_over_peer_less_start_up": round(
                        times * bare / fits, 1
                    ),
                    "both_less_their_start_up": None
                    if min(left) <= 0
                    else round(times * bare / common.middle(left, 6), 1),
                    "ours_less_start_up_cpu_seconds": [round(x, 2) for x in left],
                }
    common.write(
        "ranking_files",
        "CPU time of ranking files, one thread, whole processes with kernels compiled "
        "beforehand; of the large file outrank's time is its time for a scored row",
        content,
    )


if __name__ == "__main__":
    main()
