"""Scoring from codes: nanoseconds per row and column, part by part, and the peer.

    python -m benchmarks.ranking_scoring [--rows 1000000] [--rounds 5]
                                         [--peer-rounds 1]

Columns are those of `make_mixed`, numbered without gaps in their narrowest unsigned
type. Counted are CPU seconds of one thread: of counting rows by value and class, of
putting the tables together, and of every statistic with the exact mean and deviation
under chance. The peer is outrank's command line on a CSV file of 100,000 such rows;
there is no way to hand it codes, and its statistics of cells are counted with it, as
ours of files are in `ranking_files`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import ranking_common as common
from featurekit.datasets import make_mixed
from featurekit.statistics.contingency import Contingency, finish, null_moments

PEER_ROWS = 100_000
PARTS = ("counting", "tables", "null", "statistics")


def codes_of(n_rows: int, n_features: int = 100):
    """Codes with their sizes, and the classes."""
    data = make_mixed(n_rows, n_features, random_state=0)
    columns = [common.dense_codes(data.X[name].to_numpy()) for name in data.X]
    return columns, data.y.to_numpy().astype(np.uint16)


def score(columns, y) -> dict[str, float]:
    """CPU seconds of each part."""
    marks = [time.process_time()]
    counts = [Contingency(2) for _ in columns]
    for table, (codes, size) in zip(counts, columns, strict=True):
        table.add(codes, y, size)
    marks.append(time.process_time())
    tables = [
        table.table(np.arange(size))
        for table, (_, size) in zip(counts, columns, strict=True)
    ]
    marks.append(time.process_time())
    finish(tables)
    marks.append(time.process_time())
    # once more by itself, to tell the null's part of the above
    null_moments([table.sizes for table in tables], np.bincount(y))
    marks.append(time.process_time())
    counting, together, everything, null = np.diff(marks).tolist()
    return dict(
        zip(PARTS, (counting, together, null, everything - null), strict=True)
    ) | {"total": counting + together + everything}


def main() -> None:
    """Measure in turns, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer-rounds", type=int, default=1)
    arguments = parser.parse_args()
    sizes = {"rows": arguments.rows, "peer_rows": PEER_ROWS}
    data = {name: codes_of(n) for name, n in sizes.items()}
    cells = {name: n * 100 for name, n in sizes.items()}
    score(*data["peer_rows"])  # loads the kernels
    ours = {name: [] for name in sizes}
    peer, start = [], []

    def turn() -> None:
        for name, rows in data.items():
            ours[name].append(score(*rows))

    with tempfile.TemporaryDirectory(prefix="ranking-") as place:
        mixed, small = Path(place) / "mixed", Path(place) / "small"
        if arguments.peer_rounds:
            common.write_mixed(mixed, PEER_ROWS)
            common.write_small(small)
            common.outrank(small)  # compiles what it keeps compiled
        for number in range(max(arguments.rounds, arguments.peer_rounds)):
            turn()
            if number < arguments.peer_rounds:
                start.append(common.outrank(small)[0].cpu)
                peer.append(common.outrank(mixed)[0].cpu)
                turn()
                print(f"outrank {peer[-1]:.1f} s, start-up {start[-1]:.1f}", flush=True)
    content = {"columns": 100, "threads": 1, "rounds": len(ours["rows"])}
    for name, n in sizes.items():
        key = "from_codes" if name == "rows" else "from_codes_at_the_peers_rows"
        content[key] = {
            "rows": n,
            "ns_per_row_and_column": {
                part: common.middle([1e9 * r[part] / cells[name] for r in ours[name]])
                for part in (*PARTS, "total")
            },
            "range_of_total": [
                round(f(1e9 * r["total"] / cells[name] for r in ours[name]), 3)
                for f in (min, max)
            ],
        }
    if peer:
        per_cell = [cpu / cells["peer_rows"] for cpu in peer]
        bare = [
            (cpu - s) / cells["peer_rows"] for cpu, s in zip(peer, start, strict=True)
        ]
        content["outrank"] = {
            "rows": PEER_ROWS,
            "cpu_seconds": [round(cpu, 2) for cpu in peer],
            "start_up_cpu_seconds": [round(s, 2) for s in start],
            "ns_per_row_and_column": common.middle([1e9 * t for t in per_cell], 0),
            "versions": common.peer_versions("peer-outrank", "outrank", "numpy"),
        }
        content["ratios"] = {}
        for name, n in sizes.items():
            mine = common.middle([r["total"] / cells[name] for r in ours[name]], 12)
            content["ratios"][f"ours_at_{n}_rows"] = {
                "whole_process": common.middle([t / mine for t in per_cell], 0),
                "peer_less_its_start_up": common.middle([t / mine for t in bare], 0),
            }
    common.write(
        "ranking_scoring",
        "CPU time of scoring columns from codes, every statistic, one thread; outrank: "
        "its command line on a CSV file",
        content,
    )


if __name__ == "__main__":
    main()
