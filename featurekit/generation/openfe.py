"""OpenFE: new features found by what they add to a boosted model (arXiv 2211.12507)."""

from __future__ import annotations

import time
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
)
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
)

from featurekit.data import FORMATS, Output, Schema, frame_type, select_columns
from featurekit.data.columns import CategoricalColumn, Table
from featurekit.data.frames import open_frame
from featurekit.exceptions import BackendUnavailableError
from featurekit.execution.budget import Budget
from featurekit.execution.progress import Progress
from featurekit.expressions import export
from featurekit.expressions.evaluate import Fitted, cross_fit, fit
from featurekit.expressions.grammar import operator_names
from featurekit.expressions.keyed import Key, key_labels
from featurekit.expressions.naming import parse, warn_of_refused
from featurekit.expressions.tree import Expression
from featurekit.fitting import (
    METRICS,
    TASKS,
    Target,
    check_groups,
    check_weights,
    make_folds,
    relative_weights,
)
from featurekit.fitting.transformer import check_columns, fit_context
from featurekit.generation import report
from featurekit.generation.candidates import AUTO_CANDIDATES, Space
from featurekit.generation.estimate import bytes_needed, estimate, warn_of_cut
from featurekit.generation.find import Data, Found, Plan, find_features
from featurekit.generation.gate import SIZES
from featurekit.generation.kernels import kernels_of
from featurekit.generation.model import is_of_trees
from featurekit.generation.search import N_SURVIVORS, Settings
from featurekit.kernels import ahead

_AS_BEFORE = {"format": "input", "dense": {}}
"""The output of files that were stored before there was ``output_format``."""


