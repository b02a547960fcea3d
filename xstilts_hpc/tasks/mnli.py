"""MNLI: does the premise entail, contradict or leave open the hypothesis?"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from xstilts_hpc.examples import Example, Kind, SequenceExample
from xstilts_hpc.metrics.accuracy import ACCURACY
from xstilts_hpc.tasks.base import INTERMEDIATE, BadRowError, Source, Split, Task, in_english
from xstilts_hpc.tasks.download import Download, HubFiles
from xstilts_hpc.tasks.hub import NLI_ORDER, Pairs, hub_files, split_of
from xstilts_hpc.tasks.lines import each_line, fields_of, label_in
from xstilts_hpc.tasks.nli import NLI_LABELS
from xstilts_hpc.tasks.translations import XTREME_TRANSLATIONS, translated
from xstilts_hpc.tasks.xtreme_pairs import parse_pairs

_TRANSLATED = ("ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
# How both sets of machine translations spell a label.
_SPELLING = {"contradictory": "contradiction"}


def parse_glue(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read GLUE's tsv: header, 12 columns (train) or 16 (dev), no quoting; genre 4th, texts 9th and 10th, gold last."""
    (path,) = paths

    def example(number: int, line: str) -> Iterator[SequenceExample]:
        row = fields_of(line, (12, 16))
        yield SequenceExample(f"{path.stem}-{row[0]}", row[8], row[9], label_in(NLI_LABELS, row[-1]), row[3])

    return each_line(path, example, header="index")


def parse_xtreme(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read XTREME's copy: no header, premise, hypothesis, label."""
    (path,) = paths
    return parse_pairs(path, NLI_LABELS)


def parse_translated(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read XTREME's translations: no header, no quoting; the English pair, the translated pair, the label.

    The files of before September 2020 lack the English pair. The rows are not in the order of MNLI's own file
    (google-research/xtreme, issue 37). Columns and quoting as TensorFlow Datasets (xtreme_xnli) reads them.
    """
    (path,) = paths
    return each_line(path, partial(_translated, columns=(3, 5)))


def parse_translated_release(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read XNLI's own translations: a header, the translated premise and hypothesis (cut into tokens), the label."""
    (path,) = paths
    return each_line(path, partial(_translated, columns=(3,)), header="premise")


def _translated(number: int, line: str, *, columns: tuple[int, ...]) -> Iterator[SequenceExample]:
    *_, premise, hypothesis, label = fields_of(line, columns)
    yield SequenceExample(f"train-{number}", premise, hypothesis, label_in(NLI_LABELS, _SPELLING.get(label, label)))


# The hub's copy of GLUE has the ids of GLUE's own file, but no genre: subsets of it keep only the shares of labels.
_STEMS = {"train": "train", "validation_matched": "dev_matched"}
_HUB = Pairs(
    "premise", "hypothesis", NLI_ORDER, lambda path, _, row: f"{_STEMS[split_of(path)]}-{row['idx']}", ("idx",)
)

MNLI = Task(
    name="mnli",
    title="MNLI",
    kind=Kind.SEQUENCE,
    roles=INTERMEDIATE,
    metric=ACCURACY,
    labels=NLI_LABELS,
    training_set="mnli",
    published=in_english(392_702, 9_815) | {Split.TRANSLATED: dict.fromkeys(_TRANSLATED, 392_702)},
    characters=171.7,
    strata="genre",
    sources=(
        Source(Split.TRAIN, ("MNLI/train.tsv",), parse_glue),
        Source(Split.TRAIN, ("xnli/train-en.tsv",), parse_xtreme),
        *translated("XNLI/translate-train/en-{language}-translated.tsv", parse_translated),
        Source(Split.TRANSLATED, ("XNLI-MT-1.0/multinli/multinli.train.{language}.tsv",), parse_translated_release),
        Source(Split.DEV, ("MNLI/dev_matched.tsv",), parse_glue),
        Source(Split.TRAIN, (hub_files("nyu-mll/glue", "mnli", "train"),), _HUB.parse),
        Source(Split.DEV, (hub_files("nyu-mll/glue", "mnli", "validation_matched"),), _HUB.parse),
    ),
    origin=(
        "https://dl.fbaipublicfiles.com/glue/data/MNLI.zip (Williams et al. 2018; GLUE's form; "
        f"translations: {XTREME_TRANSLATIONS}, folder XNLI)"
    ),
    licence="OANC, CC BY 3.0, CC BY-SA 3.0 and MIT, by part",
    downloads=(
        Download(
            ("https://dl.fbaipublicfiles.com/glue/data/MNLI.zip",),
            "",
            ("MNLI/train.tsv", "MNLI/dev_matched.tsv"),
            sha256="e7c1d896d26ed6caf700110645df426cc2d8ebf02a5ab743d5a5c68ac1c83633",
            num_bytes=312_783_507,
        ),
    ),
    hub=(HubFiles("nyu-mll/glue", ("mnli",)),),
)
