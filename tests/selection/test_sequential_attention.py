"""SequentialAttention with a network: how many, which, from what, until when."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from featurekit.exceptions import BackendUnavailableError
from featurekit.selection import (
    GroupLasso,
    OneShotAttention,
    SequentialAttention,
    SequentialLasso,
)
from featurekit.selection.sequential_attention import RIDGE, _ridge
from featurekit.selection.trained import best_phase, falling, improves_no_more
from tests.data.libraries import make

torch = pytest.importorskip("torch")
Data = pytest.importorskip("featurekit.neural.training").Data


def _quick(k=3, **params):
    defaults = {"n_epochs": 20, "hidden_layer_sizes": (16,), "random_state": 0}
    return SequentialAttention(k, **(defaults | params))


def _planted(seed, kind="classes", n=600, d=100):
    """Five of the columns tell of the target, none of them by a straight line alone."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    at = rng.choice(d, 5, replace=False)
    z = X[:, at]
    f = 2 * np.sin(1.5 * z[:, 0]) + 1.5 * z[:, 1] * z[:, 2] + z[:, 3] + 2 * abs(z[:, 4])
    f = (f - f.mean()) / f.std() + 0.3 * rng.normal(size=n)
    # columns of all sizes
    X = X * np.exp(3 * rng.normal(size=d)) + 10 * rng.normal(size=d)
    return X, (f > 0 if kind == "classes" else f), set(at.tolist())


def _easy(n=200, d=8):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    return X, (X[:, 2] + X[:, 5] > 0).astype(int)


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_five_planted_columns_of_a_hundred_are_found(kind):
    found = []
    for seed in range(10):
        X, y, planted = _planted(seed, kind)
        selector = SequentialAttention(5, random_state=seed).fit(X, y)
        found.append(set(selector.order_.tolist()) == planted)
    assert sum(found) >= 9


@pytest.mark.parametrize(
    ("d", "k", "s"),
    [(6, 1, 1), (6, 6, 1), (6, 5, 2), (6, 6, 4), (12, 7, 3), (12, 10, 20), (30, 29, 1)],
)
@pytest.mark.parametrize("n_epochs", [1, 3])
def test_exactly_as_many_as_asked_for(d, k, s, n_epochs):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, d)), rng.integers(0, 3, 40)
    selector = _quick(k, features_per_step=s, n_epochs=n_epochs).fit(X, y)
    assert selector.support_.sum() == k == len(set(selector.order_.tolist()))
    assert sorted(selector.ranking_) == list(range(1, d + 1))
    assert (selector.ranking_[selector.order_] == np.arange(1, k + 1)).all()
    assert len(selector.loss_curve_) == -(-k // s) <= selector.n_steps_
    in_order = selector.scores_[np.argsort(selector.ranking_)]
    assert (np.diff(in_order) <= 0).all()


def test_shares_and_none_mean_a_part_of_the_columns():
    X, y = _easy()
    assert _quick(None, n_epochs=1).fit(X, y).support_.sum() == 4
    assert _quick(0.25, n_epochs=1).fit(X, y).support_.sum() == 2


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_rows_held_out_say_how_many(kind):
    X, y, planted = _planted(1, kind, n=600, d=40)
    selector = SequentialAttention("auto", random_state=0).fit(X, y)
    kept = set(selector.order_.tolist())
    assert len(kept & planted) >= 4 and len(kept) <= 10
    assert selector.n_features_to_select_ == len(kept)
    assert max(selector.validation_scores_) > selector.validation_scores_[0]
    assert "improved no more" in selector.stopped_


def test_every_number_of_few_columns_is_tried():
    X, y = _easy()
    X = X[:, [1, 2, 5]]
    selector = _quick("auto", n_epochs=40, n_iter_no_change=3).fit(X, y)
    assert len(selector.validation_scores_) == 3 and not selector.stopped_
    assert set(selector.order_[:2].tolist()) == {1, 2}


def test_early_stopping_fills_the_rest():
    X, y = _easy(d=30)
    selector = _quick(25, early_stopping=True, n_epochs=100, n_iter_no_change=2)
    selector.fit(X, y)
    assert selector.support_.sum() == 25
    assert "improved no more" in selector.stopped_
    assert {2, 5} == set(selector.order_[:2].tolist())


def test_rows_of_a_group_are_held_out_together():
    X, y = _easy()
    groups = np.repeat(np.arange(20), 10)
    a = _quick("auto").fit(X, y, groups=groups)
    b = _quick("auto").fit(X, y, groups=groups)
    assert a.validation_scores_ == b.validation_scores_
    assert a.validation_scores_ != _quick("auto").fit(X, y).validation_scores_
    with pytest.raises(ValueError, match="one group only"):
        _quick("auto").fit(X, y, groups=np.zeros(200))


def test_the_best_phase_is_better_beyond_noise():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4, 400))
    losses = [
        3 + noise[0],
        1 + noise[1],
        1 + noise[2] - noise[2].mean(),
        1.5 + noise[3],
    ]
    losses[1] -= noise[1].mean()
    assert best_phase(losses) == 1 and best_phase(losses[:1]) == 0
    assert improves_no_more(losses, 2) and not improves_no_more(losses, 3)


