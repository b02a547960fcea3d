"""The quirks of published files, each in a file made by hand, and what is said of a damaged one."""

import json
from pathlib import Path
from typing import Any

import pytest

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Answer
from xstilts_hpc.files import Memory
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Split
from xstilts_hpc.tasks.folder import DataFolder

GLUE_HEADER = "\t".join(["index", *(f"c{i}" for i in range(10)), "gold_label"]) + "\n"


def read(root: Path, place: str, files: dict[str, str | bytes]) -> list[Any]:
    """Write files and read a place such as `xnli dev de` from them."""
    task, split, language = place.split()
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    folder = DataFolder(root, Memory(root / "memory.json"))
    return list(folder.locate(TASKS[task], Split(split), language).examples())


def glue_row(columns: int, first: str, second: str, label: str, *, at: int = 8) -> str:
    row = ["7", "p1", "p1e", *["x"] * (columns - 4), label]
    row[at : at + 2] = [first, second]
    return "\t".join(row) + "\n"


def hellaswag_row(**changes: Any) -> str:
    row = {"ind": 7, "ctx_a": "A man sat.", "ctx_b": "he", "endings": ["ran.", "ate.", "sang.", "slept."], "label": 2}
    return json.dumps({**row, **changes}) + "\n"


def squad_file(context: str, *answers: tuple[str, int]) -> dict[str, str]:
    asked = {"id": "q1", "question": "who?", "answers": [{"text": t, "answer_start": s} for t, s in answers]}
    return {"squad/dev-v1.1.json": json.dumps({"data": [{"paragraphs": [{"context": context, "qas": [asked]}]}]})}


def test_rows_end_at_lf_or_cr_lf_only(tmp_path: Path) -> None:
    rows = "a\u001db\u0085\u2028c\td \tneutral\r\n\u200be\tf\u00a0\tentailment\n"
    first, second = read(tmp_path, "xnli dev el", {"xnli/dev-el.tsv": rows})
    assert (first.first, first.second, first.label) == ("a\u001db\u0085\u2028c", "d ", "neutral")
    assert (second.id, second.first, second.second) == ("2", "\u200be", "f\u00a0")


def test_a_last_row_without_line_end_is_read(tmp_path: Path) -> None:
    assert len(read(tmp_path, "xnli dev de", {"xnli/dev-de.tsv": "a\tb\tneutral\r\nc\td\tneutral"})) == 2


def test_stripped_test_rows_get_their_labels_from_the_file_beside_them(tmp_path: Path) -> None:
    stripped = {"xnli/test-de.tsv": "a\tb\r\nc\td\r\n"}
    assert [e.label for e in read(tmp_path, "xnli test de", stripped)] == [None, None]
    labelled = {**stripped, "xnli/test.labels": "neutral\ncontradiction\n"}
    assert [e.label for e in read(tmp_path, "xnli test de", labelled)] == ["neutral", "contradiction"]


def test_the_release_of_xnli_has_all_languages_in_one_file(tmp_path: Path) -> None:
    def row(language: str, label: str, first: str, pair: str) -> str:
        return "\t".join([language, label, *[""] * 4, first, "b", "p", pair, "fiction", *["x"] * 8]) + "\n"

    rows = (
        row("language", "gold_label", "s", "id") + row("de", "neutral", "ja", "1") + row("ar", "entailment", "la", "1")
    )
    (example,) = read(tmp_path, "xnli dev de", {"XNLI-1.0/xnli.dev.tsv": rows})
    assert (example.id, example.first, example.second, example.label) == ("1", "ja", "b", "neutral")


@pytest.mark.parametrize("name", ["train", "dev"])
def test_snli_of_glue_has_both_of_its_splits(tmp_path: Path, name: str) -> None:
    text = GLUE_HEADER + glue_row(15, "a", "b", "neutral", at=7)
    (example,) = read(tmp_path, f"snli {name} en", {f"SNLI/{name}.tsv": text})
    assert (example.first, example.second, example.label) == ("a", "b", "neutral")


HEADED = {
    "mnli train en": ("MNLI/train.tsv", "index"),
    "mnli translated de": ("XNLI-MT-1.0/multinli/multinli.train.de.tsv", "premise"),
    "qqp dev en": ("QQP/dev.tsv", "id"),
    "snli dev en": ("SNLI/dev.tsv", "index"),
    "pawsx test de": ("x-final/de/test_2k.tsv", "id"),
    "xnli dev de": ("XNLI-1.0/xnli.dev.tsv", "language"),
}


