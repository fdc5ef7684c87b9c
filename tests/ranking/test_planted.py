"""What was planted is found, and noise is known for noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from featurekit.datasets import make_ctr, make_mixed, make_needle
from tests.ranking import fitted, scores_of


def planted_in(data):
    return {*data.truth.main, *(name for pair in data.truth.pairs for name in pair)}


def found_in_top(data, score, n=12):
    top = fitted(data.X, data.y, criterion=score).scores_["feature"][:n]
    return len(planted_in(data) & set(top))


# --- columns


def test_recall_above_that_of_the_released_statistic():
    """Ten columns and a pair among 100 of 2 to 100,000 values."""
    found = {"ami": 0, "excess": 0, "outrank": 0, "mi": 0}
    for seed in range(3):
        data = make_mixed(20_000, random_state=seed)
        for score in found:
            found[score] += found_in_top(data, score)
    assert found["excess"] > found["ami"] > found["outrank"] > found["mi"]
    assert found["excess"] >= 3 * 9


def test_what_is_kept_was_planted():
    kept, right = 0, 0
    for seed in range(4):
        data = make_mixed(20_000, random_state=seed)
        names = set(fitted(data.X, data.y, alpha=0.05).get_feature_names_out())
        kept += len(names)
        right += len(names & planted_in(data))
    assert right >= 40 and kept - right <= 3


def noise_columns(n, n_columns, seed):
    rng = np.random.default_rng(seed)
    sizes = np.geomspace(2, n, n_columns).astype(int)
    shapes = zip(sizes, rng.uniform(1, 3, n_columns), strict=True)
    values = [(k * rng.random(n) ** skew).astype(int) for k, skew in shapes]
    return pd.DataFrame({f"n{i}": v for i, v in enumerate(values)})


@pytest.mark.parametrize("n_classes, rate", [(2, 0.5), (2, 0.03), (7, 0.4)])
def test_noise_of_any_cardinality_is_left_out(n_classes, rate):
    z, p, n_kept = [], [], 0
    for seed in range(2):
        X = noise_columns(3000, 200, seed)
        rng = np.random.default_rng([seed, 1])
        y = np.where(rng.random(3000) < rate, rng.integers(1, n_classes, 3000), 0)
        ranker = fitted(X, y)
        n_kept += (ranker.scores_["q"] <= 0.05).sum()
        z += ranker.scores_["z"].tolist()
        p += ranker.scores_["p"].tolist()
    assert n_kept <= 3
    assert abs(np.mean(z)) < 3 / np.sqrt(len(z)) and 0.85 < np.std(z) < 1.15
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_noise_of_many_values_and_many_classes_is_left_out():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 15_000, (1500, 500))
    y = rng.integers(0, 120, 1500)
    ranker = fitted(X, y, task="classification")
    assert (ranker.scores_["q"] <= 0.05).sum() <= 1
    assert (ranker.scores_["p"] < 0.001).sum() <= 5  # 1 is expected


@pytest.mark.parametrize(
    "n_values, n_classes",
    [
        (10, 5),
        (40, 3),
        (90, 100),
    ],
)
def test_gain_of_noise_is_in_its_deviations(monkeypatch, n_values, n_classes):
    monkeypatch.setattr("featurekit.ranking.outrank.N_CROSSES", 1000)
    rng = np.random.default_rng(0)
    X = rng.integers(0, n_values, (3000, 12))
    y = rng.integers(0, n_classes, 3000)
    scores = fitted(X, y, task="classification", order=2).scores_
    z = scores["gain_z"][scores["order"] == 2]
    assert len(z) == 66
    assert abs(z.mean()) < 0.5 and 0.4 < z.std() < 1.5 and z.max() < 4.5


def test_noise_alone_has_no_crosses():
    n_kept = 0
    for seed in range(4):
        X = noise_columns(1500, 12, seed).astype(str)
        y = np.random.default_rng([seed, 1]).integers(0, 3, 1500)
        n_kept += len(fitted(X, y, order=2).crosses_)
    assert n_kept <= 1


def test_a_strong_column_makes_no_crosses_with_noise():
    """What the cross tells, its part tells by itself."""
    n_kept = 0
    for seed in range(4):
        X = noise_columns(2000, 10, seed)
        rng = np.random.default_rng([seed, 1])
        X["strong"] = rng.integers(0, 6, 2000)
        y = (X["strong"] + (rng.random(2000) < 0.2)) % 3
        ranker = fitted(X, y, order=2, alpha=0.05)
        n_kept += len(ranker.crosses_)
        assert ranker.ranking_[-1] == 1
    assert n_kept <= 1


def test_noise_controls_show_where_noise_ranks():
    data = make_mixed(20_000, random_state=0)
    ranker = fitted(data.X, data.y, noise_controls=True)
    scores = scores_of(ranker)
    controls = [name for name in scores.index if name.startswith("CONTROL-")]
    assert set(controls) == {
        "CONTROL-constant",
        "CONTROL-target",
        *(f"CONTROL-random-{k}" for k in (2, 100, 2000, 10000)),  # 50,000 are more rows
    }
    assert scores["CONTROL-target"] == 1.0 == scores.max()
    assert scores["CONTROL-constant"] == 0.0
    random = [name for name in controls if "random" in name]
    assert scores_of(ranker, "z")[random].abs().max() < 4
    assert scores_of(ranker, "excess")[random].abs().max() < 0.01
    for name in random:
        assert scores_of(ranker, "cardinality")[name] <= int(name.rsplit("-", 1)[1])
    # they are held up, not counted: the others' figures stay as they were
    alone = fitted(data.X, data.y).scores_
    beside = ranker.scores_[~ranker.scores_["feature"].isin(controls)]
    pd.testing.assert_frame_equal(beside.reset_index(drop=True), alone)
    assert len(ranker.get_feature_names_out()) == 100
    other = fitted(data.X, data.y, noise_controls=True, random_state=1)
    assert not other.scores_.equals(ranker.scores_)


# --- rare classes, few rows, heavy values


def kept_of(noise, n, n_rare, n_tables=40):
    """Share of tables of 40 columns of noise of which any is kept at alpha 0.05."""
    kept = 0
    for seed in range(n_tables):
        rng = np.random.default_rng([seed, n, n_rare])
        y = np.zeros(n, int)
        y[rng.permutation(n)[:n_rare]] = 1
        X = pd.DataFrame(noise(rng, (n, 40))).add_prefix("c")
        kept += (fitted(X, y).scores_["q"] <= 0.05).any()
    return kept / n_tables


NOISE = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "flags": lambda rng, shape: (rng.random(shape) < 0.02).astype(int),
    "sparse": lambda rng, shape: np.where(
        rng.random(shape) < 0.02, rng.exponential(size=shape), 0.0
    ),
    "many": lambda rng, shape: rng.integers(0, shape[0] // 3, shape),
}


@pytest.mark.parametrize("kind", NOISE)
@pytest.mark.parametrize("n, n_rare", [(300, 5), (300, 60), (3000, 15)])
def test_noise_beside_a_rare_class_is_left_out(kind, n, n_rare):
    """One table in twenty keeps something; the gamma law kept it in two of three."""
    assert kept_of(NOISE[kind], n, n_rare) <= 0.15


def test_two_positives_in_one_bin_are_no_evidence():
    y = np.zeros(640, int)
    y[[100, 101]] = 1
    ranker = fitted(pd.DataFrame({"x": np.arange(640) + 0.5}), y)
    assert ranker.scores_["p"][0] > 0.005


def test_a_column_of_a_rare_class_is_found():
    rng = np.random.default_rng(0)
    y = np.zeros(3000, int)
    y[rng.permutation(3000)[:15]] = 1
    X = pd.DataFrame(rng.normal(size=(3000, 40))).add_prefix("c")
    X["c7"] += 2.5 * y
    X["flag"] = ((rng.random(3000) < 0.01) | (y * (rng.random(3000) < 0.6) > 0)) * 1
    names = fitted(X, y, alpha=0.05).get_feature_names_out()
    assert {"c7", "flag"} <= set(names) and len(names) <= 3


def test_few_rows_of_numbers_are_cut_into_few_bins():
    """Of 50 rows the two informative columns come first, and a constant last."""
    right = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = pd.DataFrame(rng.normal(size=(50, 8))).add_prefix("c")
        X["constant"] = 1.0
        y = (X["c2"] + X["c5"] + rng.normal(0, 0.3, 50) > 0).astype(int)
        ranker = fitted(X, y, n_features_to_select=2)
        assert ranker.ranking_[-1] == 9
        right += set(ranker.get_feature_names_out()) == {"c2", "c5"}
    assert right >= 15


@pytest.mark.parametrize("params", [
    {}, {"redundancy": "mrmr"}, {"criterion": "random_forest"},
    {"criterion": "permutation"},
])  # fmt: skip
def test_a_constant_is_last(params):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.integers(0, 30, (200, 12))).add_prefix("c")
    X.insert(0, "constant", "x")
    ranker = fitted(X, rng.integers(0, 2, 200), **params)
    assert ranker.scores_["feature"].iloc[-1] == "constant"
    assert ranker.ranking_[0] == 13


def test_a_target_of_zeros_and_amounts():
    """96 % are 0; a column that explains the amount is found."""
    rng = np.random.default_rng(0)
    n = 5000
    X = pd.DataFrame(rng.normal(size=(n, 5))).add_prefix("c")
    y = np.where(rng.random(n) < 0.04, np.exp(X["c3"] + 0.3 * rng.normal(size=n)), 0.0)
    ranker = fitted(X, y, alpha=0.05)
    assert len(ranker.class_counts_) == 10 and ranker.class_counts_[0] > 4700
    assert ranker.get_feature_names_out().tolist() == ["c3"]


# --- crosses


@pytest.mark.parametrize("seed", range(3))
def test_pairs_without_marginals(seed):
    sizes = [2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 30, 40, 50, 300, 2000]
    data = make_ctr(
        20_000, 16, n_main=3, n_pairs=2, cardinalities=sizes, click_rate=0.3,
        pair_effect=1.0, random_state=seed,
    )  # fmt: skip
    ranker = fitted(data.X, data.y, order=2, alpha=0.05)
    found = {frozenset(node.columns()) for node in ranker.crosses_}
    planted = {frozenset(pair) for pair in data.truth.pairs}
    assert planted <= found and len(found) <= 3
    z = scores_of(ranker, "z")
    assert z[sorted(set().union(*planted))].abs().max() < 4
    q = scores_of(ranker, "q")
    for node in ranker.crosses_:
        if frozenset(node.columns()) in planted:
            assert q[node.name] < 1e-12
    assert set(ranker.scores_["feature"][:2]) >= {n.name for n in ranker.crosses_[:2]}


@pytest.mark.parametrize(
    "seed",
    [
        0,
        1,
    ],
)
def test_a_triple_without_marginals(seed):
    """Of 455 triples."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.integers(0, 2, (4000, 15))).add_prefix("c")
    y = X["c2"] ^ X["c6"] ^ X["c11"] ^ (rng.random(4000) < 0.1)
    ranker = fitted(X, y, order=3)
    assert [node.name for node in ranker.crosses_] == ["cross(c2&c6&c11)"]
    assert ranker.scores_["feature"][0] == "cross(c2&c6&c11)"


