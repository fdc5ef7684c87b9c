"""Time dcor 0.7, call by call, in the environment ``peer-distance``.

``python run_dcor.py`` reads requests from standard input, a JSON line each, and answers
with one. ``{"load": "FILE.npz"}`` reads arrays; ``{"x": .., "y": .., "method": ..}``
names two of them and gives CPU seconds of one call and the squared correlation. Arrays
are float64, for which its methods are compiled; they are warmed up before.
"""

from __future__ import annotations

import json
import sys
import time

import dcor
import numpy as np


def main() -> None:
    """Answer until there are no more requests."""
    small = np.random.default_rng(0).normal(size=(2, 200))
    for method in ("avl", "mergesort"):
        dcor.distance_correlation_sqr(*small, method=method)
    arrays: dict[str, np.ndarray] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "load" in request:
            with np.load(request["load"]) as file:
                arrays = {name: file[name] for name in file.files}
            print(json.dumps("loaded"), flush=True)
            continue
        x, y = arrays[request["x"]], arrays[request["y"]]
        begin = time.process_time()
        value = dcor.distance_correlation_sqr(x, y, method=request["method"])
        took = time.process_time() - begin
        print(json.dumps([took, float(value)]), flush=True)


if __name__ == "__main__":
    main()
