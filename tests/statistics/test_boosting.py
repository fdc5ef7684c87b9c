"""The boosting statistic: sums that merge, and scores that mean something."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, TimeSeriesSplit

from featurekit.kernels.registry import kernel
from featurekit.statistics.boosting import (
    BoostingSums,
    Program,
    Rounds,
    RowSums,
    boosting_drops,
    boosting_drops_per_fold,
    grids,
    score,
)
from featurekit.statistics.folds import Folds
from featurekit.statistics.loss import LogLoss, MultiLogLoss, Squared
from tests.reference import boosting as oracle

LOSSES = {"squared": Squared(), "log-loss": LogLoss(), "multi-class": MultiLogLoss(3)}


class Problem:
    """Rows in the order of the atoms, a target that hangs on column 0."""

    def __init__(self, kind="squared", n=900, d=5, seed=0, splitter=None):
        rng = np.random.default_rng(seed)
        splits = (splitter or KFold(5)).split(np.zeros((n, 1)))
        folds = Folds.from_splits(list(splits), n)
        self.folds = folds.take(np.argsort(folds.atom, kind="stable"))
        self.starts = np.searchsorted(self.folds.atom, np.arange(folds.n_atoms + 1))
        self.columns = rng.normal(size=(d, n))
        self.columns[1, rng.random(n) < 0.2] = np.nan
        self.columns[2] = np.round(self.columns[2])
        signal = np.sin(2 * self.columns[0]) + 0.3 * rng.normal(size=n)
        self.y = {
            "squared": signal,
            "log-loss": (signal > 0).astype(float),
            "multi-class": np.digitize(signal, [-0.5, 0.5]).astype(float),
        }[kind]
        loss = LOSSES[kind]
        raw = np.tile(loss.baseline(self.y), (n, 1))
        self.sums = RowSums.of(*loss.gradients(self.y, raw))
        self.n_test = [len(self.folds.test_rows(f)) for f in range(folds.n_folds)]

    def drops(self, program=None, columns=None, how=Rounds(), n_threads=1):  # noqa: B008
        columns = self.columns if columns is None else columns
        program = Program.identity(len(columns)) if program is None else program
        return boosting_drops(
            program, columns, self.sums,
            self.starts, self.folds.train, self.folds.test, how, n_threads,
        )  # fmt: skip

    def table(self, start, rows):
        """Sums of some of the rows, given in ascending order."""
        starts = np.searchsorted(rows, self.starts)
        columns = np.ascontiguousarray(self.columns[:, rows])
        return start.summarise(columns, self.sums.take(rows), starts)


PROGRAM = Program(
    np.array([0, 1, 4, 8, 3, 11, 0, 13]),
    np.array([0, 0, 1, 2, 1, 4, 3, 2]),
    np.array([0, 1, 0, 2, 4, 4, 3, 2]),
)


def _start(problem):
    return BoostingSums.start(PROGRAM, problem.columns, problem.folds.n_atoms)


@pytest.mark.parametrize("kind", LOSSES)
def test_one_block_and_many_give_the_same_bits(kind):
    problem = Problem(kind)
    start = _start(problem)
    n = problem.columns.shape[1]
    whole = problem.table(start, np.arange(n))
    merged = start
    for block in np.array_split(np.arange(n), [1, 7, 100, 460, 899]):
        merged = merged.merge(problem.table(start, block))
    np.testing.assert_array_equal(whole.table, merged.table)
    ends = problem.folds.train, problem.folds.test
    np.testing.assert_array_equal(
        whole.finalise(problem.sums, *ends), merged.finalise(problem.sums, *ends)
    )


@given(st.permutations(range(4)))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_merge_is_associative_and_commutative(order):
    problem = Problem(n=200)
    start = _start(problem)
    rows = np.arange(200)
    parts = [problem.table(start, rows[i::4]) for i in range(4)]
    whole = problem.table(start, rows)
    a, b, c, d = (parts[i] for i in order)
    left = a.merge(b).merge(c).merge(d)
    right = a.merge(b.merge(c.merge(d)))
    np.testing.assert_array_equal(left.table, right.table)
    np.testing.assert_array_equal(left.table, whole.table)


def test_merging_with_nothing_changes_nothing():
    problem = Problem(n=100)
    start = _start(problem)
    some = problem.table(start, np.arange(100))
    np.testing.assert_array_equal(start.merge(some).table, some.table)
    np.testing.assert_array_equal(some.merge(start).table, some.table)
    assert start.merge(start).table is None


def _shuffle_within_atoms(problem, rng):
    parts = np.split(np.arange(problem.columns.shape[1]), problem.starts[1:-1])
    return np.concatenate([rng.permutation(part) for part in parts])


def test_order_of_rows_within_an_atom_does_not_matter():
    problem = Problem("log-loss")
    start = _start(problem)
    rows = _shuffle_within_atoms(problem, np.random.default_rng(1))
    straight = problem.table(start, np.arange(len(rows)))
    shuffled = start.summarise(
        np.ascontiguousarray(problem.columns[:, rows]), problem.sums.take(rows),
        problem.starts,
    )  # fmt: skip
    np.testing.assert_array_equal(straight.table, shuffled.table)


def test_order_does_not_matter_to_scores_where_the_grid_sees_all_rows():
    problem = Problem(n=120)
    before = problem.drops(PROGRAM, how=Rounds(min_rows=3))
    rows = _shuffle_within_atoms(problem, np.random.default_rng(1))
    problem.columns = np.ascontiguousarray(problem.columns[:, rows])
    problem.sums = problem.sums.take(rows)
    after = problem.drops(PROGRAM, how=Rounds(min_rows=3))
    np.testing.assert_array_equal(before, after)
    assert before.max() > 1


@pytest.mark.parametrize("kind", LOSSES)
def test_threads_and_batches_give_the_same_bits(kind):
    problem = Problem(kind)
    one = problem.drops(PROGRAM)
    np.testing.assert_array_equal(one, problem.drops(PROGRAM, n_threads=2))
    np.testing.assert_array_equal(one, problem.drops(PROGRAM, n_threads=3))
    for i in range(len(PROGRAM)):
        alone = problem.drops(PROGRAM[i : i + 1])
        np.testing.assert_array_equal(one[i : i + 1], alone)


def test_program_equals_its_values():
    problem = Problem()
    a, b = problem.columns[0], problem.columns[1]
    pair = Program(np.array([3, 5]), np.array([0, 0]), np.array([1, 1]))
    values = np.stack([a * b, np.where(np.isnan(b), np.nan, np.minimum(a, b))])
    np.testing.assert_array_equal(problem.drops(pair), problem.drops(columns=values))


def test_no_candidates_no_scores():
    problem = Problem(n=100)
    assert problem.drops(PROGRAM[:0]).shape == (0, 5)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("splitter", [KFold(5), TimeSeriesSplit(4)], ids=str)
def test_informative_feature_wins_and_noise_gains_nothing(kind, splitter):
    means = []
    for seed in range(4):
        problem = Problem(kind, n=1500, seed=seed, splitter=splitter)
        mean, error = score(problem.drops(), problem.n_test)
        assert mean.argmax() == 0
        assert mean[0] > 10 * error[0]
        means.append(mean)
    noise = np.mean(means, axis=0)[1:]
    assert (np.abs(noise) < 0.02 * means[0][0]).all()
    assert noise.mean() < 0.002 * means[0][0]


def test_missing_values_can_be_the_signal():
    problem = Problem(n=1000)
    rng = np.random.default_rng(0)
    gone = rng.random(1000) < 0.3
    column = np.where(gone, np.nan, rng.normal(size=1000))
    g = 0.3 - gone.astype(float)
    problem.sums = RowSums.of(g[:, None], np.ones((1000, 1)))
    how = Rounds(rounds=60, patience=60, ridge=0.0)
    drops = problem.drops(columns=column[None], how=how)
    for f, drop in enumerate(drops[0]):
        test = problem.folds.test_rows(f)
        assert drop == pytest.approx(0.5 * np.sum(g[test] ** 2), rel=0.05)


def _step(n, noise):
    """A target that is a step of a two-valued column, and its column."""
    rng = np.random.default_rng(4)
    column = np.where(rng.random(n) < 0.4, -1.0, 1.0)
    return column, np.where(column > 0, 2.0, -1.0) + noise * rng.normal(size=n)


def test_drop_of_a_step_is_half_the_squared_error_it_leaves_nothing_of():
    problem = Problem(n=400)
    column, y = _step(400, 0.0)
    g = y.mean() - y
    problem.sums = RowSums.of(g[:, None], np.ones((400, 1)))
    expected = [0.5 * np.sum(g[problem.folds.test_rows(f)] ** 2) for f in range(5)]
    last = 0.0
    for rounds in (1, 2, 5, 60):
        how = Rounds(rounds=rounds, ridge=0.0)
        drops = problem.drops(columns=column[None], how=how)[0]
        left = (1 - 0.3) ** rounds
        np.testing.assert_allclose(drops, np.multiply(expected, 1 - left**2))
        assert drops.sum() > last
        last = drops.sum()
    np.testing.assert_allclose(drops, expected, rtol=1e-9)


@pytest.mark.parametrize("patience", [1, 100])
def test_drop_of_a_noisy_step_follows_the_formula(patience):
    problem = Problem(n=400)
    column, y = _step(400, 3.0)
    g = 0.4 - y
    problem.sums = RowSums.of(g[:, None], np.ones((400, 1)))
    how = Rounds(rounds=30, ridge=0.0, patience=patience)
    drops = problem.drops(columns=column[None], how=how)[0]
    for f in range(5):
        train, test = problem.folds.train_rows(f), problem.folds.test_rows(f)
        path = []
        for t in range(1, 31):
            drop = 0.0
            for value in (-1.0, 1.0):
                aim = -g[train][column[train] == value].mean()
                step = (1 - 0.7**t) * aim
                held = g[test][column[test] == value]
                drop -= np.sum(held * step + 0.5 * step**2)
            path.append(drop)
        assert max(path) > 0
        assert drops[f] == pytest.approx(max(path), rel=1e-9)


def test_drop_of_squared_loss_is_what_the_loss_loses():
    """One round on a feature of two values, against the loss of the rows themselves."""
    problem = Problem(n=300)
    column, y = _step(300, 1.0)
    y = Squared().labels(y)
    raw = np.full((300, 1), 0.7)
    problem.sums = RowSums.of(*Squared().gradients(y, raw))
    drops = problem.drops(columns=column[None], how=Rounds(rounds=1, ridge=0.0))[0]
    for f in range(5):
        train, test = problem.folds.train_rows(f), problem.folds.test_rows(f)
        new = raw.copy()
        for value in (-1.0, 1.0):
            part = column == value
            new[part, 0] += 0.3 * (y[train][part[train]].mean() - 0.7)
        lost = Squared().per_row(y, raw) - Squared().per_row(y, new)
        assert drops[f] == pytest.approx(0.5 * lost[test].sum(), rel=1e-9)


def test_drop_of_log_loss_is_close_to_what_the_loss_loses():
    problem = Problem("log-loss", n=1000)
    column = np.sign(problem.columns[0])
    y, loss = problem.y, LogLoss()
    raw = np.tile(loss.baseline(y), (1000, 1))
    g, h = loss.gradients(y, raw)
    drops = problem.drops(columns=column[None], how=Rounds(rounds=1))[0]
    for f in range(5):
        train, test = problem.folds.train_rows(f), problem.folds.test_rows(f)
        new = raw.copy()
        for value in (-1.0, 1.0):
            part = train[column[train] == value]
            new[column == value] -= 0.3 * g[part].sum() / h[part].sum()
        lost = loss.per_row(y, raw) - loss.per_row(y, new)
        assert drops[f] == pytest.approx(lost[test].sum(), rel=0.02)


# --- sums


@pytest.mark.parametrize("size", [1e-200, 1e-3, 1.0, 1e12, 1e200])
@pytest.mark.parametrize("weighted", [False, True])
def test_row_sums_are_exact_to_many_digits_and_never_overflow(size, weighted):
    rng = np.random.default_rng(0)
    n = 5000
    g = size * rng.uniform(0.5, 1, (n, 2))
    h = rng.uniform(0.1, 0.2, (n, 2)) * size
    weight = rng.uniform(0.5, 2, n) if weighted else None
    sums = RowSums.of(g, h, weight)
    assert not sums.squared
    w = 1.0 if weight is None else weight[:, None]
    total = sums.values.sum(axis=0) * sums.scale  # int64: would wrap if too large
    expected = np.r_[n, (g * w).sum(axis=0), (h * w).sum(axis=0)]
    np.testing.assert_allclose(total, expected, rtol=1e-12)
    back = sums.values[:, 1:] * sums.scale[1:]
    np.testing.assert_allclose(back, np.hstack([g * w, h * w]), rtol=1e-11)


def test_row_sums_of_squared_loss_need_no_hessian():
    g = np.arange(4.0)[:, None]
    assert RowSums.of(g, np.ones((4, 1))).values.shape == (4, 2)
    weighted = RowSums.of(g, np.ones((4, 1)), np.array([1.0, 2, 3, 4]))
    assert weighted.values.shape == (4, 3)
    np.testing.assert_allclose(weighted.values[:, 2] * weighted.scale[2], [1, 2, 3, 4])


def test_row_sums_of_a_perfect_fit_are_zero():
    sums = RowSums.of(np.zeros((5, 1)), np.ones((5, 1)))
    np.testing.assert_array_equal(sums.values, [[1, 0]] * 5)
    assert np.isfinite(sums.scale).all()


def test_squared_loss_with_and_without_its_hessian_score_alike():
    problem = Problem()
    plain = problem.drops()
    g = problem.sums.values[:, 1:] * problem.sums.scale[1:]
    ones = np.ones(len(g))
    problem.sums = RowSums.of(g, ones[:, None], ones)
    assert not problem.sums.squared
    np.testing.assert_allclose(problem.drops(), plain, rtol=1e-9)


def test_sums_by_key_are_those_of_the_rows():
    problem = Problem("multi-class", n=300)
    codes = np.random.default_rng(0).integers(0, 6, 300)
    atom, n_atoms = problem.folds.atom, problem.folds.n_atoms
    by_key = problem.sums.by_key(atom, n_atoms, codes, 8)
    assert by_key.values.shape == (n_atoms * 8, 7)
    for a in range(n_atoms):
        for c in range(8):
            rows = (atom == a) & (codes == c)
            np.testing.assert_array_equal(
                by_key.values[a * 8 + c], problem.sums.values[rows].sum(axis=0)
            )


def test_feature_of_a_key_scores_the_same_by_rows_and_by_key():
    problem = Problem("log-loss", n=600)
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 6, 600)
    of_key = np.array([-9.0, -3.0, 0.0, 2.0, 5.0, 11.0])  # cells keep these apart
    by_rows = problem.drops(columns=of_key[codes][None])
    n_atoms = problem.folds.n_atoms
    problem.sums = problem.sums.by_key(problem.folds.atom, n_atoms, codes, 6)
    problem.starts = np.arange(n_atoms + 1) * 6
    by_key = problem.drops(columns=np.tile(of_key, n_atoms)[None])
    np.testing.assert_array_equal(by_rows, by_key)


# --- score


def test_score_is_a_mean_over_rows_with_an_error_over_folds():
    drops = np.array([[1.0, 4.0, 1.0], [0.0, 0.0, 0.0]])
    mean, error = score(drops, [1, 2, 1])
    np.testing.assert_allclose(mean, [1.5, 0.0])
    np.testing.assert_allclose(error, [np.std([1, 2, 1], ddof=1) / np.sqrt(3), 0.0])


def test_score_of_one_fold_has_no_error():
    mean, error = score(np.array([[3.0]]), [2])
    assert mean[0] == 1.5
    assert np.isnan(error[0])


@pytest.mark.parametrize("n", [1, 2, 3, 50, 128])
def test_grids_are_those_of_the_sorted_finite_values(n):
    rng = np.random.default_rng(n)
    z = rng.normal(size=n)
    values = np.stack(
        [
            z,
            np.round(2 * z),
            np.where(rng.random(n) < 0.3, np.nan, np.exp(3 * z)),
            np.where(rng.random(n) < 0.3, np.inf, -z),
            np.full(n, 3.0),
            np.full(n, np.nan),
            np.full(n, -np.inf),
            np.where(rng.random(n) < 0.97, 7.0, z),
            1e9 + 1e-3 * z,
            1e300 * z,
        ]
    )
    centre, inverse = grids(values)
    expected = [oracle.grid(row) for row in values]
    np.testing.assert_array_equal(np.stack([centre, inverse], axis=1), expected)
    assert np.isfinite(inverse).all() and (inverse > 0).all()


@pytest.mark.parametrize("splitter", [KFold(3), TimeSeriesSplit(3)], ids=str)
@pytest.mark.parametrize("kind", LOSSES)
def test_drops_of_values_that_differ_from_fold_to_fold(kind, splitter):
    problem = Problem(kind, n=240, splitter=splitter)
    train, test = problem.folds.train, problem.folds.test
    n_folds, n_atoms = train.shape
    how = Rounds(n_bins=7, rounds=6, leaves=4, min_rows=3.0)
    values = np.stack(
        [np.roll(problem.columns, f, axis=1) for f in range(n_folds)], axis=1
    )
    values[1, 1] = np.nan
    sums = problem.sums
    found = boosting_drops_per_fold(values, sums, problem.starts, train, test, how)
    rows = np.linspace(0, 239, 128).astype(int)
    expected = np.empty(found.shape)
    for c, f in np.ndindex(found.shape):
        x = values[c, f]
        table = np.zeros((n_atoms, 513, sums.values.shape[1]), np.int64)
        kernel("accumulate", "reference")(
            x, sums.values, problem.starts, np.arange(n_atoms), *oracle.grid(x[rows]),
            table,
        )  # fmt: skip
        sides = np.stack([table[train[f]].sum(axis=0), table[test[f]].sum(axis=0)])
        out = np.empty((1, 1))
        kernel("boost")(
            sides[None], sums.scale, np.array([[True, False]]),
            np.array([[False, True]]), sums.n_outputs, sums.squared, how.n_bins,
            how.rounds, how.leaves, how.rate, how.patience, how.min_rows, how.ridge,
            out,
        )  # fmt: skip
        expected[c, f] = out[0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert found.max() > 1.0


def test_rows_of_several_blocks_give_the_same_sums(monkeypatch):
    problem = Problem()
    start = _start(problem)
    whole = problem.table(start, np.arange(900))
    monkeypatch.setattr("featurekit.statistics.boosting._BLOCK_ROWS", 97)
    np.testing.assert_array_equal(
        problem.table(start, np.arange(900)).table, whole.table
    )
