"""The smallest real parts: a random encoder over characters, and a few examples in each publisher's format."""

import json
from pathlib import Path

NLI = [
    ("a cat sat", "a cat sat", "entailment"),
    ("a cat sat", "no cat sat", "contradiction"),
    ("a cat sat", "a red cat sat", "neutral"),
    ("two men ran", "two men ran", "entailment"),
    ("two men ran", "no men ran", "contradiction"),
    ("two men ran", "two old men ran", "neutral"),
]
SENTENCES = [[("Ann", "B-PER"), ("sat", "O")], [("in", "O"), ("New", "B-LOC"), ("York", "I-LOC")]]
LANGUAGES = ("en", "de", "sw")
_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,?'"


def write_tiny_model(folder: Path) -> Path:
    """Write a random XLM-R of 2 layers and 16 hidden units, and a tokenizer of single characters."""
    import torch
    import transformers

    transformers.logging.disable_progress_bar()
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *_CHARACTERS, *(f"▁{c}" for c in _CHARACTERS), "<mask>"]
    tokenizer = transformers.XLMRobertaTokenizer(vocab=[(piece, -float(i)) for i, piece in enumerate(pieces)])
    tokenizer.save_pretrained(folder)
    config = transformers.XLMRobertaConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=130,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        initializer_range=0.3,  # so wide that so small a model learns in a few steps
    )
    torch.manual_seed(0)
    transformers.XLMRobertaModel(config).save_pretrained(folder)
    return folder


def write_tiny_data(folder: Path) -> None:
    """Write MNLI, HellaSwag, SQuAD, XNLI, PAN-X, XQuAD and Tatoeba with a handful of examples each."""
    _write_glue(folder / "MNLI" / "train.tsv", 11)
    _write_glue(folder / "MNLI" / "dev_matched.tsv", 15)
    for language in LANGUAGES:
        rows = "".join(f"{a}\t{b}\t{label}\r\n" for a, b, label in NLI)
        _write(folder / "xnli" / f"dev-{language}.tsv", rows)
        _write(folder / "xquad" / f"xquad.{language}.json", squad_json(2))
        sentences = "\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in sentence) for sentence in SENTENCES)
        _write(folder / "panx" / f"dev-{language}.tsv", sentences + "\n")
        _write(folder / "panx" / f"train-{language}.tsv", sentences + "\n")
    for split in ("train", "val"):
        _write(folder / f"hellaswag_{split}.jsonl", "".join(_hellaswag(i) for i in range(4)))
    _write(folder / "squad" / "train-v1.1.json", squad_json(4))
    _write(folder / "squad" / "dev-v1.1.json", squad_json(2))
    for code in ("deu", "swh"):
        _write(folder / "tatoeba" / f"tatoeba.{code}-eng.{code}", "ein\nzwei\ndrei\n")
        _write(folder / "tatoeba" / f"tatoeba.{code}-eng.eng", "one\ntwo\nthree\n")


def squad_json(questions: int) -> str:
    """Return a SQuAD file of one paragraph and several questions."""
    context = "Ann sat in New York with 7 cats."
    texts = ["Ann", "New York", "7", "cats"][:questions]
    asked = [
        {"id": f"q{i}", "question": f"what {i}?", "answers": [{"text": text, "answer_start": context.index(text)}]}
        for i, text in enumerate(texts)
    ]
    return json.dumps({"data": [{"title": "t", "paragraphs": [{"context": context, "qas": asked}]}], "version": "1.1"})


def grid_text(**changes: str) -> str:
    """Return a small grid file; a change replaces the lines of a top-level key."""
    keys = {
        "schema": "1",
        "name": "tiny",
        "question": "does it run?",
        "model": "{path: models/tiny}",
        "data": "data",
        "intermediate": "[{task: none}, {task: mnli, size: [2, full]}]",
        "target": "{task: [xnli, panx, xquad, tatoeba], languages: all}",
        "seeds": "{data: [0], train: [0], target: [0]}",
        "recipe": "{learning_rate: 1e-3, batch_size: 4, epochs: 1, max_length: 64, max_query_length: 16}",
    }
    return "".join(f"{key}: {value}\n" for key, value in {**keys, **changes}.items())


def _write_glue(path: Path, extra: int) -> None:
    header = ["index", *(f"c{i}" for i in range(extra - 1)), "gold_label"]
    rows = [[str(i), *[""] * 7, a, b, *[""] * (extra - 10), label] for i, (a, b, label) in enumerate(NLI)]
    _write(path, "".join("\t".join(row) + "\n" for row in [header, *rows]))


def _hellaswag(index: int) -> str:
    row = {
        "ind": 7,
        "ctx_a": "A man sat.",
        "ctx_b": "he",
        "ctx": "A man sat. he",
        "endings": ["ran.", "ate.", "sang.", "slept."],
        "label": index,
        "source_id": "x",
    }
    return json.dumps(row) + "\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
