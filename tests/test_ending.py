"""A process that was a rank ends with its code and its words, and is not torn down."""

import subprocess
import sys

BEGINNING = """
import atexit, logging, sys, threading
from xstilts_hpc.ending import end_with
from xstilts_hpc.errors import ClusterError
"""


def ended(body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BEGINNING + body], capture_output=True, text=True, check=False)


def test_the_code_is_what_was_returned_and_all_that_was_written_arrives() -> None:
    body = """
def main(code):
    atexit.register(print, "left the group")
    sys.stdout.write("no line end")
    return code
end_with(main, 7)
"""
    process = ended(body)
    assert (process.returncode, process.stdout) == (7, "no line endleft the group\n")


def test_nothing_returned_is_a_good_end() -> None:
    assert ended("end_with(print, 'done')").stdout == "done\n"
    assert ended("end_with(print, 'done')").returncode == 0


def test_an_error_for_the_user_is_its_message() -> None:
    process = ended("def main():\n    raise ClusterError('no such partition')\nend_with(main)")
    assert (process.returncode, process.stderr) == (5, "no such partition\n")


def test_a_defect_is_a_traceback() -> None:
    process = ended("end_with(lambda: 1 // 0)")
    assert process.returncode == 1
    assert process.stderr.splitlines()[0] == "Traceback (most recent call last):"
    assert process.stderr.splitlines()[-1].startswith("ZeroDivisionError")


def test_what_is_left_of_other_threads_is_not_waited_for() -> None:
    """Threads of a process group that let go of tensors while Python is torn down abort the process."""
    body = """
class Held:
    def __del__(self):
        print("torn down")
held = Held()
held.itself = held
threading.Thread(target=threading.Event().wait).start()
end_with(print, "end")
"""
    assert ended(body).stdout == "end\n"
