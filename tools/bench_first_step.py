"""Print as JSON the seconds from the loaded model to the first update, on a training set as large as MNLI's.

`cold`: the set is encoded first; `warm`: it was encoded before. Of these seconds, `data` are those of reading and
choosing the examples, and `engine` those of starting DeepSpeed, its import included. Each run is a process of its own.

Example: python tools/bench_first_step.py --data DIR --model DIR --repeats 3
"""

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xstilts_hpc.files import Memory
from xstilts_hpc.machine import Machine
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.run import ModelSource, Request, Run
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Split
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.training import training_on

_SUBSET = 100_000
_EXAMPLES = 392_702  # those of MNLI


class _BegunError(Exception):
    """The first update has begun."""


def main() -> int:
    """Read the arguments and measure; with --run, be the process of one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a data folder with MNLI's training file; its rows are recombined")
    parser.add_argument("--model", type=Path, help="a model folder")
    parser.add_argument("--examples", type=int, default=_EXAMPLES)
    parser.add_argument("--repeats", type=int, default=3, help="warm runs; their median is printed")
    parser.add_argument("--run", nargs=2, metavar=("ROOT", "RUN"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(seconds_of_parts(Path(arguments.run[0]), arguments.run[1])))
        return 0
    if not arguments.data or not arguments.model:
        parser.error("--data and --model are needed")
    with tempfile.TemporaryDirectory() as folder:
        report = measure(Path(folder), arguments)
    print(json.dumps({"bench": "first step", "cores": len(os.sched_getaffinity(0)), "goal_s": 5, **report}))
    return 0


def measure(root: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the seconds of a cold run, and of warm ones of the full set and of a subset."""
    write_rows(arguments.data, root / "data" / "MNLI" / "train.tsv", arguments.examples)
    memory = Memory(root / "cache" / "data.json")
    digest = DataFolder(root / "data", memory).training_digest(TASKS["mnli"], ("en",))
    memory.save()
    report: dict[str, Any] = {"examples": arguments.examples}
    for size, name in ((0, "full"), (min(_SUBSET, arguments.examples // 2), "subset")):
        recipe = Recipe().with_changes(TASKS["mnli"].recipe)
        source = ModelSource(path=str(arguments.model.resolve()), digest="0")
        run = Run(source, training_on("mnli", digest, size=size), recipe)
        run_folder(root, run.id).prepare(run, Request((), "data"))
        if not size:
            report["cold"] = _in_own_process(root, run.id)
        warm = [_in_own_process(root, run.id) for _ in range(arguments.repeats)]
        report[f"warm_{name}"] = {part: statistics.median(run[part] for run in warm) for part in warm[0]}
    return report


def write_rows(data: Path, target: Path, number: int) -> None:
    """Write a training file of MNLI's form: real first and second sentences, in other pairs and with other labels."""
    (source,) = DataFolder(data, Memory(target.with_name("none"))).locate(TASKS["mnli"], Split.TRAIN).paths
    rows = [line.split("\t") for line in source.read_text(encoding="utf-8").rstrip("\n").split("\n")]
    header, *rows = rows
    choose = random.Random(0).choice
    target.parent.mkdir(parents=True)
    with target.open("w", encoding="utf-8", newline="") as file:
        file.write("\t".join(header) + "\n")
        for i in range(number):
            pair = [choose(rows)[8], choose(rows)[9]]
            file.write("\t".join([str(i), *[""] * 7, *pair, "", choose(TASKS["mnli"].labels)]) + "\n")


def _in_own_process(root: Path, run_id: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--run", str(root), run_id]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    seconds: dict[str, float] = json.loads(answer.splitlines()[-1])
    return seconds


def seconds_of_parts(root: Path, run_id: str) -> dict[str, float]:
    """Execute a run up to its first update; return the seconds behind the loading of the model, and of two parts."""
    from xstilts_hpc.train import fit
    from xstilts_hpc.train.execute import execute
    from xstilts_hpc.train.update import Updater

    at: dict[str, float] = {}

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            at[f"{name} begins"] = time.perf_counter()
            result = function(*arguments, **options)
            at[f"{name} ends"] = time.perf_counter()
            return result

        return call

    def begin(*_arguments: Any, **_options: Any) -> None:
        at["update begins"] = time.perf_counter()
        raise _BegunError

    for name, function in (("model", "_model"), ("data", "read_training_set"), ("engine", "start_engine")):
        setattr(fit, function, timed(name, getattr(fit, function)))
    Updater.update = begin  # type: ignore[method-assign,assignment]
    with contextlib.suppress(_BegunError):
        execute(root, run_id, Machine(), alone=True)
    seconds = {name: at[f"{name} ends"] - at[f"{name} begins"] for name in ("data", "engine")}
    seconds["all"] = at["update begins"] - at["model ends"]
    return {name: round(value, 2) for name, value in seconds.items()}


if __name__ == "__main__":
    sys.exit(main())
