"""What Slurm says of a job while it runs or ends, and the cause that these facts show."""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xstilts_hpc.causes import Cause
from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.errors import ClusterError

_ASK_S = 10.0
# Slurm looks at time limits every 30 s and may send its signal a minute early (man sbatch, --signal).
_EARLY_S = 60
_ENDS = {
    "PREEMPTED": Cause.PREEMPTED,
    "NODE_FAIL": Cause.NODE_FAILED,
    "OUT_OF_MEMORY": Cause.OUT_OF_MEMORY,
    "TIMEOUT": Cause.TIME_LIMIT,
    "DEADLINE": Cause.TIME_LIMIT,
    "CANCELLED": Cause.CANCELLED,
}
_REASONS = {
    "TimeLimit": Cause.TIME_LIMIT,
    "NodeFail": Cause.NODE_FAILED,
    "NodeDown": Cause.NODE_FAILED,
    "OutOfMemory": Cause.OUT_OF_MEMORY,
}
# What slurmstepd writes into a log when memory ran out, with cgroups and without.
_MEMORY_WORDS = re.compile(r"oom.kill|out of memory|exceeded (job )?memory limit", re.IGNORECASE)


@dataclass(frozen=True)
class JobFacts:
    """What `scontrol show job` says of a job; where it gave no answer, `state` is empty.

    `restarts` counts how often Slurm started it again, a start on its way included; `left_s` is the time left.
    """

    state: str = ""
    reason: str = ""
    restarts: int = 0
    preempted: bool = False
    left_s: float = float("inf")

    def told(self) -> dict[str, Any]:
        """Return what is worth keeping in the record of an attempt."""
        left = {} if self.left_s == float("inf") else {"time_left_s": self.left_s}
        return {"state": self.state or "Slurm gave no answer", "reason": self.reason, **left}


def job_facts(job_id: str) -> JobFacts:
    """Ask Slurm about a job; facts without a state where it does not answer."""
    try:
        text = slurm.answer(["scontrol", "-o", "show", "job", job_id], timeout_s=_ASK_S)
    except ClusterError:
        return JobFacts()
    return facts_of(dict(pair.split("=", 1) for pair in text.split() if "=" in pair))


def facts_of(values: Mapping[str, str]) -> JobFacts:
    """Return the facts among the values of `scontrol -o show job`."""
    limit, spent = _seconds(values.get("TimeLimit", "")), _seconds(values.get("RunTime", ""))
    return JobFacts(
        state=values.get("JobState", ""),
        reason=values.get("Reason", "").replace("None", ""),
        restarts=int(values.get("Restarts", "0")),
        preempted=values.get("PreemptTime", "None") not in ("None", "N/A"),
        left_s=limit - spent if spent != float("inf") else limit,
    )


def _seconds(text: str) -> float:
    """Return Slurm's `days-hours:minutes:seconds` in seconds; no number means no limit."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if not found:
        return float("inf")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 86_400.0 * days + 3_600 * hours + 60 * minutes + seconds


def cause_of_stop(facts: JobFacts, name: str, *, restarts: int, lead_s: int) -> Cause:
    """Return why a run was asked to stop by the signal `name`, `lead_s` being the lead of the time limit's signal.

    `restarts` counts the earlier starts of the element, as it knew when it began.
    """
    ended = _ENDS.get(facts.state) or _REASONS.get(facts.reason)
    if facts.preempted:
        return Cause.PREEMPTED
    if ended:
        return ended
    if facts.restarts > restarts:
        return Cause.REQUEUED
    if name in (signal.SIGUSR1.name, signal.SIGUSR2.name):
        return Cause.TIME_LIMIT if facts.left_s <= lead_s + _EARLY_S else Cause.REQUEUED
    broken = "RaisedSignal" in facts.reason or "NonZeroExit" in facts.reason
    return Cause.KILLED if broken or facts.state == "FAILED" else Cause.CANCELLED


def cause_of_death(facts: JobFacts, log: str, *, restarts: int) -> Cause:
    """Return why processes died without a word; `log` is the end of what they and Slurm wrote."""
    if facts.preempted:
        return Cause.PREEMPTED
    ended = _ENDS.get(facts.state) or _REASONS.get(facts.reason)
    if ended:
        return ended
    if _MEMORY_WORDS.search(log):
        return Cause.OUT_OF_MEMORY
    if facts.restarts > restarts:
        return Cause.REQUEUED
    ending = facts.state == "COMPLETING" and not facts.reason
    return Cause.CANCELLED if ending else Cause.KILLED


def node_failed(nodes: str, since: str) -> bool:
    """Say whether Slurm knows that one of some nodes went down, or that its slurmd began anew after `since` (UTC)."""
    try:
        text = slurm.answer(["scontrol", "-o", "show", "node", nodes], timeout_s=_ASK_S)
    except ClusterError:
        return False
    return any(_is_down(dict(p.split("=", 1) for p in line.split() if "=" in p), since) for line in text.splitlines())


def _is_down(values: Mapping[str, str], since: str) -> bool:
    if re.match(r"DOWN|FAIL|.*NOT_RESPONDING|.*\*", values.get("State", "")):
        return True
    return values.get("SlurmdStartTime", "") > _local(since)


def _local(utc: str) -> str:
    """Return a UTC time as Slurm writes it: local time, without a zone."""
    from datetime import UTC, datetime

    when = datetime.strptime(utc, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return when.astimezone().strftime("%Y-%m-%dT%H:%M:%S")


def lost_to_slurm(job_id: str, restarts: int) -> Cause:
    """Return why Slurm started a job again after `restarts` earlier starts, from its accounting where it keeps one.

    Without one only that is known: that Slurm did, and did not say whether for a preemption, a node or a person.
    """
    command = ["sacct", "-D", "-X", "-n", "-P", "-j", job_id, "-o", "State"]
    try:
        states = slurm.answer(command, timeout_s=_ASK_S).split("\n")
    except ClusterError:
        return Cause.REQUEUED
    word = states[restarts].split(" ")[0] if restarts < len(states) else ""
    return _ENDS.get(word, Cause.REQUEUED)
