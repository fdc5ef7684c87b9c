"""How much larger a space of features can be searched when it is ranked beforehand?

    python -m benchmarks.ranking_search [--budget 60] [--sizes 50 100 200 400]

The idea of OutRank's paper on data of our own: a search for features has a fixed
budget of CPU seconds, (a) over all of F columns and their pairs, (b) over the quarter
of the columns that `OutRank` puts first, their pairs, and the crosses that it selects,
the ranking paid out of the same budget. The rows, the target and the fourteen columns
it is made of are the same at every F; what is added is noise.

The search takes columns first and then pairs, each in an order of chance, and keeps
what improves a logistic model of hashed values (one pass of Adagrad) on validation rows
by 1e-4 nats. When it is through it begins again with those it did not keep. Test rows
judge. The figure for F0 is 100 (F / F0 - 1) for the largest F at which (b) is as good
on test rows as (a) at F0.
"""

from __future__ import annotations

import argparse
import time
from itertools import combinations

import numpy as np
from numba import njit

from benchmarks import ranking_common as common
from featurekit import OutRank
from featurekit.datasets import make_ctr

SLOTS = 1 << 16
SHARES = (0.6, 0.2)  # training and validation rows, the rest are for the test
LEAST_GAIN = 1e-4
TOLERANCE = 5e-4
Candidate = tuple[int, ...]


@njit(cache=True, nogil=True)
def fitted_logits(slots, y, n_train):
    """One pass over the first rows, then the logits of the others.

    slots is int32 (features, rows), each feature with weights of its own.
    """
    n_features, n = slots.shape
    weights = np.zeros((n_features, SLOTS), np.float32)
    squares = np.full((n_features, SLOTS), np.float32(1e-2))
    rate = y[:n_train].mean()
    bias = np.log(rate / (1 - rate))
    out = np.empty(n - n_train)
    for i in range(n):
        logit = bias
        for j in range(n_features):
            logit += weights[j, slots[j, i]]
        if i >= n_train:
            out[i - n_train] = logit
            continue
        step = 1.0 / (1.0 + np.exp(-logit)) - y[i]
        for j in range(n_features):
            s = slots[j, i]
            squares[j, s] += step * step
            weights[j, s] -= 0.05 * step / np.sqrt(squares[j, s])
    return out


def log_loss(logits, y) -> float:
    """Mean of the negative log-likelihood."""
    return float((np.logaddexp(0.0, logits) - y * logits).mean())


