"""Types of text columns: the first that takes every value and loses nothing.

Numbers come before true and false, these before dates, and text comes last. Whole
numbers beyond 64 bits stay text, for a float would make one of many ids. Dates are
recognised year first, or with day and month in an order that the values themselves
settle; the comma is a decimal point only where a value shows that it does not separate
thousands.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import polars as pl

Decimal: TypeAlias = Literal[".", ","]

_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y")
_DAY_FIRST, _MONTH_FIRST = "%d/%m/%Y", "%m/%d/%Y"
_FIRST = 200  # rows that tell at once what most columns are not
_TIMES = ("%H:%M:%S%.f", "%H:%M")
_WHOLE = r"^\s*[+-]?\d+\s*$"
# "0,5" and "1,25" are fractions; "1,250" may be a thousand and some
_FRACTION = r"^\s*[+-]?(0*,\d+|\d+,(\d{0,2}|\d{4,}))([eE][+-]?\d+)?\s*$"


class Reading(NamedTuple):
    """How the texts of a column become values.

    Attributes
    ----------
    dtype : polars type
    decimal : {".", ","}
    format : str
        Of dates and datetimes.
    """

    dtype: pl.DataType
    decimal: Decimal = "."
    format: str = ""

    def values(self, name: str, strict: bool = True) -> pl.Expr:
        """The column as an expression; strict: with an error that names misfits."""
        import polars as pl

        text = pl.col(name)
        if self.dtype == pl.String:
            return text
        text = text.str.strip_chars()
        # a field of spaces is as empty as one without
        text = pl.when(text.str.len_bytes() > 0).then(text).alias(name)
        if self.format:
            return self._times(text, strict)
        if self.dtype == pl.Boolean:
            # polars has no conversion to Boolean
            words = text.str.to_lowercase()
            words = words.cast(pl.Enum(["false", "true"]), strict=strict)
            return words.to_physical().cast(pl.Boolean)
        if self.decimal == ",":
            text = text.str.replace_all(".", "?", literal=True)
            text = text.str.replace(",", ".", literal=True)
        return text.cast(self.dtype, strict=strict)

    def _times(self, text: pl.Expr, strict: bool) -> pl.Expr:
        import polars as pl

        if self.dtype == pl.Time:
            return text.str.to_time(self.format, strict=strict)
        if self.dtype == pl.Date:
            found = text.str.to_date(self.format, strict=strict)
        else:
            found = text.str.to_datetime(self.format, time_unit="us", strict=strict)
        # years of two digits are read as of the first century
        return found if strict else pl.when(found.dt.year() >= 1000).then(found)


def text_reading() -> Reading:
    """Text as it is."""
    import polars as pl

    return Reading(pl.String())


def _readings(decimal: Decimal | None) -> list[Reading]:
    """All readings but text, the first that fits being the one taken."""
    import polars as pl

    moment, zoned = pl.Datetime("us"), pl.Datetime("us", "UTC")
    out = [Reading(pl.Int64()), Reading(pl.UInt64())]
    out += [Reading(pl.Float64(), d) for d in (".", ",") if decimal in (None, d)]
    out.append(Reading(pl.Boolean()))
    out += [Reading(pl.Time(), format=time) for time in _TIMES]
    for day in (*_DATES, _DAY_FIRST, _MONTH_FIRST):
        out.append(Reading(pl.Date(), format=day))
        for time in _TIMES:
            out += [
                Reading(moment, format=f"{day}{mark}{time}")
                for mark in (" ", "T")
                if mark == " " or day == _DATES[0]
            ]
    out += [
        Reading(zoned, format=f"{_DATES[0]}{mark}%H:%M:%S%.f%#z") for mark in ("T", " ")
    ]
    return out


def _groups(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Whole numbers of 64 bits, other numbers, all else; without empty ones."""
    import polars as pl

    place: dict[pl.DataType, int] = {pl.Int64(): 0, pl.UInt64(): 1, pl.Float64(): 1}
    parts: list[list[Reading]] = [[], [], []]
    for reading in readings:
        parts[place.get(reading.dtype, 2)].append(reading)
    return [part for part in parts if part]


