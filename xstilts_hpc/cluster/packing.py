"""Which runs share an element, and how long an element may take: pure functions of estimated minutes."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

# The runs of one element, executed one after another, or some of them at once.
Pack = tuple[str, ...]
# From an estimate to a time limit: what a run may take longer than estimated, and the start of its processes.
_MARGIN, _START_MIN = 1.5, 10.0
_LIMITS_MIN = (30, 60, 120, 240, 480, 720, 1440)
# Elements of one time limit that make an array of their own; fewer go into the array of the next longer limit.
_FEWEST = 4


@dataclass(frozen=True)
class Shape:
    """What shapes elements and arrays.

    `minutes` leads from a run to its estimate; a run without one is never packed, and its element gets the whole
    `time_min` of the profile (0: not known here). Packs are filled up to `pack_min` estimated minutes; 0 packs nothing.
    `at_once` runs of a pack are executed side by side: so many share an element whatever their estimates, unless they
    are known to exceed `time_min`. Side by side they take no longer than one after another, which limits reckon with.
    """

    max_array_size: int = 1001
    time_min: int = 0
    pack_min: float = 0.0
    minutes: Mapping[str, float] = field(default_factory=dict)
    at_once: int = 1

    def estimate(self, pack: Iterable[str]) -> float:
        """Return the estimated minutes of runs one after another, infinite where one of them has no estimate."""
        return sum(self.minutes.get(run_id, math.inf) for run_id in pack)

    def fits(self, pack: Iterable[str]) -> bool:
        """Say whether runs may share an element: no longer than a pack, nor than the profile's time limit holds."""
        return self.pack_min > 0 and self.estimate(pack) <= min(self.pack_min, self._held())

    def fits_at_once(self, pack: Pack) -> bool:
        """Say whether runs may share an element side by side: all at once, and not known to take too long."""
        minutes = self.estimate(pack)
        return len(pack) <= self.at_once and (minutes <= self._held() or math.isinf(minutes))

    def _held(self) -> float:
        return (self.time_min - _START_MIN) / _MARGIN if self.time_min else math.inf

    def limit_min(self, packs: Iterable[Pack]) -> int:
        """Return the time limit of an array: what its longest element needs, rounded up; `time_min` at most."""
        longest = max(map(self.estimate, packs))
        if math.isinf(longest):
            return self.time_min
        needed = longest * _MARGIN + _START_MIN
        days = math.ceil(needed / _LIMITS_MIN[-1]) * _LIMITS_MIN[-1]
        rounded = next((limit for limit in _LIMITS_MIN if needed <= limit), days)
        return min(rounded, self.time_min) if self.time_min else rounded


def packed(groups: Sequence[Pack], shape: Shape) -> list[Pack]:
    """Return groups of runs, put together as long as they fit; what fits no pack stands alone and first.

    A group is never divided. The longest come first, so that the k-th packs of several parents are alike.
    """
    if not shape.pack_min and shape.at_once == 1:
        return list(groups)
    packs: list[Pack] = []
    for group in sorted(groups, key=lambda group: -shape.estimate(group)):
        if packs and (shape.fits(packs[-1] + group) or shape.fits_at_once(packs[-1] + group)):
            packs[-1] += group
        else:
            packs.append(group)
    return packs


def by_limit(packs: Iterable[Pack], shape: Shape) -> Iterator[list[Pack]]:
    """Yield packs by the time limit they need, shortest first; few of one limit follow those of the next longer one."""
    classes: dict[float, list[Pack]] = {}
    for pack in packs:
        classes.setdefault(shape.limit_min([pack]) or math.inf, []).append(pack)
    gathered: list[Pack] = []
    for limit in sorted(classes):
        gathered = classes[limit] + gathered
        if len(gathered) >= _FEWEST:
            yield gathered
            gathered = []
    if gathered:
        yield gathered
