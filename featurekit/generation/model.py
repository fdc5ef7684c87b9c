"""The gradient-boosted model that candidates have to improve upon (LightGBM)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import CategoricalColumn, DatetimeColumn, Table
from featurekit.execution.budget import Budget
from featurekit.generation.trees import leaf_values, leaves
from featurekit.statistics.folds import Folds
from featurekit.statistics.loss import LogLoss, Loss, MultiLogLoss

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_ROWS = 200_000
# below this, LightGBM's threads wait for each other longer than they work, and far
# longer where another process holds one of the cores
THREADED_ROWS = 50_000
STAGES = (3, 4, 6, 8, 12, 20)
SPARED = 6.0
"""Standard errors of held-out loss that the early scores may leave to later rounds. Few
rows then leave a feature what rounds patch up tree by tree; with many rows it is hardly
anything."""
RATE = 0.25
QUICK_ROUNDS = 12
QUICK_RATE = 0.3
BETTER = 2.0
"""Standard errors by which a model must be better than a constant to be used."""

PARTIAL = (("feature_fraction", 0.7), ("bagging_fraction", 0.8), ("bagging_freq", 1))
"""How models of a comparison are trained that differ by the seed."""


_TREE_MODULES = (
    "lightgbm",
    "xgboost",
    "catboost",
    "sklearn.tree",
    "sklearn.ensemble._forest",
    "sklearn.ensemble._gb",
    "sklearn.ensemble._hist_gradient_boosting",
)


def is_of_trees(estimator: Any) -> bool:
    """Whether a model sees no more of a feature than how it orders the rows.

    None stands for LightGBM. Of a pipeline, and of a search over parameters, the model
    inside counts; a model that is not known is taken for one of another kind.
    """
    if estimator is None:
        return True
    inner = getattr(estimator, "estimator", None)
    if hasattr(estimator, "steps"):
        inner = estimator.steps[-1][1]
    if inner is not None:
        return is_of_trees(inner)
    if getattr(estimator, "booster", None) == "gblinear":
        return False
    module = type(estimator).__module__
    return any(f"{module}.".startswith(f"{tree}.") for tree in _TREE_MODULES)


def base_matrix(table: Table) -> tuple[Floats, list[int]]:
    """The table as numbers for LightGBM, and which columns are categorical.

    Missing and unseen categories are NaN, as are missing datetimes.
    """
    out = np.empty((len(table), len(table.names)))
    categorical = []
    for i, (_, column) in enumerate(table):
        if isinstance(column, CategoricalColumn):
            categorical.append(i)
            out[:, i] = column.codes
            out[column.codes >= column.missing_code, i] = np.nan
        elif isinstance(column, DatetimeColumn):
            out[:, i] = column.values
            out[column.values == np.iinfo(np.int64).min, i] = np.nan
        else:
            out[:, i] = column.values
    return out, categorical


@dataclass(frozen=True)
class OutOfFold:
    """Scores of rows by models that have not seen them.

    Attributes
    ----------
    raw : float64 array (n, K)
        Of the full model; NaN for rows of no fold.
    early : float64 array (n, K)
        Of its first rounds: the fewest of `STAGES` whose held-out loss is not more than
        `SPARED` standard errors above the least. What a model still lacks then, a
        feature can supply; later rounds have patched it up tree by tree.
    rounds : int
        Rounds of the full model.
    """

    raw: Floats
    early: Floats
    rounds: int


@dataclass(frozen=True)
class BoostedModel:
    """LightGBM with fixed settings: fit on some rows, raw scores on others.

    Attributes
    ----------
    loss : Loss
    seed, n_threads, rounds : int
    params : tuple of (name, value)
        Settings that differ from the common ones.
    budget : Budget or None
        Training stops after the round in which it is spent.
    sure : float
        Standard errors by which `judge` with features must be better than without.
        With 1.8 nothing is kept in 20 of 20 noise tables (`benchmarks.noise`).
    n_judges : int
        Seeds that make a difference.
    """

    sure: ClassVar[float] = 1.8
    n_judges: ClassVar[int] = 3
    loss: Loss
    seed: int = 0
    n_threads: int = 1
    rounds: int = 100
    params: tuple[tuple[str, Any], ...] = ()
    budget: Budget | None = None

    def _threads(self, n_rows: int) -> int:
        return self.n_threads if n_rows >= THREADED_ROWS else 1

    def settings(self, n_rows: int) -> dict[str, Any]:
        """LightGBM's parameters for so many rows."""
        common = {
            "learning_rate": RATE,
            "num_leaves": 31,
            "min_data_in_leaf": 20,
            "verbosity": -1,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": self._threads(n_rows),
            "seed": self.seed,
            "boost_from_average": True,
        }
        return common | self.loss.params | dict(self.params)

    def dataset(
        self,
        X: Floats,
        y: Floats,
        weight: Floats | None = None,
        categorical: list[int] | None = None,
        init: Floats | None = None,
    ) -> Any:
        """Binned data; bins are shared by every subset that is trained on."""
        import lightgbm

        score = None if init is None else init.ravel(order="F")
        data = lightgbm.Dataset(
            X, self.loss.labels(y), weight=weight, init_score=score,
            categorical_feature=categorical or [],
            params={
                "max_bin": 255,
                "verbosity": -1,
                "num_threads": self._threads(len(X)),
            }
            | {k: v for k, v in self.params if k in ("max_bin", "min_data_in_bin")},
            free_raw_data=False,
        )  # fmt: skip
        return data.construct()

    def sample(self, rows: Ints) -> Ints:
        """Those of ``rows`` that a model is trained on."""
        return at_most(rows, MAX_ROWS, self.seed)

    def train(
        self,
        data: Any,
        rows: Ints,
        valid: Ints | None = None,
        wait: int = 20,
        budget: Budget | None = None,
    ) -> Any:
        """Booster trained on ``rows``, stopped early on ``valid`` where given.

        A ``budget`` takes the place of the model's own.
        """
        import lightgbm

        rows = self.sample(rows)
        part = data if len(rows) == data.num_data() else data.subset(rows)
        options: dict[str, Any] = {"callbacks": []}
        if valid is not None:
            options["valid_sets"] = [data.subset(self.sample(valid))]
            options["callbacks"].append(lightgbm.early_stopping(wait, verbose=False))
        if (budget := budget or self.budget) is not None:
            options["callbacks"].append(_stops_with(budget))
        return lightgbm.train(
            self.settings(len(rows)),
            part,
            num_boost_round=self.rounds,
            keep_training_booster=True,  # else it is written out and read in again
            **options,
        )

    def raw(self, booster: Any, X: Floats) -> Floats:
        """Raw scores, (n, K)."""
        out = booster.predict(X, raw_score=True, num_threads=self._threads(len(X)))
        return np.asarray(out, np.float64).reshape(len(X), -1)

    def judge(
        self,
        X: Floats,
        y: Floats,
        weight: Floats | None,
        categorical: list[int],
        X_test: Floats,
        seeds: Sequence[int],
    ) -> list[Floats]:
        """Raw scores on ``X_test`` of a model for each seed, (n_test, K).

        With seed 0 the model as it is, else one of random parts of rows and columns;
        for a target of one value, the constant.
        """
        constant = Constant.of(self.loss, y, weight)
        if constant.one_value:
            return [constant.scores(len(X_test))] * len(seeds)
        data, rows = self.dataset(X, y, weight, categorical), np.arange(len(y))
        out = []
        for seed in seeds:
            model = self
            if seed:
                params = self.params + PARTIAL
                model = replace(self, seed=self.seed + seed, params=params)
            out.append(constant.fill(model.raw(model.train(data, rows), X_test)))
        return out

    def out_of_fold(
        self,
        X: Floats,
        y: Floats,
        folds: Folds,
        weight: Floats | None = None,
        categorical: list[int] | None = None,
        step: Callable[[], None] = lambda: None,
    ) -> OutOfFold:
        """Raw scores of each row by models that have not seen its fold.

        The number of rounds is where the held-out loss of the *other* folds was best
        (median), so no fold chooses its own. The score is a constant where the models
        of the other folds are not better than theirs by two standard errors.
        """
        data = self.dataset(X, y, weight, categorical)
        # so few rounds do not overfit: nothing to stop, no held-out loss to compute
        stops = self.rounds > STAGES[-1]
        parts = [folds.test_rows(f) for f in range(folds.n_folds)]
        constants, boosters = [], []
        for f, test in enumerate(parts):
            train = folds.train_rows(f)
            constant = Constant.of(self.loss, *_take(y, weight, train))
            turn = self.budget and self.budget.part(1 / (folds.n_folds - f))
            booster = None
            if not constant.one_value:
                booster = self.train(data, train, test if stops else None, budget=turn)
            constants.append(constant)
            boosters.append(booster)
            step()
        best = np.array(
            [0 if b is None else b.best_iteration or self.rounds for b in boosters]
        )
        raw = np.full((len(y), self.loss.n_outputs), np.nan)
        last = max(1, min(STAGES[-1], int(best.max())))
        stages = {r: raw.copy() for r in (*(r for r in STAGES if r < last), last)}
        gain = []
        for f, (test, booster) in enumerate(zip(parts, boosters, strict=True)):
            constant = constants[f]
            flat = constant.scores(len(test))
            others = np.delete(best, f) if len(best) > 1 else best
            rounds = max(1, int(np.median(others)))
            ends = [*(min(r, rounds) for r in stages), rounds]
            found: Iterable[Floats] = [flat] * len(ends)
            if booster is not None:
                found = map(constant.fill, self._staged(booster, X[test], ends))
            for scores, part in zip((*stages.values(), raw), found, strict=True):
                scores[test] = part
            losses = self.loss.per_row(y[test], flat)
            losses -= self.loss.per_row(y[test], raw[test])
            gain.append(losses if weight is None else losses * weight[test])
        for f, test in enumerate(parts):
            others_gain = gain[:f] + gain[f + 1 :] if len(gain) > 1 else gain
            if not _is_gain(np.concatenate(others_gain)):
                for scores in (raw, *stages.values()):
                    scores[test] = constants[f].scores(len(test))
        early = self._early(y, weight, list(stages.values()))
        return OutOfFold(raw, early, max(1, int(np.median(best))))

    def _staged(self, booster: Any, X: Floats, rounds: list[int]) -> Iterator[Floats]:
        """Raw scores after each of some ascending numbers of rounds.

        Rows are sent through the trees once; adding up leaves is all the rest.
        """
        n_outputs, before = self.loss.n_outputs, 0
        leaf = leaves(booster, X, max(rounds), self._threads(len(X)))
        leaf_value = leaf_values(booster, leaf)
        scores = np.zeros((len(X), n_outputs))
        for r in rounds:
            for t in range(before, min(r * n_outputs, leaf.shape[1])):
                scores[:, t % n_outputs] += leaf_value[t, leaf[:, t]]
            before = max(before, r * n_outputs)
            yield scores.copy()

    def _early(self, y: Floats, weight: Floats | None, stages: list[Floats]) -> Floats:
        """The first stage that is hardly worse than the best."""
        known = ~np.isnan(stages[0][:, 0])
        losses = np.stack([self.loss.per_row(y[known], s[known]) for s in stages])
        if weight is not None:
            losses *= weight[known] / weight[known].mean()
        behind = losses - losses[losses.mean(axis=1).argmin()]
        error = behind.std(axis=1) / np.sqrt(known.sum())
        enough = behind.mean(axis=1) <= SPARED * error
        return stages[int(enough.argmax())]


