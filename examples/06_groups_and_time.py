"""Folds like the rows to come: groups, and time.

Whether a feature helps depends on what the new rows are. If they belong to patients
never seen before, or to later weeks, the folds must imitate that. Otherwise a feature
that identifies the patient or the week looks good, and cross-validation promises an
error that the model does not meet. `groups` and `cv` choose the folds.
"""

import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    TimeSeriesSplit,
    cross_val_score,
)

from featurekit import OpenFE

rng = np.random.default_rng(0)
model = LGBMRegressor(n_estimators=60, num_leaves=8, verbosity=-1)


def make(key, first, second):
    """Five rows per key, which shifts them; the ratio of two columns does the rest."""
    code = np.repeat(np.arange(900), 5)
    X = pd.DataFrame(
        {
            key: [f"{key} {number}" for number in code],
            first: rng.uniform(1, 5, len(code)),
            second: rng.uniform(10, 100, len(code)),
        }
    )
    y = 40 * X[first] / X[second] + rng.normal(0, 1, 900)[code]
    return X, y + rng.normal(0, 0.3, len(code)), code


def error_met(old, y_old, new, y_new):
    """Error on the new rows of a model trained on the old ones."""
    left = y_new - model.fit(old, y_old).predict(new)
    return np.sqrt((left**2).mean())


def compare(X, y, new, ways):
    """Keep the best feature by each kind of folds; the model sees numbers only."""
    numbers = X.select_dtypes("number")
    for title, cv, groups in ways:
        maker = OpenFE(
            n_features=1, operators=["/", "target_mean"], cv=cv, random_state=0
        )
        made = maker.fit_transform(X[~new], y[~new], groups=groups)
        # not the key itself, whose codes are all missing in rows of other keys
        names = [*numbers, *(feature.name for feature in maker.features_)]
        made, test = made[names], maker.transform(X[new])[names]
        promised = -cross_val_score(
            model,
            made,
            y[~new],
            cv=cv,
            groups=groups,
            scoring="neg_root_mean_squared_error",
        ).mean()
        met = error_met(made, y[~new], test, y[new])
        kept = ", ".join(feature.name for feature in maker.features_) or "nothing"
        print(f"  {title:26} {promised:8.3f} {met:8.3f}   {kept}")
    met = error_met(numbers[~new], y[~new], numbers[new], y[new])
    print(f"  {'(the columns alone)':26} {'':8} {met:8.3f}")


shuffled = KFold(5, shuffle=True, random_state=0)
print(f"{'RMSE':28} promised      met   kept")

print("visits of 600 patients; the new rows are of 300 other patients")
X, y, patient = make("patient", "dose", "weight")
compare(
    X,
    y,
    patient >= 600,
    [
        ("folds that split patients", shuffled, None),
        ("groups=patient", GroupKFold(5), patient[patient < 600]),
    ],
)

print("\nsales of 600 days, each with its own level; the new rows are of later days")
X, y, day = make("day", "visitors", "price")
compare(
    X,
    y,
    day >= 600,
    [
        ("shuffled folds", shuffled, None),
        ("cv=TimeSeriesSplit(5)", TimeSeriesSplit(5), None),
    ],
)
