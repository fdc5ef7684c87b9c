"""Run mRMR or Boruta, in the environment ``peer-select``; `ranking_recall` starts it.

``python ranking_select.py mrmr|boruta FILE.npz``: ``codes`` (rows, columns) and ``y``
in the file. Prints positions, best first, how many are kept, and CPU seconds.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pandas as pd

N_TOP = 10


def mrmr(frame: pd.DataFrame, y: pd.Series) -> tuple[list[str], int]:
    """Ten columns, all of them given as categories, which it encodes by the target."""
    from mrmr import mrmr_classif

    chosen = mrmr_classif(
        frame, y, K=N_TOP, cat_features=list(frame), n_jobs=1, show_progress=False
    )
    return chosen, N_TOP


def boruta(frame: pd.DataFrame, y: pd.Series) -> tuple[list[str], int]:
    """Its README's forest, of codes as numbers, and fifty rounds."""
    from boruta import BorutaPy
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(n_jobs=1, class_weight="balanced", max_depth=5)
    ranker = BorutaPy(forest, n_estimators="auto", max_iter=50, random_state=0)
    ranker.fit(frame.to_numpy(), y.to_numpy())
    order = np.argsort(ranker.ranking_, kind="stable")
    return [frame.columns[i] for i in order], int(ranker.support_.sum())


def main() -> None:
    """Read, choose, print."""
    data = np.load(sys.argv[2])
    names = [str(i) for i in range(data["codes"].shape[1])]
    frame = pd.DataFrame(data["codes"], columns=names)
    begin = time.process_time()
    chosen, kept = {"mrmr": mrmr, "boruta": boruta}[sys.argv[1]](
        frame, pd.Series(data["y"])
    )
    seconds = time.process_time() - begin
    print(json.dumps({"order": [int(c) for c in chosen], "kept": kept, "cpu": seconds}))


if __name__ == "__main__":
    main()
