"""Find features, see why, store them, apply them to new rows."""

import numpy as np
import pandas as pd

from featurekit import OpenFE

rng = np.random.default_rng(0)
X = pd.DataFrame(
    rng.uniform(1, 10, (2000, 4)), columns=["mass", "volume", "age", "rate"]
)
y = X["mass"] / X["volume"] + rng.normal(0, 0.1, 2000)

maker = OpenFE(random_state=0).fit(X, y)
print("kept:", [feature.name for feature in maker.features_])
print(maker.explain(maker.features_[0]))
print(maker.report_[["feature", "stage", "score", "reason"]].head())
print(maker.transform(X.head(3)))
