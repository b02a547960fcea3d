"""From a grid to the distinct runs that answer it."""

from pathlib import Path

import pytest

from tests.tiny import grid_text
from xstilts_hpc.errors import DataError, GridError, ModelError, RunError, XstiltsError
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import load_grid
from xstilts_hpc.plan import Cell, Plan, Stage, by_stage, load_plan


def plan_of(root: Path, **changes: str) -> Plan:
    path = root / "grid.yaml"
    path.write_text(grid_text(**changes), encoding="utf-8")
    return expand(load_grid(path), root=root)


def cells(plan: Plan, **values: object) -> list[Cell]:
    return [cell for cell in plan.cells if all(getattr(cell, k) == v for k, v in values.items())]


def test_a_grid_gives_baseline_intermediate_target_and_retrieval_runs(tiny_root: Path) -> None:
    plan = plan_of(tiny_root)
    assert {stage: len(runs) for stage, runs in by_stage(plan)} == {
        Stage.INTERMEDIATE: 2,
        Stage.TARGET: 8,
        Stage.RETRIEVAL: 3,
    }
    assert len(cells(plan, target="xnli")) == 3
    assert len(cells(plan, intermediate="none")) == 4


def test_a_baseline_that_trains_like_an_intermediate_task_is_the_same_run(tiny_root: Path) -> None:
    plan = plan_of(tiny_root)
    (baseline,) = cells(plan, intermediate="none", target="xnli")
    (own,) = cells(plan, target="mnli", full=True)
    assert baseline.run == own.run
    assert [p.task for p in plan.runs[own.run].request.predictions] == ["xnli", "mnli"]


def test_a_full_training_set_has_no_data_seed(tiny_root: Path) -> None:
    sizes = "[{task: mnli, size: [2, full]}]"
    plan = plan_of(tiny_root, seeds="{data: [1, 2, 3]}", intermediate=sizes)
    (full,) = cells(plan, target="xnli", full=True)
    assert full.data_seed == -1
    assert [cell.data_seed for cell in cells(plan, target="xnli", full=False)] == [1, 2, 3]
    assert full in plan_of(tiny_root, intermediate=sizes).cells  # the same run whatever the data seeds


def test_an_excluded_data_seed_is_no_full_training_set(tiny_root: Path) -> None:
    plan = plan_of(
        tiny_root,
        seeds="{data: [0, 1]}",
        intermediate="[{task: mnli, size: [2, full]}]",
        target="{task: tatoeba}",
        exclude="[{where: {task: mnli, data_seed: 0}, reason: a bad subset}]",
    )
    assert [(item.cell.size, item.cell.data_seed) for item in plan.excluded] == [(2, 0)]
    assert [(cell.size, cell.data_seed) for cell in cells(plan, target="tatoeba")] == [(2, 1), (6, -1)]


def test_a_size_equal_to_the_whole_set_is_the_full_run(tiny_root: Path) -> None:
    plan = plan_of(tiny_root, intermediate="[{task: mnli, size: [6, full]}]")
    assert len(cells(plan, target="xnli")) == 1


def test_parents_come_first_and_keep_their_encoder(tiny_root: Path) -> None:
    plan = plan_of(tiny_root)
    order = list(plan.runs)
    for run_id, planned in plan.runs.items():
        if planned.run.parent:
            assert order.index(planned.run.parent) < order.index(run_id)
            assert plan.runs[planned.run.parent].request.keep_encoder


def test_an_excluded_cell_is_listed_with_its_reason_and_its_runs_are_not_made(tiny_root: Path) -> None:
    plan = plan_of(tiny_root, exclude="[{where: {task: mnli, size: 2}, reason: too few}]")
    assert {item.reason for item in plan.excluded} == {"too few"}
    assert not any("mnli_2" in run_id for run_id in plan.runs)


def test_a_mixture_is_one_run_whose_order_of_tasks_does_not_matter(tiny_root: Path) -> None:
    plan = plan_of(
        tiny_root,
        intermediate="[{mixture: [hellaswag, mnli], size: [full, 5]}, {mixture: [mnli, hellaswag]}]",
        target="{task: xnli}",
    )
    mixtures = [p for p in plan.runs.values() if p.stage is Stage.INTERMEDIATE]
    assert [p.run.training.name for p in mixtures if p.run.training] == ["mixture2_full_s0", "mixture2_5_d0_s0"]
    # 6 examples of MNLI and 4 of HellaSwag; a size is the most that is taken of each.
    assert [p.train_examples for p in mixtures] == [10, 9]
    own = [(cell.intermediate, cell.variant, cell.target) for cell in plan.cells if cell.own]
    assert own[:2] == [("mixture", "hellaswag+mnli", "hellaswag"), ("mixture", "hellaswag+mnli", "mnli")]
    assert mixtures[0].run.recipe.max_length == 64


