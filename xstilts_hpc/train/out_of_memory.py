"""Tell that memory ran out from an exception, of the device or of the machine; and give back what is not in use."""

import ctypes
import re
from collections.abc import Iterator

import torch

from xstilts_hpc.causes import DEVICE_MEMORY_WORDS

# The parameter of glibc's mallopt (malloc.h), and its default in bytes.
_M_MMAP_THRESHOLD, _THRESHOLD = -3, 128 * 1024

# What RuntimeErrors say: torch's allocator on a CPU, oneDNN (of this and of other faults), then a GPU's.
_WORDS = re.compile(rf"can't allocate memory|could not create a primitive$|{DEVICE_MEMORY_WORDS}")


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


def give_back(device: torch.device) -> None:
    """Give back the memory of freed tensors: now on a GPU, from here on on a CPU, as far as its C library can.

    glibc keeps freed tensors of up to 32 MB for the next ones. What maps memory by itself then gets none, such as
    oneDNN for the code of a kernel, however small the micro-batches become (measured under a limit of `ulimit -v`).
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, _THRESHOLD)
