"""The quirks of the target tasks' pairs and tagged sentences, made by hand; what is said of damaged files."""

import json
from pathlib import Path

import pytest

from tests.published import Files, conllu, folder_of, read, tagged, texts
from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import SequenceExample, TokenExample
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Split

PAWSX_HEADER = "id\tsentence1\tsentence2\tlabel\n"


def words_of(root: Path, text: str, language: str = "de") -> list[list[tuple[str, str]]]:
    return tagged(read(root, f"udpos dev {language}", {f"udpos/{language}_gsd-ud-dev.conllu": text}))


# PAWS-X and XNLI: quoting


def test_quotes_are_plain_characters_in_the_release_of_pawsx(tmp_path: Path) -> None:
    rows = PAWSX_HEADER + '7\t"a" b\t"c"\t1\n8\td "\te""\t0\n'
    examples = read(tmp_path, "pawsx dev es", {"x-final/es/dev_2k.tsv": rows})
    assert texts(examples) == [('"a" b', '"c"', "1"), ('d "', 'e""', "0")]


@pytest.mark.parametrize(("task", "label"), [("pawsx", "1"), ("xnli", "neutral")])
def test_xtremes_copy_puts_a_text_with_a_quote_in_quotes(tmp_path: Path, task: str, label: str) -> None:
    rows = f'"""a"" b"\tc\t{label}\r\nd\t"e """\t{label}\r\n'
    examples = read(tmp_path, f"{task} dev es", {f"{task}/dev-es.tsv": rows})
    assert texts(examples) == [('"a" b', "c", label), ("d", 'e "', label)]


def test_a_copy_whose_quotes_break_the_rule_is_read_as_it_stands(tmp_path: Path) -> None:
    rows = '"a"\tb\tneutral\nc "d" e\tf\tneutral\n'
    examples = read(tmp_path, "xnli dev es", {"xnli/dev-es.tsv": rows})
    assert texts(examples) == [('"a"', "b", "neutral"), ('c "d" e', "f", "neutral")]


def test_labels_beside_xtremes_test_file_meet_texts_without_their_quotes(tmp_path: Path) -> None:
    files: Files = {"xnli/test-de.tsv": '"""a"""\tb\r\n', "xnli/test.labels": "neutral\n"}
    assert texts(read(tmp_path, "xnli test de", files)) == [('"a"', "b", "neutral")]


def test_sentences_left_untranslated_stay_with_their_label(tmp_path: Path) -> None:
    rows = PAWSX_HEADER + "1\tNS\tNS\t0\n2\ta\tNS\t0\n"
    examples = read(tmp_path, "pawsx dev de", {"x-final/de/dev_2k.tsv": rows})
    assert texts(examples) == [("NS", "NS", "0"), ("a", "NS", "0")]


def test_both_forms_of_pawsx_give_the_same_examples(tmp_path: Path) -> None:
    release = {"x-final/de/dev_2k.tsv": PAWSX_HEADER + '55\ta "b" \tc\u001dd\t1\n'}
    xtreme = {"pawsx/dev-de.tsv": '"a ""b"""\tc\u001dd\t1\r\n'}
    expected = [SequenceExample("1", 'a "b"', "c\u001dd", "1")]
    assert read(tmp_path / "a", "pawsx dev de", {**release}) == expected
    assert read(tmp_path / "b", "pawsx dev de", {**xtreme}) == expected


@pytest.mark.parametrize(("tested", "split"), [("en", "dev"), ("de en", "test"), ("de en es", "test"), ("", "dev")])
def test_the_split_that_has_labels_in_the_most_languages_is_scored(tmp_path: Path, tested: str, split: str) -> None:
    labelled = [f"{name}-{code}" for name, codes in (("dev", "de en"), ("test", tested)) for code in codes.split()]
    files: Files = {f"pawsx/{name}.tsv": "a\tb\t1\n" for name in labelled}
    stripped: Files = {f"pawsx/test-{code}.tsv": "a\tb\n" for code in ("de", "en")}
    assert folder_of(tmp_path, {**stripped, **files}).evaluation_split(TASKS["pawsx"]) is Split(split)