def test_a_triple_of_which_a_pair_tells_something():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.integers(0, 3, (5000, 12))).add_prefix("c")
    y = (X["c1"] * (X["c4"] + X["c9"] + 1) % 3 > 0).astype(int)
    ranker = fitted(X, y, order=3)
    assert "cross(c1&c4&c9)" in [node.name for node in ranker.crosses_]
    assert scores_of(ranker, "ami")["cross(c1&c4&c9)"] == pytest.approx(1.0)
    assert scores_of(ranker, "ami").drop("cross(c1&c4&c9)").max() < 0.5


def test_gain_is_what_the_parts_do_not_tell():
    """Two columns that tell of the target each for itself gain nothing crossed."""
    rng = np.random.default_rng(0)
    n = 20_000
    X = pd.DataFrame({"a": rng.integers(0, 2, n), "b": rng.integers(0, 2, n)})
    odds = np.exp(1.0 * X["a"] + 1.0 * X["b"] - 1.0)
    y = (rng.random(n) < odds / (1 + odds)).astype(int)
    apart = fitted(X, y, order=2)
    assert abs(scores_of(apart, "gain")["cross(a&b)"]) < 0.005
    both = fitted(X, X["a"] ^ X["b"], order=2)
    assert scores_of(both, "gain")["cross(a&b)"] == pytest.approx(np.log(2), abs=1e-3)
    assert scores_of(both, "excess")["a"] < 1e-3


