"""What a batch script asks when its srun has failed: whether it began nothing, and is to be called again.

`python -m xstilts_hpc.cluster.srun_again SUBMISSION_FOLDER SECONDS`, the script being so old: exit code 0 for yes, as
soon as Slurm answers. srun needs the controller for a moment before it begins the ranks; one that restarts just then
would cost the element's runs.
"""

import re
import sys
import time
from pathlib import Path

from xstilts_hpc.cluster.facts import job_facts
from xstilts_hpc.cluster.life import Element, tail_of

_PATIENCE_S = 1_800
_PAUSE_S = 5
# srun says these before it begins a rank, never later. Only a controller that was not even reached made no step.
_BEGAN_NOTHING = re.compile(
    r"srun: error: Unable to (confirm allocation|create step) for job \S+ Unable to contact slurm controller \(connect"
    r"|srun: error: Unable to confirm allocation for job \S+ (Unable to contact|Socket timed out|Zero Bytes)"
)
# What stands before it in the log has been asked.
_ASKED = "srun began nothing, since Slurm gave no answer"


def began_nothing(log: str) -> bool:
    """Say whether the last srun ended before it began a rank, since it had no answer from the controller."""
    return bool(_BEGAN_NOTHING.search(log.rpartition(_ASKED)[2]))


def still_runs(element: Element, patience_s: float) -> bool:
    """Wait so long for an answer of Slurm, and say whether this start of the element is still the one it runs."""
    deadline = time.monotonic() + patience_s
    while True:
        facts = job_facts(element.name)
        if facts.state not in ("", "CONFIGURING"):
            return facts.state == "RUNNING" and facts.restarts == element.restarts
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE_S)


def main(arguments: list[str]) -> int:
    """Answer by the exit code; a TERM, as for a job that is cancelled meanwhile, ends this process: that means no."""
    folder, age_s, element = Path(arguments[0]), int(arguments[1]), Element.here()
    if not began_nothing(tail_of(element.logs(folder, rank="0"))):
        return 1
    sys.stderr.write(f"{_ASKED}: waiting for one\n")
    if not still_runs(element, _PATIENCE_S - age_s):
        sys.stderr.write("no answer came, or Slurm does not run this job any more\n")
        return 1
    sys.stderr.write("Slurm answers: srun is called again\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
