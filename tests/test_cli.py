"""The command line, as it is typed."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from featurekit import OpenFE, __version__
from featurekit.cli import main
from featurekit.cli.generate import Metric
from featurekit.cli.options import Task
from featurekit.fitting import METRICS, TASKS

FEW = ("--operators", "+,/,target_mean", "--cv", "3", "--n-features", "2")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder with training rows, new rows, and features found in the former."""
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    n = 400
    train = pl.DataFrame(
        {
            "a": rng.uniform(1, 9, n),
            "b": rng.uniform(1, 9, n),
            "code": rng.choice(["1", "2", "A"], n),
            "id": np.arange(n),
        }
    )
    train = train.with_columns(target=pl.col("a") / pl.col("b"))
    train.write_parquet(folder / "train.parquet")
    train.write_csv(folder / "train.csv")
    train.drop("target").write_csv(folder / "new.csv")
    code = run(
        "generate", folder / "train.parquet", "--target", "target", "--drop", "id",
        "--out", folder / "f.json", "--save-data", folder / "made.parquet", *FEW,
    )  # fmt: skip
    assert code == 0
    return folder


@pytest.fixture
def data(source, monkeypatch):
    """The same, as the working directory."""
    monkeypatch.chdir(source)
    return source


def run(*args):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in args])
    return stop.value.code


def refused(capsys, *args, code=1):
    """The one line that a wrong call (2) or wrong data (1) are answered with."""
    assert run(*args) == code
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert shown.startswith("featurekit: ") and shown.count("\n") == 1
    return shown


# -- what it does ------------------------------------------------------------------


def test_generate_says_what_it_found(data, capsys):
    args = ("generate", "train.csv", "--target", "target", "--out", "g.json")
    assert run(*args, "--drop", "id", *FEW) == 0
    shown = capsys.readouterr().out
    assert "a/b" in shown
    assert "rmse without new features" in shown
    assert "Ctrl-C" in shown
    assert "g.json" in shown


def test_generate_says_what_the_gate_found(data, capsys):
    args = ("generate", "train.parquet", "--target", "target", "--out", "g.json")
    assert run(*args, "--drop", "id", "--drop", "code", "--operators", "/") == 0
    assert "with the best 5" in capsys.readouterr().out


def test_saved_data_are_out_of_fold(data):
    made = pl.read_parquet("made.parquet")
    train = pl.read_parquet("train.parquet")
    maker = OpenFE(
        n_features=2,
        operators=["+", "/", "target_mean"],
        cv=3,
        random_state=0,
        output_format="input",
    )
    expected = maker.fit_transform(train.drop("target", "id"), train["target"])
    assert_frame_equal(made, expected.with_columns(train["target"]))


def test_apply_gives_what_transform_gives(data):
    assert run("apply", "f.json", "train.parquet", "--out", "applied.parquet") == 0
    train = pl.read_parquet("train.parquet")  # with the target, and the dropped id
    maker = OpenFE.from_json("f.json").set_params(extra_columns="ignore")
    applied = pl.read_parquet("applied.parquet")
    assert_frame_equal(applied.drop("id", "target"), maker.transform(train))
    assert_frame_equal(applied.select("id", "target"), train.select("id", "target"))


def test_apply_to_csv_without_the_target(data):
    assert run("apply", "f.json", "new.csv", "--out", "applied.csv") == 0
    applied = pl.read_csv("applied.csv")
    assert applied.columns[:4] == ["a", "b", "code", "id"]
    assert applied.height == 400
    ratio = applied["a"] / applied["b"]
    assert (applied["a/b"] - ratio).abs().max() < 1e-12


def test_text_that_looks_like_numbers_stays_text(data):
    pl.read_csv("new.csv").filter(pl.col("code") != "A").write_csv("digits.csv")
    assert pl.read_csv("digits.csv")["code"].dtype == pl.Int64
    assert run("apply", "f.json", "digits.csv", "--out", "applied.csv") == 0


