"""Packed rows give the logits and the losses of padded ones, for every kind of task."""

import inspect
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.backends.cuda import SDPAParams
from torch.nested._internal import nested_tensor, sdpa
from torch.nn import functional

from tests.padded import padded_logits
from tests.train.zero_ranks import training_of
from xstilts_hpc.data.batch import Batch
from xstilts_hpc.data.rows import rows_of
from xstilts_hpc.errors import ModelError
from xstilts_hpc.model import packed
from xstilts_hpc.model.encoder import load_encoder
from xstilts_hpc.model.packed import Parts, packed_attention, read_tokens

KINDS = ("mnli", "hellaswag", "squad_v1", "panx", "mlm")
NOTHING = torch.zeros(0, dtype=torch.int64)


@pytest.fixture
def root(tiny_root: Path) -> Path:
    (tiny_root / "data" / "text").mkdir()
    (tiny_root / "data" / "text" / "en.txt").write_text("a cat sat in New York\ntwo old men ran\n", encoding="utf-8")
    return tiny_root


@pytest.fixture
def varlen() -> Any:
    """Return torch's module of variable-length attention, which an older torch has not."""
    return pytest.importorskip("torch.nn.attention.varlen")


def batches_of(root: Path, name: str, size: int = 8) -> tuple[Any, list[Batch]]:
    model, training = training_of(root, name)
    return model, [part.batches.make(items, 0) for part, items in training.effective_batches(size)]


@pytest.mark.parametrize("name", KINDS)
def test_packed_logits_are_those_of_padded_rows_however_far_padded(root: Path, name: str) -> None:
    model, batches = batches_of(root, name)
    model.eval()
    with torch.no_grad():
        for batch in [*batches[:2], shortened(batches[0])]:
            logits = model(batch)
            for width in (0, 128):
                assert torch.allclose(logits, padded_logits(model, batch, width=width), atol=1e-5)


def shortened(batch: Batch) -> Batch:
    """Return a batch without the last tokens of its rows, each row a token shorter than the one before."""
    lengths = [max(2, length - 1 - i) for i, length in enumerate(batch.rows.lengths)]
    kept = torch.cat([batch.input_ids[start : start + n] for start, n in zip(batch.rows.starts, lengths, strict=True)])
    rows = rows_of(lengths)
    assert len(set(lengths)) > 1
    return Batch(batch.task, kept, rows, batch.gold, rows.starts if len(batch.words) else batch.words)


@pytest.mark.parametrize("name", KINDS)
def test_fifty_updates_on_packed_rows_have_the_losses_of_padded_ones(root: Path, name: str) -> None:
    packed_losses, padded_losses = (losses(root, name, padded=padded) for padded in (False, True))
    assert len(packed_losses) == 50 and packed_losses[-1] < packed_losses[0]
    assert packed_losses == pytest.approx(padded_losses, rel=1e-4)


def losses(root: Path, name: str, *, padded: bool) -> list[float]:
    """Train for fifty updates, going round the batches, without dropout."""
    model, batches = batches_of(root, name)
    optimizer, found = torch.optim.AdamW(model.parameters(), lr=1e-3), []
    for step in range(50):
        batch = batches[step % len(batches)]
        logits = padded_logits(model, batch) if padded else model(batch)
        loss = functional.cross_entropy(logits, batch.gold)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        found.append(float(loss.detach()))
    return found


def test_a_row_does_not_see_its_neighbours(tiny_model: Path) -> None:
    encoder = load_encoder(str(tiny_model)).eval()
    with torch.no_grad():
        together = read_tokens(
            encoder, Batch("", torch.tensor([0, 7, 8, 2, 0, 9, 2]), rows_of([4, 3]), NOTHING, NOTHING)
        )
        alone = read_tokens(encoder, Batch("", torch.tensor([0, 9, 2]), rows_of([3]), NOTHING, NOTHING))
    assert torch.allclose(together[4:], alone, atol=1e-6)


def test_an_encoder_whose_attention_would_look_across_rows_is_refused(tiny_model: Path) -> None:
    encoder: Any = load_encoder(str(tiny_model))
    encoder.set_attn_implementation("sdpa")
    with pytest.raises(ModelError, match="sdpa, which would look across the packed rows"):
        read_tokens(encoder, Batch("", torch.tensor([0, 2]), rows_of([2]), NOTHING, NOTHING))


