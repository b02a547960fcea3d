"""Pages that list something have all of it: commands, errors, keys of a profile, what is where, links, YAML."""

import ast
import itertools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands_page import PAGE, commands_page, verbs
from tests.documented import TOP, Block, blocks, commands, links, pages
from xstilts_hpc import errors
from xstilts_hpc.cluster.profile import Profile, load_profile
from xstilts_hpc.grid import load_grid

PACKAGE = TOP / "xstilts_hpc"
# Files that a page has its reader write.
FOR_THE_READER = {"grids/x.yaml", "grids/first.yaml", "grids/bad.yaml", "slurm/profiles/NAME.yaml"}


def errors_of_the_package() -> dict[str, int]:
    """Return every public type of error that comes from XstiltsError, with its exit code, wherever it is defined."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    base_of = {node.name: base.id for node in classes for base in node.bases[:1] if isinstance(base, ast.Name)}
    found = {}
    for name in base_of:
        ancestor = name
        while ancestor in base_of and not hasattr(errors, ancestor):
            ancestor = base_of[ancestor]
        kind = getattr(errors, ancestor, None)
        if isinstance(kind, type) and issubclass(kind, errors.XstiltsError) and not name.startswith("_"):
            found[name] = kind.exit_code
    found.pop("XstiltsError")
    return found


def test_every_type_of_error_is_documented_with_its_exit_code() -> None:
    text = (TOP / "docs" / "errors.md").read_text(encoding="utf-8")
    documented = re.findall(r"^## (\w+)\n\n\*\*Exit code (\d)\.\*\*", text, flags=re.MULTILINE)
    assert {name: int(code) for name, code in documented} == errors_of_the_package()
    assert len(documented) == text.count("\nWhat to do: ")


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == commands_page(), "python -m tests.commands_page writes it anew"


def test_every_command_stands_in_readme_or_a_page_of_its_own_use() -> None:
    shown = " ".join(c.text + " " for page in pages() if page != PAGE for c in commands(page))
    assert [path for path, _ in verbs() if f"{path} " not in shown] == []


def test_every_key_of_a_profile_is_explained() -> None:
    text = (TOP / "docs" / "profile.md").read_text(encoding="utf-8").partition("## Every key")[2]
    explained = re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)
    assert len(explained) == len(set(explained))
    assert set(explained) == {field.alias or name for name, field in Profile.model_fields.items()}


def yaml_blocks(beginning: str) -> list[Block]:
    """Return the YAML blocks of all pages that are whole files and have such a line."""
    found = [block for page in pages() for block in blocks(page) if block.language == "yaml"]
    return [b for b in found if re.search(r"^schema: ", b.text, re.MULTILINE) and re.search(beginning, b.text, re.M)]


@pytest.mark.parametrize("block", yaml_blocks("^kind: "), ids=lambda block: f"{block.page.name}:{block.line}")
def test_every_profile_of_a_page_is_valid(block: Block, tmp_path: Path) -> None:
    (tmp_path / "shown.yaml").write_text(block.text, encoding="utf-8")
    assert load_profile(str(tmp_path / "shown.yaml")).kind in ("slurm", "local")


@pytest.mark.parametrize("block", yaml_blocks("^intermediate:"), ids=lambda block: f"{block.page.name}:{block.line}")
def test_every_grid_of_a_page_is_valid(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "shown.yaml"
    path.write_text(block.text.replace("<commit>", "c23d21b0620b635a76227c604d44e43a9f0ee389"), encoding="utf-8")
    assert load_grid(path).question


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    targets = [link for link in links(page) if link and not re.match(r"[a-z]+:", link)]
    assert [link for link in targets if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    folders = r"(?<![\w/])(?:docs|tests|tools|grids|slurm|xstilts_hpc)/"
    named = set(re.findall(rf"{folders}[\w/.-]+\.\w+", page.read_text(encoding="utf-8")))
    assert sorted(name for name in named - FOR_THE_READER if not (TOP / name).exists()) == []


def the_map() -> str:
    """Return the map of the README, without the comments after two spaces and the lines that only go on."""
    (block,) = (b for b in blocks(TOP / "README.md") if b.text.startswith("README.md"))
    return block.text


def named_in(lines: list[str]) -> Iterator[str]:
    """Yield the names at the beginning of the lines of the map: up to two spaces, and on while names follow."""
    for line in lines:
        first, *others = re.split(r"\s{2,}", line.strip())
        yield from first.replace(",", " ").split()
        named = itertools.takewhile(lambda piece: all(re.search(r"\w[./]", word) for word in piece.split()), others)
        yield from (word for piece in named for word in piece.split())


def under(folder: str, depth: int = 2) -> list[str]:
    """Return the lines of the map under a folder."""
    after = the_map().partition(f"\n{folder}/")[2].splitlines()[1:]
    inside = []
    for line in after:
        if not line.startswith(" "):
            break
        inside.append(line)
    return [line for line in inside if len(line) - len(line.lstrip()) == depth]


def tracked(folder: Path) -> set[str]:
    """Return what is in a folder and belongs to the project: a `/` behind each folder."""
    hidden = ("__pycache__", "experiments", "build", "dist")
    return {
        f"{path.name}/" if path.is_dir() else path.name
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name not in hidden and not path.name.endswith(".egg-info")
    }


def test_the_map_names_every_file_and_folder_of_the_top() -> None:
    lines = [line for line in the_map().splitlines() if not line.startswith(" ")]
    named = {word for line in lines for word in re.split(r"\s{3,}", line)[0].split()}
    assert named == tracked(TOP)


def test_the_map_names_every_module_and_package() -> None:
    ignored = {"__init__.py", "__main__.py", "py.typed"}
    assert set(named_in(under("xstilts_hpc"))) == tracked(PACKAGE) - ignored


def test_the_map_names_every_tool_and_script() -> None:
    tools = set(named_in(under("tools")))
    assert "bench_*.py" in tools
    needed = {name for name in tracked(TOP / "tools") if not name.startswith("bench_")}
    # check_sizes.py is a part of tools/check.
    assert tools - {"bench_*.py"} == needed - {"check_sizes.py"}
    assert set(named_in(under("slurm"))) == tracked(TOP / "slurm")


def test_every_page_of_docs_is_reached_from_the_first_one() -> None:
    reached, new = set(), {TOP / "docs" / "index.md"}
    while new:
        reached |= new
        found = {(page.parent / link).resolve() for page in new for link in links(page) if link.endswith(".md")}
        new = {page for page in found if page.parent == TOP / "docs"} - reached
    assert set((TOP / "docs").glob("*.md")) == reached


def test_every_extra_of_the_package_is_explained() -> None:
    extras = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    text = (TOP / "docs" / "install.md").read_text(encoding="utf-8")
    assert [extra for extra in extras if f"`{extra}`" not in text] == []


def test_the_costs_of_the_study_are_those_that_the_grids_state() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.+) \|$", (TOP / "docs" / "reproduce.md").read_text("utf-8"), flags=re.MULTILINE
    )
    assert len(rows) == 5
    for name, row in rows:
        lines = (TOP / "grids" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
        head = " ".join(line.removeprefix("# ") for line in lines if line.startswith("#"))
        cells, runs, hours, kept, files = (cell.strip() for cell in row.split("|"))
        assert f"{cells} cells from {runs} runs" in head, name
        assert f"{hours} GPU-hours by an assumed speed (60 TFLOP/s), {kept} kept in {files} files" in head, name
