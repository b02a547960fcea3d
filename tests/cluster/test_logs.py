"""A log is followed through requeues, replacement and another submission."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.standing_records import attempted, submitted
from tests.cluster.trivial_runs import make_plan, run_of
from xstilts_hpc.cluster import logs
from xstilts_hpc.cluster.logs import follow, log_of
from xstilts_hpc.commands import seeing
from xstilts_hpc.errors import RunError
from xstilts_hpc.run_folder import run_folder

PLAN = make_plan({}, ["x"])
RUN = run_of(PLAN, "x")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"_POLL_S": 0.01, "_LINGER_S": 0.05, "_LOOK_S": 0.02}.items():
        monkeypatch.setattr(logs, name, seconds)


def followed(root: Path, then: dict[str, Callable[[], object]]) -> str:
    """Follow a log; when a piece was seen, do what follows it."""
    seen = []

    def write(text: str) -> None:
        seen.append(text)
        then.get(text, lambda: None)()

    follow(RUN, root, on=True, write=write)
    return "".join(seen)


def ended(root: Path, *, again: bool) -> None:
    attempted(PLAN, root, "x", cause="preempted", again=again, job={"SLURM_JOB_ID": "7"})


def add(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_a_requeued_run_is_followed_until_it_has_ended_for_good(tmp_path: Path) -> None:
    log = submitted(PLAN, tmp_path, [["x"]]).log(RUN)
    add(log, "one\n")
    then = {
        "one\n": lambda: (ended(tmp_path, again=True), add(log, "two\n")),
        "two\n": lambda: ended(tmp_path, again=False),
    }
    assert followed(tmp_path, then) == "one\ntwo\n"


def test_a_replaced_or_shortened_log_is_read_anew(tmp_path: Path) -> None:
    log = submitted(PLAN, tmp_path, [["x"]]).log(RUN)
    add(log, "old words\n")

    def replace() -> None:
        add(log.with_name("new"), "new\n")
        log.with_name("new").replace(log)

    def shorten() -> None:
        log.write_text("x\n", encoding="utf-8")
        ended(tmp_path, again=False)

    assert followed(tmp_path, {"old words\n": replace, "new\n": shorten}) == "old words\nnew\nx\n"


def test_a_run_submitted_again_is_followed_in_its_new_log(tmp_path: Path) -> None:
    add(submitted(PLAN, tmp_path, [["x"]]).log(RUN), "first\n")

    def again() -> None:
        log = submitted(PLAN, tmp_path, [["x"]], job_id="8", token="2").log(RUN)
        add(log, "second\n")
        os.utime(log, (2**31, 2**31))

    assert followed(tmp_path, {"first\n": again, "second\n": lambda: ended(tmp_path, again=False)}) == "first\nsecond\n"


def test_an_empty_log_is_said_to_be_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = run_folder(tmp_path, RUN).log
    log.parent.mkdir(parents=True)
    log.touch()
    seeing.logs(RUN, root=tmp_path)
    assert f"{log} is empty so far; `xstilts why {RUN} --root {tmp_path}` says" in capsys.readouterr().err


def test_every_rank_has_its_log(tmp_path: Path) -> None:
    submission = submitted(PLAN, tmp_path, [["x"]])
    add(submission.log(RUN), "rank 0\n")
    with pytest.raises(RunError, match="has no log of rank 1"):
        follow(RUN, tmp_path, on=False, write=str, rank=1)
    add(submission.log(RUN, 1), "rank 1\n")
    assert log_of(RUN, tmp_path, 1).read_text(encoding="utf-8") == "rank 1\n"