def test_scores_fall_along_the_order():
    scores = falling([3, 0, 2], [0.5, 0.7, 0.1], np.array([9.0, 0.3, 9.0, 9.0]))
    assert scores.tolist() == [0.5, 0.1, 0.1, 0.5]


def test_same_seed_same_result_and_torch_is_left_as_it_was():
    X, y = _easy()
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    a = _quick().fit(X, y)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    torch.manual_seed(6)
    b = _quick().fit(X, y)
    assert a.order_.tolist() == b.order_.tolist()
    assert a.loss_curve_ == b.loss_curve_
    assert _quick(random_state=1).fit(X, y).loss_curve_ != a.loss_curve_


def test_repeats_are_counted_and_threads_change_nothing():
    X, y = _easy(d=20)
    kept = [
        _quick(4, n_repeats=5, n_epochs=8, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 3)
    ]
    for selector in kept:
        frequency = selector.selection_frequencies_
        assert abs(frequency.sum() - 4) < 1e-9
        assert frequency[[2, 5]].tolist() == [1, 1]
        assert set(selector.order_[:2].tolist()) == {2, 5}
        assert frequency[selector.support_].min() >= frequency[~selector.support_].max()
    assert kept[0].order_.tolist() == kept[1].order_.tolist()
    assert kept[0].loss_curve_ == kept[1].loss_curve_
    once = _quick(4, n_epochs=8).fit(X, y)
    assert set(once.selection_frequencies_) == {0, 1}


def _mixed():
    rng = np.random.default_rng(0)
    n = 400
    city = rng.choice(list("abcd"), n)
    street = rng.integers(0, 50, n)
    columns = {
        "noise": rng.normal(size=n).tolist(),
        "city": city.tolist(),
        "street": [f"s{i}" for i in street],
        "gaps": [None if v > 0 else 1.0 for v in rng.normal(size=n)],
        "more": rng.normal(size=n).tolist(),
        "id": [f"id{i}" for i in range(n)],
    }
    gone = np.array([v is None for v in columns["gaps"]])
    y = 2.0 * np.isin(city, ["a", "c"]) + 2.0 * (street % 2) + 1.5 * gone
    return columns, (y + 0.1 * rng.normal(size=n))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_categories_many_categories_and_gaps_have_one_logit_each(library):
    columns, y = _mixed()
    selector = _quick(3, n_epochs=150).fit(make(library, columns), y)
    assert sorted(selector.get_feature_names_out()) == ["city", "gaps", "street"]
    if library != "pandas":
        other = _quick(3, n_epochs=150).fit(make("pandas", columns), y)
        assert selector.loss_curve_ == other.loss_curve_
        np.testing.assert_array_equal(selector.scores_, other.scores_)


def test_groups_are_kept_whole():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 9))
    y = X[:, 0] * X[:, 1] + X[:, 7]
    selector = _quick(2, groups=[[0, 1, 2], [3, 4, 5]], n_epochs=100).fit(X, y)
    assert set(selector.order_.tolist()) == {0, 1, 2, 7}
    assert len(set(selector.ranking_[:3])) == len(set(selector.scores_[:3])) == 1


def test_duplicates_do_not_keep_others_out():
    X, y = _easy(n=400)
    X[:, 7] = X[:, 2]
    kept = set(_quick(2, n_epochs=60).fit(X, y).order_.tolist())
    assert 5 in kept and len(kept & {2, 7}) == 1


