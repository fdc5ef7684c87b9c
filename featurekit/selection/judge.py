"""Models that selectors judge columns by: what they predict, and how good it is."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor

from featurekit.fitting import Target
from featurekit.selection.base import Rows
from featurekit.statistics.loss import LogLoss, MultiLogLoss

Floats = NDArray[np.float64]


def fit_target(target: Target, estimator: Any) -> Floats:
    """What a model is fitted on: numbers of a model of the user's keep their units."""
    return target.standard if estimator is None else target.y


def predictions(model: Any, X: Floats, target: Target, estimator: Any) -> Floats:
    """Numbers in standard units (n,), or probabilities of all classes (n, C).

    Of a classifier without probabilities its class has 1; a class that it has not seen
    has 0.
    """
    if not isinstance(target.loss, (LogLoss, MultiLogLoss)):
        out = np.asarray(model.predict(X), np.float64)
        return out if estimator is None else target.loss.scores(out)
    out = np.zeros((len(X), len(target.labels)))
    if hasattr(model, "predict_proba"):
        out[:, model.classes_.astype(np.int64)] = model.predict_proba(X)
    else:
        out[np.arange(len(X)), model.predict(X).astype(np.int64)] = 1.0
    return out


def mean_loss(
    y: Floats, guess: Floats, target: Target, weight: Floats | None = None
) -> float:
    """Log-loss of classes, squared error of numbers in standard units.

    Parameters
    ----------
    y : float64 array (n,)
        Of `Target.standard`.
    guess : float64 array (n,) or (n, C)
        Of `predictions`.
    target : Target
    weight : float64 array (n,), optional
    """
    if target.task == "regression":
        losses = (y - guess) ** 2
    else:
        own = guess[np.arange(len(y)), y.astype(np.int64)]
        losses = -np.log(np.clip(own, 1e-15, 1))
    return float(np.average(losses, weights=weight))


def check_estimator(estimator: Any, rows: Rows) -> None:
    """Refuse a model of the other task, or that takes no weights if there are some."""
    assert rows.target is not None
    name = type(estimator).__name__
    if hasattr(estimator, "__sklearn_tags__"):
        if rows.target.task != "regression" and is_regressor(estimator):
            raise ValueError(
                f"estimator={name} is a regressor and y has classes: pass a "
                "classifier, or task='regression'"
            )
        if rows.target.task == "regression" and is_classifier(estimator):
            raise ValueError(
                f"estimator={name} is a classifier and y has numbers: pass a "
                "regressor, or task='classification'"
            )
    if rows.weight is not None:
        parameters = signature(estimator.fit).parameters.values()
        if not any(
            p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters
        ):
            raise ValueError(
                f"estimator={name} takes no sample_weight: leave the weights out, or "
                "pass an estimator that takes them"
            )
