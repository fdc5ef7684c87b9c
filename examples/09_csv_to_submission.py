"""From two CSV files to a file of predictions, with LightGBM behind OpenFE.

The tables are as they come: text, dates, missing values and an id. Nothing is prepared
by hand. `OpenFE` goes before the model in a pipeline, so cross-validation finds the
features again in each fold, and its estimate of the error is honest.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from featurekit import OpenFE


def write_tables(folder, n_train=1200, n_test=300):
    """Offers of made-up flats; the price depends on the size of a room and the city."""
    rng = np.random.default_rng(0)
    n = n_train + n_test
    city = rng.integers(0, 25, n)
    flats = pd.DataFrame(
        {
            "id": np.arange(n),
            "city": [f"city {code}" for code in city],
            "area": rng.uniform(20, 160, n).round(1),
            "rooms": rng.integers(1, 7, n),
            "offered": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 365, n), unit="D"),
        }
    )
    flats["price"] = (
        2000 * np.sqrt(flats["area"] / flats["rooms"])
        + rng.normal(0, 1500, 25)[city]
        + 200 * flats["offered"].dt.month
        + rng.normal(0, 400, n)
    ).round()
    flats.loc[rng.random(n) < 0.05, "area"] = np.nan
    flats.loc[rng.random(n) < 0.03, "city"] = None
    flats[:n_train].to_csv(folder / "train.csv", index=False)
    flats[n_train:].drop(columns="price").to_csv(folder / "test.csv", index=False)
    return flats["price"][n_train:]


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    truth = write_tables(folder)

    train = pd.read_csv(folder / "train.csv", parse_dates=["offered"])
    test = pd.read_csv(folder / "test.csv", parse_dates=["offered"])
    X, y = train.drop(columns=["id", "price"]), train["price"]
    print("columns:", ", ".join(f"{c} ({t})" for c, t in X.dtypes.items()))

    model = make_pipeline(
        OpenFE(n_features=5, random_state=0),
        LGBMRegressor(n_estimators=150, verbosity=-1),
    )
    scores = cross_val_score(model, X, y, cv=3, scoring="neg_root_mean_squared_error")
    print(f"error in cross-validation: {-scores.mean():.0f}")

    model.fit(X, y)
    kept = [feature.name for feature in model[0].features_]
    print("features:", ", ".join(kept))

    submission = pd.DataFrame(
        {"id": test["id"], "price": model.predict(test.drop(columns="id")).round(2)}
    )
    submission.to_csv(folder / "submission.csv", index=False)
    print("\nsubmission.csv:")
    print("\n".join((folder / "submission.csv").read_text().splitlines()[:4]))

    error = np.sqrt(((submission["price"] - truth.to_numpy()) ** 2).mean())
    print(f"\nerror on the test rows, whose prices the model never saw: {error:.0f}")
