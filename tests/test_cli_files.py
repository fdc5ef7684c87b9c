"""Files of the command line: which are read and written, and that nothing is lost."""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from featurekit import OpenFE, OutRank
from featurekit.cli import main
from featurekit.cli.application import application
from featurekit.cli.common import UsageError, columns, in_bytes, in_time, size

N = 200
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files and signals")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A working directory with rows, and a fitted file of features."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = pl.DataFrame(rng.uniform(1, 9, (N, 2)), schema=["a", "b"])
    rows = rows.with_columns(id=pl.int_range(N), y=pl.col("a") / pl.col("b"))
    rows.write_csv("rows.csv")
    rows.write_parquet("rows.parquet")
    maker = OpenFE(1, operators=["/"], cv=2, random_state=0)
    maker.fit(rows.select("a", "b"), rows["y"]).to_json("f.json")
    return tmp_path


GENERATE = ("generate", "rows.csv", "--target", "y", "--drop", "id", "--cv", "2",
            "--operators", "/", "--n-features", "1")  # fmt: skip
APPLY = ("apply", "f.json", "rows.csv")
RANK = ("rank", "rows.csv", "--target", "y")
SELECT = ("select", "MRMR", "rows.csv", "--target", "y")


def run(*args):
    """The exit code of a call."""
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in args])
    return stop.value.code


def names(folder="."):
    return sorted(os.listdir(folder))


# -- which files are read ----------------------------------------------------------


def source_gz(rows):
    with open("rows.csv", "rb") as plain, gzip.open("rows.csv.gz", "wb") as packed:
        packed.write(plain.read())
    return "rows.csv.gz"


def source_folder(rows):
    os.mkdir("parts")
    rows[:50].write_parquet("parts/p1.parquet")
    rows[50:].write_parquet("parts/p2.parquet")
    return "parts"


def source_pattern(rows):
    source_folder(rows)
    return "parts/*.parquet"


def source_tsv(rows):
    rows.write_csv("rows.tsv", separator="\t")
    return "rows.tsv"


def source_semicolons(rows):
    rows.write_csv("german.csv", separator=";", decimal_comma=True)
    return "german.csv"


@pytest.mark.parametrize(
    "make",
    [source_gz, source_folder, source_pattern, source_tsv, source_semicolons],
)
def test_every_command_reads_every_source(data, make):
    rows = pl.read_csv("rows.csv")
    source = make(rows)
    assert run("generate", source, *GENERATE[2:], "--out", "g.json") == 0
    assert run("apply", "g.json", source, "--out", "made.parquet") == 0
    assert run("rank", source, "--target", "y", "--out", "ranks.csv") == 0
    assert run("select", "MRMR", source, "--target", "y", "--out", "scores.csv") == 0
    feature = OpenFE.from_json("g.json").features_[0].name
    made = pl.read_parquet("made.parquet")
    assert_frame_equal(made.select(rows.columns), rows)
    assert_frame_equal(made.select(feature), rows.select((rows["y"]).alias(feature)))


def test_dialects_are_given(data, capsys):
    rows = pl.read_csv("rows.csv").with_columns(name=pl.lit("Müller"))
    text = rows.write_csv(separator="#", decimal_comma=True)
    (data / "odd.csv").write_bytes(text.encode("latin-1"))
    odd = ("--separator", "#", "--encoding", "latin-1", "--decimal", ",")
    assert run("apply", "f.json", "odd.csv", *odd, "--out", "made.parquet") == 0
    made = pl.read_parquet("made.parquet")
    assert_frame_equal(made.select(rows.columns), rows)
    for command in (GENERATE, SELECT, RANK):
        args = (*command[:2], *command[2:], *odd, "--out", "out.json")
        args = tuple("odd.csv" if arg == "rows.csv" else arg for arg in args)
        assert run(*args) == 0
    assert run(*RANK, "--decimal", ";") == 2
    assert "--decimal" in capsys.readouterr().err


