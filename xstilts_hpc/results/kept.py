"""What was scored once is kept in `<root>/cache/scored`, so that collecting again reads only what is new.

A file per run and task: the scores in every language, and the headline on resampled test sets. It may be deleted at
any time. It holds for one logits file (its size, time of change and SHA-256 in DONE.json), for what the plan asks of
it, and for the code that scores; where anything of that differs the logits are scored again.
"""

import contextlib
import hashlib
import json
import sys
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from xstilts_hpc.files import whole_file
from xstilts_hpc.run import Prediction
from xstilts_hpc.run_folder import RunFolder
from xstilts_hpc.scoring.draws import Draws
from xstilts_hpc.tasks import task_of

# What a damaged file raises, and what scores depend on in this package.
_DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)
_LOGITS = ("logits.py", "logits_check.py", "logits_file.py")
_SCORING = ("metrics", "scoring", "statistics", "tasks", *_LOGITS, "results/flags.py", "results/rows.py")


@dataclass(frozen=True, slots=True)
class LanguageScore:
    """The parts of a task's metric in one language, each in [0, 1]; `flags` are words with spaces between them."""

    language: str
    parts: Mapping[str, float]
    examples: int
    flags: str

    def to_json(self) -> dict[str, Any]:
        """Return the score as JSON."""
        return {"language": self.language, "parts": self.parts, "examples": self.examples, "flags": self.flags}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "LanguageScore":
        """Return the score of a JSON value; words that all files share are kept once."""
        words = {name: sys.intern(value[name]) for name in ("language", "flags")}
        parts = {sys.intern(part): number for part, number in value["parts"].items()}
        return LanguageScore(words["language"], parts, value["examples"], words["flags"])


@dataclass(frozen=True)
class FileScore:
    """What a logits file gave: scores by language, the code that wrote it, and why languages are missing.

    `problems` leads from a language, or from WHOLE_FILE, to the reason.
    """

    scores: tuple[LanguageScore, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    code: str = ""


@dataclass(frozen=True)
class Kept:
    """The place of what is kept of one logits file."""

    path: Path

    def load(self, pinned: Mapping[str, Any]) -> FileScore | None:
        """Return the scores that were kept for this state of the logits file, None where there are none."""
        with contextlib.suppress(*_DAMAGED), self.path.open("rb") as stream, np.load(stream) as stored:
            found = json.loads(stored["scores"].tobytes())
            if found["pinned"] == pinned:
                scores = tuple(map(LanguageScore.from_json, found["scores"]))
                return FileScore(scores, {}, found["code"])
        return None

    def save(self, pinned: Mapping[str, Any], file: FileScore, draws: Draws | None) -> None:
        """Keep scores without a problem, and draws in any case; where nothing can be written nothing is kept."""
        arrays: dict[str, Any] = {}
        if not file.problems:
            text = json.dumps({"pinned": pinned, "code": file.code, "scores": [one.to_json() for one in file.scores]})
            arrays["scores"] = np.frombuffer(text.encode(), dtype=np.uint8)
        if draws is not None:
            arrays |= {
                "headline": draws.headline,
                "languages": np.array(draws.languages),
                "test_sets": np.array(draws.test_sets),
            }
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self.path, durable=False) as partial, partial.open("wb") as stream:
                np.savez(stream, **arrays)

    def draws(self) -> Draws | None:
        """Return the headline on resampled test sets, None where it was not kept."""
        with contextlib.suppress(*_DAMAGED), self.path.open("rb") as stream, np.load(stream) as stored:
            languages = tuple(map(str, stored["languages"].tolist()))
            return Draws(languages, stored["headline"], tuple(stored["test_sets"].tolist()))
        return None


def kept(root: Path, run: str, prediction: Prediction) -> Kept:
    """Return where the scores of a run's predictions are kept."""
    return Kept(root / "cache" / "scored" / f"{run}--{prediction.task}-{prediction.split}.npz")


def pinned(folder: RunFolder, prediction: Prediction, sha256: str) -> dict[str, Any]:
    """Return what kept scores hold for: the logits file, what is asked of it, and the code that scores.

    Of a task of another package that is its code as well.
    """
    found = folder.logits(prediction.task).stat()
    return {
        "sha256": sha256,
        "bytes": found.st_size,
        "changed": found.st_mtime_ns,
        "data": dict(prediction.data),
        "scoring": scoring_digest(),
        "task": task_of(prediction.task).code,
    }


@cache
def scoring_digest() -> str:
    """Return the digest of the sources that scores depend on."""
    digest = hashlib.sha256()
    package = Path(str(resources.files("xstilts_hpc")))
    for name in _SCORING:
        place = package / name
        for path in sorted(place.glob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()
