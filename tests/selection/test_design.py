"""The matrix that selectors compute on."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from featurekit.data import Schema
from featurekit.data.dense import MAX_CATEGORIES, weighted_median
from featurekit.selection.design import MIN_ROWS, Design, Units


def _design(columns, weight=None, groups=None, categorical="auto"):
    schema, table = Schema.learn(pd.DataFrame(columns), categorical)
    units = Units.of(schema.names, groups)
    return Design.of(table, units, weight)


def test_numbers_are_themselves():
    values = np.array([1.5, -2.0, 1e300, 0.0])
    design = _design({"a": values, "b": [True, False, True, True]})
    np.testing.assert_array_equal(design.values[:, 0], values)
    np.testing.assert_array_equal(design.values[:, 1], [1, 0, 1, 1])
    assert design.values.flags.f_contiguous
    assert design.column.tolist() == design.unit.tolist() == [0, 1]


def test_gaps_are_the_median_and_told_apart():
    design = _design({"a": [3.0, np.nan, 1.0, 2.0, np.nan]})
    np.testing.assert_array_equal(design.values[:, 0], [3, 2, 1, 2, 2])
    np.testing.assert_array_equal(design.values[:, 1], [0, 1, 0, 0, 1])
    assert design.column.tolist() == [0, 0]


def test_all_missing_is_one_column_of_zeros():
    design = _design({"a": [np.nan] * 3, "b": [1.0, 2.0, 3.0]})
    assert design.column.tolist() == [0, 1]
    np.testing.assert_array_equal(design.values[:, 0], 0)


def test_points_in_time_are_seconds():
    when = [datetime(1970, 1, 1, 0, 0, s) for s in (0, 1, 59)]
    design = _design({"t": [*when, None]})
    np.testing.assert_array_equal(design.values[:, 0], [0, 1, 59, 1])
    np.testing.assert_array_equal(design.values[:, 1], [0, 0, 0, 1])


def test_categories_are_indicators_and_missing_is_one():
    many = int(MIN_ROWS)
    values = ["a"] * many + ["b"] * (many + 1) + [None] * many + ["rare"] * 2
    design = _design({"c": values})
    shown = np.array([str(v) for v in values])
    expected = [shown == name for name in ("a", "b", "None", "rare")]
    np.testing.assert_array_equal(design.values, np.column_stack(expected))


def test_an_id_is_one_constant_column():
    design = _design({"id": [f"u{i}" for i in range(100)]})
    assert design.values.shape == (100, 1)
    assert (design.values == 1).all()


def test_the_most_frequent_categories_have_a_column():
    sizes = np.arange(MAX_CATEGORIES + 8) + int(MIN_ROWS)
    values = np.repeat([f"v{i:03}" for i in range(len(sizes))], sizes)
    design = _design({"c": values})
    assert design.values.shape[1] == MAX_CATEGORIES + 1
    np.testing.assert_array_equal(design.values.sum(axis=1), 1)
    np.testing.assert_array_equal(design.values.sum(axis=0)[:-1], sizes[8:])


def test_numbers_named_as_categories():
    design = _design({"c": np.repeat([10, 20, 30], 6)}, categorical=["c"])
    np.testing.assert_array_equal(design.values.sum(axis=0), [6, 6, 6])


def test_weights_are_repetition():
    rng = np.random.default_rng(0)
    n = 40
    frame = pd.DataFrame(
        {
            "a": np.where(rng.random(n) < 0.3, np.nan, rng.integers(0, 9, n)),
            "c": rng.choice(list("abcdefgh"), n),
        }
    )
    weight = rng.integers(1, 4, n)
    design = _design(frame, weight.astype(float))
    repeated = _design(frame.loc[np.repeat(np.arange(n), weight)])
    np.testing.assert_array_equal(
        np.repeat(design.values, weight, axis=0), repeated.values
    )


def test_a_weighted_median_is_that_of_repeated_rows():
    rng = np.random.default_rng(0)
    for n in range(1, 30):
        values = rng.integers(0, 6, n).astype(float)
        weight = rng.integers(1, 5, n)
        repeated = np.repeat(values, weight)
        least = min(v for v in repeated if (repeated <= v).mean() >= 0.5)
        assert weighted_median(values, weight.astype(float)) == least
        assert weighted_median(repeated) == least


def test_the_best_column_of_each_unit():
    design = _design(
        {"a": [1.0, np.nan, 2.0], "b": [1.0, 2, 3], "c": [3.0, 2, 1]},
        groups=["u", "v", "u"],
    )
    assert design.unit.tolist() == [0, 0, 1, 0]
    np.testing.assert_array_equal(design.best(np.array([1.0, 5, 2, 3])), [5, 2])


@pytest.mark.parametrize("groups", [None, ["a", "b", "c"], [[0], [2]], [[]]])
def test_columns_alone_are_units(groups):
    units = Units.of(("x", "y", "z"), groups)
    assert units.n_units == 3
    assert units.of_column.tolist() == [0, 1, 2]
    assert units.columns(1).tolist() == [1]


def test_units_are_numbered_by_first_appearance():
    units = Units.of(("x", "y", "z", "w"), [["w", "y"]])
    assert units.of_column.tolist() == [0, 1, 2, 1]
    assert units.columns(1).tolist() == [1, 3]