def test_missing_values_in_csv(data, tmp_path):
    rows = pl.read_csv("train.csv").with_columns(
        a=pl.when(pl.col("id") % 7 == 0)
        .then(pl.lit("NA"))
        .otherwise(pl.col("a").cast(pl.String))
    )
    rows.write_csv(tmp_path / "gaps.csv")
    out = tmp_path / "made.parquet"
    assert run("apply", "f.json", tmp_path / "gaps.csv", "--out", out) == 0
    made = pl.read_parquet(out)
    assert made["a"].null_count() == made["a/b"].null_count() == 58


def test_leaks_are_warned_of_in_one_line(data, tmp_path, capsys):
    leak = pl.read_parquet("train.parquet").with_columns(copy="target")
    leak.write_parquet(tmp_path / "leak.parquet")
    args = ("--target", "target", "--out", tmp_path / "f.json", *FEW)
    assert run("generate", tmp_path / "leak.parquet", *args) == 0
    shown = capsys.readouterr().err
    assert shown.startswith("featurekit: warning: Column 'copy'")
    assert shown.count("\n") == 1


def test_no_time_is_no_error(data, capsys):
    args = ("generate", "train.csv", "--target", "target", "--out", "g.json")
    assert run(*args, "--time-budget", "0") == 0
    assert "cut short (time_budget of 0 s is spent)" in capsys.readouterr().out
    assert run("apply", "g.json", "new.csv", "--out", "applied.csv") == 0


PRESS_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
from featurekit.cli import main
from featurekit.generation.search import Screener

drops, calls = Screener.drops, []

def press(self, nodes):
    calls.append(1)
    if len(calls) == 15:
        os.kill(os.getpid(), signal.SIGINT)
    return drops(self, nodes)

Screener.drops = press
main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_ctrl_c_keeps_what_was_found(data):
    args = ["generate", "train.csv", "--target", "target", "--out", "cut.json"]
    done = subprocess.run(
        [sys.executable, "-c", PRESS_CTRL_C, *args, "--drop", "id"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "cut short (interrupted)" in done.stdout
    assert "(interrupted)" in done.stderr and "Traceback" not in done.stderr
    assert OpenFE.from_json("cut.json").features_


@pytest.fixture
def diamonds(tmp_path, monkeypatch):
    """Made-up stones where the demo finds those of the package plotnine."""
    rng = np.random.default_rng(0)
    n = 1200
    size = rng.uniform(3, 9, (n, 3)).round(2)
    frame = pl.DataFrame(
        {
            "carat": (size.prod(axis=1) / 165).round(2),
            "cut": rng.choice(["Fair", "Good", "Ideal"], n),
            "color": rng.choice(["D", "E", "J"], n),
            "clarity": rng.choice(["SI1", "VS1", "IF"], n),
            "depth": rng.uniform(55, 70, n).round(1),
            "table": rng.integers(50, 65, n),
            "price": (10 * size.prod(axis=1) * rng.lognormal(0, 0.1, n)).round(),
            **dict(zip("xyz", size.T, strict=True)),
        }
    )
    folder = tmp_path / "plotnine" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "plotnine" / "__init__.py").touch()
    frame.write_csv(folder / "diamonds.csv")
    monkeypatch.syspath_prepend(tmp_path)


def test_demo(diamonds, tmp_path, capsys):
    assert run("demo", "--out", tmp_path / "made", "--rows", "1200") == 0
    shown = capsys.readouterr().out
    assert "the columns alone" in shown and "new features added" in shown
    assert "600 to learn from and 600 to test on" in shown
    assert max(map(len, shown.splitlines())) <= 80 + len(str(tmp_path))
    assert OpenFE.from_json(tmp_path / "made" / "features.json")
    report = pl.read_csv(tmp_path / "made" / "report.csv")
    assert {"feature", "score", "reason"} <= set(report.columns)


# -- what it says of itself --------------------------------------------------------


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"featurekit {__version__}\n"


@pytest.mark.parametrize("command", ["generate", "apply", "demo"])
def test_help(command, capsys):
    assert run(command, "--help") == 0
    assert "Usage: featurekit" in capsys.readouterr().out


def test_nothing_asked_shows_help(capsys):
    assert run() == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("generate", "apply", "demo"))