def test_masked_text_and_translations_make_other_runs(tiny_root: Path) -> None:
    (tiny_root / "data" / "text").mkdir()
    for code in ("de", "sw"):
        (tiny_root / "data" / "text" / f"{code}.txt").write_text("one line\n", encoding="utf-8")
    mixed = "[{task: mnli}, {task: mnli, mlm: {weight: 0.5}}, {task: mnli, mlm: {weight: 0.5, languages: [sw]}}]"
    plan = plan_of(tiny_root, intermediate=mixed, target="{task: xnli}")
    starts = [p.run.training for p in plan.runs.values() if p.stage is Stage.INTERMEDIATE and p.run.training]
    assert [training.variant for training in starts] == ["", "MLM 0.5 in de sw", "MLM 0.5 in sw"]
    assert len({cell.run for cell in plan.cells if not cell.own}) == 3


@pytest.mark.parametrize(
    ("intermediate", "message"),
    [
        ("[{mixture: [mnli, none]}]", "the baseline is no part of a mixture"),
        ("[{mixture: [mnli]}]", "at least 2"),
        ("[{mixture: [mnli, mnli]}]", "each name once"),
        ("[{task: mnli, mixture: [mnli, hellaswag]}]", "either `task`"),
        ("[{task: mnli, sampling: uniform}]", "`sampling` only beside `mixture`"),
        ("[{task: none, mlm: {weight: 0.5}}]", "put the baseline on a line of its own"),
        ("[{task: mnli, mlm: {weight: 1.0}}]", "less than 1"),
        ("[{task: mnli, mlm: {weight: 0.5, languages: [de, de]}}]", "each name once"),
        ("[{task: mnli, translated: [en, en]}]", "each name once"),
        ("[{task: mnli, mlm: {weight: 0.5}}]", "masked-language modelling text: no train file for language en"),
    ],
)
def test_what_cannot_be_trained_jointly_is_refused(tiny_root: Path, intermediate: str, message: str) -> None:
    with pytest.raises(XstiltsError, match=message):
        plan_of(tiny_root, intermediate=intermediate)


def test_two_texts_of_as_many_languages_are_two_rows(tiny_root: Path) -> None:
    (tiny_root / "data" / "text").mkdir()
    for code in ("af", "ar", "bg", "bn", "de", "el", "es", "et", "eu", "fa"):
        (tiny_root / "data" / "text" / f"{code}.txt").write_text("one line\n", encoding="utf-8")
    texts = ("[af, ar, bg, bn, de]", "[fa, eu, et, es, el]")
    entries = ", ".join(f"{{task: mnli, mlm: {{weight: 0.5, languages: {text}}}}}" for text in texts)
    plan = plan_of(tiny_root, intermediate=f"[{entries}]", target="{task: xnli}")
    variants = {cell.variant for cell in plan.cells}
    assert variants == {"MLM 0.5 in af ar bg bn de", "MLM 0.5 in el es et eu fa"}


def test_a_dev_set_that_is_not_here_is_said(tiny_root: Path) -> None:
    (tiny_root / "data" / "hellaswag_val.jsonl").unlink()
    plan = plan_of(tiny_root, intermediate="[{task: [mnli, hellaswag]}]")
    assert plan.absent["hellaswag"] == ("en",)
    assert {cell.target for cell in plan.cells if cell.own} == {"mnli"}


def test_an_exclusion_that_matches_nothing_lists_the_sizes_there_are(tiny_root: Path) -> None:
    with pytest.raises(GridError, match=r"matches no cell \(sizes of mixture: 4, 6\)"):
        plan_of(
            tiny_root,
            intermediate="[{mixture: [mnli, hellaswag], size: [2, 3]}]",
            exclude="[{where: {task: mixture, size: 3}, reason: too small}]",
        )


