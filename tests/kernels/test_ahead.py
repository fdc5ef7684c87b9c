"""Kernels are compiled before they are needed, for the types that fits use."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from featurekit import DisCo, InfFS, OpenFE, OutRank
from featurekit.kernels import ahead
from featurekit.kernels.registry import kernel
from featurekit.kernels.signatures import SIGNATURES, parse

QUICK = ["sum_by_key", "sum_over_sets"]


def _table(n=300):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    frame["city"] = rng.choice(["x", "y", "z"], n)
    return frame, (frame["a"] + (frame["city"] == "x") + rng.normal(size=n)).to_numpy()


@pytest.mark.parametrize(
    ("estimator", "classes"),
    [
        (OpenFE(random_state=0), 0),
        (OpenFE(random_state=0), 2),
        (OpenFE(random_state=0), 3),
        (OutRank(random_state=0), 2),
        (DisCo(random_state=0), 0),
        (DisCo(random_state=0), 2),
        (InfFS(n_features_to_select=2), 2),
    ],
    ids=str,
)
def test_a_fit_calls_kernels_with_the_listed_types_only(estimator, classes):
    X, y = _table()
    if classes:
        y = np.searchsorted(np.quantile(y, np.arange(1, classes) / classes), y)
    before = {name: set(_types(name)) for name in SIGNATURES}
    estimator.fit(X, y)
    for name, signatures in SIGNATURES.items():
        listed = {parse(signature) for signature in signatures}
        assert set(_types(name)) - before[name] <= listed, name


def _types(name):
    return getattr(kernel(name), "overloads", {})


def test_numba_compiles_for_the_listed_types():
    for name, signatures in SIGNATURES.items():
        arguments = kernel(name).py_func.__code__.co_argcount
        assert all(len(parse(signature)) == arguments for signature in signatures), name


def _run(code, folder):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_processes_fill_the_cache(tmp_path):
    code = f"""
if __name__ == "__main__":
    from featurekit.kernels import ahead
    print(*ahead.missing({QUICK}))
    ahead.compile_all({QUICK}, 2, print)
    print(*ahead.missing({QUICK}))
    from featurekit.kernels.registry import kernel
    print(*(len(kernel(name).overloads) for name in {QUICK}))
"""
    out = _run(code, tmp_path)
    assert out[:2] == QUICK
    assert sorted(out[2:4]) == sorted(QUICK)
    assert out[4:] == [
        "0",
        "0",
    ]  # nothing is missing, and this process compiled nothing


@pytest.mark.parametrize("python", ["", "/usr/bin/blender", None])
def test_kernels_are_compiled_here_where_python_cannot_be_started(monkeypatch, python):
    monkeypatch.setattr(ahead.sys, "executable", python)
    with pytest.raises(OSError, match="cannot be started"):
        ahead._process()
    here = []
    monkeypatch.setattr(ahead, "missing", list)
    monkeypatch.setattr(ahead, "compile_here", here.append)
    ahead.start(QUICK * 4)
    assert here == []
    done = []
    ahead.compile_all(QUICK, 2, done.append)
    assert here == done == QUICK
