"""Columns by themselves: their distance correlation with the target, and its test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data import CategoricalColumn
from featurekit.selection.base import Rows, rounded
from featurekit.selection.design import parts
from featurekit.selection.redundancy import greedy_order, shares_told
from featurekit.statistics.contingency import false_discovery_rate
from featurekit.statistics.distance import (
    distance_correlation_pvalue,
    distance_correlations,
    distance_permutation_pvalues,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_PERMUTATIONS = 20_000
"""Of each column whose test is checked."""

PERMUTED_ROWS = 10**9
"""Rows times permutations times columns, at most."""

MIN_PERMUTATIONS = 20
"""Of each column; fewer are not worth their time."""

MAX_NUMBERS = 4096
"""Numbers compared with each other; a category, or a gap, is one each."""


@dataclass(frozen=True, eq=False)
class Marginal:
    """What columns tell of the target, each by itself.

    A unit scores as its best column, a column as its better part: its numbers with gaps
    filled, or where they are; or its categories.

    Attributes
    ----------
    of_column : float64 array (d,)
        0 of constants.
    scores : float64 array (n_units,)
        0 where nothing varies.
    column, part : int64 arrays (n_units,)
        Where the score is from; -1 where nothing varies.
    """

    of_column: Floats
    scores: Floats
    column: Ints
    part: Ints

    @classmethod
    def of(cls, rows: Rows, bias_corrected: bool, n_jobs: int | None) -> Marginal:
        """Correlate each column with the target.

        Parameters
        ----------
        rows : Rows
        bias_corrected : bool
        n_jobs : int or None
        """
        assert rows.target is not None
        columns: dict[str, Floats] = {}
        discrete, owner, part = [], [], []
        for j in np.flatnonzero(rows.varies).tolist():
            for i, (values, kind) in enumerate(_variables(rows, j)):
                columns[str(len(columns))] = values
                discrete.append(kind)
                owner.append(j)
                part.append(i)
        found = distance_correlations(
            columns,  # one by one: a matrix would be a copy
            rows.target.standard,
            bias_corrected=bias_corrected,
            discrete_features=np.array(discrete),
            discrete_target=rows.target.task != "regression",
            class_distance="chi2",
            sample_weight=rows.weight,
            n_jobs=n_jobs,
        )
        of_column = np.zeros(len(rows.varies))
        scores = np.zeros(rows.units.n_units)
        best = np.full((2, len(scores)), -1)
        # the best of each comes last
        for i in np.lexsort((-np.arange(len(found)), found)):
            j = owner[i]
            unit = rows.units.of_column[j]
            of_column[j] = scores[unit] = found[i]
            best[:, unit] = j, part[i]
        return cls(of_column, scores, *best)

    def pvalues(self, rows: Rows) -> Floats:
        """Of each column that it is independent, by the chi-squared test; (d,)."""
        n = float(len(rows) if rows.weight is None else rows.weight.sum())
        return np.array(
            [
                distance_correlation_pvalue(float(r), n) if varies else 1.0
                for r, varies in zip(self.of_column, rows.varies, strict=True)
            ]
        )

    def dependent(
        self, rows: Rows, p: Floats, alpha: float, random_state: Any, n_jobs: int | None
    ) -> Ints:
        """Units that depend on the target at a false-discovery rate, one at least.

        Those that the chi-squared test keeps are tested by permutations too, unless
        weights are fractions. Far out, where a rate over many columns looks, that test
        is of little worth for a sparse column or a rare class.

        Parameters
        ----------
        rows : Rows
        p : float64 array (d,)
            Of `pvalues`; of columns that do worse by permutations it becomes that.
        alpha : float
        random_state, n_jobs
        """
        there = np.flatnonzero(self.column >= 0)

        def kept() -> Ints:
            return there[false_discovery_rate(p[self.column[there]]) <= alpha]

        found = kept()
        whole = rows.weight is None or not (rows.weight % 1).any()
        if len(found) and whole:
            at = self.column[found]
            checked = self._permuted(rows, found, alpha, random_state, n_jobs)
            p[at] = np.maximum(p[at], checked)
            found = kept()
        if len(found):
            return found
        best = np.lexsort((-rounded(self.scores[there]), p[self.column[there]]))[0]
        return there[[best]]

    def _permuted(
        self,
        rows: Rows,
        units: Ints,
        alpha: float,
        random_state: Any,
        n_jobs: int | None,
    ) -> Floats:
        """p of units by permutations, 0 where none does as well."""
        assert rows.target is not None
        times = None if rows.weight is None else rows.weight.astype(np.int64)
        y = rows.target.standard
        columns, discrete = {}, []
        for unit in units.tolist():
            values, kind = _variables(rows, self.column[unit])[self.part[unit]]
            columns[str(unit)] = values if times is None else values.repeat(times)
            discrete.append(kind)
        if times is not None:
            y = y.repeat(times)
        # four times what it takes to see the largest p that would be kept
        n_tests = int((self.column >= 0).sum())
        wanted = 4 * n_tests / (alpha * len(units))
        affordable = PERMUTED_ROWS / (len(y) * len(units))
        n_permutations = int(min(wanted + 1, affordable, MAX_PERMUTATIONS))
        if n_permutations < MIN_PERMUTATIONS:
            return np.zeros(len(units))
        p = distance_permutation_pvalues(
            columns,
            y,
            n_permutations=n_permutations,
            discrete_features=np.array(discrete),
            discrete_target=rows.target.task != "regression",
            class_distance="chi2",
            random_state=random_state,
            n_jobs=n_jobs,
        )
        return np.where(p * (1 + n_permutations) > 1.5, p, 0.0)

    def order(
        self, rows: Rows, units: Ints, penalty: float, most: int | None
    ) -> list[int]:
        """Units best first, those that others before them tell already later.

        Parameters
        ----------
        rows : Rows
        units : int64 array
            To order.
        penalty : float
            Of `greedy_order`.
        most : int or None
            Of the best units, how many are compared with each other; the others follow
            by score. None is all; otherwise of no more than `MAX_NUMBERS` numbers.
        """
        scores = rounded(self.scores)
        ranked = units[np.argsort(-scores[units], kind="stable")].tolist()
        if penalty == 0:
            return ranked
        units = ranked[:most]
        columns: list[NDArray[Any]] = []
        unit: list[int] = []
        share: list[float] = []
        for i, u in enumerate(units):
            for j in rows.units.columns(u):
                made = parts(rows.table.columns[j], rows.weight)
                columns += made
                unit += [i] * len(made)
                # what a unit scores by is what others are to tell of it
                own = j == self.column[u]
                share += self._share(rows, u, made) if own else [0.0] * len(made)
            if len(columns) >= MAX_NUMBERS and most is not None:
                units = units[: i + 1]
                break
        told = shares_told(columns, np.array(unit), np.array(share), rows.weight)
        order = greedy_order(scores[units], told, penalty)
        return [units[i] for i in order] + ranked[len(units) :]

    def _share(self, rows: Rows, u: int, made: list[NDArray[Any]]) -> list[float]:
        """How much each number counts of the column that a unit scores by."""
        if isinstance(rows.table.columns[self.column[u]], CategoricalColumn):
            rates = [float(np.average(m, weights=rows.weight)) for m in made]
            return [rate * (1 - rate) for rate in rates]
        return [float(i == self.part[u]) for i in range(len(made))]


def _variables(rows: Rows, j: int) -> list[tuple[Floats, bool]]:
    """What is correlated of a column, and whether it is classes: categories; or its
    numbers, missing ones filled, and whether they are missing."""
    column = rows.table.columns[j]
    if isinstance(column, CategoricalColumn):
        return [(column.codes.astype(np.float64), True)]
    return list(zip(parts(column, rows.weight), (False, True), strict=False))
