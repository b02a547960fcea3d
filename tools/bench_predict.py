#!/usr/bin/env python3
"""Measure evaluation in real tokens a second on XNLI, PAN-X and XQuAD, beside two peers.

The peers read the same encoded examples with the same weights: `padded` is a plain loop whose rows are padded to the
maximum, in the batches of XTREME's scripts; `trainer` is HF Trainer.predict with rows padded to the longest of a batch
and batches grouped by length. `ours` is the project's Predictor. fp32 is compared with fp32, and our bf16 weights with
the peers' bf16 autocast. All contenders take turns in one process, language by language; a ratio is that of one round,
given as median and range. What is timed goes from encoded examples to logits on the host. A CPU without bf16 units
needs many times as long in bf16: leave those contenders out there.

A whole test set takes too long on a CPU. So each language stands for one of official size (rows drawn from the small
real data), which HF Trainer's grouping orders, and typical batches of it are read (bench_sample.py). `--padding` counts
for the whole sets, in all languages, how many tokens are read for each real one; it measures nothing.

    python tools/bench_predict.py --contenders padded_fp32 trainer_fp32 ours_fp32        # Base size
    python tools/bench_predict.py --size large --tasks xnli --contenders trainer_fp32 ours_fp32
    python tools/bench_predict.py --padding
    python tools/bench_predict.py --size tiny --batches 1                # does it run?
"""

import argparse
import json
import statistics
import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_common import SHARED_DATA, SIZES, batches_in_order
from bench_predict_peers import (
    CONTENDERS,
    READINGS,
    Arrays,
    Contender,
    LanguageSet,
    contenders_of,
    device,
    encoded_sets,
    language_set,
    random_task_model,
    typical_rows,
)
from bench_sample import grouped, padding

from xstilts_hpc.data.encode import Encoded
from xstilts_hpc.model.random_model import tokenizer_of

# What is judged: (contender, what it is compared with).
RATIOS = (
    ("ours_fp32", "padded_fp32"),
    ("ours_fp32", "trainer_fp32"),
    ("ours_bf16", "padded_autocast"),
    ("ours_bf16", "trainer_autocast"),
    ("ours_autocast", "padded_autocast"),
    ("ours_autocast", "trainer_autocast"),
)

# Whose logits are compared.
DIFFERENCES = (("ours_fp32", "padded_fp32"), ("ours_autocast", "ours_fp32"), ("ours_bf16", "ours_fp32"))


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED_DATA, help="a data folder (default: that beside this one)")
    parser.add_argument("--tokenizer", type=Path, help="a folder with XLM-R's tokenizer (default: in the data folder)")
    parser.add_argument("--size", choices=sorted(SIZES), default="base")
    parser.add_argument("--rows", type=int, default=5_010, help="pairs and sentences of a test set; questions: a share")
    parser.add_argument("--batches", type=int, default=4, help="batches of 32 read of each; questions: a share")
    parser.add_argument("--languages", nargs="*", default=["en"], help="none named: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", choices=list(READINGS), default=list(READINGS))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--trainer-batch", type=int, default=32, help="examples per batch of HF Trainer")
    parser.add_argument("--padding", action="store_true", help="count padding in whole sets of all languages, and end")
    arguments = parser.parse_args()
    tokenizer = tokenizer_of(arguments.tokenizer or arguments.data / "tokenizer" / "xlm-roberta")
    if arguments.padding:
        whole = encoded_sets(arguments.data, tokenizer, arguments.tasks, [], arguments.rows)
        named = [(task.name, encoded) for task, _, encoded in whole]
        print(json.dumps(padding_of(named, arguments.trainer_batch, whole=True)))
        return
    sets = list(typical_sets(arguments, tokenizer))
    model = random_task_model(arguments.size, len(tokenizer)).to(device())
    half = random_task_model(arguments.size, len(tokenizer))
    contenders = contenders_of(model, half, arguments.trainer_batch)
    contenders = {name: contenders[name] for name in arguments.contenders}
    measured, facts = take_turns(contenders, sets, arguments.rounds), settings(arguments, sets)
    print(json.dumps({**facts, **speeds(measured, facts["tokens"]), **differences(measured.logits, sets)}, indent=1))


def typical_sets(arguments: argparse.Namespace, tokenizer: Any) -> Iterator[LanguageSet]:
    """Yield typical rows of each language."""
    chosen = (arguments.tasks, arguments.languages, arguments.rows)
    for task, language, encoded in encoded_sets(arguments.data, tokenizer, *chosen):
        batches = READINGS[task.name].of(arguments.batches)
        yield language_set(task, language, typical_rows(encoded, arguments.trainer_batch, batches))


def padding_of(sets: Sequence[tuple[str, Encoded]], batch: int, *, whole: bool) -> dict[str, dict[str, float]]:
    """Return by task, and over all, how many tokens the peers read for each real one.

    The rows of a `whole` set are still to be grouped; typical ones come in the batches of HF Trainer.
    """
    counts: dict[str, list[tuple[float, ...]]] = {}
    for task, encoded in sets:
        lengths = encoded.ragged("input_ids").lengths()
        batches = grouped(lengths, batch) if whole else batches_in_order(len(lengths), batch)
        tokens = int(lengths.sum())
        counts.setdefault(task, []).append(
            (tokens, READINGS[task].width * len(lengths), padding(batches, lengths) * tokens)
        )
    counts["all"] = [count for of_task in counts.values() for count in of_task]
    sums = {task: np.sum(of_task, axis=0) for task, of_task in counts.items()}
    return {
        task: {"padded": round(fixed / tokens, 3), "trainer": round(longest / tokens, 3)}
        for task, (tokens, fixed, longest) in sums.items()
    }


