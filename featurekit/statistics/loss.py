"""Losses: value, gradient and hessian at raw scores, and LightGBM's name for each.

A loss of numbers knows the location and the scale of its target: its *labels* are
standardised in float64, then rounded to the float32 that LightGBM stores. Raw scores,
gradients and losses are in these units, so that neither the unit nor the offset of a
target changes what a model or a threshold does; ``unit`` turns a loss back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax

Floats = NDArray[np.float64]


def _average(x: Floats, weight: Floats | None) -> Any:
    return np.average(x, axis=0, weights=weight)


def _exponent(y: Floats) -> int:
    """The power of two by which the largest value is below 1."""
    return int(np.frexp(np.abs(y).max())[1])


@dataclass(frozen=True)
class Squared:
    """Squared error, halved in the gradient as usual: g = s - y, h = 1.

    Attributes
    ----------
    exponent : int
        The target is divided by this power of two first, so that nothing overflows.
    centre, scale : float
        Subtracted, and divided by, after that.
    """

    exponent: int = 0
    centre: float = 0.0
    scale: float = 1.0

    n_outputs = 1
    squared = True
    l2 = 0.0

    @classmethod
    def of(cls, y: Floats) -> Squared:
        """The loss of a target: its median, and its standard deviation."""
        exponent = _exponent(y)
        values = np.ldexp(y, -exponent)
        centre = float(np.median(values))
        return cls(exponent, centre, float((values - centre).std()) or 1.0)

    @property
    def params(self) -> dict[str, Any]:
        """LightGBM's parameters."""
        return {"objective": "regression"}

    @property
    def size(self) -> float:
        """What an error of 1 is in the units of the target."""
        return float(np.ldexp(self.scale, self.exponent))

    @property
    def unit(self) -> float:
        """What a loss of 1 is in the units of the target; may overflow to infinity."""
        with np.errstate(over="ignore", under="ignore"):
            return float(np.ldexp(self.scale**2, 2 * self.exponent))

    def scores(self, values: Floats) -> Floats:
        """Raw scores of predictions in the units of the target."""
        return (np.ldexp(values, -self.exponent) - self.centre) / self.scale

    def labels(self, y: Floats) -> Floats:
        """The target as models see it (n,)."""
        return self.scores(y).astype(np.float32).astype(np.float64)

    def constant(self, labels: Floats, weight: Floats | None = None) -> Floats:
        """Best constant raw score for labels, shape (K,)."""
        return np.array([_average(labels, weight)])

    def baseline(self, y: Floats, weight: Floats | None = None) -> Floats:
        """Best constant raw score for a target, shape (K,)."""
        return self.constant(self.labels(y), weight)

    def gradients(self, y: Floats, raw: Floats) -> tuple[Floats, Floats]:
        """Gradient and hessian per row, each of shape (n, K)."""
        g = raw - self.labels(y)[:, None]
        return g, np.ones_like(g)

    def per_row(self, y: Floats, raw: Floats) -> Floats:
        """Loss per row, shape (n,)."""
        return (self.labels(y) - raw[:, 0]) ** 2


@dataclass(frozen=True)
class Absolute(Squared):
    """Absolute error; its gradient is a sign, its hessian taken as one."""

    @classmethod
    def of(cls, y: Floats) -> Absolute:
        """The loss of a target: its median, and the median distance from it."""
        exponent = _exponent(y)
        values = np.ldexp(y, -exponent)
        centre = float(np.median(values))
        away = np.abs(values - centre)
        return cls(exponent, centre, float(np.median(away) or away.mean()) or 1.0)

    @property
    def params(self) -> dict[str, Any]:
        """LightGBM's parameters."""
        return {"objective": "regression_l1"}

    @property
    def unit(self) -> float:
        """What a loss of 1 is in the units of the target."""
        return self.size

    def constant(self, labels: Floats, weight: Floats | None = None) -> Floats:
        """The median (the weighted one where there are weights), shape (1,)."""
        if weight is None:
            return np.array([np.median(labels)])
        order = np.argsort(labels)
        total = np.cumsum(weight[order])
        return np.array([labels[order[np.searchsorted(total, 0.5 * total[-1])]]])

    def gradients(self, y: Floats, raw: Floats) -> tuple[Floats, Floats]:
        """Sign of the error, scaled to its mean size so that steps fit, and one."""
        error = raw - self.labels(y)[:, None]
        scale = np.abs(error).mean() or 1.0
        return np.sign(error) * scale, np.ones_like(error)

    def per_row(self, y: Floats, raw: Floats) -> Floats:
        """Loss per row, shape (n,)."""
        return np.abs(self.labels(y) - raw[:, 0])


class _OfClasses:
    """What losses of class codes share: labels are the codes, and nothing is scaled."""

    squared = False
    l2 = 1.0
    """Without a penalty, a leaf with rows of a rare class only grows without bound."""
    size = 1.0
    unit = 1.0

    def labels(self, y: Floats) -> Floats:
        """The class codes as they are (n,)."""
        return y


