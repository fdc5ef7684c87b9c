"""The options of the package openfe, and where they are here.

There, the ten best of what its own options find::

    from openfe import OpenFE, transform

    ofe = OpenFE()
    features = ofe.fit(
        data=X_train, label=y_train, feature_boosting=False, n_data_blocks=8, seed=1
    )
    X_train, X_test = transform(X_train, X_test, features[:10], n_jobs=1)

Here the same candidates, scored alone (``feature_boosting=False``) on one split (``cv``
with one pair of training and test rows), ten kept without asking whether they help::

    maker = OpenFE(
        n_features=10, operators="openfe", feature_boosting=False, cv=[(train, test)],
        random_state=1,
    )
    X_train = maker.fit_transform(X_train, y_train)
    X_test = maker.transform(X_test)

Three things differ on purpose. `transform` needs no training rows beside the new ones,
and gives one row what it gives the same row in a batch. Training rows get out-of-fold
values. And by default (``OpenFE()``) scoring is on top of a model of the columns, over
five folds, and cross-validation decides how many features to keep, if any.
"""

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import ShuffleSplit, train_test_split

from featurekit import OpenFE


def flats(n=1500):
    """Prices of made-up flats: the rent per square metre and the district count."""
    rng = np.random.default_rng(0)
    district = rng.integers(0, 40, n)
    X = pd.DataFrame(
        {
            "district": district,
            "area": rng.uniform(30, 150, n),
            "rent": rng.uniform(300, 3000, n),
            "floor": rng.integers(0, 12, n),
            "built": rng.integers(1900, 2025, n),
        }
    )
    y = 15 * X["rent"] / X["area"] + 60 * rng.normal(0, 1, 40)[district]
    return X, y + rng.normal(0, 20, n)


def error(made, y, test, y_test):
    """RMSE on the test rows of one model, which neither search has seen."""
    model = HistGradientBoostingRegressor(max_iter=100, random_state=0)
    left = y_test - model.fit(made.to_numpy(), y).predict(test.to_numpy())
    return np.sqrt((left**2).mean())


X, y = flats()
rows, names = {}, {}
for split in range(3):
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=split)
    one_split = list(ShuffleSplit(1, test_size=0.25, random_state=1).split(X_train))
    as_there = OpenFE(
        n_features=10,
        operators="openfe",
        feature_boosting=False,
        cv=one_split,
        random_state=1,
    )
    as_here = OpenFE(random_state=1)
    found = {"the columns alone": [error(X_train, y_train, X_test, y_test), 0]}
    for title, maker in [("options of openfe", as_there), ("defaults here", as_here)]:
        made = maker.fit_transform(X_train, y_train)
        score = error(made, y_train, maker.transform(X_test), y_test)
        found[title] = [score, len(maker.features_)]
        names[title] = [feature.name for feature in maker.features_[:3]]
    for title, values in found.items():
        rows.setdefault(title, []).append(values)

print(
    "test error (RMSE) of one model in three splits, and how many features were kept:"
)
for title, values in rows.items():
    scores = "  ".join(f"{score:6.2f} ({kept:2})" for score, kept in values)
    print(f"  {title:18} {scores}")
for title, kept in names.items():
    print(f"first features, {title}: {', '.join(kept)}")

alone = as_there.transform(X_test.iloc[[0]]).to_numpy()
batch = as_there.transform(X_test).to_numpy()[[0]]
print("one row, alone and in a batch, the same:", np.array_equal(alone, batch))
