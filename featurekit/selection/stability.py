"""StabilitySelection: what a selector keeps choosing, whichever rows it sees."""

from __future__ import annotations

import threading
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, RealNotInt, StrOptions
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import has_fit_parameter

from featurekit.data import take_rows
from featurekit.exceptions import warn
from featurekit.execution.budget import Budget
from featurekit.execution.local import run_threads
from featurekit.execution.progress import Progress, logger
from featurekit.fitting.transformer import fit_context
from featurekit.selection.base import Floats, Ints, Rows, Selector
from featurekit.selection.resampling import draw, refuse_one_class

HOW_MANY = ("n_features_to_select", "k", "max_features")
"""Names under which selectors, here and in scikit-learn, are told how many to keep."""


class StabilitySelection(Selector):
    """Run a selector on many resamples, and keep what it chooses in most of them.

    A column that is chosen whichever half of the rows is looked at is no accident of
    the sample. How many false ones may be expected among those kept is bounded, given
    how many the selector chooses each time.

    Parameters
    ----------
    selector : estimator with ``get_support``
        Any selector, of this library or of scikit-learn; it is cloned for each resample
        and gets its rows in the kind of frame that came in.
    threshold : float or "auto", default=0.6
        Share of the resamples that a column has to be chosen in. "auto" works it out
        from ``expected_false_positives`` and the number of columns that the selector
        chooses.
    expected_false_positives : float or None, default=None
        How many columns that tell nothing may be expected among those kept. With a
        threshold that is a number, the most columns that the selector may choose is
        worked out, and set as its ``n_features_to_select``, ``k`` or ``max_features``.
    n_features_to_select : int, float or None, default=None
        Keep so many of the most often chosen, or such a share of all, and not what
        reaches the threshold. Columns chosen equally often are in the order of their
        mean rank in the selectors, where these rank. With ``groups`` it counts groups.
    n_resamples : int, default=100
        Fits of the selector.
    sample_fraction : float, default=0.5
        Of the rows, in each resample, without replacement. Classes keep their shares.
    complementary_pairs : bool, default=True
        Draw resamples in pairs without a common row.
    groups : None, list of labels, or list of lists, default=None
        Columns that are kept or dropped together: chosen is a group of which the
        selector chooses a column.
    task : {"auto", "classification", "regression", "binary", "multiclass"}, \
default="auto"
        Whether resamples keep the shares of classes.
    n_jobs : int or None, default=None
        Threads over resamples. The result does not depend on it.
    random_state : int, RandomState or None, default=None
        Draws the resamples, and seeds every ``random_state`` within the selector that
        is None.
    verbose : int, default=0
        1 shows progress.
    time_budget : float or None, default=None
        Seconds after which no more resamples are begun; at least one is finished.
        Ctrl-C does the same.
    output_format : {"codes", "category", "onehot", "input"}, default="codes"
        Form of the columns that ``transform`` returns; see `OpenFE`.

    Attributes
    ----------
    selection_probabilities_ : float64 array (d,)
        Share of the resamples in which each column was chosen.
    threshold_ : float
        What a column had to reach; with ``n_features_to_select``, what the last one
        kept did reach.
    error_bound_ : float
        q^2 / ((2 threshold - 1) p): the most columns that tell nothing to be expected
        among those kept (see Notes). Infinite at a threshold of 0.5 or below, NaN where
        resamples are more than half of the rows.
    average_selected_ : float
        q, the mean number of columns (or groups) that the selector chose.
    n_resamples_ : int
        Resamples that were counted.
    stopped_ : str
        Why there are fewer than asked for, "" otherwise.
    scores_ : float64 array (d,)
        The probabilities; with ``groups`` those of the groups.
    ranking_, order_, support_, n_features_to_select_
        As of all selectors here.
    classes_ : ndarray
        For classification.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Notes
    -----
    The bound of Meinshausen and Bühlmann counts as false what tells nothing of the
    target, and assumes that such columns are exchangeable and that the selector is no
    worse than chance. Shah and Samworth need neither: with pairs, the same number
    bounds how many columns are kept that the selector chooses from half of the rows
    with a probability below q / p. p counts the columns that vary. With a time budget
    that cuts pairs short, the bound is that of the resamples counted.

    A selector that takes one of several columns that say the same takes now this one,
    now that, and none of them may be kept: put them into one of ``groups``, or let the
    selector judge each column by itself (``DisCo(redundancy_penalty=0)``).

    Whether the scale of weights, the order of the columns or a further column change
    the result depends on the selector.

    Deliberate differences:

    - Any selector will do, in place of the Lasso with random penalties.
    - Resamples of classes are stratified; rows of one of ``fit``'s ``groups`` are drawn
      together, so that a resample has a share of the groups.
    - Rows are drawn, not weights: two equal rows of weight 1 may be drawn apart, one of
      weight 2 may not.

    References
    ----------
    Meinshausen and Bühlmann, "Stability Selection", Journal of the Royal Statistical
    Society B 72(4), 2010, arXiv 0809.2932.

    Shah and Samworth, "Variable Selection with Error Control: Another Look at Stability
    Selection", Journal of the Royal Statistical Society B 75(1), 2013, arXiv 1105.5578.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.feature_selection import SelectKBest, f_regression
    >>> from featurekit.selection import StabilitySelection
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 50))
    >>> y = X[:, 3] + X[:, 7] + rng.normal(size=200)
    >>> stable = StabilitySelection(SelectKBest(f_regression, k=4), random_state=0)
    >>> stable.fit(X, y).get_support(indices=True).tolist()
    [3, 7]
    >>> round(stable.error_bound_, 2)
    1.6
    """

    _parameter_constraints: dict[str, Any] = {
        "selector": [HasMethods(["fit", "get_support"])],
        "threshold": [Interval(Real, 0, 1, closed="right"), StrOptions({"auto"})],
        "expected_false_positives": [Interval(Real, 0, None, closed="neither"), None],
        "n_features_to_select": [
            Interval(RealNotInt, 0, 1, closed="right"),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "n_resamples": [Interval(Integral, 1, None, closed="left")],
        "sample_fraction": [Interval(Real, 0, 1, closed="neither")],
        "complementary_pairs": ["boolean"],
        "time_budget": [Interval(Real, 0, None, closed="left"), None],
    } | {
        name: Selector._shared_constraints[name]
        for name in (
            "groups",
            "task",
            "n_jobs",
            "random_state",
            "verbose",
            "output_format",
        )
    }

    def __init__(
        self,
        selector: Any,
        *,
        threshold: float | str = 0.6,
        expected_false_positives: float | None = None,
        n_features_to_select: int | float | None = None,
        n_resamples: int = 100,
        sample_fraction: float = 0.5,
        complementary_pairs: bool = True,
        groups: Any = None,
        task: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        time_budget: float | None = None,
        output_format: str = "codes",
    ) -> None:
        self.selector = selector
        self.threshold = threshold
        self.expected_false_positives = expected_false_positives
        self.n_features_to_select = n_features_to_select
        self.n_resamples = n_resamples
        self.sample_fraction = sample_fraction
        self.complementary_pairs = complementary_pairs
        self.groups = groups
        self.task = task
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.time_budget = time_budget
        self.output_format = output_format

    @property
    def _supervised(self) -> bool:  # type: ignore[override]
        return bool(get_tags(self.selector).target_tags.required)

    # -- fit -----------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, groups: Any = None
    ) -> StabilitySelection:
        """Fit the selector on every resample, and count.

        Parameters
        ----------
        X : frame or array of shape (n, d)
        y : array-like of shape (n,), optional
            As the selector needs it.
        sample_weight : array-like of shape (n,), optional
            Passed to the selector; rows of weight 0 are not drawn.
        groups : array-like of shape (n,), optional
            Rows to draw together; passed to a selector that takes them.

        Returns
        -------
        StabilitySelection
        """
        self._check_parameters()
        rows = self._read(X, y, sample_weight, groups)
        if isinstance(sample_weight, Real):
            sample_weight = None  # one weight for all rows is none
        passed = self._to_pass(sample_weight, groups)
        passed = {name: np.asarray(values) for name, values in passed.items()}
        if sample_weight is not None:
            present = np.flatnonzero(np.asarray(sample_weight) > 0)
            X = take_rows(X, present)
            passed = {name: values[present] for name, values in passed.items()}
        y = None if rows.target is None else rows.target.as_given()
        wanted = self._n_to_keep(rows.units.n_units)
        rng = check_random_state(self.random_state)
        drawn = draw(
            rows,
            int(self.n_resamples),
            float(self.sample_fraction),
            bool(self.complementary_pairs),
            rng.randint(np.iinfo(np.int32).max),
        )
        refuse_one_class(rows, drawn)
        seeds = rng.randint(np.iinfo(np.int32).max, size=len(drawn)).tolist()
        selector = _of_task(self._prepared(rows), rows)
        chosen = np.zeros((len(drawn), rows.units.n_units), bool)
        ranks = np.zeros(chosen.shape)
        done = np.zeros(len(drawn), bool)
        lock, config = threading.Lock(), get_config()

        def work(number: int) -> None:
            if number and budget.stopped():
                return
            at = drawn[number]
            with config_context(**config):  # each thread has one of its own
                fitted = _seeded(selector, seeds[number]).fit(
                    take_rows(X, at),
                    *(() if y is None else (y[at],)),
                    **{name: values[at] for name, values in passed.items()},
                )
            chosen[number], ranks[number] = _found(fitted, rows)
            with lock:
                done[number] = True
                step()

        with (
            Budget(self.time_budget) as budget,
            Progress(self, 1, budget, self.verbose) as progress,
            progress.phase("resamples", len(drawn)) as step,
        ):
            run_threads(work, range(len(drawn)), self._n_threads())
        self.stopped_ = budget.why if not done.all() else ""
        if self.stopped_:
            logger.info(
                "%s: %d of %d resamples are counted",
                self.stopped_,
                done.sum(),
                len(done),
            )
        self._decide(rows, chosen[done], ranks[done], wanted)
        return self

    def _check_parameters(self) -> None:
        if self.threshold == "auto" and self.expected_false_positives is None:
            raise ValueError(
                "threshold='auto' is worked out from expected_false_positives: give it"
            )
        if self.complementary_pairs and self.sample_fraction > 0.5:
            raise ValueError(
                f"sample_fraction={self.sample_fraction} leaves less than that for the "
                "other half of a pair: use at most 0.5, or complementary_pairs=False"
            )
        if self.expected_false_positives is None:
            return
        if self.sample_fraction > 0.5:
            raise ValueError(
                "expected_false_positives needs sample_fraction of at most 0.5: there "
                "is no bound for larger resamples"
            )
        if self.threshold != "auto" and float(self.threshold) <= 0.5:
            raise ValueError(
                f"threshold={self.threshold} bounds no errors: with "
                "expected_false_positives it has to be above 0.5"
            )

    def _to_pass(self, sample_weight: Any, groups: Any) -> dict[str, Any]:
        """What of ``fit``'s metadata goes to the selector."""
        given = {"sample_weight": sample_weight, "groups": groups}
        given = {name: value for name, value in given.items() if value is not None}
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **given)
            return {
                k: v for k, v in routed.selector.fit.items() if given.get(k) is not None
            }
        taken = {n: v for n, v in given.items() if has_fit_parameter(self.selector, n)}
        if sample_weight is not None and "sample_weight" not in taken:
            raise ValueError(
                f"sample_weight was given, but {type(self.selector).__name__} has no "
                "such argument of fit: leave it out, or use a selector that has it"
            )
        return taken

    def _n_to_keep(self, n_units: int) -> int | None:
        return None if self.n_features_to_select is None else self._n_to_select(n_units)

    def _prepared(self, rows: Rows) -> Any:
        """The selector to clone; told how many to choose, where that is worked out."""
        if self.expected_false_positives is None or self.threshold == "auto":
            return self.selector
        p = _n_varying(rows)
        margin = 2 * float(self.threshold) - 1
        q = int(np.sqrt(self.expected_false_positives * p * margin) + 1e-9)
        if q < 1:
            raise ValueError(
                f"expected_false_positives={self.expected_false_positives:g} at "
                f"threshold={self.threshold:g} leaves no column to choose of {p}: "
                f"allow {1 / (p * margin):.2g}, or raise the threshold"
            )
        known = self.selector.get_params(deep=False)
        name = next((name for name in HOW_MANY if name in known), None)
        if name is None:
            raise ValueError(
                f"{type(self.selector).__name__} cannot be told to choose {q} columns, "
                f"for it has none of the parameters {', '.join(HOW_MANY)}: use "
                "threshold='auto'"
            )
        return clone(self.selector).set_params(**{name: min(q, p)})

    # -- what is kept --------------------------------------------------------------

    def _decide(
        self,
        rows: Rows,
        chosen: NDArray[np.bool_],
        ranks: Floats,
        wanted: int | None,
    ) -> None:
        probability = chosen.mean(axis=0)
        p, q = _n_varying(rows), float(chosen.sum(axis=1).mean())
        order = np.lexsort((ranks.mean(axis=0), -probability))
        threshold = self.threshold
        if threshold == "auto":
            threshold = _threshold_for(q, p, self.expected_false_positives)
        # a share of resamples that equals the threshold but for rounding reaches it
        n_keep = int((probability >= float(threshold) - 1e-12).sum())
        if wanted is not None:
            n_keep, threshold = wanted, probability[order[wanted - 1]]
        self._keep(rows, probability, n_keep, order.tolist())
        self.threshold_ = float(threshold)
        self.selection_probabilities_ = self.scores_
        self.average_selected_ = q
        self.n_resamples_ = len(chosen)
        self.error_bound_ = (
            np.nan if self.sample_fraction > 0.5 else bound(q, p, self.threshold_)
        )
        if not n_keep:
            warn(
                f"no column is chosen in {self.threshold_:.3g} of the resamples; the "
                f"most often chosen one is in {probability.max():.3g}. Lower "
                "threshold, or set n_features_to_select.",
            )

    def get_metadata_routing(self) -> MetadataRouter:
        """What ``fit`` takes for itself, and what it passes on to the selector."""
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(selector=self.selector, method_mapping=mapping)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.selector).input_tags
        tags.input_tags.allow_nan = inner.allow_nan
        tags.input_tags.categorical = inner.categorical
        tags.input_tags.string = inner.string
        return tags


