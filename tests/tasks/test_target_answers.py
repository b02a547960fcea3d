"""The quirks of the target tasks' questions and pools of sentences, made by hand; what is said of damaged files."""

from pathlib import Path

import pytest

from tests.published import Files, folder_of, question, read, squad
from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Answer, Example, SpanExample
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Split, has_gold

# Question answering


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("xquad", "xquad/xquad.de.json"),
        ("mlqa", "MLQA_V1/test/test-context-de-question-de.json"),
        ("tydiqa", "tydiqa-goldp-v1.1-dev/tydiqa.goldp.fi.dev.json"),
    ],
)
@pytest.mark.parametrize("answers", [[("", 0)], []], ids=["an empty answer", "no answer"])
def test_a_test_file_without_its_answers_has_no_gold(
    tmp_path: Path, task: str, name: str, answers: list[tuple[str, int]]
) -> None:
    language = "fi" if task == "tydiqa" else "de"
    folder = folder_of(tmp_path, {name: squad(question("q1", *answers))})
    (example,) = folder.locate(TASKS[task], Split.TEST, language).examples()
    assert example == SpanExample("q1", "who?", "Ann sat", None)
    assert folder.languages(TASKS[task], Split.TEST) == ()


def test_xquad_is_found_in_its_release_and_in_a_folder_of_its_name(tmp_path: Path) -> None:
    for i, name in enumerate(["xquad.th.json", "xquad/xquad.th.json", "download/xquad/xquad.th.json"]):
        assert len(read(tmp_path / str(i), "xquad test th", {name: squad(question("q", ("Ann", 0)))})) == 1


def test_mlqa_has_context_and_question_in_one_language(tmp_path: Path) -> None:
    files: Files = {
        f"mlqa/MLQA_V1/dev/dev-context-de-question-{code}.json": squad(question(code, ("Ann", 0)))
        for code in ("de", "en", "es")
    }
    (example,) = read(tmp_path, "mlqa dev de", files)
    assert (example.id, example.answers) == ("de", (Answer("Ann", 0),))


def test_repeated_ids_of_tydiqa_become_places_in_the_file(tmp_path: Path) -> None:
    text = squad(question("0", ("Ann", 0)), question("12", ("sat", 4)), question("0", ("Ann", 0)))
    name = "tydiqa/tydiqa-goldp-v1.1-train/tydiqa.goldp.en.train.json"
    examples = read(tmp_path, "tydiqa train en", {name: text})
    assert [e.id for e in examples] == ["train-1", "train-2", "train-3"]


def test_a_training_question_of_tydiqa_without_an_answer_is_a_bad_row(tmp_path: Path) -> None:
    name = "tydiqa-goldp-v1.1-train/tydiqa.goldp.en.train.json"
    folder = folder_of(tmp_path, {name: squad(question("0"), question("1", ("Ann", 0)))})
    with pytest.raises(DataError, match=r"1 of 2 training rows .*\n .*question 0: no answer, but every question here"):
        folder.facts(TASKS["tydiqa"], Split.TRAIN)


def test_both_forms_of_tydiqas_training_file_give_the_same_examples(tmp_path: Path) -> None:
    release = squad(question("finnish-1-0", ("Ann", 0)), question("english--7-2", ("sat", 4)))
    xtreme = squad(question("2", ("sat", 4)))
    expected = [SpanExample("train-1", "who?", "Ann sat", (Answer("sat", 4),))]
    assert read(tmp_path / "a", "tydiqa train en", {"tydiqa-goldp-v1.1-train.json": release}) == expected
    name = "tydiqa-goldp-v1.1-train/tydiqa.goldp.en.train.json"
    assert read(tmp_path / "b", "tydiqa train en", {name: xtreme}) == expected


def test_the_release_of_tydiqa_names_languages_in_english(tmp_path: Path) -> None:
    name = "tydiqa-goldp-v1.1-dev/tydiqa-goldp-dev-swahili.json"
    (example,) = read(tmp_path, "tydiqa test sw", {name: squad(question("swahili--669-2", ("Ann", 0)))})
    assert example.id == "swahili--669-2"


