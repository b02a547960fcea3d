"""Memory that ran out is told from other errors, whoever asked for it: torch, CUDA, its libraries or NCCL."""

import pytest
import torch
import torch.distributed as dist

from xstilts_hpc.causes import Cause
from xstilts_hpc.train.out_of_memory import is_out_of_memory
from xstilts_hpc.train.record import cause_of

NCCL = "NCCL error in: ProcessGroupNCCL.cpp:77, unhandled cuda error\nncclUnhandledCudaError: it failed.\nLast error:\n"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError("CUDA driver error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        dist.DistBackendError(f"{NCCL}Failed to CUDA calloc async 608 bytes"),
        dist.DistBackendError(f"{NCCL}Failed to CUDA host alloc 4096 bytes"),
        dist.DistBackendError(f"{NCCL}Cuda failure 2 'out of memory'"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("could not create a primitive"),
        MemoryError(),
    ],
    ids=str,
)
def test_memory_that_ran_out_is_that_cause(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert cause_of(error) == Cause.OUT_OF_MEMORY


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), Cause.FAILED),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"), Cause.FAILED),
        (RuntimeError("could not create a primitive descriptor for the matmul primitive."), Cause.FAILED),
        (ValueError("CUDA error: out of memory"), Cause.FAILED),
        (dist.DistBackendError(f"{NCCL}Cuda failure 'unknown error'"), Cause.KILLED),
    ],
    ids=str,
)
def test_other_errors_are_not(error: Exception, cause: Cause) -> None:
    assert not is_out_of_memory(error)
    assert cause_of(error) == cause