def bound(q: float, p: int, threshold: float) -> float:
    """The most false columns to expect: Meinshausen and Bühlmann's theorem 1.

    Parameters
    ----------
    q : float
        Columns chosen on average.
    p : int
        Columns there are.
    threshold : float
    """
    margin = 2 * threshold - 1
    return q * q / (margin * p) if margin > 1e-12 else np.inf


def _threshold_for(q: float, p: int, expected: float | None) -> float:
    """The threshold at which the bound is what is expected."""
    assert expected is not None
    threshold = (1 + q * q / (expected * p)) / 2
    if threshold > 1:
        raise ValueError(
            f"no threshold keeps the expected false positives below {expected:g} when "
            f"{q:.3g} of {p} columns are chosen each time: let the selector choose at "
            f"most {int(np.sqrt(expected * p))}, or allow {q * q / p:.3g}"
        )
    return threshold


def _of_task(selector: Any, rows: Rows) -> Any:
    """The selector, told the task of all rows: a resample may look like another one."""
    if rows.target is None:
        return selector
    task = "regression" if rows.target.task == "regression" else "classification"
    open_ = [
        name
        for name, value in selector.get_params().items()
        if name.split("__")[-1] == "task" and isinstance(value, str) and value == "auto"
    ]
    return clone(selector).set_params(**dict.fromkeys(open_, task))


