"""Print as JSON what drawing for TensorBoard costs a training of as many updates as MNLI's: seconds and bytes.

Example: python tools/bench_board.py
"""

import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xstilts_hpc.train.board import board
from xstilts_hpc.train.loop import Step

UPDATES = 36_816

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with board(Path(folder), UPDATES, first=0) as drawn:
            for number in range(1, UPDATES + 1):
                drawn.draw(Step(number, "mnli", 0.5, 1e-5, 1.0, 1e5, 4096))
        took_s = time.perf_counter() - started
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    print(json.dumps({"bench": "board", "updates": UPDATES, "seconds": round(took_s, 2), "bytes": size}))
