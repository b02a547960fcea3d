"""Encoded sets between processes: one writes, the others wait; not for the dead, and not for ever."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.cluster.faults.strike import may_mount, small_disk
from tests.encoding import encode
from xstilts_hpc.data.store import shared_table
from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import ChoiceExample, SequenceExample, SpanExample
from xstilts_hpc.lease import hold

TOP = Path(__file__).resolve().parent.parent.parent
TABLE = pa.table({"example": [0, 1, 2]})

MAKER = """
import os, pathlib, sys, time
import pyarrow as pa
from xstilts_hpc.data.store import shared_table

folder, made, start, seconds = pathlib.Path(sys.argv[1]), *map(pathlib.Path, sys.argv[2:4]), float(sys.argv[4])
def make():
    (made / str(os.getpid())).touch()
    time.sleep(seconds)
    return pa.table({"example": [0, 1, 2]})
while not start.exists():
    time.sleep(0.01)
print(shared_table(folder, make).num_rows)
"""


def start(folder: Path, seconds: float) -> subprocess.Popen[str]:
    (folder / "made").mkdir(exist_ok=True)
    names = [str(folder / name) for name in ("cache/set", "made", "go")]
    command = [sys.executable, "-c", MAKER, *names, str(seconds)]
    return subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True)


def never() -> Any:
    raise AssertionError("made although it was there")


def test_of_processes_that_start_at_once_one_makes_the_set(tmp_path: Path) -> None:
    processes = [start(tmp_path, 1.0) for _ in range(3)]
    (tmp_path / "go").touch()
    assert [process.communicate(timeout=120)[0].split()[-1] for process in processes] == ["3"] * 3
    assert len(list((tmp_path / "made").iterdir())) == 1
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["set"]


def test_a_writer_that_was_killed_blocks_nobody(tmp_path: Path) -> None:
    writer = start(tmp_path, 600)
    (tmp_path / "go").touch()
    while not list((tmp_path / "made").iterdir()):
        time.sleep(0.05)
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate(timeout=100)
    assert (tmp_path / "cache" / "set.lease").is_file()
    assert shared_table(tmp_path / "cache" / "set", lambda: TABLE).num_rows == 3
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["set"]


def test_who_waited_long_enough_makes_the_set_for_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with hold(tmp_path / "set.lease"), caplog.at_level(logging.WARNING):
        assert shared_table(tmp_path / "set", lambda: TABLE, patience_s=0.3).num_rows == 3
    assert "another process writes it" in caplog.text
    assert shared_table(tmp_path / "set", never).num_rows == 3


def test_a_set_that_cannot_be_written_is_used_from_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").touch()  # a file, where a folder is needed
    with caplog.at_level(logging.WARNING):
        assert shared_table(tmp_path / "cache" / "set", lambda: TABLE).num_rows == 3
    assert "used from memory" in caplog.text


@pytest.mark.skipif(not may_mount(), reason="needs root, to mount a small file system")
def test_a_full_disk_leaves_no_half_of_a_set(tmp_path: Path) -> None:
    large = pa.table({"example": list(range(100_000))})
    with small_disk(tmp_path / "cache"):
        assert shared_table(tmp_path / "cache" / "set", lambda: large).num_rows == 100_000
        assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_set_is_named(tmp_path: Path) -> None:
    shared_table(tmp_path / "set", lambda: TABLE)
    (data,) = (tmp_path / "set").glob("*.arrow")
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(DataError, match=r"set: expected an encoded set, .*delete the folder"):
        shared_table(tmp_path / "set", never)


def test_examples_are_not_read_where_the_set_is_there(tiny: Any, tmp_path: Path) -> None:
    encode(tiny, tmp_path, "xnli", SequenceExample("1", "a", "b", "neutral"))
    assert encode(tiny, tmp_path, "xnli").strata() == ["neutral"]


def test_the_strata_are_those_of_the_examples_whatever_their_rows(tiny: Any, tmp_path: Path) -> None:
    choices = [ChoiceExample("1", "a", ("a", "b", "c", "d"), 2), ChoiceExample("2", "b", ("a", "b", "c", "d"), 0)]
    assert encode(tiny, tmp_path, "hellaswag", *choices).strata() == ["2", "0"]
    spans = [SpanExample("1", "q", "a b c d " * 20, ()), SpanExample("2", "q", "a", None)]
    encoded = encode(tiny, tmp_path, "squad_v2", *spans, max_length=32, doc_stride=8)
    assert encoded.items > 2
    assert encoded.strata() == ["unanswerable", "unanswerable"]
    assert encode(tiny, tmp_path, "squad_v1", *spans, max_length=32, doc_stride=8).strata() == ["", ""]
