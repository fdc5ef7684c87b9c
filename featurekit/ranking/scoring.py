"""Lines of the table of scores: columns, controls and crosses, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.kernels.registry import kernel
from featurekit.ranking import controls
from featurekit.ranking.counting import Counted
from featurekit.ranking.crosses import Combinations, CountedCross
from featurekit.ranking.rows import Block
from featurekit.statistics.contingency import (
    false_discovery_rate,
    finish,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SCORES = (
    "ami", "mi", "excess", "z", "chi2", "cramers_v", "theils_u", "iv", "gini",
    "te_gain",
)  # fmt: skip
CROSS_Q = 0.05
"""False-discovery rate at which a cross counts as adding to its parts."""

SCORE_COLUMNS = (
    "feature", "order", "mi", "emi", "excess", "sd", "z", "p", "q", "ami", "chi2",
    "cramers_v", "theils_u", "iv", "gini", "te_gain", "cardinality", "coverage",
    "rare_share", "gain", "gain_z", "score",
)  # fmt: skip


@dataclass
class Line:
    """A column, control or cross with its statistics.

    Attributes
    ----------
    feature : str
    order : int
    statistics : dict
        Those of `featurekit.statistics.contingency.finish`, coverage and q.
    gain, gain_z : float
        What is told above the parts; of a column, above nothing.
    score : float
    position : int or None
        Of a column, among the columns.
    members : list of Counted
        Of a cross, its columns.
    combinations : Combinations or None
        Of a cross that may be selected.
    """

    feature: str
    order: int
    statistics: dict[str, float]
    gain: float
    gain_z: float
    score: float
    position: int | None = None
    members: list[Counted] = field(default_factory=list)
    combinations: Combinations | None = None

    @property
    def constant(self) -> bool:
        """Whether it is the same on every row, so that chance gives it nothing."""
        return self.statistics["emi"] == 0

    def row(self) -> tuple[Any, ...]:
        """The values of `SCORE_COLUMNS`."""
        known = self.statistics | {
            "feature": self.feature,
            "order": self.order,
            "gain": self.gain,
            "gain_z": self.gain_z,
            "score": self.score,
        }
        return tuple(known[name] for name in SCORE_COLUMNS)


def column_lines(
    columns: Sequence[Counted], b: Ints, score: str, seed: int | None, n_threads: int
) -> list[Line]:
    """A line for each column, and with a seed for controls of noise.

    Parameters
    ----------
    columns : sequence of Counted
    b : int64 array (C,)
        Rows of each class.
    score : str
        Scores of no table are NaN, to be filled in.
    seed : int or None
    n_threads : int
    """
    tables = [column.table.collapsed(len(b)) for column in columns]
    made = {}
    if seed is not None:
        made = controls.noise_tables(b, np.random.default_rng(seed))
    found = finish([*tables, *made.values()], n_threads)
    names = [column.name for column in columns] + list(made)
    p = np.array([numbers["p"] for numbers in found])
    # controls are held against everything, columns against each other alone; constants
    # are no tests
    tested = np.array([numbers["emi"] > 0 for numbers in found], bool)
    q = false_discovery_rate(p, tested)
    d = len(columns)
    q[:d] = false_discovery_rate(p[:d], tested[:d])
    lines = []
    for i, (name, numbers) in enumerate(zip(names, found, strict=True)):
        numbers |= {"q": float(q[i]), "coverage": 1.0}
        if i < len(columns):
            numbers |= _of_column(columns[i])
        value = numbers.get(score, np.nan)
        position = i if i < len(columns) else None
        lines.append(
            Line(name, 1, numbers, numbers["excess"], numbers["z"], value, position)
        )
    return lines


def _of_column(column: Counted | CountedCross) -> dict[str, float]:
    return {
        "coverage": column.coverage,
        "cardinality": column.cardinality,
        "rare_share": column.rare_share,
    }


def shift(
    lines: list[Line], columns: Sequence[Counted], block: Block, n_classes: int
) -> None:
    """The released package's statistic, of rows in their order."""
    codes, y, _ = block
    for line in lines:
        if line.position is not None:
            column = columns[line.position]
            values = column.place[codes[line.position]].astype(np.uint32)
            line.score = float(
                kernel("shift_counts")(values, y, column.n_places + 1, n_classes)
            )


