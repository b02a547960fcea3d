"""From a profile to the options of sbatch, in submitit's names, and the environment that sbatch is called in."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.errors import ClusterError

_KEPT = ("SLURM_CONF", "SLURM_CLUSTERS")
# What an enclosing job leaves behind; SBATCH_* would even override the profile.
_FOREIGN = ("SLURM_", "SLURMD_", "SRUN_", "SBATCH_", "SUBMITIT_")
_RANKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_NOT_IN_PATHS = "%:\\"
_COLLECTOR_MEMORY_GB = 4
_COLLECTOR_TIME_MIN = 60


def run_options(
    profile: Profile, *, name: str, parallel: int, dependency: str, lines: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the options of an array of runs; `parallel` elements run at once, `lines` end the script's setup."""
    return {
        **_common(profile, name, dependency, lines),
        "partition": profile.partition or None,
        "constraint": profile.constraint or None,
        "nodes": profile.nodes,
        "ntasks_per_node": profile.ranks_per_node,
        "cpus_per_task": profile.cpus_per_rank,
        "mem": _memory(profile.memory_gb),
        "time": profile.time_min,
        "signal_delay_s": profile.signal_lead_s,
        "array_parallelism": parallel,
        **_gpus(profile),
    }


def collector_options(profile: Profile, *, name: str, dependency: str, lines: Sequence[str] = ()) -> dict[str, Any]:
    """Return the options of the collector: one process, no GPU."""
    options = _common(profile, name, dependency, lines)
    return {
        **options,
        "partition": profile.collector_partition or profile.partition or None,
        "nodes": 1,
        "ntasks_per_node": 1,
        "cpus_per_task": 1,
        "mem": _memory(min(profile.memory_gb, _COLLECTOR_MEMORY_GB)),
        "time": min(profile.time_min, _COLLECTOR_TIME_MIN),
        "additional_parameters": {k: v for k, v in options["additional_parameters"].items() if k != "exclusive"},
        "srun_args": ["--export=ALL", "--cpus-per-task=1"],
    }


def _common(profile: Profile, name: str, dependency: str, lines: Sequence[str]) -> dict[str, Any]:
    ours = {"requeue": True} if "no-requeue" not in profile.slurm else {}
    if dependency:
        ours["kill-on-invalid-dep"] = "yes"  # type: ignore[assignment]
    more = {option: value for option, value in profile.slurm.items() if value is not False}
    return {
        "job_name": name,
        "account": profile.account or None,
        "qos": profile.qos or None,
        "dependency": dependency or None,
        "setup": [*profile.setup_lines(), *lines],
        "wckey": None,  # submitit's own default is refused where wckeys are enforced
        "stderr_to_stdout": True,
        # since 22.05 srun no longer takes cpus-per-task from the batch job; --export=ALL where sbatch exported nothing
        "srun_args": ["--kill-on-bad-exit=1", "--export=ALL", f"--cpus-per-task={profile.cpus_per_rank}"],
        "additional_parameters": {**ours, **more},
    }


def _memory(memory_gb: float) -> str | None:
    return f"{max(1, round(memory_gb * 1024))}M" if memory_gb else None


def _gpus(profile: Profile) -> dict[str, Any]:
    if not profile.num_gpus or profile.gpu_request == "none":
        return {}
    kind = f"{profile.gpu_type}:" if profile.gpu_type else ""
    if profile.gpu_request == "gres":
        return {"gres": f"gpu:{kind}{profile.num_gpus}"}
    if profile.gpu_request == "gpus-per-task":
        return {"gpus_per_task": f"{kind}{profile.num_gpus // profile.ranks_per_node}"}
    return {"gpus_per_node": f"{kind}{profile.num_gpus}"}


def require_plain(root: Path) -> None:
    """Refuse a root that Slurm or a search path would read as something else; spaces and quotes are fine.

    `%` begins a pattern of Slurm, a backslash is dropped by sbatch, `:` ends an entry of PYTHONPATH, and a line break
    ends a #SBATCH comment.
    """
    bad = sorted({character for character in str(root) if character in _NOT_IN_PATHS or not character.isprintable()})
    if bad:
        found = ", ".join(map(repr, bad))
        raise ClusterError(f"{str(root)!r}: a batch job cannot be told a path with {found}; use a root without it")


def is_foreign(name: str) -> bool:
    """Say whether a variable belongs to an enclosing job and must not reach a new one."""
    return name in _RANKS or (name.startswith(_FOREIGN) and name not in _KEPT)


@contextmanager
def clean_environment() -> Iterator[None]:
    """Take an enclosing job's variables out of this process's environment for a while (SLURM.md 8.12)."""
    taken: Mapping[str, str] = {name: os.environ.pop(name) for name in list(os.environ) if is_foreign(name)}
    try:
        yield
    finally:
        os.environ.update(taken)
