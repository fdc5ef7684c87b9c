"""What every selector shares, tested with one of a few lines."""

from __future__ import annotations

import pickle
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from featurekit.data import take_rows
from featurekit.exceptions import FeatureKitWarning
from featurekit.selection.base import hold_out
from tests.selection.tiny import Blind, Tiny

N = 60
RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, N)
COLUMNS = {
    "noise": RNG.normal(size=N).tolist(),
    "city": [("x", "y")[label] for label in Y],
    "signal": (Y + 0.1 * RNG.normal(size=N)).tolist(),
    "gaps": [None if i % 7 == 0 else float(v) for i, v in enumerate(Y)],
    "day": [date(2024, 1, 1 + i % 20) for i in range(N)],
}
FRAMES = {
    "pandas": pd.DataFrame(COLUMNS),
    "polars": pl.DataFrame(COLUMNS),
    "pyarrow": pa.table(COLUMNS),
    "mapping": {name: np.array(v, dtype=object) for name, v in COLUMNS.items()},
}


def _numbers(d=5, n=N):
    return np.random.default_rng(1).normal(size=(n, d)) + np.arange(d) * Y[:n, None]


def _names(X):
    if isinstance(X, dict):
        return list(X)
    return list(X.column_names if isinstance(X, pa.Table) else X.columns)


# -- the same choice from any frame ----------------------------------------------------


@pytest.mark.parametrize("library", FRAMES)
def test_every_library_gives_the_same_choice(library):
    X = FRAMES[library]
    expected = Tiny(2).fit(FRAMES["pandas"], Y)
    tiny = Tiny(2).fit(X, Y)
    np.testing.assert_array_equal(tiny.scores_, expected.scores_)
    np.testing.assert_array_equal(tiny.order_, expected.order_)
    assert tiny.feature_names_in_.tolist() == list(COLUMNS)
    assert tiny.n_features_in_ == 5
    assert tiny.get_feature_names_out().tolist() == expected.get_feature_names_out(
    ).tolist()  # fmt: skip


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.parametrize("fitted_on", FRAMES)
def test_transform_gives_the_kind_of_frame_that_comes_in(library, fitted_on):
    out = Tiny(2).fit(FRAMES[fitted_on], Y).transform(FRAMES[library])
    assert type(out) is type(FRAMES[library])
    assert _names(out) == ["city", "signal"]


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.parametrize("container", ["pandas", "polars", "default"])
def test_set_output_in_all_combinations(library, container):
    X = FRAMES[library]
    tiny = Tiny(2).set_output(transform=container)
    for out in (tiny.fit(X, Y).transform(X), tiny.fit_transform(X, Y)):
        kind = {"pandas": pd.DataFrame, "polars": pl.DataFrame}.get(container, type(X))
        assert type(out) is kind
        names = _names(out)
        assert names == tiny.get_feature_names_out().tolist()


def test_an_array_has_positions_for_names():
    X = _numbers()
    tiny = Tiny(2).fit(X, Y)
    assert not hasattr(tiny, "feature_names_in_")
    np.testing.assert_array_equal(tiny.transform(X), X[:, [3, 4]])
    assert tiny.get_feature_names_out().tolist() == ["x3", "x4"]
    framed = tiny.set_output(transform="polars").transform(X)
    assert framed.columns == ["x3", "x4"]
    # a frame gets the names of fit, where the caller has none to go by
    named = pd.DataFrame(X, columns=list("abcde"), index=np.arange(N) + 7)
    for out in (Tiny(2).fit(X, Y).transform(named), tiny.transform(named)):
        assert list(out.columns) == ["x3", "x4"]
    assert Tiny(2).fit(X.tolist(), Y.tolist()).order_.tolist() == [4, 3]
    assert Tiny(2).fit(np.asfortranarray(X), Y).order_.tolist() == [4, 3]


# -- types stay ------------------------------------------------------------------------