@dataclass(frozen=True)
class Constant:
    """What is known of some training rows without a model.

    Attributes
    ----------
    score : float64 array (K,)
        The best constant raw score.
    absent : bool array (K,)
        Classes of a multi-class target without a row; LightGBM scores them at -34.
    one_value : bool
        Whether the target is the same on all rows: a model has nothing to learn.
    """

    score: Floats
    absent: NDArray[np.bool_]
    one_value: bool

    @classmethod
    def of(cls, loss: Loss, y: Floats, weight: Floats | None) -> Constant:
        """Of the rows of a training part."""
        labels = loss.labels(y)
        absent = np.zeros(loss.n_outputs, bool)
        if loss.n_outputs > 1:
            rows = np.bincount(labels.astype(np.int64), minlength=loss.n_outputs)
            absent = rows == 0
        one_value = bool((labels == labels[0]).all())
        return cls(loss.constant(labels, weight), absent, one_value)

    def scores(self, n: int) -> Floats:
        """The constant score of ``n`` rows, (n, K)."""
        return np.tile(self.score, (n, 1))

    def fill(self, raw: Floats) -> Floats:
        """Scores of a model with the constant ones of absent classes."""
        return np.where(self.absent, self.score, raw)


def _take(y: Floats, weight: Floats | None, rows: Ints) -> tuple[Floats, Floats | None]:
    return y[rows], None if weight is None else weight[rows]


