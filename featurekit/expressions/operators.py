"""The operators: what each computes, what it learns in fit, what it makes of gaps.

Every operator stands once in `OPERATORS`, under the name that features are written
with. These kinds exist:

`Elementwise`
    a function of the row; learns nothing.
`KeyTable`
    learns a number (or a few) per key and looks them up. `tables` learns them for
    several sets of rows at once, so that out-of-fold values cost one pass.
`Pairing`, `Crossing`
    `Combine` makes one key of two, `Cross` of several.
`Binning`
    `Bin` makes a key of a number.

Rules that hold for all: out of its domain an operator gives NaN, never inf; a missing
input gives NaN unless said otherwise; a key not seen in fit is looked up as *unseen*,
whose value each operator states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.expressions.keyed import (
    Key,
    Learning,
    count,
    maximum,
    mean,
    mean_only,
    mean_std,
    median,
    minimum,
    nunique,
    order_of,
    prior_of,
    share,
    std,
    target_mean,
    target_parts,
    target_woe,
)
from featurekit.expressions.tree import INFIX, Call, Expression
from featurekit.kernels.registry import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

N_BINS = 64


@dataclass(frozen=True)
class Operator:
    """What all operators say of themselves.

    Attributes
    ----------
    name : str
    inputs : tuple of str
        Kind of each argument: "numeric", "key", "datetime", "any" or "literal". A
        single kind followed by "..." takes any number of arguments.
    output : str
        "numeric" or "key".
    about : str
        One line for people.
    """

    name: str
    inputs: tuple[str, ...]
    about: str = ""
    output: str = "numeric"

    @property
    def learns(self) -> bool:
        """Whether values depend on rows seen in fit."""
        return False

    @property
    def needs_target(self) -> bool:
        """Whether fit needs y."""
        return False


@dataclass(frozen=True)
class Elementwise(Operator):
    """``function(*arguments)``, or the compiled program ``code``."""

    function: Callable[..., Floats] | None = None
    code: int | None = None

    def apply(self, args: tuple[Any, ...]) -> Floats:
        """Values per row, float64 (n,)."""
        if self.code is not None:
            out = np.empty(len(args[0]))
            kernel("evaluate")(self.code, args[0], args[-1], out)
        else:
            assert self.function is not None
            out = np.asarray(self.function(*args), np.float64)
        out[~np.isfinite(out)] = np.nan
        return out


Tables = Callable[[tuple[Any, ...], Learning, Bools], Floats]


@dataclass(frozen=True)
class KeyTable(Operator):
    """A table per key, learnt in fit; the last key argument is looked up.

    ``tables(args, learning, train)`` learns from each set of atoms in ``train``
    (F, A) and returns (F, size) or (F, size, w); ``function(x, w...)``, where given,
    relates the row's own value to what was looked up.
    """

    tables: Tables | None = None
    function: Callable[..., Floats] | None = None
    target: bool = False

    @property
    def learns(self) -> bool:
        """Always."""
        return True

    @property
    def needs_target(self) -> bool:
        """Whether the table is one of target statistics."""
        return self.target

    def key_of(self, args: tuple[Any, ...]) -> Key:
        """The key that is looked up."""
        return next(a for a in reversed(args) if isinstance(a, Key))

    def learn(self, args: tuple[Any, ...], learning: Learning) -> Floats:
        """The table of all rows, (size,) or (size, w)."""
        assert self.tables is not None
        return self.tables(args, learning, np.ones((1, learning.n_atoms), bool))[0]

    def apply(self, args: tuple[Any, ...], state: Floats) -> Floats:
        """Values per row from one table."""
        return self._relate(args, state[self.key_of(args).codes])

    def cross(
        self, args: tuple[Any, ...], learning: Learning, train: Bools, fold: Ints
    ) -> Floats:
        """Out-of-fold values: each row from the table of its own fold.

        Rows of no fold (-1) are looked up in a table learnt from nothing.
        """
        assert self.tables is not None
        stack = self.tables(args, learning, learning.with_nothing(train))
        key = self.key_of(args)
        assert stack.shape[1] == key.size, f"{self.name}: a table has an entry per key"
        place = learning.remember(
            ("places", fold, key.codes),
            lambda: np.where(fold < 0, len(train), fold) * key.size + key.codes,
        )
        return self._relate(args, stack.reshape(-1, *stack.shape[2:])[place])

    def _relate(self, args: tuple[Any, ...], found: Floats) -> Floats:
        if self.function is None:
            return found
        with np.errstate(all="ignore"):
            out = self.function(args[0], *np.moveaxis(found, -1, 0))
        out[~np.isfinite(out)] = np.nan
        return out


@dataclass(frozen=True)
class TargetTable(KeyTable):
    """A table of target statistics: ``formula(n, s, prior)`` per key.

    The arguments are the key's rows, the sum of its target, and the target's mean over
    all rows that are learnt from.
    """

    formula: Callable[[Floats, Floats, Floats], Floats] | None = None
    target: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "tables", self._tables)

    def _tables(
        self, args: tuple[Any, ...], learning: Learning, train: Bools
    ) -> Floats:
        assert self.formula is not None
        counts, totals = target_parts(args, learning)
        weights = train.astype(np.float64)
        n = learning.remember(("rows", args[0].codes, train), lambda: weights @ counts)
        s = weights @ totals
        return self.formula(n, s, prior_of(counts, totals, weights)[:, None])

    def at(
        self,
        args: tuple[Any, ...],
        learning: Learning,
        sets: Bools,
        of: Ints,
        key: Ints,
    ) -> Floats:
        """The entries ``[of[f, i], key[i]]`` of the tables of ``sets``, and no others.

        Parameters
        ----------
        of : int64 array (F, m)
        key : int64 array (m,)

        Returns
        -------
        float64 array (F, m)
        """
        assert self.formula is not None
        counts, totals = target_parts(args, learning)

        def pick(parts: Floats) -> Floats:
            out = np.empty(of.shape)
            kernel("sum_over_sets")(parts, sets, of, key, out)
            return out

        n = learning.remember(("entries", counts, of), lambda: pick(counts))
        prior = prior_of(counts, totals, sets.astype(np.float64))
        return self.formula(n, pick(totals), prior[of])


@dataclass(frozen=True)
class GroupRank(KeyTable):
    """Percentile rank among the fitted rows of the same key.

    The state is each key's sorted values end to end, and where each key begins.
    """

    def learn(self, args: tuple[Any, ...], learning: Learning) -> Any:
        """Sorted values and starts."""
        x, key = args
        order = np.lexsort((x, key.codes))
        order = order[~np.isnan(x[order])]
        starts = np.searchsorted(key.codes[order], np.arange(key.size + 1))
        return {"values": x[order], "starts": starts.astype(np.int64)}

    def apply(self, args: tuple[Any, ...], state: Any) -> Floats:
        """Rank of each row put among its key's fitted rows."""
        x, key = args
        out = np.empty(len(x))
        kernel("ranks_in_groups")(x, key.codes, state["values"], state["starts"], out)
        out[key.codes >= key.missing] = np.nan
        return out

    def cross(
        self, args: tuple[Any, ...], learning: Learning, train: Bools, fold: Ints
    ) -> Floats:
        """Rank of each row among the training rows of its fold."""
        x, key = args
        out = np.empty(len(x))
        kernel("group_ranks")(
            order_of(x, learning),
            x,
            key.codes,
            learning.atom,
            train,
            fold,
            key.size,
            out,
        )
        out[key.codes >= key.missing] = np.nan
        return out