def test_types_of_pandas_stay():
    y = pd.Series(Y)
    X = pd.DataFrame(
        {
            "nullable": y.astype("Int64").mask(y.index == 3),
            "category": y.map({0: "a", 1: "b"}).astype("category"),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(y, unit="D"),
            "single": y.astype("float32"),
            "flag": y.astype(bool),
            "text": y.map({0: "a", 1: "b"}),
        },
        index=pd.Index(np.arange(N) * 2, name="key"),
    )
    for container in ("default", "pandas"):
        tiny = Tiny(1.0, output_format="input").set_output(transform=container)
        out = tiny.fit(X, Y).transform(X)
        pd.testing.assert_frame_equal(out, X)
    some = Tiny(2).fit(X, Y).transform(X.iloc[5:8])
    assert some.index.tolist() == [10, 12, 14]
    assert some.index.name == "key"


def test_types_of_polars_stay():
    X = pl.DataFrame(
        {
            "single": pl.Series(Y, dtype=pl.Float32),
            "category": pl.Series(["ab"[v] for v in Y], dtype=pl.Categorical),
            "enum": pl.Series(["ab"[v] for v in Y], dtype=pl.Enum(["b", "a"])),
            "day": [date(2024, 1, 1 + int(v)) for v in Y],
            "small": pl.Series(Y, dtype=pl.Int8),
        }
    )
    for container in ("default", "polars"):
        tiny = Tiny(1.0, output_format="input").set_output(transform=container)
        out = tiny.fit(X, Y).transform(X)
        assert out.equals(X) and out.schema == X.schema


def test_types_of_arrow_stay():
    X = pa.table(
        {
            "single": pa.array(Y, pa.float32()),
            "dictionary": pa.array(["ab"[v] for v in Y]).dictionary_encode(),
            "day": pa.array([date(2024, 1, 1 + int(v)) for v in Y], pa.date32()),
        }
    )
    assert Tiny(1.0, output_format="input").fit(X, Y).transform(X).equals(X)


def test_integers_of_an_array_stay():
    X = np.column_stack([Y, 1 - Y, np.arange(N)]).astype(np.int16)
    assert Tiny(2).fit(X, Y).transform(X).dtype == np.int16


# -- names -----------------------------------------------------------------------------


@pytest.mark.parametrize("library", FRAMES)
def test_other_names_than_in_fit_are_an_error(library):
    tiny = Tiny(2).fit(FRAMES["pandas"], Y)
    names = list(COLUMNS)
    swapped = {n: COLUMNS[n] for n in [names[1], names[0], *names[2:]]}
    renamed = {("other" if n == "day" else n): v for n, v in COLUMNS.items()}
    for columns, said in ((swapped, "same order"), (renamed, "unseen at fit time")):
        X = {
            "pandas": pd.DataFrame,
            "polars": pl.DataFrame,
            "pyarrow": pa.table,
            "mapping": dict,
        }[library](columns)
        with pytest.raises(ValueError, match=said):
            tiny.transform(X)


def test_other_counts_than_in_fit_are_an_error():
    tiny = Tiny(2).fit(_numbers(), Y)
    with pytest.raises(ValueError, match="4 features, but Tiny is expecting 5"):
        tiny.transform(_numbers()[:, :4])
    with pytest.raises(ValueError, match="input_features should have length equal"):
        tiny.get_feature_names_out(["a"])
    assert tiny.get_feature_names_out(list("abcde")).tolist() == ["d", "e"]


def test_before_fit_nothing_works():
    for call in (Tiny().get_support, lambda: Tiny().transform(_numbers())):
        with pytest.raises(NotFittedError):
            call()


def test_pickled_and_cloned():
    X = FRAMES["polars"]
    tiny = Tiny(2, groups=[["city", "day"]]).fit(X, Y)
    again = pickle.loads(pickle.dumps(tiny))
    assert again.transform(X).equals(tiny.transform(X))
    assert clone(tiny).get_params() == tiny.get_params()
    assert not hasattr(clone(tiny), "support_")


def test_inverse_transform_fills_with_zeros():
    X = _numbers()
    X[3, 4] = np.nan
    tiny = Tiny(2).fit(X, Y)
    back = tiny.inverse_transform(tiny.transform(X))
    np.testing.assert_array_equal(back[:, 3:], X[:, 3:])
    assert not back[:, :3].any()
    with pytest.raises(ValueError, match="3 columns, but 2 were kept"):
        tiny.inverse_transform(X[:, :3])
    for X in FRAMES.values():
        tiny = Tiny(2, output_format="input").fit(X, Y)
        back = tiny.inverse_transform(tiny.transform(X))
        assert back.shape == (N, 5)
        first = [COLUMNS[name][0] for name in ("city", "signal")]
        assert back[0].tolist() == [0, *first, 0, 0]


