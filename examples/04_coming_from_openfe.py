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
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import ShuffleSplit, train_test_split

from featurekit import OpenFE

X, y = load_diabetes(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=1)

as_there = OpenFE(
    n_features=10,
    operators="openfe",
    feature_boosting=False,
    cv=list(ShuffleSplit(1, test_size=0.25, random_state=1).split(X_train)),
    random_state=1,
)
as_here = OpenFE(random_state=1)

found = {"the columns alone": (X_train, X_test)}
for title, maker in [("options of openfe", as_there), ("defaults here", as_here)]:
    made = maker.fit_transform(X_train, y_train), maker.transform(X_test)
    found[f"{title}: {len(maker.features_)} features"] = made
    print(f"{title}: {maker.n_candidates_} candidates scored; best of them")
    for name in maker.report_["feature"].head(3):
        print("  ", name)

print("\ntest error (RMSE) of one model on:")
for title, (a, b) in found.items():
    model = HistGradientBoostingRegressor(max_iter=50, random_state=0)
    left = y_test - model.fit(a.to_numpy(), y_train).predict(b.to_numpy())
    print(f"  {title:34} {np.sqrt((left**2).mean()):.2f}")

alone = as_there.transform(X_test.iloc[[0]]).to_numpy()
batch = as_there.transform(X_test).to_numpy()[[0]]
print("\none row, alone and in a batch, the same:", np.array_equal(alone, batch))
