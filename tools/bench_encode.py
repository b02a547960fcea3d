"""Print as JSON how many examples a second are encoded, by task, and how long reading an encoded set takes.

Example: python tools/bench_encode.py --data DIR --model DIR --examples 50000
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xstilts_hpc.data.encode import Encoder
from xstilts_hpc.examples import Example
from xstilts_hpc.files import Memory
from xstilts_hpc.model.encoder import load_tokenizer
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Split, Task
from xstilts_hpc.tasks.folder import DataFolder

# One task of each kind, with the split that the small real data hold.
_SETS = {"xnli": Split.TEST, "hellaswag": Split.DEV, "panx": Split.DEV, "xquad": Split.TEST, "tatoeba": Split.TEST}


def main() -> int:
    """Read the arguments and measure each task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a data folder; its examples are repeated")
    parser.add_argument("--model", required=True, help="a model folder with the tokenizer")
    parser.add_argument("--examples", type=int, default=50_000)
    arguments = parser.parse_args()
    tokenizer = load_tokenizer(arguments.model)
    report: dict[str, Any] = {"bench": "encode", "cores": len(os.sched_getaffinity(0)), "examples": arguments.examples}
    with tempfile.TemporaryDirectory() as folder:
        data = DataFolder(arguments.data, Memory(Path(folder) / "data.json"))
        for name, split in _SETS.items():
            encoder = Encoder(tokenizer, Recipe().with_changes(TASKS[name].recipe), Path(folder) / "encoded")
            examples = list(islice(cycle(_examples(data, TASKS[name], split)), arguments.examples))
            report[name] = measure(encoder, TASKS[name], examples)
    print(json.dumps(report))
    return 0


def measure(encoder: Encoder, task: Task, examples: Sequence[Example]) -> dict[str, float]:
    """Return examples a second of the first encoding, and the seconds of reading it from the cache."""
    first, again = (_seconds(encoder, task, examples) for _ in range(2))
    return {"examples_per_s": round(len(examples) / first), "cached_s": round(again, 3)}


def _seconds(encoder: Encoder, task: Task, examples: Sequence[Example]) -> float:
    started = time.perf_counter()
    encoder.encode(task, examples, "bench")
    return time.perf_counter() - started


def _examples(data: DataFolder, task: Task, split: Split) -> list[Example]:
    """Return the real examples of all languages that are here."""
    return list(_all(data, task, split))


def _all(data: DataFolder, task: Task, split: Split) -> Iterator[Example]:
    for language in task.languages:
        if data.has(task, split, language):
            yield from data.locate(task, split, language).examples()


if __name__ == "__main__":
    sys.exit(main())
