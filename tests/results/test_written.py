"""What an earlier call wrote and this one does not goes; what is the user's own stays."""

from pathlib import Path
from typing import Any

import pytest

from tests.results.tables.test_table import means_of
from xstilts_hpc.files import read_json, write_json
from xstilts_hpc.results.export import export
from xstilts_hpc.results.figures.all_figures import figures, write_figures
from xstilts_hpc.results.tables.all_tables import tables
from xstilts_hpc.results.tables.render import write_tables
from xstilts_hpc.results.written import remove_others

LIST = ".written.json"


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def written(folder: Path, *listed: str) -> None:
    for name in listed:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    remove_others(folder, [folder / name for name in listed])


def test_tables_and_figures_of_an_earlier_collect_go(small: Any, tmp_path: Path) -> None:
    means = means_of(small)
    every, drawn = tables(means), list(figures(means))
    write_tables(every, tmp_path / "tables")
    write_figures(drawn, tmp_path / "figures")
    (tmp_path / "tables" / "gain_of_my_own.tex").write_text("x")
    write_tables(every[:1], tmp_path / "tables")
    write_figures(drawn[:1], tmp_path / "figures")
    of_one = [f"by_task.{suffix}" for suffix in ("csv", "csv.txt", "md", "parquet", "tex")]
    assert names(tmp_path / "tables") == [LIST, *of_one, "gain_of_my_own.tex"]
    assert names(tmp_path / "figures") == [LIST, "size_xnli.pdf", "size_xnli.svg"]


def test_an_export_leaves_no_files_of_targets_that_the_grid_no_longer_has(small: Any, tmp_path: Path) -> None:
    (folder,) = export("small", small.root, tmp_path, only="none_t0")
    old = [f"{side}/panx/test-en.tsv" for side in ("labels", "predictions")]
    kept = names(folder)
    written_before = [folder / name for name in kept if name != LIST]
    for name in old:
        (folder / name).parent.mkdir()
        (folder / name).write_text("x")
    remove_others(folder, [*written_before, *(folder / name for name in old)])
    (folder / "scores.json").write_text("of the official script")
    (tmp_path / "other").mkdir()
    export("small", small.root, tmp_path, only="none_t0")
    assert names(folder) == sorted([*kept, "scores.json"])
    assert not (folder / "labels" / "panx").exists()
    assert (tmp_path / "other").is_dir()


def test_a_file_that_no_call_listed_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.tex").write_text("x")
    written(tmp_path, "a.tex", "b/c.tex")
    written(tmp_path, "d.tex")
    assert names(tmp_path) == [LIST, "d.tex", "mine.tex"]
    assert read_json(tmp_path / LIST) == ["d.tex"]


def test_nothing_is_listed_where_nothing_was_ever_written(tmp_path: Path) -> None:
    remove_others(tmp_path / "figures", [])
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize("value", [["../outside.tex"], {"outside": 1}, 7, [["x"]]])
def test_a_list_that_was_tampered_with_removes_nothing_outside(tmp_path: Path, value: object) -> None:
    (tmp_path / "outside.tex").write_text("x")
    folder = tmp_path / "tables"
    written(folder, "a.tex")
    write_json(folder / LIST, value)
    written(folder, "b.tex")
    assert names(tmp_path) == ["outside.tex", f"tables/{LIST}", "tables/a.tex", "tables/b.tex"]
