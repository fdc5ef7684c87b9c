"""Run outrank 0.97.5, in the environment ``peer-outrank``.

``python run_outrank.py rank FOLDER OUT LABEL SUBSAMPLING``
    Its command line: the target ranking of ``FOLDER/data.csv``, one worker, defaults
    otherwise. Writes ``OUT/pairwise_ranks.tsv``.
``python run_outrank.py pairs FILE.npz SECONDS``
    Its kernel alone on pairs of columns: ``codes`` (columns, rows) in the file, pairs
    ``left`` and ``right``. Prints CPU seconds of each as a JSON line, and stops after
    so many of them.

Two work-arounds: xxhash must be older than 4, with which a fresh installation fails;
it runs in a folder of its own, for it writes a checkpoint where it is started.
"""

from __future__ import annotations

import json
import sys
import time


def rank(folder: str, out: str, label: str, subsampling: str) -> None:
    """What ``outrank --task ranking`` does."""
    from outrank.__main__ import main

    sys.argv = [
        "outrank", "--task", "ranking", "--data_path", folder, "--data_source",
        "csv-raw", "--output_folder", out, "--label_column", label, "--num_threads",
        "1", "--subsampling", subsampling, "--disable_tqdm", "True",
    ]  # fmt: skip
    main()


def pairs(path: str, seconds: str) -> None:
    """Time the kernel pair by pair."""
    import numpy as np
    from outrank.algorithms.feature_ranking.ranking_mi_numba import (
        mutual_info_estimator_numba,
    )

    data = np.load(path)
    codes = data["codes"].astype(np.int32)
    one = np.float32(1.0)
    mutual_info_estimator_numba(codes[0, :9], codes[1, :9], one, True)
    begin = time.process_time()
    for left, right in zip(data["left"], data["right"], strict=True):
        before = time.process_time()
        mutual_info_estimator_numba(codes[right], codes[left], one, True)
        took = time.process_time() - before
        print(json.dumps([int(left), int(right), took]), flush=True)
        if time.process_time() - begin > float(seconds):
            break


if __name__ == "__main__":
    {"rank": rank, "pairs": pairs}[sys.argv[1]](*sys.argv[2:])
