"""Whether a run starts again by itself, and the causes that Slurm's words show: pure functions."""

from typing import Any

import pytest

from xstilts_hpc.causes import RULES, Cause
from xstilts_hpc.cluster.facts import JobFacts, cause_of_death, cause_of_stop, facts_of
from xstilts_hpc.cluster.verdict import verdict

# What `scontrol -o show job` of Slurm 22.05 printed in an element that was being ended so (shortened).
TIME_LIMIT = "JobState=COMPLETING Reason=TimeLimit Restarts=0 RunTime=00:01:29 TimeLimit=00:01:00 ExitCode=0:0"
WARNED = "JobState=RUNNING Reason=None Restarts=0 RunTime=00:00:29 TimeLimit=00:01:00 PreemptTime=None"
PREEMPTED = "JobState=RUNNING Reason=None Restarts=0 RunTime=00:01:50 TimeLimit=00:05:00 PreemptTime=2026-11-24"
CANCELLED = "JobState=COMPLETING Reason=None Restarts=0 RunTime=00:00:03 TimeLimit=00:05:00"
REQUEUED = "JobState=COMPLETING Reason=None Restarts=1 RunTime=00:00:00 TimeLimit=00:05:00"
RUNNING = "JobState=RUNNING Reason=None Restarts=0 RunTime=00:00:02 TimeLimit=1-00:00:00"


def facts(text: str) -> JobFacts:
    return facts_of(dict(pair.split("=", 1) for pair in text.split()))


@pytest.mark.parametrize(
    ("text", "signal", "cause"),
    [
        (TIME_LIMIT, "SIGTERM", Cause.TIME_LIMIT),
        (WARNED, "SIGUSR2", Cause.TIME_LIMIT),
        (PREEMPTED, "SIGUSR2", Cause.PREEMPTED),
        (PREEMPTED, "SIGTERM", Cause.PREEMPTED),
        (CANCELLED, "SIGTERM", Cause.CANCELLED),
        (REQUEUED, "SIGTERM", Cause.REQUEUED),
        (RUNNING, "SIGUSR2", Cause.REQUEUED),
        (RUNNING, "SIGTERM", Cause.CANCELLED),
        ("JobState=FAILED Reason=RaisedSignal:9(Killed)", "SIGTERM", Cause.KILLED),
        ("", "SIGUSR2", Cause.REQUEUED),
        ("", "SIGTERM", Cause.CANCELLED),
    ],
)
def test_slurms_words_tell_why_a_run_was_asked_to_stop(text: str, signal: str, cause: Cause) -> None:
    assert cause_of_stop(facts(text), signal, restarts=0, lead_s=30) == cause


@pytest.mark.parametrize(
    ("text", "log", "cause"),
    [
        (RUNNING, "srun: error: n1: task 1: Killed", Cause.KILLED),
        (RUNNING, "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0", Cause.OUT_OF_MEMORY),
        (RUNNING, "slurmstepd-n1: error: Exceeded job memory limit", Cause.OUT_OF_MEMORY),
        (TIME_LIMIT, "", Cause.TIME_LIMIT),
        (CANCELLED, "", Cause.CANCELLED),
        (REQUEUED, "", Cause.REQUEUED),
        ("JobState=NODE_FAIL Reason=NodeFail", "", Cause.NODE_FAILED),
        ("JobState=OUT_OF_MEMORY Reason=OutOfMemory", "", Cause.OUT_OF_MEMORY),
        ("", "", Cause.KILLED),
    ],
)
def test_slurms_words_tell_why_processes_died(text: str, log: str, cause: Cause) -> None:
    assert cause_of_death(facts(text), log, restarts=0) == cause


def test_the_time_left_comes_from_slurms_own_clock() -> None:
    assert facts(WARNED).told() == {"state": "RUNNING", "reason": "", "time_left_s": 31.0}
    assert facts(RUNNING).left_s == 86_398
    assert facts("JobState=RUNNING TimeLimit=UNLIMITED RunTime=00:00:01").left_s == float("inf")
    assert JobFacts().told() == {"state": "Slurm gave no answer", "reason": ""}


def attempt(cause: Cause, had: int = 0, job: str = "7") -> dict[str, Any]:
    return {"cause": str(cause), "had": [had, 0], "job": {"SLURM_JOB_ID": job}}


def test_a_cause_starts_a_run_again_as_often_as_its_budget_says() -> None:
    killed = [attempt(Cause.KILLED, had) for had in (0, 10, 20)]
    budgets = {Cause.KILLED: 2}
    assert verdict(killed[:2], [20, 0], budgets).text == "starts again: killed, restart 2 of at most 2"
    third = verdict(killed, [30, 0], budgets)
    assert (third.again, third.text) == (False, "given up: killed 3 times, at most 2 restarts within one submission")


def test_budgets_of_causes_do_not_mix_and_a_new_submission_begins_anew() -> None:
    mixed = [attempt(Cause.KILLED), attempt(Cause.PREEMPTED, 5), attempt(Cause.KILLED, 9)]
    assert verdict(mixed, [12, 0], {Cause.KILLED: 2}).again
    again = [attempt(Cause.KILLED, job="7"), attempt(Cause.KILLED, job="7"), attempt(Cause.KILLED, job="8")]
    assert verdict(again, [1, 0], {Cause.KILLED: 1}).again


def test_attempts_that_end_where_they_began_come_to_an_end() -> None:
    stuck = [attempt(Cause.TIME_LIMIT, 40)] * 3
    assert verdict(stuck, [41, 0], {}).again
    assert verdict(stuck, [40, 1], {}).again
    assert verdict(stuck[:2], [40, 0], {}).again
    assert verdict(stuck, [40, 0], {}).text == "given up: 3 attempts in a row ended where they began"


@pytest.mark.parametrize("cause", [cause for cause, rule in RULES.items() if not rule.budget])
def test_what_a_person_must_mend_does_not_start_again(cause: Cause) -> None:
    assert not verdict([attempt(cause)], [0, 0], {}).again


def test_every_cause_has_a_rule_with_advice() -> None:
    assert set(RULES) == set(Cause)
    assert all(rule.advice for rule in RULES.values())
