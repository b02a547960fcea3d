"""Print as JSON how long `xstilts --help` takes, start of Python included.

Example: python tools/bench_help.py
"""

import json
import statistics
import subprocess
import sys
import time

RUNS = 10


def seconds() -> float:
    """Return the wall-clock seconds of one call."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "xstilts_hpc.cli", "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    seconds()
    times = [seconds() for _ in range(RUNS)]
    print(
        json.dumps({"bench": "help", "goal_s": 0.5, "median_s": round(statistics.median(times), 3), "times_s": times})
    )
