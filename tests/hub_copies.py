"""Parquet copies of real files, made as Hugging Face's scripts made them, from the files alone."""

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow.parquet import write_table

Rows = list[dict[str, Any]]
NLI = ["entailment", "neutral", "contradiction"]


def write_copy(data: Path, place: str, rows: Rows, *, files: int = 1) -> None:
    """Write rows at `<owner>--<name>/<configuration>/<split>` of a data folder, in one file or several."""
    folder, _, split = place.rpartition("/")
    (data / "hub" / folder).mkdir(parents=True, exist_ok=True)
    size = -(-len(rows) // files)
    for i in range(files):
        path = data / "hub" / folder / f"{split}-{i:05}-of-{files:05}.parquet"
        write_table(pyarrow.Table.from_pylist(rows[i * size : (i + 1) * size]), path)


def lines(path: Path) -> list[str]:
    """Return the lines of a file without their ends."""
    return [line.removesuffix("\r") for line in path.read_bytes().decode().split("\n")[:-1]]


def json_lines(path: Path) -> Rows:
    """Return the objects of a JSON Lines file."""
    return [json.loads(line) for line in lines(path)]


def glue_mnli(path: Path) -> Rows:
    """Return the rows of GLUE's MNLI: columns 9 and 10, the index as idx."""
    cells = [line.split("\t") for line in lines(path)[1:]]
    return [{"premise": c[8], "hypothesis": c[9], "label": NLI.index(c[-1]), "idx": int(c[0])} for c in cells]


def glue_qqp(path: Path) -> Rows:
    """Return the rows of GLUE's QQP, numbered from 0."""
    cells = [line.split("\t") for line in lines(path)[1:]]
    return [{"question1": c[3], "question2": c[4], "label": int(c[5]), "idx": i} for i, c in enumerate(cells)]


def anli(path: Path) -> Rows:
    """Return the rows of a round of ANLI."""
    keys = ("uid", "hypothesis", "reason")
    return [
        {**{key: row[key] for key in keys}, "premise": row["context"], "label": "enc".index(row["label"])}
        for row in json_lines(path)
    ]


def snli(path: Path) -> Rows:
    """Return the rows of SNLI, -1 where there is no gold label."""
    return [
        {
            "premise": row["sentence1"],
            "hypothesis": row["sentence2"],
            "label": -1 if row["gold_label"] == "-" else NLI.index(row["gold_label"]),
        }
        for row in json_lines(path)
    ]


def squad(path: Path, clean: Callable[[str], str] = str) -> Rows:
    """Return the questions of a SQuAD file, texts as they are or cleaned."""
    return [
        {
            "id": question["id"],
            "title": article.get("title", ""),
            "context": clean(paragraph["context"]),
            "question": clean(question["question"]),
            "answers": {
                "text": [clean(answer["text"]) for answer in question["answers"]],
                "answer_start": [answer["answer_start"] for answer in question["answers"]],
            },
        }
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


def xtreme_squad(path: Path) -> Rows:
    """Return the questions of google/xtreme, whose script strips texts and leaves places as they are."""
    return squad(path, str.strip)


def hellaswag(path: Path) -> Rows:
    """Return the rows of HellaSwag, the label as text; some copies of the file lack the source."""
    return [{"source_id": "", **row, "label": str(row["label"])} for row in json_lines(path)]


def cosmos(path: Path) -> Rows:
    """Return the rows of Cosmos QA, the label as a number."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{**row, "label": int(row["label"])} for row in csv.DictReader(file)]


def commonsense(path: Path) -> Rows:
    """Return the rows of CommonsenseQA, letters and texts of the choices in a list each."""
    return [
        {
            "id": row["id"],
            "question": row["question"]["stem"],
            "question_concept": row["question"]["question_concept"],
            "choices": {key: [choice[key] for choice in row["question"]["choices"]] for key in ("label", "text")},
            "answerKey": row.get("answerKey", ""),
        }
        for row in json_lines(path)
    ]


def xnli(path: Path) -> Rows:
    """Return the rows of a language of XNLI in XTREME's form without quoting."""
    cells = [line.split("\t") for line in lines(path)]
    return [{"premise": a, "hypothesis": b, "label": NLI.index(label)} for a, b, label in cells]


def panx(path: Path) -> Rows:
    """Return the sentences of PAN-X, tags by their number."""
    names = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]
    blocks = path.read_bytes().decode().strip("\n").split("\n\n")
    pairs = [[line.split("\t") for line in block.split("\n")] for block in blocks]
    return [{"tokens": [w for w, _ in rows], "ner_tags": [names.index(t) for _, t in rows]} for rows in pairs]


def tatoeba(paths: Iterable[Path]) -> Rows:
    """Return the pairs of two files, with their line ends."""
    foreign, english = (lines(path) for path in paths)
    return [
        {"source_sentence": f"{a}\n", "target_sentence": f"{b}\n", "source_lang": "x", "target_lang": "eng"}
        for a, b in zip(foreign, english, strict=True)
    ]