# -- how many --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "n_columns", "kept"),
    [
        (None, 5, 2), (None, 1, 1), (3, 5, 3), (5, 5, 5), (1.0, 5, 5), (0.5, 5, 2),
        (0.01, 5, 1), ("auto", 5, 1), (0.29, 100, 29), (0.58, 100, 58),
    ],
)  # fmt: skip
def test_how_many_are_kept(wanted, n_columns, kept):
    X = np.random.default_rng(0).normal(size=(N, n_columns))
    tiny = Tiny(wanted).fit(X, Y)
    assert tiny.support_.sum() == tiny.n_features_to_select_ == len(tiny.order_) == kept
    assert tiny.get_support(indices=True).tolist() == sorted(tiny.order_.tolist())


def test_more_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="n_features_to_select=6, but X has 5 columns"):
        Tiny(6).fit(_numbers(), Y)
    with pytest.raises(ValueError, match="=5, but X has 2 groups"):
        Tiny(5, groups=[0, 0, 1, 1, 1]).fit(_numbers(), Y)


def test_scores_ranks_and_order_agree():
    tiny = Tiny(3).fit(_numbers(), Y)
    by_score = np.argsort(-tiny.scores_)
    assert tiny.order_.tolist() == by_score[:3].tolist()
    assert tiny.ranking_[by_score].tolist() == [1, 2, 3, 4, 5]
    assert (tiny.support_ == (tiny.ranking_ <= 3)).all()


def test_equal_scores_go_by_position_and_constants_come_last():
    X = _numbers()
    X[:, 1] = X[:, 4]
    X[:, 2] = 7.0
    tiny = Tiny(1).fit(X, Y)
    assert tiny.ranking_[[1, 4, 2]].tolist() == [1, 2, 5]
    noisy = X.copy()
    noisy[:, 4] *= 1 + 1e-15
    assert Tiny(1).fit(noisy, Y).ranking_[[1, 4]].tolist() == [1, 2]


def test_none_kept_leaves_frames_without_columns():
    tiny = Tiny(1).fit(_numbers(), Y)
    tiny._keep(tiny.rows_, np.arange(5.0), 0)
    assert tiny.order_.tolist() == [] and tiny.order_.dtype == np.int64
    with pytest.warns(FeatureKitWarning, match="No features were selected"):
        assert tiny.transform(_numbers()).shape == (N, 0)
    with pytest.warns(FeatureKitWarning, match="returns no columns"):
        out = tiny.set_output(transform="pandas").transform(pd.DataFrame(_numbers()))
    assert out.shape == (N, 0)


def test_an_order_given_comes_before_scores():
    tiny = Tiny(1).fit(_numbers(), Y)
    tiny._keep(tiny.rows_, np.array([5.0, 4, 3, 2, 1]), 2, [3, 1])
    assert tiny.order_.tolist() == [3, 1]
    assert tiny.ranking_.tolist() == [3, 2, 4, 1, 5]


# -- groups of columns -----------------------------------------------------------------


@pytest.mark.parametrize(
    "groups",
    [
        ["a", "b", "b", "c", "a"],
        np.array([7, 8, 8, 9, 7]),
        [[0, 4], [1, 2]],
        [["x0", "x4"], ("x1", "x2"), ["x3"]],
        [[0, -1], np.array([1, 2])],
    ],
    ids=["labels", "array", "positions", "names", "negative"],
)
def test_groups_stay_together(groups):
    X = _numbers()
    if isinstance(groups[0], list) and isinstance(groups[0][0], str):
        X = pd.DataFrame(X, columns=[f"x{i}" for i in range(5)])
    tiny = Tiny(1, groups=groups).fit(X, Y)
    assert tiny.get_support().tolist() == [True, False, False, False, True]
    assert tiny.n_features_to_select_ == 1
    assert tiny.order_.tolist() == [0, 4]
    assert tiny.ranking_.tolist() == [1, 3, 3, 2, 1]
    assert tiny.scores_[0] == tiny.scores_[4]
    # half of the groups, one of three
    assert Tiny(groups=groups).fit(X, Y).support_.sum() == 2


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (["a", "b"], "2 labels, X has 5 columns"),
        ([[0, 1], [1, 2]], "'x1' is in two groups"),
        ([["nothing"]], "groups names 'nothing', which is no column"),
        ([[9]], "groups names 9"),
        ([[0], "x1", "x2", "x3", "x4"], "mixes labels and lists"),
    ],
)
def test_groups_that_cannot_be(groups, said):
    with pytest.raises(ValueError, match=said):
        Tiny(1, groups=groups).fit(_numbers(), Y)


