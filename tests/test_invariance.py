"""What no estimator's answer depends on: units, offsets, order and kind of frame.

A new estimator is one line of `ESTIMATORS`. Where an answer may change, the entry says
which change is left out, and the docstring of the estimator says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone

from featurekit import OpenFE, OutRank
from featurekit.selection import (
    MRMR,
    OMP,
    BorutaShadow,
    DisCo,
    InfFS,
    SequentialAttention,
    StabilitySelection,
)

N = 160
RNG = np.random.default_rng(7)
X = pd.DataFrame(RNG.normal(size=(N, 5)), columns=list("abcde"))
SIGNAL = (2 * X.a + X.b * X.c + 0.5 * X.d + 0.2 * RNG.normal(size=N)).to_numpy()
# digits to spare for an offset of 1e9
NUMBERS = np.round(SIGNAL * 2**20) / 2**20
LABELS = (np.median(SIGNAL) < SIGNAL).astype(int)
WEIGHT = RNG.uniform(0.5, 2.0, N)


@dataclass(frozen=True)
class Case:
    """An estimator, and the changes that its answer may depend on."""

    estimator: Any
    may: tuple[str, ...] = ()


SEQUENTIAL = SequentialAttention(2, model="linear")
ESTIMATORS = {
    "OpenFE": Case(OpenFE(1, operators=["*", "+"], cv=2, random_state=0), ("order",)),
    "OpenFE, auto": Case(OpenFE(operators=["*"], cv=3, random_state=0), ("order",)),
    # its weights are numbers of rows
    "OutRank": Case(OutRank(n_features_to_select=2), ("weight",)),
    "InfFS": Case(InfFS(n_features_to_select=2, cv=2, random_state=0)),
    "MRMR": Case(MRMR(2)),
    "OMP": Case(OMP(2)),
    "DisCo": Case(DisCo(n_features_to_select=2)),
    "DisCo, auto": Case(DisCo(n_features_to_select="auto", random_state=0)),
    # rows of the batches are drawn, and ties of trees go by the order of columns
    "DisCo, forward": Case(
        DisCo("forward", n_features_to_select=2, cv=2, random_state=0), ("order",)
    ),
    # shadows are drawn column by column
    "BorutaShadow": Case(BorutaShadow(2, max_iter=3, random_state=0), ("order",)),
    "SequentialAttention": Case(SEQUENTIAL),
    "StabilitySelection": Case(
        StabilitySelection(MRMR(2), n_resamples=4, threshold=0.5, random_state=0)
    ),
}


def _numbers(scale: float = 1.0, offset: float = 0.0) -> Callable[[], dict[str, Any]]:
    return lambda: {"X": X, "y": NUMBERS * scale + offset}


def _weights(scale: float) -> Callable[[], dict[str, Any]]:
    return lambda: {"X": X, "y": NUMBERS, "sample_weight": WEIGHT * scale}


def _frame(change: Callable[[pd.DataFrame], Any]) -> Callable[[], dict[str, Any]]:
    return lambda: {"X": change(X), "y": LABELS}


# kind of change: what it is compared with, and the changes
CHANGES = {
    "scale": (_numbers(), {f"{s:g}": _numbers(s) for s in (1e-12, 1e-7, 1e3, 1e12)}),
    "offset": (_numbers(), {f"{o:g}": _numbers(1.0, o) for o in (-10.0, 1e4, 1e9)}),
    "weight": (_weights(1.0), {f"{s:g}": _weights(s) for s in (1e-12, 1e7, 1e12)}),
    "frame": (
        _frame(lambda frame: frame),
        {
            "polars": _frame(pl.from_pandas),
            "arrow": _frame(lambda frame: pa.Table.from_pandas(frame)),
            "numpy": _frame(lambda frame: frame.to_numpy()),
        },
    ),
    "order": (
        _frame(lambda frame: frame),
        {"reversed": _frame(lambda frame: frame[frame.columns[::-1]])},
    ),
}


def _answer(estimator: Any, given: dict[str, Any]) -> set[str]:
    """What is kept, by the names of X."""
    given = dict(given)
    task = "regression" if given["y"] is not LABELS else "classification"
    nested = {"task": task, "selector__task": task}
    known = estimator.get_params()
    model = clone(estimator).set_params(
        **{name: task for name, task in nested.items() if name in known}
    )
    model.fit(given.pop("X"), given.pop("y"), **given)
    names = model.get_feature_names_out().tolist()
    for i, name in enumerate(X.columns):
        names = [found.replace(f"x{i}", name) for found in names]
    return set(names)


@pytest.mark.filterwarnings("ignore::featurekit.exceptions.FeatureKitWarning")
@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_answer_does_not_change(name, kind):
    case = ESTIMATORS[name]
    if kind in case.may:
        pytest.skip("documented to depend on it")
    plain, changes = CHANGES[kind]
    expected = _answer(case.estimator, plain())
    assert expected
    for what, change in changes.items():
        assert _answer(case.estimator, change()) == expected, what


@pytest.mark.parametrize("name", ESTIMATORS)
def test_scores_do_not_change_with_the_unit_of_the_target(name):
    estimator = ESTIMATORS[name].estimator
    if not hasattr(estimator, "n_features_to_select") or name == "OutRank":
        pytest.skip("its scores are in the units of the target, or tested elsewhere")
    known = {"task", "selector__task"} & set(estimator.get_params())
    model = clone(estimator).set_params(**dict.fromkeys(known, "regression"))
    expected = model.fit(X, NUMBERS).scores_.copy()
    for scale in (1e-12, 1e12):
        found = clone(model).fit(X, NUMBERS * scale).scores_
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)
