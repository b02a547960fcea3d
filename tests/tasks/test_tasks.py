"""Every task's one file: what it states of itself, and what it reads from the miniature and the real data."""

import re
from pathlib import Path

import pytest

from tests.tiny import write_all_tiny_data, write_tiny_data
from xstilts_hpc.errors import GridError
from xstilts_hpc.examples import (
    ChoiceExample,
    Example,
    Kind,
    RetrievalExample,
    SequenceExample,
    SpanExample,
    TokenExample,
)
from xstilts_hpc.files import Memory
from xstilts_hpc.languages import LANGUAGES, XTREME
from xstilts_hpc.tasks import (
    TASKS,
    anli,
    ccg_pmb,
    commonsenseqa,
    mnli,
    panx,
    snli,
    task_of,
    tasks_with,
    udpos,
)
from xstilts_hpc.tasks.base import BadRowError, Role, Source, Split, Task, has_gold, text_length
from xstilts_hpc.tasks.folder import DataFolder, Located
from xstilts_hpc.tasks.squad_format import parse_squad

ALL_BUT_TRANSLATED = (Split.TRAIN, Split.DEV, Split.TEST)
EVERY_TASK = pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)

# Of the shared real data, from the tables of SOURCE.md: languages and examples of each split that a task can read.
# SNLI's dev file has 5 rows labelled "-"; a Tatoeba pair is two sentences, and BUCC's are two pools; PAN-X has a test
# but no dev file for th; MLQA's test files there mix languages; TyDiQA's dev set is the test split.
REAL = {
    "mnli": {"train": (1, 4000), "dev": (1, 300)},
    "snli": {"train": (1, 4000), "dev": (1, 295)},
    "hellaswag": {"train": (1, 779), "dev": (1, 300)},
    "squad_v1": {"train": (1, 3421), "dev": (1, 250)},
    "xnli": {"dev": (11, 3300), "test": (11, 3300)},
    "pawsx": {"train": (1, 2000), "dev": (4, 1000), "test": (4, 1000)},
    "udpos": {"train": (2, 2713), "dev": (24, 3048), "test": (29, 3749)},
    "panx": {"train": (1, 3000), "dev": (35, 6842), "test": (36, 7047)},
    "xquad": {"test": (8, 1760)},
    "mlqa": {"dev": (4, 875)},
    "tydiqa": {"train": (1, 1800), "dev": (1, 500), "test": (6, 1123)},
    "bucc2018": {"dev": (1, 5234)},
    "tatoeba": {"test": (32, 15640)},
}
NO_GOLD_ROWS = {"snli_1.0_dev.jsonl": 5, "snli_1.0_test.jsonl": 2}
MLQA_LANGUAGES = ("de", "en", "es", "zh")
# Files of the shared data that a data folder does not locate, for nobody trains on them or scores them, or they stand
# under another name than the publisher's. The split says nothing here.
OTHER_FILES: dict[str, list[Source]] = {
    "mnli": [Source(Split.TEST, ("MNLI/dev_mismatched.tsv",), mnli.parse_glue)],
    "snli": [Source(Split.TEST, ("snli_1.0/snli_1.0_test.jsonl",), snli.parse_jsonl)],
    "anli_r1r2r3": [Source(Split.TEST, tuple(f"anli_v1.0/R{i}/test.jsonl" for i in (1, 2, 3)), anli.parse)],
    "commonsenseqa": [Source(Split.TEST, ("test_rand_split_no_answers.jsonl",), commonsenseqa.parse)],
    "ccg_pmb": [Source(split, (f"pmb-4.0.0/de/gold/{split}.conll",), ccg_pmb.parse) for split in ALL_BUT_TRANSLATED],
    "udpos": [
        Source(split, (f"udpos-xtreme/{split}-{{language}}.tsv",), udpos.parse_xtreme) for split in ALL_BUT_TRANSLATED
    ],
    "panx": [Source(split, (f"raw-samples/{{language}}/{split}",), panx.parse) for split in ALL_BUT_TRANSLATED],
    # Context and question in two languages too; its test files here are stripped of their answers.
    "mlqa": [
        Source(split, (f"MLQA_V1/{split}/{split}-context-{code}-question-{{language}}.json",), parse_squad)
        for split in (Split.DEV, Split.TEST)
        for code in MLQA_LANGUAGES
    ],
}
# Counted files that no task reads: pieces of tokenizers, and PAN-X in languages of XTREME-R that are not XTREME's.
NO_TASKS = ("tokenizer/*/*.model", *(f"panx/*-{code}.tsv" for code in ("az", "gu", "lt", "pa", "pl", "qu", "ro", "uk")))


