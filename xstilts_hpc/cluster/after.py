"""What an element's batch script does when its processes have ended, however they did.

`python -m xstilts_hpc.cluster.after SUBMISSION_JSON ARRAY_NUMBER EXIT_CODE`: close the records that dead processes left
open, and have Slurm start the element again where the cause allows it.
"""

import os
import sys
from pathlib import Path

from xstilts_hpc.causes import Cause
from xstilts_hpc.cluster.facts import cause_of_death
from xstilts_hpc.cluster.life import Element, Life, tail_of
from xstilts_hpc.cluster.pace import rebalance_now
from xstilts_hpc.cluster.submission import trusted_submission
from xstilts_hpc.errors import XstiltsError


def after(submission: Path, number: int, code: int) -> bool:
    """Settle the runs of the element that ends here, and say whether it starts again."""
    record, index = trusted_submission(submission), int(os.environ.get("SLURM_ARRAY_TASK_ID", "0"))
    pack, element = record.arrays[number].packs[index], Element.here()
    log = tail_of(element.logs(record.folder))
    lives = [life for life in (Life.of(record, run_id, element) for run_id in pack) if not life.is_done()]
    tried = [(life, life.settle(log)) for life in lives if life.is_tried()]
    if not tried or _is_cancelled(element) or any(life.is_cancelled() for life, _ in tried):
        return False
    again = [life for life, verdict in tried if verdict.again]
    left = code != 0 and any(_is_untried(life, pack) for life in lives)
    if not again and not left:
        return False
    requeued = element.requeue()
    for life in again if not requeued else ():
        life.will_not_start()
    return requeued


def _is_cancelled(element: Element) -> bool:
    """Say whether Slurm ends the element because somebody cancelled it."""
    return cause_of_death(element.facts, "", restarts=element.restarts) == Cause.CANCELLED


def _is_untried(life: Life, pack: tuple[str, ...]) -> bool:
    """Say whether the element has a run left that nothing stands in the way of."""
    parent = life.folder.run().parent
    blocked = parent in pack and not Life.of(life.submission, parent, life.element).is_done()
    return not life.attempts() and not blocked


def main(arguments: list[str]) -> None:
    """Do it; whatever goes wrong is only said, since the exit code belongs to the element."""
    try:
        record = Path(arguments[0])
        if not after(record, int(arguments[1]), int(arguments[2])):
            rebalance_now(trusted_submission(record))
    except (XstiltsError, OSError, KeyError, ValueError) as error:
        sys.stderr.write(f"after the element: {type(error).__name__}: {error}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
