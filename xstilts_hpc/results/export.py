"""Export a grid's predictions and labels to folders that XTREME's official evaluate.py scores."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from xstilts_hpc.errors import GridError, nearest
from xstilts_hpc.files import write_json, write_text
from xstilts_hpc.grid_values import NO_TASK
from xstilts_hpc.logits_file import read_logits
from xstilts_hpc.plan import UNUSED_SEED, Cell, Plan
from xstilts_hpc.results.collect import asked, gather, require_complete
from xstilts_hpc.results.means import short_variants
from xstilts_hpc.results.named import find_submitted
from xstilts_hpc.results.rows import WHOLE_FILE
from xstilts_hpc.results.tables.footer import shown_split
from xstilts_hpc.results.written import remove_others
from xstilts_hpc.results.xtreme_layout import ALL_TASKS, file_of, score_folders, write_language
from xstilts_hpc.run import Prediction
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.tasks import task_of


@dataclass(frozen=True)
class ExportFolder:
    """The folder of one system: one intermediate training (or none) with one set of seeds, on all its targets."""

    path: Path

    @property
    def both(self) -> tuple[Path, Path]:
        """Return the folders of predictions and of labels."""
        return self.path / "predictions", self.path / "labels"

    @property
    def expected(self) -> Path:
        """Return the path of what the official script is expected to write."""
        return self.path / "expected_scores.json"

    @property
    def readme(self) -> Path:
        """Return the path of what says which split and run the files are from, and what is missing."""
        return self.path / "README.txt"


@dataclass(frozen=True)
class _Exported:
    """What a cell asked for: its languages that were written, and by reason those that are missing."""

    cell: Cell
    prediction: Prediction
    written: tuple[str, ...]
    missing: Mapping[str, Sequence[str]]

    @property
    def complete(self) -> bool:
        """Say whether every language is there that the official script asks for."""
        return set(task_of(self.cell.target).languages) <= set(self.written)


@dataclass(frozen=True)
class _Exporter:
    """Writes the systems of a plan; `problems` leads from a cell to the reasons by language for what is missing."""

    plan: Plan
    root: Path
    problems: Mapping[Cell, Mapping[str, str]]

    def write(self, folder: ExportFolder, cells: Sequence[Cell]) -> None:
        """Write the files of one system, and delete those of an earlier export that are none of it any more."""
        asks = [(cell, prediction) for cell in cells for prediction in asked(self.plan, cell)]
        exported = [self.write_cell(folder, cell, prediction) for cell, prediction in asks]
        complete = [item.cell.target for item in exported if item.complete]
        expected = score_folders(folder.both, complete).official() if complete else {}
        write_json(folder.expected, expected)
        write_text(folder.readme, "".join(f"{line}\n" for line in _readme(folder, exported, self.plan)))
        languages = [(task_of(item.cell.target), code) for item in exported for code in item.written]
        files = [file_of(side, task, code) for task, code in languages for side in folder.both]
        remove_others(folder.path, [*files, folder.expected, folder.readme])

    def write_cell(self, folder: ExportFolder, cell: Cell, prediction: Prediction) -> _Exported:
        """Write the files of one target, and delete those of an earlier export that are missing now."""
        task, logits = task_of(cell.target), run_folder(self.root, cell.run).logits(cell.target)
        reasons = self.problems.get(cell, {})
        missing: dict[str, list[str]] = {}
        for code in prediction.languages:
            reason = reasons.get(WHOLE_FILE) or reasons.get(code)
            if reason:
                missing.setdefault(reason, []).append(code)
            else:
                write_language(folder.both, task, code, read_logits(logits, [code])[code])
        lost = {code for codes in missing.values() for code in codes}
        written = tuple(code for code in prediction.languages if code not in lost)
        for code in set(task.languages) - set(written):
            for side in folder.both:
                file_of(side, task, code).unlink(missing_ok=True)
        return _Exported(cell, prediction, written, missing)


def export(
    grid: str | Path, root: str | Path, folder: Path, *, only: str = "*", allow_partial: bool = False
) -> list[Path]:
    """Write a folder per system of a grid, from logits alone; return their paths.

    A system is one intermediate training, or the baseline, with one set of seeds; `only` is a pattern of their names.

    Raises IncompleteError at the end, with the rest written, where cells are missing and `allow_partial` is not set;
    GridError where no system has such a name.
    """
    (_, plan), root = find_submitted(grid, root), Path(root)
    every = systems_of(plan)
    systems = {name: cells for name, cells in every.items() if fnmatch(name, only)}
    if not systems:
        found = nearest(only, every) if every else "it has no target task of XTREME"
        raise GridError(f"grid {plan.name}: nothing called {only!r} to export; {found}")
    scores = gather(_part_of(plan, [cell for cells in systems.values() for cell in cells]), root)
    problems: dict[Cell, dict[str, str]] = {}
    for item in scores.missing:
        problems.setdefault(item.cell, {})[item.language] = item.reason
    exporter = _Exporter(plan, root, problems)
    for name, cells in systems.items():
        exporter.write(ExportFolder(folder / name), cells)
    if not allow_partial:
        require_complete(scores)
    return [folder / name for name in systems]


def systems_of(plan: Plan) -> dict[str, list[Cell]]:
    """Return the cells on XTREME's target tasks by the name of their system.

    A target without training has no target seed: it belongs to the systems of all target seeds.
    """
    cells = [cell for cell in plan.cells if cell.target in ALL_TASKS and asked(plan, cell)]
    shown = short_variants(cell.variant for cell in plan.cells)
    name_of = {cell: _name(cell, shown[cell.variant]) for cell in cells}
    names: dict[Cell, dict[str, None]] = {}
    for cell in cells:
        if cell.target_seed != UNUSED_SEED:
            names.setdefault(_start(cell), {})[name_of[cell]] = None
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        own = cell.target_seed != UNUSED_SEED or _start(cell) not in names
        for name in (name_of[cell],) if own else names[_start(cell)]:
            found.setdefault(name, []).append(cell)
    return found


def _start(cell: Cell) -> Cell:
    """Return the cell without target, run and target seed: what names the intermediate training."""
    return replace(cell, target="", run="", target_seed=UNUSED_SEED)


def _name(cell: Cell, variant: str) -> str:
    """Return a name such as `mnli_1000_equal_epochs_d0_s0_t1`, fit for a folder."""
    size = "" if cell.intermediate == NO_TASK else "full" if cell.full else str(cell.size)
    seeds = {"d": cell.data_seed, "s": cell.train_seed, "t": cell.target_seed}
    used = [f"{letter}{seed}" for letter, seed in seeds.items() if seed != UNUSED_SEED]
    variant = re.sub(r"[^A-Za-z0-9.+-]+", "-", variant)
    return "_".join(filter(None, (cell.intermediate, variant, size, cell.schedule, *used)))


def _part_of(plan: Plan, cells: Sequence[Cell]) -> Plan:
    """Return the plan of some cells, with nothing but what they ask of their runs."""
    targets: dict[str, set[str]] = {}
    for cell in cells:
        targets.setdefault(cell.run, set()).add(cell.target)
    runs = {}
    for run, names in targets.items():
        planned = plan.runs[run]
        kept = tuple(item for item in planned.request.predictions if item.task in names)
        runs[run] = replace(planned, request=replace(planned.request, predictions=kept))
    return replace(plan, runs=runs, cells=tuple(dict.fromkeys(cells)))


def _readme(folder: ExportFolder, exported: Sequence[_Exported], plan: Plan) -> Iterator[str]:
    predictions, labels = (side.name for side in folder.both)
    yield f"Predictions and labels of grid {plan.name} in the layout of XTREME's evaluate.py (with seqeval 0.0.12):"
    yield f"  python evaluate.py --prediction_folder {predictions} --label_folder {labels} --output_file scores.json"
    yield f"{folder.expected.name} is what the script should write, computed here for the tasks in all their languages."
    for name in dict.fromkeys(f"{i.cell.intermediate}, {i.cell.variant}" for i in exported if i.cell.variant):
        yield f"The intermediate training in full: {name}"
    yield ""
    yield "All files are called test-*, as the script asks. The split they are from:"
    for item in exported:
        task = task_of(item.cell.target)
        number = f"{len(item.written)} of {len(task.languages)} languages"
        yield f"  {task.name}: {shown_split(task, item.prediction.split)}, {number}, run {item.cell.run}"
        for reason, codes in item.missing.items():
            yield f"    missing: {' '.join(codes)}: {reason}"
    incomplete = [item.cell.target for item in exported if not item.complete]
    if incomplete:
        yield ""
        yield f"The script stops at a task that lacks a language: {' '.join(incomplete)}."
        yield f"Delete their folders in {predictions} to score the others."
    yield ""
    yield "Lines are in the order of the data set. A number of Tatoeba is the position of a foreign sentence in its"
    yield "file; the English sentences are not sorted here, which changes no score: the script compares line with line."