def test_partitions_are_columns(data):
    rows = pl.read_csv("rows.csv")
    for year in (2023, 2024):
        folder = data / "sales" / f"year={year}"
        folder.mkdir(parents=True)
        rows.filter(pl.col("id") % 2 == year % 2).write_parquet(folder / "p.parquet")
    assert run("rank", "sales", "--target", "y", "--out", "ranks.csv") == 0
    assert "year" in pl.read_csv("ranks.csv")["feature"].to_list()
    assert run("apply", "f.json", "sales", "--out", "made.csv") == 0
    made = pl.read_csv("made.csv").sort("id")
    assert made["year"].to_list() == [2024, 2023] * (N // 2)


@pytest.mark.parametrize("drop", [["--drop", "id,b"], ["--drop", "b", "--drop", "id"]])
@pytest.mark.parametrize("command", ["rank", "select", "generate"])
def test_dropped_columns_are_not_looked_at(data, command, drop):
    args = {
        "rank": (*RANK, "--out", "out.csv"),
        "select": (*SELECT, "--out", "out.csv"),
        "generate": (
            *(arg for arg in GENERATE if arg not in ("--drop", "id")),
            *("--out", "g", "--save-report", "out.csv", "--operators", "log"),
        ),
    }[command]
    assert run(*args, *drop) == 0
    shown = pl.read_csv("out.csv")["feature"].to_list()
    assert shown == (["log(a)"] if command == "generate" else ["a"])


@pytest.mark.parametrize("command", ["rank", "select", "generate"])
def test_rows_without_a_target_are_passed_over(data, capsys, command):
    y = pl.when(pl.col("id") % 10 != 3).then("y")
    pl.read_csv("rows.csv").with_columns(y).write_csv("rows.csv")
    args = {
        "rank": (*RANK, "--drop", "id", "--out", "out.csv"),
        "select": (*SELECT, "--drop", "id", "--out", "out.csv"),
        "generate": (*GENERATE, "--out", "g", "--save-data", "out.csv"),
    }[command]
    assert run(*args) == 0
    said = capsys.readouterr().err
    assert said.count("20 of 200 rows have no value of the target 'y'") == 1
    if command == "generate":
        assert len(pl.read_csv("out.csv")) == 180
    pl.read_csv("rows.csv").with_columns(y=None).write_csv("rows.csv")
    assert run(*args) == 1
    assert "the target 'y' is missing on all 200 rows" in capsys.readouterr().err


def test_a_dropped_column_may_have_a_comma_in_its_name(data):
    pl.read_csv("rows.csv").rename({"id": "i,d"}).write_csv("comma.csv")
    args = ("rank", "comma.csv", "--target", "y", "--drop", "i,d", "--out", "out.csv")
    assert run(*args) == 0
    assert sorted(pl.read_csv("out.csv")["feature"].to_list()) == ["a", "b"]


def test_ids_and_the_target_are_carried_in_their_places(data):
    rows = pl.read_csv("rows.csv").select("y", "b", "id", "a")
    rows.write_csv("other.csv")
    assert run("apply", "f.json", "other.csv", "--out", "made.csv") == 0
    made = pl.read_csv("made.csv")
    assert made.columns[:4] == ["y", "b", "id", "a"] and made.width == 5
    assert_frame_equal(made.select(rows.columns), rows)
    assert np.allclose(made[:, 4], rows["y"], rtol=1e-12)


# -- nothing is lost ---------------------------------------------------------------

WRITES = [
    ((*GENERATE, "--out", "old"), "old"),
    ((*GENERATE, "--out", "g", "--save-data", "old.csv"), "old.csv"),
    ((*GENERATE, "--out", "g", "--save-data", "old.parquet"), "old.parquet"),
    ((*GENERATE, "--out", "g", "--save-report", "old.json"), "old.json"),
    ((*APPLY, "--out", "old.csv"), "old.csv"),
    ((*APPLY, "--out", "old.parquet"), "old.parquet"),
    ((*RANK, "--out", "old.tsv"), "old.tsv"),
    ((*RANK, "--out", "old.json"), "old.json"),
    ((*RANK, "--save", "old"), "old"),
    ((*SELECT, "--out", "old.parquet"), "old.parquet"),
]


@pytest.mark.parametrize("args, path", WRITES)
def test_a_full_disk_leaves_the_old_file_and_no_other(data, monkeypatch, args, path):
    (data / path).write_text("old")
    flush, before = os.fsync, names()

    def full(descriptor):
        found = os.readlink(f"/proc/self/fd/{descriptor}")
        if found.endswith(f"-{path}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    assert run(*args) == 1
    assert (data / path).read_text() == "old"
    assert [name for name in names() if name != "g"] == before


DIES = """
import os, signal, sys
import polars as pl
from featurekit.cli import main

def die(self, path, *args, **kwargs):
    with open(path, "w") as file:
        file.write("a,b\\n1,2\\n")
    os.kill(os.getpid(), signal.SIGKILL)

pl.DataFrame.write_csv = die
main(sys.argv[1:])
"""


@posix
def test_a_killed_command_leaves_the_old_file(data):
    (data / "old.csv").write_text("old")
    done = subprocess.run([sys.executable, "-c", DIES, *APPLY, "--out", "old.csv"])
    assert done.returncode < 0
    assert (data / "old.csv").read_text() == "old"


@posix
@pytest.mark.parametrize("link", [os.link, os.symlink])
@pytest.mark.parametrize(
    "args",
    [(*GENERATE, "--out", "g", "--save-data"), (*APPLY, "--out"), (*RANK, "--out")],
)
def test_a_link_to_the_input_is_no_output(data, capsys, link, args):
    link("rows.csv", "link.csv")
    before = (data / "rows.csv").read_bytes()
    assert run(*args, "link.csv") == 1
    assert "link to a file that is read" in capsys.readouterr().err
    assert (data / "rows.csv").read_bytes() == before


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
@pytest.mark.parametrize(
    "args",
    [
        (*GENERATE, "--out"),
        (*GENERATE, "--out", "g", "--save-data"),
        (*APPLY, "--out"),
        (*RANK, "--out"),
        (*SELECT, "--out"),
    ],
)
def test_a_folder_that_takes_no_files_is_noticed_first(data, monkeypatch, args):
    def search(*_, **__):
        pytest.fail("the work began")

    for kind in (OpenFE, OutRank):
        monkeypatch.setattr(kind, "fit", search)
        monkeypatch.setattr(kind, "fit_transform", search)
        monkeypatch.setattr(kind, "transform", search)
    assert run(*args, "/proc/x.csv") == 1
    assert not os.path.exists("g")


def test_an_output_that_would_be_read_as_rows(data, capsys):
    source_folder(pl.read_csv("rows.csv"))
    assert run("apply", "f.json", "parts", "--out", "parts/new.parquet") == 1
    assert "would be read as rows" in capsys.readouterr().err


# -- stdout ------------------------------------------------------------------------


def through(*args):
    done = CliRunner().invoke(application(), [str(arg) for arg in args])
    assert done.exit_code == 0, done.output
    return done


def test_rows_to_stdout(data):
    done = through(*APPLY, "--out", "-")
    (data / "out.csv").write_text(done.stdout)
    assert run(*APPLY, "--out", "made.csv") == 0
    assert done.stdout == (data / "made.csv").read_text()
    assert "200 rows with 1 new columns: stdout" in done.stderr


def test_features_to_stdout(data):
    done = through(*GENERATE, "--out", "-")
    assert json.loads(done.stdout)["estimator"] == "OpenFE"
    assert "candidates scored" in done.stderr


def test_scores_to_stdout(data):
    done = through(*RANK, "--out", "-")
    assert run(*RANK, "--out", "ranks.csv") == 0
    assert done.stdout == (data / "ranks.csv").read_text()
    assert "kept: 3 of 3 columns" in done.stderr


@posix
def test_a_reader_that_leaves_early_is_no_error(data):
    line = " ".join([sys.executable, "-m", "featurekit.cli", *APPLY, "--out", "-"])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line} | head -n 1"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("a,b,id,y")
    assert "Traceback" not in done.stderr and "Broken" not in done.stderr


# -- what is said ------------------------------------------------------------------


def test_an_estimate_writes_nothing(data, capsys):
    before = names()
    args = ("generate", "rows.csv", "--target", "y", "--estimate")
    assert run(*args) == 0
    said = capsys.readouterr().out
    assert re.search(r"^candidates: +\d", said, re.M)
    assert re.search(r"^memory: +about [\d.]+ (Ki|Mi|Gi)B", said, re.M)
    assert re.search(r"^time: +about [\d.]+ (seconds|minutes|hours)", said, re.M)
    assert names() == before


@pytest.mark.parametrize("command", ["rank", "generate", "select"])
def test_tables_fit_80_columns_and_break_no_name(data, capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    rows = pl.read_csv("rows.csv")
    long = {"a": "average_price_of_day", "b": "basket_total"}
    rows = rows.with_columns(
        (pl.col("a") > pl.col("a").median()).cast(int).alias("y"),
    )
    rows.rename(long).write_csv("long.csv")
    args = {
        "rank": ("rank", "long.csv", "--target", "y", "--order", "2"),
        "select": ("select", "MRMR", "long.csv", "--target", "y"),
        "generate": ("generate", "long.csv", *GENERATE[2:], "--out", "g.json"),
    }[command]
    assert run(*args) == 0
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if "average_price_of_day" in line]
    assert table
    assert max(map(len, lines)) <= 80


CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
from featurekit.cli import apply, main

def press(rows):
    os.kill(os.getpid(), signal.SIGINT)

apply.read_rows = press
main(sys.argv[1:])
"""


@posix
def test_ctrl_c_has_a_code_of_its_own(data):
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C, *APPLY, "--out", "made.csv"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 130
    assert done.stderr.strip() == "featurekit: interrupted"
    assert not os.path.exists("made.csv")


# -- values of options -------------------------------------------------------------


@pytest.mark.parametrize(
    "text, n_bytes",
    [("2GiB", 2**31), ("2G", 2**31), ("500MiB", 500 * 2**20), ("1.5 KB", 1500),
     ("1gb", 10**9), ("700", 700), ("3kib", 3072), ("2B", 2), (None, None)],
)  # fmt: skip
def test_sizes(text, n_bytes):
    assert size(text) == n_bytes


@pytest.mark.parametrize("text", ["", "G", "-1G", "2 gigabytes", "0", "0.1"])
def test_no_sizes(text):
    with pytest.raises(UsageError, match="is no size; write it as 500MiB or 2GiB"):
        size(text)


def test_numbers_for_people():
    assert [in_bytes(n) for n in (12, 3 * 2**20, 5 * 2**30)] == [
        "12 bytes", "3 MiB", "5 GiB",
    ]  # fmt: skip
    assert [in_time(s) for s in (0.12, 300, 9000)] == [
        "0.12 seconds", "5 minutes", "2.5 hours",
    ]  # fmt: skip


def test_columns_of_an_option():
    names = ["a", "b", "a,b", "c d"]
    assert columns(names, None, "--drop") == []
    assert columns(names, ["a , b", "c d", "a"], "--drop") == ["a", "b", "c d"]
    assert columns(names, ["a,b"], "--drop") == ["a,b"]


def defaults(name):
    """The options of a command by name, with their defaults."""
    import typer

    command = typer.main.get_command(application()).commands[name]
    return {parameter.name: parameter.default for parameter in command.params}


def test_defaults_are_those_of_the_library():
    for command, kind in (("generate", OpenFE), ("rank", OutRank)):
        ours, theirs = defaults(command), kind().get_params()
        shared = ours.keys() & theirs.keys() - {"n_jobs"}
        assert {"max_candidates", "time_budget", "memory_limit"} <= shared
        for name in shared:
            assert ours[name] == theirs[name], name
    assert defaults("rank")["bins"] == OutRank().n_bins


def test_options_of_one_name_mean_the_same():
    shared = {
        "generate": {"drop", "categorical_columns", "weight", "groups", "time_budget",
                     "memory_limit", "max_candidates", "n_jobs", "seed", "out"},
        "select": {"drop", "categorical_columns", "weight", "groups", "time_budget",
                   "memory_limit", "max_candidates", "n_jobs", "seed", "out", "alpha",
                   "n_features_to_select"},
        "rank": {"drop", "categorical_columns", "time_budget", "memory_limit",
                 "max_candidates", "n_jobs", "seed", "out", "alpha",
                 "n_features_to_select"},
    }  # fmt: skip
    for command, options in shared.items():
        assert options <= defaults(command).keys()
