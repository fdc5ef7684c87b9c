"""Which columns to keep: selectors in one manner, on a table as it comes.

Text, categories and gaps need no encoding; columns that belong together are kept
together; and what is selected is the caller's own columns, with their types.
"""

import numpy as np
import pandas as pd

from featurekit.selection import DisCo, InfFS, SequentialAttention, StabilitySelection

rng = np.random.default_rng(0)
n = 1500
X = pd.DataFrame(rng.normal(size=(n, 8)), columns=[f"noise{i}" for i in range(8)])
X["dose"] = rng.uniform(-2, 2, n)
X["dose_mg"] = 1000 * X["dose"] + rng.normal(0, 5, n)  # the same, in other units
X["site"] = rng.choice(["north", "south", "east"], n)
X["age"] = rng.integers(20, 80, n).astype("float32")
X.loc[rng.random(n) < 0.1, "age"] = np.nan
y = X["dose"] ** 2 + (X["site"] == "east") + 0.02 * X["age"].fillna(50)
y += rng.normal(0, 0.3, n)

# any dependence counts, not only straight lines; "auto" is a test
dependent = DisCo(n_features_to_select="auto", alpha=0.01).fit(X, y)
print("dependent on y:", X.columns[dependent.order_].tolist())
print("p of dose:", f"{dependent.pvalues_[X.columns.get_loc('dose')]:.1e}")

# one beside the other: the second column of the same dose adds nothing
beside = DisCo("forward", n_features_to_select=3, random_state=0).fit(X, y)
print("one beside the other:", X.columns[beside.order_].tolist())

# the linear form is orthogonal matching pursuit and needs no torch
linear = SequentialAttention(3, model="linear").fit(X, y)
print("by straight lines:", X.columns[linear.order_].tolist())

# graph of all columns, without a target
graph = InfFS("unsupervised", alpha=0.5, n_features_to_select=4).fit(X)
print("by paths, no target:", X.columns[graph.order_].tolist())

# columns of one thing stay together
whole = DisCo(n_features_to_select=2, groups=[["dose", "dose_mg"]]).fit(X, y)
print("groups:", X.columns[whole.get_support()].tolist())

# each column by itself: with the penalty the two doses would take turns
alone = DisCo(n_features_to_select=4, redundancy_penalty=0)
stable = StabilitySelection(alone, threshold=0.9, n_resamples=50, random_state=0)
stable.fit(X, y)
chosen = stable.transform(X)
print("stable:", chosen.columns.tolist(), "types:", chosen.dtypes.astype(str).tolist())
print("at most", round(stable.error_bound_, 2), "of them by chance, on average")
