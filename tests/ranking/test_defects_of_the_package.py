"""Defects of the released package that are not repeated here, one test each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.ranking import assert_same, fitted, make_table, scores_of


def only(x, y, **params):
    """The line of one column."""
    return fitted(pd.DataFrame({"x": x}), y, **params).scores_.iloc[0]


def test_1_blocks_of_rows_are_no_noise():
    """There the shifted labels of sorted rows were the labels: a score of 0."""
    x = np.repeat(np.arange(64), 256)
    y = np.repeat([0, 1], 64 * 128)
    line = only(x, y)
    assert line["mi"] == pytest.approx(np.log(2), rel=1e-12)
    assert line["ami"] == pytest.approx(1.0, rel=1e-12)
    assert only(x, y, criterion="outrank")["score"] == pytest.approx(0.0, abs=1e-12)
    order = np.random.default_rng(0).permutation(len(y))
    assert only(x[order], y[order])["ami"] == line["ami"]


@pytest.mark.parametrize("n_values", [2, 100, 1000, 5000, 8192, 10_000, 16_000])
def test_2_many_values_that_tell_all_score_as_few(n_values):
    """There it fell from .69 to .05 as the values grew in number."""
    n = 16_384
    line = only(np.arange(n) % n_values, np.arange(n) % n_values % 2)
    assert line["mi"] == pytest.approx(np.log(2), rel=1e-3)
    # whatever chance leaves to be told is told
    assert line["ami"] == pytest.approx(1.0, abs=1e-9)
    assert line["z"] > 15
    drawn = np.random.default_rng(0).integers(0, n_values, n)
    assert only(drawn, drawn % 2)["ami"] == pytest.approx(1.0, abs=1e-9)


def test_2_values_that_are_all_distinct_tell_nothing():
    """They fit any labels: no number of them is evidence."""
    n = 16_384
    line = only(np.arange(n), np.arange(n) % 2)
    assert line["ami"] == line["excess"] == line["z"] == 0.0
    assert line["p"] == 1.0
    assert line["mi"] == line["emi"] == pytest.approx(np.log(2))


def test_3_more_rows_tell_more_of_a_column_of_many_values():
    """There the median of small batches stood for all: of each value they had one."""
    rng = np.random.default_rng(0)
    n_values, n = 100_000, 400_000
    rate = 1 / (1 + np.exp(-rng.normal(0, 1.0, n_values)))
    x = rng.integers(0, n_values, n)
    y = (rng.random(n) < rate[x]).astype(int)
    lines = [only(x[:k], y[:k]) for k in (4000, 16_384, 65_536, 400_000)]
    excess = [line["excess"] for line in lines]
    z = [line["z"] for line in lines]
    assert excess == sorted(excess) and z == sorted(z)
    assert z[0] < 4 and z[-1] > 50
    batches = [
        only(x[i : i + 16_384], y[i : i + 16_384])["excess"]
        for i in range(0, 8 * 16_384, 16_384)
    ]
    assert excess[-1] > 5 * np.median(batches)


def test_4_other_codes_for_the_labels_are_the_labels():
    """There equal sums passed for equal columns, and switched the correction off."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 50, 3000)
    for x in (y, 49 - y, rng.permutation(50)[y], np.array([f"v{v}" for v in y])):
        line = only(x, y, task="classification")
        assert line["ami"] == pytest.approx(1.0, rel=1e-12)
        assert line["mi"] == pytest.approx(line["theils_u"] * line["mi"])
    shuffled = rng.permutation(y)
    assert shuffled.sum() == y.sum()
    line = only(shuffled, y, task="classification")
    assert line["mi"] > 0.3 and abs(line["ami"]) < 0.01 and abs(line["z"]) < 4