@dataclass(frozen=True)
class Pairing(Operator):
    """One key of two; where either is missing the pair is missing."""

    output: str = "key"

    def apply(self, args: tuple[Any, ...]) -> tuple[Ints, Bools]:
        """A number per pair, and where it is missing."""
        a, b = args
        ids = a.codes.astype(np.int64) * b.size + b.codes
        return ids, (a.codes == a.missing) | (b.codes == b.missing)


@dataclass(frozen=True)
class Crossing(Pairing):
    """One key of several, missing values being values; missing where all are."""

    def apply(self, args: tuple[Any, ...]) -> tuple[Ints, Bools]:
        """A number per combination, and where it is missing."""
        ids = np.zeros(len(args[0].codes), np.int64)
        gone = np.ones(len(ids), bool)
        for key in args:
            ids = ids * key.size + key.codes
            gone &= key.codes == key.missing
        return ids, gone


@dataclass(frozen=True)
class Binning(Operator):
    """A number as the key of its bin; the bins hold as alike many rows of fit."""

    output: str = "key"

    def learn(self, x: Floats) -> Floats:
        """The least value of each bin but the first."""
        x = x[~np.isnan(x)]
        if len(x) == 0:
            return np.zeros(0)
        shares = np.arange(1, N_BINS) / N_BINS
        edges = np.unique(np.quantile(x, shares, method="higher"))
        return edges[edges > x.min()]

    def apply(self, args: tuple[Any, ...], edges: Floats) -> Key:
        """Bins from 0; missing values are missing, and none is unseen."""
        (x,) = args
        codes = np.searchsorted(edges, x, side="right")
        codes[np.isnan(x)] = len(edges) + 1
        return Key(codes, len(edges) + 3)


