"""An encoder's last layer computes only the states that are read: behind its attention each token is by itself.

A classification reads the first token of each row, so nine of the last layer's twelve blocks of weights (its output's,
and both of the feed-forward part) meet one token a row. States and gradients are those of the whole layer.
"""

from functools import partial
from typing import Any

from torch import Tensor, nn

from xstilts_hpc.families import family_of


def skip_unread(encoder: Any) -> bool:
    """Have the last layer leave out what is not `wanted`, and say whether an encoder of this family can.

    `wanted` (the places of tokens; None: all) is a keyword of the encoder's forward pass, which hands it to its layers.
    """
    family = family_of(encoder.config.model_type)
    if not family.attention_end:
        return False
    layer, (attention, name) = encoder.get_submodule(family.layers)[-1], family.attention_end.split(".")
    end = layer.get_submodule(family.attention_end)
    if not hasattr(end, "wanted"):
        end.wanted = None
        layer.get_submodule(attention).register_forward_pre_hook(partial(_hand_on, name), with_kwargs=True)
        end.register_forward_pre_hook(_leave_out)
    return True


def _hand_on(name: str, attention: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Tell the end of attention what is wanted; a layer's forward pass that is computed again comes by here too."""
    end: Any = attention.get_submodule(name)
    end.wanted = named.get("wanted")


def _leave_out(end: Any, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Keep what is wanted of [1, tokens, hidden]: what attention gives, and what went into it."""
    wanted, end.wanted = end.wanted, None
    return states if wanted is None else tuple(part[:, wanted] for part in states)
