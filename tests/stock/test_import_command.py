"""What `data import` says where it cannot write, and what it says next."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.published import folder_of
from tests.stock.test_imports import PAIRS, imported
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
