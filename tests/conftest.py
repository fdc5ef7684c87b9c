"""Shared by the tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def mixed() -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers, keys, gaps, a date; the target hangs on a ratio and on a key."""
    rng = np.random.default_rng(0)
    n = 900
    city = rng.choice(["x", "y", "z", "w"], n)
    frame = pd.DataFrame(
        {
            "price": rng.uniform(1, 10, n),
            "area": rng.uniform(1, 10, n),
            "rooms": rng.integers(1, 6, n),
            "city": pd.Series(city).where(rng.random(n) > 0.05),
            "sold": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 400, n), unit="D"),
            "new": rng.random(n) > 0.5,
        }
    )
    y = frame["price"] / frame["area"] + (city == "x") + rng.normal(0, 0.1, n)
    return frame, y.to_numpy()


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own answer to Ctrl-C: a job in the background is started without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
