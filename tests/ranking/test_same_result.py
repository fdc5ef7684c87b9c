"""The order of rows, blocks, threads, files and libraries change not one digit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurekit import OutRank
from featurekit.exceptions import FeatureKitWarning
from featurekit.ranking import crosses, heuristics, rows, source
from featurekit.statistics import contingency
from tests.ranking import assert_same, fitted, make_table

PARAMS = {
    "columns": {},
    "drop": {"missing": "drop", "n_bins": 5},
    "all": {"categorical_features": "all"},
    "listed": {"categorical_features": ["shop", "real"], "alpha": 0.2},
    "controls": {"noise_controls": True},
    "pairs": {"order": 2},
    "pairs, drop": {"order": 2, "missing": "drop"},
    "triples": {"order": 3, "n_features_to_select": 6},
    "mrmr": {"redundancy": "mrmr"},
    "3mr": {"redundancy": "3mr", "order": 2, "n_features_to_select": 3},
    "drift": {"drift_by": "when"},
    "drift, few": {"drift_by": "word", "missing": "drop"},
    "forest": {"criterion": "random_forest"},
}
PASSES = {"columns", "drop", "all", "listed", "controls"}
# of some tables nothing is kept at that rate, which is said and not what is tested here
pytestmark = pytest.mark.filterwarnings("ignore:No column is selected")
every = pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS)
one_pass = pytest.mark.parametrize(
    "params", [PARAMS[name] for name in sorted(PASSES)], ids=sorted(PASSES)
)


@pytest.fixture(autouse=True)
def small_forests(monkeypatch):
    monkeypatch.setattr(heuristics, "N_TREES", 20)


def data_for(params):
    X, y = make_table()
    if params.get("drift_by") == "word":
        X["word"] = X["word"].fillna("none")
    return X, y


@every
def test_shuffled_rows(params):
    X, y = data_for(params)
    straight = fitted(X, y, **params)
    order = np.random.default_rng(1).permutation(len(y))
    assert_same(straight, fitted(X.iloc[order], y[order], **params))
    backwards = fitted(X[::-1], y[::-1], **params)
    assert_same(straight, backwards)


@every
def test_threads(params):
    X, y = data_for(params)
    one = fitted(X, y, n_jobs=1, **params)
    for n_jobs in (2, 4):
        assert_same(one, fitted(X, y, n_jobs=n_jobs, **params))


@every
def test_libraries(params):
    X, y = data_for(params)
    straight = fitted(X, y, **params)
    assert_same(straight, fitted(pl.from_pandas(X), pl.Series(y), **params))
    table = pa.Table.from_pandas(X, preserve_index=False)
    assert_same(straight, fitted(table, pa.chunked_array([y]), **params))
    categories = X.assign(word=X["word"].astype("category"))
    assert_same(straight, fitted(categories, pd.Series(y, dtype="category"), **params))


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.float64, np.float32, object])
@pytest.mark.parametrize("params", [{}, {"order": 2}, {"redundancy": "mrmr"}])
def test_arrays(dtype, params):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 9, (400, 4)).astype(dtype)
    y = X[:, 0].astype(int) % 3
    frame = pd.DataFrame(X, columns=["x0", "x1", "x2", "x3"])
    one, two = fitted(X, y, **params), fitted(frame, y, **params)
    assert_same(one, two)
    assert_same(one, fitted(np.asfortranarray(X), y, **params))
    assert_same(one, fitted(pl.from_pandas(frame), y, **params))


@pytest.mark.parametrize("values", [[0, 1, 1] * 9, list("abb") * 9])
def test_targets_of_every_library(values):
    X = np.array(values * 2).reshape(2, -1).T
    made = [
        fitted(X, y)
        for y in (
            values,
            np.array(values),
            np.array(values, object),
            pd.Series(values),
            pd.Series(values, dtype="category"),
            pl.Series(values),
            pl.Series(values).cast(pl.String).cast(pl.Categorical),
            pa.chunked_array([values]),
        )
    ]
    for ranker in made:
        pd.testing.assert_frame_equal(ranker.scores_, made[0].scores_)
    pd.testing.assert_frame_equal(fitted(X, pa.array(values)).scores_, made[0].scores_)


def test_whole_numbers_with_gaps_in_every_library():
    rng = np.random.default_rng(0)
    values = [int(v) if v else None for v in rng.integers(0, 200, 1000)]
    y = np.array([(v or 0) % 2 for v in values])
    nullable = fitted(pd.DataFrame({"a": pd.array(values, "Int64")}), y)
    assert_same(nullable, fitted(pl.DataFrame({"a": values}), y))
    assert_same(nullable, fitted(pa.table({"a": values}), y))
    # pandas' own floats are numbers, in whatever block the gaps may be
    floats = fitted(pd.DataFrame({"a": values}), y)
    assert floats.quality_["kind"].tolist() == ["scale"]
    named = fitted(pd.DataFrame({"a": values}), y, categorical_features=["a"])
    pd.testing.assert_frame_equal(nullable.scores_, named.scores_)


@pytest.mark.parametrize("score", ["lightgbm", "permutation", "surrogate"])
def test_models(tmp_path, score):
    """Few rows and columns: they are slow."""
    X, y = make_table(120)
    X = X[["size", "word"]]
    params = {"criterion": score}
    straight = fitted(X, y, **params)
    order = np.random.default_rng(1).permutation(len(y))
    assert_same(straight, fitted(X.iloc[order], y[order], n_jobs=2, **params))
    file = write_files(tmp_path / "one", X, y, "parquet", 1)
    assert_same(straight, fitted(file, "target", **params))
    weight = np.arange(len(y)) % 3
    again = np.repeat(np.arange(len(y)), weight)
    assert_same(
        fitted(X.iloc[again], y[again], **params), fitted(X, y, weight, **params)
    )


# --- files


def write_files(folder, X, y, suffix, n_files):
    folder.mkdir()
    frame = pl.from_pandas(X).with_columns(target=pl.Series(y))
    cuts = np.linspace(0, len(y), n_files + 1).astype(int)
    for i, (start, stop) in enumerate(zip(cuts[:-1], cuts[1:], strict=True)):
        part = frame[int(start) : int(stop)]
        if suffix == "parquet":
            part.write_parquet(folder / f"{i}.parquet")
        else:
            part.write_csv(folder / f"{i}.csv")
    return folder


SUFFIXES = pytest.mark.parametrize("suffix", ["parquet", "csv"])


def table_for(params, suffix):
    X, y = data_for(params)
    if suffix == "csv":  # dates of which are text
        X = X.assign(when=X["when"].dt.day_of_year)
    return X, y


@SUFFIXES
@every
def test_a_file_is_as_memory(tmp_path, params, suffix):
    X, y = table_for(params, suffix)
    one = write_files(tmp_path / "one", X, y, suffix, 1)
    assert_same(fitted(X, y, **params), fitted(one, "target", **params))


@SUFFIXES
@every
def test_files_are_as_memory(tmp_path, monkeypatch, params, suffix):
    X, y = table_for(params, suffix)
    straight = fitted(X, y, **params)
    monkeypatch.setattr(source, "BLOCK_ROWS", 97)
    many = write_files(tmp_path / "many", X[::-1], y[::-1], suffix, 3)
    if suffix == "csv":
        files = [str(many / f"{i}.csv") for i in (2, 0, 1)]
        assert_same(straight, fitted(files, "target", **params))
    else:
        assert_same(straight, fitted(many, "target", **params))


def test_lazy_frames_are_as_memory():
    X, y = make_table()
    lazy = pl.from_pandas(X).with_columns(target=pl.Series(y)).lazy()
    for params in ({}, {"order": 2, "redundancy": "mrmr"}):
        assert_same(fitted(X, y, **params), fitted(lazy, "target", **params))


def test_types_that_the_first_rows_do_not_show(tmp_path):
    """A column of numbers turns out to be text after thousands of rows."""
    n = 12_000
    rng = np.random.default_rng(0)
    code = rng.integers(0, 30, n).astype(str)
    code[-1] = "none"
    X = pd.DataFrame({"code": code, "other": rng.integers(0, 9, n)})
    y = (np.char.str_len(code.astype(str)) > 1).astype(int)
    X.assign(target=y).to_csv(tmp_path / "x.csv", index=False)
    assert_same(fitted(X, y, order=2), fitted(tmp_path, "target", order=2))


def test_numeric_targets_of_files(tmp_path, monkeypatch):
    X, _ = make_table()
    y = np.random.default_rng(3).normal(size=len(X)) + X["flag"]
    straight = fitted(X, y, order=2)
    assert straight.task_ == "regression"
    assert straight.target_entropy_ == pytest.approx(np.log(10), rel=1e-3)
    monkeypatch.setattr(source, "BLOCK_ROWS", 50)
    folder = write_files(tmp_path / "files", X, y.to_numpy(), "parquet", 3)
    assert_same(straight, fitted(folder, "target", order=2))


# --- blocks and shards


def in_blocks(X, y, cuts, **params):
    ranker = OutRank(**({"random_state": 0} | params))
    bounds = [0, *cuts, len(y)]
    for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
        ranker.partial_fit(X.iloc[start:stop], y[start:stop])
    return ranker


@one_pass
def test_partial_fit(params):
    X, y = make_table()
    straight = fitted(X, y, **params)
    for cuts in ([], [1], [17, 200, 201, 560], range(60, 600, 60)):
        assert_same(straight, in_blocks(X, y, cuts, **params))
    order = np.argsort(y, kind="stable")  # labels come one after the other
    assert_same(straight, in_blocks(X.iloc[order], y[order], [100, 300], **params))


@pytest.mark.parametrize("fraction", [0.0, 0.5])
def test_partial_fit_of_floats_with_gaps_in_some_blocks(fraction):
    """pandas' floats: whole numbers, or not, which a block alone does not show."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.integers(0, 200, 600).astype(float)})
    y = (X["a"] % 2).to_numpy()
    X.loc[:90, "a"] = np.nan
    X.loc[400:, "a"] += fraction
    straight = fitted(X, y)
    assert_same(straight, in_blocks(X, y, [100, 300]))
    assert_same(straight, in_blocks(X[::-1], y[::-1], [200, 350]))


