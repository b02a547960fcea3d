"""What no training or evaluation is faster than: its FLOPs at the measured peak, its bytes at the measured copy.

FLOPs of a token, forward: 2 for each number in the matrices it meets (24 * hidden^2 a layer: query, key, value, output,
and the two of 4 * hidden), and 4 * length * hidden a layer for attention (scores, and the mean of the values). Behind
the last layer's attention (18 * hidden^2) only those tokens count that a head reads: the first of each row, and the
words of a tagging task; in question answering all. Heads: pooler, dense and output for each row of a sequence task, an
output for each word or token of the others. Training counts three times that: backward is twice forward. Embeddings,
layer norms and softmax count nothing.

Bytes of an update: AdamW reads weight, gradient and two moments and writes three of them, the gradient norm reads the
gradient, backward writes it, forward and backward read the weights (for bf16 by autocast: read fp32, write bf16, read
that twice). All in one micro-batch, with the compact vocabulary. A forward pass alone reads the weights: 4 bytes each
in fp32, 2 where they are bf16, and 8 by autocast (read fp32, write bf16, read that).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from bench_common import SIZES, settle

from xstilts_hpc.data.encode import Encoded
from xstilts_hpc.examples import Kind
from xstilts_hpc.forecast import ModelSize
from xstilts_hpc.tasks.base import Task

_FP32, _BF16 = 4, 2
# AdamW's 7 numbers, the norm's 1, and the gradient's writing.
_OPTIMIZER_BYTES = 9 * _FP32
_FORWARD_BYTES = {"fp32": _FP32, "autocast": _FP32 + 2 * _BF16, "bf16": _BF16}
# FLOPs of a token behind a layer's attention, by hidden^2: its output, and both matrices of 4 * hidden.
_BEHIND_ATTENTION = 2 * (1 + 4 + 4)
_WARM, _REPEATS = 3, 10


@dataclass(frozen=True)
class Peak:
    """What a device was measured to do: FLOP/s of matrix products by precision, and bytes/s read and written."""

    bf16: float
    fp32: float
    bandwidth: float


def flops_of(encoded: Encoded, task: Task, size: str, *, training: bool) -> float:
    """Return the FLOPs of reading all rows of an encoded set once."""
    layers, hidden = SIZES[size]
    lengths = encoded.ragged("input_ids").lengths()
    matrices, attention = 2 * _model(size, 0).computing * lengths.sum(), 4 * layers * hidden * (lengths**2).sum()
    unread = _BEHIND_ATTENTION * hidden**2 * (lengths.sum() - _read(encoded, task))
    forward = float(matrices + attention - unread) + _head(encoded, task, hidden)
    return 3 * forward if training else forward


def _read(encoded: Encoded, task: Task) -> int:
    """Return how many tokens of all rows have a last hidden state that is read."""
    lengths = encoded.ragged("input_ids").lengths()
    if task.kind is Kind.SPAN:
        return int(lengths.sum())
    words = encoded.ragged("word_position").lengths().sum() if task.kind is Kind.TOKEN else 0
    return len(lengths) + int(words)


def _head(encoded: Encoded, task: Task, hidden: int) -> float:
    if task.kind is Kind.SPAN:
        return float(4 * hidden * encoded.ragged("input_ids").lengths().sum())
    if task.kind is Kind.TOKEN:
        return float(2 * hidden * len(task.labels) * encoded.ragged("word_position").lengths().sum())
    return float(encoded.items * 2 * hidden * (2 * hidden + len(task.labels)))


def parameters_of(size: str, *, pieces: int) -> int:
    """Return the weights of an encoder with so many pieces, without biases and layer norms (0.1 % of them)."""
    return _model(size, pieces + 514).parameters


def _model(size: str, rows: int) -> ModelSize:
    """Return an encoder of a size in SIZES with so many rows of embeddings."""
    layers, hidden = SIZES[size]
    return ModelSize(layers, hidden, 4 * hidden, rows)


def bytes_of(parameters: int, precision: str, *, training: bool) -> float:
    """Return the bytes of weights and optimizer that an update, or a forward pass, must move."""
    again = _FP32 if precision == "fp32" else _BF16
    return float(parameters * (_FORWARD_BYTES[precision] + (again + _OPTIMIZER_BYTES if training else 0)))


def roofline_s(flops: float, moved: float, peak: Peak, *, bf16: bool) -> float:
    """Return the seconds that so many FLOPs and bytes need at least."""
    return flops / (peak.bf16 if bf16 else peak.fp32) + moved / peak.bandwidth


def measure_peak(size: str, device: torch.device, *, tokens: int, copied_mb: int) -> Peak:
    """Measure a device: matrix products of the sizes of a model's layers on so many tokens, and a copy."""
    bf16, fp32 = (_matrix_peak(size, device, dtype, tokens) for dtype in (torch.bfloat16, torch.float32))
    return Peak(bf16, fp32, _bandwidth(device, copied_mb * 2**20))


def _matrix_peak(size: str, device: torch.device, dtype: torch.dtype, tokens: int) -> float:
    """Return FLOP/s of a layer's products: four of hidden by hidden, one up to 4 * hidden, one down."""
    _, hidden = SIZES[size]
    flops = seconds = 0.0
    for number, inner, outer in ((4, hidden, hidden), (1, hidden, 4 * hidden), (1, 4 * hidden, hidden)):
        left = torch.randn(tokens, inner, device=device, dtype=dtype)
        right = torch.randn(inner, outer, device=device, dtype=dtype)
        flops += number * 2 * tokens * inner * outer
        seconds += number * _seconds(lambda left=left, right=right: left @ right, device)  # type: ignore[misc]
    return flops / seconds


def _bandwidth(device: torch.device, size: int) -> float:
    source = torch.ones(size // _FP32, device=device)
    target = torch.empty_like(source)
    return 2 * size / _seconds(lambda: target.copy_(source), device)


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the median time of a piece of work."""
    times = []
    for _ in range(_WARM + _REPEATS):
        settle(device)
        started = time.perf_counter()
        work()
        settle(device)
        times.append(time.perf_counter() - started)
    return float(np.median(times[_WARM:]))
