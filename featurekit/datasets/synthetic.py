"""Synthetic tables of categories whose truth is known: what matters, and what does not.

Rows are drawn in chunks of a fixed size, each from a random stream of its own. So the
data depend on the seed alone: not on the files they are cut into, nor on the memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import inf
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featurekit._files import replacing

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

CHUNK = 250_000  # rows; a row group of a file, and a quarter of a default file
N_DAYS = 30
MAX_CARDINALITY = 10_000_000  # tables of this many numbers are kept per column

# what one seed's random streams are for
_EFFECTS, _INTERCEPT, _ROWS, _NOISE, _DRIFT, _MISSING = range(6)


@dataclass(frozen=True)
class Truth:
    """What a synthetic target was made from.

    Attributes
    ----------
    main : tuple of str
        Columns with an effect of their own.
    pairs : tuple of tuples of str
        Columns that act together: two, or three in a needle of order 3.
    noise : tuple of str
        Columns that have nothing to do with the target, drifting ones included.
    cardinalities : dict of str to int
        How many values a column can have; the rows may hold fewer.
    drifting : tuple of str
        Noise columns whose distribution changes over the rows.
    intercept : float or None
        Of the logit; None where the target is not drawn from one.
    """

    main: tuple[str, ...]
    pairs: tuple[tuple[str, ...], ...]
    noise: tuple[str, ...]
    cardinalities: dict[str, int]
    drifting: tuple[str, ...] = ()
    intercept: float | None = None


@dataclass(frozen=True, eq=False)
class Synthetic:
    """A synthetic data set.

    Attributes
    ----------
    X : pandas DataFrame of shape (n_rows, n_columns) or None
        None where the rows were written to files.
    y : pandas Series of shape (n_rows,) or None
        "click", int8, 0 or 1; from `make_needle` "target", int32.
    truth : Truth
    paths : tuple of pathlib.Path
        The files written, in the order of the rows.
    """

    X: pd.DataFrame | None
    y: pd.Series | None
    truth: Truth
    paths: tuple[Path, ...] = ()


def make_ctr(
    n_rows: int = 100_000,
    n_features: int = 40,
    *,
    cardinalities: Sequence[int] | None = None,
    n_main: int = 8,
    n_pairs: int = 2,
    zipf: float = 1.1,
    effect: float = 0.6,
    pair_effect: float = 0.8,
    click_rate: float = 0.05,
    missing: float = 0.0,
    noise: float = 0.0,
    drift: float = 0.0,
    text: bool = False,
    random_state: int | np.random.RandomState | None = None,
    path: str | Path | None = None,
    rows_per_file: int = 1_000_000,
) -> Synthetic:
    r"""Clicks on advertisements: many skewed categories, few of which matter.

    Columns f0, f1, … are independent of each other. Their values are whole numbers
    from 0, the frequent ones first: v has a probability proportional to
    ``(v + 1) ** -zipf``. A click has the logit

    .. math:: b + \sum_{j \in main} e_j(x_j) + d \sum_{(j,k) \in pairs} s_j s_k

    with an effect e per value, drawn from N(0, `effect`²); signs s, +1 for even values
    and -1 for odd ones; and d = `pair_effect`.

    *Pairs have no marginals.* Parities of skewed values would tell of the click one by
    one, for even values are the likelier ones. So values of pair columns come as twins,
    2r and 2r + 1, of one probability, proportional to ``(r + 1) ** -zipf``. Both signs
    have half of the rows, whatever the other columns say, and P(click | x_j) is the
    same for all values x_j: exactly so in the population, up to chance in a sample;
    and likewise given any columns without the partner. If there is an odd number of
    values, the last has the probability of two and, in each row, a sign by chance: it
    has no effect, not even in the pair. What remains is the rounding of float64.

    Main columns are spread evenly over the cardinalities, pair columns over the lower
    half of the others, where crosses have rows enough to be learnt. The rest is noise.

    Parameters
    ----------
    n_rows : int, default=100_000
    n_features : int, default=40
        Without ``day``; one more than those with effects at least.
    cardinalities : sequence of int, optional
        How many values each column can have, from 2 to 10 million. If None, even
        numbers from 2 to a million, in equal steps of the logarithm.
    n_main, n_pairs : int, default=8 and 2
        How many columns have an effect of their own, and how many pairs; none is both.
    zipf : float, default=1.1
        Skew of the values; with 0 all are as likely.
    effect : float, default=0.6
        Standard deviation of the effects of values, on the logit.
    pair_effect : float, default=0.8
        Effect of a pair, plus or minus, on the logit.
    click_rate : float, default=0.05
        Mean probability of a click, from 1e-6 to 1 - 1e-6. The intercept is solved for
        on 250,000 other rows, which leaves a relative error of about half a percent.
    missing : float, default=0.0
        Share of cells that go missing at random, after the clicks are drawn. Not of
        ``day``.
    noise : float, default=0.0
        Share of clicks that are drawn anew, with `click_rate` for a probability.
    drift : float, default=0.0
        Share of the cells of drifting columns, which are every third one of noise, that
        come from another distribution in the last row; from 0 in the first it grows
        linearly. There, v has become ``v + K // 2`` modulo the cardinality K. With
        drift there is a column ``day``, int8, from 0 to 29 in the order of the rows.
    text : bool, default=False
        Values as strings "v0", "v1", …
    random_state : int, RandomState or None
        The seed. It gives the same data in memory and with any `rows_per_file`;
        `noise`, `drift` and `missing` change only the cells that they are about.
    path : str or Path, optional
        Folder for Parquet files ``part-00000.parquet`` and so on, with the columns of
        X and, as the last, ``click``. A few chunks of 250,000 rows are in memory at a
        time.
    rows_per_file : int, default=1_000_000

    Returns
    -------
    Synthetic
        Columns of ``X`` are int32; with `missing` they are pandas' nullable Int32, with
        `text` its str. With `path` there is no X and no y: ``pandas.read_parquet`` of
        the folder gives the same columns and types.

    Raises
    ------
    ValueError
        For arguments outside their range, and for too few columns.
    FileExistsError
        If the folder has ``part-*.parquet`` files already.

    Examples
    --------
    >>> from featurekit.datasets import make_ctr
    >>> data = make_ctr(1000, 6, n_main=2, n_pairs=1, random_state=0)
    >>> data.X.shape, data.y.name, data.truth.main, data.truth.pairs
    ((1000, 6), 'click', ('f1', 'f4'), (('f0', 'f2'),))
    """
    strengths = {"zipf": zipf, "effect": effect, "pair_effect": pair_effect}
    shares = {"missing": missing, "noise": noise, "drift": drift}
    _check("n_rows", n_rows, Integral, 1)
    _check("n_features", n_features, Integral, 1)
    _check("n_main", n_main, Integral, 0)
    _check("n_pairs", n_pairs, Integral, 0)
    _check("rows_per_file", rows_per_file, Integral, 1)
    for name, value in strengths.items():
        _check(name, value, Real, 0)
    for name, value in shares.items():
        _check(name, value, Real, 0, 1)
    _check("click_rate", click_rate, Real, 1e-6, 1 - 1e-6)
    sizes = _sizes(cardinalities, n_features)
    roles = _roles(sizes, n_main, n_pairs, drifts=drift > 0)
    clicks = _Clicks(
        roles, _seed(random_state), n_rows, click_rate, text, **strengths, **shares
    )
    if path is not None:
        paths = tuple(clicks.write(Path(path), rows_per_file))
        return Synthetic(None, None, clicks.truth, paths)
    X = clicks.frame()
    return Synthetic(X, X.pop("click"), clicks.truth)


def make_needle(
    n_rows: int = 10_000,
    n_features: int = 100,
    order: int = 1,
    random_state: int | np.random.RandomState | None = None,
) -> Synthetic:
    """A needle in a haystack: a target made up of one, two or three columns.

    The benchmarks of OutRank. Columns f0, f1, … are whole numbers, uniform from 10 to
    99. By `order` the target is

    1. f30, but 0 where that is below 20; and f31 becomes 19 times the target;
    2. f30 + f50;
    3. f20 + f30 + f50.

    Sums below 20 become 0 too, but there are none. The terms of a sum tell of it one by
    one as well, so the truth has them under ``main``, and together under ``pairs``.

    In the released generators the target of order 1 is a *view* of its column: zeros
    written into the one are in the other, and the feature *is* the target (so it is for
    ``--task data_generator``, where both are f30 >= 40). Here it is a copy: f30 keeps
    its 90 values, of which the target has 81.

    Parameters
    ----------
    n_rows : int, default=10_000
    n_features : int, default=100
        At least 32 for order 1, and 51 for orders 2 and 3.
    order : {1, 2, 3}, default=1
    random_state : int, RandomState or None

    Returns
    -------
    Synthetic
        ``X`` and ``y``, "target", are int32.

    Raises
    ------
    ValueError
        For another order, no rows, or too few columns.

    Examples
    --------
    >>> from featurekit.datasets import make_needle
    >>> data = make_needle(order=2, random_state=0)
    >>> bool((data.y == data.X["f30"] + data.X["f50"]).all())
    True
    """
    import pandas as pd

    if order not in (1, 2, 3):
        raise ValueError(f"order={order!r}: give 1, 2 or 3.")
    terms = [30] if order == 1 else [30, 50] if order == 2 else [20, 30, 50]
    _check("n_rows", n_rows, Integral, 1)
    _check("n_features", n_features, Integral, max(31, *terms) + 1)
    rng = np.random.default_rng(_seed(random_state))
    codes = rng.integers(10, 100, (n_features, n_rows), dtype=np.int32)
    target = codes[terms].sum(axis=0, dtype=np.int32)
    target[target < 20] = 0
    sizes = [90] * n_features
    if order == 1:
        codes[31] = 19 * target
        sizes[31] = 81
        truth = _truth(sizes, main=[30, 31], together=[])
    else:
        truth = _truth(sizes, main=terms, together=[terms])
    return _in_memory(codes, pd.Series(target, name="target"), truth)


def make_mixed(
    n_rows: int = 100_000,
    n_features: int = 100,
    random_state: int | np.random.RandomState | None = None,
) -> Synthetic:
    """Ten columns that matter, of a few values to tens of thousands, among noise.

    Cardinalities K go from 2 to 100,000 in even steps of the logarithm; values are the
    whole part of ``K * u ** 2`` for uniform u. Ten columns, spread evenly but for the
    last seven of noise, have effects per value on the logit of a click, drawn from
    N(0, 0.6²). A pair of others adds 0.8 where the parities of its values differ and
    takes 0.8 off where they do not. As low values are likelier, so are even ones: each
    column of the pair tells a little by itself, unlike those of `make_ctr`. The
    intercept is -1.

    Parameters
    ----------
    n_rows : int, default=100_000
    n_features : int, default=100
        At least 28.
    random_state : int, RandomState or None

    Returns
    -------
    Synthetic
        ``X`` is int32, ``y``, "click", int8.

    Raises
    ------
    ValueError
        For no rows, or too few columns.

    Examples
    --------
    >>> from featurekit.datasets import make_mixed
    >>> data = make_mixed(1000, random_state=0)
    >>> data.truth.main[:3], data.truth.pairs
    (('f2', 'f12', 'f22'), (('f13', 'f23'),))
    """
    import pandas as pd
    from scipy.special import expit

    _check("n_rows", n_rows, Integral, 1)
    _check("n_features", n_features, Integral, 28)  # or some have two roles
    rng = np.random.default_rng(_seed(random_state))
    sizes = np.geomspace(2, 100_000, n_features).round().astype(int).tolist()
    main = np.linspace(2, n_features - 8, 10).astype(int).tolist()
    pair = [main[1] + 1, main[2] + 1]
    codes = np.empty((n_features, n_rows), np.int32)
    for j, size in enumerate(sizes):
        codes[j] = size * rng.random(n_rows) ** 2
    logit = np.full(n_rows, -1.0)
    for j in main:
        logit += rng.normal(0, 0.6, sizes[j])[codes[j]]
    logit -= 0.8 * _agreement(*codes[pair])
    click = (rng.random(n_rows) < expit(logit)).astype(np.int8)
    truth = replace(_truth(sizes, main, together=[pair]), intercept=-1.0)
    return _in_memory(codes, pd.Series(click, name="click"), truth)


@dataclass
class _Clicks:
    """The distribution that `make_ctr` draws from, and its rows chunk by chunk."""

    truth: Truth
    seed: int
    n_rows: int
    click_rate: float
    text: bool
    zipf: float
    effect: float
    pair_effect: float
    missing: float
    noise: float
    drift: float

    def __post_init__(self) -> None:
        truth, sizes = self.truth, self.truth.cardinalities
        paired = [name for pair in truth.pairs for name in pair]
        self.cumulative = {
            name: _cumulative(size, self.zipf, twins=name in paired)
            for name, size in sizes.items()
        }
        rng = self._rng(_EFFECTS)
        self.effects = {
            name: rng.normal(0, self.effect, sizes[name]) for name in truth.main
        }
        rng = self._rng(_INTERCEPT)
        planted = (*truth.main, *paired)
        sample = {name: self._draw(name, rng, CHUNK) for name in planted}
        self.intercept = _intercept(self._logit(sample, CHUNK), self.click_rate)
        self.truth = replace(truth, intercept=self.intercept)

    def _rng(self, *purpose: int) -> np.random.Generator:
        """One stream for each purpose and chunk, so that options do not interfere."""
        seeds = np.random.SeedSequence(self.seed, spawn_key=purpose)
        return np.random.default_rng(seeds)

    def _draw(self, name: str, rng: np.random.Generator, n: int) -> Codes:
        """Values; of a pair column with an odd number of them up to one too many."""
        cumulative = self.cumulative[name]
        return np.searchsorted(cumulative, rng.random(n), side="right").astype(np.int32)

    def _logit(self, values: dict[str, Codes], n: int) -> Floats:
        """The logit without its intercept."""
        logit = np.zeros(n)
        for name, effects in self.effects.items():
            logit += effects[values[name]]
        for a, b in self.truth.pairs:
            logit += self.pair_effect * _agreement(values[a], values[b])
        return logit

    def chunk(self, index: int) -> pa.Table:
        """Rows from ``index * CHUNK`` on."""
        import pyarrow as pa
        from scipy.special import expit

        rows = np.arange(index * CHUNK, min((index + 1) * CHUNK, self.n_rows))
        n = len(rows)
        rng = self._rng(_ROWS, index)
        values = {name: self._draw(name, rng, n) for name in self.cumulative}
        chance = expit(self.intercept + self._logit(values, n))
        click = rng.random(n) < chance
        rng = self._rng(_NOISE, index)
        if self.noise:
            anew = rng.random(n) < self.noise
            click[anew] = rng.random(anew.sum()) < self.click_rate
        rng = self._rng(_DRIFT, index)
        for name in self.truth.drifting:
            moved = rng.random(n) < self.drift * rows / max(self.n_rows - 1, 1)
            size = self.truth.cardinalities[name]
            values[name][moved] = (values[name][moved] + size // 2) % size
        rng = self._rng(_MISSING, index)
        arrays = []
        for name, size in self.truth.cardinalities.items():
            absent = rng.random(n) < self.missing if self.missing else None
            # an odd number of values is one short of twins: the last is both of them
            codes = pa.array(np.minimum(values.pop(name), size - 1), mask=absent)
            arrays.append(_as_text(codes) if self.text else codes)
        if self.drift:
            arrays.append(pa.array((rows * N_DAYS // self.n_rows).astype(np.int8)))
        arrays.append(pa.array(click.astype(np.int8)))
        return pa.Table.from_arrays(arrays, schema=self.schema)

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types, with what pandas needs to find its own types again."""
        import pandas as pd
        import pyarrow as pa

        kind = "str" if self.text else "Int32" if self.missing else "int32"
        kinds = dict.fromkeys(self.truth.cardinalities, kind)
        if self.drift:
            kinds["day"] = "int8"
        kinds["click"] = "int8"
        empty = pd.DataFrame({name: pd.Series(dtype=t) for name, t in kinds.items()})
        return pa.Schema.from_pandas(empty, preserve_index=False)

    def frame(self) -> pd.DataFrame:
        """All rows, as they would be read from files."""
        import pyarrow as pa

        chunks = map(self.chunk, range(-(-self.n_rows // CHUNK)))
        return pa.concat_tables(chunks).to_pandas()

    def write(self, folder: Path, rows_per_file: int) -> Iterator[Path]:
        """Write all rows to files, and name each once it is closed."""
        from pyarrow.parquet import ParquetWriter

        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.glob("part-*.parquet")):
            raise FileExistsError(
                f"{folder} has part files already: empty it or give another folder."
            )
        chunk = lru_cache(maxsize=1)(self.chunk)  # a file may end within one
        for number, first in enumerate(range(0, self.n_rows, rows_per_file)):
            last = min(first + rows_per_file, self.n_rows)
            path = folder / f"part-{number:05d}.parquet"
            with (
                replacing(path) as temporary,
                ParquetWriter(temporary, self.schema, compression="zstd") as writer,
            ):
                for index in range(first // CHUNK, -(-last // CHUNK)):
                    start = max(first - index * CHUNK, 0)
                    stop = min(last - index * CHUNK, CHUNK)
                    writer.write_table(chunk(index).slice(start, stop - start))
            yield path


def _cumulative(size: int, exponent: float, twins: bool) -> Floats:
    """Cumulative Zipf probabilities; twins have a rank in common, and come in pairs."""
    ranks = np.arange(size + size % 2) // 2 if twins else np.arange(size)
    total = np.cumsum((ranks + 1.0) ** -exponent)
    return total / total[-1]


def _agreement(a: Codes, b: Codes) -> Codes:
    """1 where the parities are the same, -1 where they differ."""
    return 1 - 2 * ((a ^ b) & 1)


def _intercept(logit: Floats, rate: float) -> float:
    """The number to add for a mean probability of `rate`."""
    from scipy.optimize import brentq
    from scipy.special import expit
    from scipy.special import logit as inverse

    # rounding may put the root of a constant logit on either side
    low, high = inverse(rate) - logit.max() - 1, inverse(rate) - logit.min() + 1
    return float(brentq(lambda b: expit(b + logit).mean() - rate, low, high))


def _as_text(codes: pa.Array) -> pa.Array:
    """Each number after a v, or CSV readers would take it for one."""
    import pyarrow as pa
    from pyarrow.compute import binary_join_element_wise

    kind = pa.large_string()
    v, nothing = pa.scalar("v", kind), pa.scalar("", kind)
    return binary_join_element_wise(v, codes.cast(kind), nothing)


def _sizes(cardinalities: Sequence[int] | None, n_features: int) -> list[int]:
    if cardinalities is None:
        return (2 * np.geomspace(1, 500_000, n_features).round().astype(int)).tolist()
    if len(cardinalities) != n_features:
        raise ValueError(
            f"cardinalities has {len(cardinalities)} numbers for "
            f"n_features={n_features}: give one for each column."
        )
    for size in cardinalities:
        _check("cardinalities", size, Integral, 2, MAX_CARDINALITY)
    return [int(size) for size in cardinalities]


def _roles(sizes: Sequence[int], n_main: int, n_pairs: int, drifts: bool) -> Truth:
    """Which columns do what: main over all cardinalities, pairs over the lower half."""
    if n_main + 2 * n_pairs >= len(sizes):
        raise ValueError(
            f"n_features={len(sizes)} leaves no column of noise beside n_main={n_main} "
            f"and n_pairs={n_pairs} of two: give {n_main + 2 * n_pairs + 1} or more."
        )
    free = np.argsort(sizes, kind="stable").tolist()
    main = _spread(free, n_main)
    free = [j for j in free if j not in main]
    paired = _spread(free[: max(2 * n_pairs, len(free) // 2)], 2 * n_pairs)
    pairs = list(zip(paired[:n_pairs], paired[n_pairs:], strict=True))
    truth = _truth(sizes, main, pairs)
    return replace(truth, drifting=truth.noise[::3] if drifts else ())


def _spread(items: Sequence[int], n: int) -> list[int]:
    """The middles of n equal parts."""
    return [items[(2 * i + 1) * len(items) // (2 * n)] for i in range(n)]


def _truth(
    sizes: Sequence[int], main: Sequence[int], together: Sequence[Sequence[int]]
) -> Truth:
    """The truth in names, and noise what has no part in it."""
    planted = {*main, *(j for columns in together for j in columns)}
    return Truth(
        main=tuple(f"f{j}" for j in main),
        pairs=tuple(tuple(f"f{j}" for j in columns) for columns in together),
        noise=tuple(f"f{j}" for j in range(len(sizes)) if j not in planted),
        cardinalities={f"f{j}": size for j, size in enumerate(sizes)},
    )


def _in_memory(columns: Codes, y: pd.Series, truth: Truth) -> Synthetic:
    """A data set from an array of shape (n_columns, n_rows)."""
    import pandas as pd

    X = pd.DataFrame(dict(zip(truth.cardinalities, columns, strict=True)))
    return Synthetic(X, y, truth)


def _seed(random_state: int | np.random.RandomState | None) -> int:
    from sklearn.utils import check_random_state

    return int(check_random_state(random_state).randint(2**63 - 1, dtype=np.int64))


def _check(name: str, value: Any, kind: Any, least: float, most: float = inf) -> None:
    if not isinstance(value, kind) or not least <= value <= most or value == inf:
        what = "whole number" if kind is Integral else "number"
        limit = f"from {least} to {most}" if most < inf else f"of at least {least}"
        raise ValueError(f"{name} is {value!r}: give a {what} {limit}.")
