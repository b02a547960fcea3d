"""The last layer leaves out what no head reads, and nothing else changes by that."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.model.test_families import EVERY_FAMILY, batch_of
from tests.tiny_families import write_family_model
from xstilts_hpc.families import family_of
from xstilts_hpc.model.encoder import keep_layers, load_encoder
from xstilts_hpc.model.packed import read, read_tokens


def encoder_of(family: str, folder: Path) -> Any:
    return load_encoder(str(write_family_model(folder, family))).eval()


def tokens_met(encoder: Any) -> list[int]:
    """Return a list that fills up with the number of tokens behind the attention of each layer, layer by layer."""
    met: list[int] = []
    for layer in encoder.get_submodule(family_of(encoder.config.model_type).layers):
        layer.intermediate.register_forward_pre_hook(lambda _, given: met.append(given[0].shape[1]))
    return met


def gradients(encoder: Any, states: Tensor) -> dict[str, Tensor]:
    encoder.zero_grad()
    states.square().sum().backward()  # type: ignore[no-untyped-call]
    return {name: weight.grad.clone() for name, weight in encoder.named_parameters() if weight.grad is not None}


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable`:FutureWarning")
@EVERY_FAMILY
@pytest.mark.parametrize("recomputed", [False, True])
def test_wanted_states_and_their_gradients_are_those_of_the_whole(
    family: str, recomputed: bool, tmp_path: Path
) -> None:
    encoder, batch, wanted = encoder_of(family, tmp_path), batch_of(), torch.tensor([30, 0, 5, 31, 5])
    if recomputed:
        encoder.gradient_checkpointing_enable({"use_reentrant": False})
        encoder.train()
        for module in encoder.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    whole, some = read_tokens(encoder, batch)[wanted], read_tokens(encoder, batch, wanted)
    assert some.shape == whole.shape and torch.allclose(some, whole, atol=1e-5)
    expected, found = gradients(encoder, whole), gradients(encoder, some)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize("family", ["xlm-roberta", "xlm-roberta-xl"])
def test_the_last_layer_alone_meets_only_what_is_read(family: str, tmp_path: Path) -> None:
    encoder, batch = encoder_of(family, tmp_path), batch_of(words=torch.tensor([1, 2, 40]))
    rows, tokens, met = len(batch.rows.lengths), len(batch.input_ids), tokens_met(encoder)
    read(encoder, batch_of(), whole=False)
    read(encoder, batch, whole=False)
    read(encoder, batch, whole=True)
    read_tokens(encoder, batch)
    before = [tokens] * (encoder.config.num_hidden_layers - 1)
    assert met == [*before, rows, *before, rows + 3, *before, tokens, *before, tokens]


def test_a_cut_encoder_leaves_out_in_its_own_last_layer(tmp_path: Path) -> None:
    encoder, batch, wanted = encoder_of("xlm-roberta", tmp_path), batch_of(), torch.tensor([7, 3])
    whole = read_tokens(encoder, batch, wanted)
    cut = keep_layers(encoder, 0.5)
    met = tokens_met(cut)
    some = read_tokens(cut, batch, wanted)
    assert met[-1] == 2 and not torch.allclose(some, whole, atol=1e-3)
    assert torch.allclose(some, read_tokens(cut, batch)[wanted], atol=1e-5)
