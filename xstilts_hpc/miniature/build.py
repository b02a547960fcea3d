"""Build the embedded default: data and model of the made-up world, in about a minute."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from xstilts_hpc.files import read_json, write_json
from xstilts_hpc.miniature import files, world
from xstilts_hpc.miniature.pretrain import Pretraining, encoder_of, pretrain
from xstilts_hpc.miniature.tokenizer import make_tokenizer
from xstilts_hpc.model.libraries import settle_libraries

Progress = Callable[[str, float], None]

# Raise it when a change gives other data or another model.
VERSION = 2
DATA_SHARE = 0.05


def build(folder: Path, *, progress: Progress, threads: int = 1) -> None:
    """Write `data/` and `model/` into the folder, unless they are there already.

    More threads add up in another order and give other weights. They gain little on matrices this small, and lose much
    where other processes share the cores: a step took 38 ms with one thread and 310 ms with two (load 4 on 2 cores).
    """
    settings = Pretraining()
    record = describe(settings)
    marker = folder / "BUILT.json"
    if marker.is_file() and read_json(marker) == record:
        progress("miniature world is built", 1.0)
        return
    marker.unlink(missing_ok=True)
    files.write_data(folder / "data", progress=lambda text, fraction: progress(text, DATA_SHARE * fraction))
    build_model(
        folder,
        settings,
        progress=lambda text, fraction: progress(text, DATA_SHARE + (1 - DATA_SHARE) * fraction),
        threads=threads,
    )
    write_json(marker, record)
    progress("miniature world is built", 1.0)


def describe(settings: Pretraining) -> dict[str, Any]:
    """Return what decides the bytes of the world; it does not say how many threads computed it."""
    return {"version": VERSION, "seed": world.SEED, "lines": files.NUM_LINES, "pretraining": asdict(settings)}


def build_model(folder: Path, settings: Pretraining, *, progress: Progress, threads: int) -> None:
    """Make the tokenizer, pretrain the encoder, and save both."""
    settle_libraries()
    lines = list(files.read_plain_text(folder / "data"))
    progress("counting pieces", 0.0)
    tokenizer = make_tokenizer(lines)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(min(threads, os.cpu_count() or 1))
    try:
        model, _ = pretrain(lines, tokenizer, settings=settings, progress=progress)
    finally:
        torch.set_num_threads(threads_before)
    encoder_of(model).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
