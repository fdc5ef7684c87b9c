"""Ranking from the command line, as it is typed."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pandas.testing import assert_frame_equal
from polars.testing import assert_frame_equal as assert_polars_equal
from typer.testing import CliRunner

from featurekit import OutRank
from featurekit.cli import main
from featurekit.cli.application import application
from featurekit.cli.rank import Missing, Redundancy, Score
from featurekit.execution.budget import Budget
from featurekit.ranking import heuristics, scoring

N = 800


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder with the same clicks as Parquet, in two parts, and as CSV."""
    folder = tmp_path_factory.mktemp("rank")
    rng = np.random.default_rng(0)
    click = rng.integers(0, 2, N)
    a = rng.integers(0, 2, N)
    rows = pl.DataFrame(
        {
            "site": np.where(rng.random(N) < 0.8, click, 1 - click),
            "a": a,
            # alone neither a nor b tells anything
            "b": np.where(rng.random(N) < 0.95, a ^ click, 1 - (a ^ click)),
            "code": rng.choice(["1", "2", "x"], N),
            "price": rng.normal(size=N) + click,
            "one": np.ones(N, np.int64),
            "id": [f"u{i}" for i in range(N)],
            "day": np.repeat(["mon", "tue"], N // 2),
            "shop": [*rng.choice(["p", "q"], N // 2), *rng.choice(["q", "r"], N // 2)],
            "click": click,
        }
    )
    rows = rows.with_columns(site=pl.when(pl.int_range(pl.len()) % 10 > 0).then("site"))
    rows.write_parquet(folder / "rows.parquet")
    rows.write_csv(folder / "rows.csv")
    (folder / "parts").mkdir()
    rows[: N // 2].write_parquet(folder / "parts" / "p1.parquet")
    rows[N // 2 :].write_parquet(folder / "parts" / "p2.parquet")
    return folder


@pytest.fixture
def data(source, monkeypatch, tmp_path):
    """The same, as the working directory; what is written goes elsewhere."""
    monkeypatch.chdir(source)
    return tmp_path


def shown(*args):
    """What a call that works says."""
    args = [str(arg) for arg in args]
    done = CliRunner().invoke(application(), args, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def ranked(*args):
    return shown("rank", "--alpha", "0.05", *args, "--target", "click")


def refused(capsys, *args, code=1):
    """The one line that a wrong call (2) or wrong data (1) are answered with."""
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in args])
    assert stop.value.code == code
    said = capsys.readouterr().err
    assert said.startswith("featurekit: ") and said.count("\n") == 1
    return said


def fitted(source="rows.parquet", **parameters):
    parameters = {"alpha": 0.05, "random_state": 0} | parameters
    return OutRank(**parameters).fit(str(source), "click")


def read(path):
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".json":
        return pd.DataFrame(json.loads(path.read_text()))
    sep = {".tsv": "\t", ".csv": ","}[path.suffix]
    return pd.read_csv(path, sep=sep)


# -- on the screen -----------------------------------------------------------------


def test_what_is_shown(data):
    lines = ranked("rows.parquet").splitlines()
    click = pl.read_parquet("rows.parquet")["click"]
    assert lines[0].startswith("800 rows, 9 columns; ")
    assert lines[0].endswith(" rows/s")
    rate = f"{click.mean():.4g} of rows are 1, entropy 0.69"
    assert lines.pop(1).startswith(f"target 'click': {rate}")
    heads = ["rank", "ami", "excess", "z", "q", "values", "filled", "kept", "feature"]
    assert lines[1].split() == heads
    ranker = fitted()
    cells = [line.split() for line in lines[2:11]]
    assert [cell[-1] for cell in cells] == ranker.scores_["feature"].tolist()
    kept = {cell[-1] for cell in cells if cell[-2] == "yes"}
    assert kept == set(ranker.feature_names_in_[ranker.get_support()])
    assert {"site", "price"} <= kept and "id" not in kept
    site = next(cell for cell in cells if cell[-1] == "site")
    assert site[-3] == "90%" and site[-4] == "2"
    assert lines[11] == f"kept: {len(kept)} of 9 columns"
    assert "odd: 'one': constant" in lines
    assert "odd: 'id': all values are distinct: an id?" in lines
    assert not any("cut short" in line for line in lines)


def test_crosses_are_shown_by_what_they_add(data):
    lines = ranked("rows.csv", "--order", "2").splitlines()
    assert lines[3].split()[:3] == ["rank", "score", "ami"]
    line = next(line for line in lines if "cross(a&b)" in line)
    scores = fitted(order=2).scores_.set_index("feature").loc["cross(a&b)"]
    _, score, ami, z = line.split()[:4]
    assert float(score) == pytest.approx(scores["score"], rel=0.01)
    assert float(ami) == pytest.approx(scores["ami"], rel=0.01)
    assert float(z) == pytest.approx(scores["gain_z"], abs=0.1)


def test_top_keeps_and_shows_the_best(data):
    said = ranked(
        "rows.csv", "--n-features-to-select", "1", "--order", "2"
    ).splitlines()
    best = [line for line in said if " yes" in line]
    assert len(best) == 1
    assert any(line.startswith("kept: ") and "not shown" in line for line in said)
    n_kept = sum(int(word) for word in said[-3].split() if word in "01")
    assert n_kept == 1


@pytest.mark.parametrize("target", ["price", "code"])
def test_other_targets(data, target):
    said = shown("rank", "rows.csv", "--target", target)
    expected = {"price": "numbers in 10 bins", "code": "3 classes"}
    assert f"target {target!r}: {expected[target]}, entropy" in said


def test_in_a_terminal(data, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "rank",
                "rows.csv",
                "--target",
                "click",
                "--order",
                "2",
                "--n-features-to-select",
                "3",
            ]
        )
    assert stop.value.code == 0
    table = capsys.readouterr().out.split("rows/s")[1].split("kept: ")[0]
    table = re.sub(r"\x1b\[\d*m", "", table)
    assert "cross(a&b)" in table
    assert max(map(len, table.splitlines())) <= 80


def test_buckets_are_warned_of(data, tmp_path, capsys):
    rng = np.random.default_rng(0)
    many = pl.DataFrame({"id": np.arange(3000), "click": rng.integers(0, 2, 3000)})
    many.write_parquet(tmp_path / "many.parquet")
    args = ["rank", str(tmp_path / "many.parquet"), "--target", "click"]
    with pytest.raises(SystemExit) as stop:
        main([*args, "--memory-limit", "100K"])
    assert stop.value.code == 0
    said = capsys.readouterr()
    assert said.err.startswith("featurekit: warning: 1 column(s) have more values")
    assert said.err.count("\n") == 1
    assert "counted in 1,024 buckets by a hash" in said.out


def test_no_time_is_no_error(data):
    said = ranked("rows.csv", "--order", "2", "--time-budget", "0")
    assert "cut short (time_budget of 0 s is spent): all columns are counted; " in said
    assert "crosses only as far as it got" in said
    assert "kept: 2 of 9 columns" in said


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_ctrl_c_keeps_what_was_counted(data, monkeypatch):
    stopped, presses = Budget.stopped, iter([True])

    def press(budget):
        if next(presses, False):
            signal.raise_signal(signal.SIGINT)
        return stopped(budget)

    monkeypatch.setattr(Budget, "stopped", press)
    # of a background job the signal is ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        out = data / "ranks.tsv"
        said = ranked("rows.csv", "--redundancy", "mrmr", "--out", out)
    finally:
        signal.signal(signal.SIGINT, before)
    assert "cut short (interrupted): all columns are counted; the choice" in said
    assert len(read(out)) == 9


def test_as_a_module(data, tmp_path):
    out = tmp_path / "ranks.json"
    done = subprocess.run(
        [sys.executable, "-m", "featurekit.cli", "rank", "rows.csv", "--target",
         "click", "--out", str(out)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr
    assert f"scores written to {out}" in done.stdout
    assert len(read(out)) == 9


# -- files -------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["tsv", "csv", "json", "parquet"])
def test_scores_are_those_of_the_estimator(data, suffix):
    out = data / f"ranks.{suffix}"
    ranked("rows.csv", "--order", "2", "--out", out)
    ranker = fitted(order=2)
    scores = read(out)
    kept = scores.pop("kept")
    assert_frame_equal(scores, ranker.scores_, check_exact=True, check_dtype=False)
    crosses = [node.name for node in ranker.crosses_]
    assert crosses == ["cross(a&b)"]
    chosen = [*ranker.feature_names_in_[ranker.get_support()], *crosses]
    assert sorted(scores["feature"][kept]) == sorted(chosen)


def test_options_are_those_of_the_estimator(data):
    out = data / "ranks.parquet"
    ranked(
        "rows.parquet", "--score", "z", "--redundancy", "3mr", "--missing", "drop",
        "--categorical", "site,id", "--bins", "7", "--alpha", "0.5",
        "--n-features-to-select", "4", "--order", "3", "--max-candidates", "5",
        "--n-jobs", "2", "--seed", "3", "--controls",
        "--memory-limit", "2GiB", "--out", out,
    )  # fmt: skip
    ranker = fitted(
        criterion="z", redundancy="3mr", missing="drop", alpha=0.5, order=3, n_bins=7,
        categorical_features=["site", "id"], n_features_to_select=4,
        max_candidates=5, noise_controls=True, random_state=3, memory_limit=2**31,
    )  # fmt: skip
    scores = read(out)
    assert scores.pop("kept").sum() == ranker.get_support().sum() + len(ranker.crosses_)
    assert "CONTROL-random-2" in scores["feature"].tolist()
    assert_frame_equal(scores, ranker.scores_, check_exact=True, check_dtype=False)


def test_sources(data, tmp_path):
    expected = fitted().scores_
    packed = tmp_path / "rows.csv.gz"
    with open("rows.csv", "rb") as rows, gzip.open(packed, "wb") as file:
        file.write(rows.read())
    kinds = (
        [packed], ["parts"], ["parts/*.parquet"],
        ["parts/p2.parquet", "parts/p1.parquet"],
    )  # fmt: skip
    for sources in kinds:
        ranked(*sources, "--out", data / "ranks.parquet")
        scores = read(data / "ranks.parquet").drop(columns="kept")
        assert_frame_equal(scores, expected, check_exact=True)


def test_vowpal_wabbit(tmp_path):
    lines = [f"{i % 2} |a v{i % 2} |b w{i % 3}\n" for i in range(60)]
    (tmp_path / "rows.vw").write_text("".join(lines))
    args = ("--target", "label", "--alpha", "0.05")
    said = shown("rank", tmp_path / "rows.vw", *args)
    assert "kept: 1 of 2 columns" in said


# -- the file of OutRank -----------------------------------------------------------


def test_the_layout_of_outrank(data):
    out = data / "feature_singles.tsv"
    said = ranked("rows.parquet", "--order", "2", "--out", out)
    assert "CONTROL" not in said
    assert out.read_text().startswith("Feature\tScore MI-numba-randomized\n")
    ranker = fitted(order=2)
    scores = ranker.scores_.set_index("feature")
    table = pd.read_csv(out, sep="\t")
    assert table.iloc[0].tolist() == ["click-(2; 100)", 1.0]
    assert len(table) == 1 + len(scores)
    assert table.iloc[1:, 1].is_monotonic_decreasing
    # as the package's own readers take names apart
    names = ["-".join(name.split("-")[:-1]) for name in table["Feature"]]
    found = dict(zip(names, table.iloc[:, 1], strict=True))
    assert "site-(2; 90)" in table["Feature"].tolist()
    assert "a AND b-(4; 100)" in table["Feature"].tolist()
    least = scores["score"].min()
    for name, ours in (("price", "price"), ("a AND b", "cross(a&b)")):
        expected = (scores.loc[ours, "score"] - least) / (1.0 - least)
        assert found[name] == pytest.approx(expected, rel=1e-12)
    assert min(found.values()) == 0.0


def test_scores_without_mi_are_not_scaled(data):
    out = data / "feature_singles.tsv"
    ranked("rows.parquet", "--score", "gini", "--controls", "--out", out)
    ranker = fitted(criterion="gini", noise_controls=True)
    scores = ranker.scores_.set_index("feature")["score"]
    table = pd.read_csv(out, sep="\t")
    assert table.columns.tolist() == ["Feature", "Score gini"]
    assert table.iloc[0].tolist() == ["click-(2; 100)", scores["CONTROL-target"]]
    assert table["Score gini"].tolist()[1:] == scores.drop("CONTROL-target").tolist()


# -- drift -------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["tsv", "csv", "json", "parquet"])
def test_drift_by_a_column(data, suffix):
    out = data / f"ranks.{suffix}"
    said = ranked("rows.parquet", "--drift-by", "day", "--out", out)
    drift = fitted(drift_by="day").drift_
    found = read(data / f"ranks.drift.{suffix}")
    assert_frame_equal(found, drift, check_exact=True, check_dtype=False)
    lines = said.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("drift by day"))
    assert lines[at].startswith("drift by day, 2 shards against mon: ")
    assert lines[at].endswith("beyond chance: 1")
    assert lines[at + 1].split()[-2:] == ["shard", "feature"]
    assert lines[at + 2].split()[-2:] == ["tue", "shop"]
    assert f"drift written to {data / f'ranks.drift.{suffix}'}" in said


def test_drift_by_file(data):
    said = ranked("parts", "--drift-by", "file", "--out", data / "ranks.csv")
    assert "drift by file, 2 shards against p1.parquet: " in said
    found = read(data / "ranks.drift.csv")
    expected = fitted("parts", drift_by="file").drift_
    assert_frame_equal(found, expected, check_exact=True, check_dtype=False)


def test_gaps_are_drift_even_where_they_do_not_count(data, tmp_path):
    rows = pl.read_parquet("rows.parquet")
    late = pl.when(pl.col("day") == "mon").then(pl.col("code"))
    rows.with_columns(code=late).write_parquet(tmp_path / "gaps.parquet")
    said = ranked(
        tmp_path / "gaps.parquet", "--drift-by", "day", "--missing", "drop"
    ).splitlines()
    worst = {line.split()[-1]: line for line in said if " tue " in line}
    assert sorted(worst) == ["code", "shop"]
    assert "-100.0%" in worst["code"]


# -- save and apply ----------------------------------------------------------------


@pytest.fixture
def saved(data):
    path = data / "ranker.json"
    said = ranked("rows.csv", "--order", "2", "--save", path)
    assert f"ranking written to {path}" in said
    return path


def test_apply_gives_what_transform_gives(saved, data):
    out = data / "kept.parquet"
    said = shown("apply", saved, "rows.parquet", "--out", out)
    assert "2 columns kept and 1 crosses" in said
    ranker = fitted(order=2, output_format="input")
    rows = pl.read_parquet("rows.parquet")
    kept = pl.read_parquet(out)
    # what was not ranked is written as it is
    assert kept.columns == ["site", "price", "click", "cross(a&b)"]
    assert kept["click"].equals(rows["click"])
    expected = ranker.transform(rows.drop("click"))
    assert_polars_equal(kept.drop("click"), expected)


def test_apply_ignores_columns_and_needs_those_it_keeps(saved, data, capsys):
    rows = pl.read_csv("rows.csv").drop("click", "one", "id", "day")
    rows = rows.select(pl.lit(1).alias("more"), *reversed(rows.columns))
    rows.write_csv(data / "new.csv")
    shown("apply", saved, data / "new.csv", "--out", data / "kept.csv")
    kept = pl.read_csv(data / "kept.csv")
    assert kept.columns == ["more", "price", "site", "cross(a&b)"]
    assert kept["site"].equals(rows["site"])
    rows.drop("a").write_csv(data / "new.csv")
    said = refused(capsys, "apply", saved, data / "new.csv", "--out", data / "kept.csv")
    assert "lack columns that the ranking kept: ['a']" in said


def test_text_that_looks_like_numbers_stays_text(data):
    rng = np.random.default_rng(0)
    code = rng.choice(["01", "2", "x"], N)
    click = rng.integers(0, 2, N)
    side = np.where((code == "x") ^ (click == 1), "l", "r")
    rows = pl.DataFrame({"code": code, "side": side, "click": click})
    rows.write_csv(data / "rows.tsv", separator="\t")
    saved = data / "ranker.json"
    ranked(data / "rows.tsv", "--order", "2", "--save", saved)
    few = rows.filter(pl.col("code") != "x")
    few.write_csv(data / "few.tsv", separator="\t")
    shown("apply", saved, data / "few.tsv", "--out", data / "kept.parquet")
    ranker = OutRank.from_json(saved)
    assert [node.name for node in ranker.crosses_] == ["cross(code&side)"]
    kept = pl.read_parquet(data / "kept.parquet")
    assert_polars_equal(kept.drop("click"), ranker.transform(few.drop("click")))
    assert kept["cross(code&side)"].null_count() == 0


def test_nothing_kept_is_nothing_to_apply(data, tmp_path, capsys):
    rng = np.random.default_rng(1)
    noise = pl.DataFrame({"a": rng.integers(0, 9, N), "click": rng.integers(0, 2, N)})
    noise.write_csv(tmp_path / "noise.csv")
    path = tmp_path / "ranker.json"
    said = ranked(tmp_path / "noise.csv", "--alpha", "0.001", "--save", path)
    assert "kept: 0 of 1 columns" in said
    out = tmp_path / "kept.csv"
    said = refused(capsys, "apply", path, tmp_path / "noise.csv", "--out", out)
    assert "keeps no column; rank with a larger --alpha" in said


# -- what it says of itself --------------------------------------------------------


def test_help():
    said = shown("rank", "--help")
    assert "featurekit rank" in said and "feature_singles.tsv" in said


def test_choices_are_those_of_the_library():
    # outrank's own score depends on the order of rows, which files do not keep
    assert [score.value for score in Score] == [*scoring.SCORES, *heuristics.NAMES]
    valid = OutRank._parameter_constraints
    assert {r.value for r in Redundancy} == valid["redundancy"][0].options
    assert {m.value for m in Missing} == valid["missing"][0].options


# -- what a user can do wrong ------------------------------------------------------

RANK = ("rank", "rows.csv", "--target", "click")


WRONG_USAGE = [
    (("rank", "rows.csv"), "Missing option '--target'"),
    (("rank", "--target", "click"), "Missing argument 'SOURCE'"),
    ((*RANK, "--order", "4"), "--order"),
    ((*RANK, "--score", "outrank"), "--score"),
    ((*RANK, "--redundancy", "max"), "--redundancy"),
    ((*RANK, "--alpha", "2"), "--alpha"),
    ((*RANK, "--n-features-to-select", "0"), "--n-features-to-select"),
    ((*RANK, "--categorical", ","), "names no column"),
    ((*RANK, "--memory-limit", "4X"), "'4X' is no size"),
    ((*RANK, "--memory-limit", "0"), "'0' is no size"),
    ((*RANK, "--out", "ranks.xlsx"), "only .tsv, .csv, .json and .parquet"),
]
WRONG_DATA = [
    (("rank", "rows.csv", "--target", "clik"), "do you mean 'click'?"),
    (("rank", "rows.csv", "--target", "qqq"), "there are site, a, b"),
    (("rank", "no.csv", "--target", "click"), "no.csv: no such file"),
    (("rank", "no/*", "--target", "click"), "no match"),
    (("rank", "rows.csv", "parts", "--target", "click"), "are of one format"),
    (("rank", "rows.csv", "rows.csv", "--target", "click"), "more than once"),
    (("rank", "rows.csv", "--target", "one"), "one class only"),
    ((*RANK, "--alpha", "0"), "'alpha' parameter"),
    ((*RANK, "--categorical", "a,cod"), "do you mean 'code'?"),
    ((*RANK, "--categorical", "click"), "--categorical: there is no column"),
    ((*RANK, "--drift-by", "dy"), "--drift-by: there is no column 'dy'"),
    ((*RANK, "--drift-by", "click"), "'click' is the target"),
    ((*RANK, "--drift-by", "file"), "there is one only"),
    ((*RANK, "--drift-by", "site"), "80 of 800 values are missing"),
    ((*RANK, "--memory-limit", "4K"), "Raise the limit"),
    ((*RANK, "--out", "nowhere/ranks.tsv"), "there is no folder"),
    ((*RANK, "--out", "rows.csv"), "named twice"),
    ((*RANK, "--out", "x.csv", "--save", "x.csv"), "named twice"),
    (
        (*RANK, "--out", "x.csv", "--save", "x.drift.csv", "--drift-by", "day"),
        "named twice",
    ),
    (("rank", "parts", *RANK[2:], "--out", "parts/x.csv"), "read as rows"),
]


@pytest.mark.parametrize("args, match", WRONG_USAGE)
def test_wrong_usage(data, capsys, args, match):
    assert match in refused(capsys, *args, code=2)


@pytest.mark.parametrize("args, match", WRONG_DATA)
def test_wrong_data(data, capsys, args, match):
    assert match in refused(capsys, *args)


BAD_FILES = {
    "empty.csv": (b"", "cannot be read"),
    "ragged.csv": (b"a,click\n1,0\n1,1,3\n", "cannot be read"),
    "twice.csv": (b"a,a,click\n1,2,0\n", "more than once: ['a']"),
    "binary.csv": (bytes(range(256)), "cannot be read"),
    "alone.csv": (b"click\n1\n0\n", "no column beside the target"),
    "header.csv": (b"a,click\n", "no rows"),
    "one.csv": (b"a,click\n1,0\n", "one class only"),
    "rows.txt": (b"a,click\n1,0\n", "Files read are"),
    "bad.parquet": (b"no parquet", "cannot be read"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(tmp_path, capsys, name):
    content, match = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    out = tmp_path / "ranks.json"
    args = (tmp_path / name, "--target", "click", "--out", out)
    assert match in refused(capsys, "rank", *args)
    assert not out.exists()


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.parquet"])
def test_truncated_files(data, source, capsys, name):
    whole = (source / "rows.parquet").read_bytes()
    if name.endswith(".gz"):
        whole = gzip.compress((source / "rows.csv").read_bytes())
    (data / name).write_bytes(whole[: len(whole) // 2])
    said = refused(capsys, "rank", data / name, "--target", "click")
    assert f"{name} cannot be read" in said
