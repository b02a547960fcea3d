"""The small tokenizer and encoder: no unknown pieces, offsets, and a loss that falls the same way each time."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import torch
from transformers import AutoModel, AutoTokenizer, XLMRobertaTokenizer

from xstilts_hpc.miniature import world
from xstilts_hpc.miniature.pretrain import Pretraining, encoder_of, pretrain
from xstilts_hpc.miniature.text import draw_line, make_speeches
from xstilts_hpc.miniature.tokenizer import make_tokenizer

SMALL = Pretraining(steps=30, batch_size=8, hidden_size=32, num_layers=2)


def ignore(text: str, fraction: float) -> None:
    """Take progress and show nothing."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    source, names, speeches = Random(0), world.make_names(3000), make_speeches()
    return [
        draw_line(source, names, language=language, speeches=speeches)
        for language in world.LANGUAGES
        for _ in range(1200)
    ]


@pytest.fixture(scope="module")
def tokenizer(lines: list[str]) -> XLMRobertaTokenizer:
    return make_tokenizer(lines)


def test_special_pieces_stand_where_xlm_r_has_them(tokenizer: XLMRobertaTokenizer) -> None:
    assert tokenizer.convert_tokens_to_ids(["<s>", "<pad>", "</s>", "<unk>"]) == [0, 1, 2, 3]
    assert tokenizer.mask_token_id == len(tokenizer) - 1


def test_every_line_survives_a_round_trip(lines: list[str], tokenizer: XLMRobertaTokenizer) -> None:
    for line in lines[::50]:
        ids = tokenizer(line)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids, skip_special_tokens=True) == line


def test_new_names_have_no_unknown_piece(tokenizer: XLMRobertaTokenizer) -> None:
    names = " ".join(world.make_names(3600)[3000:])
    assert tokenizer.unk_token_id not in tokenizer(names)["input_ids"]


def test_a_frequent_word_is_one_piece_in_every_language(tokenizer: XLMRobertaTokenizer) -> None:
    words = [world.make_words(language)["bought"] for language in world.LANGUAGES]
    assert [len(tokenizer.tokenize(word)) for word in words] == [1, 1, 1, 1, 1]


def test_pretraining_lowers_the_loss_and_repeats_itself(lines: list[str], tokenizer: XLMRobertaTokenizer) -> None:
    model, losses = pretrain(lines[::10], tokenizer, settings=SMALL, progress=ignore)
    again, losses_again = pretrain(lines[::10], tokenizer, settings=SMALL, progress=ignore)
    assert losses == losses_again
    assert sum(losses[-5:]) < sum(losses[:5])
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), again.parameters(), strict=True))


def test_a_saved_model_loads_as_xlm_r(lines: list[str], tokenizer: XLMRobertaTokenizer, tmp_path: Path) -> None:
    model, _ = pretrain(lines[::10], tokenizer, settings=SMALL, progress=ignore)
    encoder_of(model).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded, loaded_tokenizer = AutoModel.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    batch = loaded_tokenizer("Mira bought 5 hats.", return_tensors="pt")
    assert loaded.config.architectures == ["XLMRobertaModel"]
    assert batch["input_ids"].tolist() == [tokenizer("Mira bought 5 hats.")["input_ids"]]
    assert loaded(**batch).pooler_output.shape == (1, SMALL.hidden_size)
    offsets = loaded_tokenizer("Mira bought 5 hats.", return_offsets_mapping=True)["offset_mapping"]
    assert (14, 18) in offsets
