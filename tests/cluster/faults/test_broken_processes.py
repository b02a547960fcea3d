"""Twelve runs, and something kills, stops or starves the processes of each: all end with the undisturbed scores."""

import json
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.faults.campaign import (
    Campaign,
    Undisturbed,
    updates_of,
    wait_for_attempt,
    wait_for_cause,
)
from tests.cluster.faults.strike import (
    batch_script,
    flip_byte,
    freeze_when,
    has_pending,
    is_saving,
    is_writing_logits,
    kill,
    kill_node_of,
    largest,
    node_of,
    thaw,
    truncate,
    wait_for_ranks,
    wait_for_slot,
    whole_slots,
)
from tests.waiting import num_updates, wait_until
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.devcluster_settings import node_name
from xstilts_hpc.run_folder import RunFolder

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(2400)]

EARLY = 15  # an update in the first part of every run


def kill_rank_1(campaign: Campaign, run: RunFolder) -> None:
    wait_for_attempt(run, 1, updates=EARLY)
    wait_for_slot(run)
    kill([wait_for_ranks(run)[1]])


def kill_rank_0(campaign: Campaign, run: RunFolder) -> None:
    wait_for_attempt(run, 1, updates=EARLY)
    wait_for_slot(run)
    kill([wait_for_ranks(run)[0]])


def kill_the_batch_script(campaign: Campaign, run: RunFolder) -> None:
    wait_for_attempt(run, 1, updates=EARLY)
    wait_for_slot(run)
    kill([batch_script(run)])


def preempt(campaign: Campaign, run: RunFolder) -> None:
    """Ask for the whole node from the partition that goes first."""
    wait_for_attempt(run, 1, updates=EARLY)
    with campaign.turn:
        whole_node = ["-p", "gpu", "--exclusive", "-w", node_name(node_of(run)), "--output=/dev/null", "--wrap=sleep 1"]
        subprocess.run(["sbatch", *whole_node], check=True, timeout=60)
        wait_for_cause(run, 1)


def kill_the_node_in_training(campaign: Campaign, run: RunFolder) -> None:
    wait_for_attempt(run, 1, updates=EARLY)
    wait_for_slot(run)
    kill_node_of(campaign, run)


def kill_the_node_in_a_save(campaign: Campaign, run: RunFolder) -> None:
    wait_for_attempt(run, 1, updates=EARLY)
    freeze_when(run, lambda: is_saving(run) and len(whole_slots(run)) == 1)
    kill_node_of(campaign, run)


def kill_the_node_in_a_logits_file(campaign: Campaign, run: RunFolder) -> None:
    wait_for_attempt(run, 1, updates=EARLY)
    freeze_when(run, lambda: is_writing_logits(run))
    kill_node_of(campaign, run)


def reach_the_time_limit_twice(campaign: Campaign, run: RunFolder) -> None:
    """Shorten the limit to two minutes, the lead is one of them; wait frozen until Slurm has sent its signal.

    The limit stays when the element starts again, so the second attempt reaches it too, however fast it trains: it is
    frozen until it is told.
    """
    for attempt, minutes in ((1, 2), (2, 0)):
        wait_for_attempt(run, attempt, updates=EARLY)
        go_on_after_the_signal(campaign, run, minutes)
        wait_for_cause(run, attempt)
    set_time_limit(campaign, run, 60)


def go_on_after_the_signal(campaign: Campaign, run: RunFolder, minutes: int) -> None:
    """Hold a run until Slurm has told it that its time is nearly up; a limit of 0 minutes leaves the one it has."""
    frozen = freeze_when(run, lambda: not is_saving(run))
    if minutes:
        set_time_limit(campaign, run, minutes)
    wait_until(lambda: all(has_pending(rank, signal.SIGUSR2) for rank in frozen), "USR2")
    thaw(frozen)


def set_time_limit(campaign: Campaign, run: RunFolder, minutes: int) -> None:
    change = ["scontrol", "update", f"jobid={campaign.element(run)}", f"timelimit={minutes}"]
    subprocess.run(change, check=True, timeout=60)


def restart_slurmctld(campaign: Campaign, run: RunFolder) -> None:
    wait_for_attempt(run, 1, updates=EARLY)
    with campaign.turn:
        campaign.cluster.stop_controller()
        at = num_updates(run)
        wait_until(lambda: num_updates(run) > at + 10, "updates while slurmctld is away")
        campaign.cluster.start_controller()


