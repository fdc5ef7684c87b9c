"""The same table from any file is ranked as in memory, to the last digit."""

from __future__ import annotations

import gzip
from datetime import date, datetime, time, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest

from featurekit import OutRank
from featurekit.data.scan import scan
from featurekit.ranking import source
from tests.ranking import assert_same, fitted

N = 500


@pytest.fixture(scope="module")
def table():
    """Ids beyond 2**53 and beyond 64 bits, fractions, dates, flags, text with signs."""
    rng = np.random.default_rng(5)
    shop = rng.integers(0, 6, N)
    place = rng.integers(0, 3, N)
    frame = pl.DataFrame(
        {
            "large": (2**53 + shop * 2 + rng.integers(0, 2, N)).tolist(),
            "hash": [f"{int(s) * 10**21 + 12345678901234567890}" for s in shop],
            "signed": [str((-1) ** int(s) * (2**63 + int(s))) for s in shop],
            "real": np.round(rng.normal(size=N), 3),
            "day": [date(2024, 1, 1 + int(p)) for p in place],
            "when": [
                datetime(2024, 1, 1) + timedelta(seconds=int(s))
                for s in rng.integers(0, 9**6, N)
            ],
            "hour": [time(int(h), 30) for h in rng.integers(0, 24, N)],
            "flag": rng.random(N) < 0.3,
            "word": [('a;b "c"', "d,\ne", "Köln|\t")[int(p)] for p in place],
            "few": rng.integers(0, 4, N),
        }
    )
    holes = pl.Series(rng.random(N) < 0.1)
    frame = frame.with_columns(
        pl.when(~holes).then(pl.col("real", "word", "day", "large"))
    )
    target = pl.Series((shop + place + (rng.random(N) < 0.1)) % 2).cast(pl.Int64)
    return frame.with_columns(target=target)


def memory(table, **params):
    return fitted(table.drop("target"), table["target"], **params)


def commas(table, **options):
    text = table.with_columns(
        pl.col("real").cast(pl.String).str.replace(".", ",", literal=True)
    )
    return text.write_csv(separator=";", **options)


WAYS = {
    "comma": lambda t, f: (f / "x.csv").write_text(t.write_csv()),
    "semicolon": lambda t, f: (f / "x.csv").write_text(t.write_csv(separator=";")),
    "tab": lambda t, f: (f / "x.tsv").write_text(t.write_csv(separator="\t")),
    "bar": lambda t, f: (f / "x.csv").write_text(t.write_csv(separator="|")),
    "decimal comma": lambda t, f: (f / "x.csv").write_text(commas(t)),
    "windows": lambda t, f: (f / "x.csv").write_bytes(
        commas(t, line_terminator="\r\n").encode("utf-16")
    ),
    "gz": lambda t, f: (f / "x.csv.gz").write_bytes(
        gzip.compress(t.write_csv().encode())
    ),
    "empty lines": lambda t, f: (f / "x.csv").write_text(
        t[:99].write_csv() + "\n\n" + t[99:].write_csv(include_header=False) + "\n"
    ),
    "parquet": lambda t, f: t.write_parquet(f / "x.parquet"),
    "folder": lambda t, f: [
        t[i : i + 170].write_csv(f / f"{i:03}.csv") for i in range(0, N, 170)
    ],
    "nested": lambda t, f: [
        ((f / f"{i:03}").mkdir(), t[i : i + 170].write_parquet(f / f"{i:03}" / "x.pq"))
        for i in range(0, N, 170)
    ],
    "hive": lambda t, f: [
        (
            (f / f"few={few}").mkdir(),
            part.drop("few").write_csv(f / f"few={few}" / "x.csv"),
        )
        for (few,), part in t.sort("few").group_by("few", maintain_order=True)
    ],
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("params", [{}, {"order": 2, "redundancy": "mrmr"}])
def test_every_way_of_writing_a_table_gives_its_scores(
    table, tmp_path, monkeypatch, way, params
):
    monkeypatch.setattr(source, "BLOCK_ROWS", 128)
    names = table.columns
    if way == "hive":  # a folder's column comes after those of the files
        names = [name for name in names if name not in ("few", "target")]
        names += ["few", "target"]
    WAYS[way](table.select(names), tmp_path)
    straight = memory(table.select(names), **params)
    assert_same(straight, fitted(tmp_path, "target", **params))
    score = straight.scores_.set_index("feature")["mi"]
    assert score["hash"] > 0.02 and score["signed"] > 0.02


def test_a_scan_with_options_is_ranked(tmp_path):
    (tmp_path / "x.csv").write_text("a;b,c\n" + "1,250;1\n2,500;0\n" * 50)
    found = scan(tmp_path, separator=";", decimal=",")
    ranker = OutRank().fit(found, "b,c")
    assert ranker.quality_["kind"].tolist() == ["scale"]


def test_ids_of_mixed_sign_from_parquet_parts(tmp_path):
    """One part holds signed, another unsigned numbers of 64 bits."""
    rng = np.random.default_rng(0)
    shop = rng.integers(0, 5, 400)
    ids = [(-1) ** int(s) * (2**63 - 1 + int(s) % 2 * -1 + 0) for s in shop]
    y = shop % 2
    low = [i for i, v in enumerate(ids) if v < 0]
    high = [i for i, v in enumerate(ids) if v >= 0]
    for name, at, dtype in (("a", low, pl.Int64), ("b", high, pl.UInt64)):
        pl.DataFrame(
            {"id": pl.Series([ids[i] for i in at], dtype=dtype), "y": y[at]}
        ).write_parquet(tmp_path / f"{name}.parquet")
    found = OutRank().fit(tmp_path, "y")
    frame = pd.DataFrame({"id": pd.Series(ids, dtype=object)})
    pd.testing.assert_frame_equal(OutRank().fit(frame, y).scores_, found.scores_)
    assert found.scores_["mi"][0] > 0.6