@pytest.mark.parametrize("where", HEADED)
def test_a_file_that_has_lost_its_header_is_refused_before_its_first_row_is_lost(tmp_path: Path, where: str) -> None:
    name, column = HEADED[where]
    with pytest.raises(DataError, match=f"{name}:1: no header: .* begins with '7', expected the column '{column}'; .*"):
        read(tmp_path, where, {name: "7\ta\tb\tneutral\n" * 2})


def test_a_header_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeff" + GLUE_HEADER + glue_row(12, "a", "b", "neutral")
    assert len(read(tmp_path, "mnli train en", {"MNLI/train.tsv": text})) == 1


@pytest.mark.parametrize("columns", [12, 16])
def test_quotes_are_plain_characters_in_mnli(tmp_path: Path, columns: int) -> None:
    rows = [glue_row(columns, '"a', "b", "neutral"), glue_row(columns, 'c" d', '"e"', "entailment")]
    first, second = read(tmp_path, "mnli train en", {"MNLI/train.tsv": GLUE_HEADER + "".join(rows)})
    assert (first.id, first.first, first.second, first.label) == ("train-7", '"a', "b", "neutral")
    assert (second.first, second.second, second.label) == ('c" d', '"e"', "entailment")


def test_snli_rows_are_ragged_and_rows_without_gold_are_left_out(tmp_path: Path) -> None:
    labels = [(11, "neutral"), (14, "entailment"), (15, "contradiction"), (15, "-")]
    rows = [glue_row(columns, "a", "b", label, at=7) for columns, label in labels]
    examples = read(tmp_path, "snli train en", {"SNLI/train.tsv": GLUE_HEADER + "".join(rows)})
    assert [(e.first, e.second, e.label) for e in examples] == [("a", "b", label) for _, label in labels[:3]]


def test_snli_json_rows_without_gold_are_left_out(tmp_path: Path) -> None:
    rows = [{"gold_label": g, "sentence1": "a", "sentence2": "b", "pairID": f"p.jpg#{g}"} for g in ("-", "neutral")]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (example,) = read(tmp_path, "snli dev en", {"snli_1.0/snli_1.0_dev.jsonl": text})
    assert (example.id, example.label) == ("p.jpg#neutral", "neutral")


def test_hellaswag_ids_are_unique_though_ind_repeats(tmp_path: Path) -> None:
    examples = read(tmp_path, "hellaswag dev en", {"hellaswag_val.jsonl": hellaswag_row() * 2})
    assert [example.id for example in examples] == ["hellaswag_val-1", "hellaswag_val-2"]


def test_a_hellaswag_label_is_a_number_a_text_or_missing(tmp_path: Path) -> None:
    rows = [hellaswag_row(label=label) for label in (2, "3", "")]
    examples = read(tmp_path, "hellaswag dev en", {"hellaswag_val.jsonl": "".join(rows)})
    assert [example.label for example in examples] == [2, 3, None]


def test_hellaswag_endings_continue_the_started_sentence_if_there_is_one(tmp_path: Path) -> None:
    rows = hellaswag_row() + hellaswag_row(ctx_b="")
    activity_net, wiki_how = read(tmp_path, "hellaswag dev en", {"hellaswag_val.jsonl": rows})
    assert activity_net.prompt == wiki_how.prompt == "A man sat."
    assert activity_net.choices == ("he ran.", "he ate.", "he sang.", "he slept.")
    assert wiki_how.choices == ("ran.", "ate.", "sang.", "slept.")


def test_a_sentence_ends_at_a_blank_line_or_the_end_of_the_file(tmp_path: Path) -> None:
    text = "Ann\tB-PER\nsat\tO\n\n\nYork\tI-LOC\n\u200b\tO"
    first, second = read(tmp_path, "panx dev en", {"panx/dev-en.tsv": text})
    assert (first.words, first.tags) == (("Ann", "sat"), ("B-PER", "O"))
    assert (second.words, second.tags) == (("York", "\u200b"), ("I-LOC", "O"))
    assert (first.id, second.id) == ("1", "5")


