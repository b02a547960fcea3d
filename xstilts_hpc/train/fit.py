"""Fine-tune one run, from its last checkpoint where there is one, and save the trained model."""

import logging
import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from typing import Any

from xstilts_hpc.causes import Cause
from xstilts_hpc.files import append_json_line, write_text
from xstilts_hpc.lease import BEAT_S
from xstilts_hpc.model.encoder import load_encoder
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.model.text_head import fill_text_head
from xstilts_hpc.model.vocabulary import CompactVocabulary, compact, weight_of
from xstilts_hpc.train.board import board
from xstilts_hpc.train.checkpoint import Checkpoints, Resumed
from xstilts_hpc.train.loop import Step, TrainingSet, fine_tune
from xstilts_hpc.train.memory import fitting_tokens
from xstilts_hpc.train.stop import Order
from xstilts_hpc.train.trained import is_saved, save_trained
from xstilts_hpc.train.training_set import chosen_subsets, left_out, read_training_set
from xstilts_hpc.train.work import Work
from xstilts_hpc.train.zero import decay_by_end, full_weights, start_engine
from xstilts_hpc.training import MASKED_TEXT, Training

logger = logging.getLogger(__name__)

_TELL_S = 30.0  # between two updates that the log tells of


def fit(work: Work) -> None:
    """Collective. Fine-tune and save the trained model, unless the run trains nothing or did so before."""
    training = work.run.training
    if training is None or work.ranks.from_main(is_saved(work.folder.trained)):
        return
    with work.timed("train_s"):
        model = _model(work, training)
        with work.ranks.main_first():
            training_set = read_training_set(training, work.data, work.encoder)
        chosen = chosen_subsets(training_set) if work.ranks.is_main() else {}
        work.findings.notes.update(rows_left_out=left_out(training, work.data), subsets=chosen)
        vocabulary = _compacted(work, model, training_set)
        steps = sum(training_set.updates)
        engine = start_engine(model, work.run.recipe, work.machine, steps=steps, world=work.ranks.world)
        _train(work, engine, training_set)
        weights = full_weights(engine, model.state_dict())
    if work.ranks.is_main():
        work.check_lease()
        if vocabulary:
            name = weight_of(model.encoder)
            weights[name] = vocabulary.whole(weights[name], decay_by_end(work.run.recipe, steps))
        save_trained(work.folder.trained, model, weights, work.tokenizer, subsets=chosen)
        shutil.rmtree(work.folder.checkpoints, ignore_errors=True)
    engine.destroy()
    work.ranks.barrier()


def _model(work: Work, training: Training) -> TaskModel:
    encoder = load_encoder(*work.start, seed=training.train_seed)
    model = TaskModel(encoder, [work.task(part.task) for part in training.parts], seed=training.train_seed)
    if training.mlm_weight:
        work.findings.notes["text_head"] = fill_text_head(model.heads[MASKED_TEXT], *work.start)
    if work.machine.activation_checkpointing:
        encoder.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[operator]
    return model


def _compacted(work: Work, model: TaskModel, training_set: TrainingSet) -> CompactVocabulary | None:
    """Leave the rows of the embedding out of the training whose pieces do not occur, where that changes nothing."""
    pieces = training_set.pieces() if work.machine.compact_vocabulary else None
    if pieces is None:
        return None
    vocabulary = compact(model.encoder, pieces)
    work.findings.notes["vocabulary"] = {"trained": len(vocabulary.kept), "of": len(vocabulary.before)}
    return vocabulary if work.ranks.is_main() else None


def _train(work: Work, engine: Any, training_set: TrainingSet) -> None:
    """Collective. Do the updates that are left; save a checkpoint now and then, and when asked to stop."""
    steps = sum(training_set.updates)
    checkpoints = _checkpoints(work, steps)
    resumed = checkpoints.load(engine)
    work.findings.notes.update(from_step=resumed.step, checkpoints_passed_over=list(resumed.passed_over))
    if work.ranks.is_main():
        _begin_history(work, resumed.step)
    saved_s = checked_s = time.monotonic()
    limit = _micro_batch_tokens(work, training_set, model=engine.module, resumed=resumed)
    _note_micro_batch(work, limit)
    recipe, ranks = work.run.recipe, work.ranks
    updates = fine_tune(engine, training_set, recipe, ranks=ranks, micro_batch_tokens=limit, first=resumed.step)
    with closing(_recorded(work, updates, steps, first=resumed.step)) as recorded:
        for step in recorded:
            work.findings.notes["to_step"] = step.step
            _note_micro_batch(work, step.micro_batch_tokens)
            checked_s = _check_lease(work, checked_s)
            order = Order(work.ranks.highest(_wish(work, saved_s))) if step.step < steps else Order.GO_ON
            if order:
                work.check_lease()
                checkpoints.save(engine, step.step, micro_batch_tokens=step.micro_batch_tokens)
                saved_s = time.monotonic()
            if order >= Order.STOP:
                raise work.stop.error(work.run.id, f"after update {step.step} of {steps}", order)


