"""The screen's short cuts give the scores of the values that they never make."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold, TimeSeriesSplit

from featurekit.data.columns import CategoricalColumn, NumericColumn, Table
from featurekit.expressions import cross_fit, parse
from featurekit.expressions.keyed import SMOOTHING
from featurekit.expressions.operators import OPERATORS, Elementwise, register_operator
from featurekit.generation.screening import Screener
from featurekit.statistics.boosting import (
    BoostingSums,
    Program,
    Rounds,
    RowSums,
    boosting_drops,
)
from featurekit.statistics.folds import Folds
from featurekit.statistics.loss import LogLoss, MultiLogLoss, Squared
from tests.expressions.tables import make_frame, table_of

LOSSES = {"squared": Squared(), "log-loss": LogLoss(), "multi-class": MultiLogLoss(3)}
CLASSES = ("low", "mid", "high")


class Case:
    """Rows in the order of the atoms, and their screener."""

    def __init__(self, kind="squared", n=600, splitter=None, seed=0, key_size=5):
        rng = np.random.default_rng(seed)
        splits = (splitter or KFold(4)).split(np.zeros((n, 1)))
        folds = Folds.from_splits(list(splits), n)
        frame = make_frame(n, seed).drop(columns="t")
        # numbers so few that the grid of any sample keeps them apart
        level = rng.integers(0, 9, n).astype(float)
        frame["level"] = np.where(rng.random(n) < 0.1, np.nan, level)
        frame["k"] = rng.integers(0, key_size, n).astype(str)
        frame["y"] = (
            (frame["k"] == "1") * 2.0
            + frame["c"].isin(["a", "c"])
            + frame["x"].fillna(0.5) * 0.3
            + rng.normal(0, 0.3, n)
        )
        order = np.argsort(folds.atom, kind="stable")
        self.folds = folds.take(order)
        self.frame = frame.iloc[order].reset_index(drop=True)
        self.table = table_of(self.frame.drop(columns="y"))
        signal = self.frame["y"].to_numpy()
        self.y = {
            "squared": signal,
            "log-loss": (signal > 1).astype(float),
            "multi-class": np.digitize(signal, [0.6, 1.4]).astype(float),
        }[kind]
        self.loss = LOSSES[kind]
        self.classes = CLASSES if kind == "multi-class" else None
        raw = np.tile(self.loss.baseline(self.y), (n, 1))
        self.sums = RowSums.of(*self.loss.gradients(self.y, raw))
        self.starts = np.searchsorted(
            self.folds.atom, np.arange(self.folds.n_atoms + 1)
        )

    @property
    def target(self):
        return self.y, self.classes

    def screener(self, n_threads=1):
        return Screener(
            self.table, self.folds, self.sums, self.target, Rounds(), n_threads
        )

    def drops(self, *texts, n_threads=1):
        return self.screener(n_threads).drops([parse(text) for text in texts])

    def drops_of(self, values, fold=None):
        """Of values that were made, a row each."""
        train, test = self.folds.train, self.folds.test
        if fold is not None:
            train, test = train[fold : fold + 1], test[fold : fold + 1]
        return boosting_drops(
            Program.identity(1), np.ascontiguousarray(values)[None], self.sums,
            self.starts, train, test, Rounds(),
        )[0]  # fmt: skip

    def drops_of_made(self, text):
        return self.drops_of(
            cross_fit(parse(text), self.table, self.target, self.folds)
        )


SPLITTERS = {"k-fold": KFold(4), "time": TimeSeriesSplit(4)}


@pytest.fixture(scope="module", params=SPLITTERS)
def case(request):
    return Case(splitter=SPLITTERS[request.param])


# --- scores of short cuts

ON_THE_FLY = ["x+z", "x/z", "min(level;z)", "log(x)", "residual(z)", "level*o"]
BY_ROW = [
    *("rank(x|c)", "diff(x|c)", "ratio(level|k)"),
    *("zscore(x|o)", "count_missing(x;c;o)", "rank(x|level)"),
]


@pytest.mark.parametrize("text", [*ON_THE_FLY, *BY_ROW])
def test_same_values_same_score(case, text):
    np.testing.assert_array_equal(case.drops(text)[0], case.drops_of_made(text))


OF_KEYS = [
    *("min(level|c)", "max(level|c)"),
    *("median(level|c)", "nunique(level|c)"),
    *("nunique(d|k)", "min(level|o)"),
    "max(o|d&k)",
]


@pytest.mark.parametrize("text", OF_KEYS)
def test_score_from_sums_per_key_is_that_of_the_rows(case, text):
    """Bit for bit, where cells keep all values apart: counts alone merge them."""
    np.testing.assert_array_equal(case.drops(text)[0], case.drops_of_made(text))


CLOSE_VALUES = [
    *("freq(c)", "freq(level)", "count(k)", "mean(x|c)"),
    *("std(x|c)", "mean(z|o)", "freq(c&d)"),
]


def same_grid_by_rows(case, values, by_pair):
    """Drops of values per row, in the cells that a sample of (atom, key) pairs sets."""
    start = BoostingSums.start(
        Program.identity(1), by_pair.reshape(1, -1), case.folds.n_atoms
    )
    table = start.summarise(values[None], case.sums, case.starts)
    return table.finalise(case.sums, case.folds.train, case.folds.test, Rounds())[0]


@pytest.mark.parametrize("text", [*OF_KEYS, *CLOSE_VALUES])
def test_score_from_sums_per_key_is_that_of_the_rows_on_one_grid(
    case, text, monkeypatch
):
    """A key's values differ little between folds; whether a cell holds two of them
    hangs on the grid, so here the rows are put on the grid of the keys."""
    made = []
    short_cut = Screener._pairs

    def spy(self, key, values, learning):
        made.append(values[0])
        return short_cut(self, key, values, learning)

    monkeypatch.setattr(Screener, "_pairs", spy)
    ours = case.drops(text)[0]
    (by_pair,) = made
    values = cross_fit(parse(text), case.table, case.target, case.folds)
    np.testing.assert_array_equal(ours, same_grid_by_rows(case, values, by_pair))


def test_a_key_of_many_values_is_scored_by_rows(case):
    """There are more keys and atoms than rows: the values are made."""
    ids = np.arange(600) // 2
    columns = dict(case.table) | {"id": NumericColumn(ids.astype(float))}
    case.table = Table.of(columns)
    text = "mean(x|id)"
    np.testing.assert_array_equal(case.drops(text)[0], case.drops_of_made(text))


def naive_category(case, codes, size):
    """A category as numbers: per fold, the best step on each key's training rows."""
    k = case.sums.n_outputs
    channels = case.sums.values * case.sums.scale
    out = []
    for f in range(case.folds.n_folds):
        train = case.folds.train_rows(f)
        total = np.zeros((size, channels.shape[1]))
        np.add.at(total, codes[train], channels[train])
        g = total[:, 1 : 1 + k]
        h = total[:, :1] if case.sums.squared else total[:, 1 + k :]
        best = (g**2 / (h + 10)).sum(axis=0).argmax()
        step = -g / (h + 10)
        out.append(case.drops_of(step[codes, best], f)[0])
    return np.array(out)


