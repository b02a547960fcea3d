"""Neighbours are those of a plain sort whatever the block, in bounded memory; pools of sentences; the layer read."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch.overrides import TorchFunctionMode

from xstilts_hpc.data.batch import Batch
from xstilts_hpc.data.rows import rows_of
from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import RetrievalExample
from xstilts_hpc.model.packed import ATTENTION
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.train.neighbours import mutual_neighbours
from xstilts_hpc.train.pools import search_pools
from xstilts_hpc.train.retrieval import SentenceModel

CPU = torch.device("cpu")
# Bytes of scores: blocks of 1, 2, 10 and 50 sentences a side, and all at once.
BUDGETS = [8, 32, 800, 20_000, 0]


def by_sorting(queries: Any, candidates: Any, k: int) -> Any:
    """Return the neighbours from all cosines in double precision, equal to 1e-6 taken as ties."""
    left, right = (np.asarray(pool, dtype=np.float64) for pool in (queries, candidates))
    cosines = (left @ right.T) / np.linalg.norm(left, axis=1)[:, None] / np.linalg.norm(right, axis=1)
    return np.argsort(-cosines.round(6), axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("budget", BUDGETS)
def test_neighbours_are_those_of_sorting_all_cosines(budget: int) -> None:
    generator = torch.Generator().manual_seed(1)
    queries, candidates = torch.randn(120, 16, generator=generator), torch.randn(90, 16, generator=generator)
    forward, reverse = mutual_neighbours(queries, candidates, 4, budget=budget)
    assert forward.indices.tolist() == by_sorting(queries, candidates, 4).tolist()
    assert reverse.indices.tolist() == by_sorting(candidates, queries, 4).tolist()
    cosines = torch.nn.functional.cosine_similarity(queries[:, None], candidates[forward.indices], dim=2)
    assert forward.scores == pytest.approx(cosines.numpy(), abs=1e-6)


@pytest.mark.parametrize("budget", BUDGETS)
def test_of_many_equal_cosines_the_smallest_indices_win(budget: int) -> None:
    # Each of 200 vectors is one of 8 directions in one of two lengths, so that every place is tied many times.
    corners = torch.tensor([[x, y, z] for x in (1.0, 2.0) for y in (0.0, 1.0) for z in (-1.0, 1.0)])
    generator = torch.Generator().manual_seed(2)
    queries, candidates = (corners[torch.randint(8, (200,), generator=generator)] for _ in range(2))
    candidates[::3] *= 2.0
    forward, reverse = mutual_neighbours(queries, candidates, 4, budget=budget)
    assert forward.indices.tolist() == by_sorting(queries, candidates, 4).tolist()
    assert reverse.indices.tolist() == by_sorting(candidates, queries, 4).tolist()


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_tie_of_different_vectors_at_the_last_place_goes_to_the_smallest_index(budget: int) -> None:
    forward, reverse = mutual_neighbours(torch.eye(100), torch.eye(100).flip(0), 3, budget=budget)
    # Sentence 0 is candidate 99; all others are at right angles to it.
    assert forward.indices[[0, 99]].tolist() == [[99, 0, 1], [0, 1, 2]]
    assert reverse.indices[[1, 98]].tolist() == [[98, 0, 1], [1, 0, 2]]
    assert forward.scores[0].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("budget", [200, 80_000, 0])
def test_rounding_does_not_part_copies_of_one_sentence(budget: int) -> None:
    generator = torch.Generator().manual_seed(4)
    sentence, queries = torch.randn(1, 1_024, generator=generator), torch.randn(301, 1_024, generator=generator)
    forward, reverse = mutual_neighbours(queries, sentence.repeat(23, 1), 4, budget=budget)
    assert (forward.indices == [0, 1, 2, 3]).all()
    assert (reverse.indices == reverse.indices[0]).all() and (reverse.scores == reverse.scores[0]).all()


def test_equal_sentences_are_found_in_order_and_find_the_same() -> None:
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    candidates = torch.tensor([[0.0, 2.0], [3.0, 0.0], [0.0, 1.0], [5.0, 0.0], [1.0, 0.0]])
    forward, reverse = mutual_neighbours(queries, candidates, 4)
    assert forward.indices.tolist() == [[1, 3, 4, 0], [0, 2, 1, 3], [1, 3, 4, 0]]
    assert forward.scores.tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0]]
    assert reverse.indices.tolist() == [[1, 0, 2], [0, 2, 1], [1, 0, 2], [0, 2, 1], [0, 2, 1]]


class Largest(TorchFunctionMode):
    """Note the bytes of the largest tensor that any function of torch gives."""

    num_bytes = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(value, torch.Tensor):
                self.num_bytes = max(self.num_bytes, value.numel() * value.element_size())
        return result


def test_nothing_larger_than_the_budget_is_made() -> None:
    # All scores together are 16 MB, and the pools and their neighbours are 2,000 * 8 * 4 = 64 kB each.
    pool = torch.randn(2_000, 8, generator=torch.Generator().manual_seed(3))
    pool[1_000:, 0] = 0.0
    with Largest() as largest:
        mutual_neighbours(pool, torch.eye(2_000, 8), 4, budget=100_000)
    assert 32_000 < largest.num_bytes <= 100_000


def pools(*sentences: tuple[str, str, tuple[str, ...] | None]) -> list[RetrievalExample]:
    """Return sentences by id and text; those whose id begins with en are English."""
    return [RetrievalExample(name, text, name.startswith("en"), others) for name, text, others in sentences]


FOREIGN = [("zh-1", "a", ("en-2",)), ("zh-2", "b ", ()), ("zh-3", "a", ()), ("zh-4", "b", ())]
ENGLISH = [("en-1", "x", ()), ("en-2", "y", ("zh-1",)), ("en-3", "z", ("zh-4",))]
VECTORS = [np.array(v, np.float32) for v in ([1, 0], [0, 1], [3, 1], [1, 1], [1, 0.1], [0, 1], [1, 1.1])]


def test_every_sentence_stands_for_itself() -> None:
    logits = search_pools(TASKS["tatoeba"], pools(*FOREIGN, *ENGLISH), VECTORS, CPU)
    assert (logits.example_id, logits.candidate_id) == (("en-1", "en-2", "en-3"), ("zh-1", "zh-2", "zh-3", "zh-4"))
    assert (logits.query.tolist(), logits.candidate.tolist()) == ([0, 1, 2], [0, 1, 2, 3])
    assert logits.candidate_count.tolist() == [2, 2, 2, 2]
    assert logits.neighbours.tolist() == [[0, 2, 3, 1], [1, 3, 2, 0], [3, 2, 1, 0]]
    assert logits.reverse_neighbours[:, 0].tolist() == [0, 1, 0, 2]


def test_where_pairs_are_mined_the_last_sentence_of_each_text_is_searched() -> None:
    task = replace(TASKS["tatoeba"], mining=True)
    logits = search_pools(task, pools(*FOREIGN, *ENGLISH), VECTORS, CPU)
    # Texts in the order in which they first occur: "a" (last at 2), "b " (at 1), "b" (at 3).
    assert logits.candidate.tolist() == [2, 1, 3]
    # White space aside "b " and "b" are the same text.
    assert logits.candidate_count.tolist() == [2, 2, 2]
    assert logits.query_count.tolist() == [1, 1, 1]
    # Neighbours count the searched: en-1 is nearest to zh-3, then zh-4, then zh-2.
    assert logits.neighbours.tolist() == [[0, 2, 1], [1, 2, 0], [2, 0, 1]]
    assert logits.reverse_neighbours.tolist() == [[0, 2, 1], [1, 2, 0], [2, 0, 1]]


def test_gold_pairs_are_those_that_either_side_names() -> None:
    logits = search_pools(TASKS["tatoeba"], pools(*FOREIGN, *ENGLISH), VECTORS, CPU)
    assert logits.gold is not None and logits.gold.tolist() == [[1, 0], [2, 3]]
    nothing = search_pools(TASKS["tatoeba"], pools(("zh-1", "a", ()), ("en-1", "x", ())), VECTORS[:2], CPU)
    assert nothing.gold is not None and nothing.gold.shape == (0, 2)


def test_gold_is_unknown_where_a_translation_is() -> None:
    examples = pools(*FOREIGN, *ENGLISH[:2], ("en-3", "z", None))
    assert search_pools(TASKS["tatoeba"], examples, VECTORS, CPU).gold is None


def test_a_pair_of_a_sentence_that_is_not_there_is_an_error() -> None:
    examples = pools(*FOREIGN, *ENGLISH[:2], ("en-3", "z", ("zh-9",)))
    with pytest.raises(DataError, match=r"Tatoeba: en-3 and zh-9 are given as translations .* not among the sentences"):
        search_pools(TASKS["tatoeba"], examples, VECTORS, CPU)


def encoder(layers: int) -> Any:
    """Return a random encoder so deep, always the same."""
    config = transformers.XLMRobertaConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=16
    )
    torch.manual_seed(0)
    return transformers.XLMRobertaModel(config).eval()


@pytest.mark.parametrize(("layers", "state"), [(24, 14), (12, 7), (4, 2)])
def test_a_sentence_is_the_mean_of_its_tokens_at_fourteen_of_twenty_four_layers(layers: int, state: int) -> None:
    ids, mask = torch.tensor([[0, 7, 8, 9, 2], [0, 5, 2, 1, 1]]), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    nothing = torch.zeros(0, dtype=torch.int64)
    packed = encoder(layers)
    packed.set_attn_implementation(ATTENTION)
    model = SentenceModel(packed, Recipe())
    sentences = model(Batch("", ids[mask.bool()], rows_of([5, 3]), nothing, nothing))
    hidden = encoder(layers)(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states[state]
    assert torch.allclose(sentences[0], hidden[0].mean(0), atol=1e-5)
    assert torch.allclose(sentences[1], hidden[1, :3].mean(0), atol=1e-5)
    assert len(model.encoder.encoder.layer) == state
