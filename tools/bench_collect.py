"""Print as JSON how long it takes to score the logits of one full XTREME evaluation on one core.

Ours is reading the logits files and scoring them. With --xtreme CHECKOUT (and --python, one that has seqeval 0.0.12)
the official evaluate.py scores the predictions and labels exported from the same logits; its start (imports, no task)
is measured apart and taken off. The numbers of both must agree.

Example: python tools/bench_collect.py --fraction 0.02 --xtreme ../xtreme --python ../xtreme/venv/bin/python

Sizes are the test sets of XTREME by task and language. The logits are made up; assumed, after real files: 18 words in
a sentence of UD, 8 in one of WikiANN (30 where characters are words); a context of 130 words of 3 to 10 letters for
each question (five questions share one in XQuAD), one window for most and two for every tenth; one answer of 1 to 6
tokens; 85 % of tags and 60 % of answers right. BUCC's pools are assumed to hold 30 sentences for each gold pair.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xstilts_hpc.logits import (
    Floats,
    Header,
    Integers,
    Logits,
    RetrievalLogits,
    SequenceLogits,
    SpanLogits,
    TokenLogits,
    read_logits,
    write_logits,
)
from xstilts_hpc.results.xtreme_layout import ALL_TASKS, GROUPS, XtremeScores, write_language
from xstilts_hpc.scoring import score
from xstilts_hpc.tasks import task_of
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


def sequences(task: Task, number: int, random: np.random.Generator) -> SequenceLogits:
    """Make logits of pairs, most of them right."""
    gold = random.integers(len(task.labels), size=number)
    return SequenceLogits(_ids("e", number), _scores(gold, len(task.labels), random), gold)


def tags(task: Task, language: str, number: int, random: np.random.Generator) -> TokenLogits:
    """Make logits of tagged sentences; entities of WikiANN are half of its segments."""
    mean = 18 if task.name == "udpos" else 30 if language in _BY_CHARACTER else 8
    first_word = np.cumsum([0, *random.integers(mean // 2, mean * 3 // 2 + 1, size=number)])
    begins = random.random(first_word[-1]) < 0.6
    begins[first_word[:-1]] = True
    kind = random.integers(6, size=len(begins))[np.cumsum(begins) - 1]
    entity = np.where(kind >= 3, 6, kind + 3 * ~begins)  # labels B-LOC B-ORG B-PER I-LOC I-ORG I-PER O
    gold = random.integers(len(task.labels), size=len(begins)) if task.name == "udpos" else entity
    return TokenLogits(_ids("s", number), _scores(gold, len(task.labels), random), first_word, gold)


def _scores(gold: Integers, labels: int, random: np.random.Generator) -> Floats:
    best = np.where(random.random(len(gold)) < 0.85, gold, random.integers(labels, size=len(gold)))
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


def make(task: Task, language: str, number: int, random: np.random.Generator) -> Logits:
    """Make the logits of one language."""
    if task.name in GROUPS["qa"]:
        return spans(task, language, number, random)
    if task.name in GROUPS["tagging"]:
        return tags(task, language, number, random)
    if task.mining:
        pairs = min(number, _DEV_PAIRS[language])
        return retrieval(language, number, _POOL, random, dev=retrieval(language, pairs, _POOL, random))
    return (
        retrieval(language, number, 1, random) if task.name in GROUPS["retrieval"] else sequences(task, number, random)
    )


def write_all(folder: Path, fraction: float, *, layout: bool) -> None:
    """Write the logits file of every task, and with `layout` the same in the official layout."""
    for seed, name in enumerate(ALL_TASKS):
        task, random = task_of(name), np.random.default_rng(seed)
        logits = {code: make(task, code, number, random) for code, number in sizes_of(task, fraction).items()}
        header = Header("bench", name, str(task.kind), "test", "made up", "bench", "today")
        write_logits(_logits(folder, name), header, {code: (value, "") for code, value in logits.items()})
        for code, value in logits.items() if layout else ():
            write_language((folder / "predictions", folder / "labels"), task, code, value)


def _logits(folder: Path, name: str) -> Path:
    return folder / "logits" / f"{name}.h5"


def score_ours(folder: Path, name: str) -> tuple[float, dict[str, dict[str, float]]]:
    """Return the seconds that reading and scoring one task take, and the scores: part, language, number."""
    task, parts = task_of(name), dict[str, dict[str, float]]()
    started = time.perf_counter()
    for code in task.languages:
        for part, value in score(task, read_logits(_logits(folder, name), [code])[code], code).items():
            parts.setdefault(part, {})[code] = value
    return time.perf_counter() - started, parts


def score_officially(folder: Path, names: tuple[str, ...], checkout: Path, python: str) -> tuple[float, dict[str, Any]]:
    """Return the seconds that evaluate.py takes on some tasks, start of Python included, and what it wrote."""
    with tempfile.TemporaryDirectory(dir=folder) as part:
        sides = {"prediction": Path(part, "predictions"), "label": Path(part, "labels")}
        options = [f"--output_file={part}/scores.json", *(f"--{side}_folder={path}" for side, path in sides.items())]
        for path in sides.values():
            path.mkdir()
            for name in names:
                (path / name).symlink_to(folder / path.name / name)
        started = time.perf_counter()
        subprocess.run([python, "evaluate.py", *options], cwd=checkout, check=True, capture_output=True)
        return time.perf_counter() - started, json.loads(Path(part, "scores.json").read_text("utf-8"))


def agree(ours: Mapping[str, Any], official: Mapping[str, Any]) -> bool:
    """Say whether every number by language of the official script is ours too, to 1e-9."""
    expected = XtremeScores(ours).official()
    parts = [(task, part) for task in ALL_TASKS for part in official[task] if not part.startswith("avg_")]
    return all(
        abs(value - expected[task][part][code]) < 1e-9
        for task, part in parts
        for code, value in official[task][part].items()
    )


def measure(folder: Path, xtreme: Path | None, python: str) -> dict[str, Any]:
    """Return seconds and ratios by group of tasks."""
    ours = {name: score_ours(folder, name) for name in ALL_TASKS}
    report: dict[str, Any] = {"ours_s": _by_group({name: seconds for name, (seconds, _) in ours.items()})}
    if not xtreme:
        return {**report, "official_s": "not measured: give --xtreme CHECKOUT"}
    start_s, _ = score_officially(folder, (), xtreme, python)
    seconds, found = {}, dict[str, Any]()
    for name in ALL_TASKS:
        taken, scores = score_officially(folder, (name,), xtreme, python)
        seconds[name], found = taken - start_s, {**found, **scores}
    report |= {"official_start_s": round(start_s, 2), "official_s": _by_group(seconds)}
    # What the official script does within the noise of its start has no ratio.
    timed = {group: taken for group, taken in report["official_s"].items() if taken > report["official_start_s"]}
    ratios = {group: round(taken / report["ours_s"][group], 1) for group, taken in timed.items()}
    return {**report, "ratio": ratios, "same_scores": agree({name: parts for name, (_, parts) in ours.items()}, found)}


def _by_group(seconds: Mapping[str, float]) -> dict[str, float]:
    groups = {
        **{name: (name,) for name in ALL_TASKS},
        **GROUPS,
        "tagging_and_qa": (*GROUPS["tagging"], *GROUPS["qa"]),
        "all": ALL_TASKS,
    }
    return {group: round(sum(seconds[name] for name in names), 3) for group, names in groups.items()}


def main() -> int:
    """Read the arguments, make the files, measure on one core."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fraction", type=float, default=1.0, help="of the examples of every language")
    parser.add_argument("--xtreme", type=Path, help="a checkout of google-research/xtreme")
    parser.add_argument("--python", default=sys.executable, help="a Python that has seqeval 0.0.12")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = Path(tempfile.mkdtemp(prefix="xs-bench-"))
    try:
        write_all(folder, arguments.fraction, layout=arguments.xtreme is not None)
        report = measure(folder, arguments.xtreme, arguments.python)
    finally:
        shutil.rmtree(folder)
    print(json.dumps({"bench": "collect", "fraction": arguments.fraction, "cores": 1, **report}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
