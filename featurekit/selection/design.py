"""What selectors compute on: columns as numbers, and which of them belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data import Table
from featurekit.data.columns import Column
from featurekit.data.dense import learn_dense
from featurekit.data.ingest import positions_of
from featurekit.exceptions import SchemaError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_ROWS = 5.0
"""Rows that a category needs for a number of its own: one of an id has a single row."""


@dataclass(frozen=True, eq=False)
class Units:
    """What is selected: single columns, and groups of columns that stay together.

    Attributes
    ----------
    of_column : int64 array (d,)
        The unit of each column, numbered by first appearance.
    n_units : int
    """

    of_column: Ints
    n_units: int

    @classmethod
    def of(cls, names: tuple[str, ...], groups: Any = None) -> Units:
        """Read the parameter ``groups``.

        Parameters
        ----------
        names : tuple of str
        groups : None, sequence of d labels, or sequence of lists
            One label per column, or lists of names or positions of columns; columns
            in no list are units of their own.

        Raises
        ------
        ValueError
            If a column is in two lists, or the labels are not one per column.
        """
        d = len(names)
        if groups is None:
            return cls(np.arange(d), d)
        items = list(groups)
        if items and all(_is_list(item) for item in items):
            labels = _labels_of_lists(names, items)
        else:
            if any(_is_list(item) for item in items):
                raise ValueError(
                    "groups mixes labels and lists: give one label per column, or "
                    "lists of columns alone"
                )
            labels = [str(item) for item in items]
            if len(labels) != d:
                raise ValueError(
                    f"groups has {len(labels)} labels, X has {d} columns: give one "
                    "label per column, or lists of columns"
                )
        known = {label: i for i, label in enumerate(dict.fromkeys(labels))}
        return cls(np.array([known[label] for label in labels], np.int64), len(known))

    def columns(self, unit: int) -> Ints:
        """Positions of a unit's columns, ascending."""
        return np.flatnonzero(self.of_column == unit)


def _is_list(item: Any) -> bool:
    return isinstance(item, Sequence | np.ndarray) and not isinstance(item, str)


def _labels_of_lists(names: tuple[str, ...], lists: list[Any]) -> list[str]:
    labels = [f"column {i}" for i in range(len(names))]
    taken: dict[int, int] = {}
    for number, members in enumerate(lists):
        try:
            at = positions_of(names, list(members))
        except SchemaError as error:
            text = str(error).replace("categorical_features", "groups")
            raise ValueError(text) from None
        for position in at:
            if position in taken:
                raise ValueError(
                    f"column {names[position]!r} is in two groups; each column belongs "
                    "to one"
                )
            taken[position] = number
            labels[position] = f"group {number}"
    return labels


@dataclass(frozen=True, eq=False)
class Design:
    """A table as a matrix without gaps.

    A number is itself, a point in time its seconds; a missing one is the median of the
    others, and tells that it was missing in a column of its own. A category is 0 or 1
    in its column: the `MAX_CATEGORIES` most frequent have one, of at least `MIN_ROWS`
    rows, and the others share one. Missing is a category.

    Attributes
    ----------
    values : float64 array (n, p), column-major
    column : int64 array (p,)
        The input column that each comes from.
    unit : int64 array (p,)
        Its unit.
    n_units : int
    """

    values: Floats
    column: Ints
    unit: Ints
    n_units: int

    @classmethod
    def of(cls, table: Table, units: Units, weight: Floats | None = None) -> Design:
        """Lay out a table.

        Parameters
        ----------
        table : Table
        units : Units
        weight : float64 array (n,), optional
            How often each row counts.
        """
        n = len(table)
        made = [parts(column, weight) for _, column in table]
        counts = [len(columns) for columns in made]
        values = np.empty((n, sum(counts)), order="F")
        for j, part in enumerate(part for columns in made for part in columns):
            values[:, j] = part
        column_of = np.repeat(np.arange(len(made)), counts)
        return cls(values, column_of, units.of_column[column_of], units.n_units)

    def best(self, scores: Floats) -> Floats:
        """Of each unit the largest score of its columns; float64 (n_units,).

        One without a column would have minus infinity.
        """
        out = np.full(self.n_units, -np.inf)
        np.maximum.at(out, self.unit, scores)
        return out


def parts(column: Column, weight: Floats | None) -> list[NDArray[Any]]:
    """A column of a table as columns of a `Design`: float64 or bool arrays (n,)."""
    return learn_dense(column, weight, MIN_ROWS).apply(column)


@dataclass(frozen=True)
class Standard:
    """How a column is given mean 0 and length 1; a constant becomes 0.

    Attributes
    ----------
    first, largest : float
        The first value, and the largest distance from it: about the one and within the
        other neither offset nor scale cost digits.
    mean, length : float
        Of what that leaves, rows counted as often as they count; length 0 of a
        constant.
    scale : float
        1, or less where a distance would overflow.
    """

    first: float
    largest: float
    mean: float
    length: float
    scale: float

    @classmethod
    def of(cls, values: Floats, weight: Floats | None = None) -> Standard:
        """Learn it of a column, float64 or bool (n,)."""
        high, low = float(values.max()), float(values.min())
        with np.errstate(over="ignore"):
            scale = 1.0 if np.isfinite(np.subtract(high, low)) else 0.25
        first = float(values[0]) * scale
        largest = max(high * scale - first, first - low * scale)
        if largest == 0:
            return cls(first, 1.0, 0.0, 0.0, scale)
        about = (values * scale - first) / largest
        mean = float(np.average(about, weights=weight))
        about -= mean
        square = about @ about if weight is None else weight @ about**2
        return cls(first, largest, mean, float(np.sqrt(square)), scale)

    def apply(self, values: Floats) -> Floats:
        """Values of this column, float64 (m,), as they become."""
        if self.length == 0:
            return np.zeros(len(values))
        about = (values * self.scale - self.first) / self.largest
        return (about - self.mean) / self.length