# -- what is refused -------------------------------------------------------------------


def test_bad_input_says_what_to_do():
    X = _numbers()
    for y, said in (
        (None, "requires y to be passed, but the target y is None"),
        (np.ones(N), "one class only|there is nothing to learn"),
        (np.where(np.arange(N) == 0, np.nan, Y), "Input y contains NaN"),
        (Y[:-1], "inconsistent numbers of samples"),
    ):
        with pytest.raises(ValueError, match=said):
            Tiny().fit(X, y)
    bad = X.copy()
    bad[2, 1] = np.inf
    with pytest.raises(ValueError, match="contains infinity, in column 'x1'"):
        Tiny().fit(bad, Y)
    with pytest.raises(ValueError, match="all 5 columns of X are constant"):
        Tiny().fit(np.ones((N, 5)), Y)
    with pytest.raises(ValueError, match="1 sample"):
        Tiny().fit(X[:1], Y[:1])
    with pytest.raises(ValueError, match="0 feature"):
        Tiny().fit(X[:, :0], Y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        Tiny().fit(X, Y, groups=[1, 2])


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (np.r_[-1.0, np.ones(N - 1)], "negative values, in 1 of"),
        (np.zeros(N), "zero on every row"),
        (np.ones(N - 1), "sample_weight.shape"),
        (np.r_[np.nan, np.ones(N - 1)], "NaN"),
    ],
)
def test_weights_that_cannot_be(weight, said):
    with pytest.raises(ValueError, match=said):
        Tiny().fit(_numbers(), Y, sample_weight=weight)


# -- weights ---------------------------------------------------------------------------


def test_weight_zero_is_absent():
    """For values, categories, classes, gaps of the target and infinities alike."""
    X = pd.DataFrame(COLUMNS)
    y = Y.astype(float)
    weight = np.ones(N)
    weight[:6] = 0
    y[:3] = [2, 3, np.nan]
    X.loc[0, "city"] = "only here"
    X.loc[1, "noise"] = np.inf
    X.loc[2, "signal"] = 1e9
    tiny = Tiny(2).fit(X, y, sample_weight=weight)
    expected = Tiny(2).fit(X.iloc[6:], Y[6:])
    np.testing.assert_array_equal(tiny.scores_, expected.scores_)
    assert tiny.classes_.tolist() == expected.classes_.tolist() == [0, 1]
    assert tiny.task_ == "binary"
    assert len(tiny.rows_) == N - 6
    assert tiny.rows_.table.equals(expected.rows_.table)
    assert tiny.rows_.target.labels == expected.rows_.target.labels


def test_weight_zero_leaves_groups_of_rows_in_step():
    groups = np.arange(N) // 3
    weight = np.where(groups == 4, 0.0, 1.0)
    rows = Tiny().fit(_numbers(), Y, weight, groups).rows_
    np.testing.assert_array_equal(rows.groups, groups[weight > 0])


def test_one_class_left_by_weights_is_an_error():
    with pytest.raises(ValueError, match="one class only"):
        Tiny().fit(_numbers(), Y, sample_weight=(Y == 1).astype(float))


def test_columns_that_vary_only_where_the_weight_is_zero_are_constant():
    X = _numbers()
    X[:, 4] = 0
    X[0, 4] = 100.0
    weight = np.r_[0.0, np.ones(N - 1)]
    assert Tiny().fit(X, Y, sample_weight=weight).ranking_[4] == 5


