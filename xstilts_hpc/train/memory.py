"""What fits into the memory of a device."""

import torch

# Most tokens of a micro-batch by kind of device, where neither the profile nor a measurement says otherwise.
_TOKENS = {"cuda": 16_384, "cpu": 4_096}


def fitting_tokens(device: torch.device) -> int:
    """Return the most tokens of a micro-batch that fit the device."""
    return _TOKENS[device.type]
