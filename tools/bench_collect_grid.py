"""Measure `xstilts collect` on the logits of a whole grid of finished runs, on all cores; used by bench_collect.py.

The grid: nine intermediate tasks at seven sizes under two schedules and the baseline, in turn on the target tasks of
--tasks, each entry with as many sets of seeds (three target seeds) as --runs asks for. A run leaves one logits file
with up to --languages languages of --examples examples each (see bench_logits.py). Files of one task and size share
their logits with a few others; each has its own run id and commit record, so none is read or scored for another.

Collected three times, in processes of their own: everything new, nothing new, every hundredth run new. `files_read`
counts the logits files that were read and scored, `seconds` are those of the parts of a collect. Memory is the
proportional set size (shared pages counted once) of all processes together, looked at four times a second; `cpu_s` is
user and system time, `cpu` the same over wall time and cores. `each_file` is the processor time that a file costs, by
part, in milliseconds. `limited_by` is the part that takes longest, and where files are read what takes longest of one.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from bench_grid_root import NAME, Shape, predictions, write_plan, write_runs

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xstilts_hpc.plan import Plan, grid_folder, load_plan
from xstilts_hpc.run_folder import run_folder

SAMPLE = 40
LOOKS_PER_S = 4
# What a file costs, and what is done with all scores: functions of results/rows.py and results/report.py by name.
PARTS_OF_FILE = {
    "sha256_of": "check the SHA-256",
    "scored": "score",
    "draws_of": "resample",
    "flags_of": "look for flags",
}
PARTS_OF_COLLECT = (
    *("find_submitted", "gather", "write_scores", "tables", "write_tables", "figures", "write_figures", "write_report"),
)


def measure(shape: Shape, folder: Path) -> dict[str, Any]:
    """Make the root, collect it three times, and say what that took."""
    started = time.perf_counter()
    plan = write_plan(folder, shape)
    write_runs(folder, plan, shape, list(plan.runs))
    made_s = round(time.perf_counter() - started, 1)
    found = {"made_s": made_s, "logits_gb": round(_logits_bytes(folder, plan) / 1e9, 2)}
    first = collect_once(folder, len(plan.runs), sum(len(prediction.data) for _, prediction in predictions(plan)))
    again = collect_once(folder, 0, 0)
    new = list(plan.runs)[::100]
    write_runs(folder, plan, shape, new, number=1)
    part = collect_once(folder, len(new), 0)
    sample = json.loads(_step("sample", folder)[0])
    for one in (first, again, part):
        one["limited_by"] = limited_by(one["seconds"], sample if one is first else {})
    return {**vars(shape), **found, "new": first, "nothing_new": again, "hundredth_new": part, "each_file": sample}


def limited_by(seconds: Mapping[str, float], each_file: Mapping[str, float]) -> str:
    """Return which part of a collect takes longest, and which of a file where that is reading and scoring files."""
    part = _longest(seconds)
    return f"{part}; of a file: {_longest(each_file)}" if each_file and part.startswith("gather") else part


def _longest(parts: Mapping[str, float]) -> str:
    name = max(parts, key=lambda part: parts[part])
    return f"{name} ({parts[name] / sum(parts.values()):.0%})"


def _logits_bytes(root: Path, plan: Plan) -> int:
    return sum(run_folder(root, run).logits(one.task).stat().st_size for run, one in predictions(plan))


def collect_once(root: Path, files: int, languages: int) -> dict[str, Any]:
    """Run one collect in a process of its own and return its times, its memory and its use of the cores."""
    started, began = time.perf_counter(), time.time()
    text, used_s, memory = _step("collect", root)
    wall_s, found = time.perf_counter() - started, json.loads(text)
    gather_s = found["seconds"]["gather"]
    rates = {"files_per_s": round(files / gather_s, 1)} if files else {}
    rates |= {"cells_per_s": round(languages / gather_s)} if languages else {}
    kept = [path.stat().st_mtime >= began for path in (root / "cache" / "scored").iterdir()]
    rates["cpu"] = round(used_s / wall_s / len(os.sched_getaffinity(0)), 2)
    return {"wall_s": round(wall_s, 1), "files_read": sum(kept), **rates, "cpu_s": round(used_s, 1), **memory, **found}


def _step(step: str, root: Path) -> tuple[str, float, dict[str, float]]:
    """Run a step in a new process; return what it printed, processor seconds, and the most memory in GB."""
    most, most_alone = 0, 0
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([sys.executable, __file__, step, str(root)], stdout=out)
        before = os.times()
        while process.poll() is None:
            sizes = [_memory(pid) for pid in _family(process.pid)]
            most, most_alone = max(most, sum(sizes)), max(most_alone, sizes[0] if sizes else 0)
            time.sleep(1 / LOOKS_PER_S)
        after = os.times()
        if process.returncode:
            sys.exit(f"the step {step} failed")
        out.seek(0)
        text = out.read()
    used = sum(after[2:4]) - sum(before[2:4])
    return text, used, {"memory_gb": round(most / 1e9, 2), "memory_of_parent_gb": round(most_alone / 1e9, 2)}


def _family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for one in found:
        with suppress(OSError):
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                found += map(int, children.read_text("ascii").split())
    return found


def _memory(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


@contextmanager
def timed(module: Any, names: Any, clock: Callable[[], float] = time.perf_counter) -> Iterator[dict[str, float]]:
    """Add up the seconds spent in functions of a module while the context lasts."""
    seconds = dict.fromkeys(names, 0.0)

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watch(*arguments: Any, **options: Any) -> Any:
            started = clock()
            try:
                found = function(*arguments, **options)
                return iter(list(found)) if isinstance(found, Iterator) else found
            finally:
                seconds[name] += clock() - started

        return watch

    before = {name: getattr(module, name) for name in names}
    for name, function in before.items():
        setattr(module, name, watched(name, function))
    yield seconds
    for name, function in before.items():
        setattr(module, name, function)


def collect_here(root: Path) -> dict[str, Any]:
    """Collect on all cores; return the seconds of each part."""
    from rich.console import Console

    from xstilts_hpc.results import report

    started = time.perf_counter()
    with timed(report, PARTS_OF_COLLECT) as seconds, Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        scores = report.collect_and_write(NAME, root, console=Console(file=nowhere), processes=0)
    seconds["other"] = time.perf_counter() - started - sum(seconds.values())
    return {"rows": len(scores.frame), "seconds": {name: round(value, 2) for name, value in seconds.items()}}


def sample_here(root: Path) -> dict[str, Any]:
    """Score some files in this process without what was kept; return processor milliseconds a file by part."""
    from xstilts_hpc.logits_file import LogitsFile
    from xstilts_hpc.results import rows
    from xstilts_hpc.results.kept import Kept

    clock = time.thread_time
    plan = load_plan(grid_folder(root, NAME).plan)
    with tempfile.TemporaryDirectory(dir=root) as nowhere:
        jobs = [
            rows.LogitsJob(run, run_folder(root, run), prediction, Kept(Path(nowhere, f"{run}.npz")))
            for run, prediction in islice(predictions(plan), None, None, max(1, len(plan.runs) // SAMPLE))
        ]
        for job in jobs[:3]:
            rows.score_file(job)
        started = clock()
        with (
            timed(rows, PARTS_OF_FILE, clock) as seconds,
            timed(Kept, ["save"], clock) as saved,
            timed(LogitsFile, ["read"], clock) as read,
        ):
            for job in jobs[3:]:
                rows.score_file(job)
        whole = clock() - started
    parts = {words: seconds[name] for name, words in PARTS_OF_FILE.items()} | {
        "keep": saved["save"],
        "read": read["read"],
    }
    parts["other"] = whole - sum(parts.values())
    return {name: round(1000 * value / len(jobs[3:]), 2) for name, value in parts.items()}


def main(shape: Shape) -> dict[str, Any]:
    """Measure in a folder that is removed."""
    folder = Path(tempfile.mkdtemp(prefix="xs-bench-"))
    try:
        return {"bench": "collect_grid", "cores": len(os.sched_getaffinity(0)), **measure(shape, folder)}
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    steps = {"collect": collect_here, "sample": sample_here}
    print(json.dumps(steps[sys.argv[1]](Path(sys.argv[2]))))