def test_xnli_is_read_from_the_json_lines_of_its_release(tmp_path: Path) -> None:
    rows = [
        {"language": language, "gold_label": "neutral", "sentence1": f"a {language}", "sentence2": "b", "pairID": "3"}
        for language in ("ar", "de")
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    examples = read(tmp_path, "xnli test de", {"XNLI-1.0/xnli.test.jsonl": text})
    assert examples == [SequenceExample("3", "a de", "b", "neutral")]


# UDPOS


def test_a_fused_word_has_the_tag_of_its_highest_part(tmp_path: Path) -> None:
    text = conllu("1-2 zum _ _", "1 zu ADP 3", "2 Haus NOUN 1", "3 kam VERB 0")
    assert words_of(tmp_path, text) == [[("zum", "ADP"), ("kam", "VERB")]]


@pytest.mark.parametrize(("language", "tag"), [("de", "ADV"), ("it", "ADV"), ("es", "ADP"), ("fr", "ADV")])
def test_of_equally_high_parts_the_list_of_the_language_decides(tmp_path: Path, language: str, tag: str) -> None:
    text = conllu("1-3 x _ _", "1 a DET 4", "2 b ADP 4", "3 c ADV 4", "4 d VERB 0")
    assert words_of(tmp_path, text, language) == [[("x", tag), ("d", "VERB")]]


def test_of_parts_with_one_tag_outside_the_list_the_first_decides(tmp_path: Path) -> None:
    text = conllu("1-2 x _ _", "1 a NOUN 3", "2 b ADJ 3", "3 d VERB 0")
    assert words_of(tmp_path, text, "es") == [[("x", "NOUN"), ("d", "VERB")]]


@pytest.mark.parametrize(
    ("deps", "tag"), [("_", "NOUN"), ("3:obl", "NOUN"), ("2:nmod|3:obl", "ADP"), ("2.1:x", "NOUN")]
)
def test_enhanced_dependencies_count_for_the_height_of_a_part(tmp_path: Path, deps: str, tag: str) -> None:
    rows = [
        ["1-2", "x", "_", "_", "_", "_", "_", "_", "_", "_"],
        ["1", "a", "_", "NOUN", "_", "_", "3", "obl", deps, "_"],
        ["2", "b", "_", "ADP", "_", "_", "3", "case", "_", "_"],
        ["3", "d", "_", "VERB", "_", "_", "0", "root", "0:root", "_"],
    ]
    text = "".join("\t".join(row) + "\n" for row in rows) + "\n"
    assert words_of(tmp_path, text) == [[("x", tag), ("d", "VERB")]]


def test_empty_nodes_and_comments_are_no_words(tmp_path: Path) -> None:
    text = conllu("1 a NOUN 2", "1.1 b VERB _", "2 c VERB 0")
    assert words_of(tmp_path, text) == [[("a", "NOUN"), ("c", "VERB")]]


def test_spaces_and_zero_width_non_joiners_in_a_word_go(tmp_path: Path) -> None:
    text = conllu("1 1^000^000 NUM 2", "2 mi\u200cravad VERB 0", "3 a\u00a0\u200db NOUN 2")
    assert words_of(tmp_path, text, "fa") == [[("1000000", "NUM"), ("miravad", "VERB"), ("a\u00a0\u200db", "NOUN")]]


@pytest.mark.parametrize(
    ("forms", "kept"),
    [
        ("a", True),
        ("_", False),
        ("_ a", False),
        ("_ _ a", False),
        ("_ a b", True),
        ("_ _ a b", True),
        ("_ _ _ _", False),
    ],
)
def test_a_sentence_with_at_most_one_word_of_text_is_dropped(tmp_path: Path, forms: str, kept: bool) -> None:
    rows = [f"{i} {form} NOUN 0" for i, form in enumerate(forms.split(" "), 1)]
    text = conllu(*rows) + conllu("1 x NOUN 0")
    assert [[word for word, _ in sentence] for sentence in words_of(tmp_path, text)] == [
        *([forms.split(" ")] if kept else []),
        ["x"],
    ]


@pytest.mark.parametrize("place", ["udpos/{}", "ud-treebanks-v2.5/UD_{}/{}"])
def test_treebanks_of_a_language_follow_one_another_by_file_name(tmp_path: Path, place: str) -> None:
    names = ["en_pud-ud-test.conllu", "en_ewt-ud-test.conllu", "enm_x-ud-test.conllu", "en_ewt-ud-dev.conllu"]
    # The folders stand in another order than the files.
    files: Files = {
        place.replace("{}", f"English-{i}", 1).replace("{}", name) if "UD_" in place else place.format(name): conllu(
            f"1 {name[:6]} NOUN 0"
        )
        for i, name in enumerate(names)
    }
    examples = read(tmp_path, "udpos test en", files)
    assert [(e.id, e.words) for e in examples] == [("1", ("en_ewt",)), ("2", ("en_pud",))]


def test_both_forms_of_udpos_give_the_same_examples(tmp_path: Path) -> None:
    treebank = conllu("1 a NOUN 0", "2-3 zum _ _", "2 zu ADP 1", "3 dem DET 2") + conllu("1 b^c X 0")
    expected = [TokenExample("1", ("a", "zum"), ("NOUN", "ADP")), TokenExample("2", ("bc",), ("X",))]
    assert read(tmp_path / "a", "udpos train de", {"udpos/de_gsd-ud-train.conllu": treebank}) == expected
    xtreme = "a\tNOUN\nzum\tADP\n\nbc\tX\n"
    assert read(tmp_path / "b", "udpos train de", {"udpos/train-de.tsv": xtreme}) == expected


def test_a_language_without_a_dev_file_has_none(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"udpos/th_pud-ud-test.conllu": conllu("1 a NOUN 0")})
    assert folder.languages(TASKS["udpos"], Split.TEST) == ("th",)
    assert folder.languages(TASKS["udpos"], Split.DEV) == ()


