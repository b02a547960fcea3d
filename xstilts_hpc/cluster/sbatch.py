"""Hand a batch script with a command of our own to Slurm through submitit, and read what sbatch says."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import submitit

_SBATCH_S = 60
# The shell listens to no signal a millisecond after it starts, Python on a busy node a second later: one that came
# in between killed the rank.
_DEAF = ("sh", "-c", 'trap "" USR1 USR2; exec "$@"', "sh")
_GUARD = Path("xstilts_hpc", "cluster", "guard.py")


class Executor(submitit.SlurmExecutor):  # type: ignore[misc] # submitit has no types
    """submitit's writer and submitter of batch scripts, with a command of our own instead of a pickled function.

    An element needs no file that appears only after sbatch has answered, so it starts right also where the answer, or
    whoever waited for it, was lost.
    """

    def submit_command(self, command: str, count: int) -> str:
        """Submit an array of so many elements (one: a plain job) that execute a command; return the job id."""
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        if count > 1:
            self.parameters["map_count"] = count
        return str(self._submit_command(command).job_id)

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:
        return ["timeout", str(_SBATCH_S), *super()._make_submission_command(submission_file_path)]


def python_command(code: Path, module: str, arguments: Sequence[str]) -> str:
    """Return the shell command that runs a module of the code in a folder, signals waiting until it listens.

    `-P`: the folder that sbatch was called in, often the checkout, must not come before the code on PYTHONPATH.
    """
    guard = [*_DEAF, sys.executable, "-S", str(code / _GUARD)]
    return shlex.join([*guard, sys.executable, "-u", "-P", "-m", module, *arguments])


def path_line(code: Path) -> str:
    """Return the line of a batch script that puts a folder of code first on PYTHONPATH."""
    return f"export PYTHONPATH={shlex.quote(str(code))}${{PYTHONPATH:+:$PYTHONPATH}}"


def srun_line(folder: Path) -> str:
    """Return the line of a batch script that has srun called again where it began nothing; `folder` has the logs.

    The function stands before the program of its name, which submitit calls.
    """
    began_nothing = shlex.join([sys.executable, "-P", "-m", "xstilts_hpc.cluster.srun_again", str(folder)])
    return (
        f'srun() {{ until command srun "$@"; do local code=$?; {began_nothing} "$SECONDS" || return "$code"; done; }}'
    )


def own_words(refused: Exception) -> str:
    """Return what sbatch itself said."""
    lines = [line.strip() for line in str(refused).splitlines() if line.strip()]
    own = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in lines if line.startswith("sbatch:")]
    return "; ".join(own or lines)
