"""Parts of the date and time, in microseconds since 1970."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from featurekit.expressions.operators.arithmetic import Elementwise
from featurekit.expressions.operators.base import Floats, Ints, register_all

_DAY = 86_400_000_000
_NAT = np.iinfo(np.int64).min


def _calendar(unit: Callable[[Any], Any]) -> Callable[[Ints], Floats]:
    def part(micros: Ints) -> Floats:
        gone = micros == _NAT
        out = unit(np.where(gone, 0, micros)).astype(np.float64)
        out[gone] = np.nan
        return out

    return part


def _dates(micros: Ints) -> Any:
    return micros.astype("datetime64[us]")


def _month(m: Ints) -> Any:
    return _dates(m).astype("datetime64[M]").astype(np.int64) % 12 + 1


def _day(m: Ints) -> Any:
    date = _dates(m).astype("datetime64[D]")
    return (date - date.astype("datetime64[M]")).astype(np.int64) + 1


def _day_of_year(m: Ints) -> Any:
    date = _dates(m).astype("datetime64[D]")
    return (date - date.astype("datetime64[Y]")).astype(np.int64) + 1


def _year(m: Ints) -> Any:
    return _dates(m).astype("datetime64[Y]").astype(np.int64) + 1970


def _part_of(
    name: str, about: str, former: str, unit: Callable[[Any], Any]
) -> Elementwise:
    return Elementwise(
        name, ("datetime",), about, former=(former,), function=_calendar(unit)
    )


register_all(
    _part_of("year", "the year of {0}", "Year", _year),
    _part_of("month", "the month of {0}, 1 to 12", "Month", _month),
    _part_of("day", "the day of the month of {0}", "Day", _day),
    _part_of("day_of_year", "the day of the year of {0}", "DayOfYear", _day_of_year),
    _part_of(
        "day_of_week",
        "the day of the week of {0}, Monday 0",
        "DayOfWeek",
        lambda m: (m // _DAY + 3) % 7,
    ),
    _part_of("hour", "the hour of {0}", "Hour", lambda m: m % _DAY // 3_600_000_000),
    _part_of("minute", "the minute of {0}", "Minute", lambda m: m // 60_000_000 % 60),
    _part_of("days", "the days from 1970 to {0}", "Days", lambda m: m / _DAY),
)
