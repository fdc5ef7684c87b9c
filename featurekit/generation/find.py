"""OpenFE's method: base model, search, gate. Needs no estimator around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import Table
from featurekit.exceptions import warn
from featurekit.execution.budget import Budget
from featurekit.execution.progress import Progress
from featurekit.expressions.tree import Expression
from featurekit.fitting import Target
from featurekit.generation.candidates import Space
from featurekit.generation.gate import SIZES, Verdict, judge
from featurekit.generation.model import (
    QUICK_RATE,
    QUICK_ROUNDS,
    BoostedModel,
    EstimatorModel,
    Model,
    OutOfFold,
    base_matrix,
)
from featurekit.generation.problem import Problem
from featurekit.generation.search import N_STEPS, Ranking, Settings, search
from featurekit.statistics.folds import Folds

UNJUDGED = 10
BASE_ROUNDS = 72
BASE_SHARE = 0.3
SCREEN_SHARE = 0.7
"""Shares of the time left that the base model and the first stage may take."""


@dataclass(frozen=True)
class Data:
    """Training rows with all that belongs to them, and the candidates they allow."""

    table: Table
    target: Target
    weight: NDArray[np.float64] | None
    folds: Folds
    space: Space


@dataclass(frozen=True)
class Plan:
    """Parameters of the method; see `featurekit.generation.OpenFE`."""

    n_features: int | str
    order: int
    feature_boosting: bool
    estimator: Any
    settings: Settings

    @property
    def judged(self) -> bool:
        """Whether the gate decides how many features to keep."""
        return self.n_features == "auto"

    @property
    def n_phases(self) -> int:
        """Number of phases of progress."""
        return 2 + self.judged


@dataclass(frozen=True)
class Found:
    """What the method found.

    Attributes
    ----------
    problem : Problem
    base : OutOfFold
    ranking : Ranking
    verdict : Verdict or None
    n_kept : int
    stopped : str
        Why the search was cut short, "" if it was not.
    """

    problem: Problem
    base: OutOfFold
    ranking: Ranking
    verdict: Verdict | None
    n_kept: int
    stopped: str

    @property
    def kept(self) -> list[Expression]:
        """The features to keep, most useful first."""
        return self.ranking.order[: self.n_kept]


def find_features(data: Data, plan: Plan, budget: Budget, progress: Progress) -> Found:
    """Rank candidates and decide how many of them to keep."""
    model, base = base_model(data, plan, budget, progress)
    problem = initial_problem(data, plan, base)

    def find(
        part: Problem, step: Callable[[], None], screening: Budget | None = None
    ) -> Ranking:
        return search(
            part, data.space, plan.order, plan.settings, budget, step, screening
        )

    n_steps = plan.order * N_STEPS
    screening = budget.part(SCREEN_SHARE)
    with progress.phase("score candidates", n_steps) as step:
        ranking = find(problem, step, screening)
    verdict = None
    if plan.judged:
        n_steps = n_steps * data.folds.n_folds + 1 + len(SIZES)
        with progress.phase("judge how many to keep", n_steps) as step:
            if not screening.why:
                verdict = judge(
                    problem, base.raw, model, data.target.metric,
                    partial(find, step=step), budget, step=step,
                )  # fmt: skip
    stopped = budget.why or screening.why
    n_kept = min(_n_wanted(plan, verdict, stopped, ranking), len(ranking.order))
    return Found(problem, base, ranking, verdict, n_kept, stopped)


def base_model(
    data: Data, plan: Plan, budget: Budget, progress: Progress
) -> tuple[Model, OutOfFold]:
    """The model without new features, and its out-of-fold scores."""
    target, settings = data.target, plan.settings
    model: Model
    if plan.estimator is None:
        # the gate needs the model at its best: with fewer bins it does not see what
        # a feature does for the far tail; the search needs its first rounds only,
        # for which fewer of a higher rate do as well
        quick = (("max_bin", 63), ("learning_rate", QUICK_RATE))
        model = BoostedModel(
            target.loss,
            settings.seed,
            settings.n_threads,
            BASE_ROUNDS if plan.judged else QUICK_ROUNDS,
            () if plan.judged else quick,
            budget.part(BASE_SHARE),
        )
    else:
        model = EstimatorModel(plan.estimator, target.loss, len(target.labels))
    X, categorical = base_matrix(data.table)
    with progress.phase("base model", data.folds.n_folds) as step:
        base = model.out_of_fold(
            X, target.y, data.folds, data.weight, categorical, step
        )
    if isinstance(model, BoostedModel):
        model = replace(model, rounds=base.rounds, budget=budget)
    return model, base


def initial_problem(data: Data, plan: Plan, base: OutOfFold) -> Problem:
    """The rows with the scores that candidates are to improve on."""
    target, folds = data.target, data.folds
    raw = base.early
    if not plan.feature_boosting:
        # a constant needs no fold: rows that none tests can be learnt from too
        constant = target.loss.baseline(target.y, data.weight)
        raw = np.tile(constant, (len(target.y), 1))
    known = np.bincount(folds.atom[~np.isnan(raw[:, 0])]) > 0
    known = np.pad(known, (0, folds.n_atoms - len(known)))
    if not (folds.train & known).any():
        raise ValueError(
            "With feature_boosting=True candidates are scored on out-of-fold "
            "predictions, but cv gives none to the rows that it learns from. Use "
            "at least two folds, or feature_boosting=False for a single split."
        )
    return Problem(
        data.table, target.y, target.classes, data.weight, target.loss, folds, raw
    )


def _n_wanted(
    plan: Plan, verdict: Verdict | None, stopped: str, ranking: Ranking
) -> int:
    """How many features to keep; warns where the answer is not what was asked for."""
    n_found = len(ranking.order)
    if verdict is not None:
        return verdict.n_features
    if plan.judged:
        n_kept = min(UNJUDGED, n_found)
        why = stopped or "cv leaves no two folds to judge by"
        warn(
            f"The gate could not decide how many features to keep ({why}); "
            f"the {n_kept} best of those found are kept unjudged. Allow more time, use "
            "a cv of at least 3 folds, or give n_features as a number.",
        )
        return n_kept
    wanted = int(plan.n_features)
    if n_found < wanted:
        why = f" before the search stopped ({stopped})" if stopped else ""
        warn(
            f"n_features={wanted}, but only {n_found} features reduce the held-out "
            f"loss{why}: {n_found} are kept. report_ says why the other candidates "
            "were dropped.",
        )
    return wanted
