"""Settle what the libraries read from the environment or print on their own."""

import os

import torch
import transformers
from huggingface_hub import constants

# What the libraries read to know that they may not use the network.
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
_TRUE = ("1", "ON", "YES", "TRUE")


def settle_libraries() -> None:
    """Stay offline, choose DeepSpeed's device before it looks for one, keep bars and notices off the terminal."""
    _stay_offline()
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ.setdefault("DS_LOG_LEVEL", "error")
    # A process forked after the tokenizers' threads have run hangs; data/tokens.py lets them run while it encodes.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def _stay_offline() -> None:
    """Make every call of the hub's client an error at once, unless the environment says otherwise (HF_HUB_OFFLINE=0).

    The client reads the environment when it is imported, which is before this; without, a call on a node without
    network tries again for minutes.
    """
    for name in OFFLINE:
        os.environ.setdefault(name, "1")
    constants.HF_HUB_OFFLINE = os.environ[OFFLINE[0]].upper() in _TRUE
