"""The record of one attempt at a run: where, when, with what, and how it ended."""

import importlib.metadata
import logging
import os
import platform
import re
import resource
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import torch.distributed as dist

from xstilts_hpc.causes import Cause
from xstilts_hpc.clock import utc
from xstilts_hpc.disk import FULL
from xstilts_hpc.errors import RunError, XstiltsError
from xstilts_hpc.files import write_json
from xstilts_hpc.lease import Lease
from xstilts_hpc.machine import Machine
from xstilts_hpc.run_folder import RunFolder
from xstilts_hpc.train.out_of_memory import chain, is_out_of_memory
from xstilts_hpc.train.ranks import Ranks
from xstilts_hpc.train.stop import StoppedError
from xstilts_hpc.version import code_version

logger = logging.getLogger(__name__)

_PACKAGES = ("torch", "transformers", "deepspeed", "datasets", "tokenizers", "numpy", "h5py", "submitit")
_JOB = (
    *("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT", "SLURM_JOB_NODELIST"),
    *("SLURM_JOB_PARTITION", "XSTILTS_POOL"),
)
# What collective calls raise where the process at the other end is gone; that one knows why, or was killed.
_PEER_LOST = re.compile(
    r"(closed|reset) by (remote )?peer|gloo/transport|nccl(Remote|System)Error|remote process exited", re.IGNORECASE
)
_FULL_WORDS = ("No space left on device", "Disk quota exceeded")


class BlockedError(RunError):
    """The parent of a run is not done, so the run cannot start."""


@dataclass(frozen=True)
class Findings:
    """What an attempt finds out: seconds by part of the work, and notes such as the rows left out of the data."""

    seconds: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


@contextmanager
def attempt(
    folder: RunFolder, machine: Machine, ranks: Ranks, *, had: list[int], lease: Lease | None
) -> Iterator[Findings]:
    """Collective. Write the record of an attempt at its start and at its end; yield what is filled in in between.

    `had` is what was on disk before: updates and languages. Records of earlier attempts that nobody ended are closed:
    their processes are gone, since the lease (None on the ranks that hold none) is ours. Another rank than the main
    one leaves a note of its failure, because the main rank may be waiting for it when it is ended.
    """
    findings = Findings()
    if ranks.is_main():
        _close_open(folder)
    number = ranks.from_main(folder.next_attempt() if ranks.is_main() else 0)
    record = {**_start(machine, ranks), "attempt": number, "had": had}
    if ranks.is_main():
        write_json(folder.provenance(number), record)
    failed: BaseException | None = None
    try:
        yield findings
    except BaseException as error:
        failed = error
        raise
    finally:
        cause, message = _ending(failed)
        if lease:
            signal = {"facts": {"signal": failed.signal}} if isinstance(failed, StoppedError) else {}
            more = {"measured": findings.seconds, **findings.notes, **signal, **_gpu_peak(ranks.device)}
            _end(folder, lease, {**record, "cause": str(cause), "error": message, **more})
        elif failed and cause in (Cause.FAILED, Cause.DISK_FULL, Cause.OUT_OF_MEMORY):
            write_json(
                folder.rank_failure(number, ranks.rank),
                {"rank": ranks.rank, "time": utc(), "cause": str(cause), "error": message},
            )


def cause_of(error: BaseException) -> Cause:
    """Return the cause that an exception shows, by its type and by the errors that led to it."""
    if isinstance(error, BlockedError):
        return Cause.BLOCKED
    if isinstance(error, StoppedError):
        return Cause.REQUEUED if error.again else Cause.CANCELLED
    if is_out_of_memory(error):
        return Cause.OUT_OF_MEMORY
    if any(
        getattr(link, "errno", 0) in FULL or any(word in str(link) for word in _FULL_WORDS) for link in chain(error)
    ):
        return Cause.DISK_FULL
    if isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and _PEER_LOST.search(str(error))):
        return Cause.KILLED
    return Cause.FAILED if isinstance(error, Exception) else Cause.CANCELLED


def _ending(failed: BaseException | None) -> tuple[Cause, str]:
    """Return the cause of an ending, and its message: a traceback where it was not foreseen."""
    if failed is None:
        return Cause.COMPLETED, ""
    if isinstance(failed, XstiltsError) or not isinstance(failed, Exception):
        return cause_of(failed), str(failed)
    return cause_of(failed), "".join(traceback.format_exception(failed))


def _end(folder: RunFolder, lease: Lease, record: Mapping[str, Any]) -> None:
    """Write the end of an attempt; where that cannot be written, say so and leave the error that ended it as it is."""
    try:
        if lease.is_held():
            more = {"end": utc(), "peak_memory_gb": _peak_gb()}
            write_json(folder.provenance(record["attempt"]), {**record, **more})
    except OSError as error:
        logger.error("the end of attempt %s could not be recorded: %s", record["attempt"], error)


def _close_open(folder: RunFolder) -> None:
    for record in folder.attempts():
        if not record["end"]:
            note = "no end was written: its processes were killed, or their machine went down"
            folder.amend(record["attempt"], {"end": utc(), "cause": str(Cause.KILLED), "error": note})


def _start(machine: Machine, ranks: Ranks) -> dict[str, Any]:
    return {
        "start": utc(),
        "end": "",
        "cause": "",
        "host": platform.node(),
        "node": os.environ.get("SLURMD_NODENAME", ""),
        "pid": os.getpid(),
        "job": {name: os.environ[name] for name in _JOB if name in os.environ},
        "ranks": ranks.world,
        "device": str(ranks.device),
        **_gpu(ranks.device),
        "machine": asdict(machine),
        "profile": machine.profile,
        "code": code_version(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _gpu(device: torch.device) -> dict[str, Any]:
    """Return which GPU this rank has, nothing where it has none; what it holds at most is counted from here on."""
    if device.type != "cuda":
        return {}
    torch.cuda.reset_peak_memory_stats(device)  # a process may make several attempts
    found = torch.cuda.get_device_properties(device)
    memory_gb = round(found.total_memory / 2**30, 3)
    return {"gpu": {"name": found.name, "memory_gb": memory_gb, "cuda": torch.version.cuda}}


def _gpu_peak(device: torch.device) -> dict[str, float]:
    if device.type != "cuda":
        return {}
    return {"gpu_peak_memory_gb": round(torch.cuda.max_memory_allocated(device) / 2**30, 3)}


def _peak_gb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3)
