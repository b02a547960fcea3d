"""A trained model on disk: loaded as it was saved, and readable by whoever may read the folder."""

import os
from pathlib import Path

import torch

from xstilts_hpc.model.encoder import load_encoder, load_tokenizer
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.tasks import task_of
from xstilts_hpc.train.trained import is_saved, load_trained, save_trained


def test_a_saved_model_is_loaded_as_it_was_and_its_group_may_read_it(tiny_model: Path, tmp_path: Path) -> None:
    task = task_of("mnli")
    model, folder = TaskModel(load_encoder(str(tiny_model)), (task,), seed=3), tmp_path / "trained"
    before = os.umask(0o027)
    try:
        assert not is_saved(folder)
        save_trained(folder, model, model.state_dict(), load_tokenizer(str(tiny_model)), subsets={})
    finally:
        os.umask(before)
    assert is_saved(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"model.safetensors", "heads.safetensors", "config.json", "tokenizer.json"} <= {path.name for path in files}
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o640"}
    loaded = load_trained(folder, task).state_dict()
    assert all(torch.equal(loaded[name], weight) for name, weight in model.state_dict().items())
