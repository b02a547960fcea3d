"""The forms a learning curve may have, fitted to the mean score at each size by generalised least squares.

A constant, a line and a parabola in the logarithm of the size, and a power law with an asymptote,
y(n) = top - scale * (n + shift) ** -rate. The baseline is the size 0. A fitted form is never asked for sizes beyond ten
times the largest one it was fitted on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A form is not extrapolated further than so many times the largest size.
DECADE = 10.0
# Fewer sizes, the baseline among them, identify no power law.
FEWEST_SIZES = 6
_RATES = (0.05, 3.0)
_GRID, _ZOOMS, _SHRINK = 25, 6, 0.25
_SHARE = 0.9
# Added to variances, in the units of the scores: errors smaller than this are those of arithmetic.
EXACT = 1e-9


class Form(StrEnum):
    """The forms that are compared."""

    CONSTANT = "constant"
    LINE = "log-linear"
    PARABOLA = "log-quadratic"
    POWER = "power law"


# How many parameters each has.
PARAMETERS = {Form.CONSTANT: 1, Form.LINE: 2, Form.PARABOLA: 3, Form.POWER: 4}
_POLYNOMIALS = (Form.CONSTANT, Form.LINE, Form.PARABOLA)


@dataclass(frozen=True)
class Fit:
    """A fitted form: its parameters, the error, and the largest size it was fitted on.

    Parameters are (top, scale, shift, rate) for the power law, and coefficients by rising power of log10(n + unit) for
    the others, where `unit` is the smallest size above 0. `error` is the sum of squares in units of the covariance.
    `inside` says that no parameter lies at its bound.
    """

    form: Form
    parameters: tuple[float, ...]
    error: float
    largest: float
    unit: float
    inside: bool = True

    def at(self, sizes: Sequence[float] | Floats) -> Floats:
        """Return the fitted scores, NaN beyond ten times the largest size."""
        n = np.asarray(sizes, dtype=np.float64)
        values: NDArray[np.floating]
        if self.form is Form.POWER:
            top, scale, shift, rate = self.parameters
            values = top - scale * (n + shift) ** -rate
        else:
            values = np.polynomial.polynomial.polyval(np.log10(n + self.unit), self.parameters)
        return np.where(n <= DECADE * self.largest, values, np.nan).astype(np.float64)

    def n90(self) -> float:
        """Return the size that gives 90 % of what a power law gains from size 0 to infinity; NaN for other forms."""
        if self.form is not Form.POWER:
            return math.nan
        _, _, shift, rate = self.parameters
        return float(shift * ((1 - _SHARE) ** (-1 / rate) - 1))


@dataclass(frozen=True)
class Sizes:
    """The sizes `[sizes]` of a curve, and what takes the covariance out of scores: `whiten @ scores` vary alone."""

    n: Floats
    whiten: Floats

    @classmethod
    def of(cls, sizes: Sequence[float] | Floats, covariance: Floats) -> "Sizes":
        """Return sizes whose scores have a covariance `[sizes, sizes]`.

        ValueError where there are no sizes, or one is negative.
        """
        n = np.asarray(sizes, dtype=np.float64)
        if not len(n) or n.min() < 0:
            raise ValueError(f"a curve needs sizes, none negative: {len(n)} sizes, the least {min(n, default=0):g}")
        lower = np.linalg.cholesky(covariance + EXACT**2 * np.eye(len(n)))
        return cls(n, np.linalg.inv(lower))

    @property
    def unit(self) -> float:
        """Return the smallest size above 0, which is added to sizes before their logarithm."""
        above = self.n[self.n > 0]
        return float(above.min()) if len(above) else 1.0

    def forms(self) -> tuple[Form, ...]:
        """Return the forms that so many sizes allow."""
        power = (Form.POWER,) if len(self.n) >= FEWEST_SIZES else ()
        return (*_POLYNOMIALS[: len(self.n)], *power)

    def fit(self, form: Form, scores: Floats) -> Fit:
        """Return a form with the least error on the mean score at each size."""
        return self._power_law(scores) if form is Form.POWER else self._polynomial(form, scores)

    def _polynomial(self, form: Form, scores: Floats) -> Fit:
        powers = np.vander(np.log10(self.n + self.unit), PARAMETERS[form], increasing=True)
        parameters = np.linalg.lstsq(self.whiten @ powers, self.whiten @ scores, rcond=None)[0]
        return self._found(form, tuple(map(float, parameters)), scores)

    def _power_law(self, scores: Floats) -> Fit:
        """Return the power law with the least error.

        For a given shift and rate the other two parameters follow from a straight line, so only these two are searched:
        on a grid, and then on finer and finer ones around the best point.
        """
        bounds = np.array([[math.log(self.unit / 10), math.log(self.n.max())], list(map(math.log, _RATES))])
        low, high = bounds.T
        best = np.zeros(2)
        for _ in range(_ZOOMS):
            grid = np.stack(np.meshgrid(*np.linspace(low, high, _GRID).T, indexing="ij"), axis=-1).reshape(-1, 2)
            best = grid[int(np.argmax(self._explained(scores, grid)))]
            half = _SHRINK * (high - low) / 2
            low, high = np.maximum(bounds[:, 0], best - half), np.minimum(bounds[:, 1], best + half)
        shift, rate = map(float, np.exp(best))
        line = np.column_stack([np.ones(len(self.n)), -((self.n + shift) ** -rate)])
        top, scale = np.linalg.lstsq(self.whiten @ line, self.whiten @ scores, rcond=None)[0].tolist()
        inside = bool(np.all(best > bounds[:, 0] + 1e-3) and np.all(best < bounds[:, 1] - 1e-3))
        return self._found(Form.POWER, (top, scale, shift, rate), scores, inside=inside)

    def _explained(self, scores: Floats, grid: Floats) -> Floats:
        """Return what the best straight line explains of the squares, for each pair of log shift and log rate."""
        one = self.whiten @ np.ones(len(self.n))
        one /= np.linalg.norm(one)
        z = (self.n + np.exp(grid[:, :1])) ** -np.exp(grid[:, 1:]) @ self.whiten.T
        z -= np.outer(z @ one, one)
        across = z @ (self.whiten @ scores)
        own = np.sum(z * z, axis=1)
        # A basis that is the same everywhere, to rounding, explains nothing.
        explained: Floats = np.divide(across**2, own, out=np.zeros_like(own), where=own > np.finfo(float).tiny)
        return explained

    def _found(self, form: Form, parameters: tuple[float, ...], scores: Floats, *, inside: bool = True) -> Fit:
        fit = Fit(form, parameters, 0.0, float(self.n.max()), self.unit, inside)
        error = float(np.sum((self.whiten @ (scores - fit.at(self.n))) ** 2))
        return Fit(form, parameters, error, fit.largest, self.unit, inside)
