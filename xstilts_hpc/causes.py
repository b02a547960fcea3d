"""Why an attempt at a run ended, how often each cause may start it again, and what a user does about it."""

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """How an attempt ended, told by facts: what the process raised, the signal it got, what Slurm says of its job."""

    COMPLETED = "completed"
    BLOCKED = "blocked"  # the parent is not done
    FAILED = "failed"  # an error of the run itself
    DISK_FULL = "disk_full"  # the file system or the quota took no more
    OUT_OF_MEMORY = "out_of_memory"  # of the device or of the job
    TIME_LIMIT = "time_limit"
    PREEMPTED = "preempted"
    REQUEUED = "requeued"  # asked to save and start again: scancel --signal=USR2, scontrol requeue
    CANCELLED = "cancelled"  # scancel, xstilts cancel, Ctrl-C
    NODE_FAILED = "node_failed"
    KILLED = "killed"  # a process was killed from outside, nothing says by whom


@dataclass(frozen=True)
class Rule:
    """What follows a cause: how often it may start a run again within one submission, and the advice to a user.

    `advice` names the next step; `{run}` and `{grid}` are filled in.
    """

    budget: int
    advice: str


RULES: dict[Cause, Rule] = {
    Cause.COMPLETED: Rule(0, "nothing: its products are on disk"),
    Cause.BLOCKED: Rule(0, "see `xstilts why` of its parent; once that is done, submit the grid again"),
    Cause.FAILED: Rule(0, "read `xstilts logs {run}`, mend the cause, then `xstilts retry {grid} --cause failed`"),
    Cause.DISK_FULL: Rule(
        0, "free space (`xstilts clean {grid}` says what may go), then `xstilts retry {grid} --cause disk_full`"
    ),
    Cause.OUT_OF_MEMORY: Rule(
        1,
        "lower micro_batch_tokens or raise memory_gb in the profile, then `xstilts retry {grid} --cause out_of_memory`",
    ),
    Cause.TIME_LIMIT: Rule(50, "raise time_min or signal_lead_s in the profile, then submit the grid again"),
    Cause.PREEMPTED: Rule(100, "submit the grid again, or use a partition that is not preempted"),
    Cause.REQUEUED: Rule(100, "submit the grid again"),
    Cause.CANCELLED: Rule(0, "submit the grid again: it goes on from its last checkpoint"),
    Cause.NODE_FAILED: Rule(5, "submit the grid again; `xstilts status {grid}` lists nodes that failed often"),
    Cause.KILLED: Rule(2, "read `xstilts logs {run}`, then `xstilts retry {grid} --cause killed`"),
}
# What errors say where a device has no memory left: of torch, CUDA and its driver, cuBLAS and its kin, NCCL.
DEVICE_MEMORY_WORDS = (
    r"(CUDA|HIP)( driver error:| error:|) out of memory|_STATUS_\w*ALLOC(ATION)?_FAILED"
    r"|Failed to CUDA (host )?[cm]?alloc|Cuda failure (\d+ )?'out of memory'"
)
# So many attempts in a row that ended where they began are enough, whatever the budgets say.
MOST_WITHOUT_PROGRESS = 3
