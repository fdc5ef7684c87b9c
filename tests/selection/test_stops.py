"""Ctrl-C and callbacks end a fit early, and what was chosen by then is kept."""

import os
import signal

import numpy as np
import pytest

from featurekit import OpenFE, OutRank
from featurekit.selection import (
    BorutaShadow,
    DisCo,
    InfFS,
    SequentialAttention,
    StabilitySelection,
)
from featurekit.selection.forward import Search


class Watcher:
    """A callback as scikit-learn wants it; asks for a stop after some steps."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.names = []
        self.begun = 0

    def setup(self, estimator, context):
        self.names.append("setup")

    def teardown(self, estimator, context):
        self.names.append("teardown")

    def on_fit_task_begin(self, estimator, context, **_):
        self.begun += 1

    def on_fit_task_end(self, estimator, context, **_):
        self.names.append(context.task_name)
        n = self.names.count("step")
        return self.stop_after is not None and n >= self.stop_after


def table(n=150):
    X = np.random.default_rng(0).normal(size=(n, 8))
    return X, (X[:, 1] + X[:, 5] > 0).astype(int)


SELECTORS = [
    BorutaShadow(max_iter=3, n_features_to_select=2, random_state=0),
    DisCo(n_features_to_select=2),
    DisCo("forward", n_features_to_select=3, random_state=0),
    DisCo("partial", n_features_to_select=3, random_state=0),
    InfFS(n_features_to_select=2, random_state=0),
    SequentialAttention(2, n_epochs=5, random_state=0),
    StabilitySelection(DisCo(n_features_to_select=2), n_resamples=4, random_state=0),
    OpenFE(n_features=2, random_state=0),
    OutRank(),
]


def name_of(estimator):
    return f"{type(estimator).__name__}{getattr(estimator, 'mode', '')}"


@pytest.mark.parametrize("estimator", SELECTORS, ids=name_of)
def test_callbacks_hear_of_every_task(estimator):
    X, y = table()
    watcher = Watcher()
    estimator.set_callbacks(watcher)
    try:
        estimator.fit(X, y)
    finally:
        estimator.set_callbacks()
    assert watcher.names[0] == "setup"
    assert watcher.names[-2:] == ["fit", "teardown"]
    assert "step" in watcher.names
    assert watcher.begun == len(watcher.names) - 2


@pytest.mark.parametrize("mode", ["forward", "partial"])
def test_a_callback_stops_disco(mode):
    X, y = table()
    whole = DisCo(mode, n_features_to_select=5, random_state=0).fit(X, y)
    simple = DisCo(n_features_to_select=8).fit(X, y)
    # the first step is that of the filter
    watcher = Watcher(stop_after=4)
    cut = DisCo(mode, n_features_to_select=5, random_state=0).set_callbacks(watcher)
    cut.fit(X, y)
    assert cut.stopped_ == "stopped by a callback"
    assert whole.stopped_ == ""
    np.testing.assert_array_equal(cut.order_[:3], whole.order_[:3])
    rest = [j for j in simple.order_ if j not in cut.order_[:3]]
    np.testing.assert_array_equal(cut.order_[3:], rest[:2])


@pytest.mark.parametrize("mode", ["forward", "partial"])
def test_ctrl_c_keeps_what_disco_has_chosen(mode, monkeypatch, ctrl_c):
    choose = Search.choose

    def interrupted(self, *given):
        if len(self.order) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return choose(self, *given)

    X, y = table()
    whole = DisCo(mode, n_features_to_select=5, random_state=0).fit(X, y)
    monkeypatch.setattr(Search, "choose", interrupted)
    cut = DisCo(mode, n_features_to_select=5, random_state=0).fit(X, y)
    assert cut.stopped_ == "interrupted"
    np.testing.assert_array_equal(cut.order_[:2], whole.order_[:2])
    assert len(cut.order_) == 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
