"""Weights come whole from the checkpoint, or the loading is refused."""

import shutil
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from xstilts_hpc.data.batch import Batch
from xstilts_hpc.data.rows import rows_of
from xstilts_hpc.errors import ModelError
from xstilts_hpc.model.encoder import keep_layers, load_encoder, load_tokenizer
from xstilts_hpc.model.packed import read_tokens


def without(tiny_model: Path, folder: Path, beginning: str) -> Path:
    """Copy a model, leaving out the weights whose names begin so."""
    shutil.copytree(tiny_model, folder)
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if not name.startswith(beginning)}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_checkpoint_that_lacks_a_layer_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = without(tiny_model, tmp_path / "model", "encoder.layer.1.")
    with pytest.raises(ModelError, match=r"16 weights missing .*encoder.layer.1"):
        load_encoder(str(folder))


def test_a_missing_pooler_is_drawn_from_the_seed(tiny_model: Path, tmp_path: Path) -> None:
    folder = without(tiny_model, tmp_path / "model", "pooler.")
    first, again, other = (load_encoder(str(folder), seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(first["pooler.dense.weight"], again["pooler.dense.weight"])
    assert not torch.equal(first["pooler.dense.weight"], other["pooler.dense.weight"])


def test_a_model_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"compute nodes do not download: fetch it on the login node"):
        load_encoder(str(tmp_path / "nowhere"))


def test_a_folder_without_a_tokenizer_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "model", ignore=shutil.ignore_patterns("tokenizer*"))
    with pytest.raises(
        ModelError, match=r"model cannot be loaded \(AutoTokenizer\.from_pretrained: no tokenizer\.json"
    ):
        load_tokenizer(str(tmp_path / "model"))


def test_a_truncated_file_of_weights_is_a_message(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(
        ModelError, match=r"model cannot be loaded \(AutoModel\.from_pretrained: .*; copy or save it again"
    ):
        load_encoder(str(tmp_path / "model"))


def test_the_last_state_of_a_cut_encoder_is_the_hidden_state_of_that_depth(tiny_model: Path) -> None:
    ids = torch.tensor([[0, 7, 8, 9, 2]])
    whole = transformers.AutoModel.from_pretrained(tiny_model).eval()
    state = whole(input_ids=ids, output_hidden_states=True).hidden_states[1]
    cut = keep_layers(load_encoder(str(tiny_model)), 0.5).eval()
    nothing = torch.zeros(0, dtype=torch.int64)
    assert torch.allclose(read_tokens(cut, Batch("", ids[0], rows_of([5]), nothing, nothing)), state[0], atol=1e-6)
