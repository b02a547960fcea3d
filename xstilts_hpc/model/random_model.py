"""Make an XLM-R of any size with random weights around a real tokenizer: for trying a pipeline without the weights."""

import tempfile
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from torch import nn

from xstilts_hpc.errors import ModelError
from xstilts_hpc.files import write_json
from xstilts_hpc.model.encoder import load_tokenizer
from xstilts_hpc.model.libraries import settle_libraries
from xstilts_hpc.model.packed import ATTENTION

# What XLM-R is, where the library's defaults are RoBERTa-like: vocabulary aside, these four make the difference.
_XLMR = {"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1}
_PIECES = "sentencepiece.bpe.model"


def make_random_model(folder: Path, *, tokenizer: Path, layers: int, hidden: int, seed: int = 0) -> None:
    """Write an encoder and its tokenizer to a folder; `tokenizer` holds a tokenizer.json or XLM-R's pieces alone."""
    text = tokenizer_of(tokenizer)
    encoder = random_encoder(pieces=len(text), layers=layers, hidden=hidden, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    encoder.save_pretrained(folder)  # type: ignore[operator]
    text.save_pretrained(folder)


def random_encoder(
    *, pieces: int, layers: int, hidden: int, seed: int = 0, device: torch.device | str = "cpu"
) -> nn.Module:
    """Return an XLM-R in fp32 with random weights, which a seed and a kind of device decide, for model/packed.py.

    Made without weights first, since the library draws each twice: at 24 layers 40 s become 12.
    """
    if hidden % 4:
        raise ModelError(f"hidden size {hidden} is not a multiple of 4")
    settle_libraries()
    config = transformers.XLMRobertaConfig(
        vocab_size=pieces,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=4 if hidden % 64 else hidden // 64,
        intermediate_size=4 * hidden,
        **_XLMR,
    )
    with torch.device("meta"):
        encoder = transformers.XLMRobertaModel(config)
    encoder.to_empty(device=device)
    _draw(encoder, config, torch.Generator(device).manual_seed(seed))
    encoder.set_attn_implementation(ATTENTION)
    return cast(nn.Module, encoder)


def _draw(encoder: Any, config: Any, generator: torch.Generator) -> None:
    """Fill an encoder as the library does: normal matrices, an empty row for padding, no biases, plain layer norms."""
    embeddings = encoder.embeddings
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, config.initializer_range, generator=generator)
            else:
                parameter.fill_(1.0 if name.endswith("LayerNorm.weight") else 0.0)
        for table in (embeddings.word_embeddings, embeddings.position_embeddings):
            table.weight[config.pad_token_id].zero_()
        embeddings.position_ids.copy_(torch.arange(config.max_position_embeddings))
        embeddings.token_type_ids.zero_()


def tokenizer_of(source: Path) -> Any:
    """Return the tokenizer of a folder; one with only SentencePiece pieces needs the model's type beside them."""
    if (source / "tokenizer.json").is_file():
        return load_tokenizer(str(source))
    if not (source / _PIECES).is_file():
        raise ModelError(f"{source}: neither tokenizer.json nor {_PIECES}; give a folder that holds XLM-R's tokenizer")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / _PIECES).symlink_to((source / _PIECES).resolve())
        write_json(Path(folder) / "config.json", {"model_type": "xlm-roberta"})
        return load_tokenizer(folder)
