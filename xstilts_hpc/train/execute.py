"""Carry out one run: load, fine-tune, save the encoder, predict every language, commit."""

import gc
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from xstilts_hpc.files import Memory
from xstilts_hpc.lease import HeldError, Lease, hold
from xstilts_hpc.logits_file import read_header, read_logits
from xstilts_hpc.machine import Machine
from xstilts_hpc.model.encoder import load_tokenizer, model_location
from xstilts_hpc.model_files import require_model
from xstilts_hpc.ownership import require_trusted, require_trusted_tree
from xstilts_hpc.run import Request, Run
from xstilts_hpc.run_folder import RunFolder, run_folder
from xstilts_hpc.scoring import score, task_of_file
from xstilts_hpc.tasks import PLUGINS
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.train.board import draw_scores
from xstilts_hpc.train.evaluate import predict_all
from xstilts_hpc.train.fit import fit
from xstilts_hpc.train.network import cluster_only
from xstilts_hpc.train.ranks import Ranks, join_ranks
from xstilts_hpc.train.record import BlockedError, attempt
from xstilts_hpc.train.share import take_share
from xstilts_hpc.train.stop import listening
from xstilts_hpc.train.trained import subsets_of
from xstilts_hpc.train.work import Work


@cluster_only()
def execute(root: Path, run_id: str, machine: Machine, *, alone: bool = False) -> None:
    """Collective. Bring a run to its commit record; a run that is done already is left as it is.

    Raises BlockedError where the parent is not done, DataError where the data changed since the run was planned.
    StoppedError where a signal asked it to stop: what it had is saved, and the next execution goes on from there.
    HeldError where another process executes the run, LeaseLostError where another took it over from this one.
    RunError where something reaches for a network beyond the cluster's.
    `alone` ignores a process group named by the environment (a run in the user's own shell).
    """
    folder = run_folder(root, run_id)
    require_trusted(folder.path, root)
    run = folder.run()
    if machine.threads:
        torch.set_num_threads(machine.threads)
    ranks = join_ranks(alone=alone)
    take_share(ranks.device, machine.runs_per_gpu)
    if _is_done(folder, _asked(folder, ranks), ranks):
        return
    with _held(folder, ranks) as lease, listening() as stop:
        request = _asked(folder, ranks)
        if _is_done(folder, request, ranks):  # the one who held the lease until now did it
            return
        with attempt(folder, machine, ranks, had=folder.progress(request), lease=lease) as findings:
            data, start = _data(root, request), _start(root, run)
            tokenizer = load_tokenizer(*start)
            work = Work(root, folder, run, request, machine, ranks, data, start, tokenizer, findings, stop, lease)
            findings.notes.update(_of_other_packages(run, request))
            fit(work)
            _free_what_trained(ranks.device)
            _commit(_predicted(work))


def _asked(folder: RunFolder, ranks: Ranks) -> Request:
    """Collective. Return what is asked of the run now, as the main rank sees it: another grid may ask for more."""
    request: Request = ranks.from_main(folder.request())
    return request


def _data(root: Path, request: Request) -> DataFolder:
    return DataFolder(root / Path(request.data).expanduser(), Memory(root / "cache" / "data.json"))


def _predicted(work: Work) -> Work:
    """Collective. Predict what is asked, and what is asked meanwhile; return the work that asks for all of it.

    Later the trained model is gone, and a language more would cost another training.
    """
    while True:
        predict_all(work)
        request = _asked(work.folder, work.ranks)
        if request == work.request:
            return work
        work = replace(work, request=request, data=_data(work.root, request))
        work.findings.notes.update(_of_other_packages(work.run, request))


def _of_other_packages(run: Run, request: Request) -> dict[str, dict[str, str]]:
    """Return which packages the tasks of a run come from, where that is not this one."""
    trained = run.training.tasks if run.training else ()
    found = {name: PLUGINS.described(name) for name in (*trained, *(asked.task for asked in request.predictions))}
    others = {name: package for name, package in found.items() if package}
    return {"tasks_of": others} if others else {}


def _free_what_trained(device: torch.device) -> None:
    """Free the engine of a training, with weights and Adam's moments: its parts refer to each other in circles."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _is_done(folder: RunFolder, request: Request, ranks: Ranks) -> bool:
    """Collective. Say whether the run is done, as the main rank sees it: all ranks leave, or none."""
    return bool(ranks.from_main(folder.done(request) if ranks.is_main() else False))


@contextmanager
def _held(folder: RunFolder, ranks: Ranks) -> Iterator[Lease | None]:
    """Collective. Hold the run's lease (the main rank does, and yields it); where it is held, all ranks leave."""
    with ExitStack() as stack:
        lease, problem = None, ""
        if ranks.is_main():
            try:
                lease = stack.enter_context(hold(folder.lease))
            except HeldError as error:
                problem = str(error)
        problem = ranks.from_main(problem)
        if problem:
            raise HeldError(problem)
        yield lease


def _start(root: Path, run: Run) -> tuple[str, str]:
    """Return where weights and tokenizer come from: the encoder of the parent, which must be done, or the model."""
    if not run.parent:
        require_model(run.model)
        return model_location(run.model, root)
    parent, wanted = run_folder(root, run.parent), Request((), keep_encoder=True)
    if not parent.done(wanted):
        raise BlockedError(f"run {run.id}: its parent {run.parent} is not done; submit the grid again once it is")
    require_trusted(parent.done_json, root)
    require_trusted_tree(parent.encoder, root)
    if not parent.done(wanted, verify=True):
        parent.set_aside()
        raise BlockedError(
            f"run {run.id}: files of its parent {run.parent} are not those of its record, which was set aside; "
            "submit the grid again: the parent is done anew"
        )
    return str(parent.encoder), "main"


def _commit(work: Work) -> None:
    """Score what was written, keep the encoder if asked, write DONE.json last, drop what is no longer needed."""
    if work.ranks.is_main():
        work.check_lease()
        files = [work.folder.logits(prediction.task) for prediction in work.request.predictions]
        scores = {path.stem: _scores(path) for path in files}
        if work.request.keep_encoder and work.run.training and work.folder.trained.is_dir():
            shutil.rmtree(work.folder.encoder, ignore_errors=True)
            shutil.copytree(work.folder.trained / "encoder", work.folder.encoder, copy_function=_link)
        if work.folder.encoder.is_dir():
            files.extend(path for path in work.folder.encoder.iterdir() if path.is_file())
        if work.machine.tensorboard:
            draw_scores(work.folder.tensorboard, _num_updates(work.folder), scores)
        work.folder.commit(scores, files, work.request, subsets=subsets_of(work.folder.trained))
        for prediction in work.request.predictions:
            shutil.rmtree(work.folder.logits_part(prediction.task, "").parent, ignore_errors=True)
        work.folder.remove_leftovers()
        shutil.rmtree(work.folder.trained, ignore_errors=True)
    work.ranks.barrier()


def _num_updates(folder: RunFolder) -> int:
    """Return the number of updates that the history of a run has; 0 where it trains nothing."""
    if not folder.history.is_file():
        return 0
    with folder.history.open("rb") as file:
        return sum(1 for _ in file)


def _scores(path: Path) -> dict[str, dict[str, float]]:
    task = task_of_file(read_header(path))
    return {language: score(task, logits, language) for language, logits in read_logits(path).items()}


def _link(source: str, target: str) -> None:
    """Move the weights by a second name, or copy them where the file system has no second names."""
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)
