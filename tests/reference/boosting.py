"""Elementwise operations and the grids of cells once more, value by value."""

from __future__ import annotations

import math

import numpy as np


def _log(a):
    return math.log(abs(a)) if a != 0 else math.nan


def _sigmoid(a):
    try:
        return 1 / (1 + math.exp(-a))
    except OverflowError:  # a is far below zero
        return 0.0


def _floor(a):
    return float(math.floor(a)) if math.isfinite(a) else math.nan


def _lesser(a, b):
    return math.nan if math.isnan(a) or math.isnan(b) else min(a, b)


def _greater(a, b):
    return math.nan if math.isnan(a) or math.isnan(b) else max(a, b)


OPERATIONS = {
    0: lambda a, b: a,
    1: lambda a, b: a + b,
    2: lambda a, b: a - b,
    3: lambda a, b: a * b,
    4: lambda a, b: a / b if b != 0 else math.nan,
    5: _lesser,
    6: _greater,
    7: lambda a, b: abs(a),
    8: lambda a, b: _log(a),
    9: lambda a, b: math.sqrt(abs(a)),
    10: lambda a, b: a * a,
    11: lambda a, b: _sigmoid(a),
    12: lambda a, b: _floor(a),
    13: lambda a, b: a - _floor(a),
}


def evaluate(op, a, b, out):
    """Fill ``out`` with ``op(a, b)``; out of an operator's domain is NaN."""
    for i in range(len(out)):
        out[i] = OPERATIONS[op](float(a[i]), float(b[i]))


def grid(sample):
    """Centre and inverse scale of the cells, from a sample of a candidate's values."""
    s = np.sort(sample[np.isfinite(sample)])
    if len(s) == 0:
        return 0.0, 1.0

    def quantile(percent):
        return s[percent * (len(s) - 1) // 100]

    centre = quantile(50)
    middle_half = quantile(75) - quantile(25)
    nearly_all = quantile(98) - quantile(2)
    scale = max(middle_half / 2, nearly_all / 16)
    if scale == 0:
        scale = (s[-1] - s[0]) / 16
    if scale == 0:
        scale = max(abs(centre) / 1000, 1e-30)
    return centre, 1 / scale
