"""The target: its values, the task that they set, and the loss of the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.raw import Raw, floats_of
from featurekit.data.vocabulary import Vocabulary
from featurekit.exceptions import warn
from featurekit.fitting.reading import (
    MAX_GUESSED_CLASSES,
    fractions,
    guess_task,
    holds_labels,
    numbers_of,
    open_target,
    plain_label,
    read_target,
)
from featurekit.statistics.loss import (
    Absolute,
    LogLoss,
    Loss,
    MultiLogLoss,
    Poisson,
    Squared,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TASKS = ("auto", "regression", "binary", "multiclass", "classification")
METRICS = ("rmse", "mae", "poisson", "logloss", "auc", "multi_logloss")
_OF_TASK = {
    "regression": ("rmse", "mae", "poisson"),
    "binary": ("logloss", "auc", "multi_logloss"),
    "multiclass": ("multi_logloss", "auc"),
}
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

    @property
    def standard(self) -> Floats:
        """Numbers in standard units, whatever those of the target; class codes."""
        if isinstance(self.loss, (LogLoss, MultiLogLoss)):
            return self.y
        return self.loss.scores(self.y)

    def as_given(self) -> NDArray[Any]:
        """The labels or numbers of the rows (n,), for an estimator of the user's.

        Labels with fractions, of a category type, become text: as numbers they would be
        taken for a quantity.
        """
        if self.task == "regression":
            return self.y
        labels = np.array(self.labels)
        if labels.dtype.kind == "f" and (labels % 1).any():
            labels = labels.astype(str)
        return labels[self.y.astype(np.int64)]

    @classmethod
    def of(
        cls,
        y: Any,
        task: str = "auto",
        metric: str | None = None,
        n_rows: int | None = None,
    ) -> Target:
        """Check and encode ``y``.

        With ``task="auto"`` a metric decides: "rmse", "mae" and "poisson" are of
        regression, the others of classification. Without a metric, text, booleans and
        the category types of frame libraries are classes; durations (in seconds) and
        numbers with a fraction are regression; whole numbers are classes if there are
        at most 20 distinct ones. If there are more, from 0 or 1 on without a gap, a
        warning says so, because class labels often look like this.

        Parameters
        ----------
        y : array-like (n,), series, or frame or array of one column
        task, metric : str
        n_rows : int, optional
            How many rows X has.

        Raises
        ------
        ValueError
            Missing or infinite values, points in time, several columns, another number
            of rows, a single class or value, a metric that does not go with the task.
        """
        if task not in TASKS:
            raise ValueError(f"task={task!r}; use one of {', '.join(TASKS)}")
        series = open_target(y, n_rows)
        if len(series) < 2:
            raise ValueError(
                f"Found array with n_samples = {len(series)} (1 sample): "
                "cross-validation needs at least 2 rows, and a search that is worth it "
                "many more."
            )
        raw = read_target(series)
        kind = _kind(raw, holds_labels(series), task, metric)
        if kind == "regression":
            return cls._of_numbers(numbers_of(raw), metric or "rmse")
        labels, codes = _classes(raw)
        return cls._of_classes(labels, codes, task, metric)

    @classmethod
    def _of_classes(
        cls, labels: tuple[Any, ...], codes: Ints, task: str, metric: str | None
    ) -> Target:
        k = len(labels)
        if k < 2:
            raise ValueError(
                f"y has one class only ({labels[0]!r}); nothing to tell apart. "
                "Check how y was selected, or pass rows of at least two classes."
            )
        if task == "binary" and k > 2:
            raise ValueError(f"task='binary' but y has {k} classes; use 'multiclass'")
        task = "binary" if k == 2 else "multiclass"
        _check_metric(metric, task)
        loss: Loss = LogLoss() if k == 2 else MultiLogLoss(k)
        if metric != "auc":
            metric = "logloss" if k == 2 else "multi_logloss"
        return cls(codes.astype(np.float64), task, labels, metric, loss)

    @classmethod
    def _of_numbers(cls, values: Floats, metric: str) -> Target:
        _check_metric(metric, "regression")
        if values.min() == values.max():
            raise ValueError(
                f"y is {values[0]:g} on every row; there is nothing to learn. "
                "Check how y was made."
            )
        if metric == "poisson" and values.min() < 0:
            raise ValueError("metric='poisson' needs a target of counts, none below 0")
        kinds: dict[str, type[Squared] | type[Poisson]]
        kinds = {"rmse": Squared, "mae": Absolute, "poisson": Poisson}
        return cls(values, "regression", (), metric, kinds[metric].of(values))


def _check_metric(metric: str | None, task: str) -> None:
    if metric is not None and metric not in _OF_TASK[task]:
        raise ValueError(
            f"metric={metric!r} does not go with task={task!r}; "
            f"use one of {', '.join(_OF_TASK[task])}"
        )


def _kind(raw: Raw, labels: bool, task: str, metric: str | None) -> str:
    """Classification or regression, as the caller says or as the values look."""
    if task == "auto" and metric is not None:
        task = "regression" if metric in _OF_TASK["regression"] else "classification"
    text = raw.family == "text"
    values = np.empty(0) if text else numbers_of(raw)
    whole = not text and bool((values == np.floor(values)).all())
    if task == "auto":
        found = np.unique(values) if whole else np.empty(0)
        task = guess_task(raw.dtype, labels, len(found), whole)
        if task == "regression" and whole and raw.dtype != "duration":
            warn_of_labels(found, len(raw.values))
    elif task != "regression" and not (text or whole or labels):
        raise fractions(f"metric={metric!r}" if metric else f"task={task!r}")
    return "regression" if task == "regression" else "classification"


def _classes(raw: Raw) -> tuple[tuple[Any, ...], Ints]:
    """Labels in ascending order, and the code of each row."""
    if raw.family != "text":
        values = floats_of(raw.values) if raw.family == "number" else raw.values
        found, codes = np.unique(values, return_inverse=True)
        return tuple(plain_label(v, raw.dtype) for v in found), codes
    vocabulary = Vocabulary("y", True)
    numbered, _ = vocabulary.encode(raw, len(raw.values))
    distinct, order = vocabulary.distinct(), vocabulary.order()
    place = np.empty(len(order) + 1, np.int64)
    place[order] = np.arange(len(order))
    return tuple(plain_label(distinct[i - 1], raw.dtype) for i in order), place[
        numbered
    ]


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
