"""The command ``compile``."""

from __future__ import annotations

import os
import subprocess
import sys

from featurekit.cli.application import run
from featurekit.kernels import ahead

RUN = """
if __name__ == "__main__":
    from featurekit.cli.application import run
    from featurekit.kernels import ahead
    ahead.names = lambda: ["sum_by_key", "sum_over_sets"]
    raise SystemExit(run(["compile", "--n-jobs", "2"]))
"""


def _run(cache):
    done = subprocess.run(
        [sys.executable, "-c", RUN], capture_output=True, text=True,
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_compile_fills_the_cache_once(tmp_path):
    code, said, _ = _run(tmp_path / "cache")
    assert code == 0 and "Compiled 2 kernels" in said and "0 were ready" in said
    assert str(tmp_path / "cache") in said.replace("\n", "")
    assert list((tmp_path / "cache").rglob("groups.sum_by_key*.nbc"))
    code, said, _ = _run(tmp_path / "cache")
    assert code == 0 and "Compiled 0 kernels" in said and "2 were ready" in said


def test_compile_where_nothing_can_be_kept_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    code, _, error = _run(tmp_path / "file" / "cache")
    assert code == 1
    assert "cannot be written to" in error and "NUMBA_CACHE_DIR" in error
    assert "Traceback" not in error


def test_compile_refuses_a_number_of_processes_that_is_none(capsys):
    assert run(["compile", "--n-jobs", "0"]) == 2
    assert "--n-jobs" in capsys.readouterr().err


def test_every_listed_kernel_is_compiled_by_the_command():
    assert {"accumulate", "boost_exact_squared", "null_of_counts"} <= set(ahead.names())
