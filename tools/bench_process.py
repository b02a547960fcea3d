"""Do a part of a benchmark in a process of its own, whose memory and device state end with it."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


def in_process(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Do a piece of work in a process of its own; its failure ends everything."""
    context = multiprocessing.get_context("forkserver")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, work, arguments))
    print(work.__name__, *(part for part in arguments if isinstance(part, dict | str)), file=sys.stderr, flush=True)
    process.start()
    sender.close()
    try:
        result: dict[str, Any] = receiver.recv()
    except EOFError:
        process.join()
        raise SystemExit(f"bench_gpu: {work.__name__} ended with exit code {process.exitcode}; see above") from None
    process.join()
    return result


def _answer(sender: Connection, work: Callable[..., dict[str, Any]], arguments: tuple[Any, ...]) -> None:
    os.dup2(2, 1)  # what the libraries print is no part of our JSON
    sender.send(work(*arguments))
