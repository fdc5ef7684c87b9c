"""Run featurekit itself, measured as its peers are; see `exchange` for the protocol.

Options in the request: ``n_features`` (a number or "auto"), ``feature_boosting``,
``random_state``, ``fit_only``, ``again`` (fit twice). What is imported on first use is
imported here, before anything is measured, as that of the peers is.
"""

from __future__ import annotations

import lightgbm
import numba  # noqa: F401
import pandas as pd
from exchange import Exchange

import featurekit
from featurekit import OpenFE


def main() -> None:
    exchange = Exchange.from_arguments()
    X_train, X_test, y = exchange.read()
    request = exchange.request
    generator = OpenFE(
        n_features=request.get("n_features", "auto"),
        task=request["task"],
        feature_boosting=request.get("feature_boosting", True),
        random_state=request.get("random_state", 0),
        n_jobs=1,
    ).set_output(transform="pandas")

    if request.get("fit_only"):
        with exchange.measure("fit"):
            generator.fit(X_train, y)
        exchange.write(versions=versions())
        return
    # The fit counts with the columns of the training rows, which are its own.
    with exchange.measure("fit"):
        train_out = generator.fit_transform(X_train, y)
    if request.get("again"):  # the second has what the first loaded
        with exchange.measure("fit_again"):
            generator.fit_transform(X_train, y)
    with exchange.measure("transform"):
        test_out = generator.transform(X_test)
    new = [name for name in train_out.columns if name not in X_train.columns]
    exchange.write(
        train_out[new],
        test_out[new],
        dropped=[name for name in X_train.columns if name not in train_out.columns],
        features=[str(name) for name in new],
        versions=versions(),
    )


def versions() -> dict[str, str]:
    """Return the versions that the records carry."""
    return {
        "featurekit": featurekit.__version__,
        "lightgbm": lightgbm.__version__,
        "pandas": pd.__version__,
    }


if __name__ == "__main__":
    main()
