"""The examples of a training: of several languages, of several tasks, and only those it was planned on."""

from pathlib import Path

import pytest

from tests.tiny import NLI
from xstilts_hpc.data.encode import Encoder
from xstilts_hpc.errors import DataError
from xstilts_hpc.files import Memory
from xstilts_hpc.model.encoder import load_tokenizer
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.train.training_set import left_out, read_training_set
from xstilts_hpc.training import Part, Training

RECIPE = Recipe(max_length=64, batch_size=2, epochs=1)


def write_translations(data: Path, *languages: str) -> None:
    """Write MNLI's pairs in other languages, in XTREME's translate-train form."""
    folder = data / "XNLI" / "translate-train"
    folder.mkdir(parents=True)
    for code in languages:
        rows = (f"{a}\t{b}\t{code} {a}\t{code} {b}\t{label}\n" for a, b, label in NLI)
        (folder / f"en-{code}-translated.tsv").write_text("".join(rows), encoding="utf-8")


@pytest.fixture
def data(tiny_root: Path) -> DataFolder:
    write_translations(tiny_root / "data", "de", "sw")
    return DataFolder(tiny_root / "data", Memory(tiny_root / "memory.json"))


@pytest.fixture
def encoder(tiny_root: Path) -> Encoder:
    return Encoder(load_tokenizer(str(tiny_root / "models" / "tiny")), RECIPE, tiny_root / "cache")


def part(data: DataFolder, name: str, size: int = 0, languages: tuple[str, ...] = ("en",)) -> Part:
    return Part(name, data.training_digest(task_of(name), languages), size, languages)


def texts(encoder: Encoder, training_set: object, index: int) -> list[str]:
    made = training_set.parts[index]  # type: ignore[attr-defined]
    ids = [made.batches.make([item], 0).input_ids for item in made.items]
    return [encoder.tokenizer.decode(row, skip_special_tokens=True) for row in ids]


def test_translated_sets_are_the_languages_one_after_the_other(data: DataFolder, encoder: Encoder) -> None:
    training = Training((part(data, "mnli", languages=("en", "sw", "de")),), 0, 0)
    found = texts(encoder, read_training_set(training, data, encoder), 0)
    assert len(found) == 18
    assert [text.split()[0] for text in found] == ["a", "a", "a", "two", "two", "two", *["sw"] * 6, *["de"] * 6]


def test_a_subset_of_translations_keeps_the_shares_of_language_and_label(data: DataFolder, encoder: Encoder) -> None:
    training = Training((part(data, "mnli", 6, ("sw", "de")),), 1, 0)
    training_set = read_training_set(training, data, encoder)
    found = texts(encoder, training_set, 0)
    assert [text.split()[0] for text in found] == ["sw"] * 3 + ["de"] * 3
    gold = training_set.parts[0].batches.make(training_set.parts[0].items).gold.tolist()
    assert (sorted(gold[:3]), sorted(gold[3:])) == ([0, 1, 2], [0, 1, 2])


def test_a_subset_of_a_cached_set_reads_no_files(
    data: DataFolder, encoder: Encoder, tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training((part(data, "mnli", 3, ("sw", "de")),), 1, 0)
    first = texts(encoder, read_training_set(training, data, encoder), 0)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
    assert texts(encoder, read_training_set(training, data, encoder), 0) == first


def test_pieces_and_longest_batch_are_those_of_the_items_trained_on(data: DataFolder, encoder: Encoder) -> None:
    training = Training((part(data, "mnli", 4), part(data, "hellaswag")), 0, 0)
    training_set = read_training_set(training, data, encoder)
    batches = [made.batches.make(items, 0) for made, items in training_set.effective_batches(2)]
    pieces = training_set.pieces()
    assert pieces is not None
    assert pieces.tolist() == sorted({int(i) for batch in batches for i in batch.input_ids})
    assert training_set.most_tokens(2) == max(len(batch.input_ids) for batch in batches)


def test_every_task_of_a_mixture_has_its_own_examples_and_updates(data: DataFolder, encoder: Encoder) -> None:
    training = Training((part(data, "mnli", 4), part(data, "hellaswag"), part(data, "squad_v1")), 0, 0)
    training_set = read_training_set(training, data, encoder)
    assert [len(made.items) for made in training_set.parts] == [4, 4, 4]
    assert training_set.updates == (2, 2, 2)
    order = [made.batches.task for made, _ in training_set.effective_batches(2)]
    assert sorted(order) == ["hellaswag"] * 2 + ["mnli"] * 2 + ["squad_v1"] * 2


def test_data_that_changed_since_the_plan_are_refused(data: DataFolder, encoder: Encoder, tiny_root: Path) -> None:
    training = Training((part(data, "mnli", languages=("de",)),), 0, 0)
    path = tiny_root / "data" / "XNLI" / "translate-train" / "en-de-translated.tsv"
    path.write_text(path.read_text(encoding="utf-8") * 2, encoding="utf-8")
    fresh = DataFolder(tiny_root / "data", Memory(tiny_root / "memory.json"))
    with pytest.raises(DataError, match=r"en-de-translated\.tsv: changed since the run was planned"):
        read_training_set(training, fresh, encoder)


def test_rows_left_out_are_named(data: DataFolder, tiny_root: Path) -> None:
    path = tiny_root / "data" / "XNLI" / "translate-train" / "en-sw-translated.tsv"
    path.write_text(path.read_text(encoding="utf-8") * 400 + "torn\n", encoding="utf-8")
    training = Training((part(data, "mnli", languages=("de", "sw")),), 0, 0)
    (row,) = left_out(training, data)["mnli"]
    assert row.endswith("en-sw-translated.tsv:2401: 1 columns, expected 3 or 5: 'torn'")
