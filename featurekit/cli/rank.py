"""The command that ranks columns: rank."""

from __future__ import annotations

import sys
import time
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from featurekit.cli import options, ranks
from featurekit.cli.common import (
    STDOUT,
    UserError,
    categorical,
    column,
    messages_beside,
    one_line,
    say,
    size,
    warn,
)
from featurekit.cli.files import (
    SCORES,
    Dialect,
    Output,
    check_outputs,
    check_target,
    open_rows,
    write_features,
)


class Score(StrEnum):
    """Values of ``--score``."""

    ami = "ami"
    mi = "mi"
    excess = "excess"
    z = "z"
    chi2 = "chi2"
    cramers_v = "cramers_v"
    theils_u = "theils_u"
    iv = "iv"
    gini = "gini"
    te_gain = "te_gain"
    random_forest = "random_forest"
    lightgbm = "lightgbm"
    permutation = "permutation"
    surrogate = "surrogate"


class Redundancy(StrEnum):
    """Values of ``--redundancy``."""

    mrmr = "mrmr"
    mrmrmr = "3mr"


class Missing(StrEnum):
    """Values of ``--missing``."""

    category = "category"
    drop = "drop"


def rank(
    sources: options.Sources,
    target: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="Column to rank the others by; of VW files 'label'.",
            show_default=False,
        ),
    ],
    order: Annotated[
        int,
        typer.Option(
            min=1,
            max=3,
            metavar="N",
            help="Columns per feature: 2 and 3 also rank crosses of so many columns.",
        ),
    ] = 1,
    alpha: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="LEVEL",
            help="Keep only what is associated with the target at this false discovery "
            "rate; all columns are kept if not given.",
            show_default=False,
        ),
    ] = None,
    n_features_to_select: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help=f"Keep, and show, at most this many; {ranks.SHOWN} are shown if not "
            "given.",
            show_default=False,
        ),
    ] = None,
    score: Annotated[
        Score,
        typer.Option(
            metavar="SCORE",
            help="What to rank by: ami (mutual information above chance, as a fraction "
            "of its maximum), mi, excess, z, chi2, cramers_v, theils_u, iv, gini, "
            "te_gain; or the importances of a model: random_forest, lightgbm, "
            "permutation, surrogate.",
        ),
    ] = Score.ami,
    redundancy: Annotated[
        Redundancy | None,
        typer.Option(
            metavar="mrmr|3mr",
            help="Select greedily: each column by its score less its redundancy with "
            "the columns before it; 3mr adds what it is informative about jointly with "
            "them.",
            show_default=False,
        ),
    ] = None,
    missing: Annotated[
        Missing,
        typer.Option(
            metavar="category|drop",
            help="Missing values are a category of their own, or their rows do not "
            "count for the column.",
        ),
    ] = Missing.category,
    drop: options.Drop = None,
    categorical_columns: Annotated[
        list[str] | None,
        typer.Option(
            "--categorical",
            metavar="all|auto|COLUMN,...",
            help="Columns whose numbers are names of categories; auto: whole numbers "
            "are. Text always is. Can be repeated.  [default: auto]",
            show_default=False,
        ),
    ] = None,
    bins: Annotated[
        int,
        typer.Option(
            min=2, max=65536, metavar="N", help="Quantile bins of numeric columns."
        ),
    ] = 64,
    drift_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|file",
            help="Compare the rows of each value of a column, or of each file, with "
            "the first.",
            show_default=False,
        ),
    ] = None,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls",
            help="Also rank columns of pure noise and the target itself, to compare "
            "with.",
        ),
    ] = False,
    max_candidates: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Score at most this many crosses of each order.",
            show_default=False,
        ),
    ] = None,
    time_budget: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Stop the search for crosses and --redundancy after this time; "
            "columns are counted in any case.",
            show_default=False,
        ),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Of the counts, written as 500MiB or 2GiB; columns of too many values "
            "are counted in buckets.",
            show_default=False,
        ),
    ] = None,
    n_jobs: options.Jobs = -1,
    seed: options.Seed = 0,
    separator: options.Separator = None,
    encoding: options.Encoding = None,
    decimal: options.Decimal = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write all scores: .tsv, .csv, .json or .parquet, or - for CSV on "
            "stdout; with --drift-by the drift too, as in ranks.tsv and "
            "ranks.drift.tsv. A file named feature_singles.tsv is for tools that read "
            "OutRank's file of that name: it has its columns only, Feature and Score, "
            "with the target first.",
            show_default=False,
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the ranking (JSON) for 'apply', which gives the columns and "
            "crosses that are kept.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Rank columns by their association with a target.

    Rows are read block by block, so files may be larger than memory. Every column is
    counted against the target once, and its score is corrected exactly for what a
    shuffled target would give, so columns with many values are ranked fairly and noise
    is recognised.

    Ctrl-C stops what --time-budget stops and keeps what was counted; a second one gives
    up. In CSV files empty fields, NA, NaN, None and null are missing values.

    \b
    Example:
      featurekit rank 'clicks/*.parquet' --target click --order 2
                      --drift-by file --out ranks.tsv --save ranker.json
    """
    from featurekit import OutRank

    limit = size(memory_limit)
    found = open_rows(sources, Dialect(separator, encoding, decimal), drop)
    check_target(found, target)
    _check_drift(drift_by, found, target)
    drift = ranks.beside(out) if out is not None and drift_by is not None else None
    outputs = [Output(out, SCORES), Output(drift), Output(save)]
    check_outputs(outputs, found.files, sources)
    names = [name for name in found.names if name != target]
    ranker = OutRank(
        score.value,
        order=order,
        redundancy=None if redundancy is None else redundancy.value,
        n_features_to_select=n_features_to_select,
        alpha=alpha,
        missing=missing.value,
        categorical_features=categorical(names, categorical_columns, ("all", "auto")),
        n_bins=bins,
        drift_by=drift_by,
        # the file of OutRank has the target itself in it
        noise_controls=controls or ranks.is_singles(out),
        max_candidates=max_candidates,
        time_budget=time_budget,
        memory_limit=limit,
        n_jobs=n_jobs,
        random_state=seed,
        output_format="input",
        verbose=int(sys.stdout.isatty()),
    )
    with messages_beside(out) as stdout:
        if order > 1 or redundancy is not None:
            say("Ctrl-C cuts the search short and keeps what was counted.")
        begin = time.perf_counter()
        with one_line(), warnings.catch_warnings(record=True) as odd:
            warnings.simplefilter("always")
            ranker.fit(found, target)
        ranking = ranks.Ranking(ranker, target, controls, time.perf_counter() - begin)
        if out is not None:
            ranking.write(out, stdout)
        if save is not None:
            write_features(ranker, save, stdout)
        ranking.show()
        for warning in odd:
            warn(warning.message, warning.category)
        if out not in (None, STDOUT):
            say(f"scores written to {out}")
        if drift is not None and out != STDOUT:
            say(f"drift written to {drift}")
        if save is not None:
            say(f"ranking written to {save}; 'featurekit apply' takes it to new rows")


# -- what is asked for -------------------------------------------------------------


def _check_drift(drift_by: str | None, found: Any, target: str) -> None:
    if drift_by is None:
        return
    if drift_by == "file":
        if len(found.files) < 2:
            raise UserError(
                "--drift-by file compares files, and there is one only; name a column"
            )
        return
    if column(found.names, drift_by, "--drift-by") == target:
        raise UserError(f"--drift-by: {target!r} is the target; name another column")
