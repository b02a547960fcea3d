"""The folder of one run: the only place that knows what its files are called."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xstilts_hpc.errors import RunError
from xstilts_hpc.files import MALFORMED, fits, made_of, read_record, sha256_of, write_json
from xstilts_hpc.run import SCHEMA, Request, Run

# Markers that are written last: of the trained model, and of the newest checkpoint.
READY, CURRENT = "READY.json", "CURRENT.json"
# What is read again of the record of an attempt, as far as it is there; more is in it.
ATTEMPT = {
    **dict.fromkeys(("attempt?", "pid?", "ranks?", "from_step?", "to_step?"), int),
    **dict.fromkeys(("start?", "end?", "cause?", "error?", "host?", "node?", "profile?", "decided?"), str),
    "again?": bool,
    "job?": {str: str},
    "facts?": dict,
    "measured?": {str: (int, float)},
    "subsets?": {str: {"examples": int, "ids_sha256": str}},
    "checkpoints_passed_over?": [str],
}


@dataclass(frozen=True)
class Product:
    """A file that a run left, as its commit record has it; `path` is relative to the run's folder."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run; the only place that knows what its files are called."""

    path: Path

    @property
    def run_json(self) -> Path:
        """Return the path of the description."""
        return self.path / "run.json"

    @property
    def request_json(self) -> Path:
        """Return the path of what grids asked of this run."""
        return self.path / "request.json"

    @property
    def done_json(self) -> Path:
        """Return the path of the commit record."""
        return self.path / "DONE.json"

    @property
    def history(self) -> Path:
        """Return the path of the training history, a line per logging step."""
        return self.path / "history.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Return the folder of the files for TensorBoard, one per attempt that draws."""
        return self.path / "tensorboard"

    @property
    def encoder(self) -> Path:
        """Return the folder of the saved encoder and tokenizer."""
        return self.path / "encoder"

    @property
    def trained(self) -> Path:
        """Return the folder of the trained model (encoder and head) that predictions are made from."""
        return self.path / "trained"

    @property
    def checkpoints(self) -> Path:
        """Return the folder of the training state; gone once the training is done."""
        return self.path / "checkpoints"

    def provenance(self, attempt: int) -> Path:
        """Return the path of the record of an attempt, counted from 1."""
        return self.path / "provenance" / f"{attempt}.json"

    def rank_failure(self, attempt: int, rank: int) -> Path:
        """Return the path where another rank than the main one writes why it failed."""
        return self.provenance(attempt).with_suffix(f".rank{rank}.json")

    def rank_failures(self, attempt: int) -> list[dict[str, Any]]:
        """Return why ranks other than the main one failed, by the time they did."""
        paths = self.provenance(attempt).parent.glob(f"{attempt}.rank*.json")
        return sorted(map(read_record, paths), key=lambda failure: str(failure.get("time")))

    @property
    def lease(self) -> Path:
        """Return the path of the lease: who executes this run now."""
        return self.path / "LEASE"

    @property
    def log(self) -> Path:
        """Return the path of what the run printed on this machine; Slurm's logs lie with the submission."""
        return self.path / "log.txt"

    def logits(self, task: str) -> Path:
        """Return the path of a task's logits."""
        return self.path / "logits" / f"{task}.h5"

    def logits_part(self, task: str, language: str) -> Path:
        """Return the path of one language's logits while the run goes on."""
        return self.path / "logits" / f"{task}.parts" / f"{language}.h5"

    def remove_leftovers(self) -> None:
        """Remove the half-written logits files of processes that were killed; only the holder of the lease may."""
        for path in self.logits("").parent.glob("*.partial"):
            path.unlink(missing_ok=True)

    def attempts(self) -> list[dict[str, Any]]:
        """Return the records of all attempts, oldest first."""
        return [self.attempt(number) for number in self._numbers()]

    def attempt(self, number: int) -> dict[str, Any]:
        """Return the record of an attempt; RunError where it says something of another form than attempts write."""
        path = self.provenance(number)
        record = {"attempt": number, "start": "", "end": "", "cause": "", **read_record(path)}
        wrong = [name.removesuffix("?") for name, form in ATTEMPT.items() if not fits(record, {name: form})]
        if wrong:
            raise RunError(f"{path}: damaged ({wrong[0]} is {str(record[wrong[0]])[:80]!r}); delete it")
        return record

    def next_attempt(self) -> int:
        """Return the number of the attempt that begins now."""
        return max(self._numbers(), default=0) + 1

    def progress(self, request: Request) -> list[int]:
        """Return how far the run is by what is on disk: its updates (-1: all of them), and its languages."""
        pairs = [(prediction.task, language) for prediction in request.predictions for language in prediction.data]
        languages = sum(self.logits_part(*pair).is_file() for pair in pairs)
        if (self.trained / READY).is_file():
            return [-1, languages]
        try:
            return [int(read_record(self.checkpoints / CURRENT)["step"]), languages]
        except (RunError, OSError, *MALFORMED):
            return [0, languages]

    def amend(self, attempt: int, more: Mapping[str, Any]) -> None:
        """Add to the record of an attempt what was found out about it later."""
        write_json(self.provenance(attempt), {**read_record(self.provenance(attempt)), **more})

    def _numbers(self) -> list[int]:
        found = (self.path / "provenance").glob("*.json")
        return sorted(int(path.stem) for path in found if path.stem.isdigit())

    def run(self) -> Run:
        """Return the run this folder belongs to."""
        if not self.run_json.is_file():
            raise RunError(f"{self.path}: no run.json, so no run was prepared here; submit its grid first")
        return Run.from_json(read_record(self.run_json))

    def request(self) -> Request:
        """Return what grids asked of this run so far."""
        return Request.from_json(read_record(self.request_json)) if self.request_json.is_file() else Request(())

    def prepare(self, run: Run, request: Request) -> None:
        """Write the description and what is asked, adding to what was asked before."""
        if self.run_json.is_file():
            if self.run().describe() != run.describe():
                raise RunError(f"{self.run_json} describes another run than {run.id}; move the folder away")
        else:
            write_json(self.run_json, run.to_json())
        wanted = self.request().union(request)
        if wanted != self.request():
            write_json(self.request_json, wanted.to_json())

    def commit(
        self,
        scores: Mapping[str, Any],
        files: Iterable[Path],
        request: Request,
        *,
        subsets: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Write DONE.json, the commit record, last of all: every product with its size and SHA-256.

        `subsets` says of each task of which a part was trained on how many examples, and the digest of their ids.
        """
        products = [
            {"path": str(path.relative_to(self.path)), "bytes": path.stat().st_size, "sha256": sha256_of(path)}
            for path in sorted(files)
        ]
        facts = {"files": products, "scores": scores, "subsets": dict(subsets)}
        write_json(self.done_json, {"schema": SCHEMA, "run": self.run().id, **facts, **request.to_json()})

    def done(self, request: Request, *, verify: bool = False) -> bool:
        """Say whether the commit record covers a request and its files are there.

        Sizes are checked; with `verify` also every SHA-256 (reads all files).
        """
        try:
            return all(self._intact(product, verify=verify) for product in self.committed(request))
        except (OSError, RunError):
            return False  # a damaged record commits nothing: the run is done again

    def committed(self, request: Request) -> list[dict[str, Any]]:
        """Return the products (path, bytes, sha256) of a commit record; RunError where a request is not covered."""
        record = read_record(self.done_json)
        if not _covers(Request.from_json(record), request):
            raise RunError(f"{self.done_json} does not hold what was asked; submit the grid again")
        try:
            return [vars(made_of(Product, product)) for product in record["files"]]
        except MALFORMED as error:
            raise RunError(f"{self.done_json}: damaged ({error}); delete it and submit the grid again") from error

    def set_aside(self) -> None:
        """Rename the commit record of a run whose files are damaged, so that the run is done again."""
        with contextlib.suppress(FileNotFoundError):  # another child was faster
            self.done_json.rename(self.done_json.with_suffix(".damaged.json"))

    def scores(self) -> dict[str, Any]:
        """Return the scores the run itself computed: task → language → part → value in [0, 1]."""
        scores = read_record(self.done_json).get("scores")
        if not isinstance(scores, dict):
            raise RunError(f"{self.done_json}: damaged (scores are {scores!r}); delete it and submit the grid again")
        return scores

    def _intact(self, product: Mapping[str, Any], *, verify: bool) -> bool:
        path = self.path / product["path"]
        if "\0" in product["path"] or not path.is_file() or path.stat().st_size != product["bytes"]:
            return False
        return not verify or sha256_of(path) == product["sha256"]


def _covers(done: Request, wanted: Request) -> bool:
    have = {(p.task, p.split, language): digest for p in done.predictions for language, digest in p.data.items()}
    want = {(p.task, p.split, language): digest for p in wanted.predictions for language, digest in p.data.items()}
    return (done.keep_encoder or not wanted.keep_encoder) and all(have.get(key) == want[key] for key in want)


def run_folder(root: Path, run_id: str) -> RunFolder:
    """Return the folder of a run under the root."""
    return RunFolder(root / "runs" / run_id)