def test_choices_are_those_of_the_library():
    assert [task.value for task in Task] == list(TASKS)
    assert [metric.value for metric in Metric] == list(METRICS)


def test_without_the_extra():
    code = (
        "import sys; sys.modules['typer'] = None; "
        "from featurekit.cli import main; main([])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "featurekit: the command line needs its extra: "
        'python -m pip install "featurekit[cli]"\n'
    )


# -- what a user can do wrong ------------------------------------------------------

TRAIN = ("generate", "train.csv", "--target", "target", "--out", "x.json")


WRONG_USAGE = [
    (("generat",), "generate"),
    (("generate",), "Missing argument"),
    ((*TRAIN, "--frobnicate"), "No such option"),
    ((*TRAIN, "--task", "guess"), "--task"),
    ((*TRAIN, "--metric", "f1"), "--metric"),
    ((*TRAIN, "--cv", "1"), "--cv"),
    ((*TRAIN, "--order", "9"), "--order"),
    ((*TRAIN, "--n-features", "few"), "neither 'auto' nor 1 or more"),
    ((*TRAIN, "--max-candidates", "0"), "neither 'auto', nor 'all', nor 1 or more"),
    ((*TRAIN, "--drop", ","), "--drop: ',' names no column"),
    ((*TRAIN, "--memory-limit", "much"), "'much' is no size"),
    ((*TRAIN, "--save-data", "x.xlsx"), "only .parquet and .csv are written"),
    ((*TRAIN, "--save-report", "x.txt"), "only .tsv, .csv, .json and .parquet"),
    ((*TRAIN, "--save-data", "-"), "only --out can be written to stdout"),
    ((*TRAIN[:4],), "Missing option '--out'"),
    (("apply", "f.json", "new.csv"), "Missing option '--out'"),
    (("apply", "f.json", "new.csv", "--out", "x.xlsx"), "only .parquet and .csv"),
]
WRONG_DATA = [
    ((*TRAIN, "--operators", "average"), "no operator 'average'"),
    ((*TRAIN, "--operators", ","), "operators is empty"),
    ((*TRAIN, "--metric", "auc"), "in place of metric='auc'"),
    ((*TRAIN, "--task", "binary"), "use task='regression'"),
    ((*TRAIN, "--drop", "ID"), "--drop: there is no column 'ID'; do you mean 'id'"),
    ((*TRAIN, "--drop", "a,ID"), "--drop: there is no column 'ID'; do you mean 'id'"),
    ((*TRAIN, "--drop", "target"), "is the target"),
    ((*TRAIN, "--drop", "a,b,code,id"), "no column is left besides the target"),
    ((*TRAIN, "--weight", "wt"), "--weight: there is no column 'wt'"),
    ((*TRAIN, "--groups", "target"), "--groups: 'target' is the target"),
    ((*TRAIN, "--categorical", "target"), "--categorical: there is no column"),
    ((*TRAIN, "--memory-limit", "4K"), "Raise the limit"),
    ((*TRAIN[:-1], "nowhere/x.json"), "there is no folder"),
    ((*TRAIN[:-1], "train.csv"), "named twice"),
    ((*TRAIN, "--save-data", "train.csv"), "named twice"),
    ((*TRAIN[:-1], "x.csv", "--save-data", "x.csv"), "named twice"),
    ((*TRAIN, "--save-data", "x.json/y.csv"), "there is no folder"),
    (("generate", "no.csv", *TRAIN[2:]), "no.csv: no such file"),
    (("generate", "f.json", *TRAIN[2:]), "no data in ['f.json']"),
    (("generate", "train.csv", "--target", "targt", "--out", "x"), "'target'?"),
    (("generate", "train.csv", "--target", "qqq", "--out", "x"), "there are a, b"),
    (("apply", "no.json", "new.csv", "--out", "x.csv"), "No such file"),
    (("apply", "f.json", "no.csv", "--out", "x.csv"), "no.csv: no such file"),
    (("apply", "new.csv", "new.csv", "--out", "x.csv"), "damaged or no JSON"),
    (("apply", "f.json", "new.csv", "--out", "new.csv"), "named twice"),
    (("apply", "f.json", "new.csv", "--out", "f.json/x.csv"), "there is no folder"),
    (("apply", "f.json", "made.parquet", "--out", "x.csv"), "already; drop it"),
]


