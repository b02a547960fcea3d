"""Files in the publishers' forms made by hand, and what is read from them."""

import json
from pathlib import Path
from typing import Any

from xstilts_hpc.examples import SequenceExample, TokenExample
from xstilts_hpc.files import Memory
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Split
from xstilts_hpc.tasks.folder import DataFolder

Files = dict[str, str | bytes]


def folder_of(root: Path, files: Files) -> DataFolder:
    """Write files below a folder and return it as a data folder."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return DataFolder(root, Memory(root / "memory.json"))


def read(root: Path, place: str, files: Files) -> list[Any]:
    """Write files and read a place such as `pawsx dev de` from them."""
    task, split, language = place.split()
    return list(folder_of(root, files).locate(TASKS[task], Split(split), language).examples())


def texts(examples: list[SequenceExample]) -> list[tuple[str, str, str | None]]:
    """Return the two texts and the label of each pair."""
    return [(e.first, e.second, e.label) for e in examples]


def tagged(examples: list[TokenExample]) -> list[list[tuple[str, str]]]:
    """Return the words of each sentence with their tags."""
    return [list(zip(e.words, e.tags or (), strict=True)) for e in examples]


def squad(*asked: dict[str, Any]) -> str:
    """Return a file in SQuAD's form, an article to each question on "Ann sat"."""
    return json.dumps({"data": [{"paragraphs": [{"context": "Ann sat", "qas": [qa]}]} for qa in asked], "version": "1"})


def question(name: str, *answers: tuple[str, int]) -> dict[str, Any]:
    """Return a question with its answers and their places."""
    return {
        "id": name,
        "question": "who?",
        "answers": [{"text": text, "answer_start": start} for text, start in answers],
    }


def conllu(*lines: str) -> str:
    """Return a sentence; a line is `id form tag head` with `^` for a space in the form."""
    rows = [line.split(" ") for line in lines]
    full = [[n, form.replace("^", " "), "_", tag, "_", "_", head, "_", "_", "_"] for n, form, tag, head in rows]
    return "# sent_id = 1\n" + "".join("\t".join(row) + "\n" for row in full) + "\n"
