"""The life of a run in one Slurm element: why its last attempt ended, by facts, and whether the element runs again."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from xstilts_hpc.causes import Cause
from xstilts_hpc.clock import utc
from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.facts import JobFacts, cause_of_death, cause_of_stop, job_facts, lost_to_slurm, node_failed
from xstilts_hpc.cluster.submission import Submission
from xstilts_hpc.cluster.verdict import Verdict, life_of, verdict
from xstilts_hpc.errors import ClusterError
from xstilts_hpc.run_folder import RunFolder, run_folder

_TAIL = 4_000
# What an element writes into its log when it begins; what stands before it is of earlier starts.
BEGINS = "element begins, start"


@dataclass(frozen=True)
class Element:
    """An element that runs here and now: its job's id, how often Slurm started it before, and its name.

    The id of one element of an array is that of the whole array, so only the name (`7_3`) means just this element.
    """

    job_id: str
    restarts: int
    name: str

    @staticmethod
    def here() -> "Element":
        """Return the element of this process, from Slurm's variables."""
        job_id, array = os.environ.get("SLURM_JOB_ID", ""), os.environ.get("SLURM_ARRAY_JOB_ID", "")
        name = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID', '')}" if array else job_id
        return Element(job_id, int(os.environ.get("SLURM_RESTART_COUNT", "0") or 0), name)

    def logs(self, folder: Path, rank: str = "*") -> list[Path]:
        """Return the logs of the element in the folder of its submission; the main rank's is the batch script's too."""
        return sorted(folder.glob(f"{self.name}_{rank}_log.out"))

    @cached_property
    def facts(self) -> JobFacts:
        """Return what Slurm says of the job; asked once."""
        return job_facts(self.name)

    def requeue(self) -> bool:
        """Ask Slurm to start this element again, unless it does so already; say whether it will."""
        if self.facts.restarts > self.restarts:
            return True
        try:
            slurm.answer(["scontrol", "requeue", self.name])
        except ClusterError as error:
            sys.stderr.write(f"what was done is saved, but it could not be requeued ({error}); submit the grid again\n")
            return False
        return True


@dataclass(frozen=True)
class Life:
    """What an element did of one run."""

    submission: Submission
    folder: RunFolder
    element: Element

    @staticmethod
    def of(submission: Submission, run_id: str, element: Element) -> "Life":
        """Return the life of a run in an element."""
        return Life(submission, run_folder(submission.root, run_id), element)

    def is_done(self) -> bool:
        """Say whether the run has left what is asked of it."""
        return self.folder.done(self.folder.request())

    def attempts(self) -> list[dict[str, Any]]:
        """Return the attempts of this element at the run."""
        return [attempt for attempt in self.folder.attempts() if life_of(attempt) == self.element.job_id]

    def is_tried(self) -> bool:
        """Say whether this start of the element made an attempt."""
        attempts = self.attempts()
        return bool(attempts) and _restarts(attempts[-1]) == self.element.restarts

    def is_cancelled(self) -> bool:
        """Say whether the last attempt ended because somebody cancelled it."""
        attempts = self.attempts()
        return bool(attempts) and attempts[-1]["cause"] == Cause.CANCELLED

    def will_not_start(self) -> None:
        """Write down that Slurm could not be asked for the start that was decided on."""
        last = self.attempts()[-1]
        self.folder.amend(last["attempt"], {"again": False, "decided": f"{last['decided']}; but Slurm refused"})

    def is_over(self) -> bool:
        """Say whether an earlier start of this element settled that the run does not start again."""
        earlier = [attempt for attempt in self.attempts() if _restarts(attempt) < self.element.restarts]
        return bool(earlier) and earlier[-1].get("again") is False

    def close_lost(self) -> Verdict:
        """Close what an earlier start left open, since Slurm started the element again; return what follows."""
        attempts = self.attempts()
        if not attempts or _restarts(attempts[-1]) >= self.element.restarts or "again" in attempts[-1]:
            return Verdict(True, "")
        last = attempts[-1]
        if last["end"] and last["cause"] not in (Cause.CANCELLED, Cause.REQUEUED, Cause.KILLED):
            return self._decide(last, {})
        # whoever ended it, Slurm started the element again: nobody cancelled it
        nodes = last.get("job", {}).get("SLURM_JOB_NODELIST") or last.get("node", "")
        failed = node_failed(nodes, last["start"])
        cause = Cause.NODE_FAILED if failed else lost_to_slurm(self.element.name, _restarts(last))
        end = {"end": utc(), "error": "no end was written; Slurm started the element again"}
        return self._decide(last, {**({} if last["end"] else end), "cause": str(cause)})

    def settle(self, log: str = "") -> Verdict:
        """Find out why the last attempt of this start ended, and write down whether the run starts again."""
        attempts = self.attempts()
        if not attempts or _restarts(attempts[-1]) != self.element.restarts:
            return Verdict(False, "")
        last = attempts[-1]
        if "again" in last:
            return Verdict(bool(last["again"]), str(last.get("decided", "")))
        if not self.element.facts.state and last["cause"] in (Cause.REQUEUED, Cause.CANCELLED):
            return Verdict(False, "")  # Slurm is silent: if it starts the element again, that start finds out
        return self._decide(last, self._ending(last, log))

    def _ending(self, last: Mapping[str, Any], log: str) -> dict[str, Any]:
        """Return what the facts add to the record of an attempt that has ended."""
        facts, cause = self.element.facts, last["cause"]
        if cause == Cause.KILLED:  # a peer was lost, and may have left a word
            by_facts = {"cause": str(cause_of_death(facts, log, restarts=self.element.restarts))}
            return {**(_word_of_ranks(self.folder, last) or by_facts), "facts": facts.told()}
        if not last["end"]:
            died = cause_of_death(facts, log, restarts=self.element.restarts)
            return {**_dead(self.folder, last, died), "facts": facts.told()}
        if cause in (Cause.REQUEUED, Cause.CANCELLED):
            signal = str(last.get("facts", {}).get("signal", ""))
            lead_s = int(self.submission.profile.get("signal_lead_s", 0))
            why = cause_of_stop(facts, signal, restarts=self.element.restarts, lead_s=lead_s)
            return {"cause": str(why), "facts": {"signal": signal, **facts.told()}}
        return {}

    def _decide(self, last: Mapping[str, Any], more: Mapping[str, Any]) -> Verdict:
        attempts = [*self.attempts()[:-1], {**last, **more}]
        budgets = {Cause(name): number for name, number in self.submission.profile.get("requeue", {}).items()}
        return _decide(self.folder, attempts, more, budgets)


