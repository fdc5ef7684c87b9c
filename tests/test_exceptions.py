"""Warnings point at the user's line, however deep they are given."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from featurekit import OpenFE
from featurekit.selection import MRMR


def _line_of_warning(call) -> tuple[str, int]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    (first, *_) = [w for w in seen if "task='auto'" in str(w.message)]
    return first.filename, first.lineno


def test_warning_points_at_the_line_that_calls_fit():
    X = pd.DataFrame({"a": np.arange(120.0), "b": np.arange(120.0) % 7})
    y = np.arange(120) % 30  # labels or counts: a warning

    def selector():
        MRMR(1).fit(X, y)

    def pipeline():
        make_pipeline(MRMR(1)).fit(X, y)

    def generator():
        OpenFE(1, max_candidates=5, random_state=0).fit_transform(X, y)

    for call in (selector, pipeline, generator):
        first = inspect.getsourcelines(call)[1]
        assert _line_of_warning(call) == (__file__, first + 1)
