"""Print as JSON how long finding nearest neighbours takes and how much memory, by blocks and with one full matrix.

Example: python tools/bench_retrieval.py --sentences 20000 --dimensions 1024
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xstilts_hpc.train.neighbours import mutual_neighbours
from xstilts_hpc.train.pools import NEIGHBOURS


def main() -> int:
    """Read the arguments; measure each way in a process of its own, since a process's peak memory never falls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=1_024)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--way", choices=["blocks", "full"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure(arguments.way, arguments.sentences, arguments.dimensions, arguments.device)))
        return 0
    report = {"bench": "retrieval", **{name: value for name, value in vars(arguments).items() if name != "way"}}
    for way in ("blocks", "full"):
        command = [sys.executable, *sys.argv, "--way", way]
        report[way] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    print(json.dumps({**report, "cores": torch.get_num_threads()}))
    return 0


def measure(way: str, sentences: int, dimensions: int, device: str) -> dict[str, float]:
    """Return seconds, pairs a second, and the memory beyond that of the two pools."""
    generator = torch.Generator().manual_seed(0)
    queries, candidates = (torch.randn(sentences, dimensions, generator=generator) for _ in range(2))
    before, started = _peak_mb(device), time.perf_counter()
    if way == "blocks":
        mutual_neighbours(queries, candidates, NEIGHBOURS, device=torch.device(device))
    else:
        full(queries, candidates, device=torch.device(device))
    seconds = time.perf_counter() - started
    return {
        "seconds": round(seconds, 2),
        "pairs_per_s": round(sentences**2 / seconds),
        "more_memory_mb": round(_peak_mb(device) - before),
    }


def full(queries: torch.Tensor, candidates: torch.Tensor, *, device: torch.device) -> None:
    """Find the neighbours both ways in the matrix of all scores, without care for ties."""
    left, right = (torch.nn.functional.normalize(pool.to(device), dim=1) for pool in (queries, candidates))
    scores = left @ right.T
    for matrix in (scores, scores.T):
        best = matrix.topk(NEIGHBOURS, dim=1)
        best.indices.cpu()


def _peak_mb(device: str) -> float:
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
