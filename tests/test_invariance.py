"""Results do not depend on units, offsets, or on the order and type of the columns.

A new estimator is one line of `CASES`; one that is missing there fails a test. Where a
result may change, the line names the change and quotes the docstring that says so.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, clone

import featurekit
from featurekit import OpenFE, OutRank
from featurekit.selection import (
    MRMR,
    OMP,
    BorutaShadow,
    DisCo,
    GroupLasso,
    InfFS,
    OneShotAttention,
    SequentialAttention,
    SequentialLasso,
    StabilitySelection,
)

N = 160
RNG = np.random.default_rng(7)
X = pd.DataFrame(RNG.normal(size=(N, 5)), columns=list("abcde"))
SIGNAL = (2 * X.a + X.b * X.c + 0.5 * X.d + 0.2 * RNG.normal(size=N)).to_numpy()
# whole multiples of 2^-20, so that an offset of 1e9 standard deviations is exact
NUMBERS = np.round(SIGNAL * 2**20) / 2**20
STD = float(np.round(NUMBERS.std()))
LABELS = (np.median(SIGNAL) < SIGNAL).astype(int)
WEIGHT = RNG.uniform(0.5, 2.0, N)
COUNTS = RNG.integers(1, 4, N)
NOISE = RNG.normal(size=N)
TEXT = RNG.choice(["p", "q", "r"], N)


@dataclass(frozen=True)
class Case:
    """An estimator, and the changes that its result may depend on.

    Attributes
    ----------
    estimator : estimator
    may : mapping of str to str
        Kinds of `CHANGES`, each with the words of the estimator's docstring that
        announce it.
    """

    estimator: Any
    may: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_torch(self) -> bool:
        model = getattr(self.estimator, "model", "mlp")
        return hasattr(self.estimator, "learning_rate") and model != "linear"


SMALL = {"hidden_layer_sizes": (8,), "n_epochs": 40, "random_state": 0}

CASES = {
    "OpenFE": Case(OpenFE(1, operators=["*", "+"], cv=2, random_state=0)),
    "OpenFE, auto": Case(OpenFE(operators=["*"], cv=2, random_state=0)),
    "OutRank": Case(OutRank(n_features_to_select=2)),
    "OutRank, crosses": Case(OutRank(order=2, n_features_to_select=3)),
    "InfFS": Case(InfFS(n_features_to_select=2, cv=2, random_state=0)),
    "InfFS, unsupervised": Case(InfFS("unsupervised", n_features_to_select=2)),
    "MRMR": Case(MRMR(2)),
    "MRMR, auto": Case(MRMR("auto", scheme="difference", relevance="correlation")),
    "OMP": Case(OMP(2)),
    "OMP, auto": Case(OMP("auto", random_state=0)),
    "DisCo": Case(DisCo(n_features_to_select=2)),
    "DisCo, auto": Case(DisCo(n_features_to_select="auto", random_state=0)),
    "DisCo, partial": Case(DisCo("partial", n_features_to_select=2, random_state=0)),
    "DisCo, forward": Case(
        DisCo("forward", n_features_to_select=2, cv=2, random_state=0)
    ),
    "BorutaShadow": Case(BorutaShadow(2, max_iter=3, random_state=0)),
    "SequentialAttention": Case(SequentialAttention(2, **SMALL)),
    "SequentialAttention, linear": Case(SequentialAttention(2, model="linear")),
    "SequentialLasso": Case(SequentialLasso(2, **SMALL)),
    "GroupLasso": Case(GroupLasso(2, **SMALL)),
    "OneShotAttention": Case(OneShotAttention(2, mask_layer_sizes=(8,), **SMALL)),
    "StabilitySelection": Case(
        StabilitySelection(MRMR(2), n_resamples=4, threshold=0.5, random_state=0)
    ),
}


def _numbers(scale: float = 1.0, offset: float = 0.0) -> Callable[[], dict[str, Any]]:
    return lambda: {"X": X, "y": (NUMBERS + offset) * scale}


def _weights(weight: Any, scale: float = 1.0) -> Callable[[], dict[str, Any]]:
    return lambda: {"X": X, "y": NUMBERS, "sample_weight": weight * scale}


def _frame(change: Callable[[pd.DataFrame], Any]) -> Callable[[], dict[str, Any]]:
    return lambda: {"X": change(X), "y": LABELS}


def _mixed(change: Callable[[pd.DataFrame], Any]) -> Callable[[], dict[str, Any]]:
    mixed = X.assign(e=X["e"].where(X["e"] > -1), text=TEXT)
    return lambda: {"X": change(mixed), "y": LABELS}


def _same(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


FRAMES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "polars": pl.from_pandas,
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "dict": lambda frame: {name: frame[name].to_numpy() for name in frame},
    "numpy": lambda frame: frame.to_numpy(),
}

# kind of change: what it is compared with, and the changes
CHANGES = {
    "scale": (_numbers(), {f"{s:g}": _numbers(s) for s in (1e-12, 1e-7, 1e3, 1e12)}),
    "offset": (
        _numbers(),
        {
            "-10 SD": _numbers(1.0, -10 * STD),
            "1e4 SD": _numbers(1.0, 1e4 * STD),
            "1e9 SD": _numbers(1.0, 1e9 * STD),
            "-1e9 SD, small unit": _numbers(2.0**-40, -1e9 * STD),
        },
    ),
    "weight": (
        _weights(WEIGHT),
        {f"{s:g}": _weights(WEIGHT, s) for s in (1e-12, 1e7, 1e12)},
    ),
    "counts": (
        _weights(COUNTS),
        {f"{s:g}": _weights(COUNTS, s) for s in (1e-12, 10, 1e12)},
    ),
    "frame": (_frame(_same), {what: _frame(to) for what, to in FRAMES.items()}),
    "text and gaps": (
        _mixed(_same),
        {what: _mixed(FRAMES[what]) for what in ("polars", "arrow")},
    ),
    "order": (
        _frame(_same),
        {"reversed": _frame(lambda frame: frame[frame.columns[::-1]])},
    ),
    "constant": (
        _frame(_same),
        {"appended": _frame(lambda frame: frame.assign(more=3.0))},
    ),
    "noise": (
        _frame(_same),
        {"appended": _frame(lambda frame: frame.assign(more=NOISE))},
    ),
}


def _fitted(estimator: Any, given: dict[str, Any]) -> Any:
    given = dict(given)
    task = "classification" if given["y"] is LABELS else "regression"
    known = {"task", "selector__task"} & set(estimator.get_params())
    model = clone(estimator).set_params(**dict.fromkeys(known, task))
    return model.fit(given.pop("X"), given.pop("y"), **given)


def _renamed(name: str) -> str:
    """A name as a frame has it, for one of an array's."""
    for i, column in enumerate(X.columns):
        name = name.replace(f"x{i}", column)
    return name


def _kept(model: Any) -> set[str]:
    return {_renamed(name) for name in model.get_feature_names_out()} - {"more"}


def _scores(model: Any) -> dict[str, float]:
    """Score of each column; of each feature that was tried, for `OpenFE`."""
    table = getattr(model, "report_", getattr(model, "scores_", None))
    if isinstance(table, pd.DataFrame):
        names, scores = table["feature"], table["score"]
    else:
        names = getattr(model, "feature_names_in_", X.columns)
        scores = model.scores_
    found = zip(map(_renamed, names), scores, strict=True)
    return {name: float(score) for name, score in found if "more" not in name}