def as_shares(score: Floats, name: str, h: float) -> Floats:
    """Scores as shares of what the target holds, as redundancies are shares."""
    score = np.where(np.isnan(score), 0.0, score)
    if name in ("ami", "theils_u"):
        return score
    if name in ("mi", "excess"):
        return score / max(h, 1e-300)
    # no share of an entropy: put between the least and the greatest
    low, high = float(score.min()), float(score.max())
    return (score - low) / max(high - low, 1e-300)


def cross_line(
    cross: CountedCross, statistics: dict[str, float], gain: float, gain_z: float
) -> Line:
    """A line of a cross, whose q and score `score_crosses` adds.

    Parameters
    ----------
    cross : CountedCross
    statistics : dict
        Those of `featurekit.statistics.contingency.finish`.
    gain, gain_z : float
    """
    line = Line(
        cross.name, len(cross.members), statistics | _of_column(cross), gain, gain_z,
        np.nan, None, cross.members,
    )  # fmt: skip
    # q is no less than p; the combinations of all crosses would fill the memory
    if gain > 0 and _p_of_cross(line) <= CROSS_Q:
        line.combinations = cross.combinations
    return line


def _p_of_cross(line: Line) -> float:
    from scipy.special import ndtr

    return max(line.statistics["p"], float(ndtr(-line.gain_z)))


def score_crosses(
    lines: Sequence[Line], n_tried: int, score: str, by_gain: bool, h: float
) -> None:
    """Give crosses their q and their score.

    Parameters
    ----------
    lines : sequence of Line
    n_tried : int
        Crosses that these are the best of.
    score : str
    by_gain : bool
        Score crosses by what they gain.
    h : float
        Entropy of the target.
    """
    # the best of so many: a p has to stand against all that were tried
    p = np.array([_p_of_cross(line) for line in lines])
    many = np.ones(max(n_tried, len(p)))
    many[: len(p)] = p
    q = false_discovery_rate(many)
    for i, line in enumerate(lines):
        line.statistics["q"] = float(q[i])
        line.score = _score_of_cross(line, score, by_gain, h)


def _score_of_cross(line: Line, score: str, by_gain: bool, h: float) -> float:
    """What a cross is ranked by: all it tells if it adds to its parts, else that.

    A cross tells all that its parts tell, and so would stand above them without adding
    anything.
    """
    of = line.statistics
    adds = line.gain > 0 and of["q"] <= CROSS_Q
    if adds and not by_gain and score in of:
        return of[score]
    if score in ("mi", "excess"):
        return line.gain
    if score == "z":
        return line.gain_z
    most = h - of["emi"]
    return line.gain / most if most > 1e-12 * max(h, 1e-300) else 0.0


def in_order(lines: list[Line], order: list[int] | None) -> list[Line]:
    """Lines by score; columns in the order given, if one is; constants last."""
    score = np.array([line.score for line in lines], np.float64)
    score[np.isnan(score)] = -np.inf
    ranked = [lines[i] for i in np.argsort(-score, kind="stable")]
    if order is not None:
        columns = {x.position: x for x in lines if x.position is not None}
        chosen = iter(order)
        ranked = [x if x.position is None else columns[next(chosen)] for x in ranked]
    return sorted(ranked, key=lambda line: line.constant)


def selected(lines: list[Line], alpha: float | None) -> list[Line]:
    """Columns, and crosses that gain, which the false-discovery rate allows."""
    most = 1.0 if alpha is None else alpha
    kept = []
    for line in lines:
        q = line.statistics["q"]
        if line.position is not None:
            if q <= most:
                kept.append(line)
        elif line.combinations is not None and q <= min(most, CROSS_Q):
            kept.append(line)
    return kept
