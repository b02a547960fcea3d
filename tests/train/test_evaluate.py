"""While one language is predicted the next is read and the one before is written; whatever happens, files are whole."""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.tiny import grid_text, write_all_tiny_data
from tests.waiting import wait_until
from xstilts_hpc.errors import DataError
from xstilts_hpc.expand import expand
from xstilts_hpc.files import Memory
from xstilts_hpc.grid import load_grid
from xstilts_hpc.lease import UNKNOWN, Lease, LeaseLostError, hold
from xstilts_hpc.logits import RetrievalLogits
from xstilts_hpc.logits_file import read_header, read_logits
from xstilts_hpc.machine import Machine
from xstilts_hpc.model.encoder import load_encoder, load_tokenizer
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.tasks.base import Split
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.train.evaluate import ahead, predict_all, prediction_precision
from xstilts_hpc.train.ranks import Ranks
from xstilts_hpc.train.record import Findings
from xstilts_hpc.train.stop import Stop, StoppedError
from xstilts_hpc.train.trained import save_trained
from xstilts_hpc.train.work import Work

LANGUAGES = ("de", "en", "sw")
SOON_S = 60.0


def work_on(root: Path, target: str, **changes: Any) -> Work:
    """Return the work of a run that is trained, and is to predict every language of a target task."""
    text = grid_text(intermediate="[{task: none}]", target=f"{{task: [{target}]}}")
    (root / "grid.yaml").write_text(text, encoding="utf-8")
    (planned,) = expand(load_grid(root / "grid.yaml"), root=root).runs.values()
    folder = run_folder(root, planned.run.id)
    folder.prepare(planned.run, planned.request)
    model, data = str(root / "models" / "tiny"), DataFolder(root / "data", Memory(root / "cache" / "data.json"))
    work = Work(
        root,
        folder,
        planned.run,
        planned.request,
        Machine(),
        Ranks(0, 1, 0, torch.device("cpu")),
        data,
        (model, "main"),
        load_tokenizer(model),
        Findings(),
        Stop(),
    )
    if planned.run.training:
        trained = TaskModel(load_encoder(model), [work.task(part.task) for part in planned.run.training.parts], seed=0)
        save_trained(folder.trained, trained, trained.state_dict(), work.tokenizer, subsets={})
    return replace(work, **changes)


def again(work: Work, **changes: Any) -> Work:
    """Return the work of a later execution of the same run."""
    data = DataFolder(work.root / "data", Memory(work.root / "cache" / "data.json"))
    return replace(work, **{"data": data, "findings": Findings(), "stop": Stop(), **changes})


def parts(work: Work, task: str = "xnli") -> dict[str, Path]:
    """Return the files of single languages that are there, half-written ones too."""
    return {path.stem: path for path in work.folder.logits_part(task, "").parent.glob("*")}


def written_ns(work: Work) -> dict[str, int]:
    """Return when the file of each language was written."""
    return {language: path.stat().st_mtime_ns for language, path in parts(work).items()}


class Watch(Lease):
    """A lease that does something whenever it is checked: before every write."""

    action: Callable[[], None]

    def check(self) -> None:
        """Do it."""
        self.action()


def watch(work: Work, action: Callable[[], None]) -> Lease:
    lease = Watch(work.folder.lease, UNKNOWN)
    object.__setattr__(lease, "action", action)
    return lease


def encoded_sets(work: Work) -> int:
    return len([path for path in work.encoder.cache.glob("xnli-*") if path.suffix != ".partial"])


def test_the_languages_of_every_task_are_joined_in_the_order_of_the_request(tiny_root: Path) -> None:
    for target, languages in (("xnli", ["de", "en", "sw"]), ("panx", ["de", "en", "sw"]), ("xquad", ["de", "en"])):
        work = work_on(tiny_root, target)
        predict_all(work)
        (prediction,) = work.request.predictions
        assert list(read_logits(work.folder.logits(target))) == sorted(prediction.languages) == languages
        assert read_header(work.folder.logits(target)).run == work.run.id
        assert work.findings.notes == {"prediction_precision": "fp32", "prediction_tokens": 4096}
        assert work.findings.seconds["predict_s"] > 0


def test_mined_pairs_bring_those_of_dev_for_their_threshold(tiny_root: Path) -> None:
    write_all_tiny_data(tiny_root / "data")
    work = work_on(tiny_root, "bucc2018")
    predict_all(work)
    logits = read_logits(work.folder.logits("bucc2018"))["de"]
    assert isinstance(logits, RetrievalLogits) and logits.dev
    assert logits.dev.candidate_id == ("de-000000001", "de-000000003")


def test_one_item_is_found_out_ahead_of_the_one_in_use_and_no_more() -> None:
    begun: list[int] = []
    with ThreadPoolExecutor(1) as thread:
        squares = ahead(thread, lambda n: begun.append(n) or n * n, [1, 2, 3, 4])  # type: ignore[func-returns-value]
        assert next(squares) == 1
        wait_until(lambda: begun == [1, 2], "the next one")
        assert [next(squares), next(squares)] == [4, 9]
        thread.submit(int).result()
        assert begun == [1, 2, 3, 4]
        assert list(squares) == [16]
    assert list(ahead(thread, int, [])) == []