class Search:
    """A forward search with a budget of CPU seconds.

    Parameters
    ----------
    codes : int64 array (columns, rows)
    y : float64 array (rows,)
    budget : float
    """

    def __init__(self, codes, y, budget: float) -> None:
        self.codes, self.y, self.budget = codes, y, budget
        self.n_train = int(SHARES[0] * len(y))
        self.n_valid = int(SHARES[1] * len(y))
        self.kept: list[Candidate] = []
        self.n_tried = 0
        self.slots = np.empty((0, len(y)), np.int32)

    def hashed(self, candidate: Candidate):
        """A column or pair of columns in its slots."""
        key = np.zeros(len(self.y), np.uint64)
        for j in candidate:
            mixed = (key + self.codes[j] + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
            key = mixed ^ (mixed >> np.uint64(29))
        return (key >> np.uint64(20)).astype(np.int64) % SLOTS

    def losses(self, slots) -> tuple[float, float]:
        """On validation and on test rows."""
        logits = fitted_logits(slots, self.y, self.n_train)
        y = self.y[self.n_train :]
        cut = self.n_valid
        return log_loss(logits[:cut], y[:cut]), log_loss(logits[cut:], y[cut:])

    def run(self, space: list[Candidate], seed: int, begin: float) -> dict:
        """Search; the budget runs since ``begin``."""
        rng = np.random.default_rng(seed)
        best, test = self.losses(self.slots)
        path = []
        left, found = list(space), True
        while left and found:
            found = False
            rest = []
            order = rng.permutation(len(left)).tolist()
            order.sort(key=lambda i: len(left[i]))  # columns, then pairs
            for i in order:
                seconds = time.process_time() - begin
                if seconds > self.budget:
                    rest = []
                    break
                row = self.hashed(left[i]).astype(np.int32)
                slots = np.vstack([self.slots, row[None]])
                valid, on_test = self.losses(slots)
                self.n_tried += 1
                if valid < best - LEAST_GAIN:
                    best, test, self.slots = valid, on_test, slots
                    self.kept.append(left[i])
                    found = True
                    seconds = time.process_time() - begin
                    path.append([round(seconds, 1), round(best, 5), round(test, 5)])
                else:
                    rest.append(left[i])
            left = rest
        return {
            "space": len(space),
            "tried": self.n_tried,
            "kept": len(self.kept),
            "valid_log_loss": best,
            "test_log_loss": test,
            "cpu_seconds": round(time.process_time() - begin, 1),
            "path_seconds_valid_test": path,
        }


def ranked_space(X, y, n_train: int) -> list[Candidate]:
    """Columns of the first quarter, their pairs, and the crosses that are selected."""
    ranker = OutRank(order=2, categorical_features="all", n_jobs=1)
    ranker.fit(X[:n_train], y[:n_train])
    quarter = np.flatnonzero(ranker.ranking_ <= X.shape[1] // 4).tolist()
    place = {name: j for j, name in enumerate(X)}
    crosses = {
        tuple(sorted(place[name] for name in cross.columns()))
        for cross in ranker.crosses_
    }
    pairs = set(combinations(quarter, 2)) | crosses
    return [(j,) for j in quarter] + sorted(pairs)


def columns_of(truth, n_features: int, n_all: int) -> list[str]:
    """The planted columns, and noise of all cardinalities, in their order."""
    planted = [*truth.main, *(name for pair in truth.pairs for name in pair)]
    n_noise = n_features - len(planted)
    at = np.linspace(0, len(truth.noise) - 1, n_noise).round().astype(int)
    wanted = {*planted, *(truth.noise[i] for i in at)}
    return [f"f{j}" for j in range(n_all) if f"f{j}" in wanted]


def main() -> None:
    """Search in every space, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    most = max(arguments.sizes)
    data = make_ctr(
        arguments.rows, most, n_main=8, n_pairs=3, click_rate=0.2,
        cardinalities=np.geomspace(2, 100_000, most).round().astype(int),
        random_state=arguments.seed,
    )  # fmt: skip
    y = data.y.to_numpy().astype(np.float64)
    truth = data.truth
    first = data.X[columns_of(truth, 20, most)]
    ranked_space(first, data.y, 5000)  # loads the kernels
    Search(first.to_numpy().T.astype(np.uint64), y, 0.0).run([(0,)], 0, 0.0)
    runs = []
    for n_features in arguments.sizes:
        X = data.X[columns_of(truth, n_features, most)]
        codes = np.ascontiguousarray(X.to_numpy().T.astype(np.uint64))
        for kind in ("full", "ranked"):
            search = Search(codes, y, arguments.budget)
            begin = time.process_time()
            if kind == "full":
                columns = range(n_features)
                space = [(j,) for j in columns] + list(combinations(columns, 2))
            else:
                space = ranked_space(X, data.y, search.n_train)
            before = time.process_time() - begin
            run = search.run(space, arguments.seed, begin)
            planted = {(name,) for name in truth.main} | set(truth.pairs)
            names = {tuple(X.columns[j] for j in c) for c in search.kept}
            run = {
                "columns": n_features,
                "kind": kind,
                "ranking_cpu_seconds": round(before, 1) if kind == "ranked" else 0.0,
                "planted_found": len(planted & names),
                "planted": len(planted),
                **run,
            }
            runs.append(run)
            print(run, flush=True)
    common.write(
        "ranking_search",
        "A search for features with a budget of CPU seconds, over all columns and "
        "pairs, and over those that a ranking puts first",
        {
            "rows": arguments.rows,
            "budget_cpu_seconds": arguments.budget,
            "seed": arguments.seed,
            "larger_spaces_percent": larger(runs),
            "runs": runs,
        },
    )


def larger(runs: list[dict]) -> dict:
    """For each F0 the figure; "within" allows for a loss of 0.05 % more."""
    loss = {(run["kind"], run["columns"]): run["test_log_loss"] for run in runs}
    sizes = sorted({run["columns"] for run in runs})
    out = {}
    for base in sizes:
        of_base = {}
        for name, times in (("strict", 1.0), ("within_0.05_percent", 1 + TOLERANCE)):
            good = [f for f in sizes if loss["ranked", f] <= times * loss["full", base]]
            of_base[name] = 100 * (max(good) / base - 1) if good else None
        out[f"F0={base}"] = of_base
    return out


if __name__ == "__main__":
    main()
