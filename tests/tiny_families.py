"""A random encoder of every family that is supported, each with a tokenizer of the form that its models have."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, processors

CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,?'"
_MARKED = ["▁", *CHARACTERS, *(f"▁{character}" for character in CHARACTERS)]
# Of 2 layers and 16 hidden units; so wide a range that so small a model tells its inputs apart.
_SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
_SIZES = {**_SIZES, "initializer_range": 0.3}


def write_family_model(folder: Path, family: str) -> Path:
    """Write a random encoder of a family and its tokenizer."""
    tokenizer = _TOKENIZERS[family]()
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    model_of(family, "Model", len(tokenizer)).save_pretrained(folder)
    return folder


def model_of(family: str, kind: str, pieces: int, **changes: Any) -> Any:
    """Return one of a family's classes, such as the one for `Model` or `ForMaskedLM`, with random weights."""
    prefix, own = _CLASSES[family]
    ids = {"vocab_size": pieces, "pad_token_id": 0}
    config = getattr(transformers, f"{prefix}Config")(**{**_SIZES, **ids, **own, **changes})
    return getattr(transformers, prefix + kind)(config)


def _xlmr() -> Any:
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *_MARKED, "<mask>"]
    return transformers.XLMRobertaTokenizer(vocab=[(piece, -float(i)) for i, piece in enumerate(pieces)])


def _deberta() -> Any:
    pieces = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", *_MARKED, "[MASK]"]
    return transformers.DebertaV2Tokenizer(vocab=[(piece, -float(i)) for i, piece in enumerate(pieces)])


def _modernbert() -> Any:
    """Return a tokenizer without SentencePiece that marks spaces and adds none before a text, as mmBERT's does."""
    vocabulary = {piece: i for i, piece in enumerate(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *CHARACTERS])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>",
        pair="<bos> $A <eos> $B:1 <eos>:1",
        special_tokens=[("<bos>", vocabulary["<bos>"]), ("<eos>", vocabulary["<eos>"])],
    )
    names = {"cls_token": "<bos>", "sep_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, mask_token="<mask>", **names)


_TOKENIZERS = {"xlm-roberta": _xlmr, "xlm-roberta-xl": _xlmr, "deberta-v2": _deberta, "modernbert": _modernbert}
_POSITIONS = {"max_position_embeddings": 130, "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1}
_CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "xlm-roberta": ("XLMRoberta", _POSITIONS),
    "xlm-roberta-xl": ("XLMRobertaXL", _POSITIONS),
    # The rest as in mDeBERTa v3's config.json (microsoft/mdeberta-v3-base), the buckets fewer.
    "deberta-v2": (
        "DebertaV2",
        {
            "type_vocab_size": 0,
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "position_biased_input": False,
            "max_relative_positions": -1,
            "max_position_embeddings": 128,
            "pooler_hidden_size": 16,
        },
    ),
    # A window smaller than the texts of the tests; layer 0 sees everything, layer 1 its neighbours.
    "modernbert": (
        "ModernBert",
        {
            "local_attention": 8,
            "global_attn_every_n_layers": 2,
            "max_position_embeddings": 128,
            "cls_token_id": 2,
            "sep_token_id": 1,
            "bos_token_id": 2,
            "eos_token_id": 1,
            "decoder_bias": True,
        },
    ),
}
