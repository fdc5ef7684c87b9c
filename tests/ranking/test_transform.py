"""What comes out: chosen columns as they were, chosen crosses as categories."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from featurekit import OpenFE, OutRank
from featurekit.exceptions import FeatureFileError, FeatureKitWarning, SchemaError
from tests.ranking import fitted as fitted_ranker
from tests.ranking import make_table


def fitted(X, y, **parameters):
    """A ranker that gives the caller's columns as they came in."""
    return fitted_ranker(X, y, **{"output_format": "input"} | parameters)


def crossed(n=900, seed=0):
    """The target is a matter of a with b, and of real with b; noise beside."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 5, n), rng.choice(list("uvwx"), n)
    real = rng.normal(size=n)
    X = pd.DataFrame(
        {
            "noise": rng.integers(0, 6, n),
            "a": pd.Series(a, dtype="Int64"),
            "b": pd.Series(b, dtype="str"),
            "real": real,
            "flag": rng.random(n) < 0.5,
        }
    )
    X.loc[rng.random(n) < 0.1, "a"] = pd.NA
    X.loc[rng.random(n) < 0.1, "b"] = None
    X.loc[rng.random(n) < 0.1, "real"] = np.nan
    odd = (a + (b < "w")) % 2
    other = (real > 0) ^ (b < "v")
    y = odd + 2 * other
    return X, y


def frames(X):
    return {
        "pandas": X,
        "polars": pl.from_pandas(X),
        "arrow": pa.Table.from_pandas(X, preserve_index=False),
    }


def texts_of(out, name):
    """A column of crosses as texts, None where missing, of any library."""
    if isinstance(out, pa.Table):
        return out[name].to_pylist()
    if isinstance(out, pl.DataFrame):
        return out[name].cast(pl.String).to_list()
    return [None if v != v else v for v in out[name].astype(object).tolist()]


def rows_of(X, indices):
    if isinstance(X, pa.Table):
        return X.take(indices)
    return X.iloc[indices] if isinstance(X, pd.DataFrame) else X[indices]


# --- columns


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
@pytest.mark.parametrize("k", [1, 3, 8])
def test_columns_stay_what_they_are(library, k):
    X, y = make_table()
    X = X.set_index(pd.Index(range(5, 605), name="row"))
    X["word"] = X["word"].astype("category")
    ranker = fitted(X, y, n_features_to_select=k)
    kept = [name for name, s in zip(X, ranker.get_support(), strict=True) if s]
    assert len(kept) == k
    frame = frames(X)[library]
    out = ranker.transform(frame)
    if library == "pandas":
        pd.testing.assert_frame_equal(out, X[kept])
    elif library == "polars":
        assert out.equals(frame.select(kept)) and out.schema == frame[kept].schema
    else:
        assert out.equals(frame.select(kept))


def test_best_columns_are_kept_in_their_place():
    X, y = make_table()
    ranker = fitted(X, y, n_features_to_select=3)
    names = np.array(list(X))
    assert sorted(ranker.ranking_) == list(range(1, 9))
    np.testing.assert_array_equal(ranker.get_support(), ranker.ranking_ <= 3)
    np.testing.assert_array_equal(
        ranker.get_support(indices=True), np.flatnonzero(ranker.ranking_ <= 3)
    )
    by_rank = names[np.argsort(ranker.ranking_)]
    assert ranker.scores_["feature"].tolist() == by_rank.tolist()
    assert ranker.scores_["feature"].iloc[-1] == "same"  # a constant is last
    assert ranker.scores_["score"][:-1].is_monotonic_decreasing
    assert list(ranker.get_feature_names_out()) == list(names[ranker.ranking_ <= 3])
    ranker.get_support()[:] = False
    assert ranker.get_support().sum() == 3


def test_arrays_stay_arrays():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 5, (300, 5)).astype(float)
    X[::9, 1] = np.nan
    y = (X[:, 0] + X[:, 3]) % 2
    out = fitted(X, y, order=2, n_features_to_select=2).transform(X)
    assert isinstance(out, np.ndarray) and out.dtype == np.float64
    ranker = fitted(X, y, order=2, categorical_features="all", n_features_to_select=1)
    assert [node.name for node in ranker.crosses_] == ["cross(x0&x3)"]
    codes = ranker.transform(X)[:, 0]
    expected = (X[:, 0] * 5 + X[:, 3]).astype(int)
    np.testing.assert_array_equal(codes, expected)
    assert list(ranker.get_feature_names_out()) == ["cross(x0&x3)"]
    text = np.where(X > 2, "many", "few").astype(object)
    text = fitted(text, y, n_features_to_select=2).transform(text)
    assert text.dtype == object and set(text.ravel()) == {"many", "few"}


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow", "numpy"])
def test_nothing_selected_is_still_as_many_rows(library):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.integers(0, 3, 50)})
    X = X.to_numpy() if library == "numpy" else frames(X)[library]
    with pytest.warns(FeatureKitWarning, match="No column is selected.*alpha=1e-09"):
        ranker = fitted(X, np.arange(50) % 2, alpha=1e-9)
    assert ranker.get_support().tolist() == [False]
    with pytest.warns(FeatureKitWarning, match="No features were selected"):
        assert ranker.transform(X).shape == (50, 0)
    assert ranker.get_feature_names_out().shape == (0,)


# --- crosses


def combinations_of(X, columns, missing):
    """The oracle: a tuple of values per row, or None where there is none."""
    out = []
    for row in X[columns].astype(object).itertuples(index=False):
        row = tuple(None if pd.isna(v) else v for v in row)
        gone = any if missing == "drop" else all
        out.append(None if gone(v is None for v in row) else row)
    return out


CASES = [
    (2, "category", ["a", "b"]),
    (2, "drop", ["a", "b"]),
    (3, "category", ["a", "b", "flag"]),
    (3, "drop", ["a", "b", "flag"]),
]


def three_way(order, missing):
    """A ranker that chose the cross of a, b (and flag), and what it is of."""
    X, y = crossed()
    if order == 3:
        y = (y % 2) ^ X["flag"].to_numpy()
    X = X.drop(columns="real")
    return X, y, fitted(X, y, order=order, missing=missing)


@pytest.mark.parametrize("order, missing, columns", CASES)
@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_crosses_tell_combinations_apart(order, missing, columns, library):
    X, _, ranker = three_way(order, missing)
    node = next(n for n in ranker.crosses_ if list(n.columns()) == columns)
    if missing == "category":
        assert node.name == f"cross({'&'.join(columns)})"
    out = ranker.transform(frames(X)[library])
    labels = texts_of(out, node.name)
    rows = combinations_of(X, columns, missing)
    assert [v is None for v in labels] == [r is None for r in rows]
    pairs = {(r, v) for r, v in zip(rows, labels, strict=True) if r is not None}
    assert len(pairs) == len({r for r, _ in pairs}) == len({v for _, v in pairs})
    # in the order of the values, missing ones last
    known = sorted(pairs, key=lambda p: [(v is None, v) for v in p[0]])
    width = len(str(len(known)))
    assert [v for _, v in known] == [f"k{i:0{width}d}" for i in range(len(known))]
    if library == "pandas":
        assert out[node.name].cat.categories.tolist() == [v for _, v in known]
    elif library == "polars":
        # the same numbering in every batch
        assert out.schema[node.name] == pl.Enum([v for _, v in known])
    else:
        assert pa.types.is_dictionary(out.schema.field(node.name).type)


def test_crosses_of_numbers_are_those_of_their_bins():
    X, y = crossed()
    ranker = fitted(X, y, order=2, n_bins=8)
    node = next(n for n in ranker.crosses_ if "real" in n.columns())
    assert node.name == "cross(b&bin(real))"
    x = X["real"].to_numpy()
    there = np.sort(x[~np.isnan(x)])
    # the rows of a bin: those before the next eighth
    edges = [there[-(-i * len(there) // 8)] for i in range(1, 8)]
    bins = np.searchsorted(edges, x, side="right").astype(float)
    bins[np.isnan(x)] = np.nan
    rows = combinations_of(X.assign(real=bins), ["b", "real"], "category")
    labels = texts_of(ranker.transform(X), node.name)
    pairs = set(zip(rows, labels, strict=True)) - {(None, None)}
    assert len(pairs) == len({r for r, _ in pairs}) == len({v for _, v in pairs})


@pytest.mark.parametrize("order, missing, columns", CASES)
@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_a_row_alone_is_the_row_in_a_batch(order, missing, columns, library):
    X, _, ranker = three_way(order, missing)
    frame = frames(X)[library]
    whole = ranker.transform(frame)
    gone = np.flatnonzero(X["a"].isna() | X["b"].isna())[:8]
    indices = [*range(10), *gone.tolist()]
    for name in ranker.get_feature_names_out()[-len(ranker.crosses_) :]:
        labels = texts_of(whole, name)
        alone = [
            texts_of(ranker.transform(rows_of(frame, [i])), name)[0] for i in indices
        ]
        assert alone == [labels[i] for i in indices]
    part = ranker.transform(rows_of(frame, list(range(300, 500))))
    assert texts_of(part, name) == labels[300:500]


@pytest.mark.parametrize("missing", ["category", "drop"])
def test_what_fit_did_not_see_is_missing(missing):
    X, y = crossed()
    X = X[["a", "b"]]
    seen = ~((X["a"] == 3) & (X["b"] == "u")).fillna(False)
    ranker = fitted(X[seen], y[seen], order=2, missing=missing)
    (node,) = ranker.crosses_
    strange = pd.DataFrame(
        {
            "a": pd.Series([3, 77, 77, 1, None, None], dtype="Int64"),
            "b": pd.Series(["u", "u", None, "elsewhere", "elsewhere", None]),
        }
    )
    out = ranker.transform(strange)
    assert out[node.name].isna().all()
    assert out["a"].equals(strange["a"])
    known = pd.DataFrame({"a": pd.Series([3], dtype="Int64"), "b": ["v"]})
    assert ranker.transform(known)[node.name].notna().all()


def test_bins_have_no_end():
    X, y = crossed()
    ranker = fitted(X, y, order=2)
    node = next(n for n in ranker.crosses_ if "real" in n.columns())
    far = pd.concat([X[X["b"] == "u"][:2]] * 2)
    far["real"] = [-1e300, X["real"].min(), 1e300, X["real"].max()]
    values = texts_of(ranker.transform(far), node.name)
    assert values[0] == values[1] != values[2] == values[3]


def test_infinities_are_missing_in_crosses():
    X, y = crossed()
    ranker = fitted(X, y, order=2)
    node = next(n for n in ranker.crosses_ if "real" in n.columns())
    rows = pd.concat([X[X["b"] == "u"][:1]] * 3).assign(real=[np.nan, np.inf, -np.inf])
    values = texts_of(ranker.transform(rows), node.name)
    assert values[0] is not None and set(values) == {values[0]}


def test_infinities_are_missing_among_categories():
    X, y = crossed()
    real = (X["a"].fillna(0) * 1.0).astype(float)
    real[X["a"].isna()] = np.inf
    X = X[["b"]].assign(real=real)
    ranker = fitted(X, y % 2, order=2, categorical_features="all")
    (node,) = ranker.crosses_
    values = ranker.transform(X)[node.name]
    assert values[X["b"].notna()].notna().all()


def test_numbers_beyond_63_bits_are_not_crossed():
    """They are counted as texts, which no later row would hold."""
    rng = np.random.default_rng(0)
    ids = pl.Series(rng.integers(0, 5, 500)).cast(pl.UInt64) + 2**63
    X = pl.DataFrame({"id": ids, "b": rng.integers(0, 4, 500)})
    y = (ids - 2**63).cast(pl.Int64).to_numpy() + X["b"].to_numpy()
    ranker = fitted(X, y % 2, order=2)
    assert not ranker.crosses_ and (ranker.scores_["order"] == 1).all()


def test_crosses_of_numbers_in_54_to_63_bits():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"id": rng.integers(0, 5, 500) + 2**60, "b": np.arange(500) % 4})
    y = (X["id"] + X["b"]) % 2
    ranker = fitted(X, y, order=2)
    (node,) = ranker.crosses_
    assert ranker.transform(X)[node.name].nunique() == 20


def test_many_combinations(tmp_path):
    """Combinations beyond 32 bits, stored and read back."""
    rng = np.random.default_rng(0)
    n = 4000
    X = pd.DataFrame({name: rng.permutation(n) // 2 for name in "abc"})
    X["d"] = X["a"] % 2
    X["e"] = rng.integers(0, 2, n)
    y = X["d"] ^ X["e"]
    ranker = fitted(X, y, order=3)
    assert "cross(d&e)" in [node.name for node in ranker.crosses_]
    ranker.to_json(tmp_path / "r.json")
    again = OutRank.from_json(tmp_path / "r.json")
    pd.testing.assert_frame_equal(ranker.transform(X), again.transform(X))


# --- kinds of frames, names


def test_another_library_than_in_fit():
    X, y = crossed()
    made = {name: fitted(frame, y, order=2) for name, frame in frames(X).items()}
    names = list(made["pandas"].get_feature_names_out())
    node = names[-1]
    expected = texts_of(made["pandas"].transform(X), node)
    for ranker in made.values():
        assert list(ranker.get_feature_names_out()) == names
        for frame in frames(X).values():
            assert texts_of(ranker.transform(frame), node) == expected


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
@pytest.mark.parametrize("asked", ["pandas", "polars"])
def test_set_output(library, asked):
    X, y = crossed()
    ranker = fitted(X, y, order=2).set_output(transform=asked)
    out = ranker.transform(frames(X)[library])
    kind = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[asked]
    assert isinstance(out, kind)
    assert list(out.columns) == list(ranker.get_feature_names_out())
    plain = fitted(X, y, order=2).transform(X)
    name = out.columns[-1]
    assert texts_of(out, name) == texts_of(plain, name)
    assert texts_of(out, "b") == texts_of(plain, "b")


@pytest.mark.parametrize("asked", ["pandas", "polars"])
def test_set_output_of_arrays(asked):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 4, (200, 3))
    y = (X[:, 0] + X[:, 1]) % 2
    ranker = fitted(X, y, order=2, n_features_to_select=2).set_output(transform=asked)
    out = ranker.transform(X)
    assert list(out.columns) == list(ranker.get_feature_names_out())
    assert "cross(x0&x1)" in out.columns and len(out) == 200


def test_names_that_are_no_words():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a b": rng.integers(0, 4, 300), "c`": rng.integers(0, 4, 300)})
    y = (X["a b"] + X["c`"]) % 2
    ranker = fitted(X, y, order=2)
    out = ranker.transform(X)
    assert list(out) == list(ranker.get_feature_names_out())
    assert ranker.get_feature_names_out()[-1] == r"cross(`a b`&`c\``)"
    assert out.iloc[:, -1].nunique() == 16


# --- stored


@pytest.mark.parametrize("missing", ["category", "drop"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_json_round_trip(tmp_path, order, missing):
    X, y = crossed()
    k = 6 if order > 1 else 4  # of five columns, and of crosses too
    ranker = fitted(X, y, order=order, missing=missing, n_features_to_select=k)
    ranker.to_json(tmp_path / "r.json")
    again = OutRank.from_json(str(tmp_path / "r.json"))
    strange = X.assign(a=X["a"] + 3, b=X["b"].fillna("new"))
    for rows in (X, X[:1], strange):
        pd.testing.assert_frame_equal(ranker.transform(rows), again.transform(rows))
    polars = pl.from_pandas(X)
    assert ranker.transform(polars).equals(again.transform(polars))
    pd.testing.assert_frame_equal(ranker.scores_, again.scores_, check_exact=True)
    assert ranker.ranking_.tolist() == again.ranking_.tolist()
    assert ranker.get_support().tolist() == again.get_support().tolist()
    assert ranker.crosses_ == again.crosses_
    assert list(ranker.get_feature_names_out()) == list(again.get_feature_names_out())
    again.to_json(tmp_path / "again.json")
    assert (tmp_path / "r.json").read_text() == (tmp_path / "again.json").read_text()


def test_json_of_arrays_and_controls(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 4, (200, 3))
    y = (X[:, 0] + X[:, 1]) % 2
    ranker = fitted(X, y, order=2, noise_controls=True, criterion="random_forest")
    ranker.to_json(tmp_path / "r.json")
    again = OutRank.from_json(tmp_path / "r.json")
    np.testing.assert_array_equal(ranker.transform(X), again.transform(X))
    pd.testing.assert_frame_equal(ranker.scores_, again.scores_, check_exact=True)
    assert ranker.scores_["score"].isna().sum() > 0  # controls have none


def test_json_of_another_estimator(tmp_path):
    X, y = make_table(100)
    maker = OpenFE(n_features=1, operators=["+"], random_state=0)
    maker.fit(X[["real", "shop"]].fillna(0), np.arange(100.0))
    maker.to_json(tmp_path / "f.json")
    with pytest.raises(FeatureFileError, match="OpenFE"):
        OutRank.from_json(tmp_path / "f.json")
    fitted(X, y).to_json(tmp_path / "r.json")
    with pytest.raises(FeatureFileError, match="OutRank"):
        OpenFE.from_json(tmp_path / "r.json")
    (tmp_path / "r.json").write_text((tmp_path / "r.json").read_text()[:200])
    with pytest.raises(FeatureFileError, match="damaged"):
        OutRank.from_json(tmp_path / "r.json")


def test_pickle_and_clone():
    X, y = crossed()
    ranker = fitted(X, y, order=2)
    copy = pickle.loads(pickle.dumps(ranker))
    pd.testing.assert_frame_equal(copy.transform(X), ranker.transform(X))
    pd.testing.assert_frame_equal(copy.scores_, ranker.scores_)
    half = pickle.loads(pickle.dumps(fitted(X[:450], y[:450])))
    half.partial_fit(X[450:], y[450:])
    pd.testing.assert_frame_equal(half.scores_, fitted(X, y).scores_)
    with pytest.raises(NotFittedError):
        clone(ranker).transform(X)


# --- pipelines


def test_in_a_pipeline_before_a_linear_model():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.integers(0, 4, 800), "b": rng.choice(list("uvw"), 800)})
    y = (X["a"] + (X["b"] == "u")) % 2
    encoder = OneHotEncoder(handle_unknown="ignore")
    line = make_pipeline(OutRank(order=2), encoder, LogisticRegression())
    assert line.fit(X[:600], y[:600]).score(X[600:], y[600:]) == 1.0
    plain = make_pipeline(encoder, LogisticRegression()).fit(X[:600], y[:600])
    assert plain.score(X[600:], y[600:]) < 0.8


def test_in_a_pipeline_before_lightgbm():
    from lightgbm import LGBMClassifier

    X, y = crossed()
    numbers = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    model = LGBMClassifier(n_estimators=20, verbosity=-1, n_jobs=1)
    line = make_pipeline(OutRank(order=2, n_features_to_select=4), numbers, model)
    assert line.fit(X[:700], y[:700]).score(X[700:], y[700:]) > 0.5
    selected = line[0].get_feature_names_out()
    assert len(selected) == 4 and "cross(a&b)" in selected


def test_in_a_pipeline_right_before_lightgbm():
    from lightgbm import LGBMClassifier

    X, y = crossed()
    X = X.assign(b=X["b"].astype("category"), a=X["a"].astype(float))
    model = LGBMClassifier(n_estimators=20, verbosity=-1, n_jobs=1)
    line = make_pipeline(OutRank(order=2, n_features_to_select=4), model)
    assert line.fit(X[:700], y[:700]).score(X[700:], y[700:]) > 0.5


def test_fit_transform_and_fit_params():
    X, y = crossed()
    weight = np.arange(len(y)) % 3
    one = OutRank(order=2).fit_transform(X, y, sample_weight=weight)
    two = OutRank(order=2).fit(X, y, weight).transform(X)
    pd.testing.assert_frame_equal(one, two)


def test_weights_are_routed_through_a_pipeline():
    import sklearn
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    X = rng.integers(0, 4, (300, 3)).astype(float)
    y = X[:, 1] % 2
    weight = np.arange(300) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        ranker = OutRank(n_features_to_select=1).set_fit_request(sample_weight=True)
        model = LogisticRegression().set_fit_request(sample_weight=False)
        line = make_pipeline(ranker, model).fit(X, y, sample_weight=weight)
    assert line[0].n_rows_ == weight.sum()
    assert line[0].get_support().tolist() == [False, True, False]


@pytest.mark.parametrize("name", ["alpha", "n_bins", "criterion", "order", "missing"])
def test_parameters_are_set_and_cloned(name):
    value = {"alpha": 0.1, "n_bins": 7, "criterion": "z", "order": 2, "missing": "drop"}
    ranker = clone(OutRank().set_params(**{name: value[name]}))
    assert ranker.get_params()[name] == value[name]
    assert repr(ranker).startswith("OutRank(") and str(value[name]) in repr(ranker)


# --- refusals of transform


def test_bad_input_in_transform():
    X, y = crossed()
    ranker = fitted(X, y, order=2)
    with pytest.raises(ValueError, match="feature names should match.*\n.*\n- noise"):
        ranker.transform(X.drop(columns="noise"))
    with pytest.raises(ValueError, match="unseen at fit time"):
        ranker.transform(X.assign(more=1))
    with pytest.raises(SchemaError, match="'b' is of the wrong kind.*categorical"):
        ranker.transform(X.assign(b=1.5))
    with pytest.raises(ValueError, match="0 sample"):
        ranker.transform(X[:0])
    with pytest.raises(NotFittedError):
        OutRank().transform(X)
    with pytest.raises(NotFittedError):
        OutRank().get_support()
    with pytest.raises(NotFittedError):
        OutRank().get_feature_names_out()
    with pytest.raises(NotFittedError):
        OutRank().to_json("nowhere.json")
