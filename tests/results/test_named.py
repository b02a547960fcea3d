"""A grid by its name or its file, and the warning where the file says something else than what was submitted."""

from pathlib import Path

import pytest

from tests.tiny import grid_text
from xstilts_hpc.expand import expand
from xstilts_hpc.files import read_json, write_json
from xstilts_hpc.grid import load_grid
from xstilts_hpc.plan import grid_folder
from xstilts_hpc.results.named import find_submitted


@pytest.fixture
def file(tiny_root: Path) -> Path:
    """Give the file of a grid that was submitted."""
    path = tiny_root / "grid.yaml"
    path.write_text(grid_text(), encoding="utf-8")
    expand(load_grid(path), root=tiny_root).save(grid_folder(tiny_root, "tiny").plan)
    return path


@pytest.mark.parametrize(
    "text",
    [
        grid_text(),
        "# a comment\n" + grid_text(seeds="{target: [0], train: [0]}  # data: 0 by default"),
        grid_text(schedule="equal_epochs", exclude="[]"),
    ],
)
def test_a_file_that_says_the_same_is_not_warned_of(
    file: Path, text: str, tiny_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text(text, encoding="utf-8")
    find_submitted(file, tiny_root)
    assert caplog.text == ""


@pytest.mark.parametrize(
    "text",
    [grid_text(intermediate="[{task: none}, {task: mnli, size: [2, 4, full]}]"), "name: tiny\nunfinished: true\n"],
)
def test_a_file_that_was_changed_is_warned_of_once_and_answered_as_submitted(
    file: Path, text: str, tiny_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    submitted = find_submitted("tiny", tiny_root)
    file.write_text(text, encoding="utf-8")
    assert [find_submitted(file, tiny_root) for _ in range(2)] == [submitted] * 2
    (line,) = caplog.messages
    assert line.startswith(f"{file} was changed since it was submitted (20")
    assert line.endswith(
        f"); this answers for what was submitted: `xstilts submit {file} --profile PROFILE` takes the change up"
    )
    find_submitted("tiny", tiny_root)
    assert len(caplog.messages) == 1


def test_a_plan_of_before_that_was_kept_is_read_without_a_warning(
    file: Path, tiny_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = grid_folder(tiny_root, "tiny").plan
    write_json(path, {key: value for key, value in read_json(path).items() if key != "asked"})
    file.write_text(grid_text(question="another?"), encoding="utf-8")
    assert find_submitted(file, tiny_root)[1].asked == ""
    assert caplog.text == ""
