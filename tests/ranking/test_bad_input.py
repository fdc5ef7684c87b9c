"""What cannot be ranked, and what the error says to do about it."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import check_is_fitted

from featurekit import OutRank
from featurekit.data.scan import SourceError
from featurekit.data.vocabulary import Vocabulary
from featurekit.exceptions import (
    BackendUnavailableError,
    FeatureKitWarning,
    SchemaError,
)
from featurekit.ranking.target import TargetCodes
from tests.ranking import assert_same, fitted, make_table, scores_of

X3 = np.random.default_rng(0).integers(0, 3, (30, 2))
Y2 = np.arange(30) % 2
WHEN = pd.Series(pd.date_range("2024-01-01", periods=30))

BAD = [
    (np.empty((0, 3)), [], ValueError, "0 sample"),
    (np.empty((5, 0)), [0, 1, 0, 1, 0], ValueError, "0 feature"),
    (X3[:1], [1], ValueError, r"y has one class only \(1\).*at least two classes"),
    (X3, ["a"] * 30, ValueError, r"one class only \('a'\); nothing to tell apart"),
    (X3, [1.5] * 30, ValueError, "y is 1.5 on every row; there is nothing to learn"),
    (X3, [0.0, np.nan] * 15, ValueError, "y contains NaN: 15 of 30.*Drop those rows"),
    (X3, ["a", None] * 15, ValueError, "y contains NaN: 15 of 30.*Drop those rows"),
    (
        X3,
        [0.0, np.inf] * 15,
        ValueError,
        "y contains infinity in 15 of 30.*drop",
    ),
    (X3, Y2[:20], ValueError, "inconsistent numbers of samples"),
    (X3, None, ValueError, "requires y to be passed, but the target y is None"),
    (X3, "y", TypeError, "y names a column only where X are files; pass the target"),
    (X3, X3, ValueError, r"y must have one column.*\(30, 2\)"),
    (X3[0], Y2, ValueError, "Expected 2D array, got 1D"),
    (pd.DataFrame({"a": ["x", 1] * 15}), Y2, SchemaError, "'a' mixes types"),
    (pl.DataFrame({"a": Y2}).lazy(), Y2, TypeError, "of files y is the name of"),
]


@pytest.mark.parametrize("X, y, error, match", BAD)
def test_bad_rows(X, y, error, match):
    with pytest.raises(error, match=match):
        OutRank().fit(X, y)


@pytest.mark.parametrize(
    "weight, match",
    [
        (np.arange(30) / 10, "fractions in 27 of 30 rows.*evidence out of nothing"),
        (
            1e17 * (1 + np.arange(30) % 3),
            "add up to 6e.18: OutRank needs whole numbers",
        ),
        (-np.ones(30), "negative values, in 30 of 30"),
        (np.full(30, np.nan), "NaN"),
        (np.ones(29), r"sample_weight.shape == \(29,\)"),
        (np.zeros(30), "zero on every row"),
        (np.where(Y2 == 1, 0, 1), "one class only"),
    ],
)
def test_bad_weights(weight, match):
    with pytest.raises(ValueError, match=match):
        OutRank().fit(X3, Y2, sample_weight=weight)


@pytest.mark.parametrize("weight", [1e-12, 1 / 30, 0.5, 1e17, 1e30])
def test_equal_weights_of_any_scale_are_none(weight):
    weights = np.full(30, weight)
    assert_same(fitted(X3, Y2), fitted(X3, Y2, weights))
    weights[::7] = 0
    assert_same(fitted(X3, Y2, (weights > 0) * 1), fitted(X3, Y2, weights))


def test_whole_weights_are_evidence():
    """Each row a thousand times is a thousand times the rows."""
    one, many = fitted(X3, Y2), fitted(X3, Y2, np.full(30, 1000))
    assert many.n_rows_ == 30_000
    assert scores_of(many, "p").max() < scores_of(one, "p").min()


@pytest.mark.parametrize(
    "name, value",
    [
        ("criterion", "MI"),
        ("order", 0),
        ("order", 4),
        ("redundancy", "max"),
        ("n_features_to_select", 0),
        ("alpha", 0.0),
        ("alpha", 1.5),
        ("missing", "ignore"),
        ("categorical_features", "some"),
        ("n_bins", 1),
        ("task", "ranking"),
        ("drift_by", 3),
        ("memory_limit", 0),
        ("device", "tpu"),
    ],
)
def test_bad_parameters(name, value):
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter of OutRank"):
        OutRank(**{name: value}).fit(X3, Y2)


def test_more_bad_parameters():
    with pytest.raises(BackendUnavailableError, match="CUDA.*device='auto'"):
        OutRank(device="cuda").fit(X3, Y2)
    with pytest.raises(BackendUnavailableError, match="CUDA"):
        OutRank(device="cuda").partial_fit(X3, Y2)
    frame = pd.DataFrame(X3, columns=["a", "b"])
    with pytest.raises(SchemaError, match="'c', which is no column of X: 'a', 'b'"):
        OutRank(categorical_features=["c"]).fit(frame, Y2)
    with pytest.raises(ValueError, match="needs a target of numbers.*classification"):
        OutRank(task="regression").fit(X3, ["a", "b"] * 15)
    twice = pd.DataFrame(X3, columns=["a", "a"])
    with pytest.raises(SchemaError, match="more than once"):
        OutRank().fit(twice, Y2)


def test_more_classes_than_are_counted():
    n = (1 << 16) + 1
    y = np.arange(n) % n
    with pytest.raises(ValueError, match="65,537 classes.*is it an id.*'regression'"):
        OutRank(task="classification").fit(np.zeros((n, 1)), y)


# --- columns that say nothing


def test_columns_that_say_nothing():
    rng = np.random.default_rng(0)
    n = 400
    X = pd.DataFrame(
        {
            "constant": np.full(n, 3),
            "id": rng.permutation(n),
            "text id": [f"k{i}" for i in range(n)],
            "none": np.full(n, np.nan),
            "objects": [None] * n,
            "infinite": np.full(n, np.inf),
            "good": rng.integers(0, 4, n),
        }
    )
    y = X["good"] % 2
    for params in ({}, {"missing": "drop"}, {"order": 2}, {"redundancy": "3mr"}):
        ranker = fitted(X, y, alpha=0.05, **params)
        assert ranker.scores_["feature"][0] == "good"
        lines = ranker.scores_.set_index("feature")
        for name in X.columns[:-1]:
            assert lines.loc[name, ["ami", "excess", "z", "gain"]].abs().max() < 1e-12
            assert lines.loc[name, "q"] == 1.0
        assert ranker.get_feature_names_out().tolist() == ["good"]
    assert (lines["coverage"][["none", "objects", "infinite"]] == 0).all()
    notes = ranker.quality_.set_index("feature")["note"]
    assert (notes[["none", "objects"]] == "all values are missing").all()


def test_a_scale_without_an_end_has_no_values():
    X = pd.DataFrame({"infinite": np.full(20, np.inf), "other": np.arange(20) % 3})
    ranker = fitted(X, np.arange(20) % 2)
    assert scores_of(ranker, "coverage")["infinite"] == 0
    assert ranker.quality_["note"][0] == "all values are missing"


def test_nothing_but_columns_that_say_nothing():
    X = pd.DataFrame({"a": [None] * 20, "b": [1] * 20, "c": range(20)})
    for params in (
        {"order": 3},
        {"redundancy": "mrmr"},
        {"criterion": "random_forest"},
    ):
        ranker = fitted(X, np.arange(20) % 2, **params)
        assert len(ranker.scores_[ranker.scores_["order"] == 1]) == 3
        assert ranker.crosses_ == []


def test_two_rows():
    ranker = fitted([[1, "a"], [2, "a"]], [0, 1], order=2, redundancy="mrmr")
    assert (ranker.scores_["ami"] == 0).all()
    assert ranker.transform([[1, "a"]]).shape == (1, 2)


# --- files


def write(folder, name, **columns):
    pl.DataFrame(columns).write_csv(folder / name)


def test_files_without_their_target(tmp_path):
    write(tmp_path, "a.csv", x=[1, 2], click=[0, 1])
    with pytest.raises(SchemaError, match="no column 'y' for the target.*x, click"):
        OutRank().fit(tmp_path, "y")
    with pytest.raises(TypeError, match="of files y is the name of the target's col"):
        OutRank().fit(tmp_path, [0, 1])
    with pytest.raises(ValueError, match="goes with rows in memory, not with files"):
        OutRank().fit(tmp_path, "click", sample_weight=[1, 1])
    with pytest.raises(FileNotFoundError):
        OutRank().fit(tmp_path / "b.csv", "click")
    write(tmp_path, "a.csv", click=[0, 1])
    with pytest.raises(ValueError, match="no column beside the target"):
        OutRank().fit(tmp_path, "click")
    write(tmp_path, "a.csv", x=[1, 2, 3], click=[None, None, None])
    with pytest.raises(ValueError, match="'click' is missing on all 3 rows"):
        OutRank().fit(tmp_path, "click")
    write(tmp_path, "a.csv", x=[1, 2, 3], click=[1, 1, 1])
    with pytest.raises(ValueError, match="one class only"):
        OutRank().fit(tmp_path, "click")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("params", [{}, {"order": 2}, {"drift_by": "file"}])
def test_rows_of_files_without_a_target_are_passed_over(tmp_path, suffix, params):
    X, y = make_table(400)
    frame = pl.from_pandas(X[["size", "word", "shop"]]).with_columns(
        target=pl.Series(y)
    )
    frame = frame.with_columns(
        target=pl.when(pl.int_range(pl.len()) % 7 != 3).then("target")
    )
    for i, part in enumerate((frame[:150], frame[150:])):
        if suffix == "csv":
            part.write_csv(tmp_path / f"{i}.csv")
        else:
            part.write_parquet(tmp_path / f"{i}.parquet")
    with pytest.warns(FeatureKitWarning, match="57 of 400 rows have no value of"):
        lacking = fitted(tmp_path, "target", **params)
    assert lacking.n_rows_ == 343
    for file in tmp_path.iterdir():
        file.unlink()
    there = frame.drop_nulls("target")
    there.write_parquet(tmp_path / "0.parquet")
    if "drift_by" in params:
        return
    full = fitted(tmp_path, "target", **params)
    pd.testing.assert_frame_equal(full.scores_, lacking.scores_)


def test_a_numeric_target_that_is_nan_in_files(tmp_path):
    y = np.where(np.arange(60) % 6 == 0, np.nan, np.arange(60) / 7)
    pl.DataFrame({"x": np.arange(60) // 6, "y": y}).write_parquet(tmp_path / "x.pq")
    with pytest.warns(FeatureKitWarning, match="10 of 60 rows"):
        assert OutRank().fit(tmp_path, "y").n_rows_ == 50


def test_files_that_differ(tmp_path):
    write(tmp_path, "a.csv", x=[1, 2], click=[0, 1])
    write(tmp_path, "b.csv", x=[1, 2], late=[5, 6], click=[0, 1])
    with pytest.raises(SchemaError, match="b.csv.*late"):
        OutRank().fit(tmp_path, "click")
    (tmp_path / "b.csv").unlink()
    pl.DataFrame({"x": [1, 2], "click": [0, 1]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(SourceError, match="one format"):
        OutRank().fit(tmp_path, "click")
    (tmp_path / "a.csv").unlink()
    frame = pl.DataFrame({"x": ["u", "v"], "click": [0, 1]})
    frame.write_parquet(tmp_path / "b.parquet")
    with pytest.raises(SchemaError, match="column 'x' is String, but Int64"):
        OutRank().fit(tmp_path, "click")


def learnt(ranker):
    """Names of what fit learns."""
    return [name for name in vars(ranker) if name.endswith("_")]


@pytest.mark.parametrize("refitted", [False, True])
def test_a_truncated_file_leaves_nothing_behind(tmp_path, refitted):
    n = 30_000
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.integers(0, 9**9, n), "click": np.arange(n) % 2})
    data = gzip.compress(frame.write_csv().encode())
    (tmp_path / "a.csv.gz").write_bytes(data[: len(data) * 2 // 3])
    ranker = OutRank()
    before = {}
    if refitted:
        ranker.fit(X3, Y2)
        before = dict(vars(ranker))
    with pytest.raises(SourceError, match="a.csv.gz cannot be read"):
        ranker.fit(tmp_path, "click")
    if refitted:
        assert {name: vars(ranker)[name] for name in before} == before
        ranker.partial_fit(X3, Y2)
        assert ranker.n_rows_ == 60
    else:
        assert learnt(ranker) == []
        with pytest.raises(NotFittedError):
            check_is_fitted(ranker)


@pytest.mark.parametrize(
    "y, error", [(["a"] * 30, "one class"), ([np.nan] * 30, "NaN"), (Y2[:9], "incons")]
)
def test_a_fit_that_failed_is_no_fit(y, error):
    ranker = OutRank()
    with pytest.raises(ValueError, match=error):
        ranker.fit(X3, y)
    with pytest.raises(NotFittedError):
        ranker.get_support()


def test_refitting_forgets_what_was_asked_for_before():
    X, y = make_table(200)
    X["word"] = X["word"].fillna("none")
    ranker = fitted(X, y, redundancy="mrmr", drift_by="word")
    ranker.set_params(redundancy=None, drift_by=None).fit(X, np.arange(200.0))
    for name in ("pair_scores_", "drift_", "classes_"):
        assert not hasattr(ranker, name)


# --- memory


def test_memory_that_holds_no_table():
    with pytest.raises(
        MemoryError, match="2 columns room for 12 values each; at least 1,024.*Raise"
    ):
        OutRank(memory_limit=2000).fit(X3, Y2)


def test_memory_for_columns_but_not_for_crosses():
    """Said before the work, or crosses are counted in buckets: not after it."""
    X = np.random.default_rng(0).integers(0, 3, (300, 20))
    y = (X[:, 0] + X[:, 1]) % 2
    ranker = fitted(X, y, order=2, memory_limit=21 * 80 * 1024)
    assert ranker.scores_["feature"][0] == "cross(x0&x1)"


@pytest.mark.parametrize("kind", ["whole", "text"])
def test_values_beyond_memory_are_counted_in_buckets(kind):
    """Buckets tell less than values do, and something all the same."""
    rng = np.random.default_rng(0)
    n = 20_000
    value = rng.integers(0, 2000, n)
    X = pd.DataFrame({"value": value, "few": rng.integers(0, 5, n)})
    if kind == "text":
        X["value"] = "v" + X["value"].astype(str)
    y = value % 2
    whole = fitted(X, y)
    with pytest.warns(
        FeatureKitWarning,
        match=r"1 column\(s\) have more values than the limit.*1,024 buckets.*\['val",
    ):
        ranker = fitted(X, y, memory_limit=2 * 80 * 1024 + 1, order=2)
    lines = ranker.scores_.set_index("feature")
    assert 0.2 < lines["ami"]["value"] < scores_of(whole, "ami")["value"]
    assert lines["cardinality"]["value"] == pytest.approx(2000, rel=0.1)
    note = ranker.quality_.set_index("feature")["note"]
    assert note["value"].endswith("counted in 1,024 buckets by a hash")
    assert note["few"] == ""
    # a bucket cannot be told from others in new rows
    assert ranker.crosses_ == [] and "cross(value&few)" not in lines.index


@pytest.mark.parametrize("family", ["whole", "time"])
def test_a_target_of_more_numbers_than_the_limit(monkeypatch, family):
    """Numbers are cut into bins by their order, however many there are."""
    monkeypatch.setattr(Vocabulary.__init__, "__defaults__", (None, 1024))
    y = np.random.default_rng(0).permutation(5000).astype(np.int64) * 7
    y = y if family == "whole" else y.view("M8[us]")
    blocks = [(y[:2000], None), (y[2000:], None)]
    # points in time may be shards, but no target
    target = TargetCodes.learn(blocks, "auto", "y", shards=family == "time")
    assert target.task == "regression" and len(target.labels) == 10
    codes = target.encode(y, "y")
    assert np.bincount(codes).tolist() == [500] * 10
    assert codes[np.argsort(y)].tolist() == sorted(codes.tolist())


# --- partial_fit and merge

PASSES = {
    "order": {"order": 2},
    "redundancy": {"redundancy": "mrmr"},
    "model": {"criterion": "lightgbm"},
    "shift": {"criterion": "outrank"},
    "drift": {"drift_by": "a"},
}


@pytest.mark.parametrize("params", PASSES.values(), ids=PASSES)
def test_what_takes_more_than_counts_of_columns(params):
    frame = pd.DataFrame(X3, columns=["a", "b"])
    with pytest.raises(ValueError, match="partial_fit adds counts of columns: order=1"):
        OutRank(**params).partial_fit(frame, Y2)
    one, two = fitted(frame, Y2, **params), fitted(frame, Y2)
    with pytest.raises(ValueError, match="merge adds counts.*Fit those on files"):
        one.merge(two)
    with pytest.raises(ValueError, match="merge adds counts"):
        two.merge(one)


def blocks_of(X, y, *ends):
    """Fed to a ranker one after the other."""
    ranker = OutRank()
    start = 0
    for end in (*ends, len(y)):
        ranker.partial_fit(X[start:end], y[start:end])
        start = end
    return ranker


def test_few_whole_numbers_at_first_are_no_classes_for_good():
    """Counts of 2,000 rows, of which the first 15 show a dozen."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"x": rng.integers(0, 40, 2000), "noise": rng.integers(0, 9, 2000)}
    )
    y = 12 * X["x"].to_numpy() + rng.integers(0, 5, 2000)
    whole, part = fitted(X, y), blocks_of(X, y, 15)
    assert part.task_ == whole.task_ == "regression" and not hasattr(part, "classes_")
    assert part.n_rows_ == 2000 and len(part.class_counts_) == 10
    assert_same(whole, part)  # the bins are those of all rows so far
    later = blocks_of(X, y, 8, 15, 200)
    assert scores_of(later)["x"] == pytest.approx(scores_of(whole)["x"], abs=0.05)