@dataclass(frozen=True)
class Alias(Operator):
    """Short for other operators: ``written_out(args)`` is the tree it stands for."""

    written_out: Callable[[tuple[Expression, ...]], Call] | None = None

    @property
    def learns(self) -> bool:
        """Taken to; what it is short for decides."""
        return True


def _frequency_of_pair(args: tuple[Expression, ...]) -> Call:
    return Call("freq", (Call("Combine", args),))


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


def _count_missing(*gone: Bools) -> Floats:
    return np.sum(gone, axis=0, dtype=np.float64)


def _difference(x: Floats, mean: Floats) -> Floats:
    return x - mean


def _ratio(x: Floats, mean: Floats) -> Floats:
    return x / np.where(mean == 0, np.nan, mean)


def _z_score(x: Floats, mean: Floats, std: Floats) -> Floats:
    return (x - mean) / np.where(std == 0, np.nan, std)


_ONE, _TWO = ("numeric",), ("numeric", "numeric")
_BY_KEY = ("numeric", "key")
_TIME = ("datetime",)

OPERATORS: dict[str, Operator] = {}


def register_operator(operator: Operator) -> Operator:
    """Add an operator of your own, under its name, for this process.

    Features that use it are written, stored and read like any other; reading a stored
    one needs the same registration first.

    Parameters
    ----------
    operator : Elementwise or KeyTable

    Raises
    ------
    ValueError
        If the name is taken or is not a plain word.

    Examples
    --------
    >>> import numpy as np
    >>> from featurekit.expressions import Elementwise, OPERATORS, register_operator
    >>> def hypotenuse(a, b):
    ...     return np.hypot(a, b)
    >>> op = Elementwise("hypot", ("numeric", "numeric"), function=hypotenuse)
    >>> _ = register_operator(op)
    >>> _ = OPERATORS.pop("hypot")
    """
    if operator.name in OPERATORS:
        raise ValueError(f"there is an operator {operator.name!r} already")
    if not (operator.name.isidentifier() or operator.name in INFIX):
        raise ValueError(
            f"operator name {operator.name!r} must be a plain word, such as 'hypot'"
        )
    OPERATORS[operator.name] = operator
    return operator


