"""Distance correlation: 0 for independent variables, and for those alone.

Pairs of single columns take O(n log n) time, classes included; several columns as one
variable take O(n^2) time. Memory is O(n) throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray

from featurekit.data.frames import open_frame
from featurekit.execution.local import run_threads
from featurekit.statistics import distance_input as given
from featurekit.statistics import distance_variables as of

Floats = NDArray[np.float64]

# correlations closer to 1 are 1
_ROUNDING = 1e-13


@dataclass(frozen=True)
class DistanceTest:
    """What a test of independence gave.

    Attributes
    ----------
    statistic : float
        The bias-corrected distance correlation.
    p_value : float
    """

    statistic: float
    p_value: float


def distance_correlation(
    x: Any,
    y: Any,
    *,
    bias_corrected: bool = False,
    affine_invariant: bool = False,
    sample_weight: Any = None,
) -> float:
    """Distance correlation of two variables.

    Parameters
    ----------
    x, y : array-like or series (n,), or array-like or frame of numbers (n, p)
        Numbers, or labels (strings, booleans, categories), any two of which are
        equally far apart. Whole numbers are numbers. Several columns are one variable
        of points with Euclidean distances.
    bias_corrected : bool, default=False
        The estimate without the positive bias of small samples, which is 0 on average
        for independent variables and not a square root.
    affine_invariant : bool, default=False
        Centre each variable and multiply it by the pseudo-inverse square root of its
        covariance first; labels are one-hot encoded for that. Changes nothing for a
        single column of numbers.
    sample_weight : array-like (n,), optional
        How often each row counts.

    Returns
    -------
    float
        In [0, 1], or in [-1, 1] if bias-corrected; 0 if a variable is constant.

    Raises
    ------
    ValueError
        For fewer than 2 rows (4 if bias-corrected), missing or infinite values, or
        weights that are no counts.

    Notes
    -----
    Linear in n log n for single columns, quadratic in n for points.

    References
    ----------
    Székely, Rizzo and Bakirov (2007), Measuring and testing dependence by correlation
    of distances, Annals of Statistics 35 (6), doi:10.1214/009053607000000505. Székely
    and Rizzo (2014), Partial distance correlation with methods for dissimilarities,
    Annals of Statistics 42 (6), doi:10.1214/14-AOS1255: the bias-corrected form. Huo
    and Székely (2016), Fast computing for distance covariance, Technometrics 58 (4),
    doi:10.1080/00401706.2015.1054435.

    Examples
    --------
    >>> import numpy as np
    >>> from featurekit.statistics import distance_correlation
    >>> x = np.linspace(-1, 1, 101)
    >>> round(distance_correlation(x, x**2), 3)
    0.492
    >>> round(distance_correlation(x, -3 * x), 3)
    1.0
    """
    sample, arrays = _arrays([("x", x), ("y", y)], sample_weight, bias_corrected,
                             affine_invariant)  # fmt: skip
    return _of_two(sample, arrays)


def partial_distance_correlation(
    x: Any, y: Any, z: Any, *, sample_weight: Any = None
) -> float:
    """Distance correlation of two variables with a third one taken out of both.

    Parameters
    ----------
    x, y, z : array-like or series (n,), or array-like or frame of numbers (n, p)
        As in `distance_correlation`.
    sample_weight : array-like (n,), optional
        How often each row counts.

    Returns
    -------
    float
        In [-1, 1]. 0 does not say that x and y are independent given z.

    Raises
    ------
    ValueError
        As in `distance_correlation`, bias-corrected.

    References
    ----------
    Székely and Rizzo (2014), Partial distance correlation with methods for
    dissimilarities, Annals of Statistics 42 (6), doi:10.1214/14-AOS1255.

    Examples
    --------
    >>> import numpy as np
    >>> from featurekit.statistics import partial_distance_correlation
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=1000)
    >>> x, y = z + rng.normal(size=(2, 1000))
    >>> abs(partial_distance_correlation(x, y, z)) < 0.05
    True
    """
    sample, arrays = _arrays([("x", x), ("y", y), ("z", z)], sample_weight, True)
    u, v, w = _variables(sample, arrays)
    xy, xz, yz = of.correlation(u, v), of.correlation(u, w), of.correlation(v, w)
    if max(abs(xz), abs(yz)) > 1 - _ROUNDING:
        return 0.0  # nothing is left of x or y
    left = math.sqrt((1 - xz) * (1 + xz)) * math.sqrt((1 - yz) * (1 + yz))
    return min(max((xy - xz * yz) / left, -1.0), 1.0)


def distance_correlations(
    X: Any,
    y: Any,
    *,
    bias_corrected: bool = False,
    discrete_features: given.Discrete = "auto",
    discrete_target: Literal["auto"] | bool = "auto",
    class_distance: Literal["equal", "chi2"] = "equal",
    sample_weight: Any = None,
    n_jobs: int | None = None,
) -> Floats:
    """Distance correlation of each column with one target.

    What of the target alone is needed is computed once.

    Parameters
    ----------
    X : frame, array-like (n, d) or mapping of arrays (n,)
        Columns of numbers or labels.
    y : array-like or series (n,)
    bias_corrected : bool, default=False
        As in `distance_correlation`.
    discrete_features : {"auto"}, bool, mask (d,) or indices, default="auto"
        Which columns hold classes, any two of which are equally far apart. "auto":
        those of strings, booleans and categories.
    discrete_target : {"auto"} or bool, default="auto"
        Whether ``y`` holds classes.
    class_distance : {"equal", "chi2"}, default="equal"
        Any two classes of ``y`` are equally far apart; or two that make up p and q of
        the rows 1/p + 1/q, the square of the chi-squared distance of correspondence
        analysis. The first is blind to a class of few rows, which counts by the square
        of its share; with the second it counts by its share, as in an analysis of
        variance. Of two classes, or of many of one size, they are the same; for a
        target of numbers they say nothing.
    sample_weight : array-like (n,), optional
        How often each row counts.
    n_jobs : int, optional
        Threads; -1 for all cores. The result does not depend on it.

    Returns
    -------
    float64 array (d,)

    Raises
    ------
    ValueError
        As in `distance_correlation`.

    Examples
    --------
    >>> import numpy as np
    >>> from featurekit.statistics import distance_correlations
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3))
    >>> distance_correlations(X, X[:, 1] ** 2).argmax()
    np.int64(1)
    """
    out = np.empty(len(open_frame(X).columns))

    def work(j: int, column: Any, target: Any) -> None:
        out[j] = of.correlation(column, target)

    _each_column(
        work, X, y, bias_corrected, discrete_features, discrete_target, class_distance,
        sample_weight, n_jobs,
    )  # fmt: skip
    return out


def distance_permutation_pvalues(
    X: Any,
    y: Any,
    *,
    n_permutations: int = 999,
    discrete_features: given.Discrete = "auto",
    discrete_target: Literal["auto"] | bool = "auto",
    class_distance: Literal["equal", "chi2"] = "equal",
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
) -> Floats:
    """Test each column for independence of one target by orders of its rows.

    Parameters
    ----------
    X, y, discrete_features, discrete_target, class_distance, n_jobs
        As in `distance_correlations`.
    n_permutations : int, default=999
        Random orders of the rows of ``y``, which are others for each column.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    float64 array (d,)
        The share of the orders, the given one included, in which the bias-corrected
        correlation is as large.

    Raises
    ------
    ValueError
        As in `distance_correlation`, bias-corrected.

    Examples
    --------
    >>> import numpy as np
    >>> from featurekit.statistics import distance_permutation_pvalues
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> y = X[:, 1] ** 2
    >>> p = distance_permutation_pvalues(X, y, n_permutations=199, random_state=0)
    >>> (p < 0.01).tolist()
    [False, True, False]
    """
    out = np.empty(len(open_frame(X).columns))
    draw_seeds = _drawing(n_permutations, random_state)
    seeds = draw_seeds.randint(2**31 - 1, size=len(out))

    def work(j: int, column: Any, target: Any) -> None:
        draw = np.random.default_rng(seeds[j])
        reached = _reached(column, target, n_permutations, draw)
        out[j] = (1 + reached) / (1 + n_permutations)

    _each_column(
        work, X, y, True, discrete_features, discrete_target, class_distance, None,
        n_jobs,
    )  # fmt: skip
    return out


def _each_column(
    work: Callable[[int, Any, Any], None],
    X: Any,
    y: Any,
    bias_corrected: bool,
    discrete_features: given.Discrete,
    discrete_target: Literal["auto"] | bool,
    class_distance: str,
    sample_weight: Any,
    n_jobs: int | None,
) -> None:
    """Call ``work`` with each column's number, the column and the target, in order."""
    frame = open_frame(X)
    if not isinstance(discrete_target, bool | np.bool_) and discrete_target != "auto":
        raise ValueError(
            f"discrete_target={discrete_target!r}: use 'auto', True or False"
        )
    if class_distance not in ("equal", "chi2"):
        raise ValueError(f"class_distance={class_distance!r}: use 'equal' or 'chi2'")
    which = given.read_discrete(discrete_features, len(frame.columns))
    labels = given.read_target(y, discrete_target)
    if len(labels) != frame.n_rows:
        raise ValueError(f"X has {frame.n_rows} rows, y has {len(labels)}")
    sample, keep = given.read_sample(frame.n_rows, sample_weight, bias_corrected)
    target = _variable(
        labels if keep is None else labels[keep], sample, class_distance == "chi2"
    )
    if isinstance(target, of.Line):
        target.rank, target.row_sums  # noqa: B018, before threads ask for them

    def one(j: int) -> None:
        name = f"column {frame.names[j]!r} of X"
        values = given.read_column(frame.columns[j], name, which[j])
        column = _variable(values if keep is None else values[keep], sample)
        work(j, column, target)

    run_threads(one, range(len(frame.columns)), max(1, effective_n_jobs(n_jobs)))