# PAN-X


def test_the_raw_release_of_panx_has_a_folder_for_each_language(tmp_path: Path) -> None:
    files: Files = {"panx/af/test": "af:Kaap\tB-LOC\naf:is\tO\n", "panx/test-af.tsv": "Kaap\nis\n"}
    assert tagged(read(tmp_path, "panx test af", files)) == [[("Kaap", "B-LOC"), ("is", "O")]]


def test_a_name_may_begin_with_an_inside_tag(tmp_path: Path) -> None:
    examples = read(tmp_path, "panx dev ja", {"panx/dev-ja.tsv": "東\tI-LOC\n京\tI-LOC\nは\tO\n"})
    assert tagged(examples) == [[("東", "I-LOC"), ("京", "I-LOC"), ("は", "O")]]


# Damaged files

UD = "udpos/de_gsd-ud-dev.conllu"
DAMAGED: list[tuple[str, Files, str]] = [
    ("pawsx dev de", {"x-final/de/dev_2k.tsv": PAWSX_HEADER + "1\ta\tb\n"}, r"dev_2k.tsv:2: 3 columns, expected 4"),
    ("pawsx dev de", {"x-final/de/dev_2k.tsv": PAWSX_HEADER + "1\ta\tb\t2\n"}, r"dev_2k.tsv:2: unknown label '2'"),
    ("pawsx dev de", {"pawsx/dev-de.tsv": "a\tb\t1\na\tb\n"}, r"dev-de.tsv:2: 2 columns, expected 3: 'a\\tb'"),
    ("pawsx test de", {"pawsx/test-de.tsv": "a\tb\na\tb\t1\n"}, r"test-de.tsv:2: 3 columns, expected 2"),
    ("xnli test de", {"XNLI-1.0/xnli.test.jsonl": '{"language": "de"}\n'}, r"test.jsonl:1: missing gold_label, sent"),
    ("udpos dev de", {UD: "1\ta\tNOUN\n\n"}, r"dev.conllu:1: 3 columns, expected 10: '1\\ta\\tNOUN'"),
    (
        "udpos dev de",
        {UD: conllu("1 a NOUN 0") + conllu("1 a CONJ 0")},
        r"conllu:4: unknown label 'CONJ', expected one",
    ),
    ("udpos dev de", {UD: conllu("1 a NOUN 0", "3 b X 1")}, r"conllu:1: words are numbered 1 3, expected 1, 2, 3"),
    ("udpos dev de", {UD: conllu("1-3 ab _ _", "1 a NOUN 0", "2 b X 1")}, r"fused word 1-3 in a sentence of 2 words"),
    ("udpos dev de", {UD: conllu("1 a NOUN 0", "x-2 b X 1")}, r"conllu:1: id 'x-2', expected a number, a range"),
    ("udpos dev de", {"udpos/dev-de.tsv": "a\tNOUN\nb\n\n"}, r"dev-de.tsv:1: 1 of 2 words have a tag, expected all"),
    ("udpos dev de", {UD: ""}, r"dev.conllu: the file is empty"),
]


@pytest.mark.parametrize(("place", "files", "message"), DAMAGED)
def test_a_damaged_file_is_one_message_with_its_place(tmp_path: Path, place: str, files: Files, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, place, files)
