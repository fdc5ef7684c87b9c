"""The target: its values, the task that they set, and the loss of the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from featurekit.exceptions import warn
from featurekit.statistics.loss import (
    Absolute,
    LogLoss,
    Loss,
    MultiLogLoss,
    Poisson,
    Squared,
)

Floats = NDArray[np.float64]

TASKS = ("auto", "regression", "binary", "multiclass", "classification")
METRICS = ("rmse", "mae", "poisson", "logloss", "auc", "multi_logloss")
_OF_TASK = {
    "regression": ("rmse", "mae", "poisson"),
    "binary": ("logloss", "auc"),
    "multiclass": ("multi_logloss", "auc"),
}
MAX_GUESSED_CLASSES = 20
ROWS_OF_LABEL = 3


@dataclass(frozen=True)
class Target:
    """A target as numbers, with its task, loss and metric.

    Attributes
    ----------
    y : float64 array (n,)
        Numbers, 0/1, or class codes.
    task : str
        "regression", "binary" or "multiclass".
    labels : tuple
        Class labels in the order of their codes; empty for regression.
    metric : str
    loss : Loss
    """

    y: Floats
    task: str
    labels: tuple[Any, ...]
    metric: str
    loss: Loss

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """Labels where there are more than two classes."""
        return self.labels if self.task == "multiclass" else None

    @classmethod
    def of(cls, y: Any, task: str = "auto", metric: str | None = None) -> Target:
        """Check and encode ``y``.

        With ``task="auto"``, text, booleans and categories are classes; numbers with
        a fraction are regression; whole numbers are classes if there are at most 20
        different ones. More of them without a gap from 0 or 1 on are warned of, since
        labels often look so.

        Raises
        ------
        ValueError
            Missing or infinite values, a single class or value, a metric that does
            not go with the task.
        """
        y = one_dimensional(y)
        if len(y) < 2:
            raise ValueError(
                f"Found array with n_samples = {len(y)} (1 sample): cross-validation "
                "needs at least 2 rows, and a search that is worth it many more."
            )
        task = _task(y, task)
        if metric is None:
            metric = _OF_TASK[task][0]
        if metric not in _OF_TASK[task]:
            raise ValueError(
                f"metric={metric!r} does not go with task={task!r}; "
                f"use one of {', '.join(_OF_TASK[task])}"
            )
        if task == "regression":
            return cls(*_numbers(y, metric))
        found, codes = np.unique(y, return_inverse=True)
        labels = tuple(v.item() if hasattr(v, "item") else v for v in found)
        k = len(labels)
        if k < 2:
            raise ValueError(
                f"y has one class only ({labels[0]!r}); nothing to tell apart. "
                "Check how y was selected, or pass rows of at least two classes."
            )
        if task == "binary" and k > 2:
            raise ValueError(f"task='binary' but y has {k} classes; use 'multiclass'")
        loss: Loss = LogLoss() if k == 2 else MultiLogLoss(k)
        if k == 2:
            task, metric = "binary", "auc" if metric == "auc" else "logloss"
        return cls(codes.astype(np.float64), task, labels, metric, loss)


def one_dimensional(y: Any) -> NDArray[Any]:
    """``y`` as a 1-D array without gaps or infinities."""
    if hasattr(y, "to_numpy") and not isinstance(y, np.ndarray):
        # not to_numpy: Arrow's refuses to copy
        y = np.asarray(y)
    y = column_or_1d(y, warn=True)
    gone = np.array([v is None or v != v for v in y]) if y.dtype == object else None
    if y.dtype.kind == "f":
        gone = np.isnan(y)
    if gone is not None and gone.any():
        raise ValueError(
            f"Input y contains NaN: {int(gone.sum())} of {len(y)} values are missing. "
            "Drop those rows; a target cannot be filled in."
        )
    if y.dtype.kind == "f" and np.isinf(y).any():
        raise ValueError("Input y contains infinity; drop or clip those rows.")
    return y


def _task(y: NDArray[Any], task: str) -> str:
    if task not in TASKS:
        raise ValueError(f"task={task!r}; use one of {', '.join(TASKS)}")
    kind = type_of_target(y, input_name="y", raise_unknown=True)
    if kind.startswith(("multilabel", "continuous-multi", "multiclass-multi")):
        raise ValueError(f"y must have one column, got a target of type {kind!r}")
    if task == "auto":
        if kind == "continuous":
            return "regression"
        if kind == "multiclass":
            found = np.unique(y)
            if y.dtype.kind not in "iuf" or len(found) <= MAX_GUESSED_CLASSES:
                return "multiclass"
            warn_of_labels(found, len(y))
            return "regression"
        return "binary"
    if task != "regression" and kind == "continuous":
        raise ValueError(
            "Unknown label type: continuous. The target has fractions, so it cannot "
            f"be classes; use task='regression' in place of {task!r}."
        )
    if task == "classification":
        return "binary" if kind == "binary" else "multiclass"
    return task


def warn_of_labels(found: Sequence[Any] | NDArray[Any], n: int) -> None:
    """Say so where whole numbers, taken for a quantity, run like labels of classes.

    Parameters
    ----------
    found : sequence of numbers
        The different values of a target, ascending.
    n : int
        Rows; a value that has hardly a row to itself is no label.
    """
    k = len(found)
    gapless = (
        k > MAX_GUESSED_CLASSES
        and found[0] in (0, 1)
        and found[-1] - found[0] == k - 1
        and all(v == int(v) for v in found)
    )
    if gapless and n >= ROWS_OF_LABEL * k:
        warn(
            f"y has {k} different whole numbers, every one from {found[0]:g} to "
            f"{found[-1]:g}, and task='auto' takes more than {MAX_GUESSED_CLASSES} for "
            "a quantity. Pass task='classification' if they are labels of classes, "
            "task='regression' if they are not.",
        )


def _numbers(y: NDArray[Any], metric: str) -> tuple[Any, ...]:
    try:
        values = y.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            "task='regression' needs a target of numbers; for labels use "
            "task='classification'"
        ) from None
    if len(values) > 1 and values.min() == values.max():
        raise ValueError(
            f"y is {values[0]:g} on every row; there is nothing to learn. "
            "Check how y was made."
        )
    if metric == "poisson" and values.min() < 0:
        raise ValueError("metric='poisson' needs a target of counts, none below 0")
    losses = {"rmse": Squared(), "mae": Absolute(), "poisson": Poisson()}
    return values, "regression", (), metric, losses[metric]
