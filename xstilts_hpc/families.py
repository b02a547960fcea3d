"""The families of encoders that can be trained, and in what they differ.

Read from the classes of transformers 5.23 (modeling_xlm_roberta, _xlm_roberta_xl, _deberta_v2, _modernbert); names are
those of its modules and of config.json.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xstilts_hpc.errors import ModelError


@dataclass(frozen=True)
class Family:
    """What is particular to the encoders of one `model_type`; `examples` are models of it.

    `packed`: attention goes through transformers' interface, so that it can be confined to rows without padding.
    `attention_end` is the module that takes what attention gives and what went into it, where there is one.
    `unused_positions` of max_position_embeddings are never used: where there are any, positions begin behind the
    padding id. `final_norm` follows the last layer, and no hidden state before it. `pooler`: the encoder has one.
    `activation` is that of the classification head, or names where the configuration says it, as `dropout`, `norm_eps`
    and `text_activation` do; `head_norm`: that head has a norm. `gated`: the feed-forward part has a third matrix.
    `text_heads` are where a language model may have its dense layer, norm and bias.
    """

    name: str
    examples: str
    packed: bool = True
    unused_positions: int = 0
    embedding: str = "embeddings.word_embeddings"
    layers: str = "encoder.layer"
    attention_end: str = ""
    final_norm: str = ""
    pooler: bool = False
    activation: str = "tanh"
    head_norm: bool = False
    dropout: str = "hidden_dropout_prob"
    norm_eps: str = "layer_norm_eps"
    gated: bool = False
    text_activation: str = "hidden_act"
    text_heads: tuple[tuple[str, str, str], ...] = (("lm_head.dense", "lm_head.layer_norm", "lm_head.bias"),)


_END = "attention.output"
_XLMR = Family("xlm-roberta", "XLM-R Base and Large", unused_positions=2, pooler=True, attention_end=_END)
_XL = Family(
    "xlm-roberta-xl",
    "XLM-R XL and XXL",
    unused_positions=2,
    pooler=True,
    final_norm="encoder.LayerNorm",
    attention_end=_END,
)
_DEBERTA = Family(
    "deberta-v2",
    "mDeBERTa v3",
    packed=False,
    activation="pooler_hidden_act",
    text_heads=(
        ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias"),
        ("lm_predictions.lm_head.dense", "lm_predictions.lm_head.LayerNorm", "lm_predictions.lm_head.bias"),
    ),
)
_MODERNBERT = Family(
    "modernbert",
    "mmBERT",
    embedding="embeddings.tok_embeddings",
    layers="layers",
    final_norm="final_norm",
    activation="classifier_activation",
    head_norm=True,
    dropout="classifier_dropout",
    norm_eps="norm_eps",
    gated=True,
    text_activation="classifier_activation",
    text_heads=(("head.dense", "head.norm", "decoder.bias"),),
)
FAMILIES: Mapping[str, Family] = {family.name: family for family in (_XLMR, _XL, _DEBERTA, _MODERNBERT)}
# Classes of transformers that are XLM-R's under another name.
_SAME = {"roberta": _XLMR.name, "camembert": _XLMR.name}


def family_of(model_type: str) -> Family:
    """Return the family of encoders of a `model_type`; ModelError that lists them where it is none of them."""
    name = _SAME.get(model_type, model_type)
    if name not in FAMILIES:
        known = ", ".join(f"{family.name} ({family.examples})" for family in FAMILIES.values())
        raise ModelError(f"encoders of model_type {model_type!r} are not supported; those that are: {known}")
    return FAMILIES[name]


def check_config(config: Mapping[str, Any], where: str) -> Family:
    """Return the family of a config.json; ModelError where one of its encoders asks for what is not given to it."""
    try:
        family = family_of(str(config.get("model_type", _XLMR.name)))
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from error
    if whole_number(config, "type_vocab_size", 0, where) > 1:
        raise ModelError(
            f"{where}: type_vocab_size {config['type_vocab_size']}: the encoder tells two texts apart by token types, "
            "which are not supported; use one that tells them apart by separators alone (type_vocab_size 0 or 1)"
        )
    return family


def whole_number(config: Mapping[str, Any], name: str, usual: int, where: str) -> int:
    """Return a number of a config.json, `usual` where it states none; ModelError where it is no whole number."""
    value = config.get(name)
    if value is not None and type(value) is not int:
        raise ModelError(f"{where}: {name} is {value!r}, expected a whole number; fetch the model again")
    return usual if value is None else value
