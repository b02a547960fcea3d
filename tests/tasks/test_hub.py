"""Copies of the Hugging Face hub give the examples of the publishers' files; copies that do not are refused."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.hub_copies import (
    Rows,
    anli,
    commonsense,
    cosmos,
    glue_mnli,
    glue_qqp,
    hellaswag,
    panx,
    snli,
    squad,
    tatoeba,
    write_copy,
    xnli,
    xtreme_squad,
)
from tests.published import folder_of
from tests.tiny import write_all_tiny_data
from xstilts_hpc.errors import DataError
from xstilts_hpc.files import Memory
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Split
from xstilts_hpc.tasks.folder import DataFolder


@dataclass(frozen=True)
class Copy:
    """A real file, the function that makes its copy, and where that lies on the hub."""

    place: str
    file: str
    rows: Callable[[Path], Rows]
    hub: str


DOWNLOAD, INTERMEDIATE = "download", "intermediate"
COPIES = [
    Copy("mnli train en", f"{INTERMEDIATE}/mnli/MNLI/train.tsv", glue_mnli, "nyu-mll--glue/mnli/train"),
    Copy(
        "mnli dev en", f"{INTERMEDIATE}/mnli/MNLI/dev_matched.tsv", glue_mnli, "nyu-mll--glue/mnli/validation_matched"
    ),
    Copy("qqp train en", f"{INTERMEDIATE}/qqp/QQP/train.tsv", glue_qqp, "nyu-mll--glue/qqp/train"),
    Copy("qqp dev en", f"{INTERMEDIATE}/qqp/QQP/dev.tsv", glue_qqp, "nyu-mll--glue/qqp/validation"),
    Copy(
        "snli dev en",
        f"{INTERMEDIATE}/snli/snli_1.0/snli_1.0_dev.jsonl",
        snli,
        "stanfordnlp--snli/plain_text/validation",
    ),
    Copy("squad_v1 train en", f"{DOWNLOAD}/squad/train-v1.1.json", squad, "rajpurkar--squad/plain_text/train"),
    Copy("squad_v1 dev en", f"{DOWNLOAD}/squad/dev-v1.1.json", squad, "rajpurkar--squad/plain_text/validation"),
    Copy("squad_v2 dev en", f"{INTERMEDIATE}/squad_v2/dev-v2.0.json", squad, "rajpurkar--squad_v2/squad_v2/validation"),
    Copy(
        "hellaswag train en",
        f"{INTERMEDIATE}/hellaswag/hellaswag_train.jsonl",
        hellaswag,
        "Rowan--hellaswag/data/train",
    ),
    Copy(
        "hellaswag dev en",
        f"{INTERMEDIATE}/hellaswag/hellaswag_val.jsonl",
        hellaswag,
        "Rowan--hellaswag/default/validation",
    ),
    Copy("cosmosqa dev en", f"{INTERMEDIATE}/cosmosqa/valid.csv", cosmos, "allenai--cosmos_qa/default/validation"),
    Copy(
        "commonsenseqa train en",
        f"{INTERMEDIATE}/commonsenseqa/train_rand_split.jsonl",
        commonsense,
        "tau--commonsense_qa/default/train",
    ),
    Copy("xnli dev hi", f"{DOWNLOAD}/xnli/dev-hi.tsv", xnli, "facebook--xnli/hi/validation"),
    Copy("panx dev fa", f"{DOWNLOAD}/panx/dev-fa.tsv", panx, "google--xtreme/PAN-X.fa/validation"),
    Copy("panx train en", f"{DOWNLOAD}/panx/train-en.tsv", panx, "google--xtreme/PAN-X.en/train"),
    Copy(
        "mlqa dev es",
        f"{DOWNLOAD}/mlqa/MLQA_V1/dev/dev-context-es-question-es.json",
        xtreme_squad,
        "google--xtreme/MLQA.es.es/validation",
    ),
]
# The copies have no id of the publishers, so that their subsets are others; and GLUE's copy of MNLI has no genre.
OTHER_IDS = {"qqp", "snli"}


def examples_of(data: Path, place: str) -> list[Any]:
    task, split, language = place.split()
    return list(DataFolder(data, Memory(Path())).locate(TASKS[task], Split(split), language).examples())


def original(shared_data: Path, tmp_path: Path, copy: Copy) -> list[Any]:
    """Read the real file alone: a data folder that has more may prefer another form of it."""
    name = Path(copy.file).relative_to(*copy.file.split("/")[:1])
    (tmp_path / "original" / name).parent.mkdir(parents=True)
    (tmp_path / "original" / name).symlink_to(shared_data / copy.file)
    return examples_of(tmp_path / "original", copy.place)


@pytest.mark.shared
@pytest.mark.parametrize("copy", COPIES, ids=lambda copy: copy.place)
def test_a_copy_gives_the_examples_of_the_real_file(copy: Copy, shared_data: Path, tmp_path: Path) -> None:
    write_copy(tmp_path / "data", copy.hub, copy.rows(shared_data / copy.file), files=3)
    expected, found = original(shared_data, tmp_path, copy), examples_of(tmp_path / "data", copy.place)
    task = copy.place.split()[0]
    if task in OTHER_IDS:
        assert len({example.id for example in found}) == len(found)
        expected, found = ([replace(example, id="") for example in examples] for examples in (expected, found))
    if task == "mnli":
        expected = [replace(example, group="") for example in expected]
    if task == "mlqa":
        expected = [replace(example, question=example.question.strip()) for example in expected]
    assert len(found) > 100
    assert found == expected


@pytest.mark.shared
def test_the_rounds_of_anli_come_together(shared_data: Path, tmp_path: Path) -> None:
    release = shared_data / INTERMEDIATE / "anli"
    for number in (1, 2, 3):
        rows = anli(release / f"anli_v1.0/R{number}/dev.jsonl")
        write_copy(tmp_path, f"facebook--anli/plain_text/dev_r{number}", rows)
    place = "anli_r1r2r3 dev en"
    assert examples_of(tmp_path, place) == examples_of(release, place)


@pytest.mark.shared
def test_the_pairs_of_tatoeba_lose_their_line_ends(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / DOWNLOAD / "tatoeba"
    rows = tatoeba(folder / f"tatoeba.swh-eng.{code}" for code in ("swh", "eng"))
    write_copy(tmp_path, "google--xtreme/tatoeba.swh/validation", rows)
    assert examples_of(tmp_path, "tatoeba test sw") == examples_of(folder.parent, "tatoeba test sw")


ONE = {"premise": "a", "hypothesis": "b", "idx": 0}
SPAN = {"id": "1", "question": "who?", "context": "Ann sat"}


@pytest.mark.parametrize(
    ("place", "hub", "row", "message"),
    [
        (
            "mnli dev en",
            "nyu-mll--glue/mnli/validation_matched",
            {**ONE, "label": 3},
            r"row 1: label 3, expected 0 to 2 for",
        ),
        (
            "mnli dev en",
            "nyu-mll--glue/mnli/validation_matched",
            {**ONE, "label": "1"},
            'row 1: label is "1", expected a whole',
        ),
        (
            "mnli dev en",
            "nyu-mll--glue/mnli/validation_matched",
            ONE,
            "no column label; it has premise, hypothesis, idx",
        ),
        (
            "squad_v1 dev en",
            "rajpurkar--squad/plain_text/validation",
            {**SPAN, "answers": {"text": ["sat"], "answer_start": [0]}},
            r"answer 'sat' is not at character 0, found 'Ann'",
        ),
        (
            "squad_v1 dev en",
            "rajpurkar--squad/plain_text/validation",
            {**SPAN, "answers": {"text": ["sat"], "answer_start": [4, 0]}},
            r"1 answers with 2 places",
        ),
        (
            "panx dev de",
            "google--xtreme/PAN-X.de/validation",
            {"tokens": ["a"], "ner_tags": [0, 1]},
            "2 tags for 1 words",
        ),
    ],
)
def test_rows_that_do_not_fit_say_what_is_wrong(
    place: str, hub: str, row: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write_copy(tmp_path, hub, [row])
    with pytest.raises(DataError, match=message):
        examples_of(tmp_path, place)


STORY = {"ctx_a": "a", "ctx_b": "b", "endings": ["c"] * 4, "label": "1", "source_id": "wikihow~1"}


def hellaswag_files(data: Path, *names: str) -> None:
    """Write a row as each of some files of HellaSwag."""
    write_copy(data / "made", "a--b/c/train", [STORY])
    (made,) = (data / "made").rglob("*.parquet")
    folder_of(data, {f"hub/Rowan--hellaswag/{name}.parquet": made.read_bytes() for name in names})


@pytest.mark.parametrize(
    ("names", "number"),
    [
        (["data/train-00000-of-00001", "default/train-00000-of-00001"], 1),
        (["data/train-00000-of-00002", "default/train-0000", "default/train-0001"], 2),
        (["data/train-00000-of-00002-a1", "data/train-00001-of-00002-b2", "data/test-00000-of-00001"], 2),
    ],
)
def test_a_copy_that_lies_in_two_folders_is_read_once(names: list[str], number: int, tmp_path: Path) -> None:
    hellaswag_files(tmp_path, *names)
    assert len(examples_of(tmp_path, "hellaswag train en")) == number


@pytest.mark.parametrize(
    "names",
    [
        ["train-00000-of-00001", "train-00000-of-00001-ab12"],
        ["train-00000-of-00002"],
        ["train-00000-of-00002", "train-00001-of-00003"],
        ["train-0000", "train-00000-of-00001"],
    ],
)
def test_shards_that_are_not_one_set_are_named(names: list[str], tmp_path: Path) -> None:
    hellaswag_files(tmp_path, *(f"data/{name}" for name in names))
    listed = ", ".join(sorted(f"{name}.parquet" for name in names))
    with pytest.raises(DataError, match=rf"{listed} are not one set of shards of train .*; move away"):
        examples_of(tmp_path, "hellaswag train en")


def test_a_truncated_copy_is_named(tmp_path: Path) -> None:
    write_copy(tmp_path, "nyu-mll--glue/mnli/train", [{**ONE, "label": 0}])
    (path,) = tmp_path.rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"train-00000-of-00001.parquet: not a readable parquet file .* fetch it again"):
        examples_of(tmp_path, "mnli train en")


def test_a_text_that_is_no_utf_8_is_named(tmp_path: Path) -> None:
    write_copy(tmp_path, "nyu-mll--glue/mnli/train", [{**ONE, "label": 0, "premise": "here it is"}])
    (path,) = tmp_path.rglob("*.parquet")
    path.write_bytes(path.read_bytes().replace(b"here", b"he\xffe"))
    with pytest.raises(DataError, match=r"not a readable parquet file \(.*utf-8.*\); fetch it again"):
        examples_of(tmp_path, "mnli train en")


@pytest.mark.parametrize(
    ("place", "hub", "message"),
    [
        ("bucc2018 test de", "bucc18.de/test", "only the pairs of translations"),
        ("udpos test de", "udpos.German/test", "leaves out the fused words"),
        ("xquad test de", "XQuAD.de/validation", "takes white space off passages and answers"),
        ("tydiqa test fi", "tydiqa/validation", "takes white space off passages and answers"),
        ("pawsx dev fr", "PAWS-X.fr/validation", "read a quote as quoting and lost rows"),
    ],
)
def test_unsound_copies_are_refused_with_the_reason(place: str, hub: str, message: str, tmp_path: Path) -> None:
    write_copy(tmp_path, f"google--xtreme/{hub}", [{"a": "b"}])
    with pytest.raises(DataError, match=message):
        examples_of(tmp_path, place)


def test_the_csv_of_anli_is_refused_with_the_reason(tmp_path: Path) -> None:
    folder_of(tmp_path, {"anli_v1.0/R2/dev.csv": "uid,context,statement,label,adversary_pred\nu1,a,b,e,c\n"})
    with pytest.raises(DataError, match=r"not used: .*R2/dev\.csv: ANLI's CSV is a table for analysis"):
        examples_of(tmp_path, "anli_r1r2r3 dev en")


def test_the_publishers_files_go_before_copies(tmp_path: Path) -> None:
    write_copy(tmp_path, "google--xtreme/PAWS-X.fr/validation", [{"a": "b"}])
    folder_of(tmp_path, {"x-final/fr/dev_2k.tsv": "id\tsentence1\tsentence2\tlabel\n1\ta\tb\t0\n"})
    assert [example.first for example in examples_of(tmp_path, "pawsx dev fr")] == ["a"]


def test_an_unsound_copy_does_not_stand_for_a_split_that_nobody_has(tmp_path: Path) -> None:
    write_all_tiny_data(tmp_path)
    udpos = TASKS["udpos"]
    before = DataFolder(tmp_path, Memory(Path())).evaluation_split(udpos)
    for path in [*tmp_path.rglob("kk_*-dev*"), *tmp_path.rglob("dev-kk*")]:
        path.unlink()
    write_copy(tmp_path, "google--xtreme/udpos.English/validation", [{"a": "b"}])
    folder = DataFolder(tmp_path, Memory(Path()))
    assert not folder.has(udpos, Split.DEV, "kk")
    assert folder.evaluation_split(udpos) == before


def test_every_copy_that_is_fetched_is_read(tmp_path: Path) -> None:
    for task in TASKS.values():
        patterns = [pattern for source in task.sources for pattern in source.patterns if pattern.startswith("hub/")]
        for copy in task.hub:
            assert any(pattern.startswith(f"hub/{copy.id.replace('/', '--')}/") for pattern in patterns)