def data_folder(root: Path, scratch: Path) -> DataFolder:
    return DataFolder(root, Memory(scratch / "memory.json"))


def located(folder: DataFolder, task: Task) -> list[Located]:
    places = [(split, code) for split in Split for code in task.languages]
    return [folder.locate(task, split, code) for split, code in places if folder.has(task, split, code)]


def counts_of_sources(data: Path) -> dict[Path, int]:
    row = re.compile(r"^\| (\S+) \| (\d+) \w+ \| \d+ \|$", re.MULTILINE)
    sources = {path.parent: path.read_text(encoding="utf-8") for path in data.rglob("SOURCE.md")}
    return {folder / name: int(number) for folder, text in sources.items() for name, number in row.findall(text)}


def sources_of(task: Task) -> list[Source]:
    return [*task.sources, *OTHER_FILES.get(task.name, ())]


def files_of(source: Source, task: Task, counts: dict[Path, int]) -> list[tuple[str, tuple[Path, ...]]]:
    """Return the places of a source among the counted files: its language and its files."""
    places: dict[tuple[str, tuple[Path, ...]], None] = {}
    for code in source.languages or task.languages:
        named = LANGUAGES[code]
        first, *_ = names = [
            p.format(language=code, language3=named.code3, name=named.name.lower()) for p in source.patterns
        ]
        for path in counts:
            if path.match(first):
                folder = path.parents[first.count("/")]
                found = [sorted(folder.glob(name)) for name in names]
                if all(found):
                    places[code, tuple(path for group in found for path in group)] = None
    return list(places)


def expected_examples(paths: tuple[Path, ...], counts: dict[Path, int]) -> int:
    texts = [path for path in paths if path.suffix not in (".labels", ".gold")]
    return sum(counts[path] - NO_GOLD_ROWS.get(path.name, 0) for path in texts)


@EVERY_TASK
def test_a_task_states_everything_about_itself(task: Task) -> None:
    assert task.title and task.origin and task.licence and task.roles
    assert bool(task.sources) is not bool(task.union)
    assert task.languages and set(task.languages) <= set(XTREME)
    assert len(set(task.languages)) == len(task.languages)
    assert len(set(task.labels)) == len(task.labels)
    assert task.open_labels or bool(task.labels) == (task.kind in (Kind.SEQUENCE, Kind.CHOICE, Kind.TOKEN))


@EVERY_TASK
def test_a_task_has_a_split_to_be_scored_on(task: Task) -> None:
    for part in task.union or (task,):
        splits = {source.split for source in part.sources}
        assert (splits == {Split.TRAIN}) if task.kind is Kind.MASKED else splits & {Split.DEV, Split.TEST}


@EVERY_TASK
def test_a_task_is_trained_on_a_set_of_the_same_form(task: Task) -> None:
    if not task.trains:
        assert task.kind is Kind.RETRIEVAL
        return
    training_set = task_of(task.training_set)
    for part in training_set.union or (training_set,):
        assert (part.kind, part.labels) == (task.kind, task.labels)
        assert any(source.split is Split.TRAIN for source in part.sources)


@EVERY_TASK
def test_a_task_reads_its_examples_in_the_publishers_form(task: Task, tmp_path: Path) -> None:
    write_all_tiny_data(tmp_path)
    folder = data_folder(tmp_path, tmp_path)
    task = folder.with_labels(task)
    found = located(folder, task)
    assert found
    for place in found:
        examples = list(place.examples())
        assert examples and all(has_gold(example) for example in examples)
        assert len({example.id for example in examples}) == len(examples)
        assert [wrong for example in examples for wrong in wrong_gold(task, example, examples)] == []


def wrong_gold(task: Task, example: Example, examples: list[Example]) -> list[object]:
    """Return what an example has for gold and its task or the other examples do not know."""
    if isinstance(example, SequenceExample):
        return [] if example.label in task.labels else [example.label]
    if isinstance(example, ChoiceExample):
        known = len(example.choices) == len(task.labels) and example.label in range(len(task.labels))
        return [] if known else [example.label]
    if isinstance(example, TokenExample):
        return [tag for tag in example.tags or () if tag not in task.labels]
    if isinstance(example, SpanExample):
        return [
            answer for answer in example.answers or () if not example.context[answer.start :].startswith(answer.text)
        ]
    if isinstance(example, RetrievalExample):
        others = {e.id for e in examples if isinstance(e, RetrievalExample) and e.english is not example.english}
        return [other for other in example.translations or () if other not in others]
    return []


