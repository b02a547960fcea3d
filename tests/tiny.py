"""The smallest real parts: a random encoder over characters, and a few examples in each publisher's format."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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


def write_all_tiny_data(folder: Path) -> None:
    """Write a handful of examples of every task: those of write_tiny_data and of all others."""
    write_tiny_data(folder)
    _write_other_intermediate(folder)
    for language in ("en", "de"):
        for split, name in (("train", "train"), ("dev", "dev_2k"), ("test", "test_2k")):
            rows = "".join(f"{i}\t{a}\t{b}\t{i % 2}\n" for i, (a, b, _) in enumerate(NLI))
            _write(folder / "x-final" / language / f"{name}.tsv", "id\tsentence1\tsentence2\tlabel\n" + rows)
            _write(folder / "udpos" / f"{language}_tiny-ud-{split}.conllu", treebank())
            mlqa = f"{split}-context-{language}-question-{language}.json"
            _write(folder / "MLQA_V1" / split / mlqa, squad_json(2))
    for language in ("en", "sw"):
        for split in ("train", "dev"):
            name = f"tydiqa-goldp-v1.1-{split}/tydiqa.goldp.{language}.{split}.json"
            _write(folder / "tydiqa" / name, squad_json(3))
    for split in ("dev", "test"):
        _write(folder / "bucc2018" / f"de-en.{split}.de", "de-000000001\tein\nde-000000003\tzwei\n")
        _write(folder / "bucc2018" / f"de-en.{split}.en", "en-000000002\ttwo\nen-000000004\tsix\n")
        _write(folder / "bucc2018" / f"de-en.{split}.gold", "de-000000003\ten-000000002\n")


def treebank() -> str:
    """Return a CoNLL-U file of two sentences; the second has a fused word."""
    rows = [
        ["1", "Ann", "_", "PROPN", "_", "_", "2", "nsubj", "_", "_"],
        ["2", "sat", "_", "VERB", "_", "_", "0", "root", "_", "_"],
        [],
        ["1-2", "zum", "_", "_", "_", "_", "_", "_", "_", "_"],
        ["1", "zu", "_", "ADP", "_", "_", "3", "case", "_", "_"],
        ["2", "dem", "_", "DET", "_", "_", "3", "det", "_", "_"],
        ["3", "Haus", "_", "NOUN", "_", "_", "0", "root", "_", "_"],
        [],
    ]
    return "".join("\t".join(row) + "\n" for row in rows)


def _write_other_intermediate(folder: Path) -> None:
    for split, cosmos in (("train", "train"), ("dev", "valid")):
        snli = [{"gold_label": c, "sentence1": a, "sentence2": b, "pairID": a + b} for a, b, c in NLI]
        _write(folder / "snli_1.0" / f"snli_1.0_{split}.jsonl", _json_lines(snli))
        anli = [{"uid": b, "context": a, "hypothesis": b, "label": c[0]} for a, b, c in NLI]
        for number in (1, 2, 3):
            _write(folder / "anli_v1.0" / f"R{number}" / f"{split}.jsonl", _json_lines(anli))
        qqp = "".join(f"{i}\t1\t2\t{a}\t{b}\t{i % 2}\n" for i, (a, b, _) in enumerate(NLI))
        _write(folder / "QQP" / f"{split}.tsv", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n" + qqp)
        _write(folder / "squad" / f"{split}-v2.0.json", squad_json(3))
        answers = "".join(f"q{i},a,b?,c,d,e,f,{i}\r\n" for i in range(4))
        _write(
            folder / "cosmosqa" / f"{cosmos}.csv",
            "id,context,question,answer0,answer1,answer2,answer3,label\r\n" + answers,
        )
        choices = [{"label": letter, "text": letter} for letter in "ABCDE"]
        question = {"question_concept": "a", "choices": choices, "stem": "b?"}
        csqa = [{"answerKey": letter, "id": letter, "question": question} for letter in "ABC"]
        _write(folder / f"{split}_rand_split.jsonl", _json_lines(csqa))
        pmb = "# newdoc id = p00/d0001\nAnn\tAnn\tx\tPER\tn\t_\t_\nsat\tsat\tx\tEPS\ts\\np\t_\t_\n"
        _write(folder / "pmb-4.0.0" / "en" / "gold" / f"{split}.conll", pmb)
    tree = r"(<T S[dcl] 0 2> (<L NP PRP PRP It NP>) (<L S[dcl]\NP VBD VBD sat S[dcl]\NP_8>) )"
    for section in range(25):
        name = f"{section:02}/wsj_{section:02}01"
        _write(folder / "AUTO" / f"{name}.auto", f"ID=wsj_{section:02}01.1 PARSER=GOLD NUMPARSE=1\n{tree}\n")
    _write(folder / "text" / "en.txt", "A cat sat.\n\nA man ran.\n")


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


def _json_lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
