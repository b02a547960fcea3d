"""One execution of a run: all that its steps share."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from xstilts_hpc.data.encode import Encoder
from xstilts_hpc.lease import Lease
from xstilts_hpc.machine import Machine
from xstilts_hpc.run import Request, Run
from xstilts_hpc.run_folder import RunFolder
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Task
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.train.ranks import Ranks
from xstilts_hpc.train.record import Findings
from xstilts_hpc.train.stop import Stop


@dataclass(frozen=True)
class Work:
    """All that the steps of one execution share.

    `start` is where weights and tokenizer come from, and a revision. `lease` is None but on the main rank.
    """

    root: Path
    folder: RunFolder
    run: Run
    request: Request
    machine: Machine
    ranks: Ranks
    data: DataFolder
    start: tuple[str, str]
    tokenizer: Any
    findings: Findings
    stop: Stop
    lease: Lease | None = None

    def check_lease(self) -> None:
        """Raise LeaseLostError where another process took this run over; only the main rank holds a lease."""
        if self.lease:
            self.lease.check()

    @cached_property
    def encoder(self) -> Encoder:
        """Return how this run turns text into ids."""
        return Encoder(self.tokenizer, self.run.recipe, self.root / "cache" / "encoded")

    def task(self, name: str) -> Task:
        """Return a task with its labels."""
        return self.data.with_labels(task_of(name))

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note the seconds of a part of the work, of one that was cut short too; those of a repeated one add up."""
        started = time.perf_counter()
        try:
            yield
        finally:
            before = self.findings.seconds.get(name, 0.0)
            self.findings.seconds[name] = round(before + time.perf_counter() - started, 3)