def settle_here(folder: RunFolder, pool: str, died: Cause, budgets: Mapping[Cause, int]) -> Verdict:
    """Find out why the last attempt of this machine's pool at a run ended, and write down whether it starts again.

    `died` is the cause where its processes left no word.
    """
    attempts = [attempt for attempt in folder.attempts() if life_of(attempt) == pool]
    if not attempts or "again" in attempts[-1]:
        return Verdict(False, "")
    last = attempts[-1]
    more = _dead(folder, last, died) if not last["end"] else {}
    if last["cause"] == Cause.KILLED:
        more = _word_of_ranks(folder, last)
    return _decide(folder, [*attempts[:-1], {**last, **more}], more, budgets)


def _dead(folder: RunFolder, last: Mapping[str, Any], died: Cause) -> dict[str, Any]:
    """Return the end of an attempt whose main rank wrote none: another rank's failure came first, or it was killed."""
    note = {"cause": str(died), "error": "no end was written: its processes were killed"}
    return {"end": utc(), **(_word_of_ranks(folder, last) or note)}


def _word_of_ranks(folder: RunFolder, last: Mapping[str, Any]) -> dict[str, Any]:
    """Return why the first of the other ranks failed, as far as one left a word."""
    failures = folder.rank_failures(last["attempt"])
    if not failures:
        return {}
    return {"cause": failures[0]["cause"], "error": f"rank {failures[0]['rank']}: {failures[0]['error']}"}


def _decide(
    folder: RunFolder, attempts: Sequence[Mapping[str, Any]], more: Mapping[str, Any], budgets: Mapping[Cause, int]
) -> Verdict:
    decided = verdict(attempts, folder.progress(folder.request()), budgets)
    folder.amend(attempts[-1]["attempt"], {**more, "decided": decided.text, "again": decided.again})
    return decided


def tail_of(paths: list[Path]) -> str:
    """Return the end of some logs, each from the last start of the element on."""
    texts = []
    for path in paths:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            texts.append(file.read().decode("utf-8", "replace").rpartition(BEGINS)[2])
    return "\n".join(texts)


def _restarts(attempt: Mapping[str, Any]) -> int:
    return int(attempt.get("job", {}).get("SLURM_RESTART_COUNT", "0") or 0)
