"""Why the last attempt of an element ended, by Slurm's facts, and what follows: records on disk, facts given."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.test_job import make_submission
from tests.cluster.trivial_runs import make_plan
from xstilts_hpc.cluster import life
from xstilts_hpc.cluster.facts import JobFacts
from xstilts_hpc.cluster.life import Element, Life
from xstilts_hpc.files import write_json

RUNNING = JobFacts(state="RUNNING")


def lived(root: Path, monkeypatch: pytest.MonkeyPatch, says: JobFacts, **record: Any) -> Life:
    """Return the life of a run with one attempt of job 7, of which Slurm says so."""
    plan = make_plan({}, ["a"])
    submission = replace(make_submission(root, plan), profile={"signal_lead_s": 60})
    monkeypatch.setattr(life, "job_facts", lambda _: says)
    monkeypatch.setattr(life, "node_failed", lambda *_: False)
    monkeypatch.setattr(life, "lost_to_slurm", lambda *_: life.Cause.REQUEUED)
    found = Life.of(submission, next(iter(plan.runs)), Element("7", 0, "7"))
    job = {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "0"}
    whole = {"attempt": 1, "start": "2026-11-24T10:00:00Z", "end": "2026-11-24T10:05:00Z", "had": [0, 0], "job": job}
    write_json(found.folder.provenance(1), {**whole, "node": "n1", "cause": "", "error": "", **record})
    return found


def last(found: Life) -> dict[str, Any]:
    return found.folder.attempts()[-1]


@pytest.mark.parametrize(
    ("facts", "cause", "again"),
    [
        (JobFacts(state="COMPLETING"), "cancelled", False),
        (JobFacts(state="COMPLETING", reason="TimeLimit"), "time_limit", True),
        (JobFacts(state="COMPLETING", preempted=True), "preempted", True),
        (RUNNING, "killed", True),
    ],
)
def test_a_lost_peer_is_what_slurm_says_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: JobFacts, cause: str, again: bool
) -> None:
    found = lived(tmp_path, monkeypatch, facts, cause="killed", error="Connection closed by peer")
    assert found.settle().again is again
    assert (last(found)["cause"], last(found)["again"]) == (cause, again)


def test_the_word_of_the_rank_that_failed_first_counts_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = lived(tmp_path, monkeypatch, RUNNING, cause="killed", error="Connection closed by peer")
    for rank, time in ((2, "10:00:03"), (1, "10:00:02")):
        failure = {"rank": rank, "time": time, "cause": "disk_full", "error": "No space left"}
        write_json(found.folder.rank_failure(1, rank), failure)
    assert not found.settle().again
    assert (last(found)["cause"], last(found)["error"]) == ("disk_full", "rank 1: No space left")


def test_what_slurm_started_again_was_not_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = lived(tmp_path, monkeypatch, JobFacts(), cause="cancelled", facts={"signal": "SIGTERM"})
    assert found.settle().text == ""
    assert "again" not in last(found)
    later = replace(found, element=Element("7", 1, "7"))
    assert later.close_lost().again
    assert not later.is_over()
    assert last(found)["cause"] == "requeued"


def test_a_start_that_slurm_refuses_is_not_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = lived(tmp_path, monkeypatch, RUNNING, cause="", end="")
    assert found.settle().again
    found.will_not_start()
    assert last(found)["decided"] == "starts again: killed, restart 1 of at most 2; but Slurm refused"
    assert last(found)["again"] is False
