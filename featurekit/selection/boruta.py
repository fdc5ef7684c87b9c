"""BorutaShadow: columns that a model uses more than the best of shuffled ones."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from featurekit.exceptions import warn
from featurekit.execution.budget import Budget
from featurekit.execution.progress import Progress, logger
from featurekit.fitting import relative_weights
from featurekit.fitting.transformer import fit_context
from featurekit.generation.model import THREADED_ROWS, base_matrix
from featurekit.selection.base import Floats, Ints, Rows, Selector
from featurekit.selection.resampling import draw

REJECTED, TENTATIVE, CONFIRMED = 0, 1, 2
STATUS = np.array(["rejected", "tentative", "confirmed"], dtype=object)

MIN_SHADOWS = 5
"""Shadows at least: to be better than the best of fewer takes little."""

MODEL = {
    "learning_rate": 0.1,
    # few leaves are enough for what a column tells, and leave little to noise
    "num_leaves": 7,
    "bagging_freq": 1,
    "bagging_fraction": 0.632,
    # of equal columns a tree takes the first: the others need trees without it
    "feature_fraction": 0.5,
    "max_bin": 63,
    # a hundred rows a category and heavy penalties by default: few rows would never
    # split one, and numbers alone would win
    "min_data_per_group": 5,
    "cat_smooth": 5,
    "cat_l2": 1,
    "feature_pre_filter": False,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}


class BorutaShadow(Selector):
    """Every column that tells something of the target, by a race against shadows.

    Each round a gradient-boosted model gets the columns and shuffled copies of them,
    their shadows. A column that is more important than the best shadow has a hit.
    Columns of significantly more hits than every other round are confirmed, of
    significantly fewer rejected. Copies of a relevant column are relevant too: for a
    set without them see `MRMR`.

    Parameters
    ----------
    n_features_to_select : int, float or None, default=None
        None keeps those confirmed. A number keeps exactly so many (a float: such a
        share of all): those confirmed first, then those undecided, then those
        rejected, the last first, each by importance. With ``groups`` it counts groups.
    importance : {"gain", "split"}, default="gain"
        What the trees' splits on a column gained, or how many there are.
    n_estimators : int, default=30
        Trees of each model (of each class, for more than two).
    max_iter : int, default=100
        Rounds at most. It ends earlier when all is decided.
    perc : float, default=100
        The percentile of the shadows' importances to be better than. Less than 100
        confirms more columns, false ones too.
    alpha : float, default=0.05
        Level of the test of hits, after the correction.
    correction : {"bonferroni", "fdr"}, default="bonferroni"
        For many columns being tested; "fdr" is Benjamini and Hochberg's and decides
        sooner.
    groups : None, list of labels, or list of lists, default=None
        Columns that are kept or dropped together: their importances are added, and
        their shadow is of the same rows in all of them.
    categorical_features : "auto" or list of str or int, default="auto"
        Columns whose numbers are categories. Text and categories always are.
    task : {"auto", "classification", "regression", "binary", "multiclass"}, \
