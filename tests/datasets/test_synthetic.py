"""Synthetic data: what is said about them is so, and they depend on the seed alone."""

from __future__ import annotations

import doctest
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal
from scipy import stats
from scipy.special import expit, logit

from featurekit.datasets import make_ctr, make_mixed, make_needle, synthetic

SMALL = {
    "n_features": 6,
    "cardinalities": [2, 7, 12, 40, 300, 5],
    "n_main": 2,
    "n_pairs": 1,
    "random_state": 3,
}
KINDS = [
    {},
    {"missing": 0.2},
    {"text": True},
    {"drift": 0.5, "noise": 0.3},
    {"missing": 0.2, "text": True, "drift": 0.5},
]


def _pmf(size, zipf, twins=False):
    """Probabilities as the docstring has them, one value after the other."""
    weights = [((v // 2 if twins else v) + 1) ** -zipf for v in range(size)]
    if twins and size % 2:
        weights[-1] *= 2
    return np.array(weights) / sum(weights)


def _p_value(x, y):
    """Of the independence of two columns."""
    return stats.chi2_contingency(pd.crosstab(np.asarray(x), np.asarray(y))).pvalue


# Reproducible


@pytest.mark.parametrize("make", [make_ctr, make_needle, make_mixed])
def test_the_seed_decides(make):
    make = partial(make, n_features=32)
    data = make(500, random_state=1)
    again = make(500, random_state=1)
    state = np.random.RandomState(1)
    assert_frame_equal(data.X, again.X)
    assert_series_equal(data.y, again.y)
    assert data.truth == again.truth
    assert_frame_equal(data.X, make(500, random_state=state).X)
    assert not data.X.equals(make(500, random_state=state).X)
    assert not data.X.equals(make(500, random_state=2).X)
    assert not make(500).X.equals(make(500).X)


def test_options_change_what_they_are_about():
    plain = make_ctr(3000, **SMALL)
    names = list(plain.X)

    missing = make_ctr(3000, missing=0.3, **SMALL)
    assert_series_equal(missing.y, plain.y)
    assert ((missing.X == plain.X) | missing.X.isna()).all(axis=None)

    text = make_ctr(3000, text=True, **SMALL)
    assert text.X.map(lambda value: int(value.removeprefix("v"))).equals(
        plain.X.astype("int64")
    )

    noise = make_ctr(3000, noise=0.5, **SMALL)
    assert_frame_equal(noise.X, plain.X)
    assert not noise.y.equals(plain.y)

    drift = make_ctr(3000, drift=1.0, **SMALL)
    assert_series_equal(drift.y, plain.y)
    changed = [name for name in names if not drift.X[name].equals(plain.X[name])]
    assert changed == list(drift.truth.drifting)


def test_chunks_are_drawn_apart(monkeypatch):
    monkeypatch.setattr(synthetic, "CHUNK", 1000)
    data = make_ctr(4500, **SMALL)
    fewer = make_ctr(3000, **SMALL)
    assert_frame_equal(data.X[:3000], fewer.X)
    assert_series_equal(data.y[:3000], fewer.y)
    first, second = data.X[:1000], data.X[1000:2000].reset_index(drop=True)
    assert not (first == second).all().any()


def test_effects_are_the_same_in_all_chunks(monkeypatch):
    monkeypatch.setattr(synthetic, "CHUNK", 50_000)
    data = make_ctr(
        100_000,
        2,
        n_main=1,
        n_pairs=0,
        cardinalities=[30] * 2,
        zipf=0.0,
        effect=2.0,
        click_rate=0.3,
        random_state=0,
    )
    half = np.arange(len(data.y)) < 50_000
    main = data.X[data.truth.main[0]]
    first, second = (data.y[rows].groupby(main[rows]).mean() for rows in (half, ~half))
    assert np.corrcoef(first, second)[0, 1] > 0.99


# Files


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows_per_file", [700, 1000, 2500, 10**6])
def test_files_hold_the_frame(tmp_path, monkeypatch, kind, rows_per_file):
    monkeypatch.setattr(synthetic, "CHUNK", 1000)
    data = make_ctr(4321, **SMALL, **kind)
    files = make_ctr(4321, **SMALL, **kind, path=tmp_path, rows_per_file=rows_per_file)
    assert files.X is None and files.y is None
    assert files.truth == data.truth
    assert_frame_equal(pd.read_parquet(tmp_path), data.X.assign(click=data.y))
    rows = [pq.read_metadata(path).num_rows for path in files.paths]
    assert rows[:-1] == [rows_per_file] * (4321 // rows_per_file)
    assert sum(rows) == 4321


def test_files_at_full_size(tmp_path):
    n = synthetic.CHUNK + 10
    data = make_ctr(n, **SMALL)
    files = make_ctr(n, **SMALL, path=str(tmp_path / "new" / "folder"), rows_per_file=n)
    assert [path.name for path in files.paths] == ["part-00000.parquet"]
    assert_frame_equal(pd.read_parquet(files.paths[0]), data.X.assign(click=data.y))
    metadata = pq.read_metadata(files.paths[0])
    assert metadata.num_row_groups == 2
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_no_mixing_with_other_files(tmp_path):
    make_ctr(10, **SMALL, path=tmp_path)
    with pytest.raises(FileExistsError, match="empty it or give another folder"):
        make_ctr(10, **SMALL, path=tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_types(kind):
    X = make_ctr(200, **SMALL, **kind).X
    expected = "str" if "text" in kind else "Int32" if "missing" in kind else "int32"
    day = X.pop("day") if "drift" in kind else None
    assert (X.dtypes == expected).all()
    assert day is None or day.dtype == np.int8
    assert X.isna().any(axis=None) == ("missing" in kind)


@pytest.mark.parametrize("kind", KINDS)
def test_one_row(kind):
    data = make_ctr(1, **SMALL, **kind)
    assert len(data.X) == len(data.y) == 1


# The truth


def test_roles_over_the_cardinalities():
    data = make_ctr(10, drift=0.1, random_state=0)
    truth = data.truth
    paired = [name for pair in truth.pairs for name in pair]
    roles = [*truth.main, *paired, *truth.noise]
    assert (len(truth.main), len(paired), len(truth.noise)) == (8, 4, 28)
    assert sorted(roles) == sorted(truth.cardinalities) == sorted(set(data.X) - {"day"})
    sizes = truth.cardinalities
    assert (min(sizes.values()), max(sizes.values())) == (2, 1_000_000)
    steps = np.diff(np.log([sizes[name] for name in truth.main]))
    assert steps.min() > 0.9 * np.log(5e5) / 8
    assert max(sizes[name] for name in paired) < 2000
    assert set(truth.drifting) < set(truth.noise)


def test_roles_follow_cardinalities_in_any_order():
    sizes = [500, 3, 80, 9, 20, 40, 5]
    data = make_ctr(10, 7, cardinalities=sizes, n_main=3, n_pairs=1, random_state=0)
    assert list(data.truth.cardinalities.values()) == sizes
    assert [data.truth.cardinalities[f] for f in data.truth.main] == [5, 20, 80]
    assert [data.truth.cardinalities[f] for f in data.truth.pairs[0]] == [3, 9]


@pytest.mark.parametrize("click_rate", [0.05, 0.5])
@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_click_rate(click_rate, noise):
    data = make_ctr(100_000, 13, click_rate=click_rate, noise=noise, random_state=4)
    error = np.sqrt(click_rate * (1 - click_rate) / 100_000)
    assert abs(data.y.mean() - click_rate) < 3 * error
    assert data.y.dtype == np.int8 and set(data.y) == {0, 1}


def test_click_rate_without_effects():
    truth = make_ctr(10, 3, n_main=0, n_pairs=0, click_rate=0.2, random_state=0).truth
    assert truth.intercept == pytest.approx(logit(0.2))


@pytest.mark.parametrize("zipf", [0.0, 1.1, 2.0])
def test_zipf_frequencies(zipf):
    data = make_ctr(
        200_000,
        4,
        n_main=1,
        n_pairs=1,
        zipf=zipf,
        cardinalities=[10, 25, 400, 399],
        random_state=5,
    )
    paired = data.truth.pairs[0]
    assert sorted(data.truth.cardinalities[name] for name in paired) == [10, 25]
    for name, size in data.truth.cardinalities.items():
        counts = np.bincount(data.X[name], minlength=size)
        expected = _pmf(size, zipf, name in paired) * len(data.X)
        assert len(counts) == size
        assert stats.chisquare(counts, expected).pvalue > 1e-3


def test_values_of_a_million():
    x = make_ctr(200_000, 1, n_main=0, n_pairs=0, cardinalities=[10**6], random_state=6)
    expected = _pmf(10**6, 1.1)
    decades = [0, 1, 10, 100, 1000, 10**4, 10**5, 10**6]
    counts, _ = np.histogram(x.X["f0"], decades)
    shares = np.add.reduceat(expected, decades[:-1])
    assert stats.chisquare(counts, shares * len(x.X)).pvalue > 1e-3


def test_effects_have_their_size():
    data = make_ctr(
        400_000,
        2,
        n_main=1,
        n_pairs=0,
        cardinalities=[200, 200],
        zipf=0.0,
        effect=0.6,
        click_rate=0.3,
        random_state=7,
    )
    rates = data.y.groupby(data.X[data.truth.main[0]]).mean()
    assert logit(rates).std() == pytest.approx(0.6, abs=0.1)  # of 200 draws
    assert logit(rates).mean() == pytest.approx(data.truth.intercept, abs=0.15)


def test_main_columns_show_and_noise_does_not():
    data = make_ctr(
        100_000,
        16,
        cardinalities=np.geomspace(3, 100, 16).astype(int),
        n_main=5,
        n_pairs=2,
        random_state=8,
    )
    truth = data.truth
    assert all(_p_value(data.X[name], data.y) < 1e-9 for name in truth.main)
    p_values = [_p_value(data.X[name], data.y) for name in truth.noise]
    assert len(p_values) == 7
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    for a, b in truth.pairs:
        assert min(_p_value(data.X[a], data.y), _p_value(data.X[b], data.y)) > 1e-3
        parity = (data.X[a] + data.X[b]) % 2
        assert _p_value(parity, data.y) < 1e-9


@pytest.mark.parametrize("sizes", [(2, 2), (10, 24), (5, 24), (7, 9)])
def test_pairs_have_no_marginals_in_the_population(sizes):
    made = make_ctr(
        300_000,
        3,
        cardinalities=[*sizes, 90],
        n_main=0,
        n_pairs=1,
        pair_effect=1.5,
        click_rate=0.2,
        random_state=9,
    )
    names = ("f0", "f1")
    assert made.truth.pairs == (names,)

    def chance(a, b):
        """Of a click, the mean over both signs of a value without a twin."""
        signs = [
            [1, -1] if v == size - 1 and size % 2 else [1 - 2 * (v % 2)]
            for v, size in zip((a, b), sizes, strict=True)
        ]
        logits = [1.5 * s * t for s in signs[0] for t in signs[1]]
        return expit(made.truth.intercept + np.array(logits)).mean()

    joint = np.array([[chance(a, b) for b in range(sizes[1])] for a in range(sizes[0])])
    first, second = (_pmf(size, 1.1, twins=True) for size in sizes)
    rate = first @ joint @ second
    assert rate == pytest.approx(0.2, rel=0.02)
    assert joint @ second == pytest.approx(rate, rel=1e-12)
    assert first @ joint == pytest.approx(rate, rel=1e-12)

    # and the rows are drawn from that population
    cells = made.y.groupby([made.X[name] for name in names]).agg(["sum", "count"])
    expected = joint[tuple(zip(*cells.index, strict=True))]
    enough = cells["count"].to_numpy() > 100
    z = (cells["sum"] - cells["count"] * expected) / np.sqrt(
        cells["count"] * expected * (1 - expected)
    )
    assert np.abs(z[enough]).max() < 4.5


def test_pairs_have_no_marginals_in_samples():
    p_values = []
    for seed in range(15):
        data = make_ctr(
            50_000,
            3,
            cardinalities=[12, 31, 5],
            n_main=0,
            n_pairs=1,
            pair_effect=2.0,
            click_rate=0.3,
            random_state=seed,
        )
        p_values += [_p_value(data.X[name], data.y) for name in data.truth.pairs[0]]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


# What goes wrong in real data


def test_missing_at_random():
    data = make_ctr(50_000, missing=0.1, drift=0.2, **SMALL)
    gone = data.X.isna()
    assert not gone.pop("day").any()
    assert np.abs(gone.mean() - 0.1).max() < 4 * np.sqrt(0.1 * 0.9 / 50_000)
    assert np.abs(gone.corr() - np.eye(6)).max(axis=None) < 0.02
    assert min(_p_value(gone[name], data.y) for name in gone) > 1e-3


def test_everything_missing():
    assert make_ctr(100, missing=1.0, **SMALL).X.isna().all(axis=None)


def test_noise_dilutes_effects():
    options = {"n_main": 1, "n_pairs": 0, "effect": 3.0, "click_rate": 0.5, "zipf": 0.0}
    options |= {"cardinalities": [20, 20], "random_state": 10}
    spread = {
        noise: data.y.groupby(data.X[data.truth.main[0]]).mean().std()
        for noise in (0.0, 0.5, 1.0)
        for data in [make_ctr(200_000, 2, noise=noise, **options)]
    }
    assert spread[0.5] == pytest.approx(spread[0.0] / 2, rel=0.1)
    assert spread[1.0] < 0.01


def test_drift_in_the_drifting_columns_only():
    data = make_ctr(
        60_000,
        10,
        n_main=2,
        n_pairs=1,
        drift=0.3,
        random_state=11,
        cardinalities=np.geomspace(3, 200, 10).astype(int),
    )
    day = data.X.pop("day")
    assert day.is_monotonic_increasing
    assert (day.value_counts() == 2000).all() and set(day) == set(range(30))
    assert len(data.truth.drifting) == 2
    for name in data.X:
        p_value = _p_value(data.X[name], day // 10)
        assert p_value < 1e-9 if name in data.truth.drifting else p_value > 1e-3


def test_drift_grows_to_a_rotated_order():
    data = make_ctr(
        200_000, 1, n_main=0, n_pairs=0, cardinalities=[9], drift=0.8, random_state=12
    )
    plain = _pmf(9, 1.1)
    rotated = np.roll(plain, 4)
    for rows, share in (
        (slice(0, 20_000), 0.04),
        (slice(90_000, 110_000), 0.4),
        (slice(180_000, 200_000), 0.76),
    ):
        counts = np.bincount(data.X["f0"][rows], minlength=9)
        expected = (1 - share) * plain + share * rotated
        assert stats.chisquare(counts, expected * 20_000).pvalue > 1e-3


# Errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_rows": 0}, "n_rows is 0: give a whole number of at least 1"),
        ({"n_rows": 1.5}, "n_rows is 1.5: give a whole number"),
        ({"n_features": 0}, "n_features is 0"),
        ({"n_main": -1}, "n_main is -1"),
        ({"n_pairs": 1.0}, "n_pairs is 1.0"),
        ({"rows_per_file": 0}, "rows_per_file is 0"),
        ({"n_features": 12}, "no column of noise .* give 13 or more"),
        ({"cardinalities": [3, 4]}, "has 2 numbers for n_features=40"),
        ({"cardinalities": [1] * 40}, "cardinalities is 1: .* from 2 to 10000000"),
        ({"cardinalities": [10**8] * 40}, "cardinalities is 100000000"),
        ({"cardinalities": [2.5] * 40}, "cardinalities is 2.5"),
        ({"zipf": -0.1}, "zipf is -0.1: give a number of at least 0"),
        ({"effect": np.inf}, "effect is inf"),
        ({"pair_effect": "big"}, "pair_effect is 'big'"),
        ({"click_rate": 0}, "click_rate is 0"),
        ({"click_rate": 1.0}, "click_rate is 1.0"),
        ({"missing": 1.1}, "missing is 1.1: give a number from 0 to 1"),
        ({"noise": np.nan}, "noise is nan"),
        ({"drift": -1}, "drift is -1"),
        ({"random_state": "seed"}, "seed"),
    ],
)
def test_arguments_outside_their_range(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_ctr(**{"n_rows": 10, **arguments}, path=tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (make_needle, {"n_rows": 0}, "n_rows is 0"),
        (make_needle, {"order": 4}, "order=4: give 1, 2 or 3"),
        (make_needle, {"n_features": 31}, "of at least 32"),
        (make_needle, {"n_features": 50, "order": 2}, "of at least 51"),
        (make_needle, {"n_features": 50, "order": 3}, "of at least 51"),
        (make_mixed, {"n_rows": -1}, "n_rows is -1"),
        (make_mixed, {"n_features": 27}, "of at least 28"),
    ],
)
def test_too_little_for_the_other_two(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


# The needle and the mixed columns


@pytest.mark.parametrize(
    ("order", "terms", "n_features"),
    [(1, [30], 32), (2, [30, 50], 51), (3, [20, 30, 50], 100)],
)
def test_needle(order, terms, n_features):
    data = make_needle(20_000, n_features, order, random_state=0)
    names = [f"f{j}" for j in terms]
    total = data.X[names].sum(axis=1)
    expected = [int(value) if value >= 20 else 0 for value in total]
    assert data.y.name == "target" and list(data.y) == expected
    uniform = data.X.drop(columns="f31") if order == 1 else data.X
    assert (uniform.nunique() == 90).all()  # f30 too: the target is no view of it
    assert (uniform.min().min(), uniform.max().max()) == (10, 99)
    if order == 1:
        assert (data.X["f31"] == 19 * data.y).all()
        assert data.X["f31"].nunique() == data.truth.cardinalities["f31"] == 81
        assert (data.truth.main, data.truth.pairs) == (("f30", "f31"), ())
    else:
        assert (data.truth.main, data.truth.pairs) == (tuple(names), (tuple(names),))
    assert set(data.truth.noise) == set(data.X) - set(data.truth.main)


@pytest.mark.parametrize("n_features", [28, 60, 100])
def test_mixed_roles(n_features):
    data = make_mixed(1000, n_features, random_state=0)
    truth = data.truth
    assert (len(truth.main), len(truth.noise)) == (10, n_features - 12)
    assert {*truth.main, *truth.pairs[0], *truth.noise} == set(data.X)
    sizes = truth.cardinalities
    assert (sizes["f0"], sizes[f"f{n_features - 1}"]) == (2, 100_000)
    assert all(data.X[name].max() < size for name, size in sizes.items())
    assert data.X.to_numpy().min() == 0 and set(data.y) == {0, 1}


def test_mixed_shows_its_columns_and_its_pair_leaks():
    data = make_mixed(150_000, random_state=0)
    truth = data.truth
    assert 46_000 < truth.cardinalities[truth.main[-1]] < 47_000
    low = [name for name, size in truth.cardinalities.items() if size < 300]
    for name in low:
        p_value = _p_value(data.X[name], data.y)
        if name in truth.main:
            assert p_value < 1e-9
        elif name in truth.noise:
            assert p_value > 1e-4
    a, b = truth.pairs[0]
    same = (data.X[a] + data.X[b]) % 2 == 0
    assert data.y[~same].mean() > data.y[same].mean() + 0.2
    assert _p_value(data.X[b] % 2, data.y) < 1e-3
    shares = data.X["f0"].value_counts(normalize=True)
    assert shares[0] == pytest.approx(np.sqrt(0.5), abs=0.01)


def test_import_loads_no_frames():
    code = "import sys, featurekit.datasets; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"pandas", "pyarrow", "sklearn", "scipy"} & set(done.stdout.split())


def test_examples():
    assert doctest.testmod(synthetic).failed == 0
