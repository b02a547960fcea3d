"""Twelve runs where the world around them breaks: sbatch, partitions, limits, disks, and files after the end."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import running_cluster
from tests.cluster.faults.campaign import CHILDREN, PARENTS, Campaign, Undisturbed
from tests.cluster.faults.strike import flip_byte_of_logits, largest, may_mount, small_disk
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.submission import submissions

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(2400)]

FULL_IN_A_SAVE, FULL_IN_LOGITS = PARENTS[3], CHILDREN[4]
RECORD_DELETED, BYTE_FLIPPED = CHILDREN[0], CHILDREN[1]
# The first call is accepted by the real sbatch, whose answer is lost on the way.
SBATCH = """#!/bin/sh
if mkdir {marker} 2>/dev/null; then
  {sbatch} "$@" > /dev/null
  echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2
  exit 1
fi
exec {sbatch} "$@"
"""


@dataclass
class Story:
    """What was seen while the campaign went on."""

    campaign: Campaign
    submitters: list[tuple[int, str]] = field(default_factory=list)
    queue: list[str] = field(default_factory=list)
    while_down: str = ""
    left: dict[str, str] = field(default_factory=dict)
    incomplete: str = ""

    def causes(self, name: str) -> list[str]:
        """Return why each attempt of a run ended."""
        return [attempt["cause"] for attempt in self.campaign.run(name).attempts()]


@pytest.fixture(scope="module")
def small_cluster() -> Iterator[DevCluster]:
    """Give a cluster whose arrays hold three elements at most."""
    with running_cluster(max_array_size=3) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, small_cluster: DevCluster) -> Story:
    """Submit twice at once through a partition that is down, run with two full disks, damage what is done."""
    campaign = Campaign.prepare(tmp_path_factory.mktemp("surroundings") / "root", tiny_model, small_cluster)
    story = Story(campaign)
    set_partition("down")
    submit_twice(story)
    elements = subprocess.run(["squeue", "-h", "-r", "-o", "%i %j"], capture_output=True, text=True, check=True)
    story.queue = [line for line in elements.stdout.splitlines() if "-collect" not in line]
    story.while_down = campaign.why(campaign.run(PARENTS[0]))
    save, logits = campaign.run(FULL_IN_A_SAVE).checkpoints, campaign.run(FULL_IN_LOGITS).path / "logits"
    with small_disk(save), small_disk(logits):
        set_partition("up")
        campaign.wait_for_end()
        names = (*PARENTS, *CHILDREN)
        left = {name: campaign.run(name) for name in names if not campaign.run(name).done_json.is_file()}
        story.left = {name: campaign.why(run) for name, run in left.items()}
    retry_all(campaign)
    damage_and_submit_again(story)
    return story


def set_partition(state: str) -> None:
    subprocess.run(["scontrol", "update", "partitionname=gpu", f"state={state}"], check=True, timeout=60)


def submit_twice(story: Story) -> None:
    """Start two submitters at once, with an sbatch before the real one on their PATH."""
    root, sbatch = story.campaign.root, shutil.which("sbatch")
    (root / "bin").mkdir()
    (root / "bin" / "sbatch").write_text(SBATCH.format(marker=root / "bin" / "lost", sbatch=sbatch), encoding="utf-8")
    (root / "bin" / "sbatch").chmod(0o755)
    command = [sys.executable, "-m", "xstilts_hpc.cli", "submit", str(root / "faults.yaml")]
    command += ["--profile", str(root / "profile.yaml"), "--root", str(root)]
    environment = {**os.environ, "PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with (
        subprocess.Popen(command, env=environment, **pipes) as one,
        subprocess.Popen(command, env=environment, **pipes) as two,
    ):
        said = [one.communicate(timeout=120)[0], two.communicate(timeout=120)[0]]
        story.submitters = [(one.returncode, said[0]), (two.returncode, said[1])]


def retry_all(campaign: Campaign) -> None:
    """Do what `why` says of a full disk, once there is room."""
    campaign.xstilts("retry", "faults", "--cause", "disk_full")
    campaign.wait_for_end()


def damage_and_submit_again(story: Story) -> None:
    """Delete a commit record and flip a byte of another run's logits; collect; do as the messages say; submit.

    The array's own collector has scored both before, and what was scored is not read again.
    """
    campaign = story.campaign
    campaign.run(RECORD_DELETED).done_json.unlink()
    flip_byte_of_logits(largest(campaign.run(BYTE_FLIPPED).path / "logits"))
    shutil.rmtree(campaign.root / "cache" / "scored")
    story.incomplete = campaign.refused("collect", "faults")
    largest(campaign.run(BYTE_FLIPPED).path / "logits").unlink()
    campaign.submit()
    campaign.wait_for_end()


def test_all_runs_end_with_the_scores_and_logits_of_the_undisturbed_grid(
    story: Story, undisturbed: Undisturbed
) -> None:
    assert story.campaign.scores() == undisturbed.scores
    assert story.campaign.logits() == undisturbed.logits


def test_two_submitters_at_once_and_a_lost_answer_queue_every_run_once(story: Story) -> None:
    codes = sorted(code for code, _ in story.submitters)
    assert codes in ([0, 6], [0, 0]), story.submitters
    assert len(story.queue) == 12, story.queue
    first = submissions(story.campaign.root)[0]
    assert len(first.elements) == 12
    assert {line.split()[0] for line in story.queue} == set(first.elements.values())


def test_an_array_is_split_where_the_cluster_takes_no_longer_one(story: Story) -> None:
    first = submissions(story.campaign.root)[0]
    assert max(len(array.packs) for array in first.arrays) <= 3
    assert sum(len(array.packs) for array in first.arrays) == 12


def test_a_partition_that_is_down_is_the_reason_that_why_gives(story: Story) -> None:
    assert "PartitionDown" in story.while_down or "is down" in story.while_down


def needs_full_disks() -> None:
    if not may_mount():
        pytest.skip("needs root, to mount a small file system")


def test_a_full_disk_in_a_save_is_a_named_state_and_its_children_wait(story: Story) -> None:
    needs_full_disks()
    parent = story.campaign.run(FULL_IN_A_SAVE)
    assert story.causes(FULL_IN_A_SAVE) == ["disk_full", "completed"]
    assert "retry faults --cause disk_full" in story.left[FULL_IN_A_SAVE]
    children = [name for name in CHILDREN if name.endswith(FULL_IN_A_SAVE)]
    assert set(story.left) == {FULL_IN_A_SAVE, FULL_IN_LOGITS, *children}
    for child in children:
        assert f"xstilts why {parent.path.name}" in story.left[child]
        assert story.causes(child) == ["completed"]


def test_a_full_disk_in_a_logits_file_costs_no_second_training(story: Story) -> None:
    needs_full_disks()
    first, second = story.campaign.run(FULL_IN_LOGITS).attempts()
    assert (first["cause"], second["cause"]) == ("disk_full", "completed")
    assert "from_step" not in second


def test_a_run_without_its_record_and_one_with_a_flipped_byte_are_not_collected(story: Story) -> None:
    damaged = largest(story.campaign.run(BYTE_FLIPPED).path / "logits")
    assert "2 of 12 cells are missing" in story.incomplete
    assert "1 of them: run not finished" in story.incomplete
    assert f"{damaged} differs from the SHA-256 in DONE.json; delete the file and submit" in story.incomplete
    for name in (RECORD_DELETED, BYTE_FLIPPED):
        assert story.causes(name) == ["completed", "completed"]


def test_what_is_collected_are_the_scores_of_the_runs(story: Story, undisturbed: Undisturbed) -> None:
    assert story.campaign.collected() == story.campaign.by_cell(undisturbed.scores)
