"""How many features? A grid search that does not repeat the search for them.

A grid over `n_features` of `OpenFE` would find the same features again for every
number. Instead the pipeline makes the largest number once in each fold, `memory` keeps
the result, and the step behind it cuts the columns: most useful first. In the end
`truncate` cuts the fitted estimator in the same way, for production.
"""

import tempfile

import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from featurekit import OpenFE

rng = np.random.default_rng(0)
n = 1500
columns = ["mass", "volume", "width", "height", "age", "speed"]
X = pd.DataFrame(rng.lognormal(1, 0.8, (n, 6)), columns=columns)
y = 2 * X["mass"] / X["volume"] + 0.2 * X["width"] + rng.normal(0, 0.5, n)


def first(made, k):
    """The columns that came in, and the first k of the new ones."""
    return made.iloc[:, : X.shape[1] + k]


with tempfile.TemporaryDirectory() as memory:
    pipeline = Pipeline(
        [
            ("features", OpenFE(n_features=10, random_state=0)),
            ("first", FunctionTransformer(first)),
            ("model", LGBMRegressor(n_estimators=100, verbosity=-1)),
        ],
        memory=memory,
    )
    grid = GridSearchCV(
        pipeline,
        {
            "first__kw_args": [{"k": k} for k in (0, 1, 2, 5, 10)],
            "model__num_leaves": [15, 31],
        },
        cv=3,
        scoring="neg_root_mean_squared_error",
    )
    grid.fit(X, y)

results = pd.DataFrame(grid.cv_results_)
results["features"] = [kept["k"] for kept in results["param_first__kw_args"]]
results["error"] = -results["mean_test_score"]
print("error by number of features and leaves, ten settings with one search per fold:")
table = results.pivot(
    index="features", columns="param_model__num_leaves", values="error"
)
print(table.round(3).to_string())

k = grid.best_params_["first__kw_args"]["k"]
maker = grid.best_estimator_["features"].truncate(k)
print(f"\nbest with {k}:", ", ".join(feature.name for feature in maker.features_))

new = X.head(3)
cut = first(grid.best_estimator_["features"].transform(new), k)
print("truncated gives the same columns:", maker.transform(new).equals(cut))