@pytest.mark.parametrize("kind", LOSSES)
def test_score_of_a_category_is_that_of_its_keys_in_the_order_of_their_gradients(kind):
    case = Case(kind)
    codes = np.array([f"{c}{k}" for c, k in zip(case.frame["c"], case.frame["k"],
                      strict=True)])  # fmt: skip
    codes[case.frame["c"].isna()] = "gone"
    names, codes = np.unique(codes, return_inverse=True)
    theirs = naive_category(case, codes, len(names))
    ours = case.drops("c&k")[0]
    np.testing.assert_allclose(ours, theirs, rtol=0.1)
    assert (ours > 0).all()


# --- targets


def smoothed(y, codes, size):
    """Table of smoothed means."""
    n = np.bincount(codes, minlength=size)
    total = np.bincount(codes, y, size)
    return (total + SMOOTHING * y.mean()) / (n + SMOOTHING)


def naive_nested(folds, codes, size, y, f):
    """Encoding per atom and key that fold ``f`` is validated with."""
    out = np.full((folds.n_atoms, size), np.nan)
    for a in range(folds.n_atoms):
        own = folds.fold_of_atom[a]
        if folds.test[f, a]:
            learn = folds.train[f]
        elif own >= 0:
            learn = folds.train[f] & folds.train[own]
        else:
            continue  # tested by no fold: nothing to learn from
        rows = learn[folds.atom]
        if rows.any():
            out[a] = smoothed(y[rows], codes[rows], size)
    return out


