"""Progress counts what is done, and lets callbacks stop it."""

from __future__ import annotations

import logging

import pytest

from featurekit.execution import progress as module
from featurekit.execution.budget import Budget
from featurekit.execution.progress import Progress
from featurekit.kernels.notice import tell


class Context:
    """Stands in for scikit-learn's callback contexts, and writes down what it hears."""

    def __init__(self, log, name="fit", stop_at=None, **options):
        self.log, self.name, self.stop_at = log, name, stop_at
        self.options = options

    def subcontext(self, task_name, max_subtasks=0):
        return Context(self.log, task_name, self.stop_at, max_subtasks=max_subtasks)

    def call_on_fit_task_begin(self, estimator):
        self.log.append(("begin", self.name))

    def call_on_fit_task_end(self, estimator):
        self.log.append(("end", self.name))
        n = sum(entry == ("end", "step") for entry in self.log)
        return self.name == "step" and n == self.stop_at


class Estimator:
    """Has callbacks."""

    def __init__(self, stop_at=None):
        self.log = []
        self.stop_at = stop_at

    def _init_callback_context(self, max_subtasks):
        self.max_subtasks = max_subtasks
        return Context(self.log, stop_at=self.stop_at)


class Bar:
    """Stands in for a bar."""

    def __init__(self):
        self.log = []

    def start(self):
        self.log.append("start")

    def stop(self):
        self.log.append("stop")

    def add_task(self, name, total):
        self.log.append((name, total))
        return name

    def advance(self, task):
        self.log.append(("advance", task))

    def update(self, task, completed):
        self.log.append((task, "completed", completed))


def test_works_for_anything_and_shows_nothing_unless_asked(capsys):
    with Progress(object(), 1, Budget()) as progress:
        assert progress.bar is None
        with progress.phase("scoring", 2) as step:
            step()
            step()
    out = capsys.readouterr()
    assert out.out == out.err == ""


def test_callbacks_hear_of_every_task_once_and_nested():
    estimator = Estimator()
    with Progress(estimator, 2, Budget()) as progress:
        with progress.phase("one", 2) as step:
            step()
            step()
        with progress.phase("two", 0):
            pass
    assert estimator.max_subtasks == 2
    step = [("begin", "step"), ("end", "step")]
    assert estimator.log == [
        ("begin", "fit"),
        *(("begin", "one"), *step, *step, ("end", "one")),
        *(("begin", "two"), ("end", "two")),
        ("end", "fit"),
    ]


def test_a_callback_can_stop_the_work():
    budget = Budget()
    done = 0
    progress = Progress(Estimator(stop_at=3), 1, budget)
    with progress, progress.phase("scoring", 10) as step:
        while not budget.stopped() and done < 10:
            done += 1
            step()
    assert done == 3
    assert budget.why == "stopped by a callback"


def test_bar_has_true_totals_and_ends(monkeypatch):
    bar = Bar()
    monkeypatch.setattr(module, "_bar", lambda: bar)
    progress = Progress(object(), 1, Budget(), verbose=1)
    with progress, progress.phase("scoring", 3) as step:
        step()
    assert bar.log == [
        "start", ("scoring", 3), ("advance", "scoring"), ("scoring", "completed", 3),
        "stop",
    ]  # fmt: skip


def test_bar_ends_on_an_error(monkeypatch):
    bar = Bar()
    monkeypatch.setattr(module, "_bar", lambda: bar)
    with pytest.raises(ZeroDivisionError), Progress(object(), 1, Budget(), verbose=1):
        raise ZeroDivisionError
    assert bar.log == ["start", "stop"]


@pytest.mark.parametrize("verbose, level", [(0, logging.DEBUG), (1, logging.INFO)])
def test_phases_are_logged(verbose, level, caplog, monkeypatch):
    monkeypatch.setattr(module, "_bar", lambda: None)
    caplog.set_level(logging.DEBUG, logger="featurekit")
    progress = Progress(object(), 1, Budget(), verbose)
    with progress, progress.phase("scoring", 0):
        pass
    (record,) = [r for r in caplog.records if "scoring" in r.getMessage()]
    assert record.levelno == level
    assert record.getMessage().endswith(" s")


def test_the_bar_counts_kernels_compiled_meanwhile():
    with Progress(object(), 1, Budget(), 1) as progress:
        tell()
        tell()
    tell()  # afterwards nobody watches
    (task,) = progress.bar.tasks
    assert (task.description, task.completed) == ("compiling, first use", 2)
