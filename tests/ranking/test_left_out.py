"""Columns that are dropped or hold no values to rank: no score, never selected."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from featurekit import OutRank
from featurekit.data.scan import scan
from featurekit.exceptions import FeatureKitWarning, SchemaError
from tests.ranking import assert_same, fitted, make_table

PARAMS = {
    "columns": {},
    "pairs": {"order": 2},
    "mrmr": {"redundancy": "mrmr", "n_features_to_select": 3},
    "listed": {"categorical_features": ["shop"], "order": 2},
    "positions": {"categorical_features": [-1]},
}


@pytest.fixture
def messy():
    """A table, and the same with columns of lists, bytes and structures between."""
    X, y = make_table(400)
    X = pl.from_pandas(X)
    n = len(X)
    wide = X.select(
        pl.Series("tags", [[i % 3, 1] for i in range(n)]),
        *X.columns[:3],
        pl.Series("raw", [b"x"] * n),
        *X.columns[3:-1],
        pl.Series("pair", [{"a": 1}] * n),
        X.columns[-1],
    )
    return X, wide, y


def check(straight, ranker, names, left_out):
    pd.testing.assert_frame_equal(straight.scores_, ranker.scores_)
    assert list(ranker.feature_names_in_) == list(names)
    at = [i for i, name in enumerate(names) if name not in left_out]
    assert ranker.ranking_[at].tolist() == straight.ranking_.tolist()
    assert sorted(ranker.ranking_) == list(range(1, len(names) + 1))
    assert ranker.get_support()[at].tolist() == straight.get_support().tolist()
    assert ranker.get_support().sum() == straight.get_support().sum()
    assert ranker.crosses_ == straight.crosses_


@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS)
@pytest.mark.parametrize("way", ["polars", "pandas", "file"])
@pytest.mark.parametrize("named", [False, True])
def test_columns_that_cannot_be_ranked(messy, tmp_path, params, way, named):
    X, wide, y = messy
    straight = fitted(X, y, **params)
    bad = ["tags", "raw", "pair"]
    if named:
        params = params | {"drop": bad}
    rows, target = wide, y
    if way == "pandas":
        rows = wide.to_pandas().assign(size=wide["size"].to_pandas().astype("Int64"))
    if way == "file":
        wide.with_columns(y=pl.Series(y)).write_parquet(tmp_path / "x.parquet")
        rows, target = tmp_path, "y"
    if named:
        ranker = fitted(rows, target, **params)
    else:
        with pytest.warns(FeatureKitWarning, match="3 column.s. are left out") as said:
            ranker = fitted(rows, target, **params)
        assert len(said) == 1 and "'tags'" in str(said[0].message)
    check(straight, ranker, wide.columns, bad)


def test_what_is_left_out_is_not_in_the_output(messy, tmp_path):
    X, wide, y = messy
    params = {"order": 2, "alpha": 0.05, "n_features_to_select": 4}
    straight = fitted(X, y, **params)
    ranker = fitted(wide, y, drop=["tags", "raw", "pair"], **params)
    assert list(ranker.get_feature_names_out()) == list(
        straight.get_feature_names_out()
    )
    made = ranker.transform(wide)
    assert made.columns == straight.transform(X).columns
    ranker.to_json(tmp_path / "x.json")
    again = OutRank.from_json(tmp_path / "x.json")
    assert again.transform(wide).equals(made)


def test_good_columns_can_be_dropped_too(messy, tmp_path):
    X, _, y = messy
    few = X.drop("id", "when")
    for params in ({}, {"order": 2}):
        straight = fitted(few, y, **params)
        ranker = fitted(X, y, drop=["when", "id"], **params)
        check(straight, ranker, X.columns, ["id", "when"])
        X.with_columns(y=pl.Series(y)).write_parquet(tmp_path / "x.parquet")
        ranker = fitted(tmp_path, "y", drop=["when", "id"], **params)
        check(straight, ranker, X.columns, ["id", "when"])


@pytest.mark.parametrize("way", ["memory", "file"])
def test_shards_may_be_of_a_column_that_is_dropped(messy, tmp_path, way):
    X, _, y = messy
    shard = pl.Series([f"s{i % 2}" for i in range(len(X))])
    rows, target = X.with_columns(shard=shard), y
    if way == "file":
        rows.with_columns(y=pl.Series(y)).write_parquet(tmp_path / "x.parquet")
        rows, target = tmp_path, "y"
    ranker = fitted(rows, target, drop=["shard", "id"], drift_by="shard")
    assert set(ranker.drift_["feature"]) == set(X.columns) - {"id"}


def test_blocks_leave_out_what_the_first_one_did(messy):
    X, wide, y = messy
    straight = fitted(X, y)
    ranker = OutRank(random_state=0)
    with pytest.warns(FeatureKitWarning, match="are left out"):
        ranker.partial_fit(wide[:150], y[:150])
    ranker.partial_fit(wide[150:], y[150:])
    pd.testing.assert_frame_equal(straight.scores_, ranker.scores_)
    dropped = [
        OutRank(drop=["id"]).fit(X[s], y[s]) for s in (slice(200), slice(200, None))
    ]
    assert_same(OutRank(drop=["id"]).fit(X, y), dropped[0].merge(dropped[1]))


def test_parts_whose_dropped_column_has_other_types(tmp_path):
    for i, odd in enumerate((["x", "y"] * 10, list(range(20)))):
        pl.DataFrame(
            {"a": np.arange(20) % 4, "odd": odd, "y": np.arange(20) % 2}
        ).write_parquet(tmp_path / f"{i}.parquet")
    with pytest.raises(SchemaError, match="column 'odd' is Int64, but String"):
        OutRank().fit(tmp_path, "y")
    ranker = OutRank(drop=["odd"]).fit(tmp_path, "y")
    assert ranker.scores_["feature"].tolist() == ["a"]
    assert list(ranker.feature_names_in_) == ["a", "odd"]


def test_a_scan_that_drops_columns_is_ranked_without_them(messy, tmp_path):
    X, wide, y = messy
    wide.with_columns(y=pl.Series(y)).write_parquet(tmp_path / "x.parquet")
    bad = ["tags", "raw", "pair"]
    ranker = fitted(scan(tmp_path, drop=bad), "y")
    check(fitted(X, y), ranker, wide.columns, bad)


def test_what_cannot_be_dropped(messy, tmp_path):
    X, _, y = messy
    with pytest.raises(SchemaError, match=r"no such columns: \['sise'\].*'size'"):
        OutRank(drop=["sise"]).fit(X, y)
    with pytest.raises(SchemaError, match="drop leaves no column"):
        OutRank(drop=X.columns).fit(X, y)
    with pytest.raises(SchemaError, match=r"no column holds numbers.*'a' \(list\)"):
        OutRank().fit(pd.DataFrame({"a": [[1]] * 30}), np.arange(30) % 2)
    X.with_columns(y=pl.Series(y)).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(SchemaError, match=r"no such columns: \['sise'\].*'size'"):
        OutRank(drop=["sise"]).fit(tmp_path, "y")
