"""Which run of a plan is next on this machine."""

from collections.abc import Sequence

from xstilts_hpc.plan import PlannedRun


class Schedule:
    """Which run is next: a run's children come before other parents, so that results appear early."""

    def __init__(self, todo: Sequence[PlannedRun]) -> None:
        """Begin with the runs to do; those whose parent is done already come first."""
        here = {planned.run.id for planned in todo}
        ready = [planned for planned in todo if planned.run.parent not in here]
        self._ready = sorted(ready, key=lambda planned: not planned.run.parent)
        self._waiting = [planned for planned in todo if planned not in ready]

    def next(self) -> PlannedRun:
        """Take the next run; IndexError where none is ready."""
        return self._ready.pop(0)

    def has_next(self) -> bool:
        """Say whether a run is ready."""
        return bool(self._ready)

    def again(self, planned: PlannedRun) -> None:
        """Put a run first in line that is to start once more."""
        self._ready.insert(0, planned)

    def completed(self, parent: str) -> None:
        """Make the children of a run ready."""
        self._ready[:0] = self._take_children(parent)

    def failed(self, parent: str) -> list[PlannedRun]:
        """Give up the descendants of a run, and return them."""
        children = self._take_children(parent)
        return children + [later for child in children for later in self.failed(child.run.id)]

    def _take_children(self, parent: str) -> list[PlannedRun]:
        children = [planned for planned in self._waiting if planned.run.parent == parent]
        self._waiting = [planned for planned in self._waiting if planned.run.parent != parent]
        return children
