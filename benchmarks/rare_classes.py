"""Is noise kept beside a rare class? Tables of 40 columns of noise, by two selectors.

    python -m benchmarks.rare_classes [--tables 500] [--disco-tables 100]

Columns are independent of the target, so that at a false-discovery rate of .05 one
table in twenty should keep any of them. The positives are 5 to 60 of 300 to 30,000
rows; the columns are

normal     standard normal
flags      1 in 2 % of the rows, else 0
sparse     exponential in 2 % of the rows, else 0
many       as many whole numbers as a third of the rows, as categories

OutRank keeps what ``alpha=0.05`` selects. DisCo ``n_features_to_select="auto"`` always
keeps one column at least: counted is whether the smallest q of its ``pvalues_`` is .05
or less. Shares below .02 are those of columns whose p-values take few values: of 15
positives beside a flag in 2 % of the rows, 3 with the flag are a p of .003 and 4 one of
.0002, and a table keeps a column from .05 / 40 = .00125 on, so that 40 * .0002 = .8 %
is all that a test without random numbers can keep. The standard error of a share of .05
is .01 for 500 tables and .022 for 100.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import pandas as pd

from benchmarks import ranking_common as common
from featurekit import DisCo, OutRank
from featurekit.statistics.contingency import false_discovery_rate

N_COLUMNS = 40
ALPHA = 0.05
CELLS = ((300, 5), (300, 60), (3000, 15), (30_000, 15), (30_000, 60))
KINDS = ("normal", "flags", "sparse", "many")


def table(kind: str, n: int, n_positive: int, seed: int):
    """Columns of noise and a target."""
    rng = np.random.default_rng([seed, n, n_positive])
    shape = (n, N_COLUMNS)
    if kind == "normal":
        X = rng.normal(size=shape)
    elif kind == "flags":
        X = (rng.random(shape) < 0.02).astype(int)
    elif kind == "sparse":
        X = np.where(rng.random(shape) < 0.02, rng.exponential(size=shape), 0.0)
    else:
        X = rng.integers(0, n // 3, shape)
    y = np.zeros(n, int)
    y[rng.permutation(n)[:n_positive]] = 1
    return pd.DataFrame(X).add_prefix("c"), y


def kept_by_outrank(X, y) -> bool:
    """Whether any column is kept."""
    scores = OutRank(n_jobs=1).fit(X, y).scores_
    return bool((scores["q"] <= ALPHA).any())


def kept_by_disco(X, y) -> bool:
    """Whether any column depends on the target by its test."""
    p = DisCo(n_features_to_select="auto", n_jobs=1, random_state=0).fit(X, y).pvalues_
    return bool((false_discovery_rate(p) <= ALPHA).any())


def main() -> None:
    """Draw, select, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=500)
    parser.add_argument("--disco-tables", type=int, default=100)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = []
    for method, keeps, n_tables in (
        ("OutRank", kept_by_outrank, arguments.tables),
        ("DisCo", kept_by_disco, arguments.disco_tables),
    ):
        for n, n_positive in CELLS if n_tables else ():
            for kind in KINDS:
                start = time.process_time()
                kept = sum(
                    keeps(*table(kind, n, n_positive, s)) for s in range(n_tables)
                )
                line = {
                    "method": method, "rows": n, "positives": n_positive,
                    "columns": kind, "tables": n_tables,
                    "share_with_any_kept": round(kept / n_tables, 4),
                    "cpu_seconds_per_table": round(
                        (time.process_time() - start) / n_tables, 3
                    ),
                }  # fmt: skip
                print(line, flush=True)
                lines.append(line)
    common.write(
        "rare_classes", "Tables of noise beside a rare class of which any is kept",
        {"alpha": ALPHA, "columns_per_table": N_COLUMNS, "shares": lines},
    )  # fmt: skip


if __name__ == "__main__":
    main()
