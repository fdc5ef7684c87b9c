"""Prices of cut diamonds, from the package plotnine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("x", "y", "z")


def load_diamonds(
    n_rows: int | None = None, random_state: int = 0
) -> tuple[pd.DataFrame, pd.Series]:
    """Prices of some 54,000 cut diamonds, with their weight, size and grades.

    Rows that repeat another one in all columns are left out, since a model would find
    them in training and in test rows. A size of 0 mm is a missing value.

    Parameters
    ----------
    n_rows : int, optional
        Rows to take at random; all, in the order of the data, if None.
    random_state : int, default=0
        Seeds the choice of rows.

    Returns
    -------
    X : pandas DataFrame of shape (n, 9)
        ``carat`` (weight), ``cut``, ``color``, ``clarity`` (grades), ``depth`` and
        ``table`` (percent), ``x``, ``y``, ``z`` (length, width and depth in mm).
    y : pandas Series of shape (n,)
        Price in US dollars.

    Raises
    ------
    ImportError
        Without the package plotnine.
    """
    import pandas as pd

    frame = pd.read_csv(_path()).drop_duplicates()
    if n_rows is not None and n_rows < len(frame):
        frame = frame.sample(n_rows, random_state=random_state)
    frame = frame.reset_index(drop=True)
    for name in MEASURES:
        frame[name] = frame[name].where(frame[name] > 0)
    return frame.drop(columns="price"), frame["price"].astype(float)


def _path() -> Path:
    """Where the package keeps the table; it is found, not imported."""
    home = find_spec("plotnine")
    if home is not None and home.origin is not None:
        path = Path(home.origin).parent / "data" / "diamonds.csv"
        if path.is_file():
            return path
    raise ImportError(
        "load_diamonds needs the package that ships the data: "
        "python -m pip install plotnine"
    )
