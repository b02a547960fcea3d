"""Which runs are handed over again: those whose last attempt ended in a way that the user names."""

from collections.abc import Collection, Sequence

from xstilts_hpc.causes import Cause
from xstilts_hpc.cluster.outlook import latest_submission
from xstilts_hpc.cluster.profile import Profile, load_profile
from xstilts_hpc.cluster.status import LOST, State, View
from xstilts_hpc.errors import ProfileError, RunError, nearest

_CAUSES = (*(str(cause) for cause in Cause if cause != Cause.COMPLETED), LOST)
_NOT_UNDER_WAY = (State.FAILED, State.BLOCKED, State.ELIGIBLE, State.WAITING)


def check_causes(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of causes; RunError where one is none."""
    for name in names:
        if name not in _CAUSES:
            raise RunError(f"--cause {name}: no attempt ends so; {nearest(name, _CAUSES)}")
    return tuple(names)


def to_retry(view: View, causes: Collection[str]) -> set[str]:
    """Return the runs that are not under way and whose last attempt ended so, with all that come after them.

    Without causes every failed run is taken.
    """
    chosen = {run_id for run_id in view.in_state(*_NOT_UNDER_WAY) if _is_meant(view, run_id, causes)}
    for run_id, planned in view.plan.runs.items():  # parents come before their children
        if planned.run.parent in chosen and view.standings[run_id].state in _NOT_UNDER_WAY:
            chosen.add(run_id)
    return chosen


def profile_for(view: View, name: str) -> Profile:
    """Return the profile of a name or, without one, that of the grid's latest submission."""
    if name:
        return load_profile(name)
    submission = latest_submission(view)
    if submission is None:
        raise ProfileError(f"grid {view.plan.name} was never submitted to Slurm; say where with --profile NAME")
    return Profile.model_validate(submission.profile)


def _is_meant(view: View, run_id: str, causes: Collection[str]) -> bool:
    standing = view.standings[run_id]
    if not causes:
        return standing.state == State.FAILED
    return (standing.cause or standing.attempt.get("cause", "")) in causes