def test_max_candidates_keeps_those_that_may_gain_most():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.random((2000, 10)) < 0.02).add_prefix("rare")
    X["a"], X["b"] = rng.integers(0, 30, 2000), rng.integers(0, 30, 2000)
    y = (X["a"] + X["b"]) % 2
    ranker = fitted(X, y, order=2, max_candidates=5)
    assert (ranker.scores_["order"] == 2).sum() == 5 < 66
    assert ranker.scores_["feature"][0] == "cross(a&b)"


# --- choices


def test_mrmr_takes_no_copy_of_what_it_has():
    rng = np.random.default_rng(0)
    best = rng.integers(0, 8, 4000)
    X = pd.DataFrame(
        {
            "copy": (best * 3) % 8,  # other numbers, the same parts
            "best": best,
            "second": rng.integers(0, 8, 4000),
            "noise": rng.integers(0, 8, 4000),
        }
    )
    y = (best % 2) + 2 * ((X["second"] > 3) & (rng.random(4000) < 0.7))
    plain, choosy = fitted(X, y), fitted(X, y, redundancy="mrmr")
    assert set(plain.scores_["feature"][:2]) == {"copy", "best"}
    assert choosy.scores_["feature"][1] == "second"
    assert set(choosy.scores_["feature"][[0, 2, 3]]) == {"best", "copy", "noise"}
    two = fitted(X, y, redundancy="mrmr", n_features_to_select=2)
    assert "second" in two.get_feature_names_out()
    pairs = two.pair_scores_.set_index(["feature_a", "feature_b"])
    assert set(pairs.index.get_level_values(0)) == {two.scores_["feature"][0]}
    first = two.scores_["feature"][0]
    same = pairs.loc[first, "best" if first == "copy" else "copy"]
    assert same["ami"] == same["theils_u_ab"] == pytest.approx(1.0)
    assert abs(pairs.loc[(first, "noise"), "ami"]) < 0.01


