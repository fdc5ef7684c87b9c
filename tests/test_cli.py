"""The command line, as it is typed."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from featurekit.cli import main


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({c: rng.uniform(1, 9, 400) for c in ("a", "b", "c")})
    frame = frame.with_columns(target=pl.col("a") / pl.col("b"))
    frame.write_parquet(tmp_path / "train.parquet")
    frame.drop("target").write_csv(tmp_path / "new.csv")
    return tmp_path


def run(*args):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in args])
    return stop.value.code


def test_generate_then_apply(data, capsys):
    out = data / "f.json"
    code = run(
        "generate", data / "train.parquet", "--target", "target", "--out", out,
        "--n-features", "2", "--save-data", data / "made.parquet",
    )  # fmt: skip
    assert code == 0
    assert "a / b" in capsys.readouterr().out
    assert pl.read_parquet(data / "made.parquet").width == 6
    assert run("apply", out, data / "new.csv", "--out", data / "applied.csv") == 0
    applied = pl.read_csv(data / "applied.csv")
    assert applied.width == 5 and applied.height == 400


@pytest.mark.parametrize(
    "args, match",
    [
        (("generate", "no.parquet", "--target", "y", "--out", "o"), "no file"),
        (
            ("generate", "train.parquet", "--target", "targt", "--out", "o"),
            "do you mean",
        ),
        (("apply", "no.json", "new.csv", "--out", "x.csv"), "no file"),
        (("apply", "new.csv", "new.csv", "--out", "x.csv"), "damaged"),
        (("apply", "new.csv", "new.csv", "--out", "x.xlsx"), "only .parquet and .csv"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(data, capsys, monkeypatch, args, match):
    monkeypatch.chdir(data)
    assert run(*args) == 2
    shown = capsys.readouterr().err
    assert match in shown and "Traceback" not in shown
