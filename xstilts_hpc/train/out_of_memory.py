"""Tell that memory ran out from an exception, of the device or of the machine."""

import re
from collections.abc import Iterator

import torch

from xstilts_hpc.causes import DEVICE_MEMORY_WORDS

# What RuntimeErrors say, that of torch's allocator on a CPU first.
_WORDS = re.compile(rf"can't allocate memory|{DEVICE_MEMORY_WORDS}")


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error, or one that led to it, is memory that could not be had."""
    return any(
        isinstance(link, MemoryError | torch.OutOfMemoryError)
        or (isinstance(link, RuntimeError) and _WORDS.search(str(link)))
        for link in chain(error)
    )


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that led to it, the last first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