@pytest.mark.parametrize("args, match", WRONG_USAGE)
def test_wrong_usage(data, capsys, args, match):
    assert match in refused(capsys, *args, code=2)
    assert not os.path.exists("x.json")


@pytest.mark.parametrize("args, match", WRONG_DATA)
def test_wrong_data(data, capsys, args, match):
    assert match in refused(capsys, *args)
    assert not os.path.exists("x.json")


BAD_FILES = {
    "empty.csv": (b"", "cannot be read"),
    "ragged.csv": (b"a,b,target\n1,2,3\n1,2,3,4,5\n", "cannot be read"),
    "twice.csv": (b"a,a,target\n1,2,3\n", "more than once: ['a']"),
    "binary.csv": (bytes(range(256)), "cannot be read"),
    "alone.csv": (b"target\n1\n2\n", "no column is left"),
    "header.csv": (b"a,target\n", "no rows in"),
    "one.csv": (b"a,target\n1,2\n", "n_samples = 1"),
    "gaps.csv": (b"a,target\n1,NA\n2,NA\n", "missing on all 2 rows"),
    "one_class.csv": (b"a,target\n1,x\n2,x\n3,x\n", "one class only"),
    "bad.parquet": (b"no parquet", "cannot be read"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_training_files(data, tmp_path, capsys, name):
    content, match = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    out = tmp_path / "x.json"
    args = ("--target", "target", "--out", out, *FEW)
    assert match in refused(capsys, "generate", tmp_path / name, *args)
    assert not out.exists()


def test_rows_without_a_target_are_passed_over(data, tmp_path, capsys):
    with open("train.csv") as file:
        lines = file.read().splitlines()
    header, *rows = lines
    without = [row.rpartition(",")[0] + "," for row in rows[:7]]
    gaps, whole = tmp_path / "gaps.csv", tmp_path / "whole.csv"
    gaps.write_text("\n".join([header, *without, *rows[7:]]) + "\n")
    whole.write_text("\n".join([header, *rows[7:]]) + "\n")
    for path in (gaps, whole):
        args = ("--target", "target", "--drop", "id", *FEW)
        assert run("generate", path, *args, "--out", path.with_suffix(".json")) == 0
        warned = "7 of 400 rows have no value of the target 'target'"
        assert (warned in capsys.readouterr().err) == (path is gaps)
    found = [OpenFE.from_json(p.with_suffix(".json")).features_ for p in (gaps, whole)]
    assert found[0] and found[0] == found[1]


@pytest.mark.parametrize(
    "text, match",
    [
        ("", "damaged or no JSON"),
        ("[1, 2]", "no file of features"),
        ('{"format": "featurekit.features", "format_version": 99}', "Upgrade"),
        ('{"format": "featurekit.features", "format_version": 1}', "no 'schema'"),
    ],
)
def test_bad_feature_files(data, tmp_path, capsys, text, match):
    path = tmp_path / "f.json"
    path.write_text(text)
    out = tmp_path / "x.csv"
    assert match in refused(capsys, "apply", path, "new.csv", "--out", out)


def test_rows_that_do_not_fit(data, tmp_path, capsys):
    new = pl.read_csv("new.csv")
    new.drop("a").write_csv(tmp_path / "lacks.csv")
    new.with_columns(a=pl.lit("much")).write_csv(tmp_path / "kind.csv")
    out = tmp_path / "x.csv"
    lacks = refused(capsys, "apply", "f.json", tmp_path / "lacks.csv", "--out", out)
    assert "lacks columns seen in fit: 'a'" in lacks
    kind = refused(capsys, "apply", "f.json", tmp_path / "kind.csv", "--out", out)
    assert "column 'a' is of the wrong kind" in kind
    assert not out.exists()