def test_constant_columns_come_last():
    X, y = _easy()
    X[:, [0, 6]] = 3.0
    selector = _quick(7, n_epochs=5).fit(X, y)
    assert selector.support_.sum() == 7
    assert set(selector.order_[:6].tolist()) == {1, 2, 3, 4, 5, 7}
    assert selector.ranking_[6] == 8


@pytest.mark.parametrize("model", ["mlp", "linear"])
def test_a_table_of_ids_still_gives_as_many_as_asked_for(model):
    X = pd.DataFrame({name: [f"{name}{i}" for i in range(40)] for name in "abc"})
    selector = _quick(2, model=model).fit(X, np.arange(40) % 2)
    assert selector.order_.tolist() == [0, 1] and not selector.scores_.any()


def test_class_weights_change_the_choice():
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], [480, 480, 24])
    X = rng.normal(size=(984, 4))
    X[:, 1] += 1.2 * (y == "b")
    X[:, 3] += 2.5 * (y == "c")
    assert _quick(1).fit(X, y).order_.tolist() == [1]
    assert _quick(1, class_weight="balanced").fit(X, y).order_.tolist() == [3]


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_weights_are_repetition_where_a_batch_has_all_rows(kind):
    X, y = _easy(n=60)
    X[::7, 3] = np.nan
    y = y if kind == "classes" else X[:, 2] + abs(X[:, 5])
    weight = np.random.default_rng(0).integers(0, 4, 60)
    a = _quick(4, batch_size=500).fit(X, y, sample_weight=weight)
    b = _quick(4, batch_size=500).fit(X.repeat(weight, axis=0), y.repeat(weight))
    np.testing.assert_allclose(a.loss_curve_, b.loss_curve_, rtol=1e-3)
    assert a.order_.tolist() == b.order_.tolist()


