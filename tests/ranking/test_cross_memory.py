"""Crosses within a limit of memory: more passes, the same result, and true totals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from featurekit.exceptions import FeatureKitWarning
from featurekit.execution import memory
from featurekit.ranking import cross_counting, source
from featurekit.ranking.counting import bytes_per_value
from featurekit.ranking.cross_counting import Plan
from tests.ranking import assert_same, fitted, make_table


def limit_of(n_values, n_classes):
    """Bytes for so many values of crosses in one pass."""
    return 2 * n_values * bytes_per_value(n_classes)


def limit_default(monkeypatch, n_values, n_classes):
    """Let the machine be one of so little memory."""
    limit = limit_of(n_values, n_classes)
    monkeypatch.setattr("featurekit.ranking.outrank.default_limit", lambda: limit)


class Column:
    def __init__(self, n_places):
        self.n_places = n_places


def test_the_plan_keeps_every_pass_within_the_limit():
    rng = np.random.default_rng(0)
    columns = [Column(int(n)) for n in rng.integers(2, 3000, 20)]
    crosses = [(a, b) for i, a in enumerate(columns) for b in columns[:i]]
    plan = Plan.of(crosses, 10**9, 2, limit_of(1 << 20, 2))
    assert sorted(i for batch in plan.batches for i in batch) == list(range(190))
    assert plan.most == 1 << 20 and len(plan.batches) > 10
    for batch in plan.batches:
        sizes = [np.prod([c.n_places + 1 for c in crosses[i]]) for i in batch]
        assert sum(min(size, plan.most) for size in sizes) <= plan.room
    one = Plan.of(crosses, 10**9, 2, limit_of(1 << 30, 2))
    assert len(one.batches) == 1 and one.most == 1 << 22
    few = Plan.of(crosses, 50, 2, limit_of(1 << 20, 2))
    assert len(few.batches) == 1  # of fifty rows no cross has more values


@pytest.fixture
def passes(monkeypatch):
    """How many passes the last fit made over the rows for its crosses."""
    made = []
    plan = Plan.of
    monkeypatch.setattr(
        cross_counting.Plan, "of", lambda *a: made.append(plan(*a)) or made[-1]
    )
    return lambda: len(made[-1].batches)


@pytest.mark.parametrize("params", [{"order": 2}, {"order": 3, "missing": "drop"}])
def test_the_limit_does_not_change_the_result(tmp_path, monkeypatch, passes, params):
    X, y = make_table(600)
    straight = fitted(X, y, **params)
    assert passes() == 1
    limit_default(monkeypatch, 1 << 10, 3)
    assert_same(straight, fitted(X, y, **params))
    assert passes() > 3
    monkeypatch.setattr(source, "BLOCK_ROWS", 97)
    frame = pl.from_pandas(X).with_columns(target=pl.Series(y))
    for i, start in enumerate(range(0, 600, 250)):
        frame[start : start + 250].write_parquet(tmp_path / f"{i}.parquet")
    assert_same(straight, fitted(tmp_path, "target", **params))
    assert passes() > 3
    order = np.random.default_rng(1).permutation(600)
    assert_same(straight, fitted(X.iloc[order], y[order], n_jobs=2, **params))


def test_crosses_of_too_many_values_are_left_out_whatever_the_order():
    rng = np.random.default_rng(0)
    n = 9000
    X = pd.DataFrame(
        {
            "many": rng.integers(0, 900, n),
            "more": rng.integers(0, 900, n),
            "a": rng.integers(0, 4, n),
            "b": rng.integers(0, 4, n),
        }
    )
    y = (X["a"] + X["b"]) % 2
    full = fitted(X, y, order=2)
    tight = {"order": 2, "memory_limit": limit_of(1 << 12, 2)}
    rankers = []
    for at in (np.arange(n), rng.permutation(n)):
        with pytest.warns(FeatureKitWarning, match="more than 4,096 values"):
            rankers.append(fitted(X.iloc[at], y.iloc[at], **tight))
    assert_same(*rankers)
    found = rankers[0].scores_
    assert len(full.scores_) - len(found) == 1
    assert not found["feature"].str.contains(r"many.*more|more.*many").any()
    assert rankers[0].crosses_ == full.crosses_


def test_progress_has_true_totals(tmp_path, monkeypatch):
    X, y = make_table(600)
    monkeypatch.setattr(source, "BLOCK_ROWS", 100)
    frame = pl.from_pandas(X).with_columns(target=pl.Series(y))
    frame[:250].write_csv(tmp_path / "0.csv")
    frame[250:].write_csv(tmp_path / "1.csv")
    phases = []

    class Seen:
        def __init__(self, *args):
            self.args = args

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def phase(self, name, total):
            from contextlib import contextmanager

            @contextmanager
            def opened():
                phases.append([name, total, 0])

                def step():
                    phases[-1][2] += 1

                yield step

            return opened()

    monkeypatch.setattr("featurekit.ranking.outrank.Progress", Seen)
    limit_default(monkeypatch, 1 << 11, 3)
    fitted(tmp_path, "target", order=3)
    names = [name for name, _, _ in phases]
    assert names == ["target", "count", "rank", "sample", "pairs", "triples", "crosses"]
    # how many blocks text has is known once it was read
    assert [name for name, total, done in phases if total != done] == ["target"]
    assert phases[0] == ["target", None, 7]
    phases.clear()
    fitted(X, y, order=2)
    assert all(total == done for _, total, done in phases)
    phases.clear()
    frame.write_parquet(tmp_path / "x.parquet")
    fitted(tmp_path / "x.parquet", "target", redundancy="mrmr")
    assert [phase[0] for phase in phases] == ["target", "count", "rank", "sample"]
    assert all(total == done for _, total, done in phases)


def test_the_default_limit_is_a_share_of_the_machine_or_container(
    tmp_path, monkeypatch
):
    physical = memory.machine_memory()
    assert memory.default_limit() == physical // 8
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "bytes").write_text("800000000\n")
    monkeypatch.setattr(memory, "_LIMITS", (str(tmp_path / "max"), "/nowhere"))
    assert memory.machine_memory() == memory._physical()
    monkeypatch.setattr(memory, "_LIMITS", (str(tmp_path / "bytes"),))
    assert memory.default_limit() == 100_000_000
