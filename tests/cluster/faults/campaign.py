"""A grid of twelve runs of two ranks each on a real Slurm: hand it over, follow its runs, compare its scores."""

import csv
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.cluster.test_end_to_end import xstilts
from tests.tiny import grid_text, write_tiny_data
from tests.waiting import num_updates, wait_until
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.devcluster_processes import until
from xstilts_hpc.cluster.submission import submissions
from xstilts_hpc.errors import IncompleteError
from xstilts_hpc.logits_file import read_logits
from xstilts_hpc.run_folder import RunFolder

PARENTS = ("mnli_full_s0", "mnli_full_s1", "hellaswag_full_s0", "hellaswag_full_s1")
CHILDREN = tuple(f"{task}_full_s0_after_{parent}" for task in ("mnli", "panx") for parent in PARENTS)
_UPDATES = {"mnli": 90, "hellaswag": 80, "panx": 80}
_GRID = {
    "name": "faults",
    "intermediate": "[{task: [mnli, hellaswag]}]",
    "target": "{task: [xnli, panx]}",
    "seeds": "{data: [0], train: [0, 1], target: [0]}",
    "recipe_for": "{mnli: {epochs: 60}, hellaswag: {epochs: 80}, panx: {epochs: 160}}",
}
# An element takes more than half of a node's memory, so that two that run at once are on two nodes.
_PROFILE = """schema: 1
kind: slurm
partition: {partition}
nodes: 1
ranks: 2
gpus_per_node: 0
gpu_request: none
cpus_per_rank: 1
memory_gb: 5
time_min: 60
signal_lead_s: 60
zero_stage: 2
precision: fp32
checkpoint_min: 0.012
environment: {{DS_ACCELERATOR: cpu, GLOO_SOCKET_IFNAME: lo}}
"""
_PATIENCE_S = 900.0


@dataclass(frozen=True)
class Undisturbed:
    """What twelve runs give where nothing goes wrong."""

    scores: dict[str, Any]
    logits: dict[str, Any]


@dataclass(frozen=True)
class Campaign:
    """One root with the grid, handed to one cluster; faults that touch a whole node or Slurm itself take turns."""

    root: Path
    cluster: DevCluster
    turn: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def prepare(cls, root: Path, model: Path, cluster: DevCluster, *, partition: str = "gpu") -> "Campaign":
        """Write data, model, grid and profile under a root."""
        (root / "models").mkdir(parents=True)
        (root / "models" / "tiny").symlink_to(model)
        write_tiny_data(root / "data")
        (root / "faults.yaml").write_text(grid_text(**_GRID), encoding="utf-8")
        (root / "profile.yaml").write_text(_PROFILE.format(partition=partition), encoding="utf-8")
        return cls(root, cluster)

    def xstilts(self, verb: str, *arguments: str) -> str:
        """Run a command of the real command line that must succeed; return what it prints."""
        done = xstilts(verb, *arguments, "--root", str(self.root))
        assert done.returncode == 0, f"{verb} {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def refused(self, verb: str, *arguments: str) -> str:
        """Run a command that must say that something is missing; return its words."""
        done = xstilts(verb, *arguments, "--root", str(self.root))
        assert done.returncode == IncompleteError.exit_code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stderr

    def submit(self) -> str:
        """Hand over what is not done."""
        return self.xstilts("submit", str(self.root / "faults.yaml"), "--profile", str(self.root / "profile.yaml"))

    def run(self, name: str) -> RunFolder:
        """Return the folder of a run by its readable name."""
        (path,) = (self.root / "runs").glob(f"{name}-*")
        return RunFolder(path)

    def element(self, run: RunFolder) -> str:
        """Return Slurm's name of a run's latest element."""
        name, newest_first = run.path.name, reversed(submissions(self.root))
        return next(found.elements[name] for found in newest_first if name in found.elements)

    def why(self, run: RunFolder) -> str:
        """Return what `xstilts why` says of a run."""
        return self.xstilts("why", run.path.name)

    def wait_for_end(self) -> None:
        """Wait until Slurm holds nothing of this campaign any more."""
        jobs = ",".join(job for submission in submissions(self.root) for job in submission.job_ids)
        assert until(lambda: not queued(jobs), limit_s=_PATIENCE_S), f"still queued:\n{queued(jobs)}"

    def scores(self) -> dict[str, Any]:
        """Return the scores that each finished run computed itself, by the run's readable name."""
        return {name: run.scores() for name, run in self._done().items()}

    def logits(self) -> dict[str, Any]:
        """Return all numbers of the logits of each finished run, by its readable name, task, language and field."""
        return {
            f"{name}/{path.stem}/{language}/{field}": value.tolist()
            for name, run in self._done().items()
            for path in sorted((run.path / "logits").glob("*.h5"))
            for language, logits in read_logits(path).items()
            for field, value in vars(logits).items()
            if isinstance(value, np.ndarray)
        }

    def by_cell(self, scores: Mapping[str, Any]) -> dict[tuple[str, str, str, str], float]:
        """Return scores of runs as `collected` gives them."""
        return {
            (self.run(name).path.name, target, language, metric): value
            for name, targets in scores.items()
            for target, languages in targets.items()
            for language, parts in languages.items()
            for metric, value in parts.items()
        }

    def _done(self) -> dict[str, RunFolder]:
        runs = {name: self.run(name) for name in (*PARENTS, *CHILDREN)}
        return {name: run for name, run in runs.items() if run.done_json.is_file()}

    def collected(self) -> dict[tuple[str, str, str, str], float]:
        """Collect; return each value by run, target, language and metric."""
        self.xstilts("collect", str(self.root / "faults.yaml"))
        with (self.root / "grids" / "faults" / "scores.csv").open(encoding="utf-8", newline="") as file:
            return {
                (row["run"], row["target"], row["language"], row["metric"]): float(row["value"])
                for row in csv.DictReader(file)
                if row["value"]
            }


def queued(jobs: str) -> str:
    """Return the elements of some jobs that Slurm still holds; a controller that is away holds them."""
    done = subprocess.run(
        ["squeue", "-h", "-r", "-j", jobs, "-o", "%i %T %r"], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.strip() if done.returncode == 0 or "Invalid job id" in done.stderr else done.stderr


def updates_of(name: str) -> int:
    """Return how many updates a run does, by its readable name."""
    return _UPDATES[name.partition("_")[0]]


def wait_for_attempt(run: RunFolder, number: int, *, updates: int) -> None:
    """Wait until an attempt (from 1) goes on and the history holds so many updates."""

    def goes_on() -> bool:
        attempts = run.attempts()
        return len(attempts) == number and not attempts[-1]["end"] and num_updates(run) >= updates

    wait_until(goes_on, f"attempt {number} of {run.path.name} at update {updates}", limit_s=_PATIENCE_S)


def wait_for_cause(run: RunFolder, number: int) -> str:
    """Wait until an attempt (from 1) has ended and what follows is decided; return why it ended."""

    def is_settled() -> bool:
        attempts = run.attempts()[number - 1 :]
        return bool(attempts) and (attempts[0]["cause"] == "completed" or "again" in attempts[0])

    wait_until(is_settled, f"the end of attempt {number} of {run.path.name}", limit_s=_PATIENCE_S)
    return str(run.attempts()[number - 1]["cause"])