def attended(rows: Any, dropout: float, *parts: Tensor) -> Tensor:
    query, key, value = (part.transpose(0, 1)[None] for part in parts)
    seen, _ = packed_attention(torch.nn.Module(), query, key, value, None, rows=rows, dropout=dropout)
    return seen[0]


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")  # what a CPU falls back to
def test_nested_tensors_give_what_blocks_give_and_so_do_their_gradients() -> None:
    rows, generator = rows_of([9, 9, 8, 3, 1]), torch.Generator().manual_seed(0)
    parts = [torch.randn(30, 2, 4, generator=generator, requires_grad=True) for _ in range(3)]
    blocks, nested = attended(rows, 0.0, *parts), packed._nested(rows, Parts(*parts), 0.0)
    assert torch.allclose(blocks, nested, atol=1e-6)
    found = [torch.autograd.grad(seen.square().sum(), parts, retain_graph=True) for seen in (blocks, nested)]
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(*found, strict=True))


def varlen_by_rows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    *,
    window_size: tuple[int, int] = (-1, -1),
) -> Tensor:
    """Return what torch's varlen_attn gives on a GPU, a softmax a row; a side of the window that is -1 has no end."""
    assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
    assert max_q == max_k == int(cu_seq_q.diff().max()) and cu_seq_q.equal(cu_seq_k)
    left, right = (max_q if side == -1 else side for side in window_size)
    seen = []
    for start, stop in pairwise(cu_seq_q.tolist()):
        scores = torch.einsum("qhd,khd->hqk", query[start:stop], key[start:stop]) / query.shape[-1] ** 0.5
        place = torch.arange(stop - start)
        ahead = place - place[:, None]
        weights = scores.masked_fill((ahead < -left) | (ahead > right), -torch.inf).softmax(-1)
        seen.append(torch.einsum("hqk,khd->qhd", weights, value[start:stop]))
    return torch.cat(seen)


def test_what_stands_for_varlen_attn_takes_what_it_takes(varlen: Any) -> None:
    ours, torchs = (dict(inspect.signature(attend).parameters) for attend in (varlen_by_rows, varlen.varlen_attn))
    assert list(torchs)[:7] == list(ours)[:7] and "dropout" not in " ".join(torchs)
    assert torchs["window_size"].default == ours["window_size"].default


@pytest.mark.parametrize("name", KINDS)
def test_variable_length_attention_gives_the_logits_of_padded_rows(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch, varlen: Any
) -> None:
    model, batches = batches_of(root, name)
    batch, calls = shortened(batches[0]), []
    model.eval()
    with torch.no_grad():
        padded = padded_logits(model, batch)
        monkeypatch.setattr(varlen, "varlen_attn", lambda *given: calls.append(given) or varlen_by_rows(*given))
        monkeypatch.setattr(packed, "_HALVES", (torch.float32,))
        monkeypatch.setattr(Tensor, "is_cuda", True)
        assert torch.allclose(model(batch), padded, atol=1e-5)
    assert len(calls) == 2  # a call a layer


def test_variable_length_attention_sees_as_far_as_blocks_do(monkeypatch: pytest.MonkeyPatch, varlen: Any) -> None:
    rows, generator = rows_of([9, 9, 8, 3, 1]), torch.Generator().manual_seed(0)
    parts = Parts(*(torch.randn(30, 2, 4, generator=generator) for _ in range(3)))
    monkeypatch.setattr(varlen, "varlen_attn", varlen_by_rows)
    for window in (4, 9):
        blocks = torch.cat([packed._in_block(block, parts, 0.0, window) for block in rows.blocks])
        assert torch.allclose(packed._variable_length(rows, parts, window), blocks, atol=1e-6)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_gpu_is_not_waited_for_to_learn_how_long_the_rows_are(monkeypatch: pytest.MonkeyPatch) -> None:
    attention, asked, usable = functional.scaled_dot_product_attention, [], []
    monkeypatch.setattr(nested_tensor, "_get_sdpa_extreme_seqlen", lambda reduce, lengths: asked.append(lengths) or 5)

    def looking(query: Tensor, key: Tensor, value: Tensor, dropout_p: float) -> Tensor:
        """Choose the kernel as on a GPU, which asks whether a row is empty."""
        usable.append(sdpa._can_use_flash_sdpa_jagged(SDPAParams(query, key, value, None, dropout_p, False, False)))
        return attention(query, key, value, dropout_p=dropout_p)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", looking)
    packed._nested(rows_of([5, 9, 7]), Parts(*(torch.zeros(21, 2, 16) for _ in range(3))), 0.0)
    assert usable == [True] and not asked


def test_attention_drops_as_many_weights_as_asked() -> None:
    rows = rows_of([400] * 4)
    query = torch.zeros(1600, 1, 1)
    torch.manual_seed(0)
    seen = attended(rows, 0.25, query, query, torch.ones(1600, 1, 1))
    # Every token attends to 400 equally; a quarter is dropped, the rest scaled up: mean 1, deviation 1 / sqrt(3 * 400).
    assert float(seen.mean()) == pytest.approx(1.0, abs=0.01)
    assert float(seen.std()) == pytest.approx((1 / 1200) ** 0.5, rel=0.1)
