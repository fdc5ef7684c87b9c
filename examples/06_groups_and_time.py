"""Folds like the rows to come: groups, and time.

Whether a feature helps depends on what the new rows are. If they are of patients never
seen before, or of weeks to come, the folds must be so too; else a feature that knows
the patient or the week looks good, and the model is promised an error it will not meet.
`groups` and `cv` say so.
"""

import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from sklearn.model_selection import TimeSeriesSplit

from featurekit import OpenFE

rng = np.random.default_rng(0)


def promised(maker):
    """Error on held-out folds with the features kept, by the gate's account."""
    gain = maker.gate_.gain[maker.gate_.sizes.index(maker.gate_.n_features)]
    return np.sqrt(maker.base_score_**2 - gain)


def met(made, y_old, test, y_new):
    """Error on the new rows of a model trained on the old ones."""
    text = made.select_dtypes("str").columns
    known = {name: pd.CategoricalDtype(made[name].unique()) for name in text}
    for name in text:  # keys not seen in training become missing
        test = test.assign(**{name: test[name].where(test[name].isin(made[name]))})
    model = LGBMRegressor(n_estimators=60, verbosity=-1)
    left = y_new - model.fit(made.astype(known), y_old).predict(test.astype(known))
    return np.sqrt((left**2).mean())


def compare(X, y, new, ways):
    for title, params, fit_params in ways:
        maker = OpenFE(operators=["/", "target_mean"], random_state=0, **params)
        made = maker.fit_transform(X[~new], y[~new], **fit_params)
        error = met(made, y[~new], maker.transform(X[new]), y[new])
        kept = ", ".join(feature.name for feature in maker.features_) or "nothing"
        print(f"  {title:26} {promised(maker):8.3f} {error:8.3f}   {kept}")
    error = met(X[~new], y[~new], X[new], y[new])
    print(f"  {'(the columns alone)':26} {'':8} {error:8.3f}")


def make(key, first, second):
    """Eight rows per key, which shifts them; the ratio of two columns does the rest."""
    code = np.repeat(np.arange(300), 8)
    X = pd.DataFrame(
        {
            key: [f"{key} {number}" for number in code],
            first: rng.uniform(1, 5, len(code)),
            second: rng.uniform(10, 100, len(code)),
        }
    )
    y = 120 * X[first] / X[second] + rng.normal(0, 0.6, 300)[code]
    return X, y + rng.normal(0, 0.3, len(code)), code


print(f"{'RMSE':28} promised      met   kept")

print("visits of 200 patients; the new ones are of 100 others")
X, y, patient = make("patient", "dose", "weight")
compare(
    X,
    y,
    patient >= 200,
    [
        ("folds that split patients", {}, {}),
        ("groups=patient", {}, {"groups": patient[patient < 200]}),
    ],
)

print(
    "\nsales of 200 days, each with a mood of its own; the new ones are of later days"
)
X, y, day = make("day", "visitors", "price")
compare(
    X,
    y,
    day >= 200,
    [
        ("shuffled folds", {}, {}),
        ("cv=TimeSeriesSplit(5)", {"cv": TimeSeriesSplit(5)}, {}),
    ],
)
