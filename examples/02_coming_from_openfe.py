"""The options of the package openfe, and where they are here.

There:

    ofe = OpenFE()
    features = ofe.fit(data=X, label=y, feature_boosting=False, n_data_blocks=8)
    X_train, X_test = transform(X_train, X_test, features[:10], n_jobs=1)

Here the same candidates, scored alone on one split, the ten best:
"""

from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold

from featurekit import OpenFE

X, y = load_diabetes(return_X_y=True, as_frame=True)
train, test = next(KFold(5, shuffle=True, random_state=1).split(X))

maker = OpenFE(
    n_features=10,
    operators="openfe",
    feature_boosting=False,
    cv=[(train, test)],
    random_state=1,
)
maker.fit(X, y)
for feature in maker.features_:
    print(feature.name)
print(maker.transform(X.iloc[:2]).shape, "needs no training rows beside it")
