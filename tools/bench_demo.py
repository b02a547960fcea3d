"""Print as JSON how long the demonstration takes on this machine, from nothing but the installed environment.

Example: python tools/bench_demo.py
"""

import json
import os
import subprocess
import sys
import tempfile
import time

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as root:
        started = time.perf_counter()
        command = [sys.executable, "-m", "xstilts_hpc", "demo", "--root", root]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        seconds = time.perf_counter() - started
    cores = len(os.sched_getaffinity(0))
    print(json.dumps({"bench": "demo", "cores": cores, "goal_s": 300, "seconds": round(seconds, 1)}))