def test_fractions_after_whole_numbers_are_no_classes():
    X = pd.DataFrame({"x": np.arange(400) % 40})
    y = X["x"].to_numpy() / 4.0
    first = np.flatnonzero(y % 1 == 0)[:8]
    order = np.r_[first, np.setdiff1d(np.arange(400), first)]
    part = blocks_of(X.iloc[order], y[order], 8)
    assert part.task_ == "regression" and part.n_rows_ == 400


def test_few_whole_numbers_in_two_parts_that_are_merged():
    X = pd.DataFrame({"x": np.arange(600) % 30})
    y = 3 * X["x"].to_numpy()
    low, high = y < 45, y >= 45
    one, two = fitted(X[low], y[low]), fitted(X[high], y[high])
    assert one.task_ == "classification"
    assert one.merge(two).task_ == "regression" and one.n_rows_ == 600
    assert_same(fitted(X, y), one)


def test_classes_that_were_asked_for_stay():
    y = np.arange(300) % 60
    X = pd.DataFrame({"x": y})
    ranker = OutRank(task="classification").partial_fit(X[:10], y[:10])
    assert len(ranker.partial_fit(X[10:], y[10:]).classes_) == 60


def test_merging_a_ranker_with_itself():
    ranker = fitted(X3, Y2)
    with pytest.raises(ValueError, match=r"merge\(self\) would count every row twice"):
        ranker.merge(ranker)
    assert ranker.n_rows_ == 30


