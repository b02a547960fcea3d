"""What `plan` says of a GPU's memory, for a grid and a profile."""

from pathlib import Path

import pytest

from tests.cluster.trivial_runs import make_profile
from tests.tiny import grid_text
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import load_grid
from xstilts_hpc.memory_advice import memory_advice
from xstilts_hpc.plan import Plan

HUB = "{id: FacebookAI/xlm-roberta-large, revision: '0123456789012345678901234567890123456789'}"


def plan_of(root: Path, **changes: str) -> Plan:
    """Return the plan of a small grid on XLM-R Large."""
    path = root / "grid.yaml"
    keys = {"model": HUB, "intermediate": "[{task: mnli}]", "target": "{task: [xnli]}", **changes}
    path.write_text(grid_text(recipe="{batch_size: 32, max_length: 256}", **keys), encoding="utf-8")
    return expand(load_grid(path), root=root)


def test_settings_are_recommended_for_the_memory_of_the_profiles_gpu(tiny_root: Path) -> None:
    lines = memory_advice(plan_of(tiny_root), tiny_root, make_profile(gpus_per_node=1, gpu_memory_gb=80))
    assert lines == [
        "memory: 80 GB per GPU, 363 M parameters trained: zero_stage 0, micro_batch_tokens 8,192, "
        "no activation_checkpointing, no offload_optimizer"
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"micro_batch_tokens": 8_000, "gpu_memory_gb": 12}, "do not fit: micro_batch_tokens 8,000 at ZeRO stage 0"),
        ({"zero_stage": 1, "gpu_memory_gb": 10}, "do not fit: examples of 256 tokens at ZeRO stage 1, where 0 tokens"),
    ],
)
def test_own_settings_that_do_not_fit_are_named(tiny_root: Path, settings: dict[str, int], said: str) -> None:
    lines = memory_advice(plan_of(tiny_root), tiny_root, make_profile(gpus_per_node=1, **settings))
    assert len(lines) == 2 and said in lines[1]


def test_a_gpu_that_is_too_small_is_said_to_be(tiny_root: Path) -> None:
    lines = memory_advice(plan_of(tiny_root), tiny_root, make_profile(gpus_per_node=1, gpu_memory_gb=4))
    assert "nothing fits, since an example has up to 256 tokens" in lines[0]


def test_masked_text_trains_the_whole_vocabulary(tiny_root: Path) -> None:
    (tiny_root / "data" / "text").mkdir()
    (tiny_root / "data" / "text" / "en.txt").write_text("a cat\n", encoding="utf-8")
    plan = plan_of(tiny_root, intermediate="[{task: mnli, mlm: {weight: 0.5}}]")
    lines = memory_advice(plan, tiny_root, make_profile(gpus_per_node=1, gpu_memory_gb=80))
    assert "558 M parameters trained" in lines[0]


def test_nothing_is_said_where_nothing_is_known(tiny_root: Path) -> None:
    assert memory_advice(plan_of(tiny_root), tiny_root, make_profile(gpus_per_node=1)) == []
