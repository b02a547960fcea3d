"""No value of a profile and no name of a folder is read by a shell or by Slurm as anything but itself."""

import subprocess
from pathlib import Path

import pytest

from tests.cluster.test_submit import done_by_task, hand_over, wait_for_end
from tests.cluster.trivial_runs import FOLDER, make_plan, make_profile, run_of
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.slurm_commands import answer
from xstilts_hpc.errors import ClusterError

HOSTILE = "a b;'c' \"d\" $(touch pwned) `touch pwned` && touch pwned #x %j ${HOME} caf\u00e9 <script>"


@pytest.mark.parametrize("name", ["100%", "a:b", "back\\slash", "line\nbreak", "escape\x1b[0m"])
def test_a_root_that_a_batch_job_cannot_be_told_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClusterError, match=r"a batch job cannot be told a path with .*use a root without it"):
        hand_over(make_plan({}, ["none"]), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_environment_values_reach_a_shell_as_they_are(tmp_path: Path) -> None:
    hostile = HOSTILE + " back\\slash \\n"
    lines = make_profile(environment={"EVIL": hostile}).setup_lines()
    script = "\n".join([*lines, 'printf %s "$EVIL"'])
    printed = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert printed == hostile
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slurm
@pytest.mark.parametrize(
    "name", ['it\'s a "root" $(touch pwned) `touch pwned`; touch pwned & #x ~', "-x {a,b} caf\u00e9 <b>*?[a]!"]
)
def test_a_submission_under_a_hostile_root_with_a_hostile_profile_runs_unharmed(
    devcluster: DevCluster, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    monkeypatch.chdir(tmp_path)
    root, plan = tmp_path / name, make_plan({"a": ["a1"]}, ["none"])
    submission = hand_over(plan, root, make_profile(environment={"EVIL": HOSTILE}, slurm={"comment": HOSTILE}))
    comment = answer(["squeue", "-h", "-t", "all", "-j", submission.job_ids[0], "-o", "%k"]).splitlines()[0]
    assert comment.strip() == HOSTILE
    assert set(wait_for_end(submission).values()) == {"COMPLETED"}
    done = done_by_task(root)
    assert set(done) == {"a", "a1", "none"}
    assert {one["environment"]["EVIL"] for one in done.values()} == {HOSTILE}
    assert {one["environment"]["PYTHONPATH"].split(":")[0] for one in done.values()} == {submission.code}
    assert submission.code.startswith(f"{root}/code/")
    assert "a line of output" in submission.log(run_of(plan, "none")).read_text(encoding="utf-8")
    assert (root / "collected.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert not list(tmp_path.rglob("pwned*"))