def test_words_that_are_only_soft_or_zero_width_characters_stay(tmp_path: Path) -> None:
    words = ("\u200b", "\u00ad", "\ufeff", "\u00a0", "a\u200cb")
    text = "".join(f"{word}\tO\r\n" for word in words)
    (sentence,) = read(tmp_path, "panx dev fa", {"panx/dev-fa.tsv": text})
    assert sentence.words == words


def test_the_raw_release_names_the_language_before_each_word(tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, "panx dev af", {"panx/dev-af.tsv": "af:Hy\tO\naf:af:\tO\naf:Kaap\tB-LOC\n"})
    assert sentence.words == ("Hy", "af:", "Kaap")


def test_a_word_that_looks_like_a_language_is_kept_in_a_file_without_prefixes(tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, "panx dev id", {"panx/dev-id.tsv": "id:\tO\nid:x\tO\nkota\tO\n"})
    assert sentence.words == ("id:", "id:x", "kota")


def test_a_test_file_without_tags_has_no_gold(tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, "panx test en", {"panx/test-en.tsv": "Ann\nsat\n"})
    assert (sentence.words, sentence.tags) == (("Ann", "sat"), None)


def test_answers_are_counted_in_characters_of_the_text(tmp_path: Path) -> None:
    files = squad_file("😀北京是首都。 กรุงเทพ", ("北京", 1), ("กรุงเทพ", 8))
    (example,) = read(tmp_path, "squad_v1 dev en", files)
    assert example.answers == (Answer("北京", 1), Answer("กรุงเทพ", 8))


def test_a_json_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (name, text) = next(iter(squad_file("Ann sat", ("Ann", 0)).items()))
    assert len(read(tmp_path, "squad_v1 dev en", {name: b"\xef\xbb\xbf" + text.encode()})) == 1


def test_a_question_without_answers_is_told_from_one_whose_file_has_none(tmp_path: Path) -> None:
    qas = [{"id": "a", "question": "?", "answers": []}, {"id": "b", "question": "?"}]
    text = json.dumps({"data": [{"paragraphs": [{"context": "c", "qas": qas}]}]})
    assert [e.answers for e in read(tmp_path, "squad_v2 dev en", {"dev-v2.0.json": text})] == [(), None]


def test_tatoeba_lines_are_translations_by_position(tmp_path: Path) -> None:
    files = {"tatoeba/tatoeba.cmn-eng.cmn": "一\n二\u3000\n", "tatoeba/tatoeba.cmn-eng.eng": "one\ntwo\n"}
    examples = read(tmp_path, "tatoeba test zh", files)
    assert [(e.id, e.text, e.translations) for e in examples] == [
        ("zh-0", "一", ("en-0",)),
        ("zh-1", "二\u3000", ("en-1",)),
        ("en-0", "one", ("zh-0",)),
        ("en-1", "two", ("zh-1",)),
    ]


@pytest.mark.parametrize("prefix", ["", "download/", "xnli/", "download/xnli/"])
def test_files_are_found_in_every_usual_layout(tmp_path: Path, prefix: str) -> None:
    assert len(read(tmp_path, "xnli dev de", {f"{prefix}xnli/dev-de.tsv": "a\tb\tneutral\n"})) == 1


