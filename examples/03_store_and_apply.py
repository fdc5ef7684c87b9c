"""polars in, JSON out, applied by another process.

The file holds the features and what they learnt, not the data and not the search. The
second process reads it, gets rows one by one, and computes the same numbers.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from featurekit import OpenFE

rng = np.random.default_rng(0)
n = 1500
frame = pl.DataFrame(
    {
        "income": rng.lognormal(10, 0.5, n),
        "debt": rng.lognormal(9, 0.8, n),
        "job": rng.choice(["nurse", "clerk", "cook", "pilot"], n),
    }
)
late = frame["debt"] / frame["income"] > rng.lognormal(-1, 0.4, n)

maker = OpenFE(n_features=3, random_state=0).fit(frame, late)
new = pl.DataFrame(
    {
        "income": [30000.0, 22000.0, None],
        "debt": [9000.0, 15000.0, 4000.0],
        "job": ["cook", "diver", "nurse"],  # no diver was seen in fit
    }
)
print("kept, most useful first:", *(feature.name for feature in maker.features_))

here = maker.transform(new)
print("polars in, polars out; a missing income, an unseen job:")
print(here)

OTHER_PROCESS = """
import sys
import polars as pl
from featurekit import OpenFE

maker = OpenFE.from_json(sys.argv[1])
rows = pl.read_parquet(sys.argv[2])
one_by_one = [maker.transform(rows[i]) for i in range(len(rows))]
pl.concat(one_by_one).write_parquet(sys.argv[3])
print("the other process loaded lightgbm:", "lightgbm" in sys.modules)
"""

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    maker.to_json(folder / "features.json")
    new.write_parquet(folder / "new.parquet")
    size = (folder / "features.json").stat().st_size
    print(f"\nfeatures.json: {size:,} bytes for {len(frame):,} training rows")
    subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS]
        + [str(folder / f) for f in ("features.json", "new.parquet", "made.parquet")],
        check=True,
    )
    there = pl.read_parquet(folder / "made.parquet")
print("the same values, row by row in the other process:", here.equals(there))
