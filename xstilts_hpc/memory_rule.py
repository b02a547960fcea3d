"""What a training takes of a GPU's memory, and the settings that follow: ZeRO stage, micro-batch, checkpointing.

Counted is what DeepSpeed and autograd were seen to hold: tests/test_memory_rule.py measures both again, and
docs/training.md explains the terms. All sizes are in bytes, and of one rank.
"""

from dataclasses import dataclass, replace

from xstilts_hpc.machine import SHARDED_WEIGHTS, Machine

# Of each parameter: the weight, its gradient, DeepSpeed's own copy of the weight, and the two moments of Adam.
_WEIGHT, _GRADIENT, _COPY, _MOMENTS = 4, 4, 4, 8
# The copies of the matrices in bf16 that autograd keeps from the forward pass to the backward pass.
_CAST = 2
# A bucket of gradients on their way to the other ranks: 5e7 of 4 bytes.
_BUCKET = 200_000_000
# Weights that stage 3 holds whole at a time: 5e7, and as many fetched ahead.
_LIVE = 100_000_000
# Of each token and hidden unit: what autograd keeps of a layer (with the masks of dropout, a byte each on a GPU), of
# embeddings and head, and of a layer of which the input alone is kept; and the most that comes and goes beside it.
_LAYER, _OUTSIDE = {"fp32": 68.0, "bf16": 42.0}, {"fp32": 8.0, "bf16": 4.0}
_MASKS_OF_LAYER, _MASKS_OUTSIDE = 2, 1
_INPUT, _PASSING = 4.0, 18.0
_HEAD_WIDTH = 64
# Of each masked token and piece of the vocabulary: logits, their softmax, and the gradients of both.
_OUTPUT, _MASKED = 16.0, 0.15
# What is not ours: the driver's context and the libraries' workspaces; and what lies idle between blocks in use. Both
# are assumptions.
_CONTEXT, _IDLE = 1.5e9, 0.1
# So many tokens occupy a GPU: larger micro-batches bring little, so memory is saved no further. An assumption too.
ENOUGH = 4_096
# ZeRO stage, activation checkpointing, and the optimizer on the host, in the order of what they cost in time: one
# forward pass more, gathering weights in every pass, the host's memory in every update. One rank has nothing to share.
_ALONE = ((0, False, False), (0, True, False), (2, False, True), (2, True, True))
_SHARED = ((2, False, False), (2, True, False), (3, True, False), (2, False, True), (2, True, True), (3, True, True))


@dataclass(frozen=True)
class Trained:
    """What is trained: all parameters, those in matrices of the layers, layers, hidden units, outputs per masked token.

    `outputs` is the vocabulary where a language model is trained, 0 elsewhere.
    """

    parameters: int
    computing: int
    layers: int
    hidden: int
    outputs: int = 0


@dataclass(frozen=True)
class Settings:
    """What to set in a profile; `micro_batch_tokens` is 0 where nothing fits."""

    zero_stage: int
    activation_checkpointing: bool
    offload_optimizer: bool
    micro_batch_tokens: int


def kept_bytes(trained: Trained, machine: Machine, ranks: int) -> float:
    """Return what stays between two updates: weights and the optimizer's state."""
    if machine.zero_stage == 0:
        return trained.parameters * (_WEIGHT + _MOMENTS)
    shared = 0 if machine.offload_optimizer else _COPY + _MOMENTS
    if machine.zero_stage < SHARDED_WEIGHTS:
        return trained.parameters * (_WEIGHT + shared / ranks)
    gradients = 0 if machine.offload_optimizer else _GRADIENT
    return trained.parameters * (_WEIGHT + gradients + shared) / ranks


def held_bytes(trained: Trained, machine: Machine, ranks: int) -> float:
    """Return what is held in a backward pass beside activations: gradients are whole on every rank, at every stage.

    Stage 3 gathers weights from other ranks for a few layers at a time, and keeps no copies of them in bf16.
    """
    sharded = machine.zero_stage == SHARDED_WEIGHTS
    cast = _CAST * trained.computing if machine.precision == "bf16" and not sharded else 0
    gathered = _WEIGHT * min(trained.parameters, _LIVE) if sharded and ranks > 1 else 0
    return kept_bytes(trained, machine, ranks) + trained.parameters * _GRADIENT + gathered + cast


