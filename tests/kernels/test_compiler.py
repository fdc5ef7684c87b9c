"""Compiled kernels are kept, found again after copying, and dropped with their source.

Most tests run a process of its own on a copy of the kernels' package with one small
kernel in place of ours, which compiles in a fraction of a second.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import featurekit
from featurekit.kernels import compiler

PACKAGE = Path(featurekit.__file__).parent
SMALL = """
from featurekit.kernels.compiler import njit
from featurekit.kernels.cpu.called import _step

@njit(cache=True, nogil=True)
def nothing():
    return 0

@njit(cache=True, nogil=True)
def renumber(x):
    return _step(x)
"""
CALLED = """
from featurekit.kernels.compiler import njit

@njit(cache=True, nogil=True)
def _step(x):
    return x + STEP
"""
RUN = """
import logging, warnings
logging.basicConfig(level=logging.INFO, format="log: %(message)s")
warnings.simplefilter("always")
from numba.core import event
compiled = []
class Listener(event.Listener):
    def on_start(self, e): compiled.append(e.data["dispatcher"].py_func.__name__)
    def on_end(self, e): pass
from featurekit.kernels.registry import kernel
from featurekit.kernels import compiler
event.register("numba:compile", Listener())
print(kernel("renumber")(1), *(name for name in compiled if name != "nothing"))
"""


def _copy(folder: Path, step: int = 1) -> Path:
    """Copy what kernels need, with two small kernels."""
    package = folder / "featurekit"
    (package / "kernels/cpu").mkdir(parents=True)
    files = ["__init__.py", "_version.py", "_files.py", "exceptions.py"]
    for name in (*files, "kernels/__init__.py", "kernels/cpu/__init__.py"):
        shutil.copy(PACKAGE / name, package / name)
    for name in ("registry.py", "compiler.py", "notice.py"):
        shutil.copy(PACKAGE / "kernels" / name, package / "kernels" / name)
    (package / "kernels/cpu/groups.py").write_text(SMALL)
    _set_step(package, step)
    return package


def _set_step(package: Path, step: int) -> None:
    text = CALLED.replace("STEP", str(step))
    (package / "kernels/cpu/called.py").write_text(text)


def _run(package: Path, script: str = RUN, **environment: str) -> tuple[list[str], str]:
    """Answer and the functions compiled, and what was said."""
    known = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-B", "-c", script],
        env=known | {"PYTHONPATH": str(package.parent)} | environment,
        capture_output=True, text=True, cwd=package.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


def _code(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.nbc"))


def test_code_is_kept_copied_and_dropped_with_its_source(tmp_path):
    package = _copy(tmp_path / "a")
    assert _run(package)[0] == ["2", "renumber", "_step"]
    assert _run(package)[0] == ["2"]
    # copied, with other times of files and another path
    other = tmp_path / "b" / "featurekit"
    shutil.copytree(package, other, copy_function=shutil.copyfile)
    assert _run(other)[0] == ["2"]
    # a kernel holds the code of those it calls, which lie in another file
    _set_step(other, 5)
    assert _run(other)[0] == ["6", "renumber", "_step"]
    assert len(list((other / "kernels/cpu/__pycache__").glob("featurekit-*"))) == 1
    assert _run(package)[0] == ["2"]


def test_one_line_says_that_kernels_are_compiled(tmp_path):
    package = _copy(tmp_path)
    assert _run(package)[1].count("log: compiling kernels") == 1
    assert "log:" not in _run(package)[1]


def _forbid(package: Path) -> None:
    """Make the package's cache unwritable, for root too: a file lies in its place."""
    (package / "kernels/cpu/__pycache__").write_text("")


def test_code_goes_to_the_users_cache_where_the_package_is_read_only(tmp_path):
    package = _copy(tmp_path)
    _forbid(package)
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path / "home")}
    answer, said = _run(package, **cache)
    assert answer == ["2", "renumber", "_step"]
    assert "NUMBA_CACHE_DIR" not in said
    assert _run(package, **cache)[0] == ["2"]


def test_read_only_package_and_home_use_a_temporary_folder_and_say_so(tmp_path):
    package = _copy(tmp_path)
    _forbid(package)
    home = tmp_path / "home"
    home.write_text("")
    (tmp_path / "tmp").mkdir()
    places = {"HOME": str(home), "TMPDIR": str(tmp_path / "tmp")}
    places["XDG_CACHE_HOME"] = str(home / "cache")
    answer, said = _run(package, **places)
    assert answer == ["2", "renumber", "_step"]
    assert said.count("Set the environment variable NUMBA_CACHE_DIR") == 1
    assert _run(package, **places)[0] == ["2"]


def test_code_in_a_read_only_package_is_used(tmp_path):
    package = _copy(tmp_path)
    _run(package)
    # root may write anywhere, so nothing is writable by decree
    script = "from featurekit.kernels import compiler\n"
    script += "compiler._is_writable = lambda folder: False\n" + RUN
    answer, said = _run(package, script=script)
    assert answer == ["2"]
    assert "NUMBA_CACHE_DIR" not in said


def test_given_folder_is_the_only_one(tmp_path):
    package = _copy(tmp_path)
    asked = tmp_path / "asked"
    assert _run(package, NUMBA_CACHE_DIR=str(asked))[0][1:] == ["renumber", "_step"]
    assert not _code(package) and len(_code(asked)) >= 2
    assert _run(package, NUMBA_CACHE_DIR=str(asked))[0] == ["2"]


@pytest.mark.parametrize("damage", [lambda b: b[:40], lambda b: b[:-1] + b"x"])
def test_damaged_files_count_as_absent(tmp_path, damage):
    package = _copy(tmp_path)
    _run(package)
    for path in _code(package):
        path.write_bytes(damage(path.read_bytes()))
    assert _run(package)[0] == ["2", "renumber", "_step"]
    assert _run(package)[0] == ["2"]


def test_failed_compilation_releases_its_lock(tmp_path):
    package = _copy(tmp_path)
    (package / "kernels/cpu/called.py").write_text(CALLED.replace("STEP", "'text'"))
    script = f"""
try:
    exec({RUN!r})
except Exception as e:
    print(type(e).__name__)
from pathlib import Path
print(*Path({str(package)!r}).rglob(".*.lock"))
"""
    assert _run(package, script)[0] == ["TypingError"]


def test_processes_at_once_compile_a_kernel_once(tmp_path):
    package = _copy(tmp_path)
    known = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    runs = [
        subprocess.Popen(
            [sys.executable, "-B", "-c", RUN], text=True, stdout=subprocess.PIPE,
            env=known | {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path,
        )
        for _ in range(3)
    ]  # fmt: skip
    answers = [run.communicate()[0].split() for run in runs]
    assert [answer[0] for answer in answers] == ["2"] * 3
    assert sum(answer.count("_step") for answer in answers) == 1
    assert not list(package.rglob("*.lock"))


def test_all_kernels_use_this_cache():
    for path in sorted((PACKAGE / "kernels/cpu").glob("*.py")):
        assert "from numba import" not in path.read_text(), path.name


def test_temporary_folder_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    monkeypatch.setattr(compiler, "temporary_folder", lambda: theirs)
    assert compiler._is_writable(theirs / "name")
    monkeypatch.setattr(compiler.os, "getuid", lambda: 12345, raising=False)
    assert not compiler._is_writable(theirs / "name")