def test_3mr_prefers_the_other_half_of_a_pair_to_noise():
    """The partner says nothing by itself, and all of it together with the first."""
    rng = np.random.default_rng(0)
    n = 4000
    X = pd.DataFrame(rng.integers(0, 2, (n, 8))).add_prefix("noise")
    X["balanced"] = rng.integers(0, 2, n)
    X["skewed"] = (rng.random(n) < 0.2).astype(int)
    y = X["balanced"] ^ X["skewed"]
    order = {
        kind: fitted(X, y, redundancy=kind).scores_["feature"].tolist()
        for kind in ("mrmr", "3mr")
    }
    assert order["3mr"][:2] == ["balanced", "skewed"]
    assert order["mrmr"][0] == "balanced"
    z = scores_of(fitted(X, y), "z")
    assert abs(z["skewed"]) < 3 < z["balanced"]


def test_time_is_up():
    X = noise_columns(500, 10, 0)
    y = np.arange(500) % 2
    ranker = fitted(X, y, order=3, redundancy="mrmr", time_budget=0)
    assert "time_budget" in ranker.stopped_
    assert sorted(ranker.scores_["feature"]) == sorted(X)  # columns are always counted
    assert len(ranker.pair_scores_) <= 9
    assert fitted(X, y, order=2).stopped_ == ""


# --- the benchmarks of the released package


def test_needle_of_one_column():
    data = make_needle(random_state=0)
    ranker = fitted(data.X, data.y, task="classification")
    assert ranker.scores_["feature"][:2].tolist() == ["f30", "f31"]
    assert ranker.scores_["ami"][:2].tolist() == [1.0, 1.0]
    assert ranker.scores_["ami"][2] < 0.02


def test_needle_of_two_columns():
    data = make_needle(2000, 51, order=2, random_state=1)
    ranker = fitted(data.X, data.y, task="classification", order=2, alpha=0.05)
    first = ranker.scores_.iloc[0]
    assert first["feature"] == "cross(f30&f50)"
    assert first["ami"] == pytest.approx(1.0)
    assert [node.name for node in ranker.crosses_] == ["cross(f30&f50)"]
    columns = ranker.scores_[ranker.scores_["order"] == 1]
    assert set(columns["feature"][:2]) == {"f30", "f50"}
    assert first["cardinality"] == len(data.X.groupby(["f30", "f50"]))


def test_needle_of_three_columns():
    """The released benchmark looks for the single columns of the triple."""
    data = make_needle(10_000, order=3, random_state=0)
    ranker = fitted(data.X, data.y, task="classification")
    assert set(ranker.scores_["feature"][:3]) == {"f20", "f30", "f50"}
