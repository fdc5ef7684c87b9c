"""Distance correlation: columns ranked by any dependence, or chosen beside others."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from featurekit.execution.budget import Budget
from featurekit.execution.progress import Progress, Step
from featurekit.fitting import Target, make_folds
from featurekit.fitting.transformer import fit_context
from featurekit.selection.base import Rows, Selector
from featurekit.selection.design import Design
from featurekit.selection.forward import Search
from featurekit.selection.judge import (
    check_estimator,
    fit_target,
    mean_loss,
    predictions,
)
from featurekit.selection.marginal import Marginal
from featurekit.statistics.folds import Folds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_BATCH = 32
"""Rows below which a distance correlation of several columns says nothing."""


class DisCo(Selector):
    """Select by distance correlation, which is zero of independent columns alone.

    Parameters
    ----------
    mode : {"filter", "forward", "partial"}, default="filter"
        "filter": each column against the target on all rows, in O(n log n), those that
        others before them tell already later. "forward": DisCo-FFS, one column after
        the other, each the one whose affine-invariant distance correlation with the
        target, together with those chosen, is largest on the rows that a model of those
        chosen is unsure of. "partial": the same without a model, by partial distance
        correlation.
    n_features_to_select : None, int, float or "auto", default=None
        Columns to keep: half of them, so many, a share; with ``groups`` groups. "auto"
        keeps, with "filter", what is dependent at the false-discovery rate ``alpha``,
        checked by permutations; with "forward" as many as the model does best with.
    redundancy_penalty : float, default=1.0
        With "filter": next is the column of the largest correlation with the target
        times (1 - r^2)^redundancy_penalty, where r is its largest linear correlation
        with a column before it, and for categories r^2 the share of their variance. 0
        is the order of the correlations alone.
    bias_corrected : bool, default=True
        With "filter": R*, which is 0 on average where there is no dependence, in place
        of the distance correlation, which grows with the number of categories.
    alpha : float, default=0.05
        False-discovery rate of "auto".
    estimator : classifier, regressor or None, default=None
        The model of "forward". None is a small forest of extremely randomised trees.
    cv : int or splitter, default=3
        Folds that the model predicts and is judged out of.
    window : float, default=0.4
        Of classes: rows count as unsure where the probabilities of the two likeliest
        differ by less. Of two classes 0.4 is 0.3 < p < 0.7.
    min_window : int, default=100
        Rows that must be unsure; of fewer all rows serve. A table of less than twice as
        many is taken whole in each step, without a model (but for "auto").
    residual_share : float, default=0.5
        Of numbers: the share of the rows, those of the largest residuals, that count.
    shrinkage : "auto" or float, default="auto"
        With "forward": the share of the identity in the correlations by which the
        columns chosen, k - 1, and a candidate are whitened. 0 is the affine-invariant
        form; "auto" is 30k / (n + 30k) for batches of n rows, since correlations of
        many columns of few rows are mostly chance.
    batch_size : int, default=512
        Rows whose distances are looked at together.
    n_batches : int, default=4
        Batches at most in each step, drawn at random.
    max_candidates : int or None, default=1000
        Columns that are looked at beside others: the best by themselves, with "filter"
        no more than make up 4,096 numbers and categories. The rest follow by their
        correlation.
    duplicates_tol : float, default=1e-6
        A column is refused where a straight line through one of those chosen leaves
        no more than this share of its variance; one of several numbers (categories,
        gaps), where that is so of each.
    patience : int, default=5
        Steps without improvement after which "forward" with "auto" stops.
    groups : None, list of labels or list of lists, default=None
        Columns to keep or drop together: a label per column, or lists of columns. With
        "forward" a group is one vector, else it scores as its best column.
    categorical_features : "auto" or list of str or int, default="auto"
        Columns whose numbers are categories; text always is.
    task : {"auto", "classification", "regression", "binary", "multiclass"}
    time_budget : float or None, default=None
        Seconds; what is not chosen by then follows in the order of "filter", and
        ``stopped_`` says so.
    n_jobs : int or None, default=None
        Threads. The result does not depend on it.
    random_state : int, RandomState or None, default=None
    verbose : int, default=0
    output_format : {"codes", "category", "onehot", "input"}, default="codes"
        Form of the columns that ``transform`` returns; see `OpenFE`.

    Attributes
    ----------
    scores_ : float64 array (d,)
        "filter": the correlation, without the penalty. Else that with which a column
        was chosen, and of others its last; minus infinity of those not looked at.
    pvalues_ : float64 array (d,)
        With "filter" and ``bias_corrected``: that the column is independent of the
        target, by the chi-squared test, without correction for their number; with
        "auto" at least the share of permutations that do as well, where any did.
    validation_scores_ : list of float
        With "forward": log-loss or mean squared error, out of fold, of the model after
        each step but the last (with "auto" each).
    stopped_ : str
        Why the search was cut short, "" if it was not.
    support_, ranking_, order_, n_features_to_select_, n_features_in_, \
