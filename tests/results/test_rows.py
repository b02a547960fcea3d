"""Rows of a task whose labels are known only from its training file: they come from the logits file."""

import numpy as np
import pytest

from tests.results.conftest import GridBuilder
from xstilts_hpc.logits import Header, TokenLogits, write_logits
from xstilts_hpc.results.kept import FileScore, kept
from xstilts_hpc.results.rows import LogitsJob, score_file
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.tasks import TASKS

TASK = TASKS["ccg_pmb"]


def scored(builder: GridBuilder, labels: tuple[str, ...], logits: TokenLogits) -> FileScore:
    """Write and commit a run's logits of English supertags, and score them."""
    run = builder.planned(TASK.name, 0, {TASK.name: ("en",)})
    planned = builder.runs[run]
    (prediction,) = planned.request.predictions
    folder = run_folder(builder.root, run)
    folder.prepare(planned.run, planned.request)
    header = Header(run, TASK.name, "token", prediction.split, "model", "code 1", "today", labels)
    write_logits(folder.logits(TASK.name), header, {"en": (logits, prediction.data["en"])})
    folder.commit({}, [folder.logits(TASK.name)], planned.request)
    return score_file(LogitsJob(run, folder, prediction, kept(builder.root, run, prediction)))


def tagged(predicted: list[int], gold: list[int]) -> TokenLogits:
    """Give one sentence whose words are tagged with these of two labels; gold -1 is a tag that training lacks."""
    return TokenLogits(
        ("s",), np.eye(2, dtype=np.float32)[predicted], np.array([0, len(gold)]), np.array(gold, dtype=np.int64)
    )


def test_the_labels_of_the_file_are_those_that_are_scored(builder: GridBuilder) -> None:
    (found,) = scored(builder, ("n", "s\\np"), tagged([0, 1, 1, 0], [0, 1, -1, 1])).scores
    assert (dict(found.parts), found.flags) == ({"accuracy": 0.5}, "")


@pytest.mark.parametrize(("gold", "flags"), [([0, 0, -1], ""), ([0, 1, -1], "collapsed")])
def test_a_tag_that_training_lacks_is_no_second_label(builder: GridBuilder, gold: list[int], flags: str) -> None:
    (found,) = scored(builder, ("n", "s\\np"), tagged([0, 0, 0], gold)).scores
    assert found.flags == flags


def test_a_file_without_its_labels_is_not_scored(builder: GridBuilder) -> None:
    found = scored(builder, (), tagged([0, 1], [0, 1]))
    assert found.scores == ()
    assert found.problems["en"].endswith("the logits have 2 columns, expected 0 labels")
