"""What is left to do of a grid, and when it is expected to be done, from the speed of finished runs."""

import time
from dataclasses import dataclass

from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.cluster.status import State, View
from xstilts_hpc.cluster.submission import Submission, submissions
from xstilts_hpc.forecast import flops, forecast, model_size


@dataclass(frozen=True)
class Outlook:
    """The runs left, their device hours and where that figure comes from, and the expected finish ("" is unknown).

    `at_once` is the number of runs that the finish takes to go on side by side; `assumption` says why, or why the
    finish is not known.
    """

    runs: int
    gpu_hours: float
    calibrated_by: int
    at_once: int
    finish: str
    assumption: str

    def __str__(self) -> str:
        """Say it in one line."""
        if not self.runs:
            return "nothing is left to do"
        source = f"by the speed of {self.calibrated_by} finished runs" if self.calibrated_by else "by an assumed speed"
        return (
            f"{self.runs:,} runs left: {self.gpu_hours:,.3g} GPU-hours ({source}); "
            f"expected finish: {self.finish or 'unknown'} ({self.assumption})"
        )


def outlook(view: View) -> Outlook:
    """Return what is left of a view's plan; the finish is unknown rather than guessed."""
    todo = [view.plan.runs[run_id] for run_id, state in view.states.items() if state != State.COMPLETED]
    if not todo:
        return Outlook(0, 0.0, 0, 0, "", "everything is done")
    cost = forecast(view.plan, root=view.root, todo=todo)
    at_once, why = _at_once(view)
    if not cost.calibrated_by:
        return Outlook(len(todo), cost.gpu_hours, 0, at_once, "", "no finished run of this grid tells its speed yet")
    if not at_once:
        return Outlook(len(todo), cost.gpu_hours, cost.calibrated_by, 0, "", why)
    ranks = _ranks(view)
    hours = max(cost.gpu_hours / (at_once * ranks), _longest_chain_hours(view, cost.tflops) / ranks)
    finish = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + hours * 3600))
    return Outlook(len(todo), cost.gpu_hours, cost.calibrated_by, at_once, finish, why)


def latest_submission(view: View) -> Submission | None:
    """Return the latest submission of a view's own grid, if there is any."""
    own = [submission for submission in submissions(view.root) if submission.grid == view.plan.name]
    return own[-1] if own else None


def _at_once(view: View) -> tuple[int, str]:
    """Return how many runs may be taken to go on side by side, and why; 0 where nothing says it."""
    running, queued = (len(view.in_state(state)) for state in (State.RUNNING, State.SUBMITTED))
    submission = latest_submission(view)
    most = int(submission.profile.get("max_parallel", 0)) if submission else 0
    if running:
        return running, f"if {running} runs go on at once, as now"
    if queued and most:
        return most, f"if {most} runs go on at once, as the profile allows"
    return 0, "nothing runs" if not queued else "nothing runs yet, and the profile sets no max_parallel"


def _ranks(view: View) -> int:
    """Return the devices of one run: those of the last attempt of a run that goes on, else the profile's."""
    running = [int(view.standings[run_id].attempt.get("ranks", 0)) for run_id in view.in_state(State.RUNNING)]
    submission = latest_submission(view)
    profile = Profile.model_validate(submission.profile).num_ranks if submission else 1
    return max(1, *running, 0 if any(running) else profile)


def _longest_chain_hours(view: View, tflops: float) -> float:
    """Return the device hours of the longest way from a parent to its child among the runs left."""
    size = model_size(next(iter(view.plan.runs.values())).run.model, view.root)
    hours: dict[str, float] = {}
    for run_id, planned in view.plan.runs.items():
        if view.standings[run_id].state != State.COMPLETED:
            own = flops(planned, size) / (tflops * 1e12) / 3600
            hours[run_id] = own + hours.get(planned.run.parent, 0.0)
    return max(hours.values(), default=0.0)