def scancel_the_element(campaign: Campaign, run: RunFolder) -> None:
    wait_for_attempt(run, 1, updates=EARLY)
    subprocess.run(["scancel", campaign.element(run)], check=True, timeout=60)


def truncate_the_newest_slot(campaign: Campaign, run: RunFolder) -> None:
    damage_the_newest_slot(run, truncate)


def flip_a_byte_of_the_newest_slot(campaign: Campaign, run: RunFolder) -> None:
    damage_the_newest_slot(run, flip_byte)


def damage_the_newest_slot(run: RunFolder, damage: Callable[[Path], None]) -> None:
    """Damage a file between two saves, then kill a rank, so that the next attempt meets it."""
    wait_for_attempt(run, 1, updates=EARLY)
    freeze_when(run, lambda: len(whole_slots(run)) == 2 and not is_saving(run))
    slots = whole_slots(run)
    damage(largest(slots[max(slots)] / "state"))
    (run.path / "slots.txt").write_text(f"{min(slots)} {max(slots)}")
    kill([wait_for_ranks(run)[0]])


FAULTS = {
    "mnli_full_s0": kill_rank_1,
    "mnli_full_s1": kill_rank_0,
    "hellaswag_full_s0": preempt,
    "hellaswag_full_s1": kill_the_node_in_training,
    "mnli_full_s0_after_mnli_full_s0": reach_the_time_limit_twice,
    "mnli_full_s0_after_mnli_full_s1": kill_the_node_in_a_save,
    "mnli_full_s0_after_hellaswag_full_s0": kill_the_node_in_a_logits_file,
    "mnli_full_s0_after_hellaswag_full_s1": kill_the_batch_script,
    "panx_full_s0_after_mnli_full_s0": restart_slurmctld,
    "panx_full_s0_after_mnli_full_s1": scancel_the_element,
    "panx_full_s0_after_hellaswag_full_s0": truncate_the_newest_slot,
    "panx_full_s0_after_hellaswag_full_s1": flip_a_byte_of_the_newest_slot,
}


@dataclass(frozen=True)
class Broken:
    """What is left of the campaign: the scores, and what `why` said of runs that nothing but a user moves on."""

    campaign: Campaign
    left: dict[str, str]

    def attempts(self, fault: Callable[[Campaign, RunFolder], None]) -> list[dict[str, Any]]:
        """Return the attempts of the run that suffered a fault."""
        return self.run(fault).attempts()

    def run(self, fault: Callable[[Campaign, RunFolder], None]) -> RunFolder:
        """Return the run that suffered a fault."""
        (name,) = (name for name, suffered in FAULTS.items() if suffered is fault)
        return self.campaign.run(name)

    def causes(self, fault: Callable[[Campaign, RunFolder], None]) -> list[str]:
        """Return why each attempt of that run ended."""
        return [attempt["cause"] for attempt in self.attempts(fault)]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, devcluster: DevCluster) -> Broken:
    """Submit the grid where runs can be preempted, let every run suffer its fault, then do what `why` says."""
    root = tmp_path_factory.mktemp("broken") / "root"
    campaign = Campaign.prepare(root, tiny_model, devcluster, partition="scavenge")
    campaign.submit()
    with ThreadPoolExecutor(len(FAULTS)) as pool:
        done = [pool.submit(fault, campaign, campaign.run(name)) for name, fault in FAULTS.items()]
        for one in done:
            one.result()
    campaign.wait_for_end()
    runs = {name: campaign.run(name) for name in FAULTS}
    left = {name: campaign.why(run) for name, run in runs.items() if not run.done_json.is_file()}
    campaign.submit()
    campaign.wait_for_end()
    return Broken(campaign, left)


def test_all_runs_end_with_the_scores_and_logits_of_the_undisturbed_grid(
    broken: Broken, undisturbed: Undisturbed
) -> None:
    assert broken.campaign.scores() == undisturbed.scores
    assert broken.campaign.logits() == undisturbed.logits


def test_only_a_cancelled_and_a_killed_batch_script_wait_for_the_user(broken: Broken) -> None:
    assert {FAULTS[name] for name in broken.left} == {scancel_the_element, kill_the_batch_script}
    assert all("next: " in said for said in broken.left.values())