default="auto"
    n_jobs : int or None, default=None
        Threads of LightGBM, from 50,000 rows on. The result does not depend on it.
    random_state : int, RandomState or None, default=None
    verbose : int, default=0
        1 shows progress.
    time_budget : float or None, default=None
        Seconds after which no more rounds are begun; what is undecided stays so.
        Ctrl-C does the same.
    output_format : {"codes", "category", "onehot", "input"}, default="codes"
        Form of the columns that ``transform`` returns; see `OpenFE`.

    Attributes
    ----------
    status_ : ndarray of str (d,)
        "confirmed", "tentative" or "rejected". Constant columns are rejected.
    hits_ : int64 array (d,)
        Rounds in which the column was better than the best shadow.
    importance_history_ : float64 array (rounds, d)
        Shares of each round's whole importance; NaN once a column is rejected.
    shadow_history_ : float64 array (rounds,)
        What there was to be better than.
    n_iter_ : int
        Rounds that were run.
    stopped_ : str
        Why it ended before all was decided, other than by ``max_iter``; else "".
    scores_ : float64 array (d,)
        Median importance over the rounds a column was in.
    ranking_ : int64 array (d,)
        By status, then importance; 1 is the best.
    support_, order_, n_features_to_select_
        As of all selectors here.
    classes_ : ndarray
        For classification.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Notes
    -----
    Deliberate differences from the paper:

    - Each round sees another half of the rows, stratified for classes. On the same
      rows a chance association is there in every round, and hits that are counted as
      independent confirm it.
    - Shadows of rejected columns stay, and only the columns leave. Without them the bar
      would sink for those left, though they were the best of as many as at the start.
      Of 40 tables of 500 rows and 30 columns of noise, 9 had a column confirmed by
      rounds as in the paper, of the same model, and none by these; planted columns were
      found as often.
    - Gradient boosting by LightGBM in place of a random forest: categories and missing
      values go in as they are, and trees of few leaves decide as its forest does.
    - The importance is the gain in the training rows and not the loss of accuracy out
      of the bag. It favours columns of many values, and so do their shadows.

    Weights are LightGBM's, and only their ratios matter: rows are drawn by count, so
    that a weight of 2 is not quite two rows. Shadows are drawn column by column, and so
    depend on the order of the columns and on further columns that are not constant.

    References
    ----------
    Kursa and Rudnicki, "Feature Selection with the Boruta Package", Journal of
    Statistical Software 36(11), 2010, doi:10.18637/jss.v036.i11.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from featurekit.selection import BorutaShadow
    >>> rng = np.random.default_rng(0)
    >>> a, b, c, d = rng.normal(size=(4, 400))
    >>> X = pd.DataFrame({"a": a, "nearly a": a + 0.2 * b, "c": c, "d": d})
    >>> boruta = BorutaShadow(random_state=0).fit(X, a + 0.5 * rng.normal(size=400))
    >>> dict(zip(X, boruta.status_.tolist()))  # doctest: +NORMALIZE_WHITESPACE
    {'a': 'confirmed', 'nearly a': 'confirmed', 'c': 'rejected', 'd': 'rejected'}
    """

    _parameter_constraints: dict[str, Any] = {
        **{
            name: Selector._shared_constraints[name]
            for name in (
                "groups",
                "categorical_features",
                "task",
                "n_jobs",
                "random_state",
                "verbose",
                "output_format",
            )
        },
        "n_features_to_select": [
            rule
            for rule in Selector._shared_constraints["n_features_to_select"]
            if not isinstance(rule, StrOptions)
        ],
        "importance": [StrOptions({"gain", "split"})],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "perc": [Interval(Real, 0, 100, closed="right")],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "correction": [StrOptions({"bonferroni", "fdr"})],
        "time_budget": [Interval(Real, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        n_features_to_select: int | float | None = None,
        *,
        importance: str = "gain",
        n_estimators: int = 30,
        max_iter: int = 100,
        perc: float = 100.0,
        alpha: float = 0.05,
        correction: str = "bonferroni",
        groups: Any = None,
        categorical_features: Any = "auto",
        task: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        time_budget: float | None = None,
        output_format: str = "codes",
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.importance = importance
        self.n_estimators = n_estimators
        self.max_iter = max_iter
        self.perc = perc
        self.alpha = alpha
        self.correction = correction
        self.groups = groups
        self.categorical_features = categorical_features
        self.task = task
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.time_budget = time_budget
        self.output_format = output_format

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> BorutaShadow:
        """Let columns compete with shadows, round after round.

        Parameters
        ----------
        X : frame or array of shape (n, d)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional
            Weights of rows in the model.

        Returns
        -------
        BorutaShadow
        """
        rows = self._read(X, y, sample_weight)
        n_units = rows.units.n_units
        wanted = None
        if self.n_features_to_select is not None:
            wanted = self._n_to_select(n_units)
        rng = check_random_state(self.random_state)
        halves = draw(
            rows, self.max_iter, 0.5, True, int(rng.randint(np.iinfo(np.int32).max))
        )
        seeds = rng.randint(np.iinfo(np.int32).max, size=self.max_iter).tolist()
        race = Race(rows, self.importance, self.n_estimators, self._n_threads())
        trial = Trial(rows.units_that_vary(), self.alpha, self.correction)
        history: list[Floats] = []
        least: list[float] = []
        with (
            Budget(self.time_budget) as budget,
            Progress(self, 1, budget, self.verbose) as progress,
            progress.phase("rounds", self.max_iter) as step,
        ):
            for half, seed in zip(halves, seeds, strict=True):
                real, shadows = race.run(half, trial.alive(), seed)
                history.append(real)
                least.append(float(np.percentile(shadows, self.perc)))
                trial.add(real > least[-1])
                step()
                if not trial.open() or budget.stopped():
                    break
        self.n_iter_ = len(history)
        self.stopped_ = ""
        if trial.open() and self.n_iter_ < self.max_iter:
            self.stopped_ = budget.why
            logger.info("%s: %d rounds were run", self.stopped_, self.n_iter_)
        self.shadow_history_ = np.array(least)
        self._decide(rows, trial, np.array(history), wanted)
        return self

    def _decide(
        self, rows: Rows, trial: Trial, history: Floats, wanted: int | None
    ) -> None:
        of_column = rows.units.of_column
        seen = ~np.isnan(history)
        scores = np.zeros(rows.units.n_units)
        ever = seen.any(axis=0)
        scores[ever] = np.nanmedian(history[:, ever], axis=0)
        # of those rejected, the one that stayed longest was nearest
        stayed = seen.sum(axis=0)
        order = np.lexsort((-scores, -stayed, -trial.verdict))
        confirmed = int((trial.verdict == CONFIRMED).sum())
        self._keep(
            rows, scores, confirmed if wanted is None else wanted, order.tolist()
        )
        self.status_ = STATUS[trial.verdict[of_column]]
        self.hits_ = trial.hits[of_column]
        self.importance_history_ = history[:, of_column]
        if wanted is None and not confirmed:
            tentative = int((trial.verdict == TENTATIVE).sum())
            warn(
                f"no column is confirmed after {self.n_iter_} rounds, {tentative} are "
                "undecided: perhaps X tells nothing of y. Raise max_iter, or set "
                "n_features_to_select to keep the best in any case.",
            )


class Trial:
    """Hits of units, and what they say so far.

    Parameters
    ----------
    varies : bool array (n_units,)
        The others are rejected from the start, and do not count among the tests.
    alpha : float
    correction : str

    Attributes
    ----------
    hits : int64 array (n_units,)
    verdict : int64 array (n_units,)
        `REJECTED`, `TENTATIVE` or `CONFIRMED`.
    """

    def __init__(
        self, varies: NDArray[np.bool_], alpha: float, correction: str
    ) -> None:
        self.alpha = alpha
        self.correction = correction
        self.rounds = 0
        self.tested = np.flatnonzero(varies)
        self.hits = np.zeros(len(varies), np.int64)
        self.verdict = np.where(varies, TENTATIVE, REJECTED)

    def open(self) -> bool:
        """Whether something is undecided."""
        return bool((self.verdict == TENTATIVE).any())

    def alive(self) -> Ints:
        """Units that are in the model."""
        return np.flatnonzero(self.verdict != REJECTED)

    def add(self, hit: NDArray[np.bool_]) -> None:
        """Count one more round, and decide what can be decided."""
        self.rounds += 1
        self.hits += hit
        more = self._corrected(binom.sf(self.hits - 1, self.rounds, 0.5))
        fewer = self._corrected(binom.cdf(self.hits, self.rounds, 0.5))
        undecided = self.verdict == TENTATIVE
        self.verdict[undecided & (more <= self.alpha)] = CONFIRMED
        self.verdict[undecided & (fewer <= self.alpha)] = REJECTED

    def _corrected(self, p: Floats) -> Floats:
        """p-values that hold for all units at once, decided ones included."""
        out = np.ones(len(p))
        p = p[self.tested]
        m = len(p)
        if self.correction == "bonferroni":
            out[self.tested] = p * m
            return out
        order = np.argsort(p)
        steps = p[order] * m / np.arange(1, m + 1)
        out[self.tested[order]] = np.minimum.accumulate(steps[::-1])[::-1]
        return out


class Race:
    """Models of units beside shadows."""

    def __init__(
        self, rows: Rows, importance: str, n_estimators: int, n_threads: int
    ) -> None:
        assert rows.target is not None
        self.y = rows.target.loss.labels(rows.target.y)
        self.weight = relative_weights(rows.weight)
        self.values, categorical = base_matrix(rows.table)
        self.is_category = np.zeros(self.values.shape[1], bool)
        self.is_category[categorical] = True
        self.units = rows.units
        # constants have no shadow: they would only change what is drawn
        self.columns = np.flatnonzero(rows.varies)
        of_column = rows.units.of_column[self.columns]
        self.members = [np.flatnonzero(of_column == u) for u in np.unique(of_column)]
        self.importance = importance
        self.n_estimators = n_estimators
        self.n_threads = n_threads if len(rows) >= THREADED_ROWS else 1
        self.params = MODEL | {"num_threads": self.n_threads} | rows.target.loss.params

    def run(self, at: Ints, alive: Ints, seed: int) -> tuple[Floats, Floats]:
        """One round on some of the rows.

        Parameters
        ----------
        at : int64 array
            Rows.
        alive : int64 array
            Units in the model.
        seed : int

        Returns
        -------
        real : float64 array (n_units,)
            Shares of the whole importance; NaN for units that are not in the model.
        shadows : float64 array (at least `MIN_SHADOWS`,)
            Of the units that vary.
        """
        import lightgbm

        n_units = self.units.n_units
        of_column = self.units.of_column[self.columns]
        rng = np.random.default_rng(seed)
        values = self.values[np.ix_(at, self.columns)]
        real = np.flatnonzero(np.isin(of_column, alive))
        parts, columns = [values[:, real]], [self.columns[real]]
        owners = [of_column[real]]
        n_copies = -(-MIN_SHADOWS // len(self.members))
        for copy in range(n_copies):
            shadow = np.empty(values.shape)
            for members in self.members:
                shadow[:, members] = values[np.ix_(rng.permutation(len(at)), members)]
            parts.append(shadow)
            columns.append(self.columns)
            owners.append(of_column + (copy + 1) * n_units)
        # a twentieth of the rows, at most 20
        params = self.params | {"min_data_in_leaf": min(20, max(1, len(at) // 20))}
        if len(at) == 1:
            params["bagging_fraction"] = 1.0  # or none would be left
        data = lightgbm.Dataset(
            np.concatenate(parts, axis=1),
            self.y[at],
            weight=None if self.weight is None else self.weight[at],
            categorical_feature=np.flatnonzero(
                self.is_category[np.concatenate(columns)]
            ).tolist(),
            params=params,
        )
        booster = lightgbm.train(
            params | {"seed": seed},
            data,
            self.n_estimators,
            keep_training_booster=True,
        )
        found = booster.feature_importance(self.importance).astype(np.float64)
        total = found.sum()
        share = found / total if total > 0 else found
        sums: Any = np.bincount(np.concatenate(owners), share, (n_copies + 1) * n_units)
        out = np.full(n_units, np.nan)
        out[alive] = sums[alive]
        shadows = sums[n_units:].reshape(n_copies, n_units)
        return out, shadows[:, np.unique(of_column)].ravel()