@pytest.mark.shared
@EVERY_TASK
def test_each_real_file_has_the_examples_that_its_source_page_counts(task: Task, shared_data: Path) -> None:
    counts = counts_of_sources(shared_data)
    for source in sources_of(task):
        read: dict[tuple[Path, ...], int] = {}
        for code, paths in files_of(source, task, counts):
            rows = list(source.parse(paths, code))
            assert not [row for row in rows if isinstance(row, BadRowError)]
            read[paths] = read.get(paths, 0) + len(rows)
        assert read == {paths: expected_examples(paths, counts) for paths in read}


@pytest.mark.shared
def test_every_counted_file_of_the_real_data_is_read_by_some_task(shared_data: Path) -> None:
    counts = counts_of_sources(shared_data)
    places = [
        place for task in TASKS.values() for source in sources_of(task) for place in files_of(source, task, counts)
    ]
    read = {path for _, paths in places for path in paths}
    unread = {path for path in counts if any(path.match(pattern) for pattern in NO_TASKS)}
    assert (len(counts), len(unread)) == (429, 18)
    assert sorted(counts.keys() - read) == sorted(unread)


@pytest.mark.shared
@pytest.mark.parametrize("name", REAL)
def test_the_real_data_are_found_in_every_language_they_have(name: str, shared_data: Path, tmp_path: Path) -> None:
    found: dict[str, tuple[int, int]] = {}
    for place in located(data_folder(shared_data, tmp_path), TASKS[name]):
        languages, examples = found.get(place.split, (0, 0))
        found[place.split] = (languages + 1, examples + sum(1 for _ in place.examples()))
    assert found == REAL[name]


@pytest.mark.shared
def test_the_real_evaluation_split_is_test_where_it_has_labels_else_dev(shared_data: Path, tmp_path: Path) -> None:
    folder = data_folder(shared_data, tmp_path)
    assert folder.evaluation_split(TASKS["xnli"]) is Split.TEST
    assert folder.evaluation_split(TASKS["panx"]) is Split.DEV
    assert folder.languages(TASKS["panx"], Split.TEST) == ()
    assert folder.evaluation_split(TASKS["xquad"]) is Split.TEST
    assert folder.evaluation_split(TASKS["udpos"]) is Split.TEST
    assert folder.evaluation_split(TASKS["mlqa"]) is Split.DEV
    assert folder.evaluation_split(TASKS["bucc2018"]) is Split.DEV


def test_facts_are_found_out_again_when_a_file_changes(tmp_path: Path) -> None:
    write_tiny_data(tmp_path)
    before = data_folder(tmp_path, tmp_path).facts(TASKS["mnli"], Split.DEV)
    path = tmp_path / "MNLI" / "dev_matched.tsv"
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[-1])
    after = data_folder(tmp_path, tmp_path).facts(TASKS["mnli"], Split.DEV)
    assert (before["examples"], after["examples"]) == (6, 7)
    assert before["digest"] != after["digest"]


def test_the_mean_length_counts_all_that_a_model_reads(tmp_path: Path) -> None:
    write_tiny_data(tmp_path)
    facts = data_folder(tmp_path, tmp_path).facts(TASKS["panx"], Split.DEV)
    # Ann sat (6 characters), in New York (9)
    assert facts["characters"] == 7.5


def test_the_prompt_of_a_choice_is_read_with_each_of_them() -> None:
    assert text_length(ChoiceExample("1", "abc", ("d", "ef"), 0)) == 3 + 1 + 3 + 2


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(GridError, match="unknown task 'xnil'; did you mean 'xnli'"):
        task_of("xnil")


def test_roles_keep_the_order_of_the_tables() -> None:
    names = [task.name for task in tasks_with(Role.TARGET)]
    assert names == [name for name in TASKS if Role.TARGET in TASKS[name].roles]
    assert names == ["xnli", "pawsx", "udpos", "panx", "xquad", "mlqa", "tydiqa", "bucc2018", "tatoeba"]


def test_the_targets_have_the_languages_of_xtreme() -> None:
    numbers = {task.name: len(task.languages) for task in tasks_with(Role.TARGET)}
    assert numbers == {
        "xnli": 15,
        "pawsx": 7,
        "udpos": 33,
        "panx": 40,
        "xquad": 11,
        "mlqa": 7,
        "tydiqa": 9,
        "bucc2018": 4,
        "tatoeba": 36,
    }