def test_more_columns_than_there_are():
    message = "n_features_to_select=11, but X has 2 columns to select from"
    with pytest.raises(ValueError, match=message):
        OutRank(n_features_to_select=11).fit(X3, Y2)
    with pytest.raises(ValueError, match=message):
        OutRank(n_features_to_select=11).partial_fit(X3, Y2)


def test_labels_that_were_not_announced():
    ranker = OutRank().partial_fit(X3, Y2, classes=[0, 1])
    with pytest.raises(ValueError, match=r"labels that were not announced: \[2\]"):
        ranker.partial_fit(X3, Y2 + 1, classes=[0, 1])
    assert ranker.n_rows_ == 30
    again = OutRank().partial_fit(X3, Y2, classes=[0, 1])
    assert_same(again.partial_fit(X3, Y2), ranker.partial_fit(X3, Y2))


def test_one_class_at_first():
    """Rows of the others may follow."""
    ranker = OutRank().partial_fit(X3[Y2 == 0], Y2[Y2 == 0])
    with pytest.raises(NotFittedError):
        ranker.get_support()
    ranker.partial_fit(X3[Y2 == 1], Y2[Y2 == 1])
    assert_same(fitted(X3, Y2), ranker)


def test_labels_of_another_type():
    ranker = OutRank().partial_fit(X3, Y2)
    with pytest.raises(SchemaError, match="different types: {'int': 1, 'str': '[ab]'}"):
        ranker.partial_fit(X3, ["a", "b"] * 15)
    both = np.vstack([X3, X3])
    assert_same(fitted(both, np.r_[Y2, Y2]), ranker.partial_fit(X3, Y2))


