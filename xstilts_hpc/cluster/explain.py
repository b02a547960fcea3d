"""The history of one run: its attempts, why it stands where it stands, and what happens next. Changes nothing."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xstilts_hpc.cluster.attempts import last_line
from xstilts_hpc.cluster.failures import advice_for, failures_of
from xstilts_hpc.cluster.logs import log_of
from xstilts_hpc.cluster.reasons import in_words
from xstilts_hpc.cluster.status import Standing, State, View, look
from xstilts_hpc.cluster.succession import replaced_plans
from xstilts_hpc.errors import RunError
from xstilts_hpc.files import MALFORMED
from xstilts_hpc.next_command import within
from xstilts_hpc.plan import Plan, load_plan, plan_files
from xstilts_hpc.run_folder import RunFolder, run_folder

_LINE = 1 << 12  # more than a line of a history has

# The states of a run that somebody would have to hand over.
_LEFT = (State.WAITING, State.ELIGIBLE, State.FAILED, State.BLOCKED)


@dataclass(frozen=True)
class Explanation:
    """What there is to say of a run: its state, its attempts, Slurm's words if it holds it, and what happens next.

    It is `dropped` where only an earlier plan of its grid's name has it.
    """

    run: str
    grid: str
    state: str
    attempts: tuple[Mapping[str, Any], ...]
    log: str
    cause: str = ""
    now: str = ""
    slurm: Mapping[str, str] = field(default_factory=dict)
    next: str = ""
    dropped: bool = False

    def lines(self) -> Iterator[str]:
        """Yield the explanation as text."""
        grid = f"once of grid {self.grid}" if self.dropped else f"grid {self.grid}"
        yield f"{self.run}: {self.state}{f', {self.cause}' if self.cause else ''} ({grid})"
        for attempt in self.attempts:
            yield from _attempt_lines(attempt)
        if self.now:
            yield f"now: {self.now}"
        if self.slurm:
            yield "Slurm: " + ", ".join(f"{name} {value}" for name, value in self.slurm.items() if value)
        if self.log:
            yield f"log: {self.log}"
        yield f"next: {self.next}"


def explain(run_id: str, root: Path) -> Explanation:
    """Return the history of a run, from its folder, the plans that hold it, and what Slurm says."""
    plan, stands = _plan_of(run_id, root)
    view = look(_line_of(plan, run_id), root)
    standing = view.standings[run_id]
    attempts = tuple(run_folder(root, run_id).attempts())
    path = log_of(run_id, root)
    log, step = str(path) if path.is_file() else "", _next(view, run_id, standing)
    if not stands and standing.state in _LEFT:
        step = f"nothing: the grid {plan.name} that was submitted since does not ask for it"
    words = _slurm_words(view, run_id)
    now = _position(run_folder(root, run_id)) if standing.state == State.RUNNING else ""
    then = within(step, root)
    return Explanation(
        run_id, plan.name, str(standing.state), attempts, log, standing.cause, now, words, then, dropped=not stands
    )


def _plan_of(run_id: str, root: Path) -> tuple[Plan, bool]:
    """Return a submitted plan that holds a run, the latest first, and whether it still stands."""
    for path in reversed(plan_files(root)):
        plan = load_plan(path) if json.dumps(run_id).encode() in path.read_bytes() else None
        if plan and run_id in plan.runs:
            return plan, True
    for plan in replaced_plans(root):
        if run_id in plan.runs:
            return plan, False
    raise RunError(f"run {run_id} is in no submitted grid under {root}; submit a grid that needs it")


def _line_of(plan: Plan, run_id: str) -> Plan:
    """Return a plan of nothing but a run and its ancestors, on which its state depends."""
    line = [run_id]
    while plan.runs[line[0]].run.parent in plan.runs:
        line.insert(0, plan.runs[line[0]].run.parent)
    fields = {**vars(plan), "runs": {i: plan.runs[i] for i in line}, "cells": (), "excluded": ()}
    return Plan(**fields)


def _slurm_words(view: View, run_id: str) -> dict[str, str]:
    """Return what Slurm says of a run that it may hold; where it does not answer, that."""
    standing, slot = view.standings[run_id], view.queue.slots.get(run_id)
    if not slot or standing.state not in (State.SUBMITTED, State.RUNNING, State.FAILED):
        return {}
    if view.queue.problem:
        return {"element": slot.element, "does not answer:": view.queue.problem}
    element = standing.element
    if not element.word:
        return {}
    words = {"element": slot.element, "state": element.word, "reason": element.reason, "running for": element.ran}
    times = {"time left": element.left, "expected start": element.start if element.is_pending else ""}
    others = f"{len(slot.pack)} runs, one after another" if len(slot.pack) > 1 else ""
    return {
        name: value for name, value in {**words, **times, "on node": element.node, "holds": others}.items() if value
    }


def _attempt_lines(attempt: Mapping[str, Any]) -> Iterator[str]:
    cause = attempt.get("cause") or "has not ended"
    steps = f", updates {attempt.get('from_step', 0)} to {attempt['to_step']}" if "to_step" in attempt else ""
    job = (attempt.get("job") or {}).get("SLURM_JOB_ID", "")
    node = attempt.get("node") or attempt.get("host", "an unknown machine")
    where = f"on {node}" + (f", job {job}" if job else "")
    number, end = attempt.get("attempt", "?"), attempt.get("end") or "now"
    yield f"attempt {number}: {cause}{steps}; {attempt.get('start', '')} to {end} {where}"
    for task, chosen in attempt.get("subsets", {}).items():
        yield f"  subset of {task}: {chosen['examples']:,} examples, SHA-256 of their ids {chosen['ids_sha256']}"
    for note in attempt.get("checkpoints_passed_over", ()):
        yield f"  checkpoint passed over: {note}"
    if attempt.get("facts"):
        yield "  facts: " + ", ".join(f"{name} {value}" for name, value in attempt["facts"].items())
    if attempt.get("error"):
        yield f"  {last_line(str(attempt['error']))}"
    if attempt.get("decided"):
        yield f"  {attempt['decided']}"


def _position(folder: RunFolder) -> str:
    """Return how far a run is that goes on: the languages it has predicted, or its last update."""
    request = folder.request()
    updates, languages = folder.progress(request)
    if updates < 0 or folder.run().training is None:
        return f"predicting, {languages} of {sum(len(asked.data) for asked in request.predictions)} languages are done"
    with contextlib.suppress(OSError, *MALFORMED), folder.history.open("rb") as file:
        file.seek(max(0, folder.history.stat().st_size - _LINE))
        last = json.loads(file.read().rpartition(b"\n")[0].rpartition(b"\n")[2])
        return f"after update {last['step']} ({last['task']}), loss {last['loss']:.4g}"
    return "before its first update"


def _next(view: View, run_id: str, standing: Standing) -> str:
    plan = view.plan
    parent = plan.runs[run_id].run.parent
    again = f"`xstilts submit GRID --profile PROFILE` (the file of grid {plan.name})"
    return {
        State.WAITING: f"it starts once its parent {parent} is completed",
        State.ELIGIBLE: f"nothing holds it; hand it over with {again}",
        State.SUBMITTED: _when_it_starts(view, standing),
        State.RUNNING: f"it goes on{_after_the_end(standing)}; `xstilts logs {run_id} -f` shows it",
        State.COMPLETED: f"nothing; its products are in {run_folder(view.root, run_id).path}",
        State.FAILED: _after_failure(view, run_id) if standing.state == State.FAILED else "",
        State.BLOCKED: f"see `xstilts why {parent}`; once that is mended, `xstilts retry {plan.name}`",
    }[standing.state]


def _when_it_starts(view: View, standing: Standing) -> str:
    if view.queue.problem:
        return "Slurm does not say; ask again once it answers"
    if standing.element.is_running:
        return "it has its turn in its element, after the runs before it"
    again = "it goes on from where it stopped: " if standing.attempt else ""
    return again + in_words(standing.element.reason)


def _after_the_end(standing: Standing) -> str:
    """Say what happens at the end of a time limit, or after a requeue."""
    if standing.element.left:
        return f"; with {standing.element.left} left, when it saves and is requeued if it has not ended"
    return ""


def _after_failure(view: View, run_id: str) -> str:
    (group,) = [group for group in failures_of(view) if run_id in group.runs]
    return advice_for(group.cause, group.error, names={"run": run_id, "grid": view.plan.name})
