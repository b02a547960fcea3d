"""Grid files: what is read, and what is said of a bad one."""

from pathlib import Path

import pytest

from tests.tiny import grid_text
from xstilts_hpc.errors import GridError
from xstilts_hpc.grid import Grid, load_grid

PACKAGE = "(or install the package that defines it: docs/add_a_task.md)"


def load(folder: Path, text: str) -> Grid:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return load_grid(path)


def test_a_grid_reads_lists_and_single_values_alike(tmp_path: Path) -> None:
    grid = load(tmp_path, grid_text(intermediate="[{task: mnli, size: 2}]", seeds="{data: 3}"))
    assert grid.intermediate[0].task == ["mnli"]
    assert grid.intermediate[0].size == [2]
    assert grid.seeds.data == [3]


def test_numbers_in_scientific_notation_are_numbers(tmp_path: Path) -> None:
    assert load(tmp_path, grid_text(recipe="{learning_rate: 1e-5}")).changes() == {"learning_rate": 1e-5}


def test_no_is_norwegian_not_false(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="unknown language 'no'"):
        load(tmp_path, grid_text(target="{languages: [no]}"))


def test_every_problem_is_listed_at_its_line(tmp_path: Path) -> None:
    text = grid_text(intermediate="[{task: mnly}]", target="{task: xnli, langauges: all}", recipe="{epochs: -1}")
    with pytest.raises(GridError) as caught:
        load(tmp_path, text)
    assert str(caught.value).splitlines() == [
        f"{tmp_path}/x.yaml:6: intermediate.0.task.0: unknown task 'mnly'; did you mean 'mnli'? {PACKAGE}",
        f"{tmp_path}/x.yaml:7: unknown key 'langauges'; did you mean 'languages'?",
        f"{tmp_path}/x.yaml:9: recipe.epochs: expected greater than 0, found -1",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": "{learning_rate: '1e-5'}"}, r"x.yaml:9: recipe.learning_rate: .*text; write 1e-05 without quotes"),
        ({"nam": "x"}, r"x.yaml:10: unknown key 'nam'; did you mean 'name'"),
        ({"intermediate": "[{task: xnli}]"}, r"'xnli' is no intermediate task"),
        ({"target": "{task: mnli}"}, r"'mnli' is no target task"),
        ({"intermediate": "[{task: mnli, size: 0}]"}, r"a number of examples from 1 on, or full; found 0"),
        ({"model": "{id: x/y}"}, r"expected `revision` beside `id`"),
        ({"model": "{id: x/y, revision: main}"}, r"the model's commit"),
        ({"exclude": "[{where: {task: mnly}, reason: r}]"}, r"unknown task 'mnly'; did you mean 'mnli'"),
        ({"seeds": "{data: [0, 1], pair: true}"}, r"as many data, train and target seeds"),
        ({"name": "../up"}, r"x.yaml:2: name"),
        ({"recipe_for": "{mnly: {epochs: 1}}"}, r"unknown task 'mnly'"),
        ({"schedule": "equal_steps"}, r"set recipe.steps"),
    ],
)
def test_a_bad_value_is_one_message_with_its_place(tmp_path: Path, change: dict[str, str], message: str) -> None:
    with pytest.raises(GridError, match=message):
        load(tmp_path, grid_text(**change))


STEPS = {"intermediate": "[{task: [none, mnli]}, {mixture: [mnli, qqp]}]"}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"recipe": "{steps: 500}"}, r"recipe.steps 500, .*\(in this grid: none\); set schedule"),
        ({"recipe_for": "{mnli: {steps: 500}}"}, r"recipe_for.mnli.steps 500, .*\(in this grid: none\)"),
        (
            {"recipe_for": "{xnli: {steps: 500}}", "schedule": "equal_steps"},
            r"recipe_for.xnli.steps 500, .*: mixture, ",
        ),
        ({"recipe": "{steps: 9}", "intermediate": "[{task: none}]", "schedule": "equal_steps"}, r"recipe.steps 9, "),
    ],
)
def test_a_number_of_updates_that_no_training_takes_is_refused(
    tmp_path: Path, change: dict[str, str], found: str
) -> None:
    with pytest.raises(GridError, match=f"x.yaml: found {found}"):
        load(tmp_path, grid_text(**(STEPS | change)))


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": "{steps: 500}", "schedule": "[equal_epochs, equal_steps]"},
        {"recipe_for": "{mnli: {steps: 500}, mixture: {steps: 900}}", "schedule": "equal_steps"},
        {"recipe": "{steps: 0}", "recipe_for": "{xnli: {steps: 0}}"},  # no number of updates: by epochs
        {"intermediate": "[{task: none}]", "schedule": "equal_steps"},  # the baseline has no schedule
    ],
)
def test_a_number_of_updates_is_asked_for_and_read_where_a_training_takes_it(
    tmp_path: Path, change: dict[str, str]
) -> None:
    assert load(tmp_path, grid_text(**(STEPS | change))).name == "tiny"


def test_a_duplicate_key_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GridError, match=r"x.yaml:10: found duplicate key .*each key may stand once"):
        load(tmp_path, grid_text() + "name: again\n")


@pytest.mark.parametrize("text", ["a: [1\n", "- 1\n", "", "a: \t- b: {\n", "\x00"])
def test_what_is_no_yaml_mapping_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(GridError, match=r"x.yaml"):
        load(tmp_path, text)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="no such file"):
        load_grid(tmp_path / "nowhere.yaml")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("deep", ["[" * 5_000, "[" * 5_000 + "]" * 5_000, "{a: " * 5_000, "[" * 100_000])
def test_brackets_without_end_are_refused_at_once(tmp_path: Path, deep: str) -> None:
    with pytest.raises(GridError, match=r"x.yaml:1: not valid YAML: nested too deeply"):
        load(tmp_path, grid_text(question=deep))


@pytest.mark.parametrize("key", ["? {a: b}\n: c\n", "{{a: b}: c}: d\n", "? {a: {b: c}}\n: d\n"])
def test_a_mapping_as_a_key_is_an_error(tmp_path: Path, key: str) -> None:
    with pytest.raises(GridError, match=r"x.yaml:\d+: "):
        load(tmp_path, grid_text() + key)


def test_another_version_of_yaml_is_refused_and_ours_is_not(tmp_path: Path) -> None:
    with pytest.raises(
        GridError, match=r"x.yaml:1: not valid YAML: it asks for another version than 1.2.*remove %YAML"
    ):
        load(tmp_path, "%YAML 1.1\n---\n" + grid_text())
    assert load(tmp_path, "%YAML 1.2\n---\n" + grid_text()).name == "tiny"


def test_a_name_for_two_values_is_an_error(tmp_path: Path) -> None:
    twice = "intermediate: &a [{task: none}]\ntarget: &a {task: xnli}\n"
    with pytest.raises(GridError, match=r"x.yaml:1: not valid YAML: found duplicate anchor 'a'"):
        load(tmp_path, "schema: 1\nname: tiny\n" + twice)