def test_a_first_block_that_failed_is_forgotten():
    ranker = OutRank()
    with pytest.raises(ValueError, match="announced"):
        ranker.partial_fit(X3, Y2, classes=[5, 6])
    frame = pd.DataFrame({"other": X3[:, 0]})
    assert_same(fitted(frame, Y2), ranker.partial_fit(frame, Y2))


def test_a_first_partial_fit_that_fails_leaves_no_trace():
    ranker = OutRank()
    before = set(vars(ranker))
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(ValueError):
        ranker.partial_fit(X, [0, 1, None, 1])
    assert set(vars(ranker)) == before
    other = pd.DataFrame({"b": list("xyxyxy"), "c": list("uuvvuu")})
    ranker.partial_fit(other, [0, 1, 0, 1, 0, 1])
    assert ranker.n_features_in_ == 2


def test_columns_of_another_kind_in_partial_fit():
    frame = pd.DataFrame({"a": X3[:, 0], "b": list("xyz") * 10})
    ranker = OutRank().partial_fit(frame, Y2)
    with pytest.raises(ValueError, match="feature names should match"):
        ranker.partial_fit(frame[["b", "a"]], Y2)
    with pytest.raises(ValueError, match="1 features|feature names should match"):
        ranker.partial_fit(frame[["a"]], Y2)
    with pytest.raises(SchemaError, match="'b' holds whole numbers in this block"):
        ranker.partial_fit(frame.assign(b=1), Y2)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_block_that_failed_was_not_counted(n_jobs):
    """Or the columns before the one at fault have rows that the others lack."""
    frame = pd.DataFrame({"a": X3[:, 0], "b": list("xyz") * 10, "c": X3[:, 1]})
    ranker = OutRank(n_jobs=n_jobs).partial_fit(frame, Y2)
    with pytest.raises(SchemaError):
        ranker.partial_fit(frame.assign(b=1), Y2 + 1)
    ranker.partial_fit(frame, Y2)
    both = pd.concat([frame, frame])
    assert_same(fitted(both, np.r_[Y2, Y2]), ranker)


