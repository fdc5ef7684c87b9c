"""Budgets: time, Ctrl-C, and a stop that is asked for."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from featurekit.execution.budget import Budget

main_thread_only = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(),
    reason="signals reach the main thread alone",
)


@pytest.fixture(autouse=True)
def usual_ctrl_c():
    """Python's own handler before and after each test."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)  # Python runs the handler between two instructions


def test_without_limits_nothing_stops():
    with Budget() as budget:
        assert not budget.stopped()
    assert budget.complete
    assert budget.why == ""


def test_time_runs_out_and_says_so():
    budget = Budget(0.05)
    assert not budget.stopped()
    assert budget.complete
    time.sleep(0.06)
    assert budget.stopped()
    assert not budget.complete
    assert budget.why == "time_budget of 0.05 s is spent"
    assert budget.elapsed() > 0.05


def test_the_first_reason_to_stop_stays():
    budget = Budget(0.0)
    budget.stop("stopped by a callback")
    budget.stop("another")
    time.sleep(0.001)
    assert budget.stopped()
    assert budget.why == "stopped by a callback"


@main_thread_only
def test_ctrl_c_asks_for_a_stop_and_raises_nothing():
    with Budget() as budget:
        ctrl_c()
        assert budget.stopped()
        assert budget.why == "interrupted"
    assert not budget.complete


@main_thread_only
def test_a_second_ctrl_c_raises():
    with Budget() as budget, pytest.raises(KeyboardInterrupt):
        ctrl_c()
        ctrl_c()
    assert budget.why == "interrupted"


@main_thread_only
def test_ctrl_c_is_as_usual_afterwards():
    with Budget():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        ctrl_c()


@main_thread_only
def test_ctrl_c_is_as_usual_after_an_error():
    with pytest.raises(ZeroDivisionError), Budget():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@main_thread_only
def test_budgets_nest():
    with Budget() as outer:
        with Budget() as inner:
            ctrl_c()
        # the inner budget found Ctrl-C taken, and left it to the outer one
        assert outer.stopped()
        assert not inner.stopped()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@main_thread_only
def test_a_handler_of_somebody_else_is_left_alone():
    calls = []

    def theirs(*args):
        calls.append(args)

    signal.signal(signal.SIGINT, theirs)
    with Budget() as budget:
        ctrl_c()
        assert not budget.stopped()
    assert len(calls) == 1
    assert signal.getsignal(signal.SIGINT) is theirs


def test_works_outside_the_main_thread():
    found = []

    def work():
        with Budget(100) as budget:
            found.append(budget.stopped())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]


def test_a_part_ends_earlier_and_with_the_whole():
    budget = Budget(100.0)
    budget.start -= 20.0
    part = budget.part(0.25)
    assert part.seconds == pytest.approx(40.0, abs=1.0)
    part.start -= 25.0
    assert part.stopped() and not budget.stopped()
    assert part.why == "time_budget of 100 s is spent"
    other = budget.part(0.5)
    budget.stop("enough")
    assert other.stopped() and other.why == "enough"
    assert not Budget().part(0.5).stopped()


def test_grace_after_the_stop():
    budget = Budget()
    budget.stop("enough")
    assert budget.stopped() and not budget.stopped(grace=5.0)
    budget.start -= 10.0
    assert budget.stopped(grace=5.0)
    late = Budget(1.0)
    late.start -= 3.0
    assert late.stopped(grace=1.0) and not late.stopped(grace=4.0)