feature_names_in_
        As of every selector.

    Notes
    -----
    Deliberate differences from the authors' code:

    - The default model is a small forest, not a network: a tree serves all classes at
      once, and needs no scaling.
    - Classes are apart or not (one-hot); labels 0, 1, 2 as numbers would say that 0 and
      2 are further apart. Of three or more a rare one is further from the others than
      a frequent one (``class_distance="chi2"`` of `distance_correlations`): else a
      class counts by the square of its share, and one row in twenty not at all.
    - The rows that the model is unsure of are found out of fold, for any number of
      classes and for numbers. Where they are too few all rows serve.
    - They are drawn anew in each step, in several batches of 512 in place of 2,048
      consecutive ones, and the last ones are not dropped.
    - The whitening is shrunk (``shrinkage``): with few rows beside the columns chosen
      their inverse covariance is noise.
    - Duplicates are refused by their correlation, not by a sum of differences, which
      may cancel.
    - A candidate's distances beside those chosen are told from theirs by one more
      residual, exactly, so that nothing is whitened anew.

    The chi-squared test is of little worth far out, which is where a false-discovery
    rate over many columns looks: a sparse column and a rare class pass it by chance. So
    "auto" permutes the target for each column that passes, up to 20,000 times, but no
    more than 10^9 rows in all; and not with fractional weights.

    "filter" takes O(n log n) of each column; for its penalty O(n p^2) more, where p is
    the number of candidates.

    A column with missing numbers scores as the better of its values, filled with their
    median, and of whether they are missing.

    ``sample_weight`` repeats rows exactly with "filter"; with the others rows are drawn
    by it. Weights with fractions, or with a sum above 10^9, are scaled to a mean of 1:
    only their ratios matter. Bias-corrected scores, p-values and the draws of rows
    depend on the sum of whole weights, and so on their scale. With "forward" and
    "partial" ties go by the order of the columns.

    "auto" tests every column that is not constant; its false-discovery rate is over all
    of them, so that a further column may change which others are kept.

    References
    ----------
    Das, Kasieczka and Shih, "Feature Selection with Distance Correlation", Physical
    Review D 109, 2024, arXiv 2212.00046.

    Székely, Rizzo and Bakirov, "Measuring and testing dependence by correlation of
    distances", Annals of Statistics 35, 2007, arXiv 0803.4101.

    Székely and Rizzo, "Partial distance correlation with methods for dissimilarities",
    Annals of Statistics 42, 2014, arXiv 1310.2926.

    Examples
    --------
    >>> import numpy as np
    >>> from featurekit.selection import DisCo
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 6))
    >>> y = X[:, 2] ** 2 + 0.1 * rng.normal(size=500)
    >>> selector = DisCo(n_features_to_select="auto").fit(X, y)
    >>> selector.order_.tolist()
    [2]
    """

    _parameter_constraints: dict[str, Any] = {
        **Selector._shared_constraints,
        "mode": [StrOptions({"filter", "forward", "partial"})],
        "redundancy_penalty": [Interval(Real, 0, None, closed="left")],
        "bias_corrected": ["boolean"],
        "alpha": [Interval(Real, 0, 1, closed="right")],
        "estimator": [HasMethods(["fit", "predict"]), None],
        "cv": ["cv_object"],
        "window": [Interval(Real, 0, 1, closed="right")],
        "min_window": [Interval(Integral, 4, None, closed="left")],
        "residual_share": [Interval(Real, 0, 1, closed="right")],
        "shrinkage": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "batch_size": [Interval(Integral, MIN_BATCH, None, closed="left")],
        "n_batches": [Interval(Integral, 1, None, closed="left")],
        "max_candidates": [Interval(Integral, 1, None, closed="left"), None],
        "duplicates_tol": [Interval(Real, 0, 1, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "time_budget": [Interval(Real, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        mode: str = "filter",
        *,
        n_features_to_select: Any = None,
        redundancy_penalty: float = 1.0,
        bias_corrected: bool = True,
        alpha: float = 0.05,
        estimator: Any = None,
        cv: Any = 3,
        window: float = 0.4,
        min_window: int = 100,
        residual_share: float = 0.5,
        shrinkage: Any = "auto",
        batch_size: int = 512,
        n_batches: int = 4,
        max_candidates: int | None = 1000,
        duplicates_tol: float = 1e-6,
        patience: int = 5,
        groups: Any = None,
        categorical_features: Any = "auto",
        task: str = "auto",
        time_budget: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        output_format: str = "codes",
    ) -> None:
        self.mode = mode
        self.n_features_to_select = n_features_to_select
        self.redundancy_penalty = redundancy_penalty
        self.bias_corrected = bias_corrected
        self.alpha = alpha
        self.estimator = estimator
        self.cv = cv
        self.window = window
        self.min_window = min_window
        self.residual_share = residual_share
        self.shrinkage = shrinkage
        self.batch_size = batch_size
        self.n_batches = n_batches
        self.max_candidates = max_candidates
        self.duplicates_tol = duplicates_tol
        self.patience = patience
        self.groups = groups
        self.categorical_features = categorical_features
        self.task = task
        self.time_budget = time_budget
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.output_format = output_format

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> DisCo:
        """Choose columns.

        Parameters
        ----------
        X : frame or array of shape (n, d)
        y : array-like of shape (n,)
            At least 4 rows.
        sample_weight : array-like of shape (n,), optional
        groups : array-like of shape (n,), optional
            Rows that the folds of "forward" keep together.

        Returns
        -------
        DisCo
        """
        auto = self.n_features_to_select == "auto"
        if auto and self.mode == "partial":
            raise ValueError(
                "n_features_to_select='auto' goes with mode='filter' or 'forward': "
                "'partial' has no measure of how many are enough"
            )
        if auto and self.mode == "filter" and not self.bias_corrected:
            raise ValueError(
                "n_features_to_select='auto' is a test, and that is of the "
                "bias-corrected correlation: use bias_corrected=True"
            )
        rows = self._read(X, y, sample_weight, groups)
        n_total = len(rows) if rows.weight is None else rows.weight.sum()
        if n_total < 4:
            what = f"X has {n_total:g} rows"
            if sample_weight is not None:
                what = f"sample_weight adds up to {n_total:g} rows, as it counts them"
            raise ValueError(f"{what}: distance correlation needs at least 4")
        if self.mode == "forward" and self.estimator is not None:
            check_estimator(self.estimator, rows)
        for name in ("pvalues_", "validation_scores_"):
            self.__dict__.pop(name, None)
        n_keep = self._n_to_select(rows.units.n_units)
        budget = Budget(self.time_budget)
        with budget, Progress(self, 2, budget, self.verbose) as progress:
            with progress.phase("filter", 1) as step:
                corrected = self.bias_corrected or self.mode != "filter"
                found = Marginal.of(rows, corrected, self.n_jobs)
                step()
            if self.mode == "filter":
                rivals = np.flatnonzero(found.column >= 0)
                if corrected:
                    self.pvalues_ = found.pvalues(rows)
                if n_keep is None:
                    # what is independent is no rival of what is told already
                    rivals = found.dependent(
                        rows,
                        self.pvalues_,
                        self.alpha,
                        check_random_state(self.random_state),
                        self.n_jobs,
                    )
                    n_keep = len(rivals)
                order = found.order(
                    rows, rivals, self.redundancy_penalty, self.max_candidates
                )
                self._keep(rows, found.scores, n_keep, order)
            else:
                most = min(rows.units.n_units, n_keep or rows.units.n_units)
                with progress.phase(self.mode, most) as step:
                    self._search(rows, found.scores, n_keep, budget, step)
        self.stopped_ = budget.why
        return self

    # -- forward and partial -------------------------------------------------------

    def _search(
        self,
        rows: Rows,
        found: Floats,
        n_keep: int | None,
        budget: Budget,
        step: Step,
    ) -> None:
        """Choose units one after the other."""
        assert rows.target is not None
        design = rows.design()
        search = Search.begin(
            design, found, self.max_candidates, rows.target, rows.weight
        )
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))
        forward = self.mode == "forward"
        folds = None
        asks = n_keep is None or len(rows) >= 2 * self.min_window
        if forward and asks:
            folds = make_folds(self.cv, rows.target, rows.groups, seed, rows.place)
            learnt = [rows.target.y[folds.train_rows(f)] for f in range(folds.n_folds)]
            if not any(_two_values(y) for y in learnt):
                raise ValueError(
                    "no fold has rows of two classes to learn from: pass a cv, or "
                    "groups, that mix the classes"
                )
        most = len(search.left) if n_keep is None else n_keep
        losses: list[float] = []
        unsure = np.arange(len(rows))
        while search.left and len(search.order) < most and not budget.stopped():
            batches = self._batches(rows, unsure, rng)
            search.choose(
                batches, design, rows.target, forward, self.shrinkage, self._n_threads()
            )
            search.refuse_duplicates(design, rows.weight, self.duplicates_tol)
            step()
            last = len(search.order) == most and n_keep is not None
            if folds is None or last:
                continue
            loss, unsure = self._model_of(rows, design, search.order, folds)
            losses.append(loss)
            if n_keep is None and _done(losses, self.patience):
                break
        order = search.order
        if forward:
            self.validation_scores_ = [loss * rows.target.loss.unit for loss in losses]
        if n_keep is None:
            n_keep = int(np.argmin(losses)) + 1 if losses else 1
        self._keep(rows, search.scores, n_keep, order + search.rest(found))

    def _batches(self, rows: Rows, unsure: Ints, rng: Any) -> list[Ints]:
        """Rows of each batch, drawn from the unsure ones."""
        n = len(unsure)
        if rows.weight is not None:
            # as often as they count
            share = rows.weight[unsure] / rows.weight[unsure].sum()
            n_drawn = min(int(round(rows.weight[unsure].sum())), 10**7)
            n_drawn = max(n_drawn, min(n, MIN_BATCH))
            n_drawn = min(n_drawn, self.batch_size * self.n_batches)
            drawn = rng.choice(unsure, n_drawn, p=share)
        else:
            drawn = rng.permutation(unsure)[: self.batch_size * self.n_batches]
        k = max(1, round(len(drawn) / self.batch_size))
        return [np.sort(part) for part in np.array_split(drawn, k)]

    def _model_of(
        self, rows: Rows, design: Design, order: list[int], folds: Folds
    ) -> tuple[float, Ints]:
        """The model's loss out of fold, and the rows it is unsure of."""
        assert rows.target is not None
        target, weight = rows.target, rows.weight
        fitted = fit_target(target, self.estimator)
        columns = np.flatnonzero(np.isin(design.unit, order))
        X = np.ascontiguousarray(design.values[:, columns])
        tested = np.flatnonzero(folds.fold >= 0)
        numeric = target.task == "regression"
        guess = np.zeros(len(rows) if numeric else (len(rows), len(target.labels)))
        for fold in range(folds.n_folds):
            train, test = folds.train_rows(fold), folds.test_rows(fold)
            if not _two_values(target.y[train]):
                tested = np.setdiff1d(tested, test)
                continue
            model = (
                clone(self.estimator)
                if self.estimator is not None
                else _small_forest(target)
            )
            extra = {} if weight is None else {"sample_weight": weight[train]}
            model.fit(X[train], fitted[train], **extra)
            guess[test] = predictions(model, X[test], target, self.estimator)
        y, p = target.standard[tested], guess[tested]
        loss = mean_loss(y, p, target, None if weight is None else weight[tested])
        if numeric:
            n_unsure = max(1, int(self.residual_share * len(y)))
            largest = np.argsort(-np.abs(y - p), kind="stable")[:n_unsure]
            unsure = tested[np.sort(largest)]
        else:
            two = np.sort(p, axis=1)[:, -2:]
            unsure = tested[two[:, 1] - two[:, 0] < self.window]
        # all of one class, or too few: the whole table has more to say
        enough = max(self.min_window, 2 * len(target.labels))
        if len(unsure) < enough or len(np.unique(target.y[unsure])) < 2:
            unsure = np.arange(len(rows))
        return loss, unsure


def _two_values(y: Floats) -> bool:
    return bool((y != y[:1]).any())


def _done(losses: list[float], patience: int) -> bool:
    return len(losses) - 1 - int(np.argmin(losses)) >= patience


def _small_forest(target: Target) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    numeric = target.task == "regression"
    kind = ExtraTreesRegressor if numeric else ExtraTreesClassifier
    return kind(n_estimators=30, min_samples_leaf=3, n_jobs=1, random_state=0)