class Inference:
    """The readings of columns of text that lose none of the values added so far.

    Parameters
    ----------
    names : sequence of str
    decimal : {".", ","} or None
        None: a comma too is a decimal point where the values show it.
    comma : bool
        Whether None may find commas: not where they separate fields.
    """

    def __init__(
        self, names: Sequence[str], decimal: Decimal | None = ".", comma: bool = True
    ) -> None:
        self.n_rows = 0
        self._decimal = decimal
        found = _readings("." if decimal is None and not comma else decimal)
        self._left = {name: list(found) for name in names}
        self._values = dict.fromkeys(names, 0)
        self._fractions = dict.fromkeys(names, 0)
        self._whole = dict.fromkeys(names, True)

    def add(self, frame: pl.LazyFrame) -> int:
        """Take rows in; how many they were."""
        if not self.n_rows:
            # most readings fit none of the first values: the others need not try
            self._count(frame.head(_FIRST))
            self._values = dict.fromkeys(self._left, 0)
            self._fractions = dict.fromkeys(self._left, 0)
        n = self._count(frame)
        self.n_rows += n
        return n

    def _count(self, frame: pl.LazyFrame) -> int:
        """Count the values, and leave the readings that take all of them.

        Readings are tried group by group: what takes whole numbers of 64 bits is never
        a date, and floats take every one of them. Each try reads the frame once.
        """
        import polars as pl

        groups = {name: _groups(found) for name, found in self._left.items()}
        asked = {name: parts.pop(0) if parts else [] for name, parts in groups.items()}
        left: dict[str, list[Reading]] = {name: [] for name in asked}
        first, n_rows = True, 0
        while asked or first:
            exprs = [pl.len().alias("")]
            for name, readings in asked.items():
                found = self._questions(name, readings)
                exprs += [e.alias(f"{name}:{k}") for k, e in enumerate(found)]
            n_rows, *answers = frame.select(exprs).collect(engine="streaming").row(0)
            numbers = iter(answers)
            missed = {}
            for name, readings in asked.items():
                n_values, n_fractions, is_whole, least = islice(numbers, 4)
                fits = [r for r in readings if next(numbers) == n_values]
                if first:
                    self._values[name] += n_values
                self._fractions[name] += n_fractions
                self._whole[name] &= is_whole
                left[name] += fits
                later = groups[name]
                if not n_values:
                    left[name] += sum(later, [])
                elif fits and fits[0].dtype == pl.Int64():
                    left[name] += [
                        r
                        for r in sum(later, [])
                        if r.dtype == pl.Float64()
                        or (r.dtype == pl.UInt64() and least >= 0)
                    ]
                elif not fits and later:
                    missed[name] = later.pop(0)
            asked, first = missed, False
        self._left = left
        return n_rows

    def _questions(self, name: str, readings: Sequence[Reading]) -> list[pl.Expr]:
        """What is asked of a column: four numbers, and what each reading takes.

        The four are values, fractions with a comma, whether all are whole numbers, and
        the least of whole numbers of 64 bits. What cannot matter is not looked for.
        """
        import polars as pl

        text = pl.col(name)
        bare = text.str.strip_chars() == ""
        n_values = (text.is_not_null() & ~bare).sum()
        n_fractions, is_whole, least = pl.lit(0), pl.lit(True), pl.lit(0)
        if any(r.decimal == "," for r in readings):
            n_fractions = text.str.contains(_FRACTION).sum()
        if self._whole[name] and any(r.dtype == pl.Float64() for r in readings):
            is_whole = (text.str.contains(_WHOLE) | bare).all()
        values = [r.values(name, strict=False) for r in readings]
        if readings and readings[0].dtype == pl.Int64():
            least = values[0].min()
        return [n_values, n_fractions, is_whole, least, *(v.count() for v in values)]

    def reading(self, name: str) -> Reading:
        """How to read a column."""
        import polars as pl

        if not self._values[name]:
            return Reading(pl.Float64())
        for reading in self._left[name]:
            if self._whole[name] and reading.dtype == pl.Float64:
                break  # beyond 64 bits
            if not self._in_doubt(name, reading):
                return reading
        return text_reading()

    def _in_doubt(self, name: str, reading: Reading) -> bool:
        if reading.decimal == ",":
            return self._decimal is None and not self._fractions[name]
        if not reading.format.startswith((_DAY_FIRST, _MONTH_FIRST)):
            return False
        turned = reading.format.translate(str.maketrans("dm", "md"))
        return any(other.format == turned for other in self._left[name])

    def undecided(self, name: str) -> bool:
        """Whether more rows may show what these leave open."""
        return not self._values[name] or any(
            self._in_doubt(name, reading) for reading in self._left[name]
        )
