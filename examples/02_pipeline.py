"""In a Pipeline, and why `fit_transform` is not `fit` followed by `transform`.

A key of many values (here: 600 shops) has a target mean that fits the training rows
far too well, because each row is part of the mean it is given. `fit_transform`, which
is what a Pipeline calls, gives each training row a mean learnt without its own fold.
"""

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline

from featurekit import OpenFE

rng = np.random.default_rng(0)
n = 2000
shop = rng.integers(0, 600, n)
X = pd.DataFrame(
    {
        "shop": [f"shop {code}" for code in shop],
        "price": rng.uniform(1, 10, n),
        "weight": rng.uniform(1, 10, n),
    }
)
y = X["price"] / X["weight"] + rng.normal(0, 1, 600)[shop]
y += rng.normal(0, 1, n)

numbers = make_column_transformer(
    ("passthrough", make_column_selector(dtype_include="number")),
)
model = HistGradientBoostingRegressor(max_iter=60, random_state=0)
maker = OpenFE(n_features=5, random_state=0)
plain = make_pipeline(numbers, model)
with_features = make_pipeline(maker, numbers, model)

print("R2 in 3-fold cross-validation; features are found anew in each fold")
print(f"  the columns alone:     {cross_val_score(plain, X, y, cv=3).mean():.3f}")
score = cross_val_score(with_features, X, y, cv=3).mean()
print(f"  with OpenFE before it: {score:.3f}")

X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
right = maker.fit_transform(X_train, y_train)
wrong = maker.transform(X_train)  # the training rows as if they were new ones
new = maker.transform(X_test)
print("\nThe same features, trained on values that ...")
for title, rows in [("know their own row", wrong), ("do not", right)]:
    model.fit(numbers.fit_transform(rows), y_train)
    fitted = r2_score(y_train, model.predict(numbers.transform(rows)))
    unseen = r2_score(y_test, model.predict(numbers.transform(new)))
    print(f"  {title:18} R2 on training rows {fitted:.3f}, on new rows {unseen:.3f}")