def test_white_space_at_the_ends_of_an_answer_stays(tmp_path: Path) -> None:
    name = "tydiqa-goldp-v1.1-train/tydiqa.goldp.en.train.json"
    (example,) = read(tmp_path, "tydiqa train en", {name: squad(question("0", (" sat", 3)))})
    assert example.answers == (Answer(" sat", 3),)


# Retrieval

POOLS: Files = {
    "bucc2018/zh-en.dev.zh": "zh-000000005\t一\nzh-000000008\t\u201c二\u201d \u0085\n",
    "bucc2018/zh-en.dev.en": "en-000000009\tone\nen-000000011\ttwo\nen-000000020\tzwei\n",
}


def test_a_sentence_of_a_pool_has_its_partners_or_none(tmp_path: Path) -> None:
    gold = "zh-000000008\ten-000000011\nzh-000000008\ten-000000020\n"
    examples = read(tmp_path, "bucc2018 dev zh", {**POOLS, "bucc2018/zh-en.dev.gold": gold})
    assert [(e.id, e.english, e.translations) for e in examples] == [
        ("zh-000000005", False, ()),
        ("zh-000000008", False, ("en-000000011", "en-000000020")),
        ("en-000000009", True, ()),
        ("en-000000011", True, ("zh-000000008",)),
        ("en-000000020", True, ("zh-000000008",)),
    ]
    assert examples[1].text == "\u201c二\u201d \u0085"


@pytest.mark.parametrize(("split", "name"), [("dev", "sample"), ("test", "training")])
def test_the_shared_tasks_own_names_of_bucc_are_read(tmp_path: Path, split: str, name: str) -> None:
    start = f"bucc2018/fr-en/fr-en.{name}"
    files: Files = {f"{start}.fr": "fr-1\tun\n", f"{start}.en": "en-1\tone\n"}
    examples = read(tmp_path, f"bucc2018 {split} fr", {**files, f"{start}.gold": "fr-1\ten-1\n"})
    assert [(e.id, e.translations) for e in examples] == [("fr-1", ("en-1",)), ("en-1", ("fr-1",))]


def test_a_bucc_test_set_whose_pairs_xtreme_removed_has_no_gold(tmp_path: Path) -> None:
    test: Files = {name.replace("dev", "test"): text for name, text in POOLS.items()}
    folder = folder_of(tmp_path, {**POOLS, **test, "bucc2018/zh-en.dev.gold": "zh-000000008\ten-000000011\n"})
    examples: list[Example] = list(folder.locate(TASKS["bucc2018"], Split.TEST, "zh").examples())
    assert len(examples) == 5
    assert not any(has_gold(example) for example in examples)
    assert folder.evaluation_split(TASKS["bucc2018"]) is Split.DEV


def test_a_bucc_test_set_without_dev_pairs_for_its_threshold_cannot_be_scored(tmp_path: Path) -> None:
    gold = {f"bucc2018/zh-en.{split}.gold": "zh-000000008\ten-000000011\n" for split in ("dev", "test")}
    test: Files = {name.replace("dev", "test"): text for name, text in POOLS.items()}
    test["bucc2018/zh-en.test.gold"] = gold["bucc2018/zh-en.test.gold"]
    alone = folder_of(tmp_path / "alone", test)
    assert alone.languages(TASKS["bucc2018"], Split.TEST) == ()
    with pytest.raises(DataError, match=r"no file there has labels \(test needs dev's too, for its threshold\)"):
        alone.evaluation_split(TASKS["bucc2018"])
    both = folder_of(tmp_path / "both", {**POOLS, **test, "bucc2018/zh-en.dev.gold": gold["bucc2018/zh-en.dev.gold"]})
    assert both.languages(TASKS["bucc2018"], Split.TEST) == ("zh",)
    assert both.evaluation_split(TASKS["bucc2018"]) is Split.TEST


SORTED: Files = {"tatoeba/de-en.de": "zwei\ndrei\neins\n", "tatoeba/de-en.en": "one\nthree\ntwo\n"}