@dataclass
class Measured:
    """Seconds of every contender: one mapping from task to seconds per round; and logits of its first round."""

    seconds: dict[str, list[dict[str, float]]]
    logits: dict[str, list[Arrays]]


def take_turns(contenders: dict[str, Contender], sets: Sequence[LanguageSet], rounds: int) -> Measured:
    """Let every contender predict every language, in turn, after a first one that is not counted."""
    measured = Measured({name: [] for name in contenders}, {name: [] for name in contenders})
    for contender in contenders.values():
        contender(sets[0])
    for number in range(rounds):
        seconds = {name: dict.fromkeys((language.task.name for language in sets), 0.0) for name in contenders}
        for language in sets:
            for name, contender in contenders.items():
                needed, found = contender(language)
                seconds[name][language.task.name] += needed
                if not number:
                    measured.logits[name].append(found)
        for name, by_task in seconds.items():
            measured.seconds[name].append(by_task)
            print(number, name, {task: round(value, 2) for task, value in by_task.items()}, file=sys.stderr, flush=True)
    return measured


def settings(arguments: argparse.Namespace, sets: Sequence[LanguageSet]) -> dict[str, Any]:
    """Return what was measured on what."""
    names = dict.fromkeys(language.task.name for language in sets)
    of = {name: [language for language in sets if language.task.name == name] for name in names}
    on = torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu, {torch.get_num_threads()} threads"
    return {
        "bench": "predict",
        "device": on,
        **{name: getattr(arguments, name) for name in ("size", "rows", "batches", "rounds", "trainer_batch")},
        "languages": {name: [language.language for language in of[name]] for name in names},
        "items": {name: sum(language.encoded.items for language in of[name]) for name in names},
        "tokens": {name: sum(language.tokens for language in of[name]) for name in names},
        "padding": padding_of(
            [(language.task.name, language.encoded) for language in sets], arguments.trainer_batch, whole=False
        ),
    }


def speeds(measured: Measured, tokens: dict[str, int]) -> dict[str, Any]:
    """Return medians of real tokens a second, over everything and by task, and the ratios of single rounds."""
    whole = {name: [sum(one.values()) for one in rounds] for name, rounds in measured.seconds.items()}
    by_task = {
        task: {name: [one[task] for one in rounds] for name, rounds in measured.seconds.items()} for task in tokens
    }
    parts = {"all": (sum(tokens.values()), whole), **{task: (tokens[task], by_task[task]) for task in tokens}}
    return {
        "tokens_per_s": {
            part: {name: round(count / statistics.median(values), 1) for name, values in seconds.items()}
            for part, (count, seconds) in parts.items()
        },
        "ratios": {
            part: {f"{one} / {other}": ratio(seconds[other], seconds[one]) for one, other in chosen(RATIOS, seconds)}
            for part, (_, seconds) in parts.items()
        },
    }


def chosen(pairs: Iterable[tuple[str, str]], measured: Container[str]) -> list[tuple[str, str]]:
    """Return the pairs of contenders of which both were measured."""
    return [(one, other) for one, other in pairs if one in measured and other in measured]


def ratio(slow: Sequence[float], fast: Sequence[float]) -> str:
    """Return how many times as fast one is as the other in the same round: median and range."""
    values = [a / b for a, b in zip(slow, fast, strict=True)]
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def differences(logits: dict[str, list[Arrays]], sets: Sequence[LanguageSet]) -> dict[str, Any]:
    """Return by task how far logits differ at most, and in what share of decisions another class is the largest.

    A decision is an item, a word, or where an answer starts or ends. The weights are random, so no class stands out.
    """
    return {
        "differences": {
            f"{one} - {other}": {
                task: difference(*(of_task(logits[name], sets, task) for name in (one, other)))
                for task in dict.fromkeys(language.task.name for language in sets)
            }
            for one, other in chosen(DIFFERENCES, logits)
        }
    }


def of_task(logits: list[Arrays], sets: Sequence[LanguageSet], task: str) -> Arrays:
    """Return the logits of a task's items in all languages."""
    chosen = (arrays for arrays, language in zip(logits, sets, strict=True) if language.task.name == task)
    return [array for arrays in chosen for array in arrays if array.size]


def difference(one: Arrays, other: Arrays) -> dict[str, float]:
    """Return the largest difference, that of the logits among themselves for scale, and the share of other classes."""
    apart = max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))
    spread = float(np.std(np.concatenate([a.ravel() for a in other])))
    changed = np.concatenate([np.ravel(a.argmax(-1) != b.argmax(-1)) for a, b in zip(one, other, strict=True)])
    return {"max": apart, "deviation_of_logits": round(spread, 4), "other_class": round(float(changed.mean()), 5)}


if __name__ == "__main__":
    main()
