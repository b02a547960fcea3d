"""Values of grids and profiles and names of files are data: refused with one message, or shown as they are."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.results.conftest import GridBuilder, sequence_logits
from tests.tiny import grid_text
from xstilts_hpc.cli import app
from xstilts_hpc.cluster.profile import load_profile
from xstilts_hpc.errors import GridError, ProfileError, RunError
from xstilts_hpc.expand import expand
from xstilts_hpc.files import read_json
from xstilts_hpc.grid import load_grid
from xstilts_hpc.listing import print_plan
from xstilts_hpc.one_run import find_run
from xstilts_hpc.results.named import find_grid
from xstilts_hpc.results.report import collect_and_write

HOSTILE = (
    "a b;'c' $(touch pwned) `touch pwned` %j ../x <script>alert(1)</script> [/bold] \\input{x} | {{ 7 * 7 }} caf\u00e9"
)
NAMES = [
    *("$(touch pwned)", "; rm -rf ~", "a b", "it's", "a\nb", "a\n", "%j", "../x", "..", "/x"),
    *("<script>", "-x", "", "\u00e9"),
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def quoted(text: str) -> str:
    """Return a text as YAML in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def grid_file(folder: Path, text: str) -> Path:
    path = folder / "grid.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_of_a_grid_is_refused(tmp_path: Path, name: str) -> None:
    text = grid_text().replace("name: tiny", f"name: {quoted(name)}")
    with pytest.raises(GridError, match=r"grid\.yaml:2: name: expected String should match pattern"):
        load_grid(grid_file(tmp_path, text))


@pytest.mark.parametrize("name", [name for name in NAMES if "/" not in name])
def test_a_hostile_name_on_the_command_line_is_no_grid(tmp_path: Path, name: str) -> None:
    with pytest.raises(GridError, match="is no name of a grid"):
        find_grid(name, tmp_path)


@pytest.mark.parametrize("name", ["../grids", "..", "/etc", "$(touch pwned)", "a-1/../../x"])
def test_a_run_is_looked_up_by_name_and_never_as_a_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "runs" / "a-1").mkdir(parents=True)
    (tmp_path / "grids").mkdir()
    with pytest.raises(RunError, match=r"no run .* in "):
        find_run(name, tmp_path, None)


@pytest.mark.parametrize("size", ["$(touch pwned)", "1; x", "-1", "1e3", "../x"])
def test_a_hostile_size_is_refused(tmp_path: Path, size: str) -> None:
    text = grid_text().replace("size: [2, full]", f"size: [{quoted(size)}]")
    with pytest.raises(GridError, match="expected a number of examples from 1 on, or full"):
        load_grid(grid_file(tmp_path, text))


def test_hostile_folders_and_a_hostile_question_are_only_themselves(tiny_root: Path) -> None:
    folder = HOSTILE.replace("/", "_")
    (tiny_root / "data").rename(tiny_root / folder)
    (tiny_root / "models" / "tiny").rename(tiny_root / "models" / folder)
    text = grid_text().replace("question: does it run?", f"question: {quoted(HOSTILE)}")
    text = text.replace("data: data", f"data: {quoted(folder)}").replace("models/tiny", quoted(f"models/{folder}"))
    plan, out = expand(load_grid(grid_file(tiny_root, text)), root=tiny_root), io.StringIO()
    print_plan(plan, tiny_root, Console(file=out, width=400), runs=True)
    assert HOSTILE in out.getvalue()
    assert {planned.run.model.path for planned in plan.runs.values()} == {f"models/{folder}"}
    assert {planned.request.data for planned in plan.runs.values()} == {folder}
    assert not list(tiny_root.rglob("pwned*")) and not list(Path().iterdir())


def test_hostile_texts_are_escaped_in_tables_and_report(tmp_path: Path) -> None:
    builder = GridBuilder(tmp_path, question=HOSTILE, data=HOSTILE)
    run = builder.run("mnli", 0, {"xnli": {"en": sequence_logits(5), "sw": sequence_logits(3)}})
    builder.cell(run, "xnli")
    builder.exclude(builder.cell(run, "xnli", size=100), HOSTILE)
    folder, out = builder.save(), io.StringIO()
    collect_and_write("small", tmp_path, allow_partial=True, console=Console(file=out, width=200))
    html = folder.report.read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; [/bold] \\input{x} | {{ 7 * 7 }} caf\u00e9" in html
    for path in folder.tables.glob("*.tex"):
        assert "\\input{" not in path.read_text(encoding="utf-8")
    assert read_json(folder.plan)["question"] == HOSTILE
    assert not list(tmp_path.rglob("pwned*"))