def test_5_missing_is_a_value_like_others():
    """There it was counted as the last value, and its rows left out of the score."""
    rng = np.random.default_rng(0)
    n = 16_384
    noise = pd.array(rng.integers(0, 5, n), "Int64")
    noise[rng.random(n) < 1 / 3] = pd.NA
    y = rng.integers(0, 2, n)
    line = only(noise, y)
    assert abs(line["z"]) < 4 and line["mi"] < 0.001
    assert line["cardinality"] == 5 and line["coverage"] == pytest.approx(
        2 / 3, abs=0.02
    )
    telling = pd.array(rng.integers(0, 5, n), "Int64")
    telling[(y == 1) & (rng.random(n) < 0.5)] = pd.NA
    assert only(telling, y)["ami"] > 0.3 and only(telling, y)["z"] > 100
    filled = only(telling.fillna(99), y)  # a number that stands for the gap
    assert only(telling, y)["mi"] == pytest.approx(filled["mi"], rel=1e-12)
    assert only(telling, y)["ami"] == pytest.approx(filled["ami"], rel=1e-12)


def test_5_missing_rows_may_be_left_out():
    rng = np.random.default_rng(0)
    n = 8000
    x, y = rng.integers(0, 5, n), rng.integers(0, 2, n)
    x = np.where(y == 1, x, (x * 2) % 5)
    x[(y == 1) & (x > 2)] = 3
    gone = rng.random(n) < np.where(y == 1, 0.5, 0.1)
    gappy = pd.array(x, "Int64")
    gappy[gone] = pd.NA
    dropped = only(gappy, y, missing="drop")
    there = only(x[~gone], y[~gone])
    for name in ("mi", "emi", "sd", "z", "p", "ami", "chi2", "iv", "gini", "te_gain"):
        assert dropped[name] == there[name]
    assert dropped["coverage"] == pytest.approx((~gone).mean())
    useless = pd.array(np.full(n, 7), "Int64")
    useless[gone] = pd.NA
    assert only(useless, y, missing="drop")["mi"] == 0.0
    assert only(useless, y)["mi"] > 0.05


def test_6_a_part_of_the_rows_has_counts_of_its_own():
    """There a sample was held against the counts of all rows."""
    X, y = make_table()
    part = np.random.default_rng(0).random(len(y)) < 0.4
    for params in ({}, {"order": 2}, {"redundancy": "mrmr"}, {"missing": "drop"}):
        taken = fitted(X[part], y[part], **params)
        weighted = fitted(X, y, part.astype(int), **params)
        assert_same(taken, weighted)
        assert taken.n_rows_ == part.sum()
    x = np.random.default_rng(1).integers(0, 4, 1000)
    labels = np.r_[np.zeros(900, int), np.ones(100, int)]
    weight = np.where(labels == 0, 1, 9)
    line = only(x, labels)
    balanced = fitted(pd.DataFrame({"x": x}), labels, weight)
    assert balanced.target_entropy_ == pytest.approx(np.log(2))
    assert line["emi"] != balanced.scores_["emi"][0]


def test_no_score_is_silently_zero():
    """There names that were not known gave 0 for every column."""
    X, y = make_table(100)
    says = "'criterion' parameter of OutRank must be a str"
    with pytest.raises(ValueError, match=says):
        fitted(X, y, criterion="MI-numba-3mr")


def test_no_rows_are_lost_at_the_end():
    """There a rest of up to 1,024 rows was left out."""
    X, y = make_table(7)
    y[:2] = ["yes", "no"]
    ranker = fitted(X, y)
    assert ranker.n_rows_ == 7
    assert scores_of(ranker, "cardinality")["id"] == 7


def test_names_are_not_taken_apart():
    """There a column whose name began like the label's was mistaken for it."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.integers(0, 3, (300, 4)))
    X.columns = ["label", "label_x", "a AND b", "a-(3; 100)"]
    y = X["label_x"] % 2
    ranker = fitted(X, y, order=2)
    assert sorted(ranker.scores_["feature"][ranker.scores_["order"] == 1]) == sorted(X)
    assert ranker.scores_["feature"][0] == "label_x"


def test_crosses_of_texts_do_not_run_together():
    """There "1" with "11" was "11" with "1"."""
    X = pd.DataFrame(
        {"a": ["1", "11", "1", "11"] * 100, "b": ["11", "1", "1", "11"] * 100}
    )
    y = np.tile([0, 1, 1, 0], 100)
    ranker = fitted(X, y, order=2)
    assert scores_of(ranker, "cardinality")["cross(a&b)"] == 4
    assert scores_of(ranker, "ami")["cross(a&b)"] == pytest.approx(1.0)