def encodings(case, monkeypatch, text):
    """What the screener gives to each atom and key that has rows, per fold."""
    made = {}

    def remember(self, key, values, learning):
        flat = case.folds.atom * key.size + key.codes
        present = np.unique(flat)
        for f in range(case.folds.n_folds):
            full = np.full(case.folds.n_atoms * key.size, np.nan)
            full[present] = values[0, f]
            made[f] = (key, full.reshape(-1, key.size))
        return np.zeros((len(values), case.folds.n_folds))

    with monkeypatch.context() as patch:
        patch.setattr(Screener, "_per_fold", remember)
        case.drops(text)
    return made


def used(folds, f):
    """Atoms that fold ``f`` learns from or is tested on."""
    return folds.train[f] | folds.test[f]


@pytest.mark.parametrize("splitter", SPLITTERS.values(), ids=SPLITTERS)
@pytest.mark.parametrize(
    "kind, text",
    [
        ("squared", "target_mean(k)"),
        ("squared", "target_mean(c)"),
        ("log-loss", "target_mean(c&k)"),
        ("multi-class", "target_rate(k;'mid')"),
    ],
)
def test_target_statistics_are_nested(kind, text, splitter, monkeypatch):
    case = Case(kind, splitter=splitter)
    y = case.y if kind != "multi-class" else (case.y == 1) * 1.0
    made = encodings(case, monkeypatch, text)
    assert set(made) == set(range(case.folds.n_folds))
    for f, (key, values) in made.items():
        theirs = naive_nested(case.folds, key.codes, key.size, y, f)
        there = np.zeros(theirs.shape, bool)
        there[case.folds.atom, key.codes] = True
        theirs[~there] = np.nan
        rows = used(case.folds, f)
        np.testing.assert_allclose(values[rows], theirs[rows], rtol=1e-9)


@pytest.mark.parametrize("splitter", SPLITTERS.values(), ids=SPLITTERS)
@pytest.mark.parametrize("text", ["target_mean(k)", "target_mean(c&k)"])
def test_what_a_fold_is_judged_by_never_sees_its_target(text, splitter, monkeypatch):
    """Nor does a row's encoding see the target of the row's own fold."""
    case = Case(splitter=splitter)
    before = encodings(case, monkeypatch, text)
    y = case.y
    for a in range(case.folds.n_atoms):
        own = case.folds.atom == a
        case.y = np.where(own, 1000.0 + np.arange(len(y)), y)
        after = encodings(case, monkeypatch, text)
        for f in range(case.folds.n_folds):
            if case.folds.test[f, a]:
                rows = used(case.folds, f)
                np.testing.assert_array_equal(after[f][1][rows], before[f][1][rows])
            if used(case.folds, f)[a]:
                np.testing.assert_array_equal(after[f][1][a], before[f][1][a])
    case.y = y


@pytest.mark.parametrize("kind", ["squared", "log-loss"])
def test_score_of_a_target_statistic_is_that_of_its_nested_values(kind):
    case = Case(kind, key_size=4)
    column = case.table["k"]
    size = column.n_categories + 2
    codes = column.codes.astype(np.int64)
    theirs = []
    for f in range(case.folds.n_folds):
        values = naive_nested(case.folds, codes, size, case.y, f)
        theirs.append(case.drops_of(values[case.folds.atom, codes], f)[0])
    ours = case.drops("target_mean(k)")[0]
    np.testing.assert_allclose(ours, theirs, rtol=0.05)
    assert (ours > 1).all()


@pytest.mark.parametrize("splitter", SPLITTERS.values(), ids=SPLITTERS)
def test_target_statistics_of_noise_gain_nothing(splitter):
    """A key of many values tells nothing; own rows seen would look like a gain."""
    share = []
    for seed in range(6):
        case = noise(seed, splitter=splitter)
        share.append(case.drops("target_mean(m)")[0].sum() / (0.5 * np.sum(case.y**2)))
    assert -0.02 < np.mean(share) < 0.005


ON_TARGETS = [
    *("mean(target_mean(m)|g)", "max(target_mean(m)|g)"),
    *("diff(target_mean(m)|g)", "target_mean(m)+x"),
    "std(target_mean(m)|g)",
]


