"""The command that ranks columns: rank."""

from __future__ import annotations

import re
import sys
import time
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from featurekit.cli import ranks
from featurekit.cli.common import (
    UserError,
    blame,
    check_output,
    column,
    one_line,
    say,
    typer,
    warn,
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
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Rows: files, folders, or patterns in quotes as in 'data/*.parquet'. "
            "Parquet; CSV, TSV and VW, each also with .gz or .zst. All of one format "
            "and with the same columns.",
            show_default=False,
        ),
    ],
    target: Annotated[
        str,
        typer.Option(
            help="Column to tell of; of VW files 'label'.", show_default=False
        ),
    ],
    order: Annotated[
        int, typer.Option(min=1, max=3, help="2 and 3: crosses of so many columns too.")
    ] = 1,
    alpha: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Keep what chance explains only at a false-discovery rate of at most "
            "this; 1 keeps all columns.",
        ),
    ] = 0.05,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Keep, and show, no more than so many of the best; without, "
            f"{ranks.SHOWN} are shown.",
            show_default=False,
        ),
    ] = None,
    score: Annotated[
        Score,
        typer.Option(
            help="What to rank by: mutual information above chance as a share of the "
            "most there could be (ami), another statistic, or a model's importances."
        ),
    ] = Score.ami,
    redundancy: Annotated[
        Redundancy | None,
        typer.Option(
            help="Choose greedily: each column by its score, less what those before it "
            "tell of it (3mr: plus what it tells together with them).",
            show_default=False,
        ),
    ] = None,
    missing: Annotated[
        Missing,
        typer.Option(
            help="Missing values are a category, or their rows do not count for the "
            "column."
        ),
    ] = Missing.category,
    categorical: Annotated[
        str,
        typer.Option(
            metavar="all|auto|NAME,...",
            help="Columns whose numbers are categories, not quantities; 'auto': whole "
            "numbers are. Text always is.",
        ),
    ] = "auto",
    bins: Annotated[
        int, typer.Option(min=2, max=65536, help="Quantile bins of quantities.")
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
            "--controls", help="Rank columns of pure noise and the target itself too."
        ),
    ] = False,
    max_candidates: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Crosses of each order to score, at most.",
            show_default=False,
        ),
    ] = None,
    time_budget: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="When they are over, crosses and --redundancy are cut short; columns "
            "are counted in any case.",
            show_default=False,
        ),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Of the counts, as in 4G; columns of too many values are counted in "
            "buckets.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(help="Threads, -1 for all cores. The result is the same.")
    ] = -1,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write all scores: .tsv, .csv, .json or .parquet; with --drift-by "
            "the drift too, as in ranks.tsv and ranks.drift.tsv. A file named "
            "feature_singles.tsv is for tools that read OutRank's file of that name: "
            "it has its columns only, Feature and Score, with the target first.",
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
    """Rank columns by what they tell of a target above chance.

    Rows are read block by block, so files may be larger than memory. Every column is
    counted against the target once; what a shuffle of the target would give is known
    exactly, so columns of many values are ranked fairly, and noise is told from signal.

    Ctrl-C cuts short what --time-budget does and keeps what was counted; a second one
    gives up. In CSV files empty fields, NA, NaN, None and null are missing values.

    Example: featurekit rank 'clicks/*.parquet' --target click --order 2
    --drift-by file --out ranks.tsv --save ranker.json
    """
    from featurekit import OutRank
    from featurekit.data.scan import scan

    limit = None if memory_limit is None else _bytes(memory_limit)
    with one_line():
        found = scan(sources)
    column(found.names, target, "--target")
    _check_drift(drift_by, found, target)
    _check_files(out, save, sources, found.files)
    ranker = OutRank(
        score.value,
        order=order,
        redundancy=None if redundancy is None else redundancy.value,
        n_features_to_select=top,
        alpha=alpha,
        missing=missing.value,
        categorical_features=_categorical(categorical, found.names, target),
        n_bins=bins,
        drift_by=drift_by,
        # the file of OutRank has the target itself in it
        noise_controls=controls or ranks.is_singles(out),
        max_candidates=max_candidates,
        time_budget=time_budget,
        memory_limit=limit,
        n_jobs=jobs,
        random_state=seed,
        verbose=int(sys.stdout.isatty()),
    )
    if order > 1 or redundancy is not None:
        say("Ctrl-C cuts the search short and keeps what was counted.")
    begin = time.perf_counter()
    with one_line(), warnings.catch_warnings(record=True) as odd:
        warnings.simplefilter("always")
        ranker.fit(sources, target)
    ranking = ranks.Ranking(ranker, target, controls, time.perf_counter() - begin)
    if out is not None:
        with blame(out, "written"):
            ranking.write(out)
    if save is not None:
        with blame(save, "written"):
            ranker.to_json(save)
    ranking.show()
    for warning in odd:
        warn(warning.message, warning.category)
    if out is not None:
        say(f"scores written to {out}")
    if out is not None and drift_by is not None:
        say(f"drift written to {ranks.beside(out)}")
    if save is not None:
        say(f"ranking written to {save}; 'featurekit apply' takes it to new rows")


# -- what is asked for -------------------------------------------------------------


def _bytes(text: str) -> int:
    """A size such as 4G, in units of 1024."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)(?:I?B)?", text.strip().upper())
    size = 0
    if found:
        size = int(float(found[1]) * 1024 ** " KMGT".index(found[2] or " "))
    if size < 1:
        raise UserError(f"--memory-limit: {text!r} is no size; write it as 500M or 4G")
    return size


def _categorical(text: str, names: tuple[str, ...], target: str) -> str | list[str]:
    if text in ("all", "auto"):
        return text
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if not wanted:
        raise UserError("--categorical: name columns, or say all or auto")
    others = [name for name in names if name != target]
    return [column(others, name, "--categorical") for name in wanted]


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


def _check_files(
    out: Path | None, save: Path | None, sources: list[str], inputs: tuple[Path, ...]
) -> None:
    check_output(out, inputs, ranks.SUFFIXES)
    outputs = [] if out is None else [out, ranks.beside(out)]
    check_output(save, [*inputs, *outputs], suffixes=())
    for source in sources:
        folder = Path(source).expanduser()
        for path in outputs if folder.is_dir() else []:
            # of a folder, what begins with these is passed over
            hidden = path.name.startswith((".", "_")) or path.suffix == ".json"
            if folder.resolve() in path.resolve().parents and not hidden:
                raise UserError(
                    f"{path} would be read as rows the next time; write it outside of "
                    f"the folder {folder}"
                )
