"""Make an XLM-R of any size with random weights around a real tokenizer: for trying a pipeline without the weights."""

from pathlib import Path

import torch
import transformers

from xstilts_hpc.errors import ModelError
from xstilts_hpc.files import write_json
from xstilts_hpc.model.encoder import load_tokenizer
from xstilts_hpc.model.libraries import settle_libraries

# What XLM-R is, where the library's defaults are RoBERTa-like: vocabulary aside, these four make the difference.
_XLMR = {"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1}
_PIECES = "sentencepiece.bpe.model"


def make_random_model(folder: Path, *, tokenizer: Path, layers: int, hidden: int, seed: int = 0) -> None:
    """Write an encoder and its tokenizer to a folder; `tokenizer` holds a tokenizer.json or XLM-R's pieces alone."""
    if hidden % 64 and hidden % 4:
        raise ModelError(f"hidden size {hidden} is not a multiple of 4")
    settle_libraries()
    folder.mkdir(parents=True, exist_ok=True)
    text = _tokenizer(folder, tokenizer)
    heads = hidden // 64 if hidden % 64 == 0 else 4
    config = transformers.XLMRobertaConfig(
        vocab_size=len(text),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
        **_XLMR,
    )
    torch.manual_seed(seed)
    transformers.XLMRobertaModel(config).save_pretrained(folder)
    text.save_pretrained(folder)


def _tokenizer(folder: Path, source: Path) -> transformers.PreTrainedTokenizerBase:
    """Return the tokenizer of a folder; one with only SentencePiece pieces needs the model's type beside them."""
    if (source / "tokenizer.json").is_file():
        return load_tokenizer(str(source))
    if not (source / _PIECES).is_file():
        raise ModelError(f"{source}: neither tokenizer.json nor {_PIECES}; give a folder that holds XLM-R's tokenizer")
    (folder / _PIECES).write_bytes((source / _PIECES).read_bytes())
    write_json(folder / "config.json", {"model_type": "xlm-roberta"})
    tokenizer = load_tokenizer(str(folder))
    (folder / _PIECES).unlink()
    return tokenizer
