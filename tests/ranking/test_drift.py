"""Columns that change from shard to shard, and what is odd about a column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from featurekit.datasets import make_ctr
from featurekit.exceptions import SchemaError
from featurekit.ranking.drift import DRIFT_COLUMNS, QUALITY_COLUMNS, expected_psi
from tests.ranking import fitted, make_table, scores_of


def drifting(n=12_000, **columns):
    """Two halves; ``columns`` are functions of a random stream and of the half."""
    rng = np.random.default_rng(0)
    half = np.arange(n) >= n // 2
    X = pd.DataFrame({"half": np.where(half, "new", "after")})
    X["half"] = np.where(half, "b", "a")
    for name, make in columns.items():
        X[name] = make(rng, half)
    return X, half


def line_of(ranker, feature, shard):
    found = ranker.drift_
    return found[(found["feature"] == feature) & (found["shard"] == shard)].iloc[0]


def test_drifting_columns_stand_out():
    data = make_ctr(
        20_000, 12, n_main=2, n_pairs=1, drift=0.8, random_state=0, click_rate=0.2,
        cardinalities=[2, 3, 4, 6, 10, 15, 20, 30, 50, 80, 120, 200],
    )  # fmt: skip
    ranker = fitted(data.X, data.y, drift_by="day")
    assert tuple(ranker.drift_) == DRIFT_COLUMNS
    last = ranker.drift_[ranker.drift_["shard"] == ranker.drift_["shard"].max()]
    last = last.set_index("feature")
    assert len(last) == 12 and data.truth.drifting  # "day" is not held against itself
    stable = [n for n in data.X if n not in (*data.truth.drifting, "day")]
    assert last.loc[list(data.truth.drifting), "js_z"].min() > 20
    assert last.loc[stable, "js_z"].abs().max() < 4
    assert last.loc[list(data.truth.drifting), "psi"].min() > 0.1
    assert last.loc[list(data.truth.drifting), "js_p"].max() < 1e-6
    # days are put into ten bins of as many rows
    shards = ranker.drift_["shard"].unique()
    assert len(shards) == 10 and shards[0] == 0
    assert ranker.drift_.groupby("feature")["n_rows"].sum().eq(20_000).all()
    # it grows from the first on
    grown = ranker.drift_[ranker.drift_["feature"] == data.truth.drifting[-1]]
    assert np.corrcoef(np.arange(10), grown["js"])[0, 1] > 0.9
    # and the scores are those without shards
    plain = fitted(data.X, data.y)
    pd.testing.assert_frame_equal(ranker.scores_, plain.scores_, check_exact=True)
    assert not hasattr(plain, "drift_")


def test_the_first_shard_is_what_others_are_held_against():
    X, half = drifting(x=lambda rng, half: rng.integers(0, 5, len(half)))
    y = np.random.default_rng(1).integers(0, 2, len(half))
    first = line_of(fitted(X, y, drift_by="half"), "x", "a")
    zero = ["psi", "js", "js_z", "new_share", "gone_share", "coverage_change",
            "mi_change", "mi_z"]  # fmt: skip
    assert (first[zero] == 0).all() and first["js_p"] == 1


def test_divergences_by_their_formulas():
    X, half = drifting(
        3000,
        x=lambda rng, half: np.where(
            rng.random(len(half)) < 0.3, half * 1, rng.integers(0, 4, len(half))
        ),
    )
    y = np.random.default_rng(1).integers(0, 2, 3000)
    line = line_of(fitted(X, y, drift_by="half"), "x", "b")
    counts = pd.crosstab(X["x"], X["half"]).to_numpy()
    p, q = (counts / counts.sum(axis=0)).T
    middle = (p + q) / 2
    js = (p * np.log(p / middle)).sum() / 2 + (q * np.log(q / middle)).sum() / 2
    assert line["js"] == pytest.approx(js)  # shards of as many rows
    psi = ((q - p) * np.log(q / p)).sum()
    chance = (len(p) - 1) * 2 / 1500  # its mean without drift, for full cells
    # but for half a row each
    assert line["psi"] == pytest.approx(psi - chance, rel=0.01)
    assert line["n_rows"] == 1500


def test_no_drift_of_any_cardinality():
    rng = np.random.default_rng(0)
    n = 6000
    sizes = np.geomspace(2, n, 60).astype(int)
    X = pd.DataFrame({f"c{k}": rng.integers(0, k, n) for k in sizes})
    X["shard"] = rng.choice(list("abc"), n)
    ranker = fitted(X, rng.integers(0, 2, n), drift_by="shard")
    others = ranker.drift_[
        (ranker.drift_["shard"] != "a") & (ranker.drift_["feature"] != "shard")
    ]
    for what in ("js_z", "mi_z"):
        assert others[what].abs().max() < 4.5
        assert abs(others[what].mean()) < 0.3 and 0.6 < others[what].std() < 1.3


@pytest.mark.parametrize("n, limit", [(400, 0.25), (2000, 0.1)])
def test_psi_without_drift_is_0_on_average(n, limit):
    """And below the usual limits, whatever the number of values."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n, 30))).add_prefix("c")
    X["many"] = rng.integers(0, n // 2, n)
    X["flag"] = rng.random(n) < 0.02
    X["half"] = np.where(np.arange(n) < n // 2, "a", "b")
    ranker = fitted(X, rng.integers(0, 2, n), drift_by="half")
    psi = ranker.drift_[ranker.drift_["shard"] == "b"].set_index("feature")["psi"]
    assert "half" not in psi.index
    assert abs(psi.drop("many").mean()) < 0.01
    assert psi.abs().max() < limit


def test_expected_psi_is_the_mean_over_shuffles():
    rng = np.random.default_rng(0)
    sizes = np.concatenate([np.ones(40, int), np.full(10, 7), [300, 1000]])
    n, n_shard = int(sizes.sum()), 500
    half = 0.5 * len(sizes)
    found = []
    for _ in range(4000):
        q = rng.multivariate_hypergeometric(sizes, n_shard)
        share = (q + 0.5) / (n_shard + half)
        other = (sizes - q + 0.5) / (n - n_shard + half)
        found.append(((share - other) * np.log(share / other)).sum())
    error = np.std(found) / np.sqrt(len(found))
    assert abs(expected_psi(sizes, n_shard) - np.mean(found)) < 4 * error
    assert expected_psi(np.array([50]), 20) == pytest.approx(0, abs=1e-15)


def test_drift_p_of_a_small_shard():
    """Five rows of 3,000: p is that of shuffles, not of the gamma law."""
    p = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = pd.DataFrame(rng.integers(0, 300, (3000, 20))).add_prefix("c")
        shard = np.zeros(3000, int)
        shard[rng.permutation(3000)[:5]] = 1
        X["shard"] = np.where(shard, "new", "base")
        ranker = fitted(X, rng.integers(0, 2, 3000), drift_by="shard")
        p += ranker.drift_[ranker.drift_["shard"] == "new"]["js_p"].tolist()
    assert len(p) == 200 and (np.array(p) < 0.01).sum() <= 7


def test_the_reference_shard_is_named():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"part": rng.choice(["test", "train"], 2000)})
    X["x"] = rng.integers(0, 5, 2000) * (X["part"] == "train")
    X["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(2000), unit="h")
    y = rng.integers(0, 2, 2000)
    first = fitted(X, y, drift_by="part")
    assert line_of(first, "x", "test")["psi"] == 0 < line_of(first, "x", "train")["psi"]
    named = fitted(X, y, drift_by="part", drift_reference="train")
    assert line_of(named, "x", "train")["psi"] == 0 < line_of(named, "x", "test")["psi"]
    assert line_of(named, "x", "test")["gone_share"] > 0.7
    last = fitted(X, y, drift_by="when").drift_["shard"].iloc[-1]
    by_time = fitted(X, y, drift_by="when", drift_reference=str(last)).drift_
    assert (by_time["js_p"] == 1)[by_time["shard"] == last].all()
    with pytest.raises(ValueError, match="'dev' is no shard.*'test', 'train'"):
        fitted(X, y, drift_by="part", drift_reference="dev")
    with pytest.raises(ValueError, match="drift_by, which is None"):
        fitted(X, y, drift_reference="train")


def test_a_column_named_file_is_a_column(tmp_path):
    for i in range(2):
        frame = pl.DataFrame(
            {"file": ["u", "v"] * 50, "x": range(100), "y": [0, 0, 1, 1] * 25}
        )
        frame.write_parquet(tmp_path / f"{i}.parquet")
    ranker = fitted(tmp_path, "y", drift_by="file")
    assert ranker.drift_["shard"].unique().tolist() == ["u", "v"]


def test_new_and_vanished_values():
    X, half = drifting(
        old=lambda rng, half: np.where(
            ~half & (rng.random(len(half)) < 0.25), "gone", "both"
        ),
        new=lambda rng, half: np.where(
            half & (rng.random(len(half)) < 0.4), "new", "both"
        ),
    )
    ranker = fitted(X, np.arange(len(half)) % 2, drift_by="half")
    gone, new = line_of(ranker, "old", "b"), line_of(ranker, "new", "b")
    share = (X["old"][~half] == "gone").mean()
    assert (gone["gone_share"], gone["new_share"]) == (pytest.approx(share), 0)
    share = (X["new"][half] == "new").mean()
    assert (new["gone_share"], new["new_share"]) == (0, pytest.approx(share))
    assert np.isfinite(gone["psi"]) and gone["js_z"] > 50


@pytest.mark.parametrize("missing", ["category", "drop"])
def test_coverage_changes(missing):
    X, half = drifting(
        x=lambda rng, half: np.where(
            rng.random(len(half)) < 0.1 + 0.3 * half, np.nan, rng.integers(0, 3)
        )
    )
    X["steady"] = np.random.default_rng(5).integers(0, 4, len(half))
    ranker = fitted(X, np.arange(len(half)) % 2, drift_by="half", missing=missing)
    line = line_of(ranker, "x", "b")
    first = X["x"][~half].notna().mean()
    assert line["coverage"] == pytest.approx(X["x"][half].notna().mean())
    assert line["coverage_change"] == pytest.approx(line["coverage"] - first)
    assert line_of(ranker, "steady", "b")["coverage"] == 1.0
    # where missing is a value its share drifts; else the values alone are compared
    assert (line["js_z"] > 20) == (missing == "category")


def test_what_a_column_tells_changes():
    rng = np.random.default_rng(0)
    n = 8000
    X = pd.DataFrame({"x": rng.integers(0, 6, n), "steady": rng.integers(0, 6, n)})
    X["half"] = np.where(np.arange(n) < n // 2, "a", "b")
    told = np.where(X["half"] == "a", X["x"] % 2, rng.integers(0, 2, n))
    y = told + 2 * (rng.random(n) < 0.3 + 0.2 * (X["steady"] % 2))
    ranker = fitted(X, y, drift_by="half")
    changed, same = line_of(ranker, "x", "b"), line_of(ranker, "steady", "b")
    assert changed["mi_change"] < -0.5 and changed["mi_z"] < -20
    assert abs(changed["js_z"]) < 4  # the column itself is what it was
    assert same["mi"] > 0.01 and abs(same["mi_z"]) < 4
    assert line_of(ranker, "x", "a")["mi"] == pytest.approx(np.log(2), abs=0.05)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_files_are_shards(tmp_path, suffix):
    rng = np.random.default_rng(0)
    for i in range(3):
        frame = pl.DataFrame(
            {
                "moved": rng.integers(0, 5, 500) + (i == 2),
                "still": rng.integers(0, 5, 500),
                "y": rng.integers(0, 2, 500),
            }
        )
        path = tmp_path / f"day{i}.{suffix}"
        frame.write_parquet(path) if suffix == "parquet" else frame.write_csv(path)
    ranker = fitted(tmp_path, "y", drift_by="file")
    assert ranker.drift_["shard"].unique().tolist() == [
        f"day{i}.{suffix}" for i in range(3)
    ]
    z = ranker.drift_.set_index(["feature", "shard"])["js_z"]
    assert z["moved", f"day2.{suffix}"] > 20 > 4 > abs(z["moved", f"day1.{suffix}"])
    assert z["still"].abs().max() < 4
    assert (ranker.drift_["n_rows"] == 500).all()


def test_shards_of_times_and_of_labels():
    X, y = make_table()
    ranker = fitted(X, y, drift_by="when")
    shards = ranker.drift_["shard"].unique()
    assert len(shards) == 10 and pd.Timestamp(shards[0]) == X["when"].min()
    flags = fitted(X, y, drift_by="flag").drift_
    assert flags["shard"].unique().tolist() == [False, True]
    assert (flags["n_rows"] > 100).all()


def test_shards_that_cannot_be_made():
    X, y = make_table()
    with pytest.raises(SchemaError, match="there is no column 'nowhere' in X"):
        fitted(X, y, drift_by="nowhere")
    with pytest.raises(SchemaError, match="there is no column 'file' in X"):
        fitted(X, y, drift_by="file")
    with pytest.raises(ValueError, match="word contains NaN"):
        fitted(X, y, drift_by="word")


def test_more_shards_and_classes_than_are_numbered():
    """Either refused, or the scores are those without shards."""
    n = 9000
    rng = np.random.default_rng(0)
    shard = np.array([f"s{i % 300}" for i in range(n)])
    X = pd.DataFrame({"s": shard, "x": np.arange(n) % 7})
    y = np.array([f"c{i}" for i in rng.integers(0, 300, n)])
    plain = fitted(X, y)
    try:
        ranker = fitted(X, y, drift_by="s")
    except ValueError as error:
        assert "drift_by" in str(error)
    else:
        pd.testing.assert_frame_equal(ranker.scores_, plain.scores_)


# --- quality


def test_what_is_odd_about_a_column():
    X, y = make_table()
    X["none"] = None
    X["once"] = [f"k{i}" for i in range(len(y))]
    X["mostly"] = pd.array([1] * 590 + [None] * 10, "Int64")
    ranker = fitted(X, y)
    quality = ranker.quality_.set_index("feature")
    assert tuple(ranker.quality_) == QUALITY_COLUMNS
    assert quality.index.tolist() == list(X)
    assert quality["note"].to_dict() == {
        "size": "",
        "word": "",
        "real": "",
        "flag": "",
        "when": "",
        "id": "all values are distinct: an id?",
        "same": "constant",
        "shop": "",
        "none": "all values are missing",
        "once": "all values are distinct: an id?",
        "mostly": "",  # a gap is a value
    }
    assert quality["kind"].to_dict() == {
        **dict.fromkeys(X, "categories"),
        "real": "scale",
        "when": "scale",
        "none": "none",
    }
    assert quality["cardinality"].to_dict() == {n: X[n].nunique() for n in X}
    for name in X:
        assert quality["coverage"][name] == pytest.approx(X[name].notna().mean())
        counts = X[name].value_counts()
        rare = (counts == 1).mean() if len(counts) else 0.0
        assert quality["rare_share"][name] == pytest.approx(rare)
    assert fitted(X, y, missing="drop").quality_["note"].iloc[-1] == "constant"


def test_the_most_frequent_values():
    X = pd.DataFrame({"a": list("aaaabbbccd") + ["e", "f", None, None, None]})
    X["b"] = [True] * 10 + [False] * 5
    top = fitted(X, [0, 1, 2] * 5).quality_.set_index("feature")["top"]
    shares = [("a", 4), ("b", 3), ("c", 2), ("d", 1), ("e", 1)]
    assert top["a"] == [(v, pytest.approx(k / 15)) for v, k in shares]
    assert top["b"] == [(True, pytest.approx(2 / 3)), (False, pytest.approx(1 / 3))]
    assert isinstance(top["b"][0][0], bool)


def test_quality_of_weights():
    X, y = make_table()
    weight = np.arange(len(y)) % 3
    ranker = fitted(X, y, weight)
    coverage = scores_of(ranker, "coverage")["word"]
    assert coverage == pytest.approx((X["word"].notna() * weight).sum() / weight.sum())
    assert ranker.n_rows_ == weight.sum()
