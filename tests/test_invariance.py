"""Results do not depend on units, offsets, or on the order and type of the columns.

A new estimator is one line of `CASES`; one that is missing there fails a test. Where a
result may change, the line names the change and quotes the docstring that says so.
"""

from __future__ import annotations

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


SMALL = {"hidden_layer_sizes": (8,), "n_epochs": 25, "random_state": 0}

# words of the docstrings
NODES = {
    "counts": "the scale of whole weights may change the result",
    "noise": "a further column that is not constant changes all scores",
}
STARTS = {
    "order": "Another order of the columns, or a further column that is not constant",
    "noise": "Another order of the columns, or a further column that is not constant",
}
REPEATS = {"counts": "depend on the sum of whole weights"}
ROWS = {
    "weight": "Other weights are an error",
    "counts": "and so their scale matters",
}

CASES = {
    "OpenFE": Case(
        OpenFE(1, operators=["*", "+"], cv=2, random_state=0),
        {"order": "go by the order of the columns"},
    ),
    "OpenFE, auto": Case(
        OpenFE(operators=["*"], cv=2, random_state=0),
        {
            "order": "go by the order of the columns",
            "noise": "may change which features are kept",
        },
    ),
    "OutRank": Case(OutRank(n_features_to_select=2), ROWS),
    "OutRank, 3mr": Case(OutRank(redundancy="3mr", n_features_to_select=2), ROWS),
    "OutRank, crosses": Case(OutRank(order=2, n_bins=6, n_features_to_select=3), ROWS),
    "InfFS": Case(InfFS(n_features_to_select=2, cv=2, random_state=0), NODES),
    "InfFS, auto": Case(
        InfFS(n_features_to_select="auto", alpha=(0.3, 0.3, 0.4)), NODES
    ),
    "InfFS, unsupervised": Case(
        InfFS("unsupervised", n_features_to_select=2, cv=2, random_state=0),
        {"noise": NODES["noise"]},
    ),
    "MRMR": Case(MRMR(2), {"counts": "their scale changes the F statistic"}),
    "MRMR, auto": Case(
        MRMR("auto", scheme="difference", relevance="correlation"),
        {"noise": "a further column may change which others are kept"},
    ),
    "OMP": Case(OMP(2)),
    "OMP, auto": Case(OMP("auto", random_state=0)),
    "DisCo": Case(DisCo(n_features_to_select=2), REPEATS),
    "DisCo, auto": Case(
        DisCo(n_features_to_select="auto", random_state=0),
        REPEATS | {"noise": "a further column may change which others are kept"},
    ),
    "DisCo, partial": Case(
        DisCo("partial", n_features_to_select=2, random_state=0),
        REPEATS | {"order": "ties go by the order of the columns"},
    ),
    "DisCo, forward": Case(
        DisCo("forward", n_features_to_select=2, cv=2, random_state=0),
        REPEATS | {"order": "ties go by the order of the columns"},
    ),
    "BorutaShadow": Case(
        BorutaShadow(2, importance="split", max_iter=3, random_state=0),
        {
            "order": "depend on the order of the columns",
            "noise": "and on further columns that are not constant",
        },
    ),
    "SequentialAttention": Case(SequentialAttention(2, **SMALL), STARTS),
    "SequentialAttention, linear": Case(SequentialAttention(2, model="linear")),
    "SequentialLasso": Case(SequentialLasso(2, **SMALL), STARTS),
    "GroupLasso": Case(GroupLasso(2, **SMALL), STARTS),
    "OneShotAttention": Case(
        OneShotAttention(2, mask_layer_sizes=(8,), **SMALL), STARTS
    ),
    "StabilitySelection": Case(
        StabilitySelection(MRMR(2), n_resamples=4, threshold=0.5, random_state=0)
    ),
}
# one of each class
ONE_OF_EACH = {type(case.estimator).__name__: name for name, case in CASES.items()}


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


def _fitted(case: Case, given: dict[str, Any]) -> Any:
    if case.needs_torch:
        pytest.importorskip("torch")
    given = dict(given)
    task = "classification" if given["y"] is LABELS else "regression"
    known = {"task", "selector__task"} & set(case.estimator.get_params())
    model = clone(case.estimator).set_params(**dict.fromkeys(known, task))
    return model.fit(given.pop("X"), given.pop("y"), **given)


def _renamed(name: str) -> str:
    """The name in terms of the columns of `X`, whatever their order."""
    for i, column in enumerate(X.columns):
        name = name.replace(f"x{i}", column)
    if name.startswith("cross("):
        name = "&".join(
            sorted(name.removeprefix("cross(").removesuffix(")").split("&"))
        )
    return name


def _kept(model: Any) -> set[str]:
    return {_renamed(name) for name in model.get_feature_names_out()} - {"more"}


