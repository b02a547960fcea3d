"""What a run needs to know of the machine it is on: not part of its identity, but of its record."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """Settings from the profile: ZeRO stage, precision (`fp32` or `bf16` by autocast), micro-batch, CPU threads.

    `profile` is the name of the profile, for the record. A micro-batch of 0 takes the effective batch divided by the
    number of ranks; 0 threads leaves torch's default. A checkpoint is saved every `checkpoint_min` minutes (0: only
    when a run is asked to stop).
    """

    zero_stage: int = 2
    precision: str = "fp32"
    micro_batch: int = 0
    threads: int = 0
    checkpoint_min: float = 15.0
    profile: str = ""
