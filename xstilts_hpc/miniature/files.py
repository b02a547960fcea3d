"""Write the made-up world's data sets in the forms in which their models are published."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from xstilts_hpc.files import write_text
from xstilts_hpc.miniature import world
from xstilts_hpc.miniature.facts import LABELS, Pair, Paragraph, draw_mention, draw_pair, draw_paragraph, draw_story
from xstilts_hpc.miniature.sentences import Speech, find, tags, write
from xstilts_hpc.miniature.text import draw_line, end_story, make_speeches

NUM_LINES = 5000  # of text, per language
NUM_MNLI, NUM_HELLASWAG, NUM_SQUAD, NUM_PANX, NUM_SNLI = 3000, 3000, 1500, 1000, 300
NUM_DEV, NUM_TEST, NUM_TATOEBA = 120, 240, 200
QUESTIONS = 5  # to a paragraph
FACTS = 2  # in a paragraph
NUM_NAMES, NUM_NEW_NAMES = 3000, 600

MNLI_COLUMNS = (
    "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse sentence1_parse sentence2_parse"
    " sentence1 sentence2 label1"
)


@dataclass(frozen=True)
class Pen:
    """Hold where and in what words to write; evaluation sets use new names that no training set has."""

    folder: Path
    speeches: Mapping[str, Speech]
    names: tuple[str, ...]
    new_names: tuple[str, ...]

    @property
    def english(self) -> Speech:
        """Return the speech of the training sets."""
        return self.speeches[world.ENGLISH.code]

    def write(self, name: str, text: str) -> None:
        """Write one file below the folder."""
        write_text(self.folder / name, text)


def make_pen(folder: Path, seed: int = world.SEED) -> Pen:
    """Return the pen that writes the world of a seed into a folder."""
    names = world.make_names(NUM_NAMES + NUM_NEW_NAMES, seed)
    return Pen(folder, make_speeches(seed), names[:NUM_NAMES], names[NUM_NAMES:])


def write_data(folder: Path, *, progress: Callable[[str, float], None]) -> None:
    """Write every data set and the text; the same code writes the same bytes."""
    pen = make_pen(folder)
    writers = (write_mnli, write_snli, write_hellaswag, write_squad, write_xnli, write_panx, write_xquad, write_tatoeba)
    for index, writer in enumerate((*writers, write_plain_text)):
        progress(f"writing {writer.__name__.removeprefix('write_').replace('_', ' ')}", index / (len(writers) + 1))
        writer(pen)


def write_mnli(pen: Pen) -> None:
    """Write MNLI in GLUE's form: 12 columns in train, 16 in dev, nothing quoted."""
    for name, size, labels in (("train", NUM_MNLI, 1), ("dev_matched", NUM_DEV, 5)):
        header = [*MNLI_COLUMNS.split(), *(f"label{number}" for number in range(2, labels + 1)), "gold_label"]
        rows = ["\t".join(header)]
        for index, pair in enumerate(draw_pairs(f"mnli-{name}", size, pen.names)):
            premise, hypothesis = sentences(pair, pen.english)
            prompt = str(index // 3)
            start = [str(index), prompt, prompt + pair.label[0], "miniature", *bracketed(premise, hypothesis)]
            rows.append("\t".join([*start, premise, hypothesis, *[pair.label] * labels, pair.label]))
        pen.write(f"MNLI/{name}.tsv", "\n".join(rows) + "\n")


def bracketed(*texts: str) -> tuple[str, ...]:
    """Return flat binary and flat plain parses: readers skip these columns but count them."""
    return (*(f"( {text} )" for text in texts), *(f"(ROOT {text})" for text in texts))


def write_snli(pen: Pen) -> None:
    """Write SNLI in its own form, a few pairs without a label (`-`)."""
    for name, size in (("train", NUM_SNLI), ("dev", NUM_DEV)):
        rows = []
        for index, pair in enumerate(draw_pairs(f"snli-{name}", size, pen.names)):
            premise, hypothesis = sentences(pair, pen.english)
            picture = f"{index // 3}.jpg#0"
            row = {"sentence1": premise, "sentence2": hypothesis, "captionID": picture}
            row |= {"gold_label": "-" if index % 50 == 49 else pair.label, "pairID": f"{picture}r{index % 3}"}
            rows.append(json.dumps(row, sort_keys=True) + "\n")
        pen.write(f"snli_1.0/snli_1.0_{name}.jsonl", "".join(rows))


def write_hellaswag(pen: Pen) -> None:
    """Write HellaSwag's JSON lines; `ctx_b` starts the sentence that the endings end."""
    for name, size in (("train", NUM_HELLASWAG), ("val", NUM_DEV)):
        source = Random(f"{world.SEED}-hellaswag-{name}")
        rows = [json.dumps(hellaswag_row(source, pen, index, split=name)) + "\n" for index in range(size)]
        pen.write(f"hellaswag/hellaswag_{name}.jsonl", "".join(rows))


def hellaswag_row(source: Random, pen: Pen, index: int, *, split: str) -> dict[str, Any]:
    """Return one story with its four ends."""
    story = draw_story(source, pen.names)
    beginning = write(pen.english.say(story.beginning))
    ends = [write(end_story(pen.english, story.beginning, *end)) for end in story.ends]
    start = f"then {story.beginning.subject.name}"
    return {
        "ind": index,
        "activity_label": "Using things",
        "ctx_a": beginning,
        "ctx_b": start,
        "ctx": f"{beginning} {start}",
        "split": split,
        "split_type": "indomain",
        "label": story.label,
        "endings": [end.removeprefix(start).strip() for end in ends],
        "source_id": f"miniature~{split}{index}",
    }


def write_squad(pen: Pen) -> None:
    """Write SQuAD v1.1 in English."""
    for name, size in (("train", NUM_SQUAD), ("dev", NUM_DEV)):
        paragraphs = draw_paragraphs(f"squad-{name}", size, pen.names)
        pen.write(f"squad/{name}-v1.1.json", squad_json(paragraphs, pen.english, name))


def write_xquad(pen: Pen) -> None:
    """Write XQuAD: the same paragraphs and ids in each language."""
    paragraphs = draw_paragraphs("xquad", NUM_TEST, pen.new_names)
    for code, speech in pen.speeches.items():
        pen.write(f"xquad/xquad.{code}.json", squad_json(paragraphs, speech, "xquad"))


def squad_json(paragraphs: Sequence[Paragraph], speech: Speech, name: str) -> str:
    """Return paragraphs as one SQuAD v1.1 article."""
    entries = [squad_paragraph(paragraph, speech, f"{name}-{index}") for index, paragraph in enumerate(paragraphs)]
    return json.dumps({"data": [{"title": "Miniature", "paragraphs": entries}], "version": "1.1"}, ensure_ascii=False)


def squad_paragraph(paragraph: Paragraph, speech: Speech, name: str) -> dict[str, Any]:
    """Return a paragraph with its questions and where their answers stand, in characters."""
    told = [speech.say(fact) for fact in paragraph.facts]
    written = [write(tokens) for tokens in told]
    questions = []
    for index, question in enumerate(paragraph.questions):
        start, answer = find(told[question.index], question.role)
        start += sum(len(sentence) + 1 for sentence in written[: question.index])
        asked = write(speech.ask(question.role, paragraph.facts[question.index]), "?")
        answers = [{"answer_start": start, "text": answer}]
        questions.append({"id": f"{name}-{index}", "question": asked, "answers": answers})
    return {"context": " ".join(written), "qas": questions}


def write_xnli(pen: Pen) -> None:
    """Write XNLI in XTREME's form, with CR LF; unlike XTREME's, the test files keep their labels."""
    for name, size in (("dev", NUM_DEV), ("test", NUM_TEST)):
        pairs = draw_pairs(f"xnli-{name}", size, pen.new_names)
        for code, speech in pen.speeches.items():
            rows = ["\t".join((*sentences(pair, speech), pair.label)) for pair in pairs]
            pen.write(f"xnli/{name}-{code}.tsv", "".join(f"{row}\r\n" for row in rows))


def write_panx(pen: Pen) -> None:
    """Write PAN-X: a word and its tag a line, a blank line between sentences."""
    write_tagged(pen, "train", size=NUM_PANX, codes=(world.ENGLISH.code,))
    write_tagged(pen, "dev", size=NUM_DEV, codes=tuple(pen.speeches))
    write_tagged(pen, "test", size=NUM_TEST, codes=tuple(pen.speeches))


def write_tagged(pen: Pen, split: str, *, size: int, codes: Sequence[str]) -> None:
    """Write the same tagged sentences in each of the languages."""
    source = Random(f"{world.SEED}-panx-{split}")
    facts = [draw_mention(source, pen.names if split == "train" else pen.new_names) for _ in range(size)]
    for code in codes:
        told = [pen.speeches[code].say(fact) for fact in facts]
        blocks = [
            "".join(f"{token.text}\t{tag}\n" for token, tag in zip(tokens, tags(tokens), strict=True))
            for tokens in told
        ]
        pen.write(f"panx/{split}-{code}.tsv", "\n".join(blocks))


def write_tatoeba(pen: Pen) -> None:
    """Write aligned sentences of each made-up language and English; none stands twice."""
    source = Random(f"{world.SEED}-tatoeba")
    facts = list(dict.fromkeys(draw_mention(source, pen.new_names) for _ in range(NUM_TATOEBA)))
    for language in world.FOREIGN:
        for code, end in ((language.code, language.code), (world.ENGLISH.code, "eng")):
            lines = [write(pen.speeches[code].say(fact)) + "\n" for fact in facts]
            pen.write(f"tatoeba/tatoeba.{language.code}-eng.{end}", "".join(lines))


def write_plain_text(pen: Pen) -> None:
    """Write the text for pretraining, a file per language."""
    for language in world.LANGUAGES:
        source = Random(f"{world.SEED}-text-{language.code}")
        lines = [draw_line(source, pen.names, language=language, speeches=pen.speeches) for _ in range(NUM_LINES)]
        pen.write(f"text/{language.code}.txt", "".join(f"{line}\n" for line in lines))


def draw_pairs(name: str, size: int, names: Sequence[str]) -> list[Pair]:
    """Draw pairs, balanced over the labels, three in a row on one premise."""
    source = Random(f"{world.SEED}-{name}")
    pairs: list[Pair] = []
    while len(pairs) < size:
        first = draw_pair(source, names, label=LABELS[0])
        rest = [draw_pair(source, names, label=label, premise=first.premise) for label in LABELS[1:]]
        pairs += [first, *rest]
    return pairs[:size]


def draw_paragraphs(name: str, num_questions: int, names: Sequence[str]) -> list[Paragraph]:
    """Draw the paragraphs that a number of questions needs."""
    source = Random(f"{world.SEED}-{name}")
    return [
        draw_paragraph(source, names, num_facts=FACTS, num_questions=QUESTIONS)
        for _ in range(num_questions // QUESTIONS)
    ]


def sentences(pair: Pair, speech: Speech) -> tuple[str, str]:
    """Return a pair's premise and hypothesis in a language."""
    return write(speech.say(pair.premise)), write(speech.say(pair.hypothesis))


def read_plain_text(folder: Path) -> Iterator[str]:
    """Yield the lines of the text of all languages."""
    for language in world.LANGUAGES:
        yield from (folder / f"text/{language.code}.txt").read_text(encoding="utf-8").splitlines()
