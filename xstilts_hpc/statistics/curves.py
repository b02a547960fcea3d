"""Learning curves: how a score depends on the size of the intermediate training set, and which form fits best.

Four forms are compared by AICc (Hurvich and Tsai 1989): a constant, a line and a parabola in the logarithm of the size,
and a power law with an asymptote, y(n) = top - scale * (n + shift) ** -rate. The baseline is the size 0. A fitted form
is never asked for sizes beyond ten times the largest one it was fitted on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

# A form is not extrapolated further than so many times the largest size.
DECADE = 10.0
# Fewer sizes, the baseline among them, identify no power law.
FEWEST_SIZES = 6
_RATES = (0.05, 3.0)
_GRID, _ZOOMS, _SHRINK = 25, 6, 0.25
_SHARE = 0.9
# Errors smaller than this, in the units of the scores, are those of arithmetic.
_EXACT = 1e-9


class Form(StrEnum):
    """The forms that are compared."""

    CONSTANT = "constant"
    LINE = "log-linear"
    PARABOLA = "log-quadratic"
    POWER = "power law"


# How many parameters each has.
_PARAMETERS = {Form.CONSTANT: 1, Form.LINE: 2, Form.PARABOLA: 3, Form.POWER: 4}


@dataclass(frozen=True)
class Fit:
    """A fitted form: its parameters, the sum of squared errors, and the largest size it was fitted on.

    Parameters are (top, scale, shift, rate) for the power law, and coefficients by rising power of log10(n + unit) for
    the others, where `unit` is the smallest size above 0. `inside` says that no parameter lies at its bound.
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