@pytest.mark.parametrize("kind", [list, pd.Series, pl.Series, np.array])
def test_weights_and_targets_of_any_kind(kind):
    X = _numbers()
    weight = RNG.integers(0, 3, N)
    expected = Tiny(2).fit(X, Y, sample_weight=weight)
    tiny = Tiny(2).fit(X, kind(Y.tolist()), sample_weight=kind(weight.tolist()))
    np.testing.assert_array_equal(tiny.scores_, expected.scores_)
    np.testing.assert_allclose(
        tiny.scores_,
        Tiny(2).fit(np.repeat(X, weight, 0), np.repeat(Y, weight)).scores_,
    )


def test_classes_of_an_earlier_fit_do_not_stay():
    tiny = Tiny(2).fit(_numbers(), Y)
    assert tiny.classes_.tolist() == [0, 1]
    tiny.fit(_numbers(), Y + RNG.normal(size=N))
    assert tiny.task_ == "regression" and not hasattr(tiny, "classes_")


# -- targets ---------------------------------------------------------------------------


def test_targets_of_every_type():
    X = _numbers()
    for y, classes in (
        (np.array(["n", "y"])[Y], ["n", "y"]),
        (Y.astype(bool), [False, True]),
        (pd.Series(np.array(["n", "y"])[Y], dtype="category"), ["n", "y"]),
        (pa.array(np.array(["n", "y"])[Y]), ["n", "y"]),
    ):
        tiny = Tiny(2).fit(X, y)
        assert tiny.classes_.tolist() == classes
        assert tiny.order_.tolist() == [4, 3]


def test_unsupervised_ones_need_no_target():
    X = _numbers() * [1, 5, 2, 1, 1]
    blind = Blind(1).fit(X)
    assert blind.order_.tolist() == [1]
    assert not blind.__sklearn_tags__().target_tags.required
    assert Tiny().__sklearn_tags__().target_tags.required
    assert Blind(1).fit_transform(X).shape == (N, 1)


# -- rows ------------------------------------------------------------------------------


def test_rows_taken_keep_classes_and_find_what_varies():
    X = _numbers()
    X[:30, 2] = 1.0
    groups = np.arange(N) // 2
    weight = np.arange(1.0, N + 1)
    rows = Tiny().fit(X, Y, weight, groups).rows_
    first = np.arange(30)
    part = rows.take(first)
    assert len(part) == 30
    assert part.varies.tolist() == [True, True, False, True, True]
    assert part.target.labels == rows.target.labels
    np.testing.assert_array_equal(part.weight, weight[:30])
    np.testing.assert_array_equal(part.groups, groups[:30])


def test_hold_out_spreads_classes_and_keeps_groups():
    rows = Tiny().fit(_numbers(), Y).rows_
    train, valid = hold_out(rows, 0.25, seed=0)
    assert sorted([*train, *valid]) == list(range(N))
    assert (np.diff(train) > 0).all() and (np.diff(valid) > 0).all()
    assert len(valid) == N // 4
    assert abs(Y[valid].mean() - Y.mean()) < 0.05
    again = hold_out(rows, 0.25, seed=0)
    np.testing.assert_array_equal(valid, again[1])
    assert hold_out(rows, 0.25, seed=1)[1].tolist() != valid.tolist()
    groups = np.repeat(np.arange(12), 5)
    rows = Tiny().fit(_numbers(), Y, None, groups).rows_
    train, valid = hold_out(rows, 0.25, seed=0)
    assert not set(groups[train]) & set(groups[valid])


@pytest.mark.parametrize("library", FRAMES)
def test_rows_are_taken_in_the_order_given(library):
    X = FRAMES[library]
    out = take_rows(X, [3, 1, 1])
    assert type(out) is type(X)
    tiny = Tiny(2, output_format="input").fit(FRAMES["polars"], Y)
    got = tiny.inverse_transform(tiny.transform(out))[:, 1].tolist()
    assert got == [COLUMNS["city"][i] for i in (3, 1, 1)]
    np.testing.assert_array_equal(take_rows(_numbers(), [2, 0]), _numbers()[[2, 0]])
