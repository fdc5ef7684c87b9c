"""A slow and obvious version of `featurekit.statistics.exact`.

LightGBM on a single feature, written down step by step: bins, best-first trees on
rows, gradients of every row in every round.  Nothing is reused between rounds.
"""

from __future__ import annotations

import numpy as np

ZERO = float(np.float32(1e-35))
SQUARED, LOGLOSS, SOFTMAX = "squared", "logloss", "softmax"


def above(value):
    """Next float64 after ``value``."""
    return np.nextafter(value, np.inf)


def greedy_bounds(values, counts, max_bin, total):
    """Upper bounds of bins of about equal counts over distinct sorted values."""
    n = len(values)
    cuts = []
    held = 0
    if n <= max_bin:
        bounds = []
        for i in range(n - 1):
            held += counts[i]
            middle = above((values[i] + values[i + 1]) / 2)
            if held >= 3 and (not bounds or middle > above(bounds[-1])):
                bounds.append(middle)
                held = 0
        return [*bounds, np.inf]
    max_bin = max(1, min(max_bin, total // 3))
    big = [c >= total / max_bin for c in counts]
    bins_left = max_bin - sum(big)
    rows_left = total - sum(c for c, is_big in zip(counts, big, strict=True) if is_big)
    mean = rows_left / bins_left if bins_left else np.inf
    for i in range(n - 1):
        held += counts[i]
        if not big[i]:
            rows_left -= counts[i]
        full = held >= mean or (big[i + 1] and held >= max(1, mean / 2))
        if big[i] or full:
            cuts.append(i)
            held = 0
            if len(cuts) >= max_bin - 1:
                break
            if not big[i]:
                bins_left -= 1
                mean = rows_left / bins_left if bins_left else np.inf
    bounds = []
    for i in cuts:
        middle = above((values[i] + values[i + 1]) / 2)
        if not bounds or middle > above(bounds[-1]):
            bounds.append(middle)
    return [*bounds, np.inf]


def find_bounds(x):
    """Inclusive upper bounds of the bins of ``x``, and whether NaN has a bin."""
    missing = np.isnan(x)
    x = np.sort(x[~missing])
    max_bin = 255 - bool(missing.any())
    values, counts = [], []
    for v in x[np.abs(x) > ZERO]:
        if values and v <= above(values[-1]):
            values[-1] = v
            counts[-1] += 1
        else:
            values.append(v)
            counts.append(1)
    low = [i for i, v in enumerate(values) if v < 0]
    high = [i for i, v in enumerate(values) if v > 0]
    n_low, n_high = sum(counts[i] for i in low), sum(counts[i] for i in high)
    bounds = []
    if low:
        share = max(1, int(n_low / (n_low + n_high) * (max_bin - 1)))
        part = [values[i] for i in low], [counts[i] for i in low]
        bounds = [*greedy_bounds(*part, share, n_low)[:-1], -ZERO]
    room = max_bin - 1 - len(bounds)
    if high and room > 0:
        part = [values[i] for i in high], [counts[i] for i in high]
        bounds += [ZERO, *greedy_bounds(*part, room, n_high)]
    else:
        bounds.append(np.inf)
    return np.array(bounds), bool(missing.any())


def to_bins(x, bounds):
    """Bin of every value; NaN gets the number of bounds."""
    return np.where(np.isnan(x), len(bounds), np.searchsorted(bounds, x, side="left"))


class Leaf:
    """A set of training rows, given by the bins that reach it."""

    def __init__(self, bins, code, grad, hess, l2):
        self.bins, self.l2 = bins, l2
        rows = np.isin(code, list(bins))
        self.count = int(rows.sum())
        self.grad = grad[rows].sum()
        self.hess = hess[rows].sum()
        self.code, self.g, self.h = code[rows], grad[rows], hess[rows]

    def sums(self, b):
        """G, H and the inferred number of rows of one bin."""
        inside = self.code == b
        h = self.h[inside].sum()
        return self.g[inside].sum(), h, int(h * self.count / self.hess + 0.5)

    def best_split(self, n_bins, has_nan, implied):
        """Largest gain, and the bins that go left."""
        best = (0.0, None)
        if self.count == 0:
            return best
        values = sorted(self.bins - {n_bins})
        nan = self.bins & {n_bins}
        g_nan, h_nan, n_nan = self.sums(n_bins) if nan else (0.0, 0.0, 0)
        g, h, n = np.cumsum([(0.0, 0.0, 0), *map(self.sums, values)], axis=0).T

        def consider(left, g_left, h_left, n_left, n_right):
            nonlocal best
            h_right = self.hess - h_left
            if min(n_left, n_right) < 20 or min(h_left, h_right) < 1e-3:
                return
            gain = g_left**2 / (h_left + self.l2)
            gain += (self.grad - g_left) ** 2 / (h_right + self.l2)
            gain -= self.grad**2 / (self.hess + self.l2)
            if gain > best[0] * (1 + 1e-12):
                best = (gain, left)

        for i in range(len(values) - 1, 0, -1):  # NaN left
            n_right = n[-1] - n[i]
            left = set(values[:i]) | nan
            consider(left, g[i] + g_nan, h[i] + h_nan, self.count - n_right, n_right)
        if has_nan:
            for i in range(1, len(values) + 1):  # NaN right
                n_left = self.count - (n[-1] - n[i]) - n_nan if implied else n[i]
                consider(set(values[:i]), g[i], h[i], n_left, self.count - n_left)
        return best


def grow(code, grad, hess, l2, n_bins, has_nan, implied):
    """Output per bin (NaN last) of one tree, or None if it has a single leaf."""
    leaves = [Leaf(set(range(n_bins + has_nan)), code, grad, hess, l2)]
    splits = [leaves[0].best_split(n_bins, has_nan, implied)]
    while len(leaves) < 16:
        j = int(np.argmax([gain for gain, _ in splits]))
        if splits[j][1] is None:
            break
        left = splits[j][1]
        halves = [
            Leaf(bins, code, grad, hess, l2) for bins in (left, leaves[j].bins - left)
        ]
        leaves[j : j + 1] = halves[:1]
        splits[j] = halves[0].best_split(n_bins, has_nan, implied)
        leaves.append(halves[1])
        splits.append(halves[1].best_split(n_bins, has_nan, implied))
    if len(leaves) == 1:
        return None
    output = np.zeros(n_bins + 1)
    for leaf in leaves:
        output[list(leaf.bins)] = -0.1 * leaf.grad / (leaf.hess + l2)
    return output


def gradients(y, score, weight, loss):
    """First and second derivative per row and output."""
    if loss == SQUARED:
        return (score - y[:, None]) * weight, np.ones_like(score) * weight
    if loss == LOGLOSS:
        p = 1 / (1 + np.exp(-score))
        label = (y > 0)[:, None]
        factor = 1.0
    else:
        p = np.exp(score - score.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        label = y[:, None] == np.arange(score.shape[1])
        factor = score.shape[1] / (score.shape[1] - 1)
    grad, hess = (p - label) * weight, factor * p * (1 - p) * weight
    return grad.astype(np.float32).astype(float), hess.astype(np.float32).astype(float)


def mean_loss(y, score, weight, loss):
    """Weighted mean loss."""
    if loss == SQUARED:
        each = (y - score[:, 0]) ** 2
    elif loss == LOGLOSS:
        each = np.logaddexp(0, np.where(y > 0, -1, 1) * score[:, 0])
    else:
        each = np.logaddexp.reduce(score, axis=1) - score[np.arange(y.size), y]
    return np.average(each, weights=weight[:, 0])


def trainable(code, y, n_bins, loss, n_out):
    """Outputs that get trees: none if no cut leaves 20 rows on either side."""
    total = code.size
    below = [np.sum(code <= b) for b in range(n_bins + (code == n_bins).any() - 1)]
    if not any(20 <= n <= total - 20 for n in below):
        return []
    if loss == SQUARED:
        return [0]
    if loss == LOGLOSS:
        return [0] if 0 < np.sum(y > 0) < total else []
    return [k for k in range(n_out) if 0 < np.sum(y == k) < total]


def boost(x, y, init, weight, train, valid, loss, learn=None):
    """Drop of the mean validation loss; bins are learnt from the rows ``learn``."""
    bounds, _ = find_bounds(x[train if learn is None else learn])
    n_bins = len(bounds)
    zero = int(np.searchsorted(bounds, 0.0))
    x = np.where(np.abs(x) <= ZERO, 0.0, x)
    code = to_bins(x, bounds)
    weight = (np.ones(x.size) if weight is None else weight)[:, None]
    score = np.array(init, dtype=float).reshape(x.size, -1)
    has_nan = bool((code[train] == n_bins).any())
    if not has_nan:
        code[code == n_bins] = zero
    counts = np.bincount(code[train], minlength=n_bins + 1)
    fullest = int(np.argmax(counts))
    stored = fullest if counts[fullest] >= 0.7 * len(train) else zero
    implied = stored == 0 or n_bins == 1
    outputs = trainable(code[train], y[train], n_bins, loss, score.shape[1])
    start = mean_loss(y[valid], score[valid], weight[valid], loss)
    drops = []
    l2 = 0.0 if loss == SQUARED else 1.0
    for _ in range(100):
        grad, hess = gradients(y[train], score[train], weight[train], loss)
        trees = {
            k: grow(code[train], grad[:, k], hess[:, k], l2, n_bins, has_nan, implied)
            for k in outputs
        }
        for k, tree in trees.items():
            if tree is not None:
                score[:, k] += tree[code]
        drops.append(start - mean_loss(y[valid], score[valid], weight[valid], loss))
        if all(tree is None for tree in trees.values()):
            return max(drops[:-1], default=0.0)
        if len(drops) - 1 - int(np.argmax(drops)) >= 3:
            break
    return max(drops)