def test_partial_fit_with_labels_announced():
    X, y = make_table()
    ranker = OutRank()
    labels = ["yes", "no", "maybe"]
    ranker.partial_fit(X[:300], y[:300], classes=labels)
    ranker.partial_fit(X[300:], y[300:], classes=labels)
    assert_same(fitted(X, y), ranker)
    assert list(ranker.classes_) == sorted(labels)


def test_partial_fit_goes_on_from_fit():
    X, y = make_table()
    weight = np.arange(len(y)) % 3
    ranker = fitted(X[:250], y[:250], weight[:250])
    ranker.partial_fit(X[250:], y[250:], sample_weight=weight[250:])
    assert_same(fitted(X, y, weight), ranker)
    ranker.fit(X, y)
    assert_same(fitted(X, y), ranker)


@one_pass
def test_merge(params):
    X, y = make_table()
    straight = fitted(X, y, **params)

    def shards():
        cuts = [0, 60, 90, 333, 600]
        return [
            fitted(X[start:stop], y[start:stop], **params)
            for start, stop in zip(cuts[:-1], cuts[1:], strict=True)
        ]

    a, b, c, d = shards()
    before = b.scores_.copy()
    assert_same(straight, a.merge(b).merge(c).merge(d))
    pd.testing.assert_frame_equal(b.scores_, before)
    a, b, c, d = shards()
    assert_same(straight, d.merge(b).merge(c.merge(a)))


