"""Failed runs grouped by what went wrong, each group with a suggested fix."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xstilts_hpc.causes import DEVICE_MEMORY_WORDS, RULES, Cause
from xstilts_hpc.cluster.attempts import last_line
from xstilts_hpc.cluster.status import LOST, Standing, State, View
from xstilts_hpc.next_command import within

_TAIL_BYTES = 1 << 13
# What differs between runs that fail alike: paths, hexadecimal ids, numbers.
_DIFFERS = (
    (re.compile(r"(?<![\w.])~?(?:/[^\s/'\",:;()\[\]]+)+/?"), "PATH"),
    (re.compile(r"\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b", re.IGNORECASE), "ID"),
    (re.compile(r"\d+(?:[.:]\d+)*"), "N"),
)
_LOST_ADVICE = "its node or its process is gone; `xstilts logs {run}` shows the last words; submit the grid again"
# Known words of errors, and what to do; the first that is found counts. {run} and {grid} are filled in.
_KNOWN: tuple[tuple[str, str], ...] = (
    (
        rf"torch\.OutOfMemoryError|{DEVICE_MEMORY_WORDS}",
        "lower micro_batch_tokens in the profile (the effective batch stays), or raise zero_stage",
    ),
    (
        r"Exceeded job memory limit|oom[_-]kill|OOM Killed|Out Of Memory|DefaultCPUAllocator: can't allocate",
        "raise memory_gb in the profile",
    ),
    (r"No space left on device", "free space on that file system: `xstilts clean {grid}` says what may go"),
    (r"Disk quota exceeded", "free space or files of your quota: `xstilts clean {grid}` says what may go"),
    (
        r"ModuleNotFoundError|No module named|ImportError",
        "install the package where the jobs run, or activate its environment in `setup:` of the profile",
    ),
    (r"Address already in use|EADDRINUSE|are all taken", "other programs of the node hold the ports; submit again"),
    (
        r"NCCL|nccl|Gloo|gloo|Connection (?:reset|refused|closed)|Broken pipe|Timed out initializing process",
        "the processes of a run lost each other: look at the log of every rank (`xstilts logs {run} --rank 1`); "
        "if it names one node again and again, exclude that",
    ),
    (
        r"CUDA error|device-side assert|uncorrectable ECC|Xid|no CUDA-capable device|CUDA driver",
        "a GPU or its driver failed: submit again without that node (`slurm: {{exclude: NODE}}` in the profile)",
    ),
    (
        r"changed since run|changed since",
        "the data are not those of the plan: bring them back, or submit the grid again for runs on the new data",
    ),
    (r"non-finite|is nan|diverged", "the training diverged: lower the learning rate in the grid (another run)"),
    (r"Permission denied|EACCES", "the run may not read or write there: check the owner and mode of that path"),
    (r"Stale file handle|Input/output error|Remote I/O error", "the file system failed for a moment; submit again"),
    (r"Socket timed out on send/recv|Unable to contact slurm controller", "Slurm did not answer; submit again"),
)
_DEVICE = re.compile(r"CUDA error|device-side|uncorrectable ECC|Xid|no CUDA-capable|CUDA driver|hipError")


@dataclass(frozen=True)
class FailureGroup:
    """Runs that failed alike: the cause, the last line of the error without what differs, and what to do."""

    cause: str
    signature: str
    runs: tuple[str, ...]
    example: str
    error: str
    advice: str


def failures_of(view: View) -> list[FailureGroup]:
    """Return the failed runs of a view in groups, the largest first."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for run_id in view.in_state(State.FAILED):
        standing = view.standings[run_id]
        error = _error_of(view, run_id, standing)
        groups.setdefault((standing.cause, signature(error)), []).append((run_id, error))
    found = [_group(view, key, members) for key, members in groups.items()]
    return sorted(found, key=lambda group: (-len(group.runs), group.cause, group.signature))


def signature(error: str) -> str:
    """Return an error's last line with paths, ids and numbers replaced, so that errors alike become equal."""
    line = last_line(error)
    for pattern, word in _DIFFERS:
        line = pattern.sub(word, line)
    return line


def advice_for(cause: str, error: str, *, names: Mapping[str, str]) -> str:
    """Return what to do about an error: by its words if they are known, else by its cause."""
    by_words = next((advice for pattern, advice in _KNOWN if re.search(pattern, error)), "")
    rule = RULES[Cause(cause)].advice if cause in set(Cause) else _LOST_ADVICE
    if not by_words:
        return rule.format(**names)
    retry = f"then `xstilts retry {{grid}} --cause {cause}`"
    return f"{by_words}; {retry}".format(**names)


def is_device_error(error: str) -> bool:
    """Say whether an error speaks of a broken device, which is the node's fault and not the run's."""
    return bool(_DEVICE.search(error))


def log_tail(path: Path) -> str:
    """Return the end of a log, empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _group(view: View, key: tuple[str, str], members: Iterable[tuple[str, str]]) -> FailureGroup:
    cause, words = key
    runs = tuple(run_id for run_id, _ in members)
    example, error = next(iter(members))
    advice = advice_for(cause, error, names={"run": example, "grid": view.plan.name})
    return FailureGroup(cause, words, runs, example, error, within(advice, view.root))


def _error_of(view: View, run_id: str, standing: Standing) -> str:
    """Return the last line of a failed run's error; of a lost one what its log says last."""
    error = str(standing.attempt.get("error", ""))
    slot = view.queue.slots.get(run_id)
    if error or standing.cause not in (LOST, Cause.KILLED, Cause.NODE_FAILED) or not slot or not slot.element:
        return error
    said = last_line(_telling(log_tail(slot.submission.log_of(slot.element))))
    return said or (f"Slurm says {standing.element.word}" if standing.element.word else "")


def _telling(tail: str) -> str:
    """Return the lines of a log's end that speak of an error, or all of it."""
    lines = [line for line in tail.splitlines() if re.search(r"error|Error|Killed|Exceeded|oom|CANCELLED", line)]
    return "\n".join(lines) or tail