SQUAD = "squad/dev-v1.1.json"
HELLASWAG = "hellaswag_val.jsonl"
DAMAGED: list[tuple[str, dict[str, str | bytes], str]] = [
    ("xnli dev de", {"xnli/dev-de.tsv": "a\tb\tneutral\na\tb\n"}, r"dev-de.tsv:2: 2 columns, expected 3: 'a\\tb'"),
    ("xnli dev de", {"xnli/dev-de.tsv": "a\tb\tc\td\n"}, r"dev-de.tsv:1: 4 columns, expected 2 or 3: 'a\\tb\\tc\\td'"),
    (
        "xnli dev de",
        {"xnli/dev-de.tsv": "a\tb\tneutral\na\tb\tcontradictory\n"},
        r"dev-de.tsv:2: unknown label 'contradictory', expected one of: contradiction, entailment, neutral",
    ),
    (
        "xnli dev de",
        {"xnli/dev-de.tsv": b"a\tb\tneutral\n\xe9\tb\tneutral\n"},
        r"dev-de.tsv:2: not UTF-8 .*fetch the file again",
    ),
    ("xnli dev de", {"xnli/dev-de.tsv": "\r\n"}, r"dev-de.tsv: the file is empty"),
    (
        "xnli test de",
        {"xnli/test-de.tsv": "a\tb\nc\td\n", "xnli/test.labels": "neutral\n"},
        r"test-de.tsv: 2 rows, but 1 labels in .*test.labels",
    ),
    (
        "mnli dev en",
        {"MNLI/dev_matched.tsv": GLUE_HEADER + "a\tb\n"},
        r"dev_matched.tsv:2: 2 columns, expected 12 or 16: 'a\\tb'",
    ),
    (
        "mnli dev en",
        {"MNLI/dev_matched.tsv": GLUE_HEADER + glue_row(16, "a", "b", "-")},
        r"dev_matched.tsv:2: unknown label '-'",
    ),
    ("snli dev en", {"snli_1.0/snli_1.0_dev.jsonl": '{"gold_label": "-"}\n'}, r"dev.jsonl:1: missing sentence1, sent"),
    ("hellaswag dev en", {HELLASWAG: hellaswag_row() + '{"ind": '}, r"val.jsonl:2: not valid JSON .*: '\{\"ind\": '"),
    ("hellaswag dev en", {HELLASWAG: "[1]\n"}, r"val.jsonl:1: expected a JSON object, found a list: '\[1\]'"),
    ("hellaswag dev en", {HELLASWAG: hellaswag_row(label=4)}, r"val.jsonl:1: label '4' for 4 endings, expected 0 to 3"),
    ("hellaswag dev en", {HELLASWAG: hellaswag_row(label="", endings=["a"])}, r"val.jsonl:1: label '' for 1 endings"),
    (
        "panx dev en",
        {"panx/dev-en.tsv": "a\tO\nb\tO\n\nAnn\tB-PER\nsat\n"},
        r"dev-en.tsv:4: 1 of 2 words have a tag, expected all or none: 'Ann sat'",
    ),
    ("panx dev en", {"panx/dev-en.tsv": "a\tb\tO\n"}, r"dev-en.tsv:1: 3 columns, expected 1 or 2: 'a\\tb\\tO'"),
    ("panx dev en", {"panx/dev-en.tsv": "a\tO\nb\tB-MISC\n"}, r"dev-en.tsv:2: unknown label 'B-MISC'"),
    (
        "squad_v1 dev en",
        squad_file("Ann sat", ("sat", 3)),
        r"dev-v1.1.json: question q1: answer 'sat' is not at character 3, found ' sa'",
    ),
    ("squad_v1 dev en", squad_file("Ann sat", ("sat", 100)), r"answer 'sat' is not at character 100, found ''"),
    ("squad_v1 dev en", squad_file("Ann sat", ("sa", -3)), r"answer 'sa' is not at character -3"),
    ("squad_v1 dev en", {SQUAD: '{"data": [{"paragraphs": '}, r"dev-v1.1.json: not valid JSON .*may be truncated"),
    ("squad_v1 dev en", {SQUAD: "[]"}, r"dev-v1.1.json: expected a JSON object, found a list"),
    ("squad_v1 dev en", {SQUAD: "{}"}, r"dev-v1.1.json: not in SQuAD's form \(KeyError: 'data'\)"),
    ("squad_v1 dev en", {SQUAD: '{"data": [{"paragraphs": [{"context": "c"}]}]}'}, r"SQuAD's form \(KeyError: 'qas'\)"),
    (
        "squad_v1 dev en",
        {SQUAD: '{"data": [{"paragraphs": [{"context": "c", "qas": ["q"]}]}]}'},
        r"dev-v1.1.json: not in SQuAD's form",
    ),
    (
        "tatoeba test de",
        {"tatoeba/tatoeba.deu-eng.deu": "a\nb\n", "tatoeba/tatoeba.deu-eng.eng": "a\n"},
        r"tatoeba.deu-eng.deu: 2 sentences, but 1 in .*tatoeba.deu-eng.eng",
    ),
    (
        "tatoeba test de",
        {"x": "y"},
        r"Tatoeba: no test file for language de .*tatoeba.deu-eng.deu \+ .*to get it: xstilts data fetch tatoeba",
    ),
]


@pytest.mark.parametrize(("place", "files", "message"), DAMAGED)
def test_a_damaged_file_is_one_message_with_its_place(
    tmp_path: Path, place: str, files: dict[str, str | bytes], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, place, files)
