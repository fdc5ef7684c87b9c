"""Threads run everything, once, and hand errors on."""

from __future__ import annotations

import threading
import time

import pytest

from featurekit.execution.local import run_threads


@pytest.mark.parametrize("n_threads", [0, 1, 2, 5])
def test_every_item_is_worked_on_once(n_threads):
    done = []
    run_threads(done.append, range(50), n_threads)
    assert sorted(done) == list(range(50))
    run_threads(done.append, [], n_threads)
    assert len(done) == 50


def test_one_thread_works_in_order_in_the_callers_thread():
    seen = []
    run_threads(lambda i: seen.append((i, threading.get_ident())), range(9), 1)
    assert seen == [(i, threading.get_ident()) for i in range(9)]


def test_two_threads_work_at_the_same_time():
    barrier = threading.Barrier(2, timeout=20)
    run_threads(lambda i: barrier.wait(), range(2), 2)  # one alone would wait for ever
    assert not barrier.broken


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_first_error_is_raised_and_stops_the_rest(n_threads):
    done = []

    def work(i):
        if i == 3:
            raise ZeroDivisionError("item 3")
        time.sleep(0.002)
        done.append(i)

    with pytest.raises(ZeroDivisionError, match="item 3"):
        run_threads(work, range(400), n_threads)
    assert len(done) < 300