def noise(seed, n=900, splitter=None):
    """A target of noise, a key m of 90 values and a key g of 30 that m tells."""
    case = Case(seed=seed, n=n, splitter=splitter)
    rng = np.random.default_rng(seed)
    case.y = rng.normal(size=n)
    case.sums = RowSums.of(*Squared().gradients(case.y, np.zeros((n, 1))))
    codes = rng.integers(0, 90, n)
    names = tuple(f"{i:02}" for i in range(90))
    more = {
        "m": CategoricalColumn(codes, names),
        "g": CategoricalColumn(codes % 30, names[:30]),
    }
    case.table = Table.of(dict(case.table) | more)
    return case


@pytest.mark.parametrize("text", ON_TARGETS)
def test_features_of_target_statistics_of_noise_gain_nothing(text):
    share = []
    for seed in range(6):
        case = noise(seed)
        share.append(case.drops(text)[0].sum() / (0.5 * np.sum(case.y**2)))
    assert np.mean(share) < 0.01


@pytest.mark.parametrize("text", ON_TARGETS)
def test_features_of_target_statistics_are_scored_by_their_nested_values(text):
    """Where sums differ in the last digit a value may change its cell: to a tenth."""
    case = Case()
    text = text.replace("m)", "k)").replace("g)", "c)")
    ours, theirs = case.drops(text)[0], case.drops_of_made(text)
    np.testing.assert_allclose(ours, theirs, rtol=0.1, atol=0.1)


# --- batches

MANY = [
    *ON_THE_FLY, *BY_ROW, *OF_KEYS, *CLOSE_VALUES, "target_mean(k)", "target_mean(c)",
    "target_mean(c&d)", "c&d", "d&k", "freq(d)",
    "freq(d&k)", "mean(x|c&d)", "target_mean(c)+x",
    "mean(x/z|c)", "freq(c&o)",
]  # fmt: skip


def test_candidates_do_not_disturb_each_other():
    """Scored alone, together, in another order, on two threads: the same bits."""
    case = Case()
    together = case.drops(*MANY)
    np.testing.assert_array_equal(together, case.drops(*MANY, n_threads=2))
    np.testing.assert_array_equal(together[::-1], case.drops(*MANY[::-1]))
    for i, text in enumerate(MANY):
        np.testing.assert_array_equal(case.drops(text)[0], together[i], err_msg=text)
    screener = case.screener()
    nodes = [parse(text) for text in MANY]
    np.testing.assert_array_equal(screener.drops(nodes), together)
    np.testing.assert_array_equal(screener.drops(nodes), together)  # warm


def test_no_candidates_no_scores():
    case = Case(n=60)
    assert case.screener().drops([]).shape == (0, 4)


def test_progress_counts_every_candidate():
    case = Case(n=100)
    counted = []
    case.screener().drops([parse(t) for t in MANY], counted.append)
    assert sum(counted) == len(MANY)


def test_a_users_function_is_scored_by_its_values():
    case = Case()
    register_operator(Elementwise("hypot", ("numeric", "numeric"), function=np.hypot))
    try:
        ours = case.drops("hypot(x;z)")[0]
        theirs = case.drops_of_made("hypot(x;z)")
    finally:
        del OPERATORS["hypot"]
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", LOSSES)
def test_planted_structure_wins(kind):
    case = Case(kind, n=1500)
    label = ", 'high'" if kind == "multi-class" else ""
    texts = [f"TargetMean(k{label})", "x+level", "mean(z|d)", "freq(d)"]
    drops = case.drops(*texts).sum(axis=1)
    assert drops.argmax() == 0
    assert (drops[2:] < 0.05 * drops[0]).all()


def test_a_pair_of_keys_is_numbered_by_its_values():
    """In ascending order; where either is missing, so is the pair."""
    case = Case()
    screener = case.screener()
    node = parse("d&c")
    key = screener._pair(node, screener._learning())
    frame = case.frame.iloc[: len(key.codes)]
    values = cross_fit(node, case.table, case.target, case.folds)
    np.testing.assert_array_equal(key.codes, values.codes)
    gone = frame["c"].isna().to_numpy() | frame["d"].isna().to_numpy()
    np.testing.assert_array_equal(key.codes == key.missing, gone)
    assert len(np.unique(key.codes[~gone])) == key.size - 2