def test_merge_of_shards_with_labels_of_their_own():
    X, y = make_table()
    first, then = y != "yes", y != "maybe"
    ranker = fitted(X[first], y[first]).merge(fitted(X[then], y[then]))
    both = pd.concat([X[first], X[then]])
    assert_same(fitted(both, np.concatenate([y[first], y[then]])), ranker)


def test_merge_with_a_copy_is_every_row_twice():
    X, y = make_table()
    ranker = fitted(X, y)
    assert_same(fitted(X, y, np.full(len(y), 2)), ranker.merge(fitted(X, y)))


# --- weights


@every
def test_whole_weights_repeat_rows(params):
    X, y = data_for(params)
    weight = np.random.default_rng(2).integers(0, 4, len(y))
    again = np.repeat(np.arange(len(y)), weight)
    repeated = fitted(X.iloc[again], y[again], **params)
    assert_same(repeated, fitted(X, y, weight, **params))
    assert_same(repeated, fitted(X, y, weight.astype(float), **params))


def test_weights_of_a_numeric_target():
    X, _ = make_table()
    y = np.random.default_rng(3).exponential(size=len(X))
    weight = np.random.default_rng(2).integers(0, 4, len(y))
    again = np.repeat(np.arange(len(y)), weight)
    assert_same(fitted(X.iloc[again], y[again]), fitted(X, y, weight))


def test_large_weights():
    """Counts of a thousand million rows; equal weights beyond that are no counts."""
    X, y = make_table(200)
    large = fitted(X, y, np.full(200, 5 * 10**6), n_bins=4)
    assert large.n_rows_ == 10**9
    ones = fitted(X, y, n_bins=4)
    assert_same(ones, fitted(X, y, np.full(200, 10**10), n_bins=4))
    np.testing.assert_allclose(
        large.scores_.set_index("feature")["mi"].drop("id").sort_index(),
        ones.scores_.set_index("feature")["mi"].drop("id").sort_index(),
    )


