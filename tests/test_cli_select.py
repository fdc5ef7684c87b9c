"""Selecting columns from the command line, as it is typed."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from typer.testing import CliRunner

from featurekit import selection
from featurekit.cli import main
from featurekit.cli.application import application

N = 300


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A working directory with a table: dose and site matter, the rest is noise."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    dose, site = rng.normal(size=N), rng.choice(["x", "y", "z"], N)
    rows = pl.DataFrame(
        {
            "noise": rng.normal(size=N),
            "dose": dose,
            "site": site,
            "other": rng.normal(size=N),
            "person": np.arange(N) // 3,
            "times": rng.integers(1, 4, N),
            "y": dose**2 + 2 * (site == "x") + rng.normal(0, 0.2, N),
        }
    )
    rows.write_csv("train.csv")
    rows.write_parquet("train.parquet")
    return tmp_path


def shown(*args):
    """What a call that works says."""
    args = [str(arg) for arg in args]
    done = CliRunner().invoke(application(), args, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def refused(capsys, *args, code):
    """The one line that a wrong call (2) or wrong data (1) are answered with."""
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in args])
    assert stop.value.code == code
    said = capsys.readouterr().err
    assert said.startswith("featurekit: ") and said.count("\n") == 1
    return said


DISCO = ("select", "DisCo", "train.csv", "--target", "y", "--drop", "person,times")


def test_scores_are_those_of_the_selector(data):
    said = shown(*DISCO, "--n-features-to-select", "2", "--out", "scores.csv")
    rows = pl.read_csv("train.csv")
    selector = selection.DisCo(n_features_to_select=2, random_state=0)
    selector.fit(rows.drop("person", "times", "y"), rows["y"])
    scores = pd.read_csv("scores.csv").set_index("feature")
    names = selector.feature_names_in_
    assert scores.loc[names, "score"].tolist() == selector.scores_.tolist()
    assert scores["rank"].is_monotonic_increasing
    assert set(scores.index[scores["selected"]]) == {"dose", "site"}
    assert "selected: 2 of 4 columns" in said
    assert "scores written to scores.csv" in said


def test_selected_columns_are_written_with_the_target(data):
    shown(
        "select", "mrmr", "train.parquet", "--target", "y", "--drop", "person",
        "--n-features-to-select", "2", "--weight", "times", "--save-data", "kept.csv",
    )  # fmt: skip
    kept, rows = pl.read_csv("kept.csv"), pl.read_csv("train.csv")
    assert kept.columns[2:] == ["y", "times"] and kept.width == 4
    for name in kept.columns:
        assert kept[name].equals(rows[name])


@pytest.mark.parametrize("name", ["csv", "tsv", "json", "parquet"])
def test_kinds_of_tables(data, name):
    shown(*DISCO, "--n-features-to-select", "auto", "--out", f"scores.{name}")
    read = {
        "csv": pd.read_csv,
        "tsv": lambda path: pd.read_csv(path, sep="\t"),
        "json": lambda path: pd.DataFrame(json.loads((data / path).read_text())),
        "parquet": pd.read_parquet,
    }[name]
    scores = read(f"scores.{name}")
    assert scores.columns.tolist() == ["feature", "score", "rank", "selected", "p"]
    assert set(scores["feature"][scores["selected"]]) == {"dose", "site"}


def test_parameters_are_passed_on(data):
    said = shown(*DISCO, "--param", "mode=forward", "--n-features-to-select", "1")
    rows = pl.read_csv("train.csv")
    selector = selection.DisCo("forward", n_features_to_select=1, random_state=0)
    selector.fit(rows.drop("person", "times", "y"), rows["y"])
    best = said.splitlines()[-len(selector.scores_) - 1].split()
    assert best[-1] == selector.get_feature_names_out()[0]


def test_a_selector_of_a_selector(data):
    said = shown(
        "select", "StabilitySelection", "train.csv", "--target", "y", "--drop",
        "person", "--drop", "times", "--param", "selector=MRMR",
        "--param", "n_resamples=10", "--n-features-to-select", "1",
    )  # fmt: skip
    assert "selected: 1 of 4 columns" in said


def test_without_a_target(data):
    said = shown(
        "select", "InfFS", "train.csv", "--param", "method=unsupervised", "--alpha",
        "0.5", "--n-features-to-select", "0.5", "--drop", "y",
    )  # fmt: skip
    assert "selected: 3 of 6 columns" in said


def test_the_table_goes_to_stdout_and_messages_to_stderr(data):
    done = CliRunner().invoke(application(), [*DISCO, "--out", "-"])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == "feature,score,rank,selected,p"
    assert len(done.stdout.splitlines()) == 5
    assert "selected: 2 of 4 columns" in done.stderr


SELECT = ("select", "DisCo", "train.csv", "--target", "y")


@pytest.mark.parametrize(
    "args, match",
    [
        (("select", "Disco2", "train.csv", "--target", "y"), "there are MRMR, OMP"),
        ((*SELECT, "--param", "mode"), "'mode' is not of the form NAME=VALUE"),
        ((*SELECT, "--param", "mood=1"), "no parameter 'mood'; it has mode"),
        ((*SELECT, "--memory-limit", "1GiB"), "no parameter 'memory_limit'"),
        ((*SELECT, "--n-features-to-select", "0"), "nor 1 or more, nor a fraction"),
        ((*SELECT, "--n-features-to-select", "few"), "neither 'auto'"),
        ((*SELECT, "--out", "x.txt"), "only .tsv, .csv, .json and .parquet"),
        (("select", "MRMR", *SELECT[2:], "--groups", "person"), "takes no --groups"),
        (("select", "stabilityselection", *SELECT[2:]), "--param selector=DisCo"),
    ],
)
def test_wrong_usage(data, capsys, args, match):
    assert match in refused(capsys, *args, code=2)


@pytest.mark.parametrize(
    "args, match",
    [
        (("select", "DisCo", "train.csv"), "requires y"),
        ((*SELECT[:2], "no.csv", "--target", "y"), "no.csv: no such file"),
        ((*SELECT, "--param", "mode=sideways"), "'mode' parameter"),
        ((*SELECT, "--drop", "sight"), "do you mean 'site'?"),
        ((*SELECT, "--n-features-to-select", "9"), "9"),
        ((*SELECT, "--save-data", "train.csv"), "named twice"),
    ],
)
def test_wrong_data(data, capsys, args, match):
    assert match in refused(capsys, *args, code=1)
