"""The commands of README and docs that need Slurm, given to a real one in the miniature world."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import running_cluster
from tests.documented import TOP, commands, pages
from tests.documented_world import NEEDS_SLURM, execute, filled_in, make_world, reason_not_to, yaml_with

DRAFT = "--write-profile"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Path]:
    """Return the miniature world beside a running cluster."""
    (grid,) = yaml_with(TOP / "docs" / "first_grid.md", "name: first")
    with running_cluster():
        yield make_world(tmp_path, grid, "")


def needing_slurm() -> list[str]:
    """Return the commands that need Slurm, each once: drafts, the doctor, what keeps nodes busy, a job that does."""
    shown = [filled_in(command) for page in pages() for command in commands(page) if command.whole]
    chosen = dict.fromkeys(text for text in shown if reason_not_to(text) == NEEDS_SLURM)
    return sorted(chosen, key=lambda text: (DRAFT not in text, "doctor" not in text, text.startswith("sbatch")))


@pytest.mark.slurm
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_of_the_pages_work_on_a_cluster(world: Path) -> None:
    profile = world / "slurm" / "profiles" / "mycluster.yaml"
    profile.unlink()
    for text in needing_slurm():
        if DRAFT not in text:
            # A draft asks for GPUs, which this cluster only pretends.
            shutil.copy(TOP / "slurm" / "profiles" / "devcluster.yaml", profile)
        answer = execute(text, world)
        # The study's data are not here: with such a grid the doctor ends with 3 and says what is missing.
        assert answer.returncode == (3 if "--grid" in text else 0), f"$ {text}\n{answer.stdout}\n{answer.stderr}"
        assert "Traceback" not in answer.stderr
    assert len(list((world / "experiments" / "grids" / "x" / "submissions").iterdir())) >= 1