class _Product(torch.nn.Module):
    """A caller's network, which draws from torch's own generator."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(n_inputs, 20), torch.nn.Tanh(), torch.nn.Dropout(0.1),
            torch.nn.Linear(20, n_outputs),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


def test_networks_of_the_caller():
    X, y = _easy()
    before = torch.get_rng_state()
    made = _quick(2, model=_Product, n_epochs=50, n_repeats=2).fit(X, y)
    assert set(made.order_.tolist()) == {2, 5}
    again = _quick(2, model=_Product, n_epochs=50, n_repeats=2, n_jobs=2).fit(X, y)
    assert made.loss_curve_ == again.loss_curve_
    assert torch.equal(torch.get_rng_state(), before)
    given = _Product(8, 2)
    weight = given.layers[0].weight.detach().clone()
    given_kept = _quick(2, model=given, n_epochs=50).fit(X, y)
    assert set(given_kept.order_.tolist()) == {2, 5}
    assert torch.equal(given.layers[0].weight, weight)


def test_networks_that_do_not_fit_are_refused():
    X, y = _easy()
    with pytest.raises(ValueError, match=r"take \(rows, 8\) and give \(rows, 2\)"):
        _quick(model=_Product(9, 2)).fit(X, y)
    with pytest.raises(ValueError, match="It gave"):
        _quick(model=_Product(8, 1)).fit(X, y)
    with pytest.raises(TypeError, match=r"has to give a torch.nn.Module, got int"):
        _quick(model=lambda n_inputs, n_outputs: 3).fit(X, y)
    with pytest.raises(ValueError, match="at least 1"):
        _quick(hidden_layer_sizes=(0,)).fit(X, y)


def test_time_is_kept_and_what_is_known_by_then_is_used():
    X, y = _easy(d=30)
    selector = _quick(10, n_epochs=10**6, time_budget=0.5)
    begin = time.monotonic()
    selector.fit(X, y)
    assert time.monotonic() - begin < 10
    assert selector.support_.sum() == 10
    assert "time_budget of 0.5 s is spent" in selector.stopped_
    at_once = _quick(3, time_budget=0, n_repeats=5).fit(X, y)
    assert at_once.support_.sum() == 3 and at_once.n_steps_ == 1


CTRL_C = """
import numpy as np
import torch
from featurekit.selection import SequentialAttention
X = np.random.default_rng(0).normal(size=(200, 30))
selector = SequentialAttention(10, n_epochs=10**7, random_state=0)
selector.set_params(n_epochs=1).fit(X, X[:, 0])
selector.set_params(n_epochs=10**7)
print("ready", flush=True)
selector.fit(X, X[:, 0])
print(selector.support_.sum(), selector.stopped_)
"""


def test_ctrl_c_keeps_what_is_known():
    run = subprocess.Popen(
        [sys.executable, "-c", CTRL_C], stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert run.stdout.readline().strip() == "ready"
    time.sleep(2)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=60)
    assert out.split() == ["10", "interrupted"]


@pytest.mark.parametrize(
    "selector",
    [SequentialAttention(2), GroupLasso(2), SequentialLasso(2), OneShotAttention(2)],
    ids=lambda selector: type(selector).__name__,
)
def test_without_torch_the_error_says_what_to_install(monkeypatch, selector):
    X, y = _easy()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendUnavailableError, match=r'install "featurekit\[torch\]"'):
        selector.fit(X, y)


def test_the_linear_form_needs_no_torch(monkeypatch):
    X, y = _easy()
    monkeypatch.setitem(sys.modules, "torch", None)
    selector = SequentialAttention(2, model="linear").fit(X, y)
    assert set(selector.order_.tolist()) == {2, 5}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_an_error():
    X, y = _easy()
    with pytest.raises(BackendUnavailableError, match="no CUDA device"):
        _quick(device="cuda").fit(X, y)


@pytest.mark.parametrize("model", ["mlp", "linear"])
def test_bad_input_is_refused(model):
    X, y = _easy()
    fit = lambda X, y, k=3, **fit: _quick(k, model=model).fit(X, y, **fit)  # noqa: E731
    with pytest.raises(ValueError, match="X has 8 columns to select from"):
        fit(X, y, 9)
    with pytest.raises(ValueError, match="n_features_to_select"):
        fit(X, y, 0)
    with pytest.raises(ValueError, match="columns of X are constant"):
        fit(np.ones((200, 8)), y)
    with pytest.raises(ValueError, match="one class only"):
        fit(X, np.ones(200))
    with pytest.raises(ValueError, match="Input y contains NaN"):
        fit(X, np.where(y, np.nan, 0.5))
    with pytest.raises(ValueError, match="[Nn]egative"):
        fit(X, y, sample_weight=-np.ones(200))
    with pytest.raises(ValueError, match="infinity"):
        fit(np.where(X > 1, np.inf, X), y)


def test_more_columns_than_rows_and_many_classes():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(78, 500)), np.arange(78) % 26
    X[:, 7:10] = np.stack([y, np.sin(y), np.cos(y)], 1)
    X[:, 7:10] += 0.01 * rng.normal(size=(78, 3))
    selector = SequentialAttention(3, task="classification", random_state=0).fit(X, y)
    assert selector.order_[0] == 7
    assert set(selector.order_.tolist()) == {7, 8, 9}


def test_names_stay_and_types_with_output_format_input():
    columns, y = _mixed()
    X = make("pandas", columns)
    out = _quick(3, n_epochs=150, output_format="input").fit(X, y).transform(X)
    assert isinstance(out, pd.DataFrame)
    pd.testing.assert_frame_equal(out, X[["city", "street", "gaps"]])
    codes = _quick(3, n_epochs=150).fit(X, y).transform(X)
    assert list(codes) == ["city", "street", "gaps"]
    for name in ("city", "street"):  # a number for each text, of the same rows
        pairs = pd.DataFrame({"text": X[name], "code": codes[name]}).drop_duplicates()
        assert pairs["text"].is_unique and pairs["code"].is_unique
        assert pd.api.types.is_numeric_dtype(codes[name])
    pd.testing.assert_series_equal(codes["gaps"], X["gaps"])


@pytest.mark.parametrize(
    ("y", "weight", "bits"),
    [
        ([0, 1], [1, 1], 1.0),
        ([0, 1, 2, 3], [1, 1, 1, 1], 2.0),
        ([0, 1, 1, 2], [2, 1, 1, 0], 1.0),
        ([0.1, 0.2, 0.3], [1, 1, 1], 1.0),
    ],
    ids=["two", "four", "weights", "numbers"],
)
def test_more_classes_have_a_larger_penalty(y, weight, bits):
    target = torch.tensor(y)
    data = Data(None, None, target, torch.tensor(weight, dtype=torch.float32))
    assert _ridge(data) == pytest.approx(RIDGE * bits**1.5)
