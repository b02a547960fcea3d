"""On a real Slurm an element that is asked to stop saves, is requeued, and ends with the same scores."""

import subprocess
from pathlib import Path

import pytest

from tests.cluster.test_end_to_end import wait_for, xstilts
from tests.tiny import grid_text
from tests.waiting import wait_for_causes, wait_for_updates, wait_until
from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.submission import submissions
from xstilts_hpc.run_folder import RunFolder, run_folder

GRID = {"intermediate": "[{task: none}]", "target": "{task: xnli}", "recipe_for": "{mnli: {epochs: 200}}"}

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]


def submit(root: Path) -> tuple[RunFolder, str]:
    """Submit a grid of one run of 300 updates, for the first time or again; return the run's folder and its element."""
    (root / "grid.yaml").write_text(grid_text(**GRID), encoding="utf-8")
    answer = xstilts("submit", str(root / "grid.yaml"), "--profile", "devcluster", "--root", str(root))
    assert answer.returncode == 0, answer.stderr
    ((run_id, element),) = submissions(root)[-1].elements.items()
    return run_folder(root, run_id), element


def test_an_element_asked_to_stop_is_requeued_and_goes_on(
    tiny_root: Path, tmp_path: Path, devcluster: DevCluster
) -> None:
    run, element = submit(tiny_root)
    for stops, number in enumerate((20, 60), 1):
        wait_for_updates(run, number)
        subprocess.run(["scancel", "--signal=USR2", element], check=True, timeout=30)
        wait_for_causes(run, ["requeued"] * stops)
    wait_for(run.done_json, tiny_root, 300)
    wait_for_causes(run, ["requeued", "requeued", "completed"])
    attempts = run.attempts()
    assert [attempt["from_step"] for attempt in attempts[1:]] == [attempt["to_step"] for attempt in attempts[:-1]]
    assert attempts[1]["job"]["SLURM_RESTART_COUNT"] == "1"
    disturbed = run.scores()
    wait_for_end(element)
    run.path.rename(tmp_path / "disturbed")
    again, _ = submit(tiny_root)
    wait_for(again.done_json, tiny_root, 300)
    assert len(again.attempts()) == 1
    assert again.scores() == disturbed


def wait_for_end(element: str) -> None:
    """Wait until Slurm no longer holds an element, which is a moment after its last file is written."""
    queued = slurm.PENDING | slurm.RUNNING
    wait_until(
        lambda: slurm.elements_of([element.partition("_")[0]]).get(element, "") not in queued, f"the end of {element}"
    )


def test_a_cancelled_grid_keeps_its_checkpoints_and_is_not_requeued(tiny_root: Path, devcluster: DevCluster) -> None:
    run, element = submit(tiny_root)
    wait_for_updates(run, 20)
    told = xstilts("why", run.path.name, "--root", str(tiny_root)).stdout
    assert f"Slurm: element {element}, state RUNNING" in told
    assert "attempt 1: has not ended" in told
    would = xstilts("cancel", "tiny", "--root", str(tiny_root), "--dry-run").stdout
    assert "would do: 1 pending cancelled, 1 running asked to save and stop" in would
    assert run.attempts()[-1]["end"] == ""
    assert "1 running asked to save" in xstilts("cancel", "tiny", "--root", str(tiny_root)).stdout
    wait_for_causes(run, ["cancelled"])
    wait_for_end(element)
    assert "nothing is queued" in xstilts("cancel", "tiny", "--root", str(tiny_root)).stdout
    again, _ = submit(tiny_root)
    wait_for(again.done_json, tiny_root, 300)
    wait_for_causes(again, ["cancelled", "completed"])
    assert again.attempts()[1]["from_step"] == again.attempts()[0]["to_step"] >= 20
