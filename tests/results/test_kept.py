"""Scores that were kept: a second collect reads nothing again, and whatever changes is read again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.results.conftest import GridBuilder, sequence_logits
from xstilts_hpc.results import kept as kept_module
from xstilts_hpc.results import rows
from xstilts_hpc.results.collect import asked, collect
from xstilts_hpc.results.kept import Kept, kept
from xstilts_hpc.scoring.draws import DRAWS
from xstilts_hpc.tasks import task_of


def kept_files(root: Path) -> list[Path]:
    return sorted((root / "cache" / "scored").iterdir())


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Give the list of the logits files that are read."""
    found: list[Path] = []
    read = rows.open_logits

    def noted(path: Path) -> object:
        found.append(path)
        return read(path)

    monkeypatch.setattr(rows, "open_logits", noted)
    return found


def test_a_second_collect_reads_nothing_and_says_the_same(small: GridBuilder, reads: list[Path]) -> None:
    first = collect("small", small.root)
    assert len(reads) == 4 and len(kept_files(small.root)) == 4
    second = collect("small", small.root)
    assert len(reads) == 4 and second.codes == first.codes == ("code 1",)
    assert second.frame.equals(first.frame)


def test_a_changed_logits_file_is_read_again_and_found_out(small: GridBuilder, reads: list[Path]) -> None:
    collect("small", small.root)
    path = small.folder(0).logits("xnli")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    found = collect("small", small.root, allow_partial=True)
    assert [item.cell for item in found.missing] == [small.cells[0]]
    assert "differs from the SHA-256" in found.missing[0].reason


def test_only_a_new_run_is_read(small: GridBuilder, reads: list[Path]) -> None:
    collect("small", small.root)
    logits = {"en": sequence_logits(4), "sw": sequence_logits(5)}
    small.cell(small.run("mnli", 99, {"xnli": logits}), "xnli", size=100, seeds=(1, 1, 0))
    small.save()
    collect("small", small.root)
    assert len(reads) == 5


@pytest.mark.parametrize("damage", [b"", b"nonsense", None], ids=["empty", "nonsense", "cut"])
def test_damaged_kept_scores_are_made_again(small: GridBuilder, reads: list[Path], damage: bytes | None) -> None:
    first = collect("small", small.root)
    path = kept_files(small.root)[0]
    path.write_bytes(path.read_bytes()[:100] if damage is None else damage)
    assert collect("small", small.root).frame.equals(first.frame)
    assert len(reads) == 5 and Kept(path).draws() is not None


def test_other_scoring_code_scores_again(
    small: GridBuilder, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    collect("small", small.root)
    monkeypatch.setattr(kept_module, "scoring_digest", lambda: "another")
    collect("small", small.root)
    assert len(reads) == 8


def test_other_code_of_a_task_of_another_package_scores_again(
    small: GridBuilder, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    collect("small", small.root)
    monkeypatch.setattr(kept_module, "task_of", lambda name: replace(task_of(name), code="its metric was mended"))
    collect("small", small.root)
    assert len(reads) == 8


def test_where_nothing_can_be_kept_scores_are_there_all_the_same(small: GridBuilder) -> None:
    (small.root / "cache").write_text("not a folder", encoding="utf-8")
    assert len(collect("small", small.root).frame) == 8


def test_scores_on_resampled_test_sets_are_kept(small: GridBuilder) -> None:
    collect("small", small.root)
    one, other = (Kept(path).draws() for path in kept_files(small.root)[:2])
    assert one is not None and other is not None
    assert one.languages == ("en", "sw") and one.headline.shape == (DRAWS, 2) and one.test_sets == other.test_sets
    # en and sw are translations of each other: 5 and 3 of the same ten examples are right, drawn together
    assert np.all(one.headline >= 0) and np.corrcoef(one.headline.T)[0, 1] > 0.5


def test_of_a_file_with_a_problem_the_draws_of_the_other_languages_are_kept(
    small: GridBuilder, reads: list[Path]
) -> None:
    small.want_other_data(0, "sw")
    small.save()
    for _ in range(2):
        assert len(collect("small", small.root, allow_partial=True).missing) == 1
    assert len(reads) == 5  # the scores of that file are not kept
    one, other = (kept(small.root, cell.run, *asked(small.plan(), cell)).draws() for cell in small.cells[:2])
    assert one is not None and one.languages == ("en",)
    assert other is not None and one.test_sets == other.test_sets[:1]
