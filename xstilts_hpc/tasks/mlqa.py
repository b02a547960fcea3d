"""MLQA: questions on Wikipedia paragraphs, context and question in one language; trained on SQuAD v1.1."""

from xstilts_hpc.examples import Kind
from xstilts_hpc.metrics.mlqa import MLQA_EM_F1
from xstilts_hpc.tasks.base import TARGET, Source, Split, Task
from xstilts_hpc.tasks.download import Download, HubFiles
from xstilts_hpc.tasks.hub import DEV, hub_files
from xstilts_hpc.tasks.squad_v1 import QA_RECIPE
from xstilts_hpc.tasks.stripped_squad import parse_evaluation, parse_hub_evaluation

_TEST = {
    "ar": 5_335,
    "de": 4_517,
    "en": 11_590,
    "es": 5_253,
    "hi": 4_918,
    "vi": 5_495,
    "zh": 5_137,
}

_DEV = {
    "ar": 517,
    "de": 512,
    "en": 1_148,
    "es": 500,
    "hi": 507,
    "vi": 511,
    "zh": 504,
}
# Of its texts only questions have white space at their ends, which is gone in this copy.
_HUB = "MLQA.{language}.{language}"

MLQA = Task(
    name="mlqa",
    title="MLQA",
    kind=Kind.SPAN,
    roles=TARGET,
    metric=MLQA_EM_F1,
    parallel=True,
    languages=("ar", "de", "en", "es", "hi", "vi", "zh"),
    training_set="squad_v1",
    published={Split.DEV: _DEV, Split.TEST: _TEST},
    characters=658.2,
    recipe=QA_RECIPE,
    sources=(
        Source(Split.TEST, ("MLQA_V1/test/test-context-{language}-question-{language}.json",), parse_evaluation),
        Source(Split.DEV, ("MLQA_V1/dev/dev-context-{language}-question-{language}.json",), parse_evaluation),
        Source(Split.TEST, (hub_files("google/xtreme", _HUB, "test"),), parse_hub_evaluation),
        Source(Split.DEV, (hub_files("google/xtreme", _HUB, DEV),), parse_hub_evaluation),
    ),
    origin="https://dl.fbaipublicfiles.com/MLQA/MLQA_V1.zip (Lewis et al. 2020)",
    licence="CC BY-SA 3.0",
    downloads=(
        # Bytes and digest: huggingface/datasets, datasets/mlqa/urls_checksums/checksums.txt.
        Download(
            ("https://dl.fbaipublicfiles.com/MLQA/MLQA_V1.zip",),
            "mlqa",
            tuple(
                f"MLQA_V1/{split}/{split}-context-{code}-question-{code}.json"
                for split in (Split.DEV, Split.TEST)
                for code in _TEST
            ),
            sha256="246e8089933d13007fe80684d5c5c0713d6834cf8b3b4a0ec7c66f0a0d2baac8",
            num_bytes=75_719_050,
        ),
    ),
    hub=(HubFiles("google/xtreme", tuple(f"MLQA.{code}.{code}" for code in _TEST)),),
)
