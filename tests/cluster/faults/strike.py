"""How faults are made: find the processes of a run, freeze them at a chosen moment, kill, damage files."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import h5py

from tests.cluster.faults.campaign import Campaign
from tests.waiting import wait_until
from xstilts_hpc.cluster.devcluster_processes import Process, alive, identify, read_stat, send
from xstilts_hpc.cluster.devcluster_settings import node_name
from xstilts_hpc.files import read_json
from xstilts_hpc.run_folder import RunFolder

_STEP_S = 0.001  # a logits file is written in a few milliseconds


def job_of(run: RunFolder) -> str:
    """Return the job id of a run's latest attempt."""
    return str(run.attempts()[-1]["job"]["SLURM_JOB_ID"])


def ranks(job_id: str) -> dict[int, Process]:
    """Return the processes of a job's ranks: those of its step, started by its slurmstepd."""
    found = {}
    for pid, variables in _of_job(job_id):
        if variables.get("SLURM_STEP_ID", "") == "0" and _command(read_stat(pid).parent).startswith("slurmstepd"):
            found[int(variables["SLURM_PROCID"])] = identify(pid)
    return found


def batch_script(run: RunFolder) -> Process:
    """Return the shell that runs the batch script."""
    (pid,) = (pid for pid, _ in _of_job(job_of(run)) if "slurm_script" in _command(pid).partition(" ")[2])
    return identify(pid)


def node_of(run: RunFolder) -> int:
    """Return the number of the node that a run is on."""
    names = {variables["SLURMD_NODENAME"] for _, variables in _of_job(job_of(run))}
    (number,) = (number for number in (1, 2) if node_name(number) in names)
    return number


def freeze(processes: Iterable[Process]) -> None:
    """Stop processes where they are."""
    for process in processes:
        send(process, signal.SIGSTOP)
    for process in processes:
        while alive(process) and read_stat(process.pid).state != "T":
            time.sleep(0)


def thaw(processes: Iterable[Process]) -> None:
    """Let frozen processes go on."""
    for process in processes:
        send(process, signal.SIGCONT)


def freeze_when(run: RunFolder, moment: Callable[[], bool], *, limit_s: float = 180) -> list[Process]:
    """Let the ranks of a run go on in small steps until they stand still at a moment."""
    processes = list(wait_for_ranks(run).values())
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        freeze(processes)
        if moment():
            return processes
        thaw(processes)
        assert any(alive(process) for process in processes), f"{run.path.name} ended before the moment came"
        time.sleep(_STEP_S)
    raise AssertionError(f"{run.path.name}: the moment did not come in {limit_s:g} s")


def kill(processes: Iterable[Process]) -> None:
    """Kill processes, frozen or not."""
    for process in processes:
        send(process, signal.SIGKILL)


def has_pending(process: Process, number: signal.Signals) -> bool:
    """Say whether a signal waits for a frozen process, or ended it already."""
    return not alive(process) or _is_in(process, number, "SigPnd", "ShdPnd")


def is_deaf(process: Process, number: signal.Signals) -> bool:
    """Say whether a process ignores or blocks a signal."""
    return alive(process) and _is_in(process, number, "SigBlk", "SigIgn")


def kill_node_of(campaign: Campaign, run: RunFolder) -> None:
    """Let the node die that a run is on, with all its processes, and bring it back."""
    with campaign.turn:
        number = node_of(run)
        campaign.cluster.kill_node(number)
        campaign.cluster.revive_node(number)


def whole_slots(run: RunFolder) -> dict[int, Path]:
    """Return the checkpoint slots that are committed, by their step."""
    found = {}
    for path in run.checkpoints.glob("*/MANIFEST.json"):
        with contextlib.suppress(FileNotFoundError):  # the slot is written anew just now
            found[int(read_json(path)["step"])] = path.parent
    return found


def is_saving(run: RunFolder) -> bool:
    """Say whether a checkpoint is half written: files of the training state, no manifest yet."""
    slots = [path for path in run.checkpoints.glob("*") if path.is_dir()]
    return any(any((slot / "state").glob("*")) and not (slot / "MANIFEST.json").exists() for slot in slots)


def is_writing_logits(run: RunFolder) -> bool:
    """Say whether a logits file is half written."""
    with contextlib.suppress(FileNotFoundError):  # renamed just now
        return any(path.stat().st_size > 0 for path in run.path.glob("logits/*.parts/*.partial"))
    return False


def may_mount() -> bool:
    """Say whether this user may mount a small file system."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "8k") -> Iterator[None]:
    """Put a small disk (of two pages) in the place of a folder for a while, where this user may."""
    if not may_mount():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs"]
    subprocess.run(["mount", *options, str(folder)], check=True, timeout=60)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=60)


def truncate(path: Path) -> None:
    """Cut a file to half of its size."""
    os.truncate(path, path.stat().st_size // 2)


def flip_byte(path: Path, position: int = -1) -> None:
    """Change one byte of a file (without a position, that in the middle), leaving its size and time."""
    before = path.stat()
    place = before.st_size // 2 if position < 0 else position
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 0xFF]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def flip_byte_of_logits(path: Path) -> str:
    """Change one byte among the numbers of a logits file; return the language whose numbers they are."""
    with h5py.File(path, "r") as file:
        language = next(iter(file))
        place = file[language]["logits"].id.get_chunk_info(0).byte_offset
    flip_byte(path, place)
    return str(language)


def largest(folder: Path) -> Path:
    """Return the largest file under a folder."""
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def wait_for_slot(run: RunFolder) -> None:
    """Wait until there is a checkpoint to go back to."""
    wait_until(lambda: bool(whole_slots(run)), f"a checkpoint of {run.path.name}", limit_s=300)


def wait_for_ranks(run: RunFolder) -> dict[int, Process]:
    """Wait until both ranks of a run live."""
    wait_until(lambda: len(ranks(job_of(run))) == 2, f"two ranks of {run.path.name}")
    return ranks(job_of(run))


def _of_job(job_id: str) -> list[tuple[int, dict[str, str]]]:
    """Return pid and environment of every process of a job; another cluster may have a job of the same id."""
    found, ours = [], {"SLURM_CONF": os.environ["SLURM_CONF"], "SLURM_JOB_ID": job_id}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                text = (path / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            variables = dict(item.split("=", 1) for item in text.split("\0") if "=" in item)
            if ours.items() <= variables.items():
                found.append((int(path.name), variables))
    return found


def _is_in(process: Process, number: signal.Signals, *masks: str) -> bool:
    lines = dict(line.split(":\t") for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    return any(int(lines[name], 16) >> (number - 1) & 1 for name in masks)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
