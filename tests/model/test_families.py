"""Encoders of every supported family: rows as transformers itself reads them, heads, layers, tokens, whole runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch.nn import functional

from tests.tiny import grid_text, write_tiny_data
from tests.tiny_families import model_of, write_family_model
from xstilts_hpc.data.batch import Batch
from xstilts_hpc.data.rows import rows_of
from xstilts_hpc.data.tokens import specials_of, word_mark
from xstilts_hpc.errors import ModelError
from xstilts_hpc.expand import expand
from xstilts_hpc.families import FAMILIES, check_config
from xstilts_hpc.files import read_json, write_json
from xstilts_hpc.forecast import model_size
from xstilts_hpc.grid import load_grid
from xstilts_hpc.logits_file import read_logits
from xstilts_hpc.machine import Machine
from xstilts_hpc.model import packed
from xstilts_hpc.model.encoder import keep_layers, load_encoder, load_tokenizer
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.model.packed import Parts, read, read_tokens
from xstilts_hpc.model.text_head import FROM_MODEL, fill_text_head
from xstilts_hpc.model.vocabulary import compact, weight_of
from xstilts_hpc.run import ModelSource
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.tasks import task_of
from xstilts_hpc.train.execute import execute
from xstilts_hpc.train.memory import trained_of
from xstilts_hpc.train.zero import decay_groups

EVERY_FAMILY = pytest.mark.parametrize("family", FAMILIES)
WITHOUT_POOLER = pytest.mark.parametrize("family", ["deberta-v2", "modernbert"])
LENGTHS = (30, 28, 28, 9, 2)
NOTHING = torch.zeros(0, dtype=torch.int64)
# Of [CLS] question [SEP] context [SEP], and of XLM-R's two separators between.
SEPARATORS = {"xlm-roberta": 2, "xlm-roberta-xl": 2, "deberta-v2": 1, "modernbert": 1}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    transformers.logging.disable_progress_bar()
    return {family: write_family_model(tmp_path_factory.mktemp(family), family) for family in FAMILIES}


def batch_of(task: str = "", words: torch.Tensor = NOTHING) -> Batch:
    ids = torch.randint(5, 40, (sum(LENGTHS),), generator=torch.Generator().manual_seed(0))
    return Batch(task, ids, rows_of(LENGTHS), NOTHING, words)


def padded(batch: Batch, pad: int, width: int) -> dict[str, torch.Tensor]:
    """Return the rows of a batch as transformers takes them, padded to a width."""
    real = torch.arange(width) < batch.rows.first.diff()[:, None]
    ids = torch.full(real.shape, pad)
    ids[real] = batch.input_ids
    return {"input_ids": ids, "attention_mask": real.long()}


@EVERY_FAMILY
def test_tokens_are_those_of_padded_rows_in_transformers_own_model(family: str, models: dict[str, Path]) -> None:
    theirs, ours, batch = (
        transformers.AutoModel.from_pretrained(models[family]).eval(),
        encoder(models, family),
        batch_of(),
    )
    with torch.no_grad():
        for width in (max(LENGTHS), 60):
            whole = padded(batch, theirs.config.pad_token_id, width)
            expected = theirs(**whole).last_hidden_state[whole["attention_mask"].bool()]
            assert torch.allclose(read_tokens(ours, batch), expected, atol=1e-5)


def encoder(models: dict[str, Path], family: str) -> Any:
    return load_encoder(str(models[family])).eval()


@EVERY_FAMILY
def test_a_row_has_the_gradients_that_it_has_alone(family: str, models: dict[str, Path]) -> None:
    ours, batch = encoder(models, family), batch_of()
    read_tokens(ours, batch).square().sum().backward()
    together = {name: weight.grad.clone() for name, weight in ours.named_parameters() if weight.grad is not None}
    ours.zero_grad()
    for start, length in zip(batch.rows.starts.tolist(), LENGTHS, strict=True):
        alone = Batch("", batch.input_ids[start : start + length], rows_of([length]), NOTHING, NOTHING)
        read_tokens(ours, alone).square().sum().backward()
    for name, weight in ours.named_parameters():
        assert name not in together or torch.allclose(weight.grad, together[name], rtol=1e-3, atol=1e-3), name


@EVERY_FAMILY
def test_a_cut_encoder_ends_in_the_hidden_state_of_that_depth(family: str, models: dict[str, Path]) -> None:
    theirs, batch = transformers.AutoModel.from_pretrained(models[family]).eval(), batch_of()
    whole = padded(batch, theirs.config.pad_token_id, max(LENGTHS))
    with torch.no_grad():
        state = theirs(**whole, output_hidden_states=True).hidden_states[1][whole["attention_mask"].bool()]
        assert torch.allclose(read_tokens(keep_layers(encoder(models, family), 0.5), batch), state, atol=1e-5)


@WITHOUT_POOLER
def test_the_head_without_a_pooler_is_that_of_transformers_classifier(family: str, models: dict[str, Path]) -> None:
    model = TaskModel(encoder(models, family), [task_of("mnli")], seed=1).eval()
    theirs = model_of(family, "ForSequenceClassification", model.encoder.config.vocab_size, num_labels=3).eval()
    theirs.base_model.load_state_dict(model.encoder.state_dict())
    head: Any = model.heads["mnli"]
    dense, norm = (theirs.pooler.dense, None) if family == "deberta-v2" else (theirs.head.dense, theirs.head.norm)
    dense.load_state_dict(head.dense.state_dict(), strict=family == "deberta-v2")
    theirs.classifier.load_state_dict(head.out.state_dict())
    if norm is not None:
        norm.load_state_dict(head.layer_norm.state_dict(), strict=False)
    batch = batch_of("mnli")
    with torch.no_grad():
        expected = theirs(**padded(batch, theirs.config.pad_token_id, max(LENGTHS))).logits
        assert torch.allclose(model(batch), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_are_means_where_the_configuration_says_so(models: dict[str, Path], dtype: torch.dtype) -> None:
    ours, batch = encoder(models, "modernbert").to(dtype), batch_of()
    ours.config.classifier_pooling = "mean"
    with torch.no_grad():
        seen = read(ours, batch, whole=True)
    assert seen.pooled.dtype == dtype
    mean = seen.tokens[30:58].float().mean(dim=0)
    assert torch.allclose(seen.pooled[1].float(), mean, atol=1e-6 if dtype == torch.float32 else 1e-2)


@pytest.mark.parametrize("kind", [transformers.RobertaConfig, transformers.CamembertConfig])
def test_classes_that_are_xlm_rs_under_another_name_work(kind: Any, tmp_path: Path) -> None:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    theirs = transformers.AutoModel.from_config(kind(vocab_size=200, type_vocab_size=1, pad_token_id=1, **sizes)).eval()
    theirs.save_pretrained(tmp_path)
    batch = batch_of()
    whole = padded(batch, 1, max(LENGTHS))
    with torch.no_grad():
        expected = theirs(**whole).last_hidden_state[whole["attention_mask"].bool()]
        assert torch.allclose(read_tokens(load_encoder(str(tmp_path)).eval(), batch), expected, atol=1e-5)


@EVERY_FAMILY
def test_the_models_own_language_model_head_is_used(family: str, models: dict[str, Path], tmp_path: Path) -> None:
    torch.manual_seed(2)
    theirs = model_of(family, "ForMaskedLM", len(load_tokenizer(str(models[family])))).eval()
    theirs.save_pretrained(tmp_path)
    words = torch.tensor([3, 40, 90])
    batch = batch_of("mlm", words)
    model = TaskModel(load_encoder(str(tmp_path)), [task_of("mlm")], seed=0).eval()
    assert fill_text_head(model.heads["mlm"], str(tmp_path)) == FROM_MODEL
    whole = padded(batch, theirs.config.pad_token_id, max(LENGTHS))
    with torch.no_grad():
        expected = theirs(**whole).logits[whole["attention_mask"].bool()][words]
        assert torch.allclose(model(batch), expected, atol=1e-4)


@EVERY_FAMILY
def test_a_part_of_the_vocabulary_gives_the_logits_of_the_whole(family: str, models: dict[str, Path]) -> None:
    model, batch = TaskModel(encoder(models, family), [task_of("mnli")], seed=1).eval(), batch_of("mnli")
    with torch.no_grad():
        before = model(batch)
        compact(model.encoder, np.unique(batch.input_ids.numpy()))
        assert torch.equal(model(batch), before)
    assert len(dict(model.named_parameters())[weight_of(model.encoder)]) < 40


@EVERY_FAMILY
def test_biases_and_norms_are_not_decayed(family: str, models: dict[str, Path]) -> None:
    decayed, plain = decay_groups(encoder(models, family), 0.1)
    assert {parameter.ndim for parameter in decayed["params"]} == {2}
    assert {parameter.ndim for parameter in plain["params"]} == {1}


@EVERY_FAMILY
def test_texts_are_joined_as_the_tokenizer_does_it(family: str, models: dict[str, Path]) -> None:
    tokenizer = load_tokenizer(str(models[family]))
    specials = specials_of(tokenizer)
    assert specials.between == (tokenizer.sep_token_id,) * SEPARATORS[family]
    assert (specials.before, specials.after) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert word_mark(tokenizer) == (" " if family == "modernbert" else "")


@EVERY_FAMILY
def test_a_plan_knows_the_size_of_a_model(family: str, models: dict[str, Path]) -> None:
    size = model_size(ModelSource(path=str(models[family]), digest="d"), Path())
    counted = trained_of(TaskModel(encoder(models, family), [task_of("mnli")], seed=0))
    # Without biases and norms, which a plan does not count.
    matrices = sum(
        p.numel()
        for n, p in encoder(models, family).named_parameters()
        if "layer" in n and p.ndim == 2 and "pooler" not in n
    )
    assert size.computing == matrices <= counted.computing < 1.3 * matrices


def test_where_weights_are_sharded_all_rows_are_read_in_one_pass(models: dict[str, Path]) -> None:
    ours, batch, passes = encoder(models, "deberta-v2"), batch_of(), []
    ours.register_forward_pre_hook(lambda *_, **given: passes.append(given), with_kwargs=True)
    with torch.no_grad():
        apart = read_tokens(ours, batch)
        assert len(passes) == 3  # 30, 28 and 28 tokens, 9, 2
        next(ours.parameters()).ds_id = 0  # as DeepSpeed marks them
        assert torch.allclose(read_tokens(ours, batch), apart, atol=1e-5)
    assert len(passes) == 4


def test_windows_of_all_rows_at_once_are_those_of_blocks() -> None:
    rows, generator = rows_of([20, 19, 5]), torch.Generator().manual_seed(0)
    parts = Parts(*(torch.randn(44, 2, 4, generator=generator) for _ in range(3)))
    blocks = torch.cat([packed._in_block(block, parts, 0.0, 4) for block in rows.blocks])
    assert torch.allclose(packed._in_block(packed._one_block(rows), parts, 0.0, 4), blocks, atol=1e-6)
    query, key, value = (part[:20].transpose(0, 1) for part in parts)
    near = (torch.arange(20)[:, None] - torch.arange(20)).abs() < 4
    expected = functional.scaled_dot_product_attention(query, key, value, attn_mask=near).transpose(0, 1)
    assert torch.allclose(blocks[:20], expected, atol=1e-6)


REFUSED = {
    "bert": ({"model_type": "bert"}, r"'bert' are not supported; those that are: xlm-roberta \(XLM-R Base and Large\)"),
    "types": ({"model_type": "deberta-v2", "type_vocab_size": 2}, r"x: type_vocab_size 2: .* separators alone"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_supported_is_refused(case: str) -> None:
    config, message = REFUSED[case]
    with pytest.raises(ModelError, match=message):
        check_config(config, "x")


def test_a_plan_refuses_a_model_that_is_not_supported(tiny_root: Path) -> None:
    (tiny_root / "models" / "bert").mkdir()
    write_json(tiny_root / "models" / "bert" / "config.json", {"model_type": "bert"})
    (tiny_root / "grid.yaml").write_text(grid_text(model="{path: models/bert}"), encoding="utf-8")
    with pytest.raises(ModelError, match=r"models/bert/config\.json: .*'bert' are not supported"):
        expand(load_grid(tiny_root / "grid.yaml"), root=tiny_root)


def test_language_modelling_that_is_not_supported_is_refused(models: dict[str, Path]) -> None:
    ours = encoder(models, "deberta-v2")
    ours.config.hidden_act = "relu"
    with pytest.raises(ModelError, match=r"with deberta-v2: hidden_act 'relu' .* leave `mlm` out of the grid"):
        TaskModel(ours, [task_of("mlm")], seed=0)


@EVERY_FAMILY
def test_a_grid_runs_when_only_its_model_is_changed(family: str, models: dict[str, Path], tmp_path: Path) -> None:
    write_tiny_data(tmp_path / "data")
    (tmp_path / "data" / "text").mkdir()
    (tmp_path / "data" / "text" / "en.txt").write_text("a cat sat in New York\ntwo old men ran\n", encoding="utf-8")
    text = grid_text(
        model=f"{{path: {models[family]}}}",
        intermediate="[{mixture: [mnli, hellaswag, squad_v1], mlm: {weight: 0.3}}]",
        target="{task: [panx, tatoeba], languages: [en, de]}",
    )
    (tmp_path / "grid.yaml").write_text(text, encoding="utf-8")
    plan = expand(load_grid(tmp_path / "grid.yaml"), root=tmp_path)
    found = set()
    for planned in plan.runs.values():
        run_folder(tmp_path, planned.run.id).prepare(planned.run, planned.request)
        execute(tmp_path, planned.run.id, Machine(threads=1), alone=True)
        for prediction in planned.request.predictions:
            logits = read_logits(run_folder(tmp_path, planned.run.id).logits(prediction.task))
            found |= {(prediction.task, language) for language in logits}
    assert {task for task, _ in found} == {"mnli", "hellaswag", "squad_v1", "panx", "tatoeba"}
    (kept,) = (tmp_path / "runs").glob("*/encoder/config.json")
    assert read_json(kept)["model_type"] == family