def test_while_a_language_is_written_the_next_is_predicted_and_the_one_after_it_read(tiny_root: Path) -> None:
    work = work_on(tiny_root, "xnli")
    # Reading of the third language begins when the second is taken to be predicted, and it is never written before.
    lease = watch(work, lambda: wait_until(lambda: encoded_sets(work) == len(LANGUAGES), "all encoded sets"))
    predict_all(replace(work, lease=lease))
    assert set(parts(work)) == set(LANGUAGES)


def test_a_language_that_cannot_be_read_ends_the_run_and_those_before_it_are_written(tiny_root: Path) -> None:
    work = work_on(tiny_root, "xnli")
    order = list(work.request.predictions[0].data)
    changed = tiny_root / "data" / "xnli" / f"dev-{order[-1]}.tsv"
    before = changed.read_bytes()
    changed.write_bytes(before + b"a\tb\tneutral\r\n")
    with pytest.raises(
        DataError, match=f"dev-{order[-1]}.tsv: changed since run .* was planned; submit the grid again"
    ):
        predict_all(again(work))
    assert set(parts(work)) == set(order[:-1])
    written = written_ns(work)
    changed.write_bytes(before)
    predict_all(again(work))
    assert set(parts(work)) == set(order)
    assert written_ns(work).items() > written.items()


def test_an_error_while_a_language_is_encoded_ends_the_run_as_it_is(tiny_root: Path) -> None:
    work = work_on(tiny_root, "xnli", tokenizer=None)
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'backend_tokenizer'"):
        predict_all(work)
    assert not parts(work)


def test_only_languages_that_are_missing_or_of_other_data_are_predicted(tiny_root: Path) -> None:
    work = work_on(tiny_root, "xnli")
    predict_all(work)
    first = written_ns(work)
    parts(work)["en"].unlink()
    changed = tiny_root / "data" / "xnli" / "dev-sw.tsv"
    changed.write_bytes(changed.read_bytes() + b"a\tb\tneutral\r\n")
    later, (prediction,) = again(work), work.request.predictions
    digest = later.data.facts(later.task("xnli"), Split(prediction.split), "sw")["digest"]
    request = replace(work.request, predictions=(replace(prediction, data={**prediction.data, "sw": digest}),))
    predict_all(replace(later, request=request))
    assert {language for language, time_ns in written_ns(work).items() if time_ns == first[language]} == {"de"}
    assert len(read_logits(parts(work)["sw"])["sw"].example_id) == 7


def test_a_disk_that_refuses_a_file_ends_the_run(tiny_root: Path) -> None:
    work = work_on(tiny_root, "xnli")
    work.folder.logits("xnli").parent.mkdir()
    work.folder.logits_part("xnli", "").parent.write_text("a file where a folder should be")
    with pytest.raises(OSError, match=r"xnli\.parts"):
        predict_all(work)


def test_who_lost_the_lease_writes_nothing_more(tiny_root: Path) -> None:
    work = work_on(tiny_root, "xnli")
    with hold(work.folder.lease) as lease:
        work.folder.lease.unlink()
        with pytest.raises(LeaseLostError, match="no longer held by this process"):
            predict_all(replace(work, lease=lease))
    assert not parts(work)
    assert not work.folder.logits("xnli").exists()


def test_a_signal_between_two_languages_stops_and_what_was_predicted_is_kept(tiny_root: Path) -> None:
    work = work_on(tiny_root, "xnli")
    stop = Stop()
    lease = watch(work, lambda: setattr(stop, "number", signal.SIGUSR2))
    with pytest.raises(StoppedError, match="was stopped by SIGUSR2 between two languages") as raised:
        predict_all(replace(work, stop=stop, lease=lease))
    assert raised.value.again
    # The signal came while the first was written and, it may be, the second predicted.
    kept = {language: read_logits(path)[language].logits for language, path in parts(work).items()}  # type: ignore[union-attr]
    assert 1 <= len(kept) <= 2
    predict_all(again(work))
    joined = read_logits(work.folder.logits("xnli"))
    assert set(joined) == set(LANGUAGES)
    assert all((joined[language].logits == logits).all() for language, logits in kept.items())  # type: ignore[union-attr]


def test_who_is_asked_to_stop_before_the_first_language_reads_none(tiny_root: Path) -> None:
    work = work_on(tiny_root, "xnli", stop=Stop(signal.SIGTERM))
    with pytest.raises(StoppedError, match="was stopped by SIGTERM between two languages"):
        predict_all(work)
    assert not work.encoder.cache.exists() and not parts(work)


def test_no_thread_is_left_behind(tiny_root: Path) -> None:
    before = threading.active_count()
    predict_all(work_on(tiny_root, "xnli"))
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("trained", "asked", "used"),
    [("fp32", "", "fp32"), ("bf16", "", "autocast"), ("bf16", "fp32", "fp32"), ("fp32", "bf16", "bf16")],
)
def test_predictions_have_the_precision_of_training_unless_asked_otherwise(trained: str, asked: str, used: str) -> None:
    assert prediction_precision(Machine(precision=trained, prediction_precision=asked)) == used


def test_weights_in_bf16_are_noted_and_change_little(tiny_root: Path) -> None:
    found = []
    for precision in ("fp32", "bf16"):
        work = work_on(tiny_root, "xnli", machine=Machine(prediction_precision=precision))
        predict_all(work)
        assert work.findings.notes["prediction_precision"] == precision
        logits = read_logits(work.folder.logits("xnli"))["sw"].logits  # type: ignore[union-attr]
        found.append(np.asarray(logits))
        for path in parts(work).values():
            path.unlink()
    assert 0 < np.abs(found[0] - found[1]).max() < 0.05
