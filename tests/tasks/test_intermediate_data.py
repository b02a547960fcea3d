"""The real files of the intermediate tasks and of the text, read whole, with the counts of their sources."""

from pathlib import Path
from typing import Any

import pytest

from xstilts_hpc.files import Memory
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Split
from xstilts_hpc.tasks.folder import DataFolder

pytestmark = pytest.mark.shared

# From the tables of SOURCE.md; SNLI's dev file has 5 rows without gold. ANLI+ is 2,409 + 4,000 + 4,000 and 660 + 300
# + 295; of the text, English has 92 lines.
REAL = {
    "anli": (10409, 1255),
    "anli_r1r2r3": (2409, 660),
    "mnli": (4000, 300),
    "qqp": (4000, 300),
    "squad_v1": (3421, 250),
    "squad_v2": (3000, 250),
    "ccg_pmb": (3856, 300),
    "cosmosqa": (1740, 300),
    "commonsenseqa": (4000, 300),
}


@pytest.mark.parametrize("name", REAL)
def test_every_row_of_the_real_files_is_read(shared_data: Path, tmp_path: Path, name: str) -> None:
    folder = DataFolder(shared_data, Memory(tmp_path / "memory.json"))
    facts = [folder.facts(TASKS[name], split) for split in (Split.TRAIN, Split.DEV)]
    assert tuple(fact["examples"] for fact in facts) == REAL[name]
    assert [(fact["bad"], fact["gold"]) for fact in facts] == [([], True)] * 2


def test_half_of_the_real_questions_of_squad_v2_have_no_answer(shared_data: Path, tmp_path: Path) -> None:
    folder = DataFolder(shared_data, Memory(tmp_path / "memory.json"))
    examples: list[Any] = list(folder.locate(TASKS["squad_v2"], Split.DEV).examples())
    assert sum(example.answers == () for example in examples) == 124


def test_the_real_text_has_its_lines_in_every_language_it_is_in(shared_data: Path, tmp_path: Path) -> None:
    folder, text = DataFolder(shared_data, Memory(tmp_path / "memory.json")), TASKS["mlm"]
    counts = {code: folder.facts(text, Split.TRAIN, code)["examples"] for code in folder.languages(text, Split.TRAIN)}
    assert (len(counts), sum(counts.values()), counts["en"], counts["ml"]) == (34, 3099, 92, 83)


def test_the_real_sample_of_xnlis_own_translations_is_read(shared_data: Path, tmp_path: Path) -> None:
    folder = DataFolder(shared_data / "download/xnli/raw-samples", Memory(tmp_path / "memory.json"))
    examples: list[Any] = list(folder.locate(TASKS["mnli"], Split.TRANSLATED).examples())
    assert [example.label for example in examples] == ["neutral", "entailment", "entailment", "entailment"]
    assert examples[2].second == "A member of my team will execute your orders with immense precision ."
