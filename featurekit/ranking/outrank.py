"""OutRank: columns and crosses ranked by what they tell of a target, above chance."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
)

from featurekit.data import FORMATS, Output, frame_type, select_columns
from featurekit.data.frames import open_frame
from featurekit.data.ingest import ColumnSpec, Schema, positions_of
from featurekit.data.scan import UnsettledTypesError, is_source, scan
from featurekit.data.usable import columns_without, usable_columns
from featurekit.exceptions import (
    BackendUnavailableError,
    warn,
)
from featurekit.execution.budget import Budget
from featurekit.execution.memory import default_limit
from featurekit.execution.progress import Progress, logger
from featurekit.expressions import export
from featurekit.expressions.naming import parse, warn_of_refused
from featurekit.expressions.tree import Expression
from featurekit.fitting import TASKS, check_weights
from featurekit.fitting.reading import open_target
from featurekit.fitting.transformer import (
    check_columns,
    fit_context,
    refuse_too_many,
    unchanged_on_error,
)
from featurekit.ranking import drift, emit, heuristics, scoring
from featurekit.ranking.counting import (
    Counted,
    Counts,
    bins_for,
    warn_of_buckets,
)
from featurekit.ranking.cross_counting import count_crosses
from featurekit.ranking.crosses import find_crosses
from featurekit.ranking.passes import Passes, learn_shards
from featurekit.ranking.redundancy import PAIR_COLUMNS, choose
from featurekit.ranking.rows import sample_rows
from featurekit.ranking.scoring import SCORE_COLUMNS, SCORES, Line
from featurekit.ranking.source import (
    FileSource,
    MemorySource,
    Source,
    whole_weights,
)
from featurekit.ranking.target import TargetCodes
from featurekit.statistics.contingency import entropy
from featurekit.statistics.pairs import Rows

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
Ints = NDArray[np.int64]

N_CROSSES = 100


class OutRank(TransformerMixin, CallbackSupportMixin, BaseEstimator):
    """Rank columns, and crosses of them, by what they tell of the target above chance.

    Every column is counted against the target, once. From its table come the mutual
    information, what chance alone would give a column of the same values (exactly, with
    its standard deviation), and so a fair order of columns of any cardinality, with a
    decision: which of them are noise.

    Parameters
    ----------
    criterion : str, default="ami"
        What to rank by. Of the table: "ami" (mutual information above chance, as a
        share of the most there could be), "mi", "excess", "z", "chi2", "cramers_v",
        "theils_u", "iv", "gini", "te_gain". "outrank" is the released package's
        circular shift, which depends on the order of the rows. Of a model:
        "random_forest", "lightgbm", "permutation" and "surrogate"; these are fitted on
        the rows that ``redundancy`` uses.
    order : {1, 2, 3}, default=1
        With 2 and 3 crosses of two and three columns are scored too. One that adds to
        its parts is ranked by all it tells, another by what it adds, which is next to
        nothing.
    redundancy : {"mrmr", "3mr"} or None, default=None
        Choose columns greedily, each by its score less what those before it tell of it
        (and, with "3mr", more what it tells of the target together with them).
    n_features_to_select : int or None, default=None
        Keep so many of the best; crosses that gain nothing over their parts are passed
        over.
    alpha : float or None, default=None
        Keep what chance explains only at a false-discovery rate of at most this.
    missing : {"category", "drop"}, default="category"
        A missing value is a value of its own, or its rows do not count for the column.
    categorical_features : "auto", "all" or list of str or int, default="auto"
        Columns whose numbers are categories. "auto": whole numbers and booleans are,
        floats are not (pandas makes floats of whole numbers with gaps: name these, or
        give them as ``Int64``). Text always is. Other numbers are cut into
        quantile bins.
    drop : list of str or None, default=None
        Columns to leave out, such as ids and what is not known in time: they have no
        score and are never selected. Columns of lists, bytes and other objects are left
        out in any case, with a warning.
    n_bins : int, default=64
        Quantile bins of numeric columns, at most. Where fewer rows are not in the
        largest class there are fewer, 2 m^(2/5) for m rows in each of the other
        classes: 64 from 5,900 rows on, 10 for 60 rows. A value that would fill two
        bins or more has one of its own, and the others keep the rest.
    task : {"auto", "classification", "regression", "binary", "multiclass"}
        "auto" reads it off y as `OpenFE` does. Numbers are cut into ten quantile bins.
    drift_by : str or None, default=None
        A column (time, or a shard's name) by whose values the rows are compared in
        ``drift_``: each label, or ten quantile bins of numbers and times. "file" means
        the file that rows come from, unless a column has that name.
    drift_reference : label or None, default=None
        The shard that all are compared with, as ``drift_`` names it: a label, the least
        value of a bin, the name of a file. None is the first in order.
    noise_controls : bool, default=False
        Put columns of pure noise of several cardinalities, a constant and the target
        itself into ``scores_``, to show where such rank.
    reference_features : list of str, path or None, default=None
        For "surrogate": columns that the model has already, "a,b" being a combination;
        the others are scored by what they add to them. A path is that of a JSON file
        in the form of the released package, ``{"desc": {"features": [...]}}``.
    max_candidates : int or None, default=None
        Crosses of each order to score at most; those that may gain the most.
    time_budget : float or None, default=None
        Seconds for ``fit``; when they are over crosses and greedy choices are cut
        short, and ``stopped_`` says so. Columns are always counted.
    memory_limit : int or None, default=None
        Bytes for the counts. Crosses are counted in as many passes over the rows as the
        limit takes, with the same result; None gives them an eighth of the memory of
        the machine, or of the container. If a limit is given, categories of a column
        beyond its share of it are counted in buckets by a hash, and a warning says so;
        without one, of a column of more than four million categories.
    device : {"auto", "cpu", "cuda"}, default="auto"
        There is no CUDA kernel yet: "cuda" is an error, "auto" is "cpu".
    n_jobs : int or None, default=None
        Threads. The result does not depend on it.
    random_state : int, RandomState or None, default=None
        Seeds noise controls and models.
    output_format : {"codes", "category", "onehot", "input"}, default="codes"
        Form of the columns that ``transform`` returns; see `OpenFE`. Whole numbers stay
        numbers, though they are ranked as categories.
    verbose : int, default=0
        1 shows progress.

    Attributes
    ----------
    scores_ : DataFrame
        One row per column and cross, best first: ``feature, order``; the statistics of
        `featurekit.statistics.contingency.finish`; ``q``, the false-discovery rate at
        which it is kept; ``coverage``; ``gain``, what a cross tells above its parts,
        and ``gain_z``, that in standard deviations; ``score``, what it is ranked by.
    ranking_ : int64 array (n_features_in_,)
        Rank of each column among the columns, 1 the best.
    crosses_ : list of Expression
        The selected crosses.
    pair_scores_ : DataFrame
        With ``redundancy``, the pairs of columns that were looked at: ``mi, emi,
        excess, ami`` and Theil's U in both directions.
    quality_ : DataFrame
        What each column is: kind, cardinality, coverage, share of values seen once, the
        most frequent values, and what is odd about it.
    drift_ : DataFrame
        With ``drift_by``, each other column in each shard against the reference: the
        population stability index above its mean without drift (which is .6 for 64
        values and shards of 200 rows, so that the usual limits of .1 and .25 hold for
        shards of any size), Jensen and Shannon's divergence with z and p, new and
        vanished values, coverage, and the change of the mutual information with its z.
    target_entropy_ : float
        Nats; no mutual information is above it.
    n_rows_ : int
    class_counts_ : int64 array
        Rows of each class, or of each bin of a numeric target.
    classes_ : ndarray
        Class labels, for classification.
    stopped_ : str
        Why something was cut short, "" if nothing was.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Notes
    -----
    Deliberate differences from the released package:

    - The null is the exact mean over all shuffles of the labels, not one circular shift
      of them; the order of the rows is of no matter.
    - The correction is a share of what is left to gain, so that a column of many values
      that determines the target scores 1.
    - All rows are counted in one table, not the median of tables of small batches.
    - A cross is scored in whole numbers, told from its parts, and given by
      ``transform``.
    - Whole numbers given as ``sample_weight`` repeat rows, and so their scale matters:
      twice the weights are twice the evidence. Equal weights of any scale are none.
      Other weights are an error: how many rows they stand for, which is what a test
      against chance needs, they do not say.
    - The order of the columns changes no score, except where rows are split or sampled
      by a hash of all columns: for the criteria of models, and beyond 262,144 distinct
      rows for ``redundancy`` and crosses. Crosses name their columns in that order.
    - A further column that is not constant may change which others are selected:
      ``alpha`` is a false-discovery rate over all columns, ``redundancy`` may choose
      the further column first, and it changes the hash of the rows.

    Crosses are searched for, and ``redundancy`` and models are computed, on at most
    262,144 distinct rows, those of the least hashes. What is reported of a cross is
    counted on all rows. A cross of more than four million values is left out, with a
    warning.

    A fitted ranker holds the counts of all values of all columns, for ``partial_fit``
    and ``merge``, and so does its pickle: distinct values of the training rows, ids and
    texts among them, are in it. ``to_json`` writes no more than the scores and what the
    selected crosses need.

    References
    ----------
    Škrlj and Mramor, "OutRank: Speeding up AutoML-based Model Search for Large Sparse
    Data sets with Cardinality-aware Feature Ranking", RecSys 2023, arXiv 2309.01552.

    Vinh, Epps and Bailey, "Information Theoretic Measures for Clusterings Comparison",
    JMLR 11, 2010.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from featurekit import OutRank
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"id": np.arange(5000), "city": rng.integers(0, 500, 5000)})
    >>> y = (X["city"] % 2) ^ (rng.random(5000) < 0.1)
    >>> ranker = OutRank(alpha=0.05).fit(X, y)
    >>> ranker.scores_["feature"].tolist()
    ['city', 'id']
    >>> ranker.get_support().tolist()
    [False, True]
    """

    _target: TargetCodes
    _counts: Counts

    _parameter_constraints: dict[str, Any] = {
        "criterion": [StrOptions({*SCORES, "outrank", *heuristics.NAMES})],
        "order": [Interval(Integral, 1, 3, closed="both")],
        "redundancy": [StrOptions({"mrmr", "3mr"}), None],
        "n_features_to_select": [Interval(Integral, 1, None, closed="left"), None],
        "alpha": [Interval(Real, 0, 1, closed="right"), None],
        "missing": [StrOptions({"category", "drop"})],
        "categorical_features": [StrOptions({"auto", "all"}), "array-like"],
        "drop": ["array-like", None],
        "n_bins": [Interval(Integral, 2, 65536, closed="both")],
        "task": [StrOptions(set(TASKS))],
        "drift_by": [str, None],
        "drift_reference": "no_validation",
        "noise_controls": ["boolean"],
        "reference_features": ["array-like", str, PathLike, None],
        "max_candidates": [Interval(Integral, 1, None, closed="left"), None],
        "time_budget": [
            Interval(RealNotInt, 0, None, closed="left"),
            Interval(Integral, 0, None, closed="left"),
            None,
        ],
        "memory_limit": [Interval(Integral, 1, None, closed="left"), None],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "output_format": [StrOptions(set(FORMATS))],
        "verbose": ["verbose", Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        criterion: str = "ami",
        *,
        order: int = 1,
        redundancy: str | None = None,
        n_features_to_select: int | None = None,
        alpha: float | None = None,
        missing: str = "category",
        categorical_features: Any = "auto",
        drop: Any = None,
        n_bins: int = 64,
        task: str = "auto",
        drift_by: str | None = None,
        drift_reference: Any = None,
        noise_controls: bool = False,
        reference_features: Any = None,
        max_candidates: int | None = None,
        time_budget: float | None = None,
        memory_limit: int | None = None,
        device: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
        output_format: str = "codes",
        verbose: int = 0,
    ) -> None:
        self.criterion = criterion
        self.order = order
        self.redundancy = redundancy
        self.n_features_to_select = n_features_to_select
        self.alpha = alpha
        self.missing = missing
        self.categorical_features = categorical_features
        self.drop = drop
        self.n_bins = n_bins
        self.task = task
        self.drift_by = drift_by
        self.drift_reference = drift_reference
        self.noise_controls = noise_controls
        self.reference_features = reference_features
        self.max_candidates = max_candidates
        self.time_budget = time_budget
        self.memory_limit = memory_limit
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.output_format = output_format
        self.verbose = verbose

    # -- fit -----------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> OutRank:
        """Count every column against the target, and rank.

        Parameters
        ----------
        X : frame or array of shape (n, d), or files
            pandas, polars, Arrow or numpy; or what is read block by block: a path, a
            folder, a glob, a list of files (Parquet, CSV, VW), a polars LazyFrame, or
            what `featurekit.data.scan.scan` makes of these.
        y : array-like of shape (n,), or str
            Of files the name of the target's column. Rows of files without a target
            are passed over with a warning.
        sample_weight : array-like of shape (n,), optional
            Whole numbers, how often each row counts; or equal weights.

        Returns
        -------
        OutRank
        """
        self._check_device()
        if not is_source(X):
            return self._fit(self._in_memory(X, y, sample_weight, reset=True))
        if not isinstance(y, str):
            raise TypeError(
                f"of files y is the name of the target's column, got {type(y).__name__}"
            )
        if sample_weight is not None:
            raise ValueError("sample_weight goes with rows in memory, not with files")
        # what is not read may be of any types
        unread = [name for name in self.drop or () if name != self.drift_by]
        found = scan(X, drop=unread)
        try:
            return self._fit(self._of_files(FileSource(found, y, self.drop)))
        except UnsettledTypesError:
            # a row further down does not fit the types that the first ones show
            settled = found.settle()
            return self._fit(self._of_files(FileSource(settled, y, self.drop)))

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> OutRank:
        """Add rows to those counted so far, and rank anew.

        Parameters
        ----------
        X, y, sample_weight
            As for ``fit``, rows in memory.
        classes : array-like, optional
            All labels there can be; without, labels may come later. With task="auto" a
            target of few whole numbers is classes until more than 20 of them, or
            fractions, have come; then, and else from the first call on, a numeric
            target is cut into bins by the rows so far.

        Returns
        -------
        OutRank
        """
        with unchanged_on_error(self):
            return self._add_rows(X, y, classes, sample_weight)

    def _add_rows(self, X: Any, y: Any, classes: Any, sample_weight: Any) -> OutRank:
        first = not hasattr(self, "_counts")
        if first:
            self._validate_params()
            self._check_device()
        self._refuse_passes("partial_fit")
        source = self._in_memory(X, y, sample_weight, reset=first)
        self._check_number(source)
        if not first:
            target, counts = copy.deepcopy(self._target), self._counts
        else:
            if classes is None:
                target = TargetCodes.learn(source.targets(), self.task, "y")
            else:
                known = sorted(np.asarray(classes).tolist())
                target = TargetCodes("classification", known)
            counts = self._new_counts(source, len(target.labels))
        block = next(source.blocks())
        # what may be refused comes before anything is changed
        to = None
        if not first:
            to = target.reconsider(counts.class_rows(), block.y, block.times)
        codes = target.encode(block.y, "y", grow=classes is None)
        raws = counts.raws(block.columns, self._n_threads())
        if first:
            self._target, self._counts = target, counts
        self._follow(target, to)
        self._counts.add(raws, codes, block.times, self._n_threads())
        warn_of_buckets(self._counts)
        if len(self._target.labels) > 1:
            self._rank(Passes(None, self._target, self._counts))
        return self

    def merge(self, other: OutRank) -> OutRank:
        """Add the rows that another ranker counted, and rank anew.

        The two must have counted the same columns with the same parameters. The result
        is that of one ranker over all the rows.

        Returns
        -------
        OutRank
            This one; the other stays as it is.
        """
        check_is_fitted(self, "_counts")
        check_is_fitted(other, "_counts")
        if other is self:
            raise ValueError(
                "merge(self) would count every row twice; pass a ranker of other rows"
            )
        self._refuse_passes("merge")
        other._refuse_passes("merge")
        target = copy.deepcopy(self._target)
        to = target.absorb(other._target)
        target.check()
        self._counts.check_merge(other._counts)
        self._follow(target)
        self._counts.merge(other._counts, to)
        target = copy.deepcopy(target)
        self._follow(target, target.reconsider(self._counts.class_rows()))
        self._rank(Passes(None, self._target, self._counts))
        return self

    def _refuse_passes(self, what: str) -> None:
        if self._needs_rows() or self.drift_by is not None:
            raise ValueError(
                f"{what} adds counts of columns: order=1, a score of the table, no "
                "redundancy and no drift_by. Fit those on files, which are read as "
                "often as needed."
            )

    def _follow(self, target: TargetCodes, to: Ints | None = None) -> None:
        """Let the tables follow labels that were added, or classes that became bins."""
        old, labels = self._target.labels, target.labels
        self._target = target
        if to is not None:
            self._counts.reclass(to, len(labels))
        elif old != labels:
            place = {label: i for i, label in enumerate(labels)}
            to = np.array([place[label] for label in old], np.int64)
            self._counts.reclass(to, len(labels))

    def _check_device(self) -> None:
        if self.device == "cuda":
            raise BackendUnavailableError(
                "OutRank has no CUDA kernels in this version. Use device='cpu' or "
                "device='auto'."
            )

    def _n_threads(self) -> int:
        return int(effective_n_jobs(self.n_jobs))

    def _in_memory(
        self, X: Any, y: Any, sample_weight: Any, reset: bool
    ) -> MemorySource:
        frame_type(X)
        if isinstance(y, str):
            raise TypeError(
                "y names a column only where X are files; pass the target itself, and "
                "X without it"
            )
        if y is None:
            raise ValueError(
                "OutRank requires y to be passed, but the target y is None: it ranks "
                "by what columns tell of it"
            )
        check_columns(self, X, reset=reset)
        frame = open_frame(X)
        series = open_target(y, frame.n_rows)
        weight = check_weights(sample_weight, frame.n_rows)
        times = None if weight is None else whole_weights(weight)
        if reset:
            used = usable_columns(frame, columns_without(frame.names, self.drop))
            self._used = np.array([frame.names.index(name) for name in used], np.int64)
        names = tuple(frame.names[j] for j in self._used)
        return MemorySource(frame, series, times, names)

    def _of_files(self, source: FileSource) -> FileSource:
        self.n_features_in_ = len(source.header)
        self.feature_names_in_ = np.array(source.header, dtype=object)
        self._used = np.array([source.header.index(n) for n in source.names], np.int64)
        return source

    def _new_counts(self, source: Source, n_classes: int) -> Counts:
        features = self.categorical_features
        if isinstance(features, str):
            given = None if features == "auto" else True
            categorical = dict.fromkeys(source.names, given)
        else:
            asked = positions_of(source.header, features)
            categorical = {name: i in asked for i, name in enumerate(source.header)}
        return Counts(source.names, n_classes, categorical, self.memory_limit)

    def _check_number(self, source: Source) -> None:
        """Whether there are as many columns as are to be selected."""
        if self.order == 1 and self.n_features_to_select is not None:
            refuse_too_many(self.n_features_to_select, len(source.names))

    def _needs_rows(self) -> bool:
        """Whether tables of single columns are not enough."""
        of_rows = self.criterion == "outrank" or self.criterion in heuristics.NAMES
        return of_rows or self.order > 1 or self.redundancy is not None

    def _fit(self, source: Source) -> OutRank:
        self._check_number(source)
        if self.drift_reference is not None and self.drift_by is None:
            raise ValueError("drift_reference names a shard of drift_by, which is None")
        if self.reference_features is not None and self.criterion != "surrogate":
            raise ValueError("reference_features goes with criterion='surrogate'")
        if self.criterion == "outrank" and (source.weighted or not source.in_memory):
            raise ValueError(
                "criterion='outrank' depends on the order of rows: it takes rows in "
                "memory, without weights. It estimates what criterion='excess' is."
            )
        budget = Budget(self.time_budget)
        with budget, Progress(self, self._n_phases(), budget, self.verbose) as progress:
            with progress.phase("target", source.n_blocks) as step:
                blocks = _counting(source.targets(), step)
                target = TargetCodes.learn(blocks, self.task, source.y_name)
                target.check()
            shards = learn_shards(source, self.drift_by, target)
            if shards is not None:
                drift.reference_shard(shards.lows, self.drift_reference)
            n_shards = 1 if shards is None else len(shards.labels)
            counts = self._new_counts(source, n_shards * len(target.labels))
            run = Passes(
                source, target, counts, budget, self.drift_by, shards,
                progress=progress,
            )  # fmt: skip
            keep = source.in_memory and self._needs_rows()
            with progress.phase("count", source.n_blocks) as step:
                before = budget.elapsed()
                for _ in run.count(keep, self._n_threads()):
                    step()
                seconds = max(budget.elapsed() - before, 1e-9)
                n = counts.n_rows
                logger.info("%d rows counted, %.0f rows/s", n, n / seconds)
            warn_of_buckets(counts)
            self._target, self._counts = target, counts
            self._rank(run)
        return self

    def _n_phases(self) -> int:
        """Target, count and rank; the sample of rows, pairs, triples and crosses."""
        rows = self._needs_rows() and self.criterion != "outrank"
        return 3 + rows + (self.order if rows and self.order > 1 else 0)

    # -- rank ----------------------------------------------------------------------

    def _rank(self, run: Passes) -> None:
        """From counts to scores, choices and tables."""
        n_threads = self._n_threads()
        n_classes = len(run.target.labels)
        b = run.counts.class_rows().reshape(-1, n_classes).sum(axis=0)
        n_bins = bins_for(b, self.n_bins)
        columns = run.counts.finish(self.missing, n_bins, n_threads)
        for name in ("pair_scores_", "drift_", "classes_"):
            self.__dict__.pop(name, None)  # of an earlier fit that was asked for more
        self.class_counts_ = b
        self.n_rows_ = int(b.sum())
        self.target_entropy_ = entropy(b)
        self.task_ = run.target.task
        if run.target.task == "classification":
            self.classes_ = np.array(run.target.labels)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with run.phase("rank", len(columns)) as step:
            lines = scoring.column_lines(
                columns, b, self.criterion, seed if self.noise_controls else None,
                n_threads,
            )  # fmt: skip
            for _ in columns:
                step()
        order = None
        if self.criterion == "outrank":
            scoring.shift(lines, columns, run.kept[0], n_classes)
        elif self._needs_rows():
            with run.phase("sample", run.n_blocks) as step:
                blocks = _counting(run.coded(n_threads), step)
                rows = sample_rows(columns, blocks, n_classes)
            if self.criterion in heuristics.NAMES:
                self._score_by_model(lines, rows, seed)
            if self.redundancy is not None:
                order = self._choose(lines, rows, columns, run.budget)
            if self.order > 1:
                lines += self._crosses(run, lines, columns, rows)
        self.stopped_ = run.budget.why
        self._write(lines, columns, order)
        quality = drift.quality_table(columns, self.missing)
        self.quality_ = _frame(drift.QUALITY_COLUMNS, quality)
        if run.shards is not None:
            shards = run.shards.lows
            found = drift.drift_table(
                [column for column in columns if column.name != run.drift_by],
                shards, n_classes, self.missing,
                drift.reference_shard(shards, self.drift_reference),
            )  # fmt: skip
            self.drift_ = _frame(drift.DRIFT_COLUMNS, found)

    def _score_by_model(self, lines: list[Line], rows: Rows, seed: int) -> None:
        reference: list[tuple[int, ...]] = []
        if self.reference_features is not None:
            names = [line.feature for line in lines if line.position is not None]
            reference = heuristics.reference_sets(self.reference_features, names)
        found = heuristics.importances(
            self.criterion, rows, seed, self._n_threads(), reference
        )
        for line in lines:
            if line.position is not None:
                line.score = float(found[line.position])

    def _choose(
        self, lines: list[Line], rows: Rows, columns: list[Counted], budget: Budget
    ) -> list[int]:
        """Columns in the order of the greedy choice."""
        assert self.redundancy is not None
        here = [line for line in lines if line.position is not None]
        relevance = scoring.as_shares(
            np.array([line.score for line in here]),
            self.criterion,
            self.target_entropy_,
        )
        n_choose = min(self.n_features_to_select or len(here), len(here))
        order, criterion, pairs = choose(
            rows, relevance, self.redundancy, n_choose, budget.stopped
        )
        for i, line in enumerate(here):
            line.score = float(criterion[i])
        found = [
            score.row(columns[a].name, columns[b].name)
            for (a, b), score in pairs.items()
        ]
        self.pair_scores_ = _frame(PAIR_COLUMNS, found)
        return order

    def _crosses(
        self, run: Passes, lines: list[Line], columns: list[Counted], rows: Rows
    ) -> list[Line]:
        """The best crosses of columns that vary, counted on all rows."""
        allowed = [
            j
            for j, column in enumerate(columns)
            if emit.may_cross(column) and not lines[j].constant
        ]
        found, n_tried = find_crosses(
            rows, allowed, self.order, max(N_CROSSES, len(columns)),
            self.max_candidates, run.budget, self._n_threads(), run.phase,
        )  # fmt: skip
        crosses = count_crosses(
            run, columns, found, self.missing, self._memory_limit(), self._n_threads()
        )
        scoring.score_crosses(
            crosses, n_tried, self.criterion, self.redundancy is not None,
            self.target_entropy_,
        )  # fmt: skip
        return crosses

    def _memory_limit(self) -> int:
        return default_limit() if self.memory_limit is None else self.memory_limit

    def _write(
        self, lines: list[Line], columns: list[Counted], order: list[int] | None
    ) -> None:
        """The attributes: scores in order, ranks, what is selected."""
        lines = scoring.in_order(lines, order)
        self.scores_ = _frame(SCORE_COLUMNS, [line.row() for line in lines])
        at = self._used[[x.position for x in lines if x.position is not None]]
        # columns that are left out come last
        at = np.concatenate([at, np.setdiff1d(np.arange(self.n_features_in_), at)])
        self.ranking_ = np.empty(self.n_features_in_, np.int64)
        self.ranking_[at] = np.arange(1, self.n_features_in_ + 1)
        chosen = scoring.selected(lines, self.alpha)
        chosen = chosen[: self.n_features_to_select]
        if not chosen:
            least = min(line.statistics["q"] for line in lines)
            warn(
                "No column is selected: chance explains all of them at a "
                f"false-discovery rate of alpha={self.alpha} (the least q is "
                f"{least:.3g}). Raise alpha, or pass alpha=None, which tests nothing."
            )
        kept = [x.position for x in chosen if x.position is not None]
        self._support = np.zeros(self.n_features_in_, bool)
        self._support[self._used[kept]] = True
        self._fitted = [
            emit.fitted(line.members, self.missing, line.combinations)
            for line in chosen
            if line.combinations is not None
        ]
        self.crosses_: list[Expression] = [f.expression for f in self._fitted]
        warn_of_refused(self.crosses_)
        self._output = self._learn_output(chosen, columns)
        used = {name for node in self.crosses_ for name in node.columns()}
        self._schema = Schema(
            tuple(column.spec() for column in columns if column.name in used),
            hasattr(self, "feature_names_in_"),
        )

    def _learn_output(self, chosen: list[Line], columns: list[Counted]) -> Output:
        """The form of the selected columns, then of the selected crosses."""
        kept = [columns[i] for i in np.flatnonzero(self._support[self._used])]
        specs = tuple(emit.output_spec(column) for column in kept)
        schema = Schema(specs, hasattr(self, "feature_names_in_"))
        dense = {}
        if self.output_format == "onehot":
            tables = self._counts.tables
            for column in kept:
                sizes = tables[column.name].per_code()
                dense[column.name] = emit.dense_of(column, sizes)
            for line in chosen:
                if line.combinations is not None:
                    dense[line.feature] = emit.dense_of_cross(line.combinations)
        return Output(self.output_format, schema, dense)

    # -- apply ---------------------------------------------------------------------

    def get_support(self, indices: bool = False) -> NDArray[Any]:
        """Which columns are selected: a mask, or their positions.

        Crosses are in ``crosses_``.
        """
        check_is_fitted(self, "scores_")
        return np.flatnonzero(self._support) if indices else self._support.copy()

    def transform(self, X: Any) -> Any:
        """The selected columns and crosses, in the form that ``output_format`` names.

        Parameters
        ----------
        X : frame or array of shape (n, d)
            The columns of fit, in the same order. Columns that fit did not see are an
            error.

        Returns
        -------
        frame or array of shape (n, selected columns + crosses)
            Of the type that came in, or that ``set_output`` asks for.

        Raises
        ------
        ValueError
            For other columns than in fit, or for another order of the columns.
        """
        check_is_fitted(self, "scores_")
        frame_type(X)
        check_columns(self, X, reset=False)
        new: dict[str, Any] = {}
        if self._fitted:
            names = open_frame(X).names
            known = list(getattr(self, "feature_names_in_", names))
            at = [known.index(spec.name) for spec in self._schema]
            table = self._schema.read(select_columns(X, at))
            new = {
                f.expression.name: emit.as_column(f.values(table)) for f in self._fitted
            }
        kept = np.flatnonzero(self._support).tolist()
        container = _get_output_config("transform", self)["dense"]
        return self._output.write(select_columns(X, kept), new, container)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the columns that ``transform`` returns, ndarray of str."""
        check_is_fitted(self, "scores_")
        names = _check_feature_names_in(self, input_features)[self._support]
        new = [node.name for node in self.crosses_]
        return np.array(self._output.names(new, list(names)), dtype=object)

    def to_json(self, path: str | Path) -> None:
        """Write what ``transform`` needs, and the scores; `from_json` reads it."""
        check_is_fitted(self, "scores_")
        export.write(
            path,
            {
                "estimator": "OutRank",
                "n_features_in": self.n_features_in_,
                "named_columns": hasattr(self, "feature_names_in_"),
                "names_in": [str(name) for name in _check_feature_names_in(self)],
                "support": self._support.tolist(),
                "ranking": self.ranking_.tolist(),
                "schema": self._schema.to_dict(),
                "features": [export.fitted_to_dict(f) for f in self._fitted],
                "output": self._output.to_dict(),
                "output_schema": self._output.schema.to_dict(),
                "scores": _to_json(self.scores_),
            },
        )

    @classmethod
    def from_json(cls, path: str | Path) -> OutRank:
        """A fitted ``OutRank`` from a file of `to_json`, ready for ``transform``.

        Raises
        ------
        FeatureFileError
            If the file is damaged, of a newer format or of another estimator.
        """
        return export.load(path, "OutRank", cls._of_content)

    @classmethod
    def _of_content(cls, data: dict[str, Any]) -> OutRank:
        schema, fitted = export.content_to_features(data)
        names = _list_of(data, "names_in", str)
        n = export.entry(data, "n_features_in", int)
        support = _list_of(data, "support", bool)
        ranking = _list_of(data, "ranking", int)
        scores = export.entry(data, "scores", dict)
        if not n == len(set(names)) == len(names) == len(support) == len(ranking):
            raise ValueError("its lists are not of as many columns as it ranks")
        if not set(schema.names) <= set(names):
            raise ValueError("its crosses are of columns that it does not rank")
        if not all(abs(rank) <= n for rank in ranking):
            raise ValueError(f"its 'ranking' has ranks beyond {n}")
        cells = {name: _list_of(scores, name, *_CELLS) for name in scores}
        if {"feature", "order"} <= cells.keys():
            # crosses had other names in older files
            cells["feature"] = [
                parse(name).name if order != 1 and isinstance(name, str) else name
                for name, order in zip(cells["feature"], cells["order"], strict=True)
            ]
        output = _stored_output(data, list(np.array(names, dtype=object)[support]))
        output.check_complete(feature.expression.name for feature in fitted)
        self = cls()
        self.n_features_in_ = n
        if export.entry(data, "named_columns", bool):
            self.feature_names_in_ = np.array(names, dtype=object)
        self._support = np.array(support, bool)
        self.ranking_ = np.array(ranking, np.int64)
        self.scores_ = _frame(tuple(cells), list(zip(*cells.values(), strict=True)))
        self._output = output
        self.output_format = output.format
        self._schema = schema
        self._fitted = fitted
        self.crosses_ = [f.expression for f in fitted]
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def _counting(items: Iterator[T], step: Callable[[], None]) -> Iterator[T]:
    """The same items; ``step`` is called after each."""
    for item in items:
        yield item
        step()


def _frame(names: Any, rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(names))


_CELLS = (str, int, float, bool, type(None))


def _stored_output(data: dict[str, Any], kept: list[str]) -> Output:
    """The form of the columns that are kept; as they came in older files."""
    if "output" not in data:
        specs = tuple(ColumnSpec(name, "numeric") for name in kept)
        return Output("input", Schema(specs, export.entry(data, "named_columns", bool)))
    schema = Schema.from_dict(export.entry(data, "output_schema", dict))
    if list(schema.names) != kept:
        raise ValueError("its 'output_schema' is not of the columns that it keeps")
    return Output.from_dict(export.entry(data, "output", dict), schema)


def _list_of(data: dict[str, Any], key: str, *kinds: type) -> list[Any]:
    values: list[Any] = export.entry(data, key, list)
    if not all(type(value) in kinds for value in values):
        raise ValueError(f"its {key!r} holds what it cannot hold")
    return values


def _to_json(frame: pd.DataFrame) -> dict[str, list[Any]]:
    return {
        name: [None if v is None or v != v else v for v in frame[name].tolist()]
        for name in frame
    }
