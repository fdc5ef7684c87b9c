"""Rows that do not fit in memory: peak memory and rows a second, streamed from Parquet.

    python -m benchmarks.ranking_large [--rows 20000000] [--keep] [--jobs 1]
    python -m benchmarks.ranking_large --order 2

`make_ctr` writes forty columns of up to a million values (twenty for crosses, which
``--order 2`` asks for) to files of a million rows, in a process of its own; another
fits ``OutRank`` on the folder with its default limit of memory. The files go to a
temporary folder (``TMPDIR`` says where; a hundred million rows take some four
gigabytes) and are deleted afterwards, unless they are to be kept. ``--files`` names a
folder that was kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import ranking_common as common

N_COLUMNS = {1: 40, 2: 20}


def generate(folder: str, n_rows: int, order: int) -> None:
    """Write the files, and beside them what is planted there."""
    from featurekit.datasets import make_ctr

    rows = Path(folder) / "rows"
    truth = make_ctr(n_rows, N_COLUMNS[order], random_state=0, path=rows).truth
    planted = {"main": truth.main, "pairs": truth.pairs}
    (Path(folder) / "truth.json").write_text(json.dumps(planted))


def main() -> None:
    """Generate, fit, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--keep", action="store_true", help="leave the files there")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--order", type=int, choices=(1, 2), default=1)
    parser.add_argument("--files", metavar="FOLDER", help="rows that were kept")
    parser.add_argument("--generate", metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.generate:
        generate(arguments.generate, arguments.rows, arguments.order)
        return
    kept = arguments.files is not None
    place = Path(arguments.files or tempfile.mkdtemp(prefix="ranking-large-"))
    made_cpu = None
    try:
        if not kept:
            made = common.process(
                [sys.executable, "-m", "benchmarks.ranking_large", "--generate",
                 str(place), "--rows", str(arguments.rows),
                 "--order", str(arguments.order)],
                limit=24 * 3600,
            )  # fmt: skip
            if made.code:
                raise RuntimeError(f"no files: {made.output[-2000:]}")
            made_cpu = round(made.cpu, 1)
        files = place / "rows"
        planted = json.loads((place / "truth.json").read_text())
        size = sum(path.stat().st_size for path in files.iterdir())
        print(f"{size / 2**30:.2f} GiB of rows", flush=True)
        fit = common.module(
            "ranking_fit", str(files), common.LABEL,
            json.dumps({"n_jobs": arguments.jobs, "order": arguments.order}),
            limit=24 * 3600,
        )  # fmt: skip
    finally:
        if arguments.keep or kept:
            print(f"the files are kept in {place}")
        else:
            shutil.rmtree(place)
    inside = fit.last_json
    n_main = len(planted["main"])
    content = {
        "rows": inside["rows"],
        "columns": inside["columns"],
        "order": arguments.order,
        "n_jobs": arguments.jobs,
        "files_gib": round(size / 2**30, 2),
        "generating_cpu_seconds": made_cpu,
        "peak_gib": round(inside["peak_mib"] / 1024, 3),
        "process_cpu_seconds": round(fit.cpu, 1),
        "fit_cpu_seconds": round(inside["fit_cpu"], 1),
        "fit_wall_seconds": round(inside["fit_wall"], 1),
        "rows_per_cpu_second": round(inside["rows"] / inside["fit_cpu"]),
        "rows_per_wall_second": round(inside["rows"] / inside["fit_wall"]),
        "ns_per_row_and_column": round(
            1e9 * inside["fit_cpu"] / inside["rows"] / inside["columns"], 2
        ),
        "main_columns_among_first": len(
            set(planted["main"]) & set(inside["first"][:n_main])
        ),
        "main_columns": n_main,
    }
    name = "ranking_large" if arguments.rows <= 20_000_000 else "ranking_larger"
    what = "columns"
    if arguments.order > 1:
        name, what = f"{name}_crosses", "columns and crosses"
        pairs = [set(pair) for pair in planted["pairs"]]
        content["planted_pairs"] = len(pairs)
        content["planted_pairs_among_first_crosses"] = sum(
            set(pair) in pairs for pair in inside["first_crosses"][: len(pairs)]
        )
    common.write(
        name, f"Ranking of {what} streamed from Parquet, a process of its own", content
    )


if __name__ == "__main__":
    main()