# --- the inner limits


@pytest.mark.parametrize("params", [{}, {"order": 2}, {"missing": "drop"}])
def test_tables_of_many_cells(monkeypatch, params):
    X, y = make_table()
    straight = fitted(X, y, **params)
    monkeypatch.setattr(contingency, "DENSE_CELLS", 40)
    assert_same(straight, fitted(X, y, **params))
    if not params:
        assert_same(straight, in_blocks(X, y, [10, 60, 350]))
        assert_same(straight, fitted(X[:50], y[:50]).merge(fitted(X[50:], y[50:])))


@pytest.mark.parametrize("name", ["pairs", "triples", "mrmr", "3mr", "forest"])
def test_samples_of_rows(monkeypatch, tmp_path, name):
    """Fewer rows than there are: the same ones from any order and any files."""
    params = PARAMS[name]
    X, y = make_table(1500)
    monkeypatch.setattr(rows.sample_rows, "__defaults__", (400,))
    monkeypatch.setattr(crosses, "FIRST_ROWS", 100)
    monkeypatch.setattr(source, "BLOCK_ROWS", 128)
    straight = fitted(X, y, **params)
    order = np.random.default_rng(1).permutation(len(y))
    assert_same(straight, fitted(X.iloc[order], y[order], n_jobs=2, **params))
    folder = write_files(tmp_path / "files", X, y, "parquet", 4)
    assert_same(straight, fitted(folder, "target", **params))


def test_halving_keeps_the_best_cross(monkeypatch):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.integers(0, 4, (3000, 12))).add_prefix("c")
    y = (X["c3"] + X["c7"]) % 2 ^ (rng.random(3000) < 0.1)
    full = fitted(X, y, order=2)
    monkeypatch.setattr(crosses, "FIRST_ROWS", 200)
    monkeypatch.setattr("featurekit.ranking.outrank.N_CROSSES", 3)
    halved = fitted(X, y, order=2)
    assert halved.scores_["feature"][0] == "cross(c3&c7)"
    kept = halved.scores_[halved.scores_["order"] == 2]
    assert len(kept) < len(full.scores_[full.scores_["order"] == 2])
    both = full.scores_.merge(kept, on="feature", suffixes=("", "_halved"))
    pd.testing.assert_series_equal(
        both["excess"], both["excess_halved"], check_names=False, check_exact=True
    )


BUCKETS = "counted in 1,024 buckets"
KINDS = pytest.mark.parametrize("kind", ["whole", "text"])


def many_values(kind):
    """More values than the limit of memory leaves room for."""
    rng = np.random.default_rng(0)
    n = 9000
    value = rng.integers(0, 3000, n)
    y = (value % 2) ^ (rng.random(n) < 0.05)
    X = pd.DataFrame({"value": value, "other": rng.integers(0, 5, n)})
    if kind == "text":
        X["value"] = "v" + X["value"].astype(str)
    return X, y, {"memory_limit": 2 * 80 * 1024 + 1}


@KINDS
def test_buckets(kind):
    """Beyond the limit of memory counts are as little a matter of order."""
    X, y, params = many_values(kind)
    with pytest.warns(FeatureKitWarning, match=BUCKETS):
        straight = fitted(X, y, **params)
    order = np.random.default_rng(1).permutation(len(y))
    with pytest.warns(FeatureKitWarning, match=BUCKETS):
        assert_same(straight, fitted(X.iloc[order], y[order], **params))
    with pytest.warns(FeatureKitWarning, match=BUCKETS):
        assert_same(straight, in_blocks(X, y, [10, 2000, 5000], **params))
    with pytest.warns(FeatureKitWarning, match=BUCKETS):
        shards = [fitted(X[s], y[s], **params) for s in (slice(400), slice(400, None))]
        assert_same(straight, shards[1].merge(shards[0]))


@KINDS
def test_buckets_of_files(tmp_path, monkeypatch, kind):
    X, y, params = many_values(kind)
    with pytest.warns(FeatureKitWarning, match=BUCKETS):
        straight = fitted(X, y, **params)
    monkeypatch.setattr(source, "BLOCK_ROWS", 1000)
    folder = write_files(tmp_path / "files", X, y, "parquet", 2)
    with pytest.warns(FeatureKitWarning, match=BUCKETS):
        assert_same(straight, fitted(folder, "target", **params))
