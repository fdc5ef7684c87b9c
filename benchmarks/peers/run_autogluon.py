"""Run the feature generators of AutoGluon; see `exchange` for the protocol.

``method`` in the request is one of

- ``all``: five generators side by side, each with its own defaults, on top of the base
  columns: arithmetic, group-by, out-of-fold target encoding of the categoricals, target
  encoding of the interactions of categoricals, frequency;
- ``lightgbm``: the chain that AutoGluon's preset for LightGBM carries: arithmetic, and
  beside it the interactions of categoricals which, with the categoricals themselves,
  are target encoded. As in the preset the categoricals as such are then taken away.

Training rows get what ``fit_transform`` gives, test rows what ``transform`` gives.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import pandas as pd
from autogluon.features.generators import (
    ArithmeticFeatureGenerator,
    CategoricalInteractionFeatureGenerator,
    FrequencyFeatureGenerator,
    GroupByFeatureGenerator,
    OOFTargetEncodingFeatureGenerator,
)
from exchange import Exchange


class Chain:
    """Generators one after the other, each fed with what the one before made."""

    def __init__(self, *generators) -> None:
        self.generators = generators

    def fit_transform(self, X: pd.DataFrame, y: pd.Series) -> pd.DataFrame:
        for generator in self.generators:
            if X.shape[1] == 0:
                break
            X = generator.fit_transform(X.copy(), y=y)
        return X

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        for generator in self.generators:
            if X.shape[1] == 0:
                break
            X = generator.transform(X.copy())
        return X


def chains(method: str, task: str) -> list[tuple[str, Chain]]:
    """Return the chains of a method, each with the kind of columns it is fed with."""
    quiet = {"verbosity": 0}

    def target_encoding() -> OOFTargetEncodingFeatureGenerator:
        return OOFTargetEncodingFeatureGenerator(target_type=task, **quiet)

    arithmetic = Chain(ArithmeticFeatureGenerator(**quiet))
    if method == "lightgbm":
        interactions = CategoricalInteractionFeatureGenerator(passthrough=True, **quiet)
        return [
            ("numeric", arithmetic),
            ("categorical", Chain(interactions, target_encoding())),
        ]
    interactions = CategoricalInteractionFeatureGenerator(**quiet)
    frequency = FrequencyFeatureGenerator(keep_original=False, **quiet)
    return [
        ("numeric", arithmetic),
        ("both", Chain(GroupByFeatureGenerator(**quiet))),
        ("categorical", Chain(target_encoding())),
        ("categorical", Chain(interactions, target_encoding())),
        ("categorical", Chain(frequency)),
    ]


def main() -> None:
    exchange = Exchange.from_arguments()
    train, test, target = exchange.read()
    method, task = exchange.request["method"], exchange.request["task"]
    y = pd.Series(target, index=train.index)

    # AutoGluon makes categories of strings before any of these generators; the codes of
    # new rows must be those of the training rows, unseen strings are missing.
    categorical = list(train.select_dtypes(exclude=np.number).columns)
    for name in categorical:
        train[name] = train[name].astype("category")
        test[name] = pd.Categorical(test[name], dtype=train[name].dtype)
    numeric = [name for name in train.columns if name not in categorical]
    inputs = {
        "numeric": numeric,
        "categorical": categorical,
        "both": numeric + categorical if numeric and categorical else [],
    }

    for part in ("fit", "fit_again"):  # the second has what the first loaded
        used = [(inputs[kind], chain) for kind, chain in chains(method, task)]
        used = [(columns, chain) for columns, chain in used if columns]
        with exchange.measure(part):
            made = [chain.fit_transform(train[columns], y) for columns, chain in used]
    with exchange.measure("transform"):
        made_test = [chain.transform(test[columns]) for columns, chain in used]

    new_train = pd.concat(made, axis=1)
    new_test = pd.concat(made_test, axis=1)
    assert list(new_train.columns) == list(new_test.columns)
    assert new_train.columns.is_unique
    assert not set(new_train.columns) & set(train.columns)
    exchange.write(
        new_train,
        new_test,
        dropped=categorical if method == "lightgbm" else [],
        features=[str(name) for name in new_train.columns],
        versions=versions(),
    )


def versions() -> dict[str, str]:
    """Return the versions that the records carry."""
    return {
        "autogluon.features": version("autogluon.features"),
        "pandas": pd.__version__,
    }


if __name__ == "__main__":
    main()
