"""Losses: value, gradient and hessian at raw scores, and LightGBM's name for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax

Floats = NDArray[np.float64]


def _average(x: Floats, weight: Floats | None) -> Any:
    return np.average(x, axis=0, weights=weight)


@dataclass(frozen=True)
class Squared:
    """Squared error, halved in the gradient as usual: g = s - y, h = 1."""

    n_outputs: int = 1
    squared: bool = True
    params: dict[str, Any] = field(default_factory=lambda: {"objective": "regression"})

    def baseline(self, y: Floats, weight: Floats | None = None) -> Floats:
        """Best constant raw score, shape (K,)."""
        return np.array([_average(y, weight)])

    def gradients(self, y: Floats, raw: Floats) -> tuple[Floats, Floats]:
        """Gradient and hessian per row, each of shape (n, K)."""
        g = raw - y[:, None]
        return g, np.ones_like(g)

    def per_row(self, y: Floats, raw: Floats) -> Floats:
        """Loss per row, shape (n,)."""
        return (y - raw[:, 0]) ** 2


@dataclass(frozen=True)
class Absolute(Squared):
    """Absolute error; its gradient is a sign, its hessian taken as one."""

    params: dict[str, Any] = field(
        default_factory=lambda: {"objective": "regression_l1"}
    )

    def baseline(self, y: Floats, weight: Floats | None = None) -> Floats:
        """The median (the weighted one where there are weights), shape (1,)."""
        if weight is None:
            return np.array([np.median(y)])
        order = np.argsort(y)
        total = np.cumsum(weight[order])
        return np.array([y[order[np.searchsorted(total, 0.5 * total[-1])]]])

    def gradients(self, y: Floats, raw: Floats) -> tuple[Floats, Floats]:
        """Sign of the error, scaled to its mean size so that steps fit, and one."""
        error = raw - y[:, None]
        scale = np.abs(error).mean() or 1.0
        return np.sign(error) * scale, np.ones_like(error)

    def per_row(self, y: Floats, raw: Floats) -> Floats:
        """Loss per row, shape (n,)."""
        return np.abs(y - raw[:, 0])


@dataclass(frozen=True)
class LogLoss:
    """Binary log-loss of y in {0, 1} at log-odds."""

    n_outputs: int = 1
    squared: bool = False
    params: dict[str, Any] = field(default_factory=lambda: {"objective": "binary"})

    def baseline(self, y: Floats, weight: Floats | None = None) -> Floats:
        """Log-odds of the mean, shape (1,)."""
        p = np.clip(_average(y, weight), 1e-6, 1 - 1e-6)
        return np.array([np.log(p / (1 - p))])

    def gradients(self, y: Floats, raw: Floats) -> tuple[Floats, Floats]:
        """Gradient and hessian per row, each of shape (n, K)."""
        p = expit(raw)
        return p - y[:, None], p * (1 - p)

    def per_row(self, y: Floats, raw: Floats) -> Floats:
        """Loss per row, shape (n,)."""
        return np.logaddexp(0.0, raw[:, 0]) - y * raw[:, 0]


@dataclass(frozen=True)
class MultiLogLoss:
    """Log-loss of class codes y in 0..K-1 at softmax scores."""

    n_outputs: int
    squared: bool = False

    @property
    def params(self) -> dict[str, Any]:
        """LightGBM's parameters.

        Without a penalty the leaves of a class of a few rows grow without bound.
        """
        return {
            "objective": "multiclass",
            "num_class": self.n_outputs,
            "lambda_l2": 1.0,
        }

    def baseline(self, y: Floats, weight: Floats | None = None) -> Floats:
        """Log of the class shares, shape (K,)."""
        share = np.bincount(y.astype(np.int64), weight, minlength=self.n_outputs)
        return np.log(np.maximum(share / share.sum(), 1e-6))

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
    """Poisson deviance of counts y >= 0 at the logarithm of the rate."""

    n_outputs: int = 1
    squared: bool = False
    params: dict[str, Any] = field(default_factory=lambda: {"objective": "poisson"})

    def baseline(self, y: Floats, weight: Floats | None = None) -> Floats:
        """Logarithm of the mean, shape (1,)."""
        return np.array([np.log(max(_average(y, weight), 1e-12))])

    def gradients(self, y: Floats, raw: Floats) -> tuple[Floats, Floats]:
        """Gradient and hessian per row, each of shape (n, K)."""
        rate = np.exp(np.minimum(raw, 50.0))
        return rate - y[:, None], rate

    def per_row(self, y: Floats, raw: Floats) -> Floats:
        """Deviance per row, shape (n,)."""
        s = raw[:, 0]
        rate = np.exp(np.minimum(s, 50.0))
        ylogy = y * np.log(np.where(y > 0, y, 1.0))
        return 2.0 * (ylogy - y * s - y + rate)


Loss = Squared | Absolute | LogLoss | MultiLogLoss | Poisson