def _recorded(work: Work, updates: Iterator[Step], steps: int, *, first: int) -> Generator[Step]:
    """Yield the updates; the main rank writes each to the history, and draws it."""
    with ExitStack() as stack:
        draws = work.ranks.is_main() and work.machine.tensorboard
        boards = [stack.enter_context(board(work.folder.tensorboard, steps, first=first))] if draws else []
        told_s = -_TELL_S
        for step in updates:
            if work.ranks.is_main():
                append_json_line(work.folder.history, vars(step))
                told_s = _tell(step, steps, told_s)
            for one in boards:
                one.draw(step)
            yield step


def _tell(step: Step, steps: int, told_s: float) -> float:
    """Log an update now and then, the first and the last always; return when that was."""
    now_s = time.monotonic()
    if step.step < steps and now_s < told_s + _TELL_S:
        return told_s
    speed = f"loss {step.loss:.4g}, {step.tokens_per_s:,.0f} tokens/s"
    logger.info("update %d of %d (%s): %s", step.step, steps, step.task, speed)
    return now_s


def _micro_batch_tokens(work: Work, training_set: TrainingSet, *, model: TaskModel, resumed: Resumed) -> int:
    """Collective. Return the most tokens of a micro-batch: as before where a checkpoint says so, else what fits.

    Never more than the profile says. Where the attempt before this one ended for want of memory it is half of what
    that one tried.
    """
    most = -(-training_set.most_tokens(work.run.recipe.batch_size) // work.ranks.world)
    given = [tokens for tokens in (resumed.micro_batch_tokens, work.machine.micro_batch_tokens) if tokens]
    limit = min(most, *(given or [fitting_tokens(model, work.machine, work.ranks)]))
    before = work.folder.attempts()[:-1] if work.ranks.is_main() else []
    if before and before[-1]["cause"] == Cause.OUT_OF_MEMORY:
        tried = int(before[-1].get("micro_batch_tokens", limit))  # a run that was killed early noted nothing
        limit = min(limit, max(1, tried // 2))
    return int(work.ranks.from_main(limit))


def _note_micro_batch(work: Work, tokens: int) -> None:
    """Note the most tokens of a micro-batch, in the record at once: who is killed for want of memory writes no end."""
    if work.findings.notes.get("micro_batch_tokens") == tokens:
        return
    work.findings.notes["micro_batch_tokens"] = tokens
    if work.ranks.is_main():
        work.check_lease()
        work.folder.amend(work.folder.attempts()[-1]["attempt"], {"micro_batch_tokens": tokens})


def _check_lease(work: Work, checked_s: float) -> float:
    """Look now and then whether the run is still ours, so always after a long silence; return when that was."""
    now_s = time.monotonic()
    if now_s < checked_s + BEAT_S:
        return checked_s
    work.check_lease()
    return now_s


def _wish(work: Work, saved_s: float) -> Order:
    """Return what this rank wants to happen between two updates; when a checkpoint is due, the main rank says."""
    interval_s = 60 * work.machine.checkpoint_min
    due = interval_s and work.ranks.is_main() and time.monotonic() > saved_s + interval_s
    return max(work.stop.wish, Order.SAVE if due else Order.GO_ON)


def _checkpoints(work: Work, steps: int) -> Checkpoints:
    """Return the checkpoints of this run; those of another number of ranks or another ZeRO stage cannot be loaded."""
    identity = {
        "run": work.run.id,
        "updates": steps,
        "ranks": work.ranks.world,
        "zero_stage": work.machine.zero_stage,
        "precision": work.machine.precision,
        "compact_vocabulary": work.machine.compact_vocabulary,
    }
    return Checkpoints(work.folder.checkpoints, work.ranks, identity, work.root)


def _begin_history(work: Work, step: int) -> None:
    """Keep the history up to the step that the training goes on from; from the beginning, drop what is of before."""
    history = work.folder.history
    if step and history.is_file():
        with history.open(encoding="utf-8") as file:
            write_text(history, "".join(line for line in islice(file, step) if line.endswith("\n")))
    else:
        history.unlink(missing_ok=True)
        shutil.rmtree(work.folder.logits("").parent, ignore_errors=True)  # of an earlier training