class OpenFE(TransformerMixin, CallbackSupportMixin, BaseEstimator):
    """Generate features and keep those that make a boosted model better.

    Candidates are all that the operators allow on the columns. Each is scored by how
    much it takes off the loss that a LightGBM model of the columns alone leaves, by
    boosting on its histogram, cross-fitted; the best are scored again exactly as
    LightGBM would, and attributed together in one model. A nested cross-validation
    then decides how many to keep, and none is an answer.

    ``fit_transform`` is not ``fit`` followed by ``transform``: training rows get
    statistics (group means, counts, target rates) learnt *without their own fold*, new
    rows get those of all training rows. A `~sklearn.pipeline.Pipeline` does this by
    itself.

    Parameters
    ----------
    n_features : int or "auto", default="auto"
        New features to add. A number is a maximum: features that do not reduce the
        held-out loss are never kept, and a warning says so if fewer are. "auto" decides
        among 0, 5, 10, 20 and 50 by nested cross-validation: the number that is best,
        and none unless one is 1.8 standard errors better than none (2, if `estimator`
        is given). A LightGBM model judges each number, three where one leaves it open;
        greater numbers only where more were better.
    order : int, default=1
        Operators on top of each other: with 2, features are also made of the best
        features of order 1.
    operators : "default", "openfe" or list of str, default="default"
        "openfe" are the 23 of the paper's reference, whose names
        (``"GroupByThenMean"``) are understood in lists too; "default" adds cross-fitted
        target means of keys and pairs of keys, values relative to their group,
        calendar parts and counts of missing values, and leaves out ``combine``. See
        `featurekit.expressions.OPERATORS`.
    categorical_features : "auto" or list of str or int, default="auto"
        Columns to take as categories. "auto": those that are text, categories or
        objects. Numbers of at most 100 values serve as numbers and as keys.
    task : {"auto", "regression", "binary", "multiclass", "classification"}
        "auto" reads it off y, unless ``metric`` says it: text, booleans and category
        types are classes, durations (in seconds) and numbers with fractions are
        regression, whole numbers of at most 20 distinct values are classes.
    metric : {"rmse", "mae", "poisson", "logloss", "auc", "multi_logloss"} or None
        What the gate judges by; "mae" and "poisson" also set the loss. None: RMSE or
        log-loss.
    feature_boosting : bool, default=True
        Score what a candidate adds to the base model's out-of-fold predictions; else
        what it does alone.
    cv : int, splitter or iterable, default=5
        Folds of everything that is cross-fitted. A splitter may be ordered in time or
        by groups; each row must be tested at most once.
    n_data_blocks : int, default=8
        With at least twice ``min_candidate_features`` candidates, scoring begins on
        one row in so many, and keeps half of the candidates while it doubles the rows.
    min_candidate_features : int, default=2000
        Never fewer than this many are kept before all rows are used.
    importance : {"gain", "permutation"}, default="gain"
        How survivors are ordered, in one model of the columns and all of them: by the
        loss reduction of a feature's splits, the mean of held-out and of training rows,
        or by the increase of the held-out loss when a feature is shuffled. Ignored for
        an ``estimator`` that is no model of trees.
    keep_input : bool, default=True
        Put the input columns before the new ones.
    max_candidates : int, None or "auto", default="auto"
        Score at most this many candidates, the likeliest if there are more: a quick
        screen ranks columns by their association with the target and with the errors of
        the base model, and pairs of columns by the association of their products, sums
        and differences with these errors. "auto" is 10,000, which tables of more than
        some 30 columns exceed; a warning says so. None scores all.
    time_budget : float or None, default=None
        Seconds for ``fit``; when they are over, what is found is kept. Ctrl-C does the
        same.
    memory_limit : int or None, default=None
        Bytes that ``fit`` may need on top of the data; an error tells in advance if
        it would be more (see ``estimate``).
    estimator : estimator or None, default=None
        Model to improve, in the base predictions and in the gate; LightGBM if None. It
        gets categories as codes and missing values as NaN. Where it is no model of
        trees, features that order the rows alike are told apart, and the second stage
        orders features by what they add to a linear model of the columns.
    device : {"auto", "cpu", "cuda"}, default="auto"
        There is no CUDA kernel yet: "cuda" is an error, "auto" is "cpu".
    n_jobs : int or None, default=None
        Threads. The result does not depend on it.
    random_state : int, RandomState or None, default=None
        Seeds the folds, the data blocks and LightGBM.
    extra_columns : {"raise", "ignore"}, default="raise"
        What ``transform`` does with columns not seen in fit, or seen in another order.
        "ignore" leaves the former out and gives the columns of fit in fit's order.
    output_format : {"codes", "category", "onehot", "input"}, default="codes"
        Form of the columns that ``transform`` returns. With "codes", numbers stay as
        they are, text and categories become codes (alphabetical order of the values
        seen in fit), datetimes days since 1970, and missing or unseen values NaN:
        LightGBM, XGBoost, CatBoost and scikit-learn's models of histograms take this
        from any frame library. "category" gives categories in the frame library's own
        type instead of codes, for models that treat these apart: LightGBM and
        scikit-learn from pandas, XGBoost with ``enable_categorical=True``. "onehot"
        gives float64 without missing values, for linear models: an indicator for each
        of the 32 most frequent categories, the median for missing numbers and an
        indicator of these. "input" gives the columns as they came in.
    verbose : int, default=0
        1 shows progress.

    Attributes
    ----------
    features_ : list of Expression
        The new features, most useful first.
    n_candidates_ : int
        Candidates that were scored.
    report_ : DataFrame
        One row per candidate: ``feature, operator, inputs, stage, score,
        standard_error, importance, reason``. The score is the loss taken off a row.
    gate_ : Verdict or None
        What the gate found, with ``n_features="auto"``.
    base_score_ : float
        The metric of the model without new features, out of fold. With a number for
        ``n_features`` that is the short model that candidates are scored against.
    task_ : str
    classes_ : ndarray
        Class labels, for classification.
    stopped_ : str
        Why the search was cut short, "" if it was not.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Notes
    -----
    Deliberate differences from the reference implementation:

    - Statistics are learnt in ``fit`` and applied row by row; the reference computes
      them on training and test rows together. Frequencies are shares.
    - Scores come from all folds, not from one split, with a standard error.
    - Feature boosting starts from the base model's first rounds, where what a feature
      could supply has not yet been patched up by many small steps.
    - The gain that features are ordered by is measured on held-out rows. Gain on the
      training rows favours features of many values.
    - Candidates that are equivalent to another or to a column are not scored. For
      models of trees, features that order the rows alike are equivalent, and one of
      them is kept; as arguments of other operators all are tried.
    - ``sample_weight`` enters the loss and the models, where only ratios of weights
      matter; group statistics, counts and target means are unweighted.
    - Neither the unit nor the offset of a numeric target changes which features are
      kept; scores and ``base_score_`` are in its units. With ``task="auto"`` the unit
      may change the task: whole numbers in other units have fractions.
    - The base model of a fold is a constant where the models of the other folds are not
      better than theirs by two standard errors.
    - Equal scores, and LightGBM's ties, go by the order of the columns.
    - A further column that is not constant gives more candidates and another base
      model, and so may change which features are kept.
    - Infinities count as missing in derived features. Division and logarithms are NaN
      outside their domain.

    References
    ----------
    Zhang et al., "OpenFE: Automated Feature Generation with Expert-level Performance",
    ICML 2023, arXiv 2211.12507.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from featurekit import OpenFE
    >>> rng = np.random.default_rng(0)
    >>> names = ["mass", "volume", "age"]
    >>> X = pd.DataFrame(rng.uniform(1, 10, (600, 3)), columns=names)
    >>> y = X["mass"] / X["volume"]
    >>> maker = OpenFE(n_features=1, random_state=0).fit(X, y)
    >>> maker.features_[0].name
    'mass/volume'
    >>> list(maker.transform(X.head(2)).columns)
    ['mass', 'volume', 'age', 'mass/volume']
    """

    _parameter_constraints: dict[str, Any] = {
        "n_features": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "order": [Interval(Integral, 1, 4, closed="both")],
        "operators": [StrOptions({"default", "openfe"}), list, tuple],
        "categorical_features": [StrOptions({"auto"}), "array-like"],
        "task": [StrOptions(set(TASKS))],
        "metric": [StrOptions(set(METRICS)), None],
        "feature_boosting": ["boolean"],
        "cv": ["cv_object"],
        "n_data_blocks": [Interval(Integral, 1, None, closed="left")],
        "min_candidate_features": [Interval(Integral, 1, None, closed="left")],
        "importance": [StrOptions({"gain", "permutation"})],
        "keep_input": ["boolean"],
        "max_candidates": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
            None,
        ],
        "time_budget": [
            Interval(RealNotInt, 0, None, closed="left"),
            Interval(Integral, 0, None, closed="left"),
            None,
        ],
        "memory_limit": [Interval(Integral, 1, None, closed="left"), None],
        "estimator": [HasMethods(["fit"]), None],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "extra_columns": [StrOptions({"raise", "ignore"})],
        "output_format": [StrOptions(set(FORMATS))],
        "verbose": ["verbose", Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_features: int | str = "auto",
        *,
        order: int = 1,
        operators: str | list[str] = "default",
        categorical_features: str | list[str] = "auto",
        task: str = "auto",
        metric: str | None = None,
        feature_boosting: bool = True,
        cv: Any = 5,
        n_data_blocks: int = 8,
        min_candidate_features: int = 2000,
        importance: str = "gain",
        keep_input: bool = True,
        max_candidates: int | str | None = "auto",
        time_budget: float | None = None,
        memory_limit: int | None = None,
        estimator: Any = None,
        device: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
        extra_columns: str = "raise",
        output_format: str = "codes",
        verbose: int = 0,
    ) -> None:
        self.n_features = n_features
        self.order = order
        self.operators = operators
        self.categorical_features = categorical_features
        self.task = task
        self.metric = metric
        self.feature_boosting = feature_boosting
        self.cv = cv
        self.n_data_blocks = n_data_blocks
        self.min_candidate_features = min_candidate_features
        self.importance = importance
        self.keep_input = keep_input
        self.max_candidates = max_candidates
        self.time_budget = time_budget
        self.memory_limit = memory_limit
        self.estimator = estimator
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.extra_columns = extra_columns
        self.output_format = output_format
        self.verbose = verbose

    # -- fit -----------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> OpenFE:
        """Find features and learn what they need on all rows.

        Parameters
        ----------
        X : frame or array of shape (n, d)
            pandas, polars, Arrow or numpy.
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional
        groups : array-like of shape (n,), optional
            For splitters that take groups; with an integer ``cv``, no group is split.

        Returns
        -------
        OpenFE
        """
        self._search(X, y, sample_weight, groups)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(
        self, X: Any, y: Any = None, sample_weight: Any = None, groups: Any = None
    ) -> Any:
        """Find features and return the training rows with out-of-fold values of them.

        Parameters are those of ``fit``.

        Returns
        -------
        frame or array of shape (n, d + new features)
            Of the type that came in, or that ``set_output`` asks for.
        """
        start = self._search(X, y, sample_weight, groups)
        target = (start.target.y, start.target.classes)
        new = {
            node.name: _column(
                cross_fit(node, start.table, target, start.folds), fitted
            )
            for node, fitted in zip(self.features_, self._fitted, strict=True)
        }
        return self._write(X, new, start.table)

    def _search(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> Data:
        budget = Budget(self.time_budget)
        with budget:
            schema, data, plan = self._begin(X, y, sample_weight, groups)
            self._check_memory(data, plan)
            if self.max_candidates == "auto" and data.space.is_cut:
                warn_of_cut(data, plan)
            with Progress(self, plan.n_phases, budget, self.verbose) as progress:
                found = find_features(data, plan, budget, progress)
            result = self._result(schema, data, found)
        self.__dict__.update(result)
        return data

    def _n_survivors(self) -> int:
        most = max(SIZES) if self.n_features == "auto" else int(self.n_features)
        return max(N_SURVIVORS, most)

    def _begin(
        self, X: Any, y: Any, sample_weight: Any, groups: Any
    ) -> tuple[Schema, Data, Plan]:
        """What the search begins with."""
        if self.device == "cuda":
            raise BackendUnavailableError(
                "device='cuda': this version has no CUDA kernels for OpenFE. "
                "Use device='auto' or device='cpu'."
            )
        names = operator_names(self.operators)
        self._require_target(y)
        # the target first: it may be refused before anything is done with X
        n_rows = open_frame(X).n_rows
        target = Target.of(y, self.task, self.metric, n_rows)
        weight = relative_weights(check_weights(sample_weight, n_rows))
        groups = check_groups(groups, n_rows)
        schema, table = self._learn_schema(X)
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(np.iinfo(np.int32).max))
        folds = make_folds(self.cv, target, groups, seed)
        limit: Any = self.max_candidates
        most = AUTO_CANDIDATES if limit == "auto" else limit
        ordered = self.time_budget is not None
        trees = is_of_trees(self.estimator)
        space = Space.of(table, names, target.classes, most, ordered, trees)
        ahead.start(kernels_of(space, target.loss))
        report.warn_of_leaks(table, target)
        settings = Settings(
            self.n_data_blocks,
            self.min_candidate_features,
            self.importance,
            max(1, effective_n_jobs(self.n_jobs)),
            seed,
            self._n_survivors(),
            ordered,
            trees,
        )
        plan = Plan(
            self.n_features, self.order, self.feature_boosting, self.estimator, settings
        )
        return schema, Data(table, target, weight, folds, space), plan

    def _require_target(self, y: Any) -> None:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but "
                "the target y is None."
            )

    def _learn_schema(self, X: Any) -> tuple[Schema, Table]:
        schema, table = Schema.learn(X, self.categorical_features)
        check_columns(self, X, reset=True)
        return schema, table

    def _result(self, schema: Schema, data: Data, found: Found) -> dict[str, Any]:
        """The fitted attributes. All ranked features are fitted, for `truncate`."""
        problem = found.problem
        target = (problem.y, problem.classes)
        ranked = [
            (node, fit(node, problem.table, target, problem.folds))
            for node in found.ranking.order
        ]
        warn_of_refused(found.kept)
        # what transform gives, though fit_transform gives out-of-fold values: the
        # columns must be the same
        new = {}
        if self.output_format == "onehot":
            new = _values(ranked, problem.table)
        report_ = report.table(found.ranking, found.kept, problem.loss.unit)
        result = {
            "features_": found.kept,
            "_ranked": ranked,
            "_schema": schema,
            "_output": Output.learn(self.output_format, schema, problem.table, new),
            "gate_": found.verdict,
            "stopped_": found.stopped,
            "task_": data.target.task,
            "base_score_": report.base_score(data.target, found.base.raw),
            "report_": report_,
            "n_candidates_": int((report_["stage"] != "candidate").sum()),
        }
        if data.target.labels:
            result["classes_"] = np.array(data.target.labels)
        return result

    @property
    def _fitted(self) -> list[Fitted]:
        """The kept features with what they learnt."""
        return [fitted for _, fitted in self._ranked[: len(self.features_)]]

    # -- apply ---------------------------------------------------------------------

    def transform(self, X: Any) -> Any:
        """Add the features to rows, each computed from that row and the fitted state.

        Parameters
        ----------
        X : frame or array of shape (n, d)
            The columns of fit, in the same order. Columns that fit did not see are an
            error, unless ``extra_columns="ignore"``. Unseen categories and missing
            values are allowed.

        Returns
        -------
        frame or array of shape (n, d + new features)
            Of the type that came in, or that ``set_output`` asks for.

        Raises
        ------
        ValueError
            For columns that fit did not see, and for another order of the columns,
            unless ``extra_columns="ignore"``.
        SchemaError
            A column is missing or of another kind than in fit.
        """
        check_is_fitted(self, "features_")
        frame_type(X)  # refuses what is no table before anything else looks at it
        if self.extra_columns == "raise":
            check_columns(self, X, reset=False)
        table = self._schema.read(X, extra=self.extra_columns)  # type: ignore[arg-type]
        return self._write(
            X, _values(self._ranked[: len(self.features_)], table), table
        )

    def _write(self, X: Any, new: dict[str, Any], table: Table) -> Any:
        container = _get_output_config("transform", self)["dense"]
        if not self.keep_input:
            return self._output.without_input().write(X, new, container)
        X = select_columns(X, self._schema.positions(X))
        return self._output.write(X, new, container, table)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns that ``transform`` returns, ndarray of str."""
        check_is_fitted(self, "features_")
        names = list(_check_feature_names_in(self, input_features))
        new = [node.name for node in self.features_]
        if self.keep_input:
            out = self._output.names(new, names)
        else:
            out = self._output.without_input().names(new)
        return np.array(out, dtype=object)

    # -- before, after -------------------------------------------------------------

    def truncate(self, n_features: int) -> OpenFE:
        """A fitted copy that keeps the first features only, without a new search.

        Parameters
        ----------
        n_features : int
            Features to keep: at most as many as the search ranked, which are at least
            30 or ``n_features`` of this estimator unless fewer were useful. May be more
            than this estimator keeps.

        Returns
        -------
        OpenFE
            With this ``n_features``; ``gate_`` and ``report_`` are those of the search.

        Notes
        -----
        To choose ``n_features`` by cross-validation without repeating the search, make
        the largest number and cut columns behind it. The pipeline's ``memory`` keeps
        what ``fit_transform`` gave, whose first columns are those of the truncated
        estimator::

            def first(X, n):
                return X.iloc[:, :n]  # the columns of X, and so many features

            steps = [OpenFE(20), FunctionTransformer(first), LGBMClassifier()]
            pipeline = make_pipeline(*steps, memory="cache")
            sizes = [{"n": X.shape[1] + k} for k in (0, 5, 10, 20)]
            GridSearchCV(pipeline, {"functiontransformer__kw_args": sizes})
        """
        check_is_fitted(self, "features_")
        if not 0 <= n_features <= len(self._ranked):
            raise ValueError(
                f"n_features={n_features}: the search ranked {len(self._ranked)} "
                "features. Choose at most as many, or fit with a greater n_features."
            )
        out = clone(self).set_params(n_features=max(1, n_features))
        private = ("_ranked", "_schema", "_output")
        fitted = {k: v for k, v in vars(self).items() if k[-1] == "_" or k in private}
        out.__dict__.update(fitted)
        out.features_ = [node for node, _ in self._ranked[:n_features]]
        out.report_ = report.with_kept(self.report_, out.features_)
        return out

    def estimate(self, X: Any, y: Any) -> dict[str, Any]:
        """What ``fit`` would take, from the columns and a short trial.

        Parameters
        ----------
        X, y
            As for ``fit``.

        Returns
        -------
        dict
            ``n_candidates`` (to be scored at order 1), ``n_enumerated``,
            ``by_operator`` (enumerated, per operator), ``bytes`` (needed on top of the
            data) and ``seconds`` (CPU seconds of one thread, compiling not included;
            within a factor of two). A ``time_budget`` is not looked at.
        """
        self._validate_params()
        begin = time.process_time()
        _, data, plan = clone(self)._begin(X, y, None, None)
        return estimate(data, plan, time.process_time() - begin)

    def _check_memory(self, data: Data, plan: Plan) -> None:
        needed = bytes_needed(data, plan)
        if self.memory_limit is not None and needed > self.memory_limit:
            raise MemoryError(
                f"fit needs about {needed / 2**20:,.0f} MiB on top of the data, above "
                f"memory_limit={self.memory_limit / 2**20:,.0f} MiB. Raise the limit "
                "or fit on a sample of the rows."
            )

    def explain(self, feature: str | Expression) -> str:
        """A candidate in words: what it is, how it did, why it was kept or dropped.

        Parameters
        ----------
        feature : str or Expression
            A name as in ``report_["feature"]``, or a feature.

        Raises
        ------
        KeyError
            If it was not among the candidates.
        """
        check_is_fitted(self, "features_")
        node = parse(feature) if isinstance(feature, str) else feature
        return report.explain(node.canonical(), self.report_, self.features_)

    def to_json(self, path: str | Path) -> None:
        """Write the features and what they learnt; `from_json` reads them anywhere.

        The file needs neither the training data nor the search. It holds the features
        and the schema, not ``report_``. What features learnt is of the training data:
        the categories of text columns, distinct values of numbers that serve as keys,
        and statistics of groups, which of a group of one row are that row's own.
        """
        check_is_fitted(self, "features_")
        export.write(
            path,
            {
                "estimator": "OpenFE",
                "schema": self._schema.to_dict(),
                "named_columns": hasattr(self, "feature_names_in_"),
                "keep_input": self.keep_input,
                "extra_columns": self.extra_columns,
                "output": self._output.to_dict(),
                "task": self.task_,
                "classes": list(getattr(self, "classes_", np.array([])).tolist()),
                "base_score": self.base_score_,
                "features": [export.fitted_to_dict(f) for f in self._fitted],
            },
        )

    @classmethod
    def from_json(cls, path: str | Path) -> OpenFE:
        """A fitted ``OpenFE`` from a file of `to_json`, ready for ``transform``.

        Raises
        ------
        FeatureFileError
            If the file is damaged, of a newer format or of another estimator, or
            uses an operator that is not registered here.
        """
        return export.load(path, "OpenFE", cls._of_content)

    @classmethod
    def _of_content(cls, data: dict[str, Any]) -> OpenFE:
        schema, fitted = export.content_to_features(data)
        extra_columns = export.entry(data, "extra_columns", str, "raise")
        if extra_columns not in ("raise", "ignore"):
            raise ValueError(f"its 'extra_columns' is {extra_columns!r}")
        classes = export.entry(data, "classes", list, [])
        kinds = {type(label) for label in classes}
        if len(kinds) > 1 or not kinds <= {str, int, float, bool}:
            raise ValueError("its classes are no labels of one type")
        stored = export.entry(data, "output", dict, _AS_BEFORE)
        output = Output.from_dict(stored, schema)
        output.check_complete(feature.expression.name for feature in fitted)
        self = cls(
            n_features=max(1, len(fitted)),
            keep_input=export.entry(data, "keep_input", bool, True),
            extra_columns=extra_columns,
            output_format=output.format,
        )
        self.n_features_in_ = len(schema)
        if export.entry(data, "named_columns", bool, schema.named):
            self.feature_names_in_ = np.array(schema.names, dtype=object)
        self._schema = schema
        self._output = output
        self.features_ = [feature.expression for feature in fitted]
        self._ranked = list(zip(self.features_, fitted, strict=True))
        self.task_ = export.entry(data, "task", str, "")
        if classes:
            self.classes_ = np.array(classes)
        self.base_score_ = export.entry(data, "base_score", (int, float), np.nan)
        self.gate_ = None
        self.stopped_ = ""
        self.n_candidates_ = 0
        self.report_ = report.empty()
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _values(features: list[tuple[Expression, Fitted]], table: Table) -> dict[str, Any]:
    """Values of features on rows that were not learnt from."""
    return {
        node.name: _column(fitted.values(table), fitted) for node, fitted in features
    }


def _column(values: Any, fitted: Fitted) -> Any:
    """Values of a feature as a column for output."""
    if not isinstance(values, Key):
        return values
    names = key_labels(values.size - 2)
    return CategoricalColumn(values.codes, names)
