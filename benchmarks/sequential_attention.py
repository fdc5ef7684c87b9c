"""Sequential attention in the set-up of its paper: 50 columns, and a fresh network.

``python -m benchmarks.sequential_attention``

The paper's network, 67 ReLU units, is trained on the chosen columns alone, and its
accuracy on the test rows is reported; beside it the same for what the paper compares
with, for columns drawn by chance and for all. Sets and splits are those of `wide`,
which are smaller than the paper's (2,000 training rows at most): compare methods here
with each other, not with the paper's table.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

# Before any numerical library is loaded: one core for everybody.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402

from benchmarks import ranking_common, wide  # noqa: E402
from benchmarks.datasets import REPORTED_SEEDS  # noqa: E402
from featurekit.neural.network import dense  # noqa: E402
from featurekit.selection import (  # noqa: E402
    OMP,
    GroupLasso,
    OneShotAttention,
    SequentialAttention,
    SequentialLasso,
)

SETS = ("mice_protein", "isolet", "mnist_10k")
K = 50
HIDDEN = (67,)
JUDGE_STEPS = 1000
JUDGE_BATCH = 128
JUDGE_RATE = 0.003
JUDGE_DECAY = 1e-3

Chosen = Callable[[wide.WideSplit, int], Any]


def _fitted(make: Callable[[int], Any]) -> Chosen:
    def choose(split: wide.WideSplit, seed: int) -> Any:
        return make(seed).fit(split.X_train, split.y_train).order_

    return choose


def _random(split: wide.WideSplit, seed: int) -> Any:
    return np.random.default_rng([seed, K]).permutation(split.n_columns)[:K]


CLASSES = {"task": "classification"}
"""Said, for 26 whole numbers would be taken for a numeric target."""

METHODS: dict[str, Chosen] = {
    "SequentialAttention": _fitted(
        lambda seed: SequentialAttention(K, random_state=seed, **CLASSES)
    ),
    "SequentialAttention, linear": _fitted(
        lambda seed: OMP(K, random_state=seed, **CLASSES)
    ),
    "OneShotAttention": _fitted(
        lambda seed: OneShotAttention(K, random_state=seed, **CLASSES)
    ),
    "GroupLasso": _fitted(lambda seed: GroupLasso(K, random_state=seed, **CLASSES)),
    "SequentialLasso": _fitted(
        lambda seed: SequentialLasso(K, random_state=seed, **CLASSES)
    ),
    "random": _random,
    "all columns": lambda split, seed: np.arange(split.n_columns),
}


def judge(split: wide.WideSplit, columns: Any, seed: int) -> float:
    """Accuracy on the test rows of a network trained on some columns.

    Parameters
    ----------
    split : WideSplit
    columns : int array
    seed : int
        Of the network and its batches.
    """
    train, test = wide.standardised(split.X_train[:, columns], split.X_test[:, columns])
    X, X_test = (torch.as_tensor(part, dtype=torch.float32) for part in (train, test))
    y = torch.as_tensor(split.y_train)
    generator = torch.Generator().manual_seed(seed)
    net = dense(len(columns), HIDDEN, split.n_classes, generator)
    adam = torch.optim.Adam(net.parameters(), JUDGE_RATE, weight_decay=JUDGE_DECAY)
    for _ in range(JUDGE_STEPS):
        rows = torch.randint(len(y), (JUDGE_BATCH,), generator=generator)
        loss = torch.nn.functional.cross_entropy(net(X[rows]), y[rows])
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        right = net(X_test).argmax(1).numpy() == split.y_test
    return float(right.mean())


def measure(name: str, seeds: list[int], limit: float, begin: float) -> dict[str, Any]:
    """Of all methods on a set: accuracy with standard error, and seconds of the fit."""
    accuracy: dict[str, list[float]] = {method: [] for method in METHODS}
    seconds: dict[str, list[float]] = {method: [] for method in METHODS}
    for seed in seeds:
        if time.monotonic() - begin > limit:
            break
        split = wide.split(name, seed)
        for method, choose in METHODS.items():
            start = time.process_time()
            columns = choose(split, seed)
            seconds[method].append(time.process_time() - start)
            accuracy[method].append(judge(split, np.sort(columns), seed))
            print(name, seed, method, round(accuracy[method][-1], 4), flush=True)
    n = len(accuracy["random"])
    return {
        "rows": len(split.y_train),
        "test_rows": len(split.y_test),
        "columns": split.n_columns,
        "classes": split.n_classes,
        "splits": n,
        "accuracy": {m: round(float(np.mean(v)), 4) for m, v in accuracy.items()},
        "standard_error": {
            m: round(float(np.std(v, ddof=1) / np.sqrt(n)), 4) if n > 1 else None
            for m, v in accuracy.items()
        },
        "fit_cpu_seconds": {m: round(float(np.mean(v)), 2) for m, v in seconds.items()},
    }


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--splits", nargs="+", type=int, default=list(REPORTED_SEEDS))
    parser.add_argument(
        "--limit",
        type=float,
        default=3600.0,
        help="seconds; no split begins later",
    )
    parser.add_argument("--results", default="sequential_attention", metavar="NAME")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    begin = time.monotonic()
    # a set's share of the time is what is left, divided by the sets left
    found = {}
    for i, name in enumerate(arguments.sets):
        left = arguments.limit - (time.monotonic() - begin)
        share = left / (len(arguments.sets) - i)
        found[name] = measure(name, arguments.splits, share, time.monotonic())
    ranking_common.write(
        arguments.results,
        f"Test accuracy of a network of {HIDDEN[0]} ReLU units on the {K} columns "
        "chosen on the training rows; mean over splits, and its standard error",
        {"k": K, "torch": torch.__version__, "sets": found},
    )


if __name__ == "__main__":
    main()