def test_a_killed_rank_ends_its_attempt_and_the_run_goes_on(broken: Broken) -> None:
    for fault in (kill_rank_0, kill_rank_1):
        assert broken.causes(fault) == ["killed", "completed"]
        assert broken.attempts(fault)[1]["from_step"] > 0


def test_a_preempted_run_goes_on_where_it_saved(broken: Broken) -> None:
    first, second = broken.attempts(preempt)
    assert (first["cause"], second["cause"]) == ("preempted", "completed")
    assert second["from_step"] == first["to_step"] >= EARLY


def test_a_run_that_reaches_its_time_limit_twice_goes_on_twice(broken: Broken) -> None:
    attempts = broken.attempts(reach_the_time_limit_twice)
    assert {attempt["cause"] for attempt in attempts[:-1]} == {"time_limit"} and len(attempts) >= 3
    assert attempts[-1]["cause"] == "completed"
    # One that the limit cut off before it saved says no step; the next goes on from what was saved before it.
    assert attempts[-1]["from_step"] == max(attempt.get("to_step", 0) for attempt in attempts[:-1]) >= EARLY


@pytest.mark.parametrize("fault", [kill_the_node_in_training, kill_the_node_in_a_save, kill_the_node_in_a_logits_file])
def test_the_run_of_a_dead_node_goes_on_from_what_was_whole(
    broken: Broken, fault: Callable[[Campaign, RunFolder], None]
) -> None:
    first, second = broken.attempts(fault)
    assert (first["cause"], second["cause"]) == ("node_failed", "completed")


def test_a_half_written_slot_is_passed_over(broken: Broken) -> None:
    (passed_over,) = broken.attempts(kill_the_node_in_a_save)[1]["checkpoints_passed_over"]
    assert "no manifest" in passed_over


def test_a_half_written_logits_file_is_not_taken_for_a_whole_one(broken: Broken) -> None:
    run = broken.run(kill_the_node_in_a_logits_file)
    assert "from_step" not in run.attempts()[1]  # the training was done; only languages are left
    assert not list(run.path.rglob("*.partial"))


def test_runs_do_not_notice_that_slurmctld_is_away(broken: Broken) -> None:
    assert broken.causes(restart_slurmctld) == ["completed"]


def test_a_cancelled_element_saves_and_a_second_submit_goes_on(broken: Broken) -> None:
    first, second = broken.attempts(scancel_the_element)
    assert (first["cause"], second["cause"]) == ("cancelled", "completed")
    assert second["from_step"] == first["to_step"] >= EARLY


def test_a_killed_batch_script_loses_no_more_than_the_last_checkpoint(broken: Broken) -> None:
    first, last = broken.causes(kill_the_batch_script)
    assert (first in ("killed", "cancelled"), last) == (True, "completed")  # Slurm sends TERM to what it left
    assert broken.attempts(kill_the_batch_script)[1]["from_step"] > 0


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(truncate_the_newest_slot, "another size"), (flip_a_byte_of_the_newest_slot, "differs from its SHA-256")],
)
def test_a_damaged_slot_is_passed_over_for_the_older_one(
    broken: Broken, fault: Callable[[Campaign, RunFolder], None], reason: str
) -> None:
    older, _ = map(int, (broken.run(fault).path / "slots.txt").read_text().split())
    second = broken.attempts(fault)[1]
    assert second["from_step"] == older
    assert reason in second["checkpoints_passed_over"][0]


def test_every_start_of_a_run_left_a_record_and_no_update_is_lost_or_doubled(broken: Broken) -> None:
    for name in FAULTS:
        run = broken.campaign.run(name)
        attempts = run.attempts()
        assert all(attempt["end"] for attempt in attempts)
        steps = [attempt["from_step"] for attempt in attempts if "from_step" in attempt]
        assert steps == sorted(steps), name
        lines = run.history.read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["step"] for line in lines] == list(range(1, updates_of(name) + 1)), name


def test_what_is_collected_are_the_scores_of_the_runs(broken: Broken, undisturbed: Undisturbed) -> None:
    assert broken.campaign.collected() == broken.campaign.by_cell(undisturbed.scores)
