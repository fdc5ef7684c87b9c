"""The diamonds: read from where the package has them, and cleaned."""

from __future__ import annotations

import numpy as np
import pytest

from featurekit.datasets import load_diamonds

TABLE = """carat,cut,color,clarity,depth,table,price,x,y,z
0.23,Ideal,E,SI2,61.5,55,326,3.95,3.98,2.43
0.21,Premium,E,SI1,59.8,61,326,3.89,3.84,2.31
0.23,Ideal,E,SI2,61.5,55,326,3.95,3.98,2.43
1.07,Ideal,F,SI2,61.6,56,4954,0,6.62,0
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of the same layout in place of the real one."""
    folder = tmp_path / "plotnine" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "plotnine" / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "diamonds.csv").write_text(TABLE)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_repeated_rows_and_sizes_of_zero(package):
    X, y = load_diamonds()
    assert y.tolist() == [326, 326, 4954] and y.dtype == np.float64
    assert "price" not in X and X.shape == (3, 9)
    assert X["x"].isna().tolist() == [False, False, True]
    assert X["z"].isna().tolist() == [False, False, True]
    assert (X.index == y.index).all()


def test_rows_at_random(package):
    X, y = load_diamonds(2, random_state=0)
    again, _ = load_diamonds(2, random_state=0)
    assert len(X) == len(y) == 2 and X.equals(again)
    assert len(load_diamonds(10)[0]) == 3


def test_without_the_package(package):
    (package / "diamonds.csv").unlink()
    with pytest.raises(ImportError, match="pip install plotnine"):
        load_diamonds()
