"""The history of one run: its attempts, why it stands where it stands, and what happens next. Changes nothing."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.status import State, states
from xstilts_hpc.cluster.submission import latest_elements, submissions
from xstilts_hpc.errors import ClusterError, RunError
from xstilts_hpc.plan import Plan, load_plan
from xstilts_hpc.run import RunFolder, run_folder

_ASK_S = 10.0
_POLL_S = 0.5
_PIECE = 1 << 16


@dataclass(frozen=True)
class Explanation:
    """What there is to say of a run: its state, its attempts, Slurm's words if it holds it, and what happens next."""

    run: str
    grid: str
    state: str
    attempts: tuple[Mapping[str, Any], ...]
    log: str
    slurm: Mapping[str, str] = field(default_factory=dict)
    next: str = ""

    def lines(self) -> Iterator[str]:
        """Yield the explanation as text."""
        yield f"{self.run}: {self.state} (grid {self.grid})"
        for attempt in self.attempts:
            yield from _attempt_lines(attempt)
        if self.slurm:
            yield "Slurm: " + ", ".join(f"{name} {value}" for name, value in self.slurm.items() if value)
        if self.log:
            yield f"log: {self.log}"
        yield f"next: {self.next}"


def explain(run_id: str, root: Path) -> Explanation:
    """Return the history of a run, from its folder, the plans that hold it, and what Slurm says."""
    plan, folder = _plan_of(run_id, root), run_folder(root, run_id)
    state = states(plan, root)[run_id]
    queued = state in (State.SUBMITTED, State.RUNNING)
    words = _slurm_words(latest_elements(root).get(run_id, "")) if queued else {}
    step = _next(plan, run_id, state, root)
    return Explanation(run_id, plan.name, str(state), tuple(folder.attempts()), str(_log(run_id, root)), words, step)


def follow(run_id: str, root: Path, *, on: bool, write: Callable[[str], None]) -> Path:
    """Write a run's log and, with `on`, what is added to it until the run has ended; return its path."""
    path = _log(run_id, root)
    if not path.is_file():
        raise RunError(f"run {run_id} has no log yet; `xstilts why {run_id}` says where it stands")
    with path.open(encoding="utf-8", errors="replace") as file:
        while True:
            piece = file.read(_PIECE)
            if piece:
                write(piece)
            elif not on or _ended(run_folder(root, run_id)):
                write(file.read())
                return path
            else:
                time.sleep(_POLL_S)


def _ended(folder: RunFolder) -> bool:
    attempts = folder.attempts()
    return bool(attempts) and bool(attempts[-1].get("end"))


def _plan_of(run_id: str, root: Path) -> Plan:
    """Return a submitted plan that holds a run, the latest first."""
    paths = sorted((root / "grids").glob("*/plan.json"), key=lambda path: -path.stat().st_mtime)
    for path in paths:
        plan = load_plan(path) if json.dumps(run_id) in path.read_text(encoding="utf-8") else None
        if plan and run_id in plan.runs:
            return plan
    raise RunError(f"run {run_id} is in no submitted grid under {root}; submit a grid that needs it")


def _log(run_id: str, root: Path) -> Path:
    """Return the newer of the logs that Slurm and this machine's pool wrote."""
    own = run_folder(root, run_id).log
    slurms = [submission.log(run_id) for submission in submissions(root) if run_id in submission.elements]
    paths = [path for path in (own, *slurms[-1:]) if path.is_file()]
    return max(paths, key=lambda path: path.stat().st_mtime, default=own)


def _slurm_words(element: str) -> dict[str, str]:
    """Return what Slurm says of an element; where it does not answer, that."""
    if not element:
        return {}
    try:
        answer = slurm.answer(["squeue", "-h", "-j", element, "-o", "%T|%r|%M|%L|%N"], timeout_s=_ASK_S)
    except ClusterError as error:
        return {"element": element, "does not answer:": str(error)}
    names = ("state", "reason", "running for", "time left", "on node")
    values = (answer.strip().splitlines() or ["|||||"])[0].split("|")
    return {"element": element, **{name: value for name, value in zip(names, values, strict=False) if value != "None"}}


def _attempt_lines(attempt: Mapping[str, Any]) -> Iterator[str]:
    cause = attempt.get("cause") or "has not ended"
    steps = f", updates {attempt.get('from_step', 0)} to {attempt['to_step']}" if "to_step" in attempt else ""
    job = attempt.get("job", {}).get("SLURM_JOB_ID", "")
    where = f"on {attempt['host']}" + (f", job {job}" if job else "")
    yield f"attempt {attempt['attempt']}: {cause}{steps}; {attempt['start']} to {attempt.get('end') or 'now'} {where}"
    for note in attempt.get("checkpoints_passed_over", ()):
        yield f"  checkpoint passed over: {note}"
    if attempt.get("error"):
        yield f"  {str(attempt['error']).strip().splitlines()[-1]}"


def _next(plan: Plan, run_id: str, state: State, root: Path) -> str:
    parent = plan.runs[run_id].run.parent
    again = f"xstilts submit GRID --profile PROFILE (the file of grid {plan.name})"
    return {
        State.WAITING: f"it starts once its parent {parent} is completed",
        State.ELIGIBLE: f"nothing holds it; hand it over with {again}",
        State.SUBMITTED: "Slurm starts it when its turn comes",
        State.RUNNING: f"it goes on; xstilts logs {run_id} -f shows it",
        State.COMPLETED: f"nothing; its products are in {run_folder(root, run_id).path}",
        State.FAILED: f"mend the cause, then {again}: it goes on from its last checkpoint",
        State.BLOCKED: f"see xstilts why {parent}; once that is mended, {again}",
    }[state]
