"""What a run needs to know of the machine it is on: not part of its identity, but of its record."""

from dataclasses import dataclass

# The ZeRO stage from which on no rank holds the weights whole.
SHARDED_WEIGHTS = 3


@dataclass(frozen=True)
class Machine:
    """Settings from the profile; `profile` is its name, for the record.

    `precision` is that of the matrix products of training: `fp32`, or `bf16` by autocast on fp32 weights. That of
    predictions is the same, unless `prediction_precision` says `fp32`, `autocast` or `bf16` (weights in bf16 too).
    A micro-batch holds at most `micro_batch_tokens` tokens per rank; 0 takes what memory allows. `threads` are those of
    the CPU per rank; 0 leaves torch's default. A checkpoint is saved every `checkpoint_min` minutes (0: only when a run
    is asked to stop). `activation_checkpointing` computes hidden states again instead of keeping them;
    `offload_optimizer` keeps the optimizer's state in the memory of the host. `compact_vocabulary` trains no rows of
    the embedding whose pieces never occur, wherever that changes nothing. `runs_per_gpu` runs share one GPU.
    `tensorboard` draws curves and scores for TensorBoard, in a small file an attempt.
    """

    zero_stage: int = 2
    precision: str = "fp32"
    micro_batch_tokens: int = 0
    threads: int = 0
    checkpoint_min: float = 15.0
    profile: str = ""
    activation_checkpointing: bool = False
    offload_optimizer: bool = False
    compact_vocabulary: bool = True
    prediction_precision: str = ""
    runs_per_gpu: int = 1
    tensorboard: bool = True