@dataclass(frozen=True)
class LogLoss(_OfClasses):
    """Binary log-loss of y in {0, 1} at log-odds."""

    n_outputs: int = 1

    @property
    def params(self) -> dict[str, Any]:
        """LightGBM's parameters."""
        return {"objective": "binary", "lambda_l2": self.l2}

    def constant(self, labels: Floats, weight: Floats | None = None) -> Floats:
        """Log-odds of the mean, shape (1,); an absent class counts as half a row."""
        least = 0.5 / (len(labels) + 1)
        p = np.clip(_average(labels, weight), least, 1 - least)
        return np.array([np.log(p / (1 - p))])

    def baseline(self, y: Floats, weight: Floats | None = None) -> Floats:
        """Best constant raw score for a target, shape (K,)."""
        return self.constant(y, weight)

    def gradients(self, y: Floats, raw: Floats) -> tuple[Floats, Floats]:
        """Gradient and hessian per row, each of shape (n, K)."""
        p = expit(raw)
        return p - y[:, None], p * (1 - p)

    def per_row(self, y: Floats, raw: Floats) -> Floats:
        """Loss per row, shape (n,)."""
        return np.logaddexp(0.0, raw[:, 0]) - y * raw[:, 0]


@dataclass(frozen=True)
class MultiLogLoss(_OfClasses):
    """Log-loss of class codes y in 0..K-1 at softmax scores."""

    n_outputs: int

    @property
    def params(self) -> dict[str, Any]:
        """LightGBM's parameters."""
        return {
            "objective": "multiclass",
            "num_class": self.n_outputs,
            "lambda_l2": self.l2,
        }

    def constant(self, labels: Floats, weight: Floats | None = None) -> Floats:
        """Log of the class shares, shape (K,); an absent class counts as half a row."""
        rows = np.bincount(labels.astype(np.int64), weight, minlength=self.n_outputs)
        return np.log(np.maximum(rows / rows.sum(), 0.5 / (len(labels) + 1)))

    def baseline(self, y: Floats, weight: Floats | None = None) -> Floats:
        """Best constant raw score for a target, shape (K,)."""
        return self.constant(y, weight)

    def gradients(self, y: Floats, raw: Floats) -> tuple[Floats, Floats]:
        """Gradient and hessian per row, (n, K); the hessian with LightGBM's factor."""
        p = softmax(raw, axis=1)
        g = p.copy()
        g[np.arange(len(y)), y.astype(np.int64)] -= 1.0
        return g, self.n_outputs / (self.n_outputs - 1) * p * (1 - p)

    def per_row(self, y: Floats, raw: Floats) -> Floats:
        """Loss per row, shape (n,)."""
        return -log_softmax(raw, axis=1)[np.arange(len(y)), y.astype(np.int64)]


@dataclass(frozen=True)
class Poisson:
    """Poisson deviance of counts y >= 0 at the logarithm of the rate.

    Attributes
    ----------
    exponent : int
        The target is divided by this power of two first, so that nothing overflows.
    scale : float
        Divided by after that: the variance of a count over its mean, which is 1 for
        counts of a Poisson distribution and follows the unit of any other quantity.
    """

    exponent: int = 0
    scale: float = 1.0

    n_outputs = 1
    squared = False
    l2 = 1.0

    @classmethod
    def of(cls, y: Floats) -> Poisson:
        """The loss of a target, with its dispersion."""
        exponent = _exponent(y)
        values = np.ldexp(y, -exponent)
        return cls(exponent, float(values.var() / values.mean()) or 1.0)

    @property
    def params(self) -> dict[str, Any]:
        """LightGBM's parameters."""
        return {"objective": "poisson", "lambda_l2": self.l2}

    @property
    def size(self) -> float:
        """What a count of 1 is in the units of the target."""
        return float(np.ldexp(self.scale, self.exponent))

    @property
    def unit(self) -> float:
        """What a loss of 1 is in the units of the target."""
        return self.size

    def scores(self, values: Floats) -> Floats:
        """Raw scores of predictions in the units of the target."""
        counts = np.ldexp(values, -self.exponent) / self.scale
        return np.log(np.maximum(counts, 1e-12))

    def labels(self, y: Floats) -> Floats:
        """The target as models see it (n,)."""
        counts = np.ldexp(y, -self.exponent) / self.scale
        return counts.astype(np.float32).astype(np.float64)

    def constant(self, labels: Floats, weight: Floats | None = None) -> Floats:
        """Logarithm of the mean, shape (1,); of no counts, of half a one."""
        return np.array(
            [np.log(max(_average(labels, weight), 0.5 / (len(labels) + 1)))]
        )

    def baseline(self, y: Floats, weight: Floats | None = None) -> Floats:
        """Best constant raw score for a target, shape (K,)."""
        return self.constant(self.labels(y), weight)

    def gradients(self, y: Floats, raw: Floats) -> tuple[Floats, Floats]:
        """Gradient and hessian per row, each of shape (n, K)."""
        rate = np.exp(np.minimum(raw, 50.0))
        return rate - self.labels(y)[:, None], rate

    def per_row(self, y: Floats, raw: Floats) -> Floats:
        """Deviance per row, shape (n,)."""
        s, y = raw[:, 0], self.labels(y)
        rate = np.exp(np.minimum(s, 50.0))
        ylogy = y * np.log(np.where(y > 0, y, 1.0))
        return 2.0 * (ylogy - y * s - y + rate)


Loss = Squared | Absolute | LogLoss | MultiLogLoss | Poisson