def _scores(model: Any) -> dict[str, float]:
    """Score of each column and cross, or of each candidate of `OpenFE`."""
    table = model.report_ if isinstance(model, OpenFE) else model.scores_
    if isinstance(table, pd.DataFrame):
        names, scores = table["feature"], table["score"].to_numpy(np.float64)
    else:
        names, scores = getattr(model, "feature_names_in_", X.columns), table
    if isinstance(model, OpenFE):
        # these are in the unit of the loss
        scores = scores / np.abs(scores[np.isfinite(scores)]).max()
    found = zip(map(_renamed, names), scores, strict=True)
    return {name: float(score) for name, score in found if "more" not in name}


def test_every_estimator_is_in_the_table():
    packages = [
        import_module(f"featurekit.{module.name}")
        for module in pkgutil.iter_modules(featurekit.__path__)
        if module.ispkg and module.name != "cli"
    ]
    public = {
        name
        for package in [featurekit, *packages]
        for name in getattr(package, "__all__", ())
        if isinstance(found := getattr(package, name), type)
        and issubclass(found, BaseEstimator)
    }
    assert set(ONE_OF_EACH) == public


@pytest.mark.parametrize("name", CASES)
def test_docstring_says_what_may_change_the_result(name):
    case = CASES[name]
    text = " ".join((type(case.estimator).__doc__ or "").split())
    for kind, words in case.may.items():
        assert kind in CHANGES
        assert words in text


@pytest.mark.filterwarnings("ignore::featurekit.exceptions.FeatureKitWarning")
@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("name", CASES)
def test_result_does_not_change(name, kind):
    case = CASES[name]
    if kind in case.may:
        pytest.skip("documented to depend on it")
    plain, changes = CHANGES[kind]
    expected = _fitted(case, plain())
    kept, scores = _kept(expected), _scores(expected)
    assert kept
    for what, change in changes.items():
        model = _fitted(case, change())
        assert _kept(model) == kept, what
        if kind == "noise":
            continue  # scores may be relative to those of all columns
        found = _scores(model)
        assert found.keys() == scores.keys(), what
        np.testing.assert_allclose(
            [found[key] for key in scores], list(scores.values()),
            rtol=1e-5, atol=1e-6, err_msg=what,
        )  # fmt: skip


# -- transform -------------------------------------------------------------------------


@cache
def _of_labels(name: str, frame: str) -> Any:
    given = X if frame == "pandas" else FRAMES[frame](X)
    return _fitted(CASES[ONE_OF_EACH[name]], {"X": given, "y": LABELS})


every_class = pytest.mark.parametrize("name", ONE_OF_EACH)


@pytest.mark.filterwarnings("ignore::featurekit.exceptions.FeatureKitWarning")
@every_class
def test_transform_gives_the_same_values_of_any_frame(name):
    model = _of_labels(name, "pandas")
    expected = model.transform(X)
    for what in ("polars", "arrow", "dict"):
        out = model.transform(FRAMES[what](X))
        if isinstance(out, pa.Table):
            out = out.to_pandas()
        columns = list(out.columns) if hasattr(out, "columns") else list(out)
        assert columns == list(expected.columns)
        for column in columns:
            np.testing.assert_array_equal(
                np.asarray(out[column]), expected[column].to_numpy()
            )


@pytest.mark.filterwarnings("ignore::featurekit.exceptions.FeatureKitWarning")
@every_class
def test_transform_refuses_other_columns_than_in_fit(name):
    model = _of_labels(name, "pandas")
    changed = {
        "unseen at fit time": X.assign(more=NOISE),
        "yet now missing": X.drop(columns="e"),
        "same order": X[X.columns[::-1]],
    }
    for message, frame in changed.items():
        for to in (_same, *(FRAMES[what] for what in ("polars", "arrow", "dict"))):
            with pytest.raises(ValueError, match=message):
                model.transform(to(frame))
    unnamed = _of_labels(name, "numpy")
    for more in (np.column_stack([X, NOISE]), X.to_numpy()[:, :4]):
        with pytest.raises(
            ValueError, match=r"X has \d features, but .* is expecting 5"
        ):
            unnamed.transform(more)


@every_class
def test_docstring_of_transform_says_what_is_refused(name):
    text = " ".join(
        (type(CASES[ONE_OF_EACH[name]].estimator).transform.__doc__).split()
    )
    assert "Columns that fit did not see are an error" in text


@pytest.mark.filterwarnings("ignore::featurekit.exceptions.FeatureKitWarning")
def test_openfe_ignores_further_columns_if_asked_to():
    model = clone(CASES["OpenFE"].estimator).set_params(
        extra_columns="ignore", task="classification"
    )
    expected = model.fit(X, LABELS).transform(X)
    more = X.assign(more=NOISE)
    for frame in (more, more[more.columns[::-1]]):
        pd.testing.assert_frame_equal(model.transform(frame), expected)
