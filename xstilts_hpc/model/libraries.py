"""Settle what the libraries read from the environment or print on their own."""

import os

import torch
import transformers


def settle_libraries() -> None:
    """Choose DeepSpeed's device before it looks for one, and keep progress bars and notices off the terminal."""
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ.setdefault("DS_LOG_LEVEL", "error")
    # A process forked after the tokenizers' threads have run hangs; data/tokens.py lets them run while it encodes.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
