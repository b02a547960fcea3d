"""The language-model head: the model's own where it has one, and tied to the embeddings."""

from pathlib import Path

import pytest
import torch
import transformers

from xstilts_hpc.data.batch import Batch
from xstilts_hpc.data.rows import rows_of
from xstilts_hpc.model.encoder import load_encoder
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.model.text_head import FRESH, FROM_MODEL, fill_text_head
from xstilts_hpc.tasks import task_of


@pytest.fixture
def masked_model(tiny_model: Path, tmp_path: Path) -> Path:
    """Return a folder with the tiny encoder under a language-model head with weights of its own."""
    config = transformers.AutoConfig.from_pretrained(tiny_model)
    torch.manual_seed(1)
    transformers.XLMRobertaForMaskedLM(config).save_pretrained(tmp_path)
    return tmp_path


def test_the_pretrained_head_gives_the_models_own_logits(masked_model: Path) -> None:
    model = TaskModel(load_encoder(str(masked_model)), (task_of("mnli"), task_of("mlm")), seed=0)
    assert fill_text_head(model.heads["mlm"], str(masked_model)) == FROM_MODEL
    ids = torch.tensor([[0, 7, 8, 9, 2]])
    batch = Batch("mlm", ids[0], rows_of([5]), ids[0, :0], torch.tensor([1, 3]))
    theirs = transformers.XLMRobertaForMaskedLM.from_pretrained(masked_model).eval()
    with torch.no_grad():
        assert torch.allclose(model.eval()(batch), theirs(input_ids=ids).logits[0, [1, 3]], atol=1e-5)


def test_a_model_without_a_head_keeps_the_fresh_one_and_says_so(tiny_model: Path) -> None:
    model = TaskModel(load_encoder(str(tiny_model)), (task_of("mlm"),), seed=0)
    before = model.heads["mlm"].dense.weight.clone()  # type: ignore[operator,union-attr]
    assert fill_text_head(model.heads["mlm"], str(tiny_model)) == FRESH
    assert torch.equal(model.heads["mlm"].dense.weight, before)  # type: ignore[arg-type]


def test_the_output_matrix_is_the_embedding_matrix(tiny_model: Path) -> None:
    encoder = load_encoder(str(tiny_model))
    before = encoder.embeddings.word_embeddings.weight.clone()  # type: ignore[operator,union-attr]
    model = TaskModel(encoder, (task_of("mlm"),), seed=0)
    embeddings = encoder.embeddings.word_embeddings.weight  # type: ignore[union-attr]
    assert model.heads["mlm"].out.weight is embeddings
    assert torch.equal(embeddings, before)  # type: ignore[arg-type]
