"""What a search is given: rows with their target, weights, folds and initial scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import Table
from featurekit.execution.local import run_threads
from featurekit.expressions.evaluate import cross_fit
from featurekit.expressions.keyed import Key
from featurekit.expressions.tree import Expression
from featurekit.generation.model import at_most
from featurekit.statistics.folds import Folds
from featurekit.statistics.loss import Loss

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Problem:
    """A table, its target and what is already known of it.

    Attributes
    ----------
    table : Table
    y : float64 array (n,)
    classes : tuple or None
        Labels of class codes, for more than two classes.
    weight : float64 array (n,) or None
    loss : Loss
    folds : Folds
    raw : float64 array (n, K)
        Initial score of each row: out-of-fold, or the best constant.
    """

    table: Table
    y: Floats
    classes: tuple[Any, ...] | None
    weight: Floats | None
    loss: Loss
    folds: Folds
    raw: Floats

    @property
    def mean_weight(self) -> float:
        """Mean weight of all rows."""
        return 1.0 if self.weight is None else float(self.weight.mean())

    def sample(self, most: int, seed: int) -> Problem:
        """All rows, or ``most`` of them at random."""
        rows = at_most(np.arange(len(self.y)), most, seed)
        return self if len(rows) == len(self.y) else self.take(rows)

    def take(self, rows: Ints, folds: Folds | None = None) -> Problem:
        """The same on some of the rows."""
        return replace(
            self,
            table=self.table.take(rows),
            y=self.y[rows],
            weight=None if self.weight is None else self.weight[rows],
            folds=self.folds.take(rows) if folds is None else folds,
            raw=self.raw[rows],
        )


def out_of_fold_values(
    problem: Problem, nodes: Sequence[Expression], n_threads: int = 1
) -> Floats:
    """Out-of-fold values of each feature, (n, features), keys as codes."""
    out = np.empty((len(problem.y), len(nodes)), order="F")
    target = (problem.y, problem.classes)

    def one(i: int) -> None:
        out[:, i] = as_numbers(
            cross_fit(nodes[i], problem.table, target, problem.folds)
        )

    run_threads(one, range(len(nodes)), n_threads)
    return out


def as_numbers(values: Any) -> Floats:
    """Values of a feature as float64; a key as its codes, NaN where missing."""
    if isinstance(values, Key):
        out = values.codes.astype(np.float64)
        out[values.codes >= values.missing] = np.nan
        return out
    return values