def test_xtremes_sorted_tatoeba_is_never_taken_for_aligned(tmp_path: Path) -> None:
    examples = read(tmp_path, "tatoeba test de", SORTED)
    assert [(e.id, e.text) for e in examples if e.english] == [
        ("en-sorted-0", "one"),
        ("en-sorted-1", "three"),
        ("en-sorted-2", "two"),
    ]
    assert {e.translations for e in examples} == {None}
    assert folder_of(tmp_path, {}).languages(TASKS["tatoeba"], Split.TEST) == ()


def test_labels_beside_the_sorted_tatoeba_give_the_examples_of_the_aligned_one(tmp_path: Path) -> None:
    aligned: Files = {
        "tatoeba/tatoeba.deu-eng.deu": "zwei\ndrei\neins\n",
        "tatoeba/tatoeba.deu-eng.eng": "two\nthree\none\n",
    }
    labelled = read(tmp_path / "a", "tatoeba test de", {**SORTED, "tatoeba/de-en.labels": "2\n1\n0\n"})
    assert labelled == read(tmp_path / "b", "tatoeba test de", aligned)
    assert [(e.text, e.translations) for e in labelled if e.english] == [
        ("two", ("de-0",)),
        ("three", ("de-1",)),
        ("one", ("de-2",)),
    ]


# Damaged files

DEV_POOLS = {**POOLS, "bucc2018/zh-en.dev.gold": "zh-000000008\ten-000000011\n"}
DAMAGED: list[tuple[str, Files, str]] = [
    (
        "mlqa dev de",
        {"MLQA_V1/dev/dev-context-de-question-de.json": squad(question("q7", ("sat", 0)))},
        r"question q7: answer 'sat' is not at character 0, found 'Ann'",
    ),
    (
        "bucc2018 dev zh",
        {**DEV_POOLS, "bucc2018/zh-en.dev.gold": "zh-000000006\ten-000000011\n"},
        r"zh-en.dev.zh: no sentence 'zh-000000006', which the pairs name",
    ),
    (
        "bucc2018 dev zh",
        {**DEV_POOLS, "bucc2018/zh-en.dev.gold": "en-000000011\tzh-000000008\n"},
        r"zh-en.dev.zh: no sentence 'en-000000011'",
    ),
    ("bucc2018 dev zh", {**DEV_POOLS, "bucc2018/zh-en.dev.gold": "zh-1 en-1\n"}, r"dev.gold:1: expected a foreign id"),
    ("bucc2018 dev zh", {**DEV_POOLS, "bucc2018/zh-en.dev.zh": "zh-1\ta\nzh-1\tb\n"}, r"dev.zh:2: the id 'zh-1' is th"),
    ("bucc2018 dev zh", {**DEV_POOLS, "bucc2018/zh-en.dev.zh": "zh-1\ta\tb\n"}, r"dev.zh:1: 3 columns, expected 2"),
    (
        "bucc2018 dev zh",
        POOLS,
        r"BUCC2018: no dev file for language zh .*zh-en.dev.gold.*to get it: xstilts data fetch bucc2018",
    ),
    (
        "tatoeba test de",
        {**SORTED, "tatoeba/de-en.labels": "0\n1\n1\n"},
        r"de-en.labels: 3 labels, expected each of 0 to 2 once",
    ),
    (
        "tatoeba test de",
        {**SORTED, "tatoeba/de-en.labels": "0\n1\n"},
        r"de-en.labels: 2 labels, expected each of 0 to 2",
    ),
]


@pytest.mark.parametrize(("place", "files", "message"), DAMAGED)
def test_a_damaged_file_is_one_message_with_its_place(tmp_path: Path, place: str, files: Files, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, place, files)


def test_tydiqas_training_files_of_other_languages_are_dev_and_only_english_is_trained_on(tmp_path: Path) -> None:
    release = squad(question("korean-7", ("Ann", 0)), question("english-8", ("Ann", 0)))
    (korean,) = read(tmp_path, "tydiqa dev ko", {"tydiqa-goldp-v1.1-train.json": release})
    assert (korean.id, korean.answers) == ("train-1", (Answer("Ann", 0),))
    assert TASKS["tydiqa"].dev_set == "training files of languages that are not trained on"
    for place in ("tydiqa train ko", "tydiqa dev en"):
        with pytest.raises(DataError, match=f"no {place.split()[1]} file for language"):
            read(tmp_path, place, {})
