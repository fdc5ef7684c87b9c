"""Imports go downwards only, and importing the package costs little."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1] / "featurekit"
ORDER = [
    {"_version", "_files", "exceptions"},
    {"kernels"},
    {"data"},
    {"statistics", "execution"},
    {"expressions"},
    {"fitting", "datasets"},
    {"neural"},
    {"generation", "ranking", "selection"},
    {"cli"},
]
HEAVY = {"torch", "polars", "dask", "optuna", "matplotlib", "numba", "pyarrow"}


def _level(room):
    return next(i for i, rooms in enumerate(ORDER) if room in rooms)


def _imports(path):
    """Names imported at the top of a module, TYPE_CHECKING blocks left out."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_no_room_imports_a_higher_one():
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for name in _imports(path):
            parts = name.split(".")
            if parts[0] == "featurekit" and len(parts) > 1:
                assert _level(parts[1]) <= _level(room), f"{path.name} imports {name}"


def test_heavy_libraries_load_on_first_use():
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0]
        for name in _imports(path):
            heavy = name.split(".")[0] in HEAVY
            assert not heavy or (room == "kernels" and name == "numba"), (path, name)


def test_import_loads_nothing_heavy():
    code = "import sys, featurekit; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    for name in (*HEAVY, "lightgbm", "pandas", "sklearn", "numba.cuda"):
        assert name not in loaded
