"""Logits of XTREME's test sets, made up: what the benchmarks of the collector score.

Sizes are the test sets of XTREME by task and language. Assumed, after real files: 18 words in a sentence of UD, 8 in
one of WikiANN (30 where characters are words); a context of 130 words of 3 to 10 letters for each question (five
questions share one in XQuAD), one window for most and two for every tenth; one answer of 1 to 6 tokens; 85 % of tags
and 60 % of answers right. BUCC's pools are assumed to hold 30 sentences for each gold pair.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xstilts_hpc.logits import Floats, Integers, Logits, RetrievalLogits, SequenceLogits, SpanLogits, TokenLogits
from xstilts_hpc.results.xtreme_layout import GROUPS
from xstilts_hpc.tasks.base import Task

# Test examples by task: one number for all languages, or those of the languages that differ from "".
SIZES: Mapping[str, str] = {
    "xnli": "=5010",
    "pawsx": "=2000",
    "udpos": "af 425 ar 1680 bg 1116 de 22458 el 2809 en 5440 es 3147 et 3760 eu 1799 fa 600 fi 4422 fr 9465 he 491 hi "
    "2684 hu 449 id 1557 it 3518 ja 2372 kk 1047 ko 4276 mr 47 nl 1471 pt 2681 ru 11336 ta 120 te 146 th 1000 tl 55 "
    "tr 4785 ur 535 vi 800 yo 100 zh 5528",
    "panx": "=10000 af 1000 bn 1000 hi 1000 kk 1000 ml 1000 mr 1000 ms 1000 sw 1000 ta 1000 te 1000 tl 1000 ur 1000 "
    "jv 100 my 100 yo 100",
    "xquad": "=1190",
    "mlqa": "en 11590 vi 5495 ar 5335 es 5253 zh 5137 hi 4918 de 4517",
    "tydiqa": "ar 921 bn 113 en 440 fi 782 id 565 ko 276 ru 812 sw 499 te 669",
    "bucc2018": "de 9580 fr 9086 ru 14435 zh 1899",
    "tatoeba": "=1000 jv 205 kk 575 ka 746 ml 687 sw 390 ta 307 te 234 th 548",
}
_DEV_PAIRS = {"de": 1038, "fr": 929, "ru": 2374, "zh": 257}
_POOL = 30
_NEIGHBOURS = 4
_BY_CHARACTER = ("ja", "th", "zh")
# The first of 26 letters of a script, in hexadecimal; Latin where none is named.
_LETTERS = "ar 627 bn 995 el 3b1 hi 915 ko ac00 ru 430 te c15 th e01 zh 4e00"


def sizes_of(task: Task, fraction: float) -> dict[str, int]:
    """Return the number of examples by language, at least three."""
    first, *rest = SIZES[task.name].split()
    every = int(first[1:]) if first[0] == "=" else 0
    words = rest if every else [first, *rest]
    own = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    return {code: max(3, round(fraction * own.get(code, every))) for code in task.languages}


def sequences(task: Task, number: int, random: np.random.Generator, right: float) -> SequenceLogits:
    """Make logits of pairs, most of them right."""
    gold = random.integers(len(task.labels), size=number)
    return SequenceLogits(_ids("e", number), _scores(gold, len(task.labels), random, right), gold)


def tags(task: Task, language: str, number: int, random: np.random.Generator, right: float) -> TokenLogits:
    """Make logits of tagged sentences; entities of WikiANN are half of its segments."""
    mean = 18 if task.name == "udpos" else 30 if language in _BY_CHARACTER else 8
    first_word = np.cumsum([0, *random.integers(mean // 2, mean * 3 // 2 + 1, size=number)])
    begins = random.random(first_word[-1]) < 0.6
    begins[first_word[:-1]] = True
    kind = random.integers(6, size=len(begins))[np.cumsum(begins) - 1]
    entity = np.where(kind >= 3, 6, kind + 3 * ~begins)  # labels B-LOC B-ORG B-PER I-LOC I-ORG I-PER O
    gold = random.integers(len(task.labels), size=len(begins)) if task.name == "udpos" else entity
    return TokenLogits(_ids("s", number), _scores(gold, len(task.labels), random, right), first_word, gold)


def _scores(gold: Integers, labels: int, random: np.random.Generator, right: float) -> Floats:
    best = np.where(random.random(len(gold)) < right, gold, random.integers(labels, size=len(gold)))
    scores = random.normal(size=(len(gold), labels)).astype(np.float32)
    scores[np.arange(len(gold)), best] += 8
    return scores


def _ids(prefix: str, number: int) -> tuple[str, ...]:
    return tuple(f"{prefix}-{i:09d}" for i in range(number))


def spans(task: Task, language: str, number: int, random: np.random.Generator) -> SpanLogits:
    """Make logits of questions; a second window repeats the end of the context."""
    shared = 5 if task.name == "xquad" else 1
    texts = [_context(language, random) for _ in range(-(-number // shared))]
    windows = [_windows(*texts[i // shared], random, two=i % 10 == 9) for i in range(number)]
    flat = [(i, window) for i, (found, _) in enumerate(windows) for window in found]
    lengths = [len(offsets) for _, (offsets, _, _, _) in flat]
    columns = [np.concatenate([window[column] for _, window in flat]) for column in range(4)]
    return SpanLogits(
        example_id=_ids(language, number),
        start_logits=columns[1].astype(np.float32),
        end_logits=columns[2].astype(np.float32),
        first_token=np.cumsum([0, *lengths]),
        offsets=columns[0],
        max_context=columns[3],
        null_logits=np.zeros((len(flat), 2), dtype=np.float32),
        feature_example=np.array([i for i, _ in flat]),
        example_context=np.arange(number) // shared,
        contexts=tuple(text for text, _ in texts),
        answers=tuple(json.dumps([answer]) for _, answer in windows),
    )


def _context(language: str, random: np.random.Generator) -> tuple[str, Integers]:
    """Return a text and the characters [start, end) of its tokens: words, longer ones cut in two."""
    lengths = random.integers(3, 11, size=130)
    own = _LETTERS.split()
    first, gap = (
        int(dict(zip(own[::2], own[1::2], strict=True)).get(language, "61"), 16),
        "" if language in _BY_CHARACTER else " ",
    )
    letters = "".join(map(chr, random.integers(first, first + 26, size=int(lengths.sum())).tolist()))
    ends = np.cumsum(lengths)
    words = [letters[end - length : end] for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)]
    words = ["the" if i % 12 == 5 else word[:-1] + "," if i % 9 == 4 else word for i, word in enumerate(words)]
    starts = np.cumsum([0, *(len(word) + len(gap) for word in words)])[:-1]
    stops = starts + [len(word) for word in words]
    middle = starts + 4
    long = stops - starts > 6
    begin, end = np.concatenate([starts, middle[long]]), np.concatenate([np.where(long, middle, stops), stops[long]])
    order = np.argsort(begin)
    return gap.join(words), np.stack([begin[order], end[order]], axis=1)


def _windows(
    text: str, tokens: Integers, random: np.random.Generator, *, two: bool
) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """Return the windows of a question, each (offsets, start logits, end logits, most context), and its answer."""
    length = int(random.integers(1, 7))
    answer = int(random.integers(len(tokens) - 10))
    shift = int(random.choice([0, 1, 40], p=[0.6, 0.25, 0.15]))
    found = min(answer + shift, len(tokens) - 1 - length)
    start, end = random.normal(size=(2, len(tokens)))
    start[found] += 9
    end[found + length - 1] += 9
    seen = np.ones(len(tokens), dtype=np.int64)
    windows: list[tuple[Any, ...]] = [(tokens, start, end, seen)]
    if two:
        windows.append((tokens[-128:], *random.normal(size=(2, 128)), np.zeros(128, dtype=np.int64)))
    begin, stop = int(tokens[answer, 0]), int(tokens[answer + length - 1, 1])
    return windows, {"text": text[begin:stop], "start": begin}


def retrieval(
    language: str, pairs: int, pool: int, random: np.random.Generator, dev: RetrievalLogits | None = None
) -> RetrievalLogits:
    """Make pools of sentences in which four of five gold pairs are nearest to each other."""
    size = pairs * pool
    gold = np.stack([random.permutation(size)[:pairs], random.permutation(size)[:pairs]], axis=1)
    near, back = random.integers(size, size=(2, size, _NEIGHBOURS))
    scores, back_scores = -np.sort(-random.uniform(0.2, 0.5, size=(2, size, _NEIGHBOURS)), axis=2).astype(np.float32)
    right = gold[random.random(pairs) < 0.8]
    near[right[:, 0], 0], back[right[:, 1], 0] = right[:, 1], right[:, 0]
    scores[right[:, 0], 0] = back_scores[right[:, 1], 0] = random.uniform(0.5, 0.9, size=len(right)).astype(np.float32)
    every, once = np.arange(size), np.ones(size, dtype=np.int64)
    ids = _ids("en", size), _ids(language, size)
    return RetrievalLogits(*ids, every, every, once, once, scores, near, back_scores, back, gold, dev)


def make(task: Task, language: str, number: int, random: np.random.Generator, right: float = 0.85) -> Logits:
    """Make the logits of one language; of labels and tags a share `right` of them is."""
    if task.name in GROUPS["qa"]:
        return spans(task, language, number, random)
    if task.name in GROUPS["tagging"]:
        return tags(task, language, number, random, right)
    if task.mining:
        pairs = min(number, _DEV_PAIRS[language])
        return retrieval(language, number, _POOL, random, dev=retrieval(language, pairs, _POOL, random))
    if task.name in GROUPS["retrieval"]:
        return retrieval(language, number, 1, random)
    return sequences(task, number, random, right)