def test_the_next_command_can_be_pasted(tiny_root: Path) -> None:
    path = grid_file(tiny_root, grid_text()).rename(tiny_root / "it's $(touch pwned).yaml")
    printed = CliRunner().invoke(app, ["plan", str(path), "--root", str(tiny_root)], env={"COLUMNS": "300"})
    assert printed.exit_code == 0
    assert f"next: xstilts submit '{tiny_root}/it'\"'\"'s $(touch pwned).yaml' --profile local" in printed.output


def profile_file(folder: Path, **changes: str) -> Path:
    keys = {"schema": "1", "kind": "slurm", "time_min": "5", **changes}
    path = folder / "p.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in keys.items()), encoding="utf-8")
    return path


@pytest.mark.parametrize("key", ["partition", "collector_partition", "account", "qos", "constraint", "gpu_type"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('"gpu\\ntouch pwned"', "expected one line of printable characters"),
        ('"gpu\\x1b[0m"', "expected one line of printable characters"),
        ('"gpu\\\\x"', "expected a text without backslashes, which sbatch drops"),
        ("[a, b]", "expected a valid string"),
    ],
)
def test_what_a_sbatch_option_does_not_hand_on_is_refused(tmp_path: Path, key: str, value: str, reason: str) -> None:
    with pytest.raises(ProfileError, match=f"p.yaml:4: {key}: {reason}"):
        load_profile(str(profile_file(tmp_path, **{key: value})))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"slurm": '{"x --wrap": y}'}, "expected a long option of sbatch without its dashes"),
        ({"slurm": "{--comment: y}"}, "expected a long option of sbatch without its dashes"),
        ({"slurm": '{comment: "a\\nb"}'}, "expected one line of printable characters"),
        ({"slurm": "{wrap: touch pwned}"}, "is decided by submit itself"),
        ({"environment": '{"A;touch pwned": x}'}, "expected the name of an environment variable"),
        ({"environment": '{A: "x\\ntouch pwned"}'}, "expected one line of printable characters"),
        ({"setup": '["true\\ntouch pwned"]'}, "expected one line of printable characters"),
    ],
)
def test_hostile_options_and_variables_of_a_profile_are_refused(
    tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    with pytest.raises(ProfileError, match=reason):
        load_profile(str(profile_file(tmp_path, **changes)))


@pytest.mark.parametrize("name", ["$(touch pwned)", "a b", "-x", "<script>", "..", "%j"])
def test_a_hostile_name_of_a_profile_is_looked_up_as_a_file(name: str) -> None:
    with pytest.raises(ProfileError, match="no profile "):
        load_profile(name)


@pytest.mark.parametrize(
    "line",
    [
        "question: !!python/object/apply:os.system ['touch pwned']",
        "question: !!python/object/new:os.system ['touch pwned']",
        "question: !!python/name:os.system ''",
        "question: !!python/module:os ''",
    ],
)
def test_yaml_is_data_only(tmp_path: Path, line: str) -> None:
    text = grid_text().replace("question: does it run?", line)
    with pytest.raises(GridError, match=r"grid\.yaml:3: question: expected a valid string"):
        load_grid(grid_file(tmp_path, text))
    assert not list(Path().iterdir())


def bomb(levels: int) -> str:
    lines = ["exclude:", "  - &a0 {where: {task: mnli}, reason: r}"]
    lines += [f"  - &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]" for i in range(levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (bomb(9), "its aliases .* stand for more than 1,000,000 values; write them out"),
        ("data: " + "[" * 1_000 + "]" * 1_000, "nested too deeply"),
        (f"data: {'9' * 5_000}", "not valid YAML: Exceeds the limit"),
        ("data: 2024-13-45", "not valid YAML: month must be in 1..12"),
        ("data: !!binary x\x00", "not valid YAML"),
    ],
    ids=["alias bomb", "nested deeply", "long number", "month 13", "NUL"],
)
@pytest.mark.timeout(60)
def test_yaml_that_would_exhaust_or_confuse_the_reader_is_refused(tmp_path: Path, more: str, reason: str) -> None:
    text = grid_text().replace("data: data\n", "") + more
    with pytest.raises(GridError, match=reason):
        load_grid(grid_file(tmp_path, text))