def distance_correlation_pvalue(r: float, n: float) -> float:
    """Probability under independence, bounded by the chi-square test.

    Parameters
    ----------
    r : float
        Bias-corrected distance correlation.
    n : float
        Rows, or the sum of weights that count them.

    Returns
    -------
    float
        That a chi-square variable of one degree of freedom is at least ``n r + 1``.

    Notes
    -----
    For large n and rates of error up to about 0.05 the test is valid whatever the
    distributions, and somewhat conservative. Far below, as in a correction for many
    columns, it is not where little of the sample decides: a sparse or heavy-tailed
    column, a class of few rows. `distance_permutation_pvalues` is valid at any rate.

    References
    ----------
    Shen, Panda and Vogelstein (2022), The chi-square test of distance correlation,
    Journal of Computational and Graphical Statistics 31 (1), arXiv:1912.12150.

    Examples
    --------
    >>> from featurekit.statistics import distance_correlation_pvalue
    >>> round(distance_correlation_pvalue(0.0285, 100), 4)
    0.0497
    """
    if not n > 0:
        raise ValueError(f"n={n}: the number of rows is above 0")
    if not -1 <= r <= 1:
        raise ValueError(f"r={r}: a bias-corrected correlation lies in [-1, 1]")
    # the chi-square variable is the square of a normal one
    return math.erfc(math.sqrt(max(n * r + 1, 0.0) / 2))


