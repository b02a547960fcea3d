"""A valid file of every format that readers take: a new format is one more line in FORMATS."""

import io
import json
from typing import Any

import pyarrow
from pyarrow.parquet import write_table

from tests.published import conllu, question, squad
from tests.tiny import treebank

_NLI = ("entailment", "neutral", "contradiction")


def _glue(columns: int, first: int = 8) -> bytes:
    """Return a file of GLUE: a header, and rows with the texts from column `first` on."""
    rows = [
        [f"{i}" if c < first else "a b" if c < first + 2 else label for c in range(columns)]
        for i, label in enumerate(_NLI)
    ]
    return _table(["index", *["c"] * (columns - 1)], *rows)


def _table(*rows: list[str]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def _lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(*rows: Any) -> bytes:
    """Return a parquet file; ArrowException, ValueError or OverflowError where such rows are none."""
    file = io.BytesIO()
    write_table(pyarrow.Table.from_pylist(list(rows)), file)
    return file.getvalue()


def _release(language: str, label: str) -> list[str]:
    return [language, label, "", "", "", "", "a b", "c", "p", "7", "fiction", *["x"] * 8]


_PAIRS = b'a b\tc\tneutral\r\n"d ""e"""\tf\tentailment\r\n'
_SNLI = {"gold_label": "neutral", "sentence1": "a", "sentence2": "b", "pairID": "7"}
_ANLI = {"uid": "u", "context": "a", "hypothesis": "b", "label": "n"}
_STORY = {"ctx_a": "A.", "ctx_b": "he", "endings": ["a", "b", "c", "d"], "label": 2, "source_id": "x~y", "ind": 7}
_CHOICES = [{"label": letter, "text": letter} for letter in "ABCDE"]
_ASKED = {"id": "q", "question": {"stem": "why?", "choices": _CHOICES, "question_concept": "a"}, "answerKey": "A"}
_SQUAD = squad(question("en-q1", ("Ann", 0)), question("english-q2", ("sat", 4), ("Ann sat", 0))).encode()
_SQUAD_2 = squad({**question("q1"), "is_impossible": True}, question("q2", ("sat", 4))).encode()
_TREE = r"(<T S[dcl] 0 2> (<L NP PRP PRP It NP>) (<L S[dcl]\NP VBD VBD sat S[dcl]\NP_8>) )"
_AUTO = f"ID=wsj_0001.1 PARSER=GOLD NUMPARSE=1\n{_TREE}\n".encode()
_COSMOS = (
    b"id,context,question,answer0,answer1,answer2,answer3,label\r\n"
    b'3#1,"a, ""b""\nc",b?,c,d,e,f,2\r\n4,a,b?,c,d,e,f,0\r\n'
)
_COSMOS_ROW = {"id": "3#1", "context": "a", "question": "b?", **{f"answer{i}": "c" for i in range(4)}, "label": 2}
_PMB = (
    b"### x\n# newdoc id = p00/d0001\nAnn\tAnn\tx\tPER\tn\t_\t_\n"
    b"sat~in\tsat\tx\tEPS\ts\\np\t_\t_\n\nHe\tx\tx\tx\tn\t_\t_\n"
)
_TAGGED = "de:Ann\tB-PER\nde:saß\tO\n\nde:in\tO\nde:York\tB-LOC\n".encode()
_POOLS = (b"de-1\tein\nde-3\tzwei\n", b"en-2\ttwo\nen-4\tsix\n")
_ALIGNED = (b"ein\nzwei drei\n", b"one\ntwo three\n")
_CONLLU = treebank() + conllu("1 a^b NOUN 2", "2 \u200cc VERB 0")

_SPAN = {"id": "q", "question": "who?", "context": "Ann sat", "answers": {"text": ["Ann"], "answer_start": [0]}}
_LETTERS = {"label": list("ABCDE"), "text": list("abcde")}

# Module and name of the reader -> its language, how its file is written (json, jsonl, parquet, or "" for columns and
# lines) and the content of its files.
FORMATS: dict[str, tuple[str, str, tuple[bytes, ...]]] = {
    "mnli.parse_glue": ("en", "", (_glue(12),)),
    "mnli.parse_xtreme": ("en", "", (_PAIRS,)),
    "mnli.parse_translated": ("de", "", (b"a\tb\tja\tnein\tneutral\nc\td\te\tf\tcontradictory\n",)),
    "mnli.parse_translated_release": ("de", "", (b"premise\thypo\tlabel\nja\tnein\tcontradictory\na\tb\tneutral\n",)),
    "qqp.parse": ("en", "", (b"id\ta\tb\tc\td\te\n0\t1\t2\ta b\tc\t1\n1\t1\t2\ta\tb\t0\n",)),
    "squad_format.parse_answered": ("en", "json", (_SQUAD,)),
    "squad_format.parse_squad": ("en", "json", (_SQUAD_2,)),
    "stripped_squad.parse_evaluation": ("en", "json", (_SQUAD,)),
    "tydiqa.parse_train": ("en", "json", (_SQUAD,)),
    "tydiqa.parse_release_train": ("en", "json", (_SQUAD,)),
    "hellaswag.parse": ("en", "jsonl", (_lines(_STORY, _STORY),)),
    "ccg.parse_auto": ("en", "", (_AUTO + _AUTO, _AUTO, _AUTO)),
    "ccg.parse_jiant": ("en", "", (b"Ann sat\tN S\\N\nit is\t0 1\n", b'{"N": 0, "S\\\\N": 1}')),
    "cosmosqa.parse": ("en", "", (_COSMOS,)),
    "commonsenseqa.parse": ("en", "jsonl", (_lines(_ASKED, _ASKED),)),
    "ccg_pmb.parse": ("en", "", (_PMB,)),
    "anli.parse": ("en", "jsonl", (_lines(_ANLI), _lines(_ANLI, _ANLI))),
    "snli.parse_jsonl": ("en", "jsonl", (_lines(_SNLI, {**_SNLI, "gold_label": "-"}),)),
    "snli.parse_glue": ("en", "", (_glue(11, 7) + _table(["7"] * 14 + ["-"]),)),
    "xnli.parse_with_labels": ("de", "", (b"a\tb\r\nc\td\r\n", b"neutral\nentailment\n")),
    "xnli.parse_release": (
        "de",
        "",
        (_table(_release("language", "x"), _release("de", "neutral"), _release("ar", "x")),),
    ),
    "xnli.parse_release_json": ("de", "jsonl", (_lines({"language": "de", **_SNLI}, {"language": "ar", **_SNLI}),)),
    "xnli.parse_xtreme": ("de", "", (_PAIRS,)),
    "pawsx.parse_release": ("de", "", (b'id\tsentence1\tsentence2\tlabel\n1\t"a" b\tNS\t0\n2\tc\td\t1\n',)),
    "pawsx.parse_xtreme": ("de", "", (b'"a ""b"""\tc\t1\r\nd\te\t0\r\n',)),
    "conllu.parse_conllu": ("es", "", (_CONLLU.encode(), _CONLLU.encode())),
    "udpos.parse_xtreme": ("de", "", (b"Ann\tPROPN\nsat\tVERB\n\nit\tPRON\n",)),
    "panx.parse": ("de", "", (_TAGGED,)),
    "bucc2018.parse_with_gold": ("de", "", (*_POOLS, b"de-3\ten-2\n")),
    "bucc2018.parse_stripped": ("de", "", _POOLS),
    "tatoeba.parse_aligned": ("de", "", _ALIGNED),
    "tatoeba.parse_sorted_with_labels": ("de", "", (*_ALIGNED, b"1\n0\n")),
    "tatoeba.parse_sorted": ("de", "", _ALIGNED),
    "hub.Pairs.parse": ("en", "parquet", (parquet({"premise": "a", "hypothesis": "b", "label": 1, "idx": 7}),)),
    "hub.parse_spans": ("en", "parquet", (parquet(_SPAN, {**_SPAN, "id": "q2"}),)),
    "squad_format.parse_hub_answered": ("en", "parquet", (parquet(_SPAN),)),
    "stripped_squad.parse_hub_evaluation": ("de", "parquet", (parquet(_SPAN),)),
    "hellaswag.parse_hub": ("en", "parquet", (parquet({**_STORY, "label": "2"}),)),
    "cosmosqa.parse_hub": ("en", "parquet", (parquet(_COSMOS_ROW),)),
    "commonsenseqa.parse_hub": (
        "en",
        "parquet",
        (parquet({"id": "q", "question": "why?", "choices": _LETTERS, "answerKey": "A"}),),
    ),
    "panx.parse_hub": ("de", "parquet", (parquet({"tokens": ["Ann", "sat"], "ner_tags": [1, 0]}),)),
    "tatoeba.parse_hub": ("de", "parquet", (parquet({"source_sentence": "ein\n", "target_sentence": "one\n"}),)),
    "mlm.parse": ("de", "", ("Ein Satz.\n\nNoch einer\u2028.\n".encode(),)),
}
