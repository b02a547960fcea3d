"""How a process that was a rank ends."""

import atexit
import logging
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from xstilts_hpc.errors import XstiltsError


def end_with(main: Callable[..., int | None], *arguments: Any) -> NoReturn:
    """Call `main` and end this process with what it returns, 0 for nothing; an error for the user is its message."""
    try:
        code = main(*arguments) or 0
    except XstiltsError as error:
        sys.stderr.write(f"{error}\n")
        code = error.exit_code
    except Exception:  # noqa: BLE001 - said as Python would say it, and the process ends
        sys.excepthook(*sys.exc_info())  # torch puts the rank before each line
        code = 1
    _end(code)


def _end(code: int) -> NoReturn:
    """End now, with all that was written flushed, rather than tear the interpreter down.

    DeepSpeed keeps the process group, whose threads may hold the last tensors; one that lets go of them during the
    teardown aborts the process ("terminate called without an active exception": 2 of 30 pairs of ranks on a busy
    machine), and srun then ends the main rank, which may still be writing.
    """
    atexit._run_exitfuncs()  # as multiprocessing does before the same call
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
