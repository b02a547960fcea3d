"""What a plan costs: arithmetic by hand, and the speed of runs that are finished."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tiny import grid_text
from xstilts_hpc.errors import ModelError, RunError
from xstilts_hpc.expand import expand
from xstilts_hpc.files import write_json
from xstilts_hpc.forecast import Forecast, ModelSize, flops, forecast, longest_item, minutes_of, model_size
from xstilts_hpc.grid import load_grid
from xstilts_hpc.plan import Plan, PlannedRun, Stage, grid_folder
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.run import ModelSource, Request, Run
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.training import training_on

# The tiny model: 2 layers of 4 * 16 * 16 + 2 * 16 * 32 = 2,048 parameters, and 138 pieces of width 16.
TINY = ModelSize(layers=2, hidden=16, intermediate=32, vocabulary=138)
RECIPE = Recipe(batch_size=4, epochs=1, max_length=64)
MODEL = ModelSource(path="models/tiny", digest="m")


def planned(characters: float, *, trains: bool) -> PlannedRun:
    training = training_on("mnli", "d") if trains else None
    run = Run(MODEL, training, RECIPE)
    return PlannedRun(run, Stage.TARGET, Request(()), 100 if trains else 0, characters, {"xnli": (10, characters)})


def plan_of(root: Path, **changes: str) -> Plan:
    path = root / "grid.yaml"
    path.write_text(grid_text(**changes), encoding="utf-8")
    return expand(load_grid(path), root=root)


def cost(plan: Plan, root: Path) -> Forecast:
    return forecast(plan, root=root, todo=plan.runs.values())


def finish(root: Path, item: PlannedRun, *, seconds: float, ranks: int, profile: str = "") -> None:
    folder = run_folder(root, item.run.id)
    folder.prepare(item.run, item.request)
    measured = {"train_s": seconds - 1, "predict_s": 1}
    write_json(folder.provenance(1), {"measured": measured, "ranks": ranks, "profile": profile})
    folder.commit({}, [], item.request)


def test_parameters_are_those_of_the_layers_and_the_vocabulary() -> None:
    assert (TINY.computing, TINY.parameters) == (4096, 4096 + 2208)


def test_xlm_r_large_has_about_558_million_parameters(tmp_path: Path) -> None:
    large = model_size(ModelSource(id="FacebookAI/xlm-roberta-large", revision="r"), tmp_path)
    assert large.parameters == pytest.approx(558e6, rel=0.01)
    assert large.computing == pytest.approx(302e6, rel=0.01)


def test_the_size_of_a_folder_is_read_from_its_configuration(tiny_root: Path) -> None:
    assert model_size(MODEL, tiny_root) == TINY


def test_a_configuration_without_sizes_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hidden_size": 16}')
    with pytest.raises(RunError, match=r"config.json: no num_hidden_layers, intermediate_size, vocab_size; it is not"):
        model_size(ModelSource(path=".", digest="m"), tmp_path)


def test_a_size_that_is_no_number_is_one_message(tmp_path: Path) -> None:
    sizes = {"num_hidden_layers": "twelve", "hidden_size": 16, "intermediate_size": 32, "vocab_size": 100}
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    with pytest.raises(ModelError, match=r"config.json: num_hidden_layers is 'twelve', expected a whole number"):
        model_size(ModelSource(path=".", digest="m"), tmp_path)


def test_runs_that_were_copied_without_their_model_are_one_message(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config.json: no such file; put the model there"):
        model_size(ModelSource(path="models/left_behind", digest="m"), tmp_path)


def test_work_is_six_per_parameter_and_token_trained_and_two_per_token_predicted() -> None:
    # 16 characters are 8 tokens (4 of them special); 25 steps of 4 examples; 10 examples predicted.
    assert flops(planned(16, trains=True), TINY) == 4096 * (6 * 25 * 4 * 8 + 2 * 10 * 8)
    assert flops(planned(16, trains=False), TINY) == 4096 * 2 * 10 * 8


def test_long_texts_cost_no_more_than_the_maximal_length() -> None:
    assert flops(planned(1e6, trains=False), TINY) == 4096 * 2 * 10 * 64


def test_an_item_with_choices_is_as_long_as_all_its_rows() -> None:
    assert longest_item(Run(MODEL, training_on("hellaswag", "d"), RECIPE)) == 4 * 64
    assert longest_item(Run(MODEL, training_on("mnli", "d"), RECIPE)) == 64


def test_one_training_keeps_its_logits_and_six_files(tiny_root: Path) -> None:
    plan = plan_of(tiny_root, intermediate="[{task: none}]", target="{task: xnli}")
    (run,) = plan.runs.values()
    found = cost(plan, tiny_root)
    # 18 examples with 3 logits of 4 bytes and 32 bytes of id and gold; 6 files of the run and one of logits
    assert (found.bytes_kept, found.files, found.bytes_per_running) == (18 * 44, 7, 4 * 6304)
    assert (found.tflops, found.calibrated_by) == (60.0, 0)
    assert found.gpu_hours == pytest.approx(flops(run, TINY) / 60e12 / 3600)


def test_a_kept_encoder_counts_its_bytes_and_files(tiny_root: Path) -> None:
    plan = plan_of(tiny_root, intermediate="[{task: mnli}]", target="{task: xnli}")
    keeps, target = (replace(item) for item in plan.runs.values())
    assert (keeps.request.keep_encoder, target.request.keep_encoder) == (True, False)
    with_encoder = forecast(plan, root=tiny_root, todo=[keeps])
    without = forecast(plan, root=tiny_root, todo=[replace(keeps, request=replace(keeps.request, keep_encoder=False))])
    assert with_encoder.bytes_kept - without.bytes_kept == 4 * 6304
    assert with_encoder.files - without.files == 4


def test_finished_runs_replace_the_assumed_speed(tiny_root: Path) -> None:
    plan = plan_of(tiny_root, intermediate="[{task: none}]", target="{task: [xnli, panx]}")
    first, second = plan.runs.values()
    finish(tiny_root, first, seconds=10, ranks=2)
    found = forecast(plan, root=tiny_root, todo=[second])
    speed = flops(first, TINY) / 20 / 1e12
    assert (found.tflops, found.calibrated_by) == (pytest.approx(speed), 1)
    assert found.gpu_hours == pytest.approx(flops(second, TINY) / (speed * 1e12) / 3600)


def test_a_new_grid_costs_what_the_runs_of_others_took(tiny_root: Path) -> None:
    before = plan_of(tiny_root, intermediate="[{task: none}]", target="{task: xnli}")
    before.save(grid_folder(tiny_root, "before").plan)
    (run,) = before.runs.values()
    finish(tiny_root, run, seconds=10, ranks=1, profile="alps")
    new = plan_of(tiny_root, intermediate="[{task: none}]", target="{task: panx}")
    found = forecast(new, root=tiny_root, todo=new.runs.values(), profile="else")
    assert (found.tflops, found.calibrated_by) == (pytest.approx(flops(run, TINY) / 10 / 1e12), 1)
    assert forecast(new, root=tiny_root, todo=[]).calibrated_by == 0


def test_nothing_to_do_costs_nothing(tiny_root: Path) -> None:
    plan = plan_of(tiny_root, intermediate="[{task: none}]", target="{task: xnli}")
    found = forecast(plan, root=tiny_root, todo=[])
    assert (found.gpu_hours, found.bytes_kept, found.files) == (0.0, 0, 0)


def plan_with(root: Path, *examples: int) -> Plan:
    """Return a plan of trainings on so many examples each."""
    sizes = {training_on("mnli", "d", train_seed=seed): size for seed, size in enumerate(examples)}
    runs = [PlannedRun(Run(MODEL, t, RECIPE), Stage.TARGET, Request(()), size, 16) for t, size in sizes.items()]
    plan = plan_of(root, intermediate="[{task: none}]", target="{task: xnli}")
    return replace(plan, runs={item.run.id: item for item in runs}, cells=())


def test_speed_under_the_same_profile_comes_first(tiny_root: Path) -> None:
    plan = plan_with(tiny_root, 100, 200, 300)
    first, second, third = plan.runs.values()
    finish(tiny_root, first, seconds=10, ranks=1, profile="alps")
    finish(tiny_root, second, seconds=10, ranks=1, profile="other")
    found = forecast(plan, root=tiny_root, todo=[third], profile="alps")
    assert (found.tflops, found.calibrated_by) == (pytest.approx(flops(first, TINY) / 10 / 1e12), 1)
    assert forecast(plan, root=tiny_root, todo=[third], profile="new").calibrated_by == 2


def test_minutes_follow_from_overhead_and_speed_of_three_finished_runs(tiny_root: Path) -> None:
    plan = plan_with(tiny_root, 100, 200, 400, 800, 1_600, 1_604)
    for item, seconds in zip(plan.runs.values(), (90, 120, 180), strict=False):  # a minute and 0.3 s per example
        finish(tiny_root, item, seconds=seconds, ranks=2, profile="alps")
    # On one rank the same work takes twice as long as on two, and the overhead as long.
    assert list(minutes_of(plan, tiny_root, "alps", 1).values()) == pytest.approx([2, 3, 5, 9])
    assert list(minutes_of(plan, tiny_root, "alps", 2).values()) == pytest.approx([1.5, 2, 3, 5, 9])
    assert minutes_of(plan, tiny_root, "other", 1) == {}


def test_nothing_is_estimated_before_three_runs_finished(tmp_path: Path, tiny_root: Path) -> None:
    plan = plan_with(tiny_root, 100, 200, 400)
    for item in [*plan.runs.values()][:2]:
        finish(tmp_path, item, seconds=10, ranks=1, profile="alps")
    assert minutes_of(plan, tmp_path, "alps", 1) == {}


def test_a_new_grid_is_estimated_by_the_runs_of_others(tiny_root: Path) -> None:
    before = plan_with(tiny_root, 100, 200, 400)
    before.save(grid_folder(tiny_root, "before").plan)
    for item, seconds in zip(before.runs.values(), (90, 120, 180), strict=True):
        finish(tiny_root, item, seconds=seconds, ranks=1, profile="alps")
    (tiny_root / "grids" / "damaged").mkdir()
    (tiny_root / "grids" / "damaged" / "plan.json").write_text("{", encoding="utf-8")
    new = replace(before, runs={f"new {i}": item for i, item in enumerate(plan_with(tiny_root, 800).runs.values())})
    assert minutes_of(new, tiny_root, "alps", 1) == {"new 0": pytest.approx(5)}


def test_the_logits_of_a_mixture_are_those_of_each_task_and_its_own_dev_set(tiny_root: Path) -> None:
    alone = [f"[{{task: {name}}}]" for name in ("mnli", "hellaswag")]
    sizes = []
    for intermediate in (*alone, "[{mixture: [mnli, hellaswag]}]"):
        first, *_ = plan_of(tiny_root, intermediate=intermediate, target="{task: tatoeba}").runs.values()
        kept = forecast(plan_of(tiny_root), root=tiny_root, todo=[first]).bytes_kept
        sizes.append((kept - 4 * 6304, first.predicted))
    # 6 pairs with 3 logits, 4 passages with 4; each logit is 4 bytes, id and gold 32.
    assert [size for size, _ in sizes] == [6 * 44, 4 * 48, 6 * 44 + 4 * 48]
    assert {task: number for task, (number, _) in sizes[2][1].items()} == {"mnli": 6, "hellaswag": 4}
