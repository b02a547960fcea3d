"""The record of one attempt at a run: where, when, with what, and how it ended."""

import importlib.metadata
import os
import platform
import resource
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from xstilts_hpc.errors import RunError, XstiltsError
from xstilts_hpc.files import write_json
from xstilts_hpc.machine import Machine
from xstilts_hpc.run import RunFolder
from xstilts_hpc.train.ranks import Ranks
from xstilts_hpc.train.stop import StoppedError
from xstilts_hpc.version import code_version

_PACKAGES = ("torch", "transformers", "deepspeed", "datasets", "tokenizers", "numpy", "h5py", "submitit")
_SLURM = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT", "SLURM_JOB_NODELIST")


class BlockedError(RunError):
    """The parent of a run is not done, so the run cannot start."""


@dataclass(frozen=True)
class Findings:
    """What an attempt finds out: seconds by part of the work, and notes such as the rows left out of the data."""

    seconds: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


_CAUSES: dict[type[XstiltsError], str] = {BlockedError: "blocked", StoppedError: "stopped"}


@contextmanager
def attempt(folder: RunFolder, machine: Machine, ranks: Ranks) -> Iterator[Findings]:
    """Write the record of an attempt at its start and at its end; yield what is filled in in between."""
    findings = Findings()
    number = len(list((folder.path / "provenance").glob("*.json"))) + 1
    record = {**_start(machine, ranks), "attempt": number}
    if ranks.is_main():
        write_json(folder.provenance(number), record)
    cause, error = "interrupted", ""
    try:
        yield findings
        cause = "completed"
    except XstiltsError as failure:
        cause, error = _CAUSES.get(type(failure), "failed"), str(failure)
        raise
    except Exception:
        cause, error = "failed", traceback.format_exc()
        raise
    finally:
        if ranks.is_main():
            end = {"end": _now(), "cause": cause, "error": error, "peak_memory_gb": _peak_gb()}
            write_json(folder.provenance(number), {**record, **end, "measured": findings.seconds, **findings.notes})


def _start(machine: Machine, ranks: Ranks) -> dict[str, Any]:
    return {
        "start": _now(),
        "end": "",
        "cause": "",
        "host": platform.node(),
        "pid": os.getpid(),
        "job": {name: os.environ[name] for name in _SLURM if name in os.environ},
        "ranks": ranks.world,
        "device": str(ranks.device),
        "machine": asdict(machine),
        "code": code_version(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _peak_gb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3)