def update_bytes(trained: Trained, machine: Machine, ranks: int) -> float:
    """Return the most that is held when gradients are reduced and the optimizer steps; no activations are left then."""
    before = kept_bytes(trained, machine, ranks) + trained.parameters * _GRADIENT
    if machine.zero_stage == 0:
        return before + (trained.parameters * _GRADIENT if ranks > 1 else 0)
    reduced = (
        0
        if machine.offload_optimizer or machine.zero_stage == SHARDED_WEIGHTS
        else trained.parameters * _GRADIENT / ranks
    )
    return before + reduced + _BUCKET


def saved_bytes_per_token(trained: Trained, machine: Machine, mask_bytes: float = 1) -> float:
    """Return what autograd keeps of each token for the backward pass; `mask_bytes` is the size of dropout's masks.

    Attention by a kernel that keeps no scores is assumed (q, k, v, its output and a number per head), and a head that
    reads all tokens; others keep less of the last layer.
    """
    hidden = trained.hidden
    outside = (_OUTSIDE[machine.precision] + _MASKS_OUTSIDE * mask_bytes) * hidden
    layers = trained.layers * (
        _INPUT * hidden if machine.activation_checkpointing else _layer(trained, machine, mask_bytes)
    )
    return layers + outside + _MASKED * _OUTPUT * trained.outputs


def _layer(trained: Trained, machine: Machine, mask_bytes: float) -> float:
    """Return what autograd keeps of a token in a layer: units, a number per head, mean and deviation of two norms."""
    units = (_LAYER[machine.precision] + _MASKS_OF_LAYER * mask_bytes) * trained.hidden
    return units + 4 * trained.hidden / _HEAD_WIDTH + 16


def token_bytes(trained: Trained, machine: Machine) -> float:
    """Return what a token of a micro-batch takes at the peak; with checkpointing one layer is computed again there."""
    again = _layer(trained, machine, 1) if machine.activation_checkpointing else 0
    return saved_bytes_per_token(trained, machine) + again + _PASSING * trained.hidden


def fitting_tokens(memory_bytes: float, trained: Trained, machine: Machine, ranks: int) -> int:
    """Return the most tokens of a micro-batch that fit a GPU's memory; 0 where not even the update fits."""
    usable = memory_bytes / machine.runs_per_gpu * (1 - _IDLE) - _CONTEXT
    if update_bytes(trained, machine, ranks) > usable:
        return 0
    return max(0, int((usable - held_bytes(trained, machine, ranks)) / token_bytes(trained, machine)))


def runs_that_fit(memory_bytes: float, trained: Trained, *, machine: Machine, wanted: int, longest: int) -> int:
    """Return how many runs side by side have room for an example of `longest` tokens each: at most `wanted`, or 1."""
    for runs in range(wanted, 1, -1):
        if fitting_tokens(memory_bytes, trained, replace(machine, runs_per_gpu=runs), 1) >= longest:
            return runs
    return 1


def recommend(memory_bytes: float, trained: Trained, *, machine: Machine, ranks: int, share: int) -> Settings:
    """Return the settings for a GPU; `share` is the number of tokens that a rank has of the largest effective batch.

    First what costs least time; anything that saves memory only where less than ENOUGH tokens would fit without it.
    """
    best = Settings(0, False, False, 0)
    for stage, again, offload in _ALONE if ranks == 1 else _SHARED:
        tried = replace(machine, zero_stage=stage, activation_checkpointing=again, offload_optimizer=offload)
        tokens = min(share, fitting_tokens(memory_bytes, trained, tried, ranks))
        if tokens > best.micro_batch_tokens:
            best = Settings(stage, again, offload, tokens)
        if tokens >= min(share, ENOUGH):
            break
    return best