def distance_correlation_test(
    x: Any,
    y: Any,
    *,
    method: Literal["chi2", "permutation"] = "chi2",
    n_permutations: int = 999,
    random_state: int | np.random.RandomState | None = None,
    sample_weight: Any = None,
) -> DistanceTest:
    """Test of independence by the bias-corrected distance correlation.

    Parameters
    ----------
    x, y : array-like or series (n,), or array-like or frame of numbers (n, p)
        As in `distance_correlation`.
    method : {"chi2", "permutation"}, default="chi2"
        The closed form of `distance_correlation_pvalue`, or the share of random orders
        of the rows of ``y`` that give as much.
    n_permutations : int, default=999
    random_state : int, RandomState or None, default=None
        Of the orders.
    sample_weight : array-like (n,), optional
        How often each row counts; whole numbers for permutations.

    Returns
    -------
    DistanceTest

    Raises
    ------
    ValueError
        As in `distance_correlation`, bias-corrected.

    Examples
    --------
    >>> import numpy as np
    >>> from featurekit.statistics import distance_correlation_test
    >>> x = np.linspace(-1, 1, 100)
    >>> distance_correlation_test(x, x**2).p_value < 1e-4
    True
    >>> test = distance_correlation_test(x, x**2, method="permutation", random_state=0)
    >>> test.p_value
    0.001
    """
    if method not in ("chi2", "permutation"):
        raise ValueError(f"method={method!r}: use 'chi2' or 'permutation'")
    pair = [("x", x), ("y", y)]
    if method == "chi2":
        sample, arrays = _arrays(pair, sample_weight, True)
        r = _of_two(sample, arrays)
        return DistanceTest(r, distance_correlation_pvalue(r, sample.n_total))
    draw = _drawing(n_permutations, random_state)
    sample, arrays = _arrays(pair, sample_weight, True, repeat=True)
    r = _of_two(sample, arrays)
    u, v = _variables(sample, arrays)
    reached = _reached(u, v, n_permutations, draw)
    return DistanceTest(r, (1 + reached) / (1 + n_permutations))