def test_a_few_unreadable_training_rows_are_left_out_and_listed(tiny_root: Path) -> None:
    path = tiny_root / "data" / "MNLI" / "train.tsv"
    rows = path.read_text(encoding="utf-8")
    header, *body = rows.splitlines(keepends=True)
    path.write_text(header + "".join(body * 400) + "torn row\n", encoding="utf-8")
    plan = plan_of(tiny_root)
    (row,) = plan.left_out["mnli"]
    assert row.endswith("train.tsv:2402: 1 columns, expected 12 or 16: 'torn row'")
    path.write_text(rows + "torn row\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"MNLI: 1 of 7 training rows cannot be read, more than 0.1%"):
        plan_of(tiny_root)


def test_a_size_larger_than_the_data_is_an_error_unless_excluded(tiny_root: Path) -> None:
    sizes = "[{task: mnli, size: [2, 7]}]"
    with pytest.raises(GridError, match=r"mnli: size 7 is larger than its training set here \(6 examples"):
        plan_of(tiny_root, intermediate=sizes)
    plan = plan_of(tiny_root, intermediate=sizes, exclude="[{where: {task: mnli, size: 7}, reason: too many}]")
    assert {cell.size for cell in plan.cells} == {2}


def test_the_same_run_has_the_same_id_wherever_the_data_lie(tiny_root: Path) -> None:
    here = plan_of(tiny_root)
    (tiny_root / "data").rename(tiny_root / "elsewhere")
    assert list(plan_of(tiny_root, data="elsewhere").runs) == list(here.runs)


def test_two_and_two_point_zero_epochs_are_the_same_run(tiny_root: Path) -> None:
    base = "learning_rate: 1e-3, max_length: 64, max_query_length: 16"
    runs = [set(plan_of(tiny_root, recipe=f"{{{base}, epochs: {epochs}}}").runs) for epochs in ("2", "2.0")]
    assert runs[0] == runs[1]
    assert set(plan_of(tiny_root, recipe=f"{{{base}}}", recipe_for="{xnli: {epochs: 2}}").runs) >= {
        run for run in plan_of(tiny_root, recipe=f"{{{base}}}").runs if run.startswith("mnli_full")
    }


def test_changed_training_data_give_another_run(tiny_root: Path) -> None:
    before = set(plan_of(tiny_root).runs)
    path = tiny_root / "data" / "panx" / "train-en.tsv"
    path.write_text(path.read_text(encoding="utf-8") + "\nParis\tB-LOC\n", encoding="utf-8")
    changed = set(plan_of(tiny_root).runs) - before
    assert changed
    assert all(run_id.startswith("panx") for run_id in changed)


def test_the_labelled_split_is_found_and_languages_without_files_are_listed(tiny_root: Path) -> None:
    (tiny_root / "data" / "xnli" / "test-en.tsv").write_text("a cat\tsat\r\n", encoding="utf-8")
    plan = plan_of(tiny_root, target="{task: xnli}")
    prediction = next(iter(plan.runs.values())).request.predictions[0]
    assert (prediction.split, prediction.languages) == ("dev", ("de", "en", "sw"))
    assert plan.absent["xnli"][:3] == ("ar", "bg", "el")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": "nowhere"}, DataError, r"data folder .*nowhere does not exist; `xstilts data fetch` makes"),
        (
            {"intermediate": "[{task: hellaswag, translated: [de]}]"},
            GridError,
            "translated: no translation of hellaswag into de is published; there is none",
        ),
        (
            {"intermediate": "[{task: squad_v1, translated: [bg]}]"},
            GridError,
            "no translation of squad_v1 into bg is published; there are ar, de, el, es, hi, ru, th, tr, vi, zh",
        ),
        ({"model": "{path: nowhere}"}, ModelError, r"nowhere has no config.json; set model.path"),
        ({"target": "{task: xnli, languages: [fr]}"}, DataError, r"no dev file for language fr .*xnli/dev-fr.tsv"),
        ({"target": "{task: xnli, languages: [fi]}"}, GridError, r"fi is not evaluated by any target task"),
        ({"recipe": "{max_length: 64}"}, GridError, r"xquad: max_length 64 leaves no room .*max_query_length 64"),
        (
            {"recipe": "{max_length: 200}"},
            GridError,
            r"max_length 200 is more than the 128 tokens that the model takes",
        ),
        ({"exclude": "[{where: {size: 3}, reason: r}]"}, GridError, r"exclude: .'size': 3. \(r\) matches no cell"),
        ({"target": "{task: xnli, split: test}"}, GridError, r"xnli: no labelled test"),
    ],
)
def test_what_is_not_there_is_one_message(
    tiny_root: Path, changes: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        plan_of(tiny_root, **changes)


def test_an_empty_language_file_is_an_error_that_names_it(tiny_root: Path) -> None:
    (tiny_root / "data" / "xnli" / "dev-de.tsv").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"dev-de.tsv: the file is empty"):
        plan_of(tiny_root)


def test_a_plan_is_read_back_as_it_was_written(tiny_root: Path) -> None:
    plan = plan_of(tiny_root)
    plan.save(tiny_root / "plan.json")
    assert load_plan(str(tiny_root / "plan.json")) == plan


@pytest.mark.parametrize("text", ["[]", '{"schema": 1}', "{", '{"schema": 99}'])
def test_a_damaged_plan_is_one_message(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"plan.json"):
        load_plan(tmp_path / "plan.json")
