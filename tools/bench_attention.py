"""Check on a device that packed rows are read as they should be; a difference that is too large ends the process."""

import numpy as np
import torch
from bench_common import rows, task_model
from bench_predict_peers import Contender, LanguageSet, contenders_of, language_set, typical_rows
from bench_sample import BATCHES
from torch import Tensor, nn

from xstilts_hpc.data.rows import Rows, rows_of
from xstilts_hpc.model.packed import packed_attention
from xstilts_hpc.tasks import task_of

# Whose recipe reads each kind in an evaluation.
READ_AS = {"mnli": "xnli", "squad_v1": "xquad", "panx": "panx"}
# Examples per batch of HF Trainer.
_BATCH = 32
_HEADS, _DIM = 4, 64
_LENGTHS = (384, 200, 200, 31, 9, 8, 3, 1)
# So unlikely to drop anything that it only chooses the way of attention that knows dropout.
_NO_DROPOUT = 1e-12
# Largest differences, relative to the largest value: of fp32, and of what is computed in bf16.
_FP32, _BF16 = 1e-3, 5e-2
# (precision, dropout, tolerance): the ways of attention that a training or a prediction takes.
_WAYS = {
    "fp32": (torch.float32, 0.0, _FP32),
    "fp32, dropout": (torch.float32, _NO_DROPOUT, _FP32),
    "bf16": (torch.bfloat16, 0.0, _BF16),
    "bf16, dropout": (torch.bfloat16, _NO_DROPOUT, _BF16),
}
_LOGITS = {
    ("ours_fp32", "padded_fp32"): _FP32,
    ("ours_autocast", "padded_autocast"): _BF16,
    ("ours_bf16", "padded_fp32"): _BF16,
}


def check_attention(device: torch.device) -> dict[str, float]:
    """Compare attention and its gradients with those of fp32 on the CPU, and count what dropout drops.

    Returns the largest relative difference of each way; SystemExit where one is too large.
    """
    packed, generator = rows_of(_LENGTHS), torch.Generator().manual_seed(0)
    parts = [torch.randn(sum(_LENGTHS), _HEADS, _DIM, generator=generator) for _ in range(4)]
    expected, found = _attended(packed, parts, 0.0), {}
    for name, (dtype, dropout, tolerance) in _WAYS.items():
        moved = [part.to(device, dtype) for part in parts]
        seen = _attended(packed.to(device), moved, dropout)
        worst = max(_relative(one, other) for one, other in zip(seen, expected, strict=True))
        found[f"attention, {name}"] = _at_most(f"attention in {name}", worst, tolerance)
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        found[f"dropped, {name}"] = _dropped(device, dtype)
    return found


def _attended(packed: Rows, parts: list[Tensor], dropout: float) -> list[Tensor]:
    """Return what is seen, and the gradients of query, key and value where the last of the parts comes back."""
    *heads, back = parts
    query, key, value = leaves = [part.transpose(0, 1)[None].detach().requires_grad_() for part in heads]
    seen, _ = packed_attention(nn.Module(), query, key, value, None, rows=packed, dropout=dropout)
    return [seen, *torch.autograd.grad(seen, leaves, back[None])]


def _dropped(device: torch.device, dtype: torch.dtype) -> float:
    """Return the share of attention weights that a dropout of a quarter drops, from how far the means of ones spread.

    Every token attends to 400 equally: of the mean of what is kept and scaled up, the variance is share / (1 - share)
    / 400. SystemExit where the share is not about a quarter.
    """
    packed = rows_of([400] * 4).to(device)
    query = torch.zeros(1, 1, 1600, _DIM, device=device, dtype=dtype)
    torch.manual_seed(0)
    seen, _ = packed_attention(nn.Module(), query, query, torch.ones_like(query), None, rows=packed, dropout=0.25)
    means = seen.float()[0, :, 0, 0]
    odds = float(means.var()) * 400
    share = odds / (1 + odds)
    _at_most(f"share dropped in {dtype}, {share:.3f}, from a quarter", abs(share - 0.25), 0.05)
    _at_most(f"mean under dropout in {dtype}, from 1", abs(float(means.mean()) - 1), 0.02)
    return round(share, 4)


def check_logits(kinds: list[str], size: str, device: torch.device, count: int) -> dict[str, float]:
    """Compare the logits of packed rows with those of padded ones, each precision for itself; SystemExit as above."""
    found = {}
    for kind in kinds:
        language, ways = english(kind, count), contenders(kind, size, device)
        for (one, other), tolerance in _LOGITS.items():
            ours, theirs = (np.concatenate([row.ravel() for row in ways[name](language)[1]]) for name in (one, other))
            worst = _relative(torch.from_numpy(ours), torch.from_numpy(theirs))
            found[f"{kind}, {one} - {other}"] = _at_most(f"logits of {kind}, {one} - {other}", worst, tolerance)
    return found


def english(kind: str, count: int) -> LanguageSet:
    """Return rows to predict: about `count`, in typical batches of a large set."""
    encoded = typical_rows(rows(kind, BATCHES * _BATCH, 1), _BATCH, max(1, count // _BATCH))
    return language_set(task_of(READ_AS[kind]), "en", encoded)


def contenders(kind: str, size: str, device: torch.device) -> dict[str, Contender]:
    """Return the ways to predict that bench_predict.py compares."""
    model, half = (task_model(kind, size, device=device).eval() for _ in range(2))
    return contenders_of(model, half, _BATCH)


def _relative(one: Tensor, other: Tensor) -> float:
    other = other.detach().float().cpu()
    return float((one.detach().float().cpu() - other).abs().max() / other.abs().max())


def _at_most(what: str, found: float, most: float) -> float:
    if not found <= most:  # a NaN is not
        raise SystemExit(f"bench_gpu: {what} differs by {found:.2e}, at most {most:.0e} is right; nothing is measured")
    return round(found, 7)
