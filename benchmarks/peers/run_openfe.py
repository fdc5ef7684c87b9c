"""Run openfe 0.0.12 as a competent user would; see `exchange` for the protocol.

Options in the request: ``n_features`` (how many of the ranked features are kept, 10),
``feature_boosting`` (openfe's own default is False), ``fit_only``.

Its work-arounds are marked below. Where there was a choice, the one that is kinder to
openfe was taken.
"""

from __future__ import annotations

import re
from importlib.metadata import version

import lightgbm
import numpy as np
import pandas as pd
from exchange import Exchange
from openfe import OpenFE, transform, tree_to_formula


def main() -> None:
    exchange = Exchange.from_arguments()
    X_train, X_test, y = exchange.read()
    request = exchange.request
    task = request["task"]

    # Formulas are parsed at ( ) + - * / , so that a column "education-num" is lost:
    # all columns get plain names.
    names = {name: f"c{i}" for i, name in enumerate(X_train.columns)}
    train = as_categories(X_train.rename(columns=names))
    test = as_categories(X_test.rename(columns=names))

    # Tables are matched by row label, train and test together: labels must be unique.
    test.index = pd.RangeIndex(len(train), len(train) + len(test))
    label = pd.DataFrame({"y": y}, index=train.index)

    options = {"feature_boosting": bool(request.get("feature_boosting", False))}
    fit_rows = train.index
    if task == "regression":
        # An integer target of few values would be taken for classes.
        options["task"] = "regression"
    else:
        options["task"] = "classification"
        # A class of one row cannot be stratified: such rows are left out of the fit.
        sizes = label["y"].map(label["y"].value_counts())
        fit_rows = train.index[sizes >= 2]
        if sizes[sizes >= 2].min() < 100:
            # Stage 1 dies when the first eighth of the rows lacks a class.
            options["n_data_blocks"] = 1

    with exchange.measure("fit"):
        # fit writes into the tables it is given, hence the copies.
        ranked = call(
            OpenFE().fit,
            data=train.loc[fit_rows].reset_index(drop=True),
            label=label.loc[fit_rows].reset_index(drop=True),
            n_jobs=1,
            verbose=False,
            **options,
        )
    if request.get("fit_only"):
        exchange.write(versions=versions())
        return

    top = ranked[: request.get("n_features", 10)]
    train, test = with_common_categories(train, test)
    with exchange.measure("transform"):
        train_out, test_out = call(transform, train, test, top, n_jobs=1)
    new = [name for name in train_out.columns if name not in train.columns]
    exchange.write(
        train_out[new],
        test_out[new],
        features=[readable(feature, names) for feature in top],
        versions=versions(),
    )


def as_categories(frame: pd.DataFrame) -> pd.DataFrame:
    """Make categories of strings and booleans.

    A missing value in a column of strings ends the run, a column of booleans does too;
    categories do neither, and openfe is faster on them.
    """
    names = frame.select_dtypes(exclude=np.number).columns
    return frame.astype(dict.fromkeys(names, "category"))


def with_common_categories(
    train: pd.DataFrame, test: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give both tables the same categories.

    transform stacks them, and categories that differ would become strings again.
    """
    train, test = train.copy(), test.copy()
    for name in train.select_dtypes("category"):
        both = train[name].cat.categories.union(test[name].cat.categories)
        train[name] = train[name].cat.set_categories(both)
        test[name] = test[name].cat.set_categories(both)
    return train, test


def call(function, *args, **kwargs):
    """Call a function of openfe, whose workers leave by ``exit()`` on any error."""
    try:
        return function(*args, **kwargs)
    except SystemExit:
        raise RuntimeError("a worker of openfe gave up") from None


def readable(feature, names: dict[str, str]) -> str:
    """Return the formula of a feature with the original column names."""
    original = {short: str(name) for name, short in names.items()}
    formula = tree_to_formula(feature)
    return re.sub(r"\bc\d+\b", lambda found: original[found.group()], formula)


def versions() -> dict[str, str]:
    """Return the versions that the records carry."""
    return {
        "openfe": version("openfe"),
        "lightgbm": lightgbm.__version__,
        "pandas": pd.__version__,
    }


if __name__ == "__main__":
    main()