def fits(sizes: Sequence[float] | Floats, scores: Sequence[float] | Floats, *, offsets: int = 0) -> list[Fit]:
    """Return the fits of all forms that the points allow, the best by AICc first; a point is a run.

    `offsets` counts what was fitted to the scores before, such as the means of sets of seeds.
    ValueError where there are no points, or a size is negative.
    """
    n, y = np.asarray(sizes, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if not len(n) or len(n) != len(y) or n.min() < 0:
        raise ValueError(f"a curve needs as many sizes as scores, none negative: {len(n)} sizes, {len(y)} scores")
    different = len(np.unique(n))
    found = [_polynomial(n, y, degree) for degree in range(min(3, different))]
    if different >= FEWEST_SIZES:
        found.append(power_law(n, y))
    return sorted(found, key=lambda fit: _aicc(fit.error, len(y), _PARAMETERS[fit.form] + offsets))


def _polynomial(n: Floats, y: Floats, degree: int) -> Fit:
    unit = _unit(n)
    x = np.log10(n + unit)
    parameters = np.polynomial.polynomial.polyfit(x, y, degree)
    error = float(np.sum((np.polynomial.polynomial.polyval(x, parameters) - y) ** 2))
    form = (Form.CONSTANT, Form.LINE, Form.PARABOLA)[degree]
    return Fit(form, tuple(map(float, parameters)), error, float(n.max()), unit)


def power_law(n: Floats, y: Floats) -> Fit:
    """Return the power law with the least squared error.

    For a given shift and rate the other two parameters follow from a straight line, so only these two are searched:
    on a grid, and then on finer and finer ones around the best point.
    """
    unit, largest = _unit(n), float(n.max())
    bounds = np.array([[math.log(unit / 10), math.log(largest)], list(map(math.log, _RATES))])
    low, high = bounds.T
    best = np.zeros(2)
    sizes, index, times = np.unique(n, return_inverse=True, return_counts=True)
    at_sizes = times.astype(np.float64), np.bincount(index, y - y.mean()).astype(np.float64)
    for _ in range(_ZOOMS):
        grid = np.stack(np.meshgrid(*np.linspace(low, high, _GRID).T, indexing="ij"), axis=-1).reshape(-1, 2)
        best = grid[int(np.argmax(_explained(sizes, *at_sizes, grid)))]
        half = _SHRINK * (high - low) / 2
        low, high = np.maximum(bounds[:, 0], best - half), np.minimum(bounds[:, 1], best + half)
    shift, rate = np.exp(best)
    z = (n + shift) ** -rate
    slope = float(np.sum((z - z.mean()) * (y - y.mean())) / np.sum((z - z.mean()) ** 2))
    top = float(y.mean() - slope * z.mean())
    error = float(np.sum((top + slope * z - y) ** 2))
    inside = bool(np.all(best > bounds[:, 0] + 1e-3) and np.all(best < bounds[:, 1] - 1e-3))
    parameters = top, -slope, float(shift), float(rate)
    return Fit(Form.POWER, parameters, error, largest, unit, inside)


def _explained(sizes: Floats, times: Floats, sums: Floats, grid: Floats) -> Floats:
    """Return what the best straight line explains of the squares, for each pair of log shift and log rate.

    `times` counts the values at each size, `sums` is what they sum up to around their overall mean.
    """
    z = (sizes + np.exp(grid[:, :1])) ** -np.exp(grid[:, 1:])
    z -= (z @ times / times.sum())[:, None]
    across = z @ sums
    # A basis that is the same everywhere, to rounding, explains nothing.
    own = z * z @ times
    explained: Floats = np.divide(across**2, own, out=np.zeros_like(own), where=own > np.finfo(float).tiny)
    return explained


def _unit(n: Floats) -> float:
    above = n[n > 0]
    return float(above.min()) if len(above) else 1.0


def _aicc(error: float, points: int, parameters: int) -> float:
    """Return AICc of a least-squares fit, its variance counted as a parameter; infinite where points are too few."""
    k = parameters + 1
    if points - k - 1 <= 0:
        return math.inf
    return points * math.log(max(error / points, _EXACT**2)) + 2 * k + 2 * k * (k + 1) / (points - k - 1)


@dataclass(frozen=True)
class Curve:
    """What is known of a curve: its fits, best first, intervals of n90 and of the scores at some sizes.

    `why_not` says why n90 is not identified ("" where it is). Bands are [sizes, 2], NaN without enough seeds.
    """

    fits: tuple[Fit, ...]
    why_not: str
    n90: float
    n90_interval: tuple[float, float]
    at: tuple[float, ...]
    band: Floats

    @property
    def best(self) -> Fit:
        """Return the form with the lowest AICc."""
        return self.fits[0]


def curve(
    sizes: Sequence[float],
    scores: Floats,
    *,
    at: Sequence[float],
    draws: int = 1_000,
    level: float = 0.95,
    seed: int = 0,
) -> Curve:
    """Fit a curve to `scores[seeds, sizes]` (NaN: no such run), with intervals by resampling the seeds.

    A set of seeds is drawn with all its sizes, so what a set has in common stays in common. Deviations from the mean
    are enlarged, since means of few resampled seeds vary too little (see _resampled). The form is that with the lowest
    AICc; n90 is identified where that is the power law inside its bounds, and so in nine of ten draws at least.
    """
    n = np.asarray(sizes, dtype=np.float64)
    found = tuple(fits(*_points(n, scores), offsets=0 if np.isnan(scores).any() else len(scores) - 1))
    best, nowhere = found[0], (math.nan, math.nan)
    why_not = _why_not(best, n)
    bands = np.full((len(at), 2), np.nan)
    if len(scores) < 3:
        return Curve(found, why_not or "fewer than 3 sets of seeds", math.nan, nowhere, tuple(at), bands)
    again = [_refit(best.form, *_points(n, drawn)) for drawn in _resampled(scores, draws, level, seed)]
    ends = [50 * (1 - level), 50 * (1 + level)]
    bands = np.percentile([fit.at(at) for fit in again], ends, axis=0).T
    if not why_not and np.mean([_why_not(fit, n) == "" for fit in again]) < 0.9:
        why_not = "other seeds would often leave it open"
    if why_not:
        return Curve(found, why_not, math.nan, nowhere, tuple(at), bands)
    low, high = np.percentile([fit.n90() for fit in again], ends)
    return Curve(found, "", best.n90(), (float(low), float(high)), tuple(at), bands)


def _points(n: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Return sizes and scores of the runs that there are, moved so that complete sets of seeds have one mean.

    What a set has in common at all sizes is no part of the form, and would hide it.
    """
    there = ~np.isnan(scores)
    if there.all():
        scores = scores - scores.mean(axis=1, keepdims=True) + scores.mean()
    return np.broadcast_to(n, scores.shape)[there], scores[there]


def _resampled(scores: Floats, draws: int, level: float, seed: int) -> list[Floats]:
    """Return scores of resampled seeds, their deviations enlarged so that the ends of an interval are Student's.

    The variance of a mean of resampled values lacks seeds / (seeds - 1), and its quantiles are those of a normal
    distribution, however few the seeds.
    """
    random, seeds = np.random.default_rng(seed), len(scores)
    students, normal = stats.t.ppf((1 + level) / 2, seeds - 1), stats.norm.ppf((1 + level) / 2)
    mean = np.nanmean(scores, axis=0)
    wider = mean + math.sqrt(seeds / (seeds - 1)) * students / normal * (scores - mean)
    return [wider[random.integers(0, seeds, seeds)] for _ in range(draws)]


def _refit(form: Form, n: Floats, y: Floats) -> Fit:
    if form is Form.POWER:
        return power_law(n, y)
    return _polynomial(n, y, (Form.CONSTANT, Form.LINE, Form.PARABOLA).index(form))


def _why_not(fit: Fit, n: Floats) -> str:
    """Return why a fit identifies no n90, "" where it does."""
    if len(np.unique(n)) < FEWEST_SIZES:
        return f"fewer than {FEWEST_SIZES} sizes"
    if fit.form is not Form.POWER:
        return f"a {fit.form} curve fits best"
    if not fit.inside:
        return "a parameter lies at its bound"
    if fit.n90() > DECADE * fit.largest:
        return f"it lies beyond {DECADE:g} times the largest size"
    return ""
