"""Names of exported systems: those of their folders, and which of them are asked for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xstilts_hpc.errors import GridError
from xstilts_hpc.results.export import export
from xstilts_hpc.tasks import task_of


def test_a_variant_of_many_tasks_and_languages_fits_the_name_of_a_folder(
    builder: Any, sequence: Any, tmp_path: Path
) -> None:
    tasks = "anli+mnli+qqp+squad_v1+squad_v2+hellaswag+ccg+cosmosqa+commonsenseqa"
    variant = f"{tasks}, temperature 2 cap 100000, MLM 0.5 in {' '.join(task_of('panx').languages)}"
    cell = builder.cell(builder.run("mnli", 0, {"xnli": {"en": sequence(4)}}), "xnli", size=100, seeds=(2, 3, 0))
    builder.cells[-1] = replace(cell, intermediate="mixture", variant=variant)
    builder.save()
    (folder,) = export("small", builder.root, tmp_path)
    counted = "9-tasks-temperature-2-cap-100000-MLM-0.5-in-40-languages"
    assert folder.name == f"mixture_{counted}_100_equal_epochs_d2_s3_t0"
    assert f"The intermediate training in full: mixture, {variant}\n" in (folder / "README.txt").read_text()


def test_only_folders_of_a_name_are_written(small: Any, tmp_path: Path) -> None:
    written = export("small", small.root, tmp_path, only="none_*")
    assert [path.name for path in written] == ["none_t0", "none_t1"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("mnli")) == []


def test_a_name_that_fits_nothing_is_one_message(small: Any, tmp_path: Path) -> None:
    with pytest.raises(GridError, match=r"nothing called 'none_t2' to export; did you mean 'none_t1'\?"):
        export("small", small.root, tmp_path, only="none_t2")
