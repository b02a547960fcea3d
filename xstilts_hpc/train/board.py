"""What TensorBoard shows of a run: curves while it trains, scores at the end. At most one file an attempt."""

import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path
from typing import Any

from xstilts_hpc.train.events import beginning, is_whole, scalars
from xstilts_hpc.train.loop import Step

# TensorBoard itself draws 1,000 points of a curve; more would only cost the quota.
_MOST_POINTS = 1_000
_FLUSH_S = 30.0
_CURVES = ("learning_rate", "grad_norm", "tokens_per_s")


class Board:
    """The event file of an attempt while it trains: a point of every so many updates, on disk every half minute."""

    def __init__(self, file: BufferedWriter, steps: int) -> None:
        """Draw to a file that was begun; `steps` is the number of updates of the whole training."""
        self._file, self._steps, self._every = file, steps, -(-steps // _MOST_POINTS)
        self._flushed_s = time.monotonic()

    def draw(self, step: Step) -> None:
        """Add a point of the curves, where this update has one: the first, the last, and those in between."""
        if step.step % self._every and step.step not in (1, self._steps):
            return
        values = {f"training/{name}": getattr(step, name) for name in _CURVES}
        self._file.write(scalars(time.time(), step.step, {f"training/loss/{step.task}": step.loss, **values}))
        if time.monotonic() > self._flushed_s + _FLUSH_S:
            self._file.flush()
            self._flushed_s = time.monotonic()


@contextmanager
def board(folder: Path, steps: int, *, first: int) -> Iterator[Board]:
    """Begin the file of a training that goes on after `first` updates: TensorBoard drops what was drawn behind them."""
    with _begun(folder, first).open("ab") as file:
        yield Board(file, steps)


def draw_scores(folder: Path, steps: int, scores: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Add the scores of a run (task, language, part of the metric) behind its curves, at the last of its updates."""
    values = {
        f"score/{task}/{part}/{language}": float(value)
        for task, languages in scores.items()
        for language, parts in languages.items()
        for part, value in parts.items()
    }
    files = _files(folder)
    target = files[-1] if steps and files and is_whole(files[-1].read_bytes()) else _begun(folder, steps)
    with target.open("ab") as file:
        file.write(scalars(time.time(), max(1, steps), values))


def _begun(folder: Path, first: int) -> Path:
    """Begin a file behind those of earlier attempts and return its path; a TensorBoard that looks on reads by name."""
    before = _files(folder)
    number = max((int(path.suffix[1:]) for path in before), default=0) + 1
    target = folder / f"events.out.tfevents.{int(time.time())}.{platform.node()}.{number}"
    folder.mkdir(exist_ok=True)
    target.write_bytes(beginning(time.time(), first))
    return target


def _files(folder: Path) -> list[Path]:
    """Return the files of all attempts, the last one at the end."""
    return sorted(folder.glob("events.out.tfevents.*"), key=lambda path: int(path.suffix[1:]))
