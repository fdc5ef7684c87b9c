"""The command that shows it all on real data: demo."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from featurekit._files import check_writable, replacing
from featurekit.cli.common import one_line, say
from featurekit.cli.files import blame
from featurekit.cli.generate import show_features


def demo(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for the result.")
    ] = Path("demo-output"),
    rows: Annotated[
        int,
        typer.Option(
            min=1000, metavar="N", help="Diamonds to use: half to learn, half to test."
        ),
    ] = 20_000,
) -> None:
    """Real data, start to end: prices of cut diamonds.

    Finds features on one half of the diamonds, trains LightGBM with and without them,
    and compares the two on the other half. Needs the package plotnine, which ships the
    data.
    """
    import numpy as np

    from featurekit import OpenFE
    from featurekit.datasets import load_diamonds

    begin = time.perf_counter()
    with blame(out, "written"):
        out.mkdir(parents=True, exist_ok=True)
        check_writable(out / "features.json")
    with one_line():
        X, price = load_diamonds(rows)
    y = np.log(price)  # an error of 0.1 is one of 10 % of the price
    train, test = slice(0, len(X) // 2), slice(len(X) // 2, None)
    say("Predicted: the price of a cut diamond, as a logarithm")
    say(f"From:      {', '.join(X.columns)}")
    say(f"Rows:      {len(X[train]):,} to learn from and {len(X[test]):,} to test on,")
    say("           at random: each is another stone, and none is repeated")
    say("Source:    the package plotnine (MIT)\n")
    maker = OpenFE(random_state=0, n_jobs=-1, output_format="input", verbose=1)
    with one_line():
        new_train = maker.fit_transform(X[train], y[train])
        new_test = maker.transform(X[test])
        base = _test_rmse(X[train], y[train], X[test], y[test])
        better = _test_rmse(new_train, y[train], new_test, y[test])
    say("\nTest error (RMSE of the logarithm) of LightGBM, which did not choose them:")
    say(f"  the columns alone       {base:.4f}")
    say(
        f"  {len(maker.features_):>2} new features added   {better:.4f}  "
        f"({abs(base - better) / base:.1%} {'less' if better <= base else 'more'})\n"
    )
    if maker.features_:
        show_features(maker)
    else:
        say("No new feature helps beyond chance on so few rows.")
    with blame(out, "written"):
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
    model = LGBMRegressor(n_estimators=200, learning_rate=0.08, verbosity=-1)
    left = y_test - model.fit(X, y).predict(X_test)
    return float(np.sqrt((left**2).mean()))
