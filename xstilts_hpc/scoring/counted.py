"""What each example adds to a score, so that the score can be computed on resampled examples."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.logits import Logits, SpanLogits
from xstilts_hpc.metrics.base import Floats, SummedMetric
from xstilts_hpc.metrics.bitext import sources
from xstilts_hpc.scoring import answers_and_gold, score
from xstilts_hpc.tasks.base import Task


@dataclass(frozen=True)
class Counted:
    """`counts[items, k]` of a test set in one language; items of one `group[items]` are drawn together.

    `item` are the ids of examples; where pairs are mined, of the foreign sentences of gold pairs. A group is a
    paragraph with its questions, elsewhere a single item.
    """

    item: tuple[str, ...]
    group: NDArray[np.int64]
    counts: Floats


def counted(task: Task, logits: Logits, language: str) -> Counted | None:
    """Return what the examples add to the score of a task; None where its metric is no function of sums."""
    if not isinstance(task.metric, SummedMetric):
        return None
    found, gold = answers_and_gold(task, logits)
    counts = task.metric.count(found, gold, language)
    if task.mining:
        return _by_gold_pair(sources(found, gold), sorted({source for source, _ in gold}), counts)
    group = logits.example_context if isinstance(logits, SpanLogits) else np.arange(len(logits.example_id))
    return Counted(logits.example_id, np.asarray(group, dtype=np.int64), counts)


def scored(task: Task, logits: Logits, language: str) -> tuple[dict[str, float], Counted | None]:
    """Return the parts of the task's metric, as `score` does, and what the examples add to them."""
    found = counted(task, logits, language)
    if found is None:
        return score(task, logits, language), None
    return {name: float(part) for name, part in parts_of(task, found.counts.sum(axis=0)).items()}, found


def _by_gold_pair(item: Sequence[str], gold: Sequence[str], counts: Floats) -> Counted:
    """Give each wrong pair, which has no place among the gold ones, to one of them by its id: the same in every run."""
    number = {source: i for i, source in enumerate(gold)}
    group = [number.get(source, zlib.crc32(source.encode()) % max(1, len(gold))) for source in item]
    summed = np.zeros((max(1, len(gold)), counts.shape[1]))
    np.add.at(summed, np.array(group, dtype=np.int64), counts)
    return Counted(tuple(gold) or ("",), np.arange(len(summed)), summed)


def parts_of(task: Task, sums: Floats) -> Mapping[str, Any]:
    """Return the parts of a task's metric from sums `[..., k]` of such counts."""
    assert isinstance(task.metric, SummedMetric)
    return task.metric.parts(sums)


def groups_across(languages: Mapping[str, Counted]) -> dict[str, NDArray[np.int64]]:
    """Return the number of each item's group in a parallel test set, by language; numbers run through all languages.

    An example has the same number in every language that has it, and so has whatever stands in one group with it in
    any of them: a translated paragraph is drawn in all languages or in none.
    """
    first = 0
    numbers: dict[str, NDArray[np.int64]] = {}
    for language, found in languages.items():
        _, inverse = np.unique(found.group, return_inverse=True)
        numbers[language] = inverse.astype(np.int64) + first
        first += int(inverse.max(initial=-1)) + 1
    joined = _components(first, _links(languages, numbers))
    return {language: joined[number] for language, number in numbers.items()}


def _links(languages: Mapping[str, Counted], numbers: Mapping[str, NDArray[np.int64]]) -> list[tuple[int, int]]:
    """Return pairs of groups that hold the same example in two languages."""
    seen: dict[str, int] = {}
    links = []
    for language, found in languages.items():
        for item, number in zip(found.item, numbers[language].tolist(), strict=True):
            links.append((seen.setdefault(item, number), number))
    return links


def _components(size: int, links: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Return the number of the component of each of `size` nodes."""
    from scipy.sparse import coo_matrix  # slow to import, and needed here alone
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.array(links, dtype=np.int64).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    return np.asarray(component, dtype=np.int64)
