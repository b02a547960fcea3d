"""The pretrained language-model head of an encoder, where the model's files have one."""

from typing import Any

import transformers
from torch import nn

from xstilts_hpc.families import family_of
from xstilts_hpc.model.encoder import load_pretrained

FROM_MODEL, FRESH = "from the model", "fresh: the model has none"


def fill_text_head(head: nn.Module, location: str, revision: str = "main") -> str:
    """Copy the model's language-model head into ours, and say whether it had one; a fresh one stays as it was drawn."""
    model, report = load_pretrained(transformers.AutoModelForMaskedLM, location, revision, output_loading_info=True)
    places = family_of(model.config.model_type).text_heads
    modules = {name for name, _ in model.named_modules()}
    dense, norm, bias = next(place for place in places if place[0] in modules)
    if any(str(name).startswith(dense) for name in report["missing_keys"]):
        return FRESH
    weights = model.state_dict()
    ours: Any = head
    for part, name in ((ours.dense, dense), (ours.layer_norm, norm)):
        own = {own: weights[f"{name}.{own}"] for own in ("weight", "bias") if f"{name}.{own}" in weights}
        part.load_state_dict(own, strict=False)
    ours.out.bias.data.copy_(weights[bias])
    return FROM_MODEL
