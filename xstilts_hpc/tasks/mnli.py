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
from xstilts_hpc.tasks.translations import XTREME_TRANSLATIONS, downloads_of, translated
from xstilts_hpc.tasks.xtreme_pairs import parse_pairs

_TRANSLATION = "XNLI/translate-train/en-{language}-translated.tsv"
# tensorflow/datasets, text/xtreme_xnli/checksums.tsv.
_TRANSLATION_FILES = """
ar 174260138 b80e02435620d35fda53d2cad725b051b26478877f205275f4234d18a32a0e00
bg 196233363 e6c14f0357f8eb61faa296c47172935b67ab9d4793503716a9aa965fab740e5b
de 150445232 4d7eb61d1bace1b29cad2527a052c458962cef5dac6a440fe39564ade8cb39d7
el 206600506 7d7ee059fc96454e64e36ee4a839de372b0244a90a24c6ac5540c14f07a45ce2
es 147811571 f02c8f041cc38ba8e812740a49aa6c9be1437288ad869d377c4fdf1b3f6e8365
fr 152343358 3b978d250d33cc20fd1ea0651a07fd4d41aadc80257f48ff99db2cb5784c27cd
hi 244076814 4b32d7a946358173d2b6ea9337a303c79a01ff4a1e05235bd63c8822f3484bcf
ru 197854978 5907a9c44dca51401a326644eee8e68c3bcc7456469a095da64239653a8230fb
sw 140537312 993a47548ebced55f6a44c0a89cb467c0843ad8f3488af5800573849d1e93866
th 236754551 5eb7854cbf19ded49e73774110f0ebca4d9e71afc18dbe870efdf889d3710241
tr 144126888 fffd13ab8c9c91278e910e8a9b54766533d3cf274834397924ad173630c80e19
ur 190752132 c0f0e4ff891afec4096c5d6a95ac7499b9811fc62ff4e9165103275bd2028d35
vi 166672554 83ecdf7ce8b2e3440db7508ee56c428fa2ac284d8e8e8a28c02df20743568416
zh 132538939 36cb072de450de2fdae213e4fd14e563d0af2697acf8a805fb674714c1c14046
"""
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
        *translated(_TRANSLATION, parse_translated),
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
    translations=downloads_of(_TRANSLATION, _TRANSLATION_FILES),
    hub=(HubFiles("nyu-mll/glue", ("mnli",)),),
)
