"""The pretrained language-model head of XLM-R, where the model's files have one."""

from typing import Any

import transformers
from torch import nn

from xstilts_hpc.model.encoder import load_pretrained

_PREFIX = "lm_head."
FROM_MODEL, FRESH = "from the model", "fresh: the model has none"


def fill_text_head(head: nn.Module, location: str, revision: str = "main") -> str:
    """Copy the model's language-model head into ours, and say whether it had one; a fresh one stays as it was drawn."""
    model, report = load_pretrained(transformers.AutoModelForMaskedLM, location, revision, output_loading_info=True)
    if any(str(name).startswith(_PREFIX + "dense") for name in report["missing_keys"]):
        return FRESH
    theirs: Any = model.lm_head
    head.dense.load_state_dict(theirs.dense.state_dict())  # type: ignore[union-attr]
    head.layer_norm.load_state_dict(theirs.layer_norm.state_dict())  # type: ignore[union-attr]
    head.out.bias.data.copy_(theirs.bias.data)  # type: ignore[operator,union-attr]
    return FROM_MODEL
