"""How many features the gate keeps, and on which rows it decides."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, TimeSeriesSplit

from featurekit.data.columns import NumericColumn, Table
from featurekit.execution.budget import Budget
from featurekit.expressions import parse
from featurekit.generation import gate
from featurekit.generation.gate import _decide, judge
from featurekit.generation.model import EstimatorModel, base_matrix
from featurekit.generation.search import Problem, Ranking
from featurekit.statistics.folds import Folds
from featurekit.statistics.loss import Squared

USEFUL = [parse(f"x{i} * x{j}") for i in range(3) for j in range(i + 1, 3)]
USELESS = [parse(f"x{i} * z{j}") for i in range(3) for j in range(3)]
LINEAR = EstimatorModel(LinearRegression(), Squared())


def problem(n_useful, splitter=None, n=400, seed=0):
    """A sum of the first products and some noise, of which a line knows nothing."""
    rng = np.random.default_rng(seed)
    names = ["x0", "x1", "x2", "z0", "z1", "z2"]
    X = rng.normal(size=(n, 6))
    table = Table(names, [NumericColumn(X[:, i].copy()) for i in range(6)], n)
    pairs = [(0, 1), (0, 2), (1, 2)][:n_useful]
    y = sum((X[:, i] * X[:, j] for i, j in pairs), np.zeros(n))
    y = y + rng.normal(size=n)
    folds = Folds.from_splits(list((splitter or KFold(5)).split(X)), n)
    raw = np.full((n, 1), np.nan)
    for f in range(folds.n_folds):
        raw[folds.test_rows(f)] = y[folds.train_rows(f)].mean()
    return Problem(table, y, None, None, Squared(), folds, raw)


def base_of(case, model):
    """Out-of-fold scores of the model without new features."""
    X = base_matrix(case.table)[0]
    return model.out_of_fold(X, case.y, case.folds, case.weight).raw


def decide(case, order, sizes=(1, 2, 4), budget=None, search=None, **kwargs):
    ranking = Ranking(list(order), {})
    return judge(
        case, base_of(case, LINEAR), LINEAR, "rmse", search or (lambda part: ranking),
        budget or Budget(), sizes, **kwargs,
    )  # fmt: skip


def test_useless_features_are_not_kept():
    verdict = decide(problem(3), USELESS)
    assert verdict.n_features == 0


def test_more_is_tried_unless_the_first_was_worse_or_the_others_hardly_better():
    rng = np.random.default_rng(0)
    size = 1000
    error = 3 / np.sqrt(2 * size)
    for means, more in [
        ([0.0], True), ([0.0, -0.3], True), ([0.0, -0.7], False), ([0.0, 3.0], True),
        ([0.0, 3.0, 3.3], False), ([0.0, -0.3, 0.7], True), ([0.0, 3.0, 3.7], True),
    ]:  # fmt: skip
        gains = []
        for mean in means:
            gain = rng.normal(0, 3, (2, size))
            gain += mean * error - gain.mean(axis=1, keepdims=True)
            gains.append(list(gain) if len(gains) else list(np.zeros_like(gain)))
        assert gate._more_may_help(gains) == more, means


@pytest.mark.parametrize("n_useful, kept", [(1, 1), (2, 2)])
def test_as_many_as_are_useful(n_useful, kept):
    verdict = decide(problem(n_useful), USEFUL[:n_useful] + USELESS)
    assert verdict.n_features == kept
    assert verdict.n_folds == 5
    assert verdict.gain[0] == 0 and verdict.gain[kept] > 0.5


def test_no_more_is_tried_once_more_is_hardly_better():
    steps = []
    sizes = (1, 2, 3, 4, 5)
    verdict = decide(
        problem(1), USEFUL[:1] + USELESS, sizes, step=lambda: steps.append(1)
    )
    assert verdict.sizes == (0, 1, 2) and len(steps) == 3
    verdict = decide(problem(3), USEFUL + USELESS, sizes)
    assert verdict.sizes == (0, 1, 2, 3, 4) and verdict.n_features >= 3


def test_a_size_beyond_what_was_found_is_not_tried():
    verdict = decide(problem(2), USEFUL[:2], sizes=(1, 3, 9, 27))
    assert verdict.sizes == (0, 1, 3)


def test_where_nothing_was_found_nothing_is_kept():
    verdict = decide(problem(1), [])
    assert verdict.sizes == (0,) and verdict.n_features == 0


def test_the_search_sees_no_row_that_it_is_judged_on():
    case = problem(1)
    rows_of = {value: row for row, value in enumerate(case.y)}
    seen = []

    def search(part):
        seen.append({rows_of[value] for value in part.y})
        return Ranking(USEFUL[:1], {})

    decide(case, [], search=search)
    everything = set(range(len(case.y)))
    hidden = [everything - rows for rows in seen]
    assert [sorted(rows) for rows in hidden] == [
        list(case.folds.test_rows(f)) for f in range(5)
    ]


def test_folds_without_a_past_are_left_out():
    verdict = decide(problem(1, TimeSeriesSplit(5)), USEFUL[:1])
    assert verdict.n_folds == 3 and verdict.n_features == 1


def test_a_stop_before_anything_is_compared():
    budget = Budget()

    def search(part):
        budget.stop("enough")
        return Ranking(USEFUL, {})

    assert decide(problem(1), [], budget=budget, search=search) is None


def test_a_stop_after_the_first_size_decides_on_that():
    budget, steps = Budget(), []

    def step():
        steps.append(1)
        if len(steps) == 2:
            budget.stop("x")

    verdict = decide(problem(1), USEFUL[:1] + USELESS, budget=budget, step=step)
    assert verdict.sizes == (0, 1) and verdict.n_features == 1


def test_what_is_hard_to_predict_does_not_hide_which_number_is_better():
    """The second number is a little better on every row, in large common noise."""
    rng = np.random.default_rng(0)
    common = [rng.normal(0.3, 3.0, 200) for _ in range(5)]
    better = [gain + rng.normal(0.05, 0.01, 200) for gain in common]
    none = [np.zeros(200) for _ in range(5)]
    verdict = _decide((0, 5, 10), [none, common, better], 2.0)
    assert verdict.gain[2] - verdict.gain[1] < verdict.standard_error[2]
    assert verdict.n_features == 10


class _Recorder(EstimatorModel):
    """A line whose errors depend on the seed, and that remembers the seeds."""

    n_judges = 3

    def judge(self, X, y, weight, categorical, X_test, seeds):
        raw = self.fit_raw(X, y, weight, categorical, X_test)
        asked.append(tuple(seeds))
        return [raw + 0.1 * seed for seed in seeds]


asked: list[tuple[int, ...]] = []


@pytest.mark.parametrize("is_open", [False, True])
def test_more_models_are_asked_where_one_leaves_it_open(is_open, monkeypatch):
    asked.clear()
    if is_open:
        monkeypatch.setattr(gate, "OPEN", (-np.inf, np.inf))
    model = _Recorder(LinearRegression(), Squared())
    case = problem(1)
    order = Ranking(USEFUL[:1] + USELESS, {})
    base = base_of(case, model)
    verdict = judge(case, base, model, "rmse", lambda part: order, Budget(), (1, 2))
    # two sizes, five folds; the base model stands for none the first time
    assert asked == [(0,)] * 10 + [(1, 2)] * 15 * is_open
    assert verdict.n_features >= 1
    alone = decide(case, USEFUL[:1] + USELESS, (1, 2))
    if not is_open:
        np.testing.assert_allclose(verdict.gain, alone.gain)


def test_weights_count():
    """Rows where the feature does harm weigh next to nothing."""
    case = problem(1)
    harmed = np.abs(case.table["x0"].values) < 0.7
    y = np.where(harmed, -10 * case.y, case.y)
    case = replace(case, y=y, weight=np.where(harmed, 1e-9, 1.0))
    assert decide(case, USEFUL[:1]).n_features == 1
    assert decide(replace(case, weight=None), USEFUL[:1]).n_features == 0