def _n_varying(rows: Rows) -> int:
    return len(np.unique(rows.units.of_column[rows.varies]))


def _seeded(selector: Any, seed: int) -> Any:
    """A clone; whatever in it has no seed gets one."""
    cloned = clone(selector)
    without = [
        name
        for name, value in cloned.get_params(deep=True).items()
        if (name == "random_state" or name.endswith("__random_state")) and value is None
    ]
    return cloned.set_params(**dict.fromkeys(without, seed)) if without else cloned


def _found(fitted: Any, rows: Rows) -> tuple[NDArray[np.bool_], Floats]:
    """Which units a selector chose, and its rank of each; 0 where it does not rank."""
    of_column, n_units = rows.units.of_column, rows.units.n_units
    support = np.asarray(fitted.get_support())
    if support.shape != of_column.shape:
        raise ValueError(
            f"{type(fitted).__name__}.get_support() has {len(support)} entries for "
            f"{len(of_column)} columns"
        )
    chosen = np.zeros(n_units, bool)
    chosen[of_column[support]] = True
    ranks: Ints | Floats = np.zeros(len(of_column))
    if hasattr(fitted, "ranking_"):
        ranks = np.asarray(fitted.ranking_)
    elif hasattr(fitted, "scores_"):
        scores = np.nan_to_num(fitted.scores_, nan=-np.inf)
        ranks = np.searchsorted(np.sort(-scores), -scores)
    best = np.full(n_units, np.inf)
    np.minimum.at(best, of_column, ranks)
    return chosen, best
