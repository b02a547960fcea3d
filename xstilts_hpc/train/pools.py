"""Search two pools of sentences for translations of each other."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import RetrievalExample
from xstilts_hpc.logits import Floats, Integers, RetrievalLogits
from xstilts_hpc.tasks.base import Task
from xstilts_hpc.train.neighbours import mutual_neighbours

# Neighbours kept each way: what the ratio margin of bitext mining needs (k = 4).
NEIGHBOURS = 4


def search_pools(
    task: Task, examples: Sequence[RetrievalExample], vectors: Sequence[Floats], device: torch.device
) -> RetrievalLogits:
    """Return the neighbours each way between the English and the foreign sentences among the examples.

    Where pairs are mined each distinct text is searched once, else every sentence stands for itself.
    """
    pools = [[i for i, example in enumerate(examples) if example.english is english] for english in (True, False)]
    texts = [[examples[i].text for i in pool] for pool in pools]
    searched = [_distinct(pool) if task.mining else np.arange(len(pool)) for pool in texts]
    queries, candidates = (
        torch.from_numpy(np.stack([vectors[pool[i]] for i in chosen]))
        for pool, chosen in zip(pools, searched, strict=True)
    )
    forward, reverse = mutual_neighbours(queries, candidates, NEIGHBOURS, device=device)
    english, foreign = ([examples[i] for i in pool] for pool in pools)
    return RetrievalLogits(
        example_id=tuple(example.id for example in english),
        candidate_id=tuple(example.id for example in foreign),
        query=searched[0],
        candidate=searched[1],
        query_count=_counts(texts[0], searched[0]),
        candidate_count=_counts(texts[1], searched[1]),
        scores=forward.scores,
        neighbours=forward.indices,
        reverse_scores=reverse.scores,
        reverse_neighbours=reverse.indices,
        gold=_gold(task, english, foreign),
    )


def _distinct(texts: Sequence[str]) -> Integers:
    """Return a sentence for each distinct text: the last that has it, in the order in which texts first occur.

    So does the official code (XTREME's utils_retrieve.py, from LASER), and the order decides ties.
    """
    return np.array(list({text: i for i, text in enumerate(texts)}.values()), dtype=np.int64)


def _counts(texts: Sequence[str], searched: Integers) -> Integers:
    """Return how many sentences of the pool have the text of each one searched, white space around it aside."""
    stripped = [text.strip() for text in texts]
    count_of = Counter(stripped)
    return np.array([count_of[stripped[i]] for i in searched], dtype=np.int64)


def _gold(task: Task, english: Sequence[RetrievalExample], foreign: Sequence[RetrievalExample]) -> Integers | None:
    """Return the pairs that either side names, as indices of the pools; None where a side does not say."""
    if any(example.translations is None for example in (*english, *foreign)):
        return None
    named = [(e.id, other) for e in english for other in e.translations or ()]
    named += [(other, e.id) for e in foreign for other in e.translations or ()]
    query_of, candidate_of = ({e.id: i for i, e in enumerate(pool)} for pool in (english, foreign))
    for query, candidate in named:
        if query not in query_of or candidate not in candidate_of:
            raise DataError(
                f"{task.title}: {query} and {candidate} are given as translations of each other, but one of them is "
                "not among the sentences; fetch the files of sentences and pairs again"
            )
    pairs = [(query_of[query], candidate_of[candidate]) for query, candidate in dict.fromkeys(named)]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