for _op in (
    Elementwise("+", _TWO, "sum", code=1),
    Elementwise("-", _TWO, "difference", code=2),
    Elementwise("*", _TWO, "product", code=3),
    Elementwise("/", _TWO, "quotient; NaN where the divisor is 0", code=4),
    Elementwise("min", _TWO, "the lesser; NaN if either is missing", code=5),
    Elementwise("max", _TWO, "the greater; NaN if either is missing", code=6),
    Elementwise("abs", _ONE, "absolute value", code=7),
    Elementwise("log", _ONE, "ln |x|; NaN at 0", code=8),
    Elementwise("sqrt", _ONE, "square root of |x|", code=9),
    Elementwise("square", _ONE, "x squared", code=10),
    Elementwise("sigmoid", _ONE, "1 / (1 + exp(-x))", code=11),
    Elementwise("round", _ONE, "greatest whole number not above x", code=12),
    Elementwise("residual", _ONE, "x less the greatest whole number below", code=13),
    KeyTable("freq", ("key",), "share of rows with this value; unseen 0", tables=share),
    KeyTable("count", ("key",), "rows with this value; unseen 0", tables=count),
    KeyTable("GroupByThenMin", _BY_KEY, "least x of the key", tables=minimum),
    KeyTable("GroupByThenMax", _BY_KEY, "greatest x of the key", tables=maximum),
    KeyTable("GroupByThenMean", _BY_KEY, "mean x of the key", tables=mean),
    KeyTable("GroupByThenMedian", _BY_KEY, "median x of the key", tables=median),
    KeyTable("GroupByThenStd", _BY_KEY, "sample deviation of x in the key", tables=std),
    GroupRank("GroupByThenRank", _BY_KEY, "percentile rank of x in the key"),
    KeyTable(
        "GroupByThenNUnique",
        ("key", "key"),
        "distinct values of the first within the second",
        tables=nunique,
    ),
    Pairing("Combine", ("key", "key"), "the pair as one key"),
    Crossing(
        "Cross", ("key...",), "columns as one key; missing is a value like others"
    ),
    Binning("Bin", ("numeric",), "the number's quantile bin as a key"),
    Alias(
        "CombineThenFreq",
        ("key", "key"),
        "share of rows with this pair of values",
        written_out=_frequency_of_pair,
    ),
    KeyTable(
        "GroupByThenDiff",
        _BY_KEY,
        "x less the key's mean",
        tables=mean_only,
        function=_difference,
    ),
    KeyTable(
        "GroupByThenRatio",
        _BY_KEY,
        "x over the key's mean",
        tables=mean_only,
        function=_ratio,
    ),
    KeyTable(
        "GroupByThenZScore",
        _BY_KEY,
        "x less the key's mean, in its deviations",
        tables=mean_std,
        function=_z_score,
    ),
    TargetTable(
        "TargetMean",
        ("key", "literal?"),
        "smoothed mean of the target, or rate of a class; unseen: the overall mean",
        formula=target_mean,
    ),
    TargetTable(
        "TargetWoE",
        ("key",),
        "smoothed weight of evidence of a 0/1 target; unseen: 0",
        formula=target_woe,
    ),
    Elementwise("Year", _TIME, "calendar year", function=_calendar(_year)),
    Elementwise("Month", _TIME, "month, 1 to 12", function=_calendar(_month)),
    Elementwise("Day", _TIME, "day of the month", function=_calendar(_day)),
    Elementwise(
        "DayOfYear", _TIME, "day of the year", function=_calendar(_day_of_year)
    ),
    Elementwise(
        "DayOfWeek",
        _TIME,
        "day of the week, Monday 0",
        function=_calendar(lambda m: (m // _DAY + 3) % 7),
    ),
    Elementwise(
        "Hour", _TIME, "hour", function=_calendar(lambda m: m % _DAY // 3_600_000_000)
    ),
    Elementwise(
        "Minute", _TIME, "minute", function=_calendar(lambda m: m // 60_000_000 % 60)
    ),
    Elementwise(
        "Days", _TIME, "days since 1970", function=_calendar(lambda m: m / _DAY)
    ),
    Elementwise(
        "CountMissing",
        ("any...",),
        "how many of the arguments are missing",
        function=_count_missing,
    ),
):
    register_operator(_op)
