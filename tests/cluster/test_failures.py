"""Failures that are alike become one group, with advice that fits their words."""

from pathlib import Path

import pytest

from tests.cluster.standing_records import attempted, submitted
from tests.cluster.trivial_runs import make_plan, run_of
from xstilts_hpc.cluster.failures import advice_for, failures_of, signature
from xstilts_hpc.cluster.status import look

NAMES = {"run": "r-1", "grid": "g"}


def test_a_signature_leaves_out_what_differs() -> None:
    one = "Traceback\n  File x\nOSError: /scratch/jan/runs/mnli-0a1b2c3d4e/a.h5: 17 bytes at 0x7f00, node3:29500\n"
    two = "OSError: /scratch/eva/b.h5: 4096 bytes at 0x8e11, node12:40001"
    assert signature(one) == signature(two) == "OSError: PATH: N bytes at ID, nodeN"
    assert signature("") == ""


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", "lower micro_batch_tokens"),
        ("torch.AcceleratorError: CUDA error: out of memory", "lower micro_batch_tokens"),
        ("NCCL error in: x.cpp\nLast error:\nFailed to CUDA calloc async 608 bytes", "lower micro_batch_tokens"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=1.0", "raise memory_gb"),
        ("slurmstepd: error: Exceeded job memory limit", "raise memory_gb"),
        ("OSError: [Errno 28] No space left on device", "free space"),
        ("OSError: [Errno 122] Disk quota exceeded: 'x'", "quota"),
        ("ModuleNotFoundError: No module named 'deepspeed'", "setup:"),
        ("RuntimeError: Address already in use", "hold the ports"),
        ("torch.distributed.DistBackendError: NCCL error in: x.cpp", "log of every rank"),
        ("RuntimeError: [1] Connection closed by peer [127.0.0.1]:3", "log of every rank"),
        ("RuntimeError: CUDA error: uncorrectable ECC error encountered", "exclude: NODE"),
        ("d/x.tsv: changed since run r-1 was planned; submit the grid again", "the data are not those of the plan"),
    ],
)
def test_known_words_have_advice_of_their_own(error: str, advice: str) -> None:
    found = advice_for("failed", error, names=NAMES)
    assert advice in found
    assert found.endswith("; then `xstilts retry g --cause failed`")


def test_unknown_words_get_the_advice_of_their_cause() -> None:
    assert advice_for("killed", "?", names=NAMES) == "read `xstilts logs r-1`, then `xstilts retry g --cause killed`"


def test_runs_that_failed_alike_are_one_group_and_the_largest_comes_first(tmp_path: Path) -> None:
    plan = make_plan({}, ["a", "b", "c", "d"])
    attempted(plan, tmp_path, "a", cause="failed", error="ValueError: no label 3")
    attempted(plan, tmp_path, "b", cause="failed", error="Traceback\nKeyError: 'x'")
    attempted(plan, tmp_path, "c", cause="failed", error="ValueError: no label 17")
    attempted(plan, tmp_path, "d", cause="cancelled", error="ValueError: no label 17")
    first, second = failures_of(look(plan, tmp_path))
    assert (set(first.runs), first.signature) == ({run_of(plan, "a"), run_of(plan, "c")}, "ValueError: no label N")
    assert (second.runs, second.error) == ((run_of(plan, "b"),), "KeyError: 'x'")


def test_a_run_that_left_no_word_is_told_by_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan({}, ["a", "b"])
    submission = submitted(plan, tmp_path, [["a"], ["b"]])
    log = submission.log(run_of(plan, "a"))
    log.write_text("step 3\nslurmstepd: error: Exceeded job memory limit\nbye\n", encoding="utf-8")
    job = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "0"}
    attempted(plan, tmp_path, "a", cause="killed", again=False, job=job)
    monkeypatch.setenv("PATH", str(tmp_path))
    (group,) = failures_of(look(plan, tmp_path))
    assert group.error == "slurmstepd: error: Exceeded job memory limit"
    assert (
        group.advice == f"raise memory_gb in the profile; then `xstilts retry small --cause killed --root {tmp_path}`"
    )
