"""Load an encoder and its tokenizer from a hub id (already fetched) or a folder."""

import logging
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from safetensors import SafetensorError
from torch import nn

from xstilts_hpc.errors import ModelError
from xstilts_hpc.families import check_config, family_of
from xstilts_hpc.model.libraries import settle_libraries
from xstilts_hpc.model.packed import ATTENTION
from xstilts_hpc.model_files import hub_cache
from xstilts_hpc.run import ModelSource

logger = logging.getLogger(__name__)

_POOLER = "pooler."


def model_location(source: ModelSource, root: Path) -> tuple[str, str]:
    """Return (folder or hub id, revision) of a model source."""
    return (str(root / Path(source.path).expanduser()), "main") if source.path else (source.id, source.revision)


def load_encoder(location: str, revision: str = "main", *, seed: int = 0) -> nn.Module:
    """Return the encoder in fp32, without a head, to be read by model/packed.py; nothing is downloaded.

    ModelError where it is of a family that is not supported (families.py), with those that are.
    A checkpoint without a pooler (one saved with a language-model head) gets a fresh one, drawn from the seed; any
    other missing weight is a ModelError, since it would silently be random.
    """
    config = load_pretrained(transformers.AutoConfig, location, revision)
    family = check_config(config.to_dict(), location)
    if not family.packed:
        _say_padded(family.name)
    attention = ATTENTION if family.packed else "eager"
    options = {"dtype": torch.float32, "attn_implementation": attention, "use_safetensors": True}
    model, report = load_pretrained(transformers.AutoModel, location, revision, output_loading_info=True, **options)
    missing = {str(name) for name in report["missing_keys"]}
    wrong = sorted(name for name in missing if not name.startswith(_POOLER)) + sorted(
        map(str, report["mismatched_keys"])
    )
    if wrong:
        raise ModelError(f"model {location}: {len(wrong)} weights missing or of another shape, such as {wrong[0]}")
    if missing:
        _draw_pooler(model, seed)
    return cast(nn.Module, model)


@cache
def _say_padded(name: str) -> None:
    """Say once in a process that rows are padded, since attention of this family cannot be confined to packed rows."""
    logger.info("encoders of model_type %s read rows padded to the longest of those of like length", name)


def _draw_pooler(model: Any, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.pooler.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            else:
                parameter.normal_(0.0, model.config.initializer_range, generator=generator)


def load_tokenizer(location: str, revision: str = "main") -> Any:
    """Return the tokenizer of a model; nothing is downloaded.

    ModelError where its files are missing: transformers then makes one of special tokens alone, to which every text is
    unknown.
    """
    loader = transformers.AutoTokenizer
    tokenizer = load_pretrained(loader, location, revision)
    if not tokenizer.get_vocab().keys() - set(tokenizer.all_special_tokens):
        raise _unloaded(loader, location, revision, "no tokenizer.json, nor pieces to make it of")
    return tokenizer


def load_pretrained(loader: Any, location: str, revision: str, **options: Any) -> Any:
    """Return what a class of transformers makes of a model's files; ModelError that names the call where it cannot."""
    settle_libraries()
    try:
        return loader.from_pretrained(location, revision=revision, local_files_only=True, **options)
    except (OSError, ValueError, SafetensorError) as error:
        raise _unloaded(loader, location, revision, str(error)) from error


def _unloaded(loader: Any, location: str, revision: str, why: str) -> ModelError:
    call = f"{loader.__name__}.from_pretrained: {why}"
    if Path(location).is_dir():
        return ModelError(f"model folder {location} cannot be loaded ({call}); copy or save it again")
    return ModelError(
        f"model {location} (revision {revision}) cannot be loaded from {hub_cache()} ({call}); compute nodes do "
        f"not download: fetch it on the login node first (xstilts model fetch {location} --revision {revision}), "
        "or set model.path to a folder that holds it"
    )


def keep_layers(encoder: nn.Module, fraction: float) -> nn.Module:
    """Drop the layers above a fraction of the depth, so that the last hidden state is the one wanted.

    14 / 24 of XLM-R Large keeps 14 layers: hidden_states[14], the output of the 14th of 24. A norm behind the last
    layer goes with the layers that do.
    """
    family = family_of(encoder.config.model_type)  # type: ignore[union-attr,arg-type]
    layers: Any = encoder.get_submodule(family.layers)
    kept = round(fraction * len(layers))
    encoder.set_submodule(family.layers, layers[:kept])
    if kept < len(layers) and family.final_norm:
        encoder.set_submodule(family.final_norm, nn.Identity())
    return encoder
