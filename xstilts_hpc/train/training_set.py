"""Read, choose and encode the examples that a training is planned on."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xstilts_hpc.data.batch import BatchMaker
from xstilts_hpc.data.encode import Encoded, Encoder
from xstilts_hpc.data.masked import MaskedBatchMaker
from xstilts_hpc.data.subset import subset, whole_groups
from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Example, Kind
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Task
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.train.loop import PartSet, TrainingSet
from xstilts_hpc.training import PARAGRAPHS, Part, Training, updates_of_parts


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


def chosen_subsets(training_set: TrainingSet) -> dict[str, dict[str, Any]]:
    """Return for each task of which a part is trained on the number of its examples and the digest of their ids.

    The digest is that of a file with an id a line, in the order of the data: `sha256sum` gives it as well.
    """
    return {
        part.batches.task: {"examples": len(part.ids), "ids_sha256": _digest(part.ids)}
        for part in training_set.parts
        if part.ids
    }


def _digest(ids: Sequence[str]) -> str:
    return hashlib.sha256("".join(f"{name}\n" for name in ids).encode()).hexdigest()


def _part_set(part: Part, training: Training, data: DataFolder, encoder: Encoder) -> PartSet:
    task = data.with_labels(task_of(part.task))
    if data.training_digest(task, part.languages) != part.data:
        places = [data.locate(task, data.training_split(task, code), code) for code in part.languages]
        changed = " or ".join(place.changed() for place in places)
        raise DataError(f"{changed} since the run was planned; restore it, or submit the grid again")
    sets = [_encoded(task, code, data, encoder) for code in part.languages]
    encoded = _joined(sets)
    items, ids = np.arange(encoded.items), list[str]()
    if part.size:
        chosen = _chosen(part, sets, training.data_seed)
        items = np.flatnonzero(np.isin(encoded.flat("example")[:: encoded.rows_per_item], chosen))
        all_ids = _named(part.languages, [one.ids() for one in sets])
        ids = [all_ids[i] for i in chosen]
    if task.kind is Kind.MASKED:
        return PartSet(MaskedBatchMaker(task.name, encoded, encoder.tokenizer, training.train_seed), items, tuple(ids))
    return PartSet(BatchMaker(task.name, encoded), items, tuple(ids))


def _chosen(part: Part, sets: Sequence[Encoded], seed: int) -> NDArray[np.int64]:
    """Return the examples of a subset, counted over all of its languages."""
    if part.drawn == PARAGRAPHS:
        return whole_groups([number for one in sets for number in one.paragraphs()], part.size, seed)
    return subset(_named(part.languages, [one.strata() for one in sets]), part.size, seed)


def _encoded(task: Task, language: str, data: DataFolder, encoder: Encoder) -> Encoded:
    """Return the encoded examples of a language; its files are read only where no set is cached."""
    split = data.training_split(task, language)

    def read() -> list[Example]:
        return list(data.locate(task, split, language).examples())

    return encoder.encode_read(task, read, f"{language}-{data.facts(task, split, language)['digest']}")


def _joined(sets: Sequence[Encoded]) -> Encoded:
    """Return several sets as one, their examples counted through."""
    if len(sets) == 1:
        return sets[0]
    before = np.cumsum([0, *(int(encoded.flat("example")[-1]) + 1 for encoded in sets)])
    tables = [_shifted(encoded, int(by)).table for encoded, by in zip(sets, before, strict=False)]
    return Encoded(sets[0].kind, pa.concat_tables(tables), sets[0].rows_per_item)


def _named(languages: Sequence[str], names: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return the names of the examples (ids or strata) of each language as one list, the language before each."""
    if len(names) == 1:
        return names[0]
    return [f"{code} {name}" for code, of_one in zip(languages, names, strict=True) for name in of_one]


def _shifted(encoded: Encoded, by: int) -> Encoded:
    """Return an encoded set whose examples are counted from another number."""
    if not by:
        return encoded
    numbers: NDArray[np.int64] = encoded.flat("example").astype(np.int64) + by
    column = encoded.table.column_names.index("example")
    table = encoded.table.set_column(column, "example", pa.array(numbers, encoded.table.column("example").type))
    return Encoded(encoded.kind, table, encoded.rows_per_item)