def _drawing(n_permutations: int, random_state: Any) -> Any:
    """Where orders are drawn from, if there are any to draw."""
    from sklearn.utils import check_random_state

    if n_permutations < 1:
        raise ValueError(f"n_permutations={n_permutations}: at least 1 is needed")
    return check_random_state(random_state)


def _reached(u: Any, v: Any, n_permutations: int, draw: Any) -> int:
    """Of so many orders of the rows of ``v``, those that give as much as this one."""
    both, of_x, of_y = of.covariance(u, v)
    # orders that give the same sums in another order count as well
    least = both - 1e-12 * math.sqrt(of_x) * math.sqrt(of_y)
    return sum(
        of.covariance(u, v.permuted(draw.permutation(u.sample.n_rows)))[0] >= least
        for _ in range(n_permutations)
    )


def _variable(values: NDArray[Any], sample: of.Sample, rare: bool = False) -> Any:
    """A column in order, or of two classes, which need none."""
    if values.dtype == np.float64:
        # two numbers have one distance, and correlations do not depend on its length
        codes = of.two_values(values)
        if codes is None:
            return of.make_line(values, sample)
        values = codes
    return of.make_classes(values, sample, rare)


def _variables(sample: of.Sample, arrays: list[Any]) -> list[Any]:
    """Arrays as variables, all of points if one is."""
    if all(array.ndim == 1 for array in arrays):
        return [_variable(array, sample) for array in arrays]
    return [
        of.points_of_classes(of.make_classes(array, sample))
        if array.dtype != np.float64
        else of.make_points(array.reshape(sample.n_rows, -1), sample)
        for array in arrays
    ]


def _of_two(sample: of.Sample, arrays: list[Any]) -> float:
    """Correlation of two variables that are not needed afterwards."""
    if any(array.ndim > 1 or array.dtype != np.float64 for array in arrays):
        return of.correlation(*_variables(sample, arrays))
    codes = [of.two_values(array) for array in arrays]
    if codes[0] is None and codes[1] is None:
        first, second = of.make_lines(arrays[0], arrays[1], sample)
        return of.correlation(second, first)
    x, y = (
        of.make_line(array, sample) if code is None else of.make_classes(code, sample)
        for array, code in zip(arrays, codes, strict=True)
    )
    return of.correlation(x, y)


def _arrays(
    named: list[tuple[str, Any]],
    sample_weight: Any,
    bias_corrected: bool,
    affine_invariant: bool = False,
    repeat: bool = False,
) -> tuple[of.Sample, list[Any]]:
    """Arguments as arrays of the rows of one sample."""
    arrays: list[Any] = [given.read_variable(values, name) for name, values in named]
    n = len(arrays[0])
    for array, (name, _) in zip(arrays, named, strict=True):
        if len(array) != n:
            raise ValueError(f"{named[0][0]} has {n} rows, {name} has {len(array)}")
    sample, keep = given.read_sample(n, sample_weight, bias_corrected)
    if keep is not None:
        arrays = [array[keep] for array in arrays]
    if repeat and len(sample.times):
        times = sample.times.astype(np.int64)
        if (times != sample.times).any():
            raise ValueError(
                "sample_weight has fractions: rows are put in another order as often "
                "as they count. Use method='chi2', or whole weights."
            )
        arrays = [array.repeat(times, axis=0) for array in arrays]
        sample, _ = given.read_sample(len(arrays[0]), None, bias_corrected)
    if affine_invariant:
        arrays = [_whitened(array, sample) for array in arrays]
    return sample, arrays


def _whitened(array: NDArray[Any], sample: of.Sample) -> Any:
    if array.ndim == 1 and array.dtype == np.float64:
        return array
    if array.ndim == 1:
        if len(np.unique(array)) <= 2:
            return array  # one distance, however long
        array = np.eye(int(array.max()) + 1)[array]
    return of.whiten(array, sample)
