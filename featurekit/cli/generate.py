"""The command that finds new features: generate."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featurekit.cli import options, tables
from featurekit.cli.common import (
    STDOUT,
    UsageError,
    categorical,
    in_bytes,
    in_time,
    messages_beside,
    one_line,
    say,
    size,
)
from featurekit.cli.files import (
    ROWS,
    SCORES,
    Dialect,
    Output,
    check_outputs,
    check_target,
    open_rows,
    read_rows,
    split,
    write_features,
    write_rows,
    write_scores,
)

if TYPE_CHECKING:
    from featurekit import OpenFE


class Metric(StrEnum):
    """Values of ``--metric``."""

    rmse = "rmse"
    mae = "mae"
    poisson = "poisson"
    logloss = "logloss"
    auc = "auc"
    multi_logloss = "multi_logloss"


def generate(
    sources: options.Sources,
    target: options.Target,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write the features (JSON) for 'apply'; - is stdout. "
            "Required, except with --estimate.",
            show_default=False,
        ),
    ] = None,
    save_data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write the training rows with the new columns and the target, "
            ".parquet or .csv, to train a model on. The new values are out-of-fold: "
            "each row's are learnt without its own fold, as those of a new row are.",
        ),
    ] = None,
    save_report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write a table of all candidates with their scores and the "
            "reason why each was kept or dropped: .csv, .tsv, .json or .parquet.",
        ),
    ] = None,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate",
            help="Only say how many candidates there are and how much time and memory "
            "the search needs.",
        ),
    ] = False,
    drop: options.Drop = None,
    categorical_columns: options.Categorical = None,
    weight: options.Weight = None,
    groups: options.Groups = None,
    n_features: Annotated[
        str,
        typer.Option(
            metavar="auto|N",
            help="How many new features to keep at most; auto decides by "
            "cross-validation and may keep none.",
        ),
    ] = "auto",
    operators: Annotated[
        str,
        typer.Option(
            metavar="default|openfe|NAME,...",
            help="Operators that features are made with; openfe is the set of the "
            "paper.",
        ),
    ] = "default",
    order: Annotated[
        int,
        typer.Option(
            min=1, max=4, metavar="N", help="Operators applied on top of each other."
        ),
    ] = 1,
    task: options.TaskOption = options.Task.auto,
    metric: Annotated[
        Metric | None,
        typer.Option(
            metavar="METRIC",
            help="What to improve: rmse, mae, poisson, logloss, auc or multi_logloss; "
            "by default rmse, or log-loss of classes.",
            show_default=False,
        ),
    ] = None,
    cv: Annotated[
        int, typer.Option(min=2, metavar="N", help="Folds of the cross-validation.")
    ] = 5,
    max_candidates: Annotated[
        str,
        typer.Option(
            metavar="auto|all|N",
            help="Score at most this many candidates, the likeliest of a wide table; "
            "auto is 10,000.",
        ),
    ] = "auto",
    time_budget: options.TimeBudget = None,
    memory_limit: options.MemoryLimit = None,
    n_jobs: options.Jobs = -1,
    seed: options.Seed = 0,
    separator: options.Separator = None,
    encoding: options.Encoding = None,
    decimal: options.Decimal = None,
) -> None:
    """Find features that improve a boosted model, and store them.

    The features and what they learnt are written to a JSON file for 'apply'. Ctrl-C
    stops the search and keeps what was found until then; a second one gives up.

    In CSV files empty fields, NA, NaN and null are missing values, and dates are
    recognised.
    """
    from featurekit import OpenFE

    if out is None and not estimate:
        raise UsageError("Missing option '--out'; only --estimate writes nothing")
    number = _number(n_features)
    limit, candidates = size(memory_limit), _candidates(max_candidates)
    rows = open_rows(sources, Dialect(separator, encoding, decimal), drop)
    check_target(rows, target)
    outputs = [Output(out), Output(save_data, ROWS), Output(save_report, SCORES)]
    check_outputs(outputs, rows.files, sources)
    train = split(read_rows(rows), target, weight, groups)
    maker = OpenFE(
        n_features=number,
        operators=_operators(operators),
        order=order,
        categorical_features=categorical(train.X.columns, categorical_columns),
        task=task.value,
        metric=metric.value if metric else None,
        cv=cv,
        max_candidates=candidates,
        time_budget=time_budget,
        memory_limit=limit,
        n_jobs=n_jobs,
        random_state=seed,
        output_format="input",
        verbose=1,
    )
    if estimate:
        with one_line():
            _show_estimate(maker.estimate(train.X, train.y))
        return
    assert out is not None
    with messages_beside(out) as stdout:
        say("Ctrl-C stops the search and keeps what is found so far.")
        with one_line():
            new = maker.fit_transform(
                train.X, train.y, sample_weight=train.weight, groups=train.groups
            )
        write_features(maker, out, stdout)
        _show(maker, metric.value if metric else None)
        if out != STDOUT:
            say(f"features written to {out}")
        if save_data is not None:
            write_rows(new.with_columns(train.beside()), save_data, stdout)
            say(f"training rows, with out-of-fold values, written to {save_data}")
        if save_report is not None:
            write_scores(maker.report_, save_report, stdout)
            say(f"all candidates written to {save_report}")


def _number(text: str) -> int | str:
    if text == "auto":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--n-features: {text!r} is neither 'auto' nor 1 or more")
    return int(text)


def _candidates(text: str) -> int | str | None:
    if text in ("auto", "all"):
        return None if text == "all" else text
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(
            f"--max-candidates: {text!r} is neither 'auto', nor 'all', nor 1 or more"
        )
    return int(text)


def _operators(text: str) -> str | list[str]:
    if text in ("default", "openfe"):
        return text
    return [name.strip() for name in text.split(",") if name.strip()]


# -- what is said ------------------------------------------------------------------


def _show_estimate(found: dict[str, Any]) -> None:
    say(f"candidates: {found['n_candidates']:,}")
    say(f"memory:     about {in_bytes(found['bytes'])} on top of the data")
    say(f"time:       about {in_time(found['seconds'])} with one thread")


def _show(maker: OpenFE, metric: str | None) -> None:
    """What was found: how many were tried, scores, the features in words."""
    say(f"{maker.n_candidates_:,} candidates scored for a {maker.task_} target")
    if maker.stopped_:
        say(f"cut short ({maker.stopped_}); what was found until then is kept")
    say(_scores(maker, metric))
    if maker.features_:
        show_features(maker)
    elif maker.stopped_:
        say("nothing was found by then; allow it more time")
    elif not maker.n_candidates_:
        say("the columns allow no new feature: are they constant, or keys alone?")
    elif maker.gate_ is not None:
        say("no new feature is worth keeping: none helps beyond chance")
    else:
        say("no candidate reduces the loss on held-out rows")


def _scores(maker: OpenFE, metric: str | None) -> str:
    usual = {"regression": "rmse", "binary": "logloss", "multiclass": "multi_logloss"}
    metric = metric or usual[maker.task_]
    base = maker.base_score_
    text = f"{metric} without new features, on held-out folds: {base:.5g}"
    gate = maker.gate_
    if gate is None or not gate.n_features:
        return text
    gain = float(gate.gain[gate.sizes.index(gate.n_features)])
    if metric == "auc":
        better = base + gain
    elif metric == "rmse":  # the gain is one of squared errors
        better = max(base**2 - gain, 0.0) ** 0.5
    else:
        better = base - gain
    return (
        f"{text}\n{metric} with the best {gate.n_features}: {better:.5g} "
        f"(estimated on {gate.n_folds} folds that the search did not see)"
    )


def show_features(maker: OpenFE) -> None:
    """The features with their scores, each with its meaning below it."""
    from featurekit.generation.report import in_words

    score = dict(zip(maker.report_["feature"], maker.report_["score"], strict=True))
    say("New features, most useful first, by how much each reduces the loss of a row:")
    for node in maker.features_:
        gain = score.get(node.name, float("nan"))
        shown = f"{gain:.3g}" if gain == gain else ""
        say(f"{shown:>10}  {node.name}")
        tables.indented(in_words(node), 12)
