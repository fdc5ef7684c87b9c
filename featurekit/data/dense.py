"""A typed column as numbers without missing values: what a linear model takes.

Learnt on the rows of fit and applied to others, so that every batch gets the same
columns. The selectors compute on these columns, and ``output_format="onehot"`` of the
transformers gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import (
    MISSING_DATETIME,
    CategoricalColumn,
    Column,
    DatetimeColumn,
    NumericColumn,
)

Floats = NDArray[np.float64]

MAX_CATEGORIES = 32
"""Categories with an indicator of their own; the others share one."""


@dataclass(frozen=True)
class Imputed:
    """A numeric or datetime column, with a value for where it is missing.

    Attributes
    ----------
    value : float
        Median of the values of fit; 0 if there were none.
    indicator : bool
        Whether a second column says where the value was missing.
    """

    value: float
    indicator: bool

    @classmethod
    def learn(
        cls, column: NumericColumn | DatetimeColumn, weight: Floats | None = None
    ) -> Imputed:
        """Learn the median, rows counted as often as ``weight`` says."""
        values = numbers(column)
        missing = np.isnan(values)
        if missing.all():
            return cls(0.0, False)
        present = None if weight is None else weight[~missing]
        return cls(weighted_median(values[~missing], present), bool(missing.any()))

    def apply(self, column: Column) -> list[NDArray[Any]]:
        """One column, or two with the indicator: float64 arrays (n,)."""
        assert not isinstance(column, CategoricalColumn)
        values = numbers(column)
        missing = np.isnan(values)
        if missing.any():
            values = np.where(missing, self.value, values)
        return [values, missing.astype(np.float64)] if self.indicator else [values]

    def labels(self) -> list[str]:
        """What each column is; "" for the values themselves."""
        return ["", "(missing)"] if self.indicator else [""]


@dataclass(frozen=True)
class Indicators:
    """A categorical column as indicators of its categories.

    Attributes
    ----------
    codes : tuple of int
        Codes with an indicator of their own, ascending; the one after the last
        category is missing.
    categories : tuple
        All categories of the column.
    rest : bool
        Whether the other categories share one more indicator, which values not seen
        in fit join. Without it a value not seen in fit is 0 in all of them.
    """

    codes: tuple[int, ...]
    categories: tuple[Any, ...]
    rest: bool

    @classmethod
    def learn(
        cls,
        column: CategoricalColumn,
        weight: Floats | None = None,
        min_rows: float = 0.0,
    ) -> Indicators:
        """Choose the most frequent categories, of at least ``min_rows`` rows."""
        size = column.n_categories + 1  # missing is one of them
        rows = np.bincount(column.codes, weight, size).astype(np.float64)[:size]
        frequent = np.argsort(-rows, kind="stable")[:MAX_CATEGORIES]
        enough = (rows[frequent] >= min_rows) & (rows[frequent] > 0)
        own = np.sort(frequent[enough])
        rest = not np.isin(column.codes, own).all()
        return cls(tuple(own.tolist()), column.categories, rest)

    def apply(self, column: Column) -> list[NDArray[Any]]:
        """Boolean arrays (n,), one for each label."""
        assert isinstance(column, CategoricalColumn)
        codes = column.recode(self.categories).codes
        made: list[NDArray[Any]] = [codes == code for code in self.codes]
        if self.rest:
            made.append(~np.isin(codes, self.codes))
        return made

    def labels(self) -> list[str]:
        """The category of each indicator, in words."""
        n = len(self.categories)
        shown = ["(missing)" if c == n else str(self.categories[c]) for c in self.codes]
        return [*shown, "(other)"] if self.rest else shown


Dense: TypeAlias = Imputed | Indicators


def learn_dense(
    column: Column, weight: Floats | None = None, min_rows: float = 0.0
) -> Dense:
    """Learn how a column becomes numbers without missing values.

    Parameters
    ----------
    column : NumericColumn, DatetimeColumn or CategoricalColumn
    weight : float64 array (n,), optional
        How often each row counts.
    min_rows : float, default=0
        Rows that a category needs for an indicator of its own.
    """
    if isinstance(column, CategoricalColumn):
        return Indicators.learn(column, weight, min_rows)
    return Imputed.learn(column, weight)


def numbers(column: NumericColumn | DatetimeColumn) -> Floats:
    """Values, NaN where missing; points in time are seconds since 1970."""
    if isinstance(column, NumericColumn):
        return column.values
    seconds = column.values / 1e6
    seconds[column.values == MISSING_DATETIME] = np.nan
    return seconds


def weighted_median(values: Floats, weight: Floats | None = None) -> float:
    """The least value that at least half of the rows do not exceed.

    Always one of the values, so that a row of weight 2 is two rows.
    """
    order = np.argsort(values, kind="stable")
    if weight is None:
        return float(values[order[(len(values) - 1) // 2]])
    total = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(total, total[-1] / 2)]])
