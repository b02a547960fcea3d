"""tools/bench_sample.py: a benchmark of a few batches reads what a whole set would be: no longer, no more padded."""

import json
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parent.parent / "tools"

# 16 rows in batches of 2, by tokens 20 10 9 8 | 6 5 4 2: means of the halves 11.75 and 4.25.
TYPICAL = """
import json, numpy as np
from bench_sample import typical
batches = list(np.arange(16).reshape(8, 2))
tokens = np.array([4, 20, 2, 10, 6, 9, 5, 8])
chosen = typical(batches, np.repeat(tokens, 2) // 2, 2)
print(json.dumps([[int(item) for item in items] for items in chosen]))
"""

# The rows that a benchmark of 3 updates of 32 rows reads in micro-batches of 16, beside a whole set in the same order.
PADDING = """
import json, argparse, numpy as np
import bench_common
from bench_lengths import invented_rows
from bench_sample import BATCHES, grouped, padding, typical
from bench_train import updates_of
encoded = invented_rows("mnli", BATCHES * 32, 0)
lengths = encoded.ragged("input_ids").lengths()
first, *counted = updates_of(encoded, argparse.Namespace(batch_size=32, updates=3), by_length=True)
micro = lambda batches: [part for items in batches for part in np.split(items, 2)]
few = lengths[np.concatenate(counted)]
print(json.dumps({
    "counted": padding(micro(counted), lengths),
    "whole set": padding(micro(grouped(lengths, 32)), lengths),
    "a set of those rows alone": padding(micro(grouped(few, 32)), few),
    "tokens": float(few.mean() / lengths.mean()),
}))
"""

# Two rounds of two updates, 100 and 60 tokens: twice as fast in sum, and in single updates of the same rows.
RATIO = """
from bench_train import ratio
one = [{"tokens": [100, 60], "seconds": [5, 3]}, {"tokens": [100, 60], "seconds": [5, 7]}]
same = [{"tokens": [100, 60], "seconds": [10, 6]}, {"tokens": [100, 60], "seconds": [20, 4]}]
others = [{"tokens": [80, 80], "seconds": [10, 6]}, {"tokens": [80, 80], "seconds": [10, 14]}]
print(ratio(one, same), ratio(one, others), ratio(one[:1], others[:1]), sep="|")
"""

BYTES = """
from bench_roofline import bytes_of
print([bytes_of(10, way, training=False) for way in ("fp32", "autocast", "bf16")])
"""


def printed(code: str) -> str:
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=TOOLS, timeout=500, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_of_each_part_of_a_set_the_batch_nearest_to_its_mean_is_taken() -> None:
    assert json.loads(printed(TYPICAL)) == [[6, 7], [0, 1]]


def test_a_few_updates_are_padded_as_those_of_a_large_set_are() -> None:
    found = json.loads(printed(PADDING))
    assert abs(found["counted"] - found["whole set"]) < 0.02
    assert found["a set of those rows alone"] > 1.2
    assert abs(found["tokens"] - 1) < 0.02


def test_the_range_of_a_ratio_is_of_updates_of_the_same_rows_or_of_rounds() -> None:
    assert printed(RATIO).strip() == "2.00 (0.57 to 4.00)|2.00 (2.00 to 2.00)|2.00"


def test_a_forward_pass_reads_the_weights_in_their_own_precision() -> None:
    assert printed(BYTES).strip() == "[40.0, 80.0, 20.0]"
