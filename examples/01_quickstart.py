"""Find features, see why they were kept, and what they do for a model.

The prices of made-up flats: what counts is the price level of the district, and the
rent per square metre. Neither is a column.
"""

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import root_mean_squared_error

from featurekit import OpenFE

rng = np.random.default_rng(0)
n = 3000
district = rng.integers(0, 60, n)
X = pd.DataFrame(
    {
        "district": [f"D{code:02}" for code in district],
        "area": rng.uniform(30, 150, n),
        "rent": rng.uniform(300, 3000, n),
        "floor": rng.integers(0, 12, n),
        "built": rng.integers(1900, 2025, n),
    }
)
level = rng.normal(0, 1, 60)[district]
y = 15 * X["rent"] / X["area"] + 60 * level + rng.normal(0, 20, n)

train, test = slice(0, 2000), slice(2000, None)
maker = OpenFE(random_state=0)
X_train = maker.fit_transform(X[train], y[train])
X_test = maker.transform(X[test])

print(f"{maker.n_candidates_} candidates scored, {len(maker.features_)} kept:")
for feature in maker.features_:
    print("  ", feature.name)

print("\nWhy the first was kept:")
print(maker.explain(maker.features_[0]))

print("\nWhy others were not:")
dropped = maker.report_[maker.report_["stage"] != "kept"]
for reason, rows in dropped.groupby("reason"):
    print(f"  {len(rows):4} {reason} (such as {rows['feature'].iloc[0]})")

print("\nA model that featurekit has not seen, on the 1,000 flats held out:")
for title, a, b in [
    ("the columns alone", X[train], X[test]),
    ("with the new features", X_train, X_test),
]:
    model = HistGradientBoostingRegressor(
        categorical_features="from_dtype", random_state=0
    )
    a = a.assign(district=a["district"].astype("category"))
    b = b.assign(district=b["district"].astype("category"))
    predicted = model.fit(a, y[train]).predict(b)
    print(f"  RMSE {title}: {root_mean_squared_error(y[test], predicted):.1f}")
