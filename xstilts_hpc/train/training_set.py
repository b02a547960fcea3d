"""Read, choose and encode the examples that a training is planned on."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xstilts_hpc.data.batch import BatchMaker
from xstilts_hpc.data.encode import Encoded, Encoder
from xstilts_hpc.data.masked import MaskedBatchMaker
from xstilts_hpc.data.subset import subset
from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Example, Kind
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Task, stratum
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.train.loop import PartSet, TrainingSet
from xstilts_hpc.training import Part, Training, updates_of_parts


def read_training_set(training: Training, data: DataFolder, encoder: Encoder) -> TrainingSet:
    """Return the encoded items of every part; the data must be those the training was planned on."""
    parts = tuple(_part_set(part, training, data, encoder) for part in training.parts)
    features = [len(part.items) for part in parts]
    return TrainingSet(parts, tuple(updates_of_parts(training, features, encoder.recipe)), training.train_seed)


def left_out(training: Training, data: DataFolder) -> dict[str, list[str]]:
    """Return the unreadable rows that were left out, by the name of the task."""
    found: dict[str, list[str]] = {}
    for part in training.parts:
        task = task_of(part.task)
        for code in part.languages:
            rows = data.facts(task, data.training_split(task, code), code)["bad"]
            if rows:
                found.setdefault(part.task, []).extend(rows)
    return found


def _part_set(part: Part, training: Training, data: DataFolder, encoder: Encoder) -> PartSet:
    task = data.with_labels(task_of(part.task))
    if data.training_digest(task, part.languages) != part.data:
        paths = [p for code in part.languages for p in data.locate(task, data.training_split(task, code), code).paths]
        names = ", ".join(map(str, paths))
        raise DataError(f"{names}: changed since the run was planned; restore it, or submit the grid again")
    encoded = _encoded(task, part.languages, data, encoder)
    items = np.arange(encoded.items)
    if part.size:
        chosen = subset(_strata(task, part.languages, data), part.size, training.data_seed)
        items = np.flatnonzero(np.isin(encoded.flat("example")[:: encoded.rows_per_item], chosen))
    if task.kind is Kind.MASKED:
        return PartSet(MaskedBatchMaker(task.name, encoded, encoder.tokenizer, training.train_seed), items)
    return PartSet(BatchMaker(task.name, encoded), items)


def _encoded(task: Task, languages: Sequence[str], data: DataFolder, encoder: Encoder) -> Encoded:
    """Return the encoded examples of all languages, one after the other; files are read only where no set is cached."""
    sets, count = [], 0
    for code in languages:
        facts = data.facts(task, data.training_split(task, code), code)
        name = f"{code}-{facts['digest']}"
        examples = () if encoder.has(task, name) else _examples(task, code, data)
        sets.append(_shifted(encoder.encode(task, examples, name), count))
        count += facts["examples"]
    first = sets[0]
    joined = first.table if len(sets) == 1 else pa.concat_tables([encoded.table for encoded in sets])
    return Encoded(first.kind, joined, first.rows_per_item)


def _strata(task: Task, languages: Sequence[str], data: DataFolder) -> list[str]:
    """Return the stratum of each example: its language where there are several, and the task's own."""
    several = len(languages) > 1
    return [
        (f"{code} " if several else "") + stratum(task, example)
        for code in languages
        for example in _examples(task, code, data)
    ]


def _examples(task: Task, language: str, data: DataFolder) -> list[Example]:
    return list(data.locate(task, data.training_split(task, language), language).examples())


def _shifted(encoded: Encoded, by: int) -> Encoded:
    """Return an encoded set whose examples are counted from another number."""
    if not by:
        return encoded
    numbers: NDArray[np.int64] = encoded.flat("example").astype(np.int64) + by
    column = encoded.table.column_names.index("example")
    table = encoded.table.set_column(column, "example", pa.array(numbers, encoded.table.column("example").type))
    return Encoded(encoded.kind, table, encoded.rows_per_item)
