"""The sizes that tasks state: of every language, and those of the protocol's tables; what a plan by them can say."""

import pytest

from xstilts_hpc.errors import DataError
from xstilts_hpc.languages import XTREME
from xstilts_hpc.tasks import STUDY_TASKS, TASKS, task_of, tasks_with
from xstilts_hpc.tasks.base import Role, Split
from xstilts_hpc.tasks.published import PublishedData

DATA = PublishedData()
EVERY_TASK = pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)


@EVERY_TASK
def test_what_is_counted_has_a_language_of_the_task_and_a_length(task: object) -> None:
    assert task.characters or not task.published  # type: ignore[attr-defined]
    for counts in task.published.values():  # type: ignore[attr-defined]
        assert set(counts) <= {*task.languages, *XTREME}  # type: ignore[attr-defined]


@pytest.mark.parametrize("task", tasks_with(Role.TARGET), ids=lambda task: task.name)
def test_every_target_is_counted_in_all_its_languages_and_scored_on_test(task: object) -> None:
    assert DATA.evaluation_split(task) is Split.TEST  # type: ignore[arg-type]
    assert DATA.languages(task, Split.TEST) == task.languages  # type: ignore[arg-type,attr-defined]
    if task.trains:  # type: ignore[attr-defined]
        assert DATA.has(task_of(task.training_set), Split.TRAIN)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", STUDY_TASKS)
def test_every_task_of_the_study_has_a_training_and_a_dev_set(name: str) -> None:
    assert DATA.facts(task_of(name), Split.TRAIN)["examples"] > 9_000
    assert DATA.facts(task_of(name), Split.DEV)["examples"] > 1_000


def test_a_union_counts_its_parts_and_weighs_their_lengths() -> None:
    facts = DATA.facts(task_of("anli"), Split.TRAIN)
    assert facts["examples"] == 162_865 + 392_702 + 549_367
    total = 162_865 * 391.9 + 392_702 * 171.7 + 549_367 * 104.1
    assert facts["characters"] == pytest.approx(total / facts["examples"])


def test_sums_over_languages_are_those_of_the_publishers() -> None:
    def total(name: str) -> int:
        task = task_of(name)
        return sum(DATA.facts(task, Split.TEST, code)["examples"] for code in task.languages)

    assert total("xnli") == 75_150
    assert total("tydiqa") == 5_077
    assert total("panx") == 25 * 10_000 + 12 * 1_000 + 3 * 100
    assert total("tatoeba") == 2 * (28 * 1_000 + 205 + 746 + 575 + 687 + 390 + 307 + 234 + 548)


def test_what_is_not_counted_is_said() -> None:
    with pytest.raises(DataError, match="TyDiQA-GoldP: no count of its dev split in ko is known; plan with"):
        DATA.facts(task_of("tydiqa"), Split.DEV, "ko")


def test_two_training_sets_have_two_digests() -> None:
    mnli, squad = task_of("mnli"), task_of("squad_v1")
    digests = [DATA.training_digest(mnli, ("en",)), DATA.training_digest(mnli, ("de",))]
    assert len({*digests, DATA.training_digest(squad, ("en",))}) == 3
