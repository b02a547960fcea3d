"""A training on the rows of the embedding that occur is the training on all of them."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tests.train.zero_ranks import RECIPE, training_of
from xstilts_hpc.data.batch import Batch
from xstilts_hpc.data.rows import rows_of
from xstilts_hpc.model.vocabulary import CompactVocabulary, compact
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.train.zero import decay_by_end, decay_groups, warmup_decay

STEPS = 100
WEIGHT = "encoder.embeddings.word_embeddings.weight"


def trained(root: Path, recipe: Recipe, *, compacted: bool, cut: int = 0) -> dict[str, torch.Tensor]:
    """Return all weights after 100 updates; at the update `cut` model and optimizer are made anew from their state."""
    vocabulary: CompactVocabulary | None = None

    def begin() -> tuple[torch.nn.Module, torch.optim.AdamW, torch.optim.lr_scheduler.LambdaLR]:
        nonlocal vocabulary
        model, training = training_of(root, "mnli")
        pieces = training.pieces()
        assert pieces is not None and len(pieces) < model.encoder.config.vocab_size
        if compacted:
            vocabulary = compact(model.encoder, pieces)
        groups = decay_groups(model, recipe.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
        factor = warmup_decay(recipe.warmup_fraction, STEPS)
        return model, optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

    parts = begin()
    _, training = training_of(root, "mnli")
    batches = [part.batches.make(items, 0) for part, items in training.effective_batches(recipe.batch_size)]
    for step in range(STEPS):
        if step == cut:
            states = [part.state_dict() for part in parts]
            parts = begin()
            for part, state in zip(parts, states, strict=True):
                part.load_state_dict(state)
        model, optimizer, schedule = parts
        batch = batches[step % len(batches)]
        functional.cross_entropy(model(batch), batch.gold).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    weights = {name: weight.detach() for name, weight in parts[0].named_parameters()}
    if vocabulary:
        weights[WEIGHT] = vocabulary.whole(weights[WEIGHT], decay_by_end(recipe, STEPS))
    return weights


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("cut", [0, 37], ids=["straight", "resumed"])
def test_all_weights_are_those_of_the_whole_vocabulary(tiny_root: Path, weight_decay: float, cut: int) -> None:
    recipe = Recipe(learning_rate=1e-3, batch_size=8, weight_decay=weight_decay, max_length=RECIPE.max_length)
    whole = trained(tiny_root, recipe, compacted=False)
    compacted = trained(tiny_root, recipe, compacted=True, cut=cut)
    before, _ = training_of(tiny_root, "mnli")
    assert whole.keys() == compacted.keys()
    for name, weight in whole.items():
        assert torch.allclose(compacted[name], weight, rtol=1e-5, atol=1e-7), name
    untouched = before.encoder.embeddings.word_embeddings.weight[-2]  # type: ignore[union-attr,index]
    moved = not torch.equal(whole[WEIGHT][-2], untouched)  # type: ignore[arg-type]
    assert moved == bool(weight_decay)


def test_a_piece_that_is_not_trained_cannot_be_read(tiny_root: Path) -> None:
    model, training = training_of(tiny_root, "mnli")
    pieces = training.pieces()
    assert pieces is not None
    compact(model.encoder, pieces)
    missing = next(i for i in range(model.encoder.config.vocab_size) if i not in pieces)  # type: ignore[union-attr]
    nothing = torch.zeros(0, dtype=torch.int64)
    with pytest.raises(IndexError):
        model(Batch("mnli", torch.tensor([0, missing, 2]), rows_of([3]), nothing, nothing))


def test_masked_text_keeps_the_whole_vocabulary(tiny_root: Path) -> None:
    (tiny_root / "data" / "text").mkdir()
    (tiny_root / "data" / "text" / "en.txt").write_text("a cat\n", encoding="utf-8")
    _, training = training_of(tiny_root, "mixture")
    assert training.pieces() is None