def _is_gain(gain: Floats) -> bool:
    """Whether rows gain more than `BETTER` standard errors of their mean."""
    return bool(gain.mean() > BETTER * gain.std() / np.sqrt(len(gain)))


@dataclass(frozen=True)
class EstimatorModel:
    """Any scikit-learn regressor or classifier in the place of LightGBM.

    It sees categorical columns as codes and missing values as NaN; put an encoder or
    an imputer in front of it, in a pipeline, where it needs one.
    """

    sure: ClassVar[float] = 2.0
    n_judges: ClassVar[int] = 1
    estimator: Any
    loss: Loss
    n_classes: int = 0

    def sample(self, rows: Ints) -> Ints:
        """Those of ``rows`` that a model is trained on: all."""
        return rows

    def fit_raw(
        self,
        X: Floats,
        y: Floats,
        weight: Floats | None,
        categorical: list[int],
        X_test: Floats,
    ) -> Floats:
        """Raw scores on ``X_test`` of a model of all rows of ``X``, (n_test, K)."""
        from sklearn.base import clone

        model = clone(self.estimator)
        options = {} if weight is None else {"sample_weight": weight}
        model.fit(X, y, **options)
        if not self.n_classes:
            assert not isinstance(self.loss, (LogLoss, MultiLogLoss))
            out = np.asarray(model.predict(X_test), np.float64)
            return self.loss.scores(out)[:, None]
        share = np.full((len(X_test), self.n_classes), 1e-9)
        share[:, np.asarray(model.classes_, np.int64)] = model.predict_proba(X_test)
        log_share = np.log(np.clip(share, 1e-9, 1.0))
        if self.n_classes == 2:
            return log_share[:, 1:] - log_share[:, :1]
        return log_share

    def judge(
        self,
        X: Floats,
        y: Floats,
        weight: Floats | None,
        categorical: list[int],
        X_test: Floats,
        seeds: Sequence[int],
    ) -> list[Floats]:
        """Raw scores on ``X_test`` of the same model for each seed."""
        return [self.fit_raw(X, y, weight, categorical, X_test)] * len(seeds)

    def out_of_fold(
        self,
        X: Floats,
        y: Floats,
        folds: Folds,
        weight: Floats | None = None,
        categorical: list[int] | None = None,
        step: Callable[[], None] = lambda: None,
    ) -> OutOfFold:
        """Raw scores of each row by models that have not seen its fold."""
        raw = np.full((len(y), self.loss.n_outputs), np.nan)
        for f in range(folds.n_folds):
            train, test = folds.train_rows(f), folds.test_rows(f)
            part = None if weight is None else weight[train]
            raw[test] = self.fit_raw(
                X[train], y[train], part, categorical or [], X[test]
            )
            step()
        return OutOfFold(raw, raw, 0)


Model = BoostedModel | EstimatorModel


def _stops_with(budget: Budget) -> Callable[[Any], None]:
    """A callback of LightGBM that ends training when the budget is spent."""
    from lightgbm.callback import EarlyStopException

    def callback(env: Any) -> None:
        if budget.stopped():
            raise EarlyStopException(env.iteration, env.evaluation_result_list or [])

    return callback


def at_most(rows: Ints, most: int, seed: int) -> Ints:
    """``rows``, or ``most`` of them chosen at random and in order."""
    if len(rows) <= most:
        return rows
    chosen = np.random.default_rng(seed).choice(len(rows), most, replace=False)
    return rows[np.sort(chosen)]
