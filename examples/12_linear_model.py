"""Text, dates and missing values before a linear model: ``output_format="onehot"``.

A linear model takes numbers without missing values. `OpenFE` gives these itself: an
indicator for each frequent category, the median for a missing number and an indicator
that it was missing. What is learnt in fit holds for later rows, whatever they have.
"""

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featurekit import OpenFE

rng = np.random.default_rng(0)
n = 1500
price, area = rng.uniform(100, 900, n), rng.uniform(30, 150, n)
city = rng.choice(["Graz", "Oslo", "Rome"], n, p=[0.2, 0.5, 0.3])
X = pd.DataFrame(
    {
        "price": pd.Series(price).where(rng.random(n) > 0.1),
        "area": area,
        "city": pd.Series(city).where(rng.random(n) > 0.1),
        "sold": pd.Timestamp("2024-01-01")
        + pd.to_timedelta(rng.integers(0, 365, n), unit="D"),
    }
)
y = price / area + 2 * (city == "Rome") + rng.normal(0, 1, n)

maker = OpenFE(
    n_features=1, operators=["/", "*"], output_format="onehot", random_state=0
)
model = make_pipeline(maker, StandardScaler(), RidgeCV())
model.fit(X, y)
print("What the model gets:")
for name in maker.get_feature_names_out():
    print(f"  {name}")

new = pd.DataFrame(
    {"price": [np.nan, 300], "area": [60, 60], "city": ["Bergen", None]}
).assign(sold=pd.Timestamp("2025-02-01"))
print("\nRows with a city that fit did not see, and with missing values:")
print(f"  {model.predict(new).round(2).tolist()}")

print(
    f"\nR2 in 3-fold cross-validation: {cross_val_score(model, X, y, cv=3).mean():.3f}"
)
