"""What `data import` says where it cannot write, and what it says next."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.published import folder_of
from tests.stock.test_imports import PAIRS, imported
from tests.tiny import write_all_tiny_data
from xstilts_hpc.cli import app
from xstilts_hpc.errors import FetchError


def test_a_data_folder_that_is_a_file_is_one_message(tmp_path: Path) -> None:
    folder_of(tmp_path / "mine", {"xnli/dev-de.tsv": PAIRS})
    (tmp_path / "data").write_text("a file", encoding="utf-8")
    with pytest.raises(FetchError, match=r"data: cannot be written to \(File exists"):
        imported("xnli", tmp_path / "mine", tmp_path / "data")


def test_the_next_command_is_for_the_same_data_folder(tmp_path: Path) -> None:
    folder_of(tmp_path / "mine", {"xnli/dev-de.tsv": PAIRS})
    chosen = ["--data", str(tmp_path / "data"), "--replace", "--link"]
    command = ["data", "import", "xnli", str(tmp_path / "mine"), *chosen]
    planned = CliRunner().invoke(app, [*command, "--dry-run"])
    again = f"next: xstilts data import xnli {tmp_path}/mine --link --replace --data {tmp_path}/data\n"
    assert planned.output.endswith(again)
    assert CliRunner().invoke(app, command).output.endswith(f"next: xstilts data check xnli --data {tmp_path}/data\n")


def test_the_command_says_what_it_would_do_and_does_it(tmp_path: Path) -> None:
    write_all_tiny_data(tmp_path / "mine")
    command = ["data", "import", "ccg_pmb", str(tmp_path / "mine"), "--root", str(tmp_path)]
    dry = CliRunner().invoke(app, [*command, "--dry-run"])
    assert (dry.exit_code, (tmp_path / "data").exists()) == (3, False)
    assert "2 files would be imported" in dry.stdout
    done = CliRunner().invoke(app, [*command, "--json"])
    assert (done.exit_code, len(json.loads(done.stdout)["new"])) == (3, 2)  # fewer examples than published
    assert CliRunner().invoke(app, ["data", "check", "ccg_pmb", "--root", str(tmp_path)]).exit_code == 3