def test_merging_what_does_not_go_together():
    frame = pd.DataFrame(X3, columns=["a", "b"])
    ranker = fitted(frame, Y2)
    others = [
        (frame.rename(columns={"b": "c"}), Y2, r"different columns: \['b', 'c'\]"),
        (frame[["b", "a"]], Y2, "different columns: in another order"),
        (frame.astype(str), Y2, "'a' holds text .* whole numbers in those before"),
        (frame, np.linspace(0, 1, 30), "cut the target in different ways"),
    ]
    for X, y, match in others:
        with pytest.raises(ValueError, match=match):
            ranker.merge(fitted(X, y))
    with pytest.raises(NotFittedError):
        ranker.merge(OutRank())
    one = fitted(frame, np.linspace(0, 1, 30))
    with pytest.raises(ValueError, match="counts add up only where"):
        one.merge(fitted(frame, np.linspace(0, 2, 30)))


def test_merging_labels_of_different_types():
    ranker = fitted(X3, Y2)
    with pytest.raises(ValueError, match="labels of different types"):
        ranker.merge(fitted(X3, ["x", "y"] * 15))


def test_merging_buckets_of_different_numbers():
    X = np.arange(20_000)[:, None] % 5000
    y = X[:, 0] % 2
    with pytest.warns(FeatureKitWarning, match="1,024 buckets"):
        few = fitted(X, y, memory_limit=100_000)
    with pytest.warns(FeatureKitWarning, match="2,048 buckets"):
        more = fitted(X, y, memory_limit=200_000)
    with pytest.raises(ValueError, match="memory_limit"):
        few.merge(more)


@pytest.mark.parametrize(
    "what",
    [
        "columns",
        "kind",
    ],
)
def test_a_merge_that_failed_changed_nothing(what):
    frame = pd.DataFrame(X3, columns=["a", "b"])
    ranker = fitted(frame, Y2)
    if what == "columns":
        other = fitted(frame.rename(columns={"b": "c"}), Y2 + 5)
    else:
        other = fitted(frame.assign(b=list("xyz") * 10), Y2 + 5)
    with pytest.raises(SchemaError):
        ranker.merge(other)
    ranker.partial_fit(frame, Y2)
    assert_same(fitted(pd.concat([frame, frame]), np.r_[Y2, Y2]), ranker)
