"""The command that chooses columns: select."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featurekit.cli import options, tables
from featurekit.cli.common import (
    STDOUT,
    UsageError,
    categorical,
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
    Training,
    check_outputs,
    check_target,
    open_rows,
    read_rows,
    split,
    write_rows,
    write_scores,
)

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 20


def select(
    selector: Annotated[
        str,
        typer.Argument(
            metavar="SELECTOR",
            help="Name of a selector, such as DisCo, InfFS, MRMR, SequentialAttention "
            "or BorutaShadow.",
            show_default=False,
        ),
    ],
    sources: options.Sources,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column to predict; only unsupervised selection does without.",
            show_default=False,
        ),
    ] = None,
    n_features_to_select: options.NumberToSelect = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the table of scores: .csv, .tsv, .json or .parquet; - is "
            "stdout, as CSV.",
            show_default=False,
        ),
    ] = None,
    save_data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write the rows with the selected columns and the target, "
            ".parquet or .csv.",
            show_default=False,
        ),
    ] = None,
    drop: options.Drop = None,
    categorical_columns: options.Categorical = None,
    weight: options.Weight = None,
    groups: options.Groups = None,
    task: options.TaskOption = options.Task.auto,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Another parameter of the selector, as in redundancy_penalty=0 or "
            "mode=forward. Can be repeated.",
            show_default=False,
        ),
    ] = None,
    alpha: options.Alpha = None,
    max_candidates: options.MaxCandidates = None,
    time_budget: options.TimeBudget = None,
    memory_limit: options.MemoryLimit = None,
    n_jobs: options.Jobs = -1,
    seed: options.Seed = 0,
    separator: options.Separator = None,
    encoding: options.Encoding = None,
    decimal: options.Decimal = None,
) -> None:
    """Choose the columns to keep, with any selector of the library.

    Text, categories, dates and missing values need no preparation.

    \b
    Example:
      featurekit select DisCo train.csv --target price
                        --n-features-to-select 10 --save-data selected.csv
    """
    chooser = _selector(selector, param)
    _set(
        chooser,
        {
            "n_features_to_select": _number(n_features_to_select),
            "alpha": alpha,
            "max_candidates": max_candidates,
            "time_budget": time_budget,
            "memory_limit": size(memory_limit),
            "task": None if task == options.Task.auto else task.value,
        },
    )
    usual = {"n_jobs": n_jobs, "random_state": seed, "verbose": 1}
    chooser.set_params(**{n: v for n, v in usual.items() if n in chooser.get_params()})
    rows = open_rows(sources, Dialect(separator, encoding, decimal), drop)
    if target is not None:
        check_target(rows, target)
    outputs = [Output(out, SCORES), Output(save_data, ROWS)]
    check_outputs(outputs, rows.files, sources)
    train = split(read_rows(rows), target, weight, groups)
    names = categorical(train.X.columns, categorical_columns)
    _set(chooser, {"categorical_features": None if names == "auto" else names})
    with messages_beside(out) as stdout:
        with one_line():
            chooser.fit(train.X, train.y, **_beside(chooser, weight, groups, train))
        scores = _scores(chooser)
        _show(scores)
        if out is not None:
            write_scores(scores, out, stdout)
            if out != STDOUT:
                say(f"scores written to {out}")
        if save_data is not None:
            kept = [train.X.columns[i] for i in chooser.get_support(indices=True)]
            made = train.X.select(kept).with_columns(train.beside())
            write_rows(made, save_data, stdout)
            say(f"selected columns written to {save_data}")


# -- the selector ------------------------------------------------------------------


def _selector(name: str, param: list[str] | None) -> Any:
    """A selector of that name, however it is capitalised."""
    from featurekit import selection

    known = {entry.lower(): entry for entry in selection.__all__}
    if name.lower() not in known:
        raise UsageError(f"there is no selector {name!r}; there are {_names()}")
    kind = getattr(selection, known[name.lower()])
    values = dict(_parameter(text) for text in param or ())
    if isinstance(values.get("selector"), str):  # of StabilitySelection
        values["selector"] = _selector(values["selector"], None)
    parameters = inspect.signature(kind).parameters
    for wanted in values:
        if wanted not in parameters:
            raise UsageError(_lacks(kind.__name__, wanted, parameters))
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty and p.name not in values
    ]
    if missing:
        example = "DisCo" if missing[0] == "selector" else "VALUE"
        raise UsageError(f"{kind.__name__} needs --param {missing[0]}={example}")
    return kind(**values)


def _names() -> str:
    from featurekit import selection

    return ", ".join(selection.__all__)


def _parameter(text: str) -> tuple[str, Any]:
    """A name and a value; what is no Python literal is text."""
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise UsageError(f"--param: {text!r} is not of the form NAME=VALUE")
    try:
        return name.strip(), ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name.strip(), value


def _set(selector: Any, values: dict[str, Any]) -> None:
    """Set what was given."""
    parameters = selector.get_params(deep=False)
    for name, value in values.items():
        if value is None:
            continue
        if name not in parameters:
            raise UsageError(_lacks(type(selector).__name__, name, parameters))
        selector.set_params(**{name: value})


def _lacks(selector: str, name: str, parameters: Iterable[str]) -> str:
    return f"{selector} has no parameter {name!r}; it has {', '.join(parameters)}"


def _beside(
    selector: Any, weight: str | None, groups: str | None, train: Training
) -> dict[str, Any]:
    """What ``fit`` is given beside the rows and the target."""
    taken = inspect.signature(selector.fit).parameters
    given = {"sample_weight": train.weight, "groups": train.groups}
    for option, name in (("--weight", "sample_weight"), ("--groups", "groups")):
        if given[name] is not None and name not in taken:
            raise UsageError(f"{type(selector).__name__} takes no {option}")
    return {name: value for name, value in given.items() if value is not None}


def _number(text: str | None) -> int | float | str | None:
    if text in (None, "auto"):
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    whole = type(value) is int and value >= 1
    if not whole and not (isinstance(value, float) and 0 < value < 1):
        raise UsageError(
            f"--n-features-to-select: {text!r} is neither 'auto', nor 1 or more, nor a "
            "fraction between 0 and 1"
        )
    return value


# -- the result --------------------------------------------------------------------


def _scores(selector: Any) -> pd.DataFrame:
    """All columns, the best first."""
    import numpy as np
    import pandas as pd

    scores = pd.DataFrame(
        {
            "feature": selector.feature_names_in_,
            "score": selector.scores_,
            "rank": selector.ranking_,
            "selected": selector.support_,
        }
    )
    p = getattr(selector, "pvalues_", None)
    if p is not None:
        scores["p"] = p
    # columns of a group share a rank
    order = np.argsort(selector.ranking_, kind="stable")
    return scores.iloc[order].reset_index(drop=True)


def _show(scores: pd.DataFrame) -> None:
    n_kept = int(scores["selected"].sum())
    shown = scores.head(max(SHOWN, n_kept))
    heads = ["rank", "score", "selected", "feature"]
    rows = [
        [str(line.rank), f"{line.score:.4g}", "yes" if line.selected else "no",
         line.feature]
        for line in shown.itertuples()
    ]  # fmt: skip
    if "p" in scores:
        heads.insert(2, "p")
        for row, p in zip(rows, shown["p"], strict=True):
            row.insert(2, f"{p:.2g}")
    tables.show(heads, rows)
    rest = len(scores) - len(shown)
    more = f" ({rest:,} more lines are not shown)" if rest else ""
    say(f"selected: {n_kept:,} of {len(scores):,} columns{more}")
