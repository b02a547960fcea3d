"""Check a data folder without network: which files are there, how many examples, what changed, how to get the rest."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from xstilts_hpc.errors import DataError
from xstilts_hpc.files import Memory, sha256_of
from xstilts_hpc.languages import ENGLISH
from xstilts_hpc.tasks import TASKS, needed_for, task_of
from xstilts_hpc.tasks.base import Role, Split, Task
from xstilts_hpc.tasks.fetched import FetchedFile, read_fetched
from xstilts_hpc.tasks.folder import DataFolder, Located, forms_of, read_facts, sources_of

# Forms of a split that are named where none is there.
_FORMS = 2
_STRIPPED = "no right answers in it, as XTREME's download step leaves test files; dev is scored instead"


class State(StrEnum):
    """What is the matter with a split in one language; `departs` is a difference that is known and harmless."""

    FINE = "fine"
    DEPARTS = "departs"
    MISSING = "missing"
    SHORT = "short"
    LONG = "too many"
    CHANGED = "changed"
    UNREADABLE = "unreadable"

    @property
    def invalid(self) -> bool:
        """Say whether the files are there but cannot be relied on."""
        return self in (State.SHORT, State.LONG, State.CHANGED, State.UNREADABLE)


@dataclass(frozen=True)
class Finding:
    """What was found of one split in one language; `published` is 0 where no count is published."""

    task: str
    split: Split
    language: str
    state: State
    says: str = ""
    files: tuple[str, ...] = ()
    examples: int = 0
    published: int = 0


@dataclass(frozen=True)
class Counted:
    """How many examples some files have, whether with right answers, and what that is beside the published count."""

    state: State
    says: str = ""
    examples: int = 0
    gold: bool = True


@dataclass(frozen=True)
class DataCheck:
    """What was found in a data folder; `tasks` are those that were looked for, unions by their parts."""

    data: Path
    tasks: tuple[Task, ...]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """Return 3 where files are invalid, else 4 where some are missing, else 0."""
        if any(finding.state.invalid for finding in self.findings):
            return DataError.exit_code
        return 4 if any(finding.state is State.MISSING for finding in self.findings) else 0

    def to_json(self) -> dict[str, Any]:
        """Return everything that was found, with each task's licence and how to get what is missing of it."""
        tasks = [
            {"task": task.name, "licence": task.licence, "origin": task.origin, "get": self.how_to_get(task)}
            for task in self.tasks
        ]
        found = [asdict(finding) for finding in self.findings]
        return {"data": str(self.data), "exists": self.data.is_dir(), "tasks": tasks, "findings": found}

    def how_to_get(self, task: Task) -> str:
        """Return what to do about a task of which something is missing or wrong; "" where nothing is."""
        wrong = {finding.state for finding in self.findings if finding.task == task.name}
        return task.how_to_get(self.data) if State.MISSING in wrong or any(state.invalid for state in wrong) else ""


def check_data(data: Path, names: Sequence[str] = (), tell: Callable[[str], None] = lambda text: None) -> DataCheck:
    """Read all files of some tasks and of what they are trained on, or of every task; nothing is written.

    Nothing is believed that was read before. Files are compared with the checksums that were recorded when they were
    fetched or imported (SOURCES.json). What is being read is told, for large files take minutes.
    """
    tasks = tuple(needed_for(map(task_of, names))) if names else parts_of(TASKS.values())
    if not data.is_dir():
        return DataCheck(data, tasks, tuple(missing(task, *place) for task in tasks for place in wanted_places(task)))
    folder = DataFolder(data, Memory(Path()))
    recorded = recorded_files(data)
    found: list[Finding] = []
    for task in tasks:
        tell(f"reading {task.name}")
        found += [_check(folder, recorded, task, *place) for place in _places(folder, task)]
    return DataCheck(data, tasks, tuple(found))


def parts_of(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Return the tasks that have files, a union by its parts, each once."""
    parts = {part.name: part for task in tasks for part in task.union or (task,)}
    return tuple(parts.values())


def wanted_places(task: Task) -> list[tuple[Split, str]]:
    """Return the splits and languages that a user of a task needs.

    Text to mix in and translated training sets are a matter of choice. Where nothing is counted it is the training set
    and the dev set, if the task says how to read them.
    """
    if Role.MIXED_IN in task.roles:
        return []
    counted = {(split, code) for split, counts in task.published.items() for code in counts}
    if not counted:
        counted = {(split, code) for split in (Split.TRAIN, Split.DEV) for code in task.languages}
        counted = {place for place in counted if sources_of(task, *place)}
    if task.mining:
        counted |= {(Split.DEV, code) for code in task.languages}
    return [place for place in places_of(task) if place in counted and place[0] is not Split.TRANSLATED]


def _places(folder: DataFolder, task: Task) -> list[tuple[Split, str]]:
    wanted = wanted_places(task)
    return [place for place in places_of(task) if place in wanted or folder.has(task, *place)]


def places_of(task: Task) -> Iterator[tuple[Split, str]]:
    """Yield every split and language that a task may have files of; target tasks are trained on in English only."""
    for split in Split:
        codes = task.published.get(split, {}) if split is Split.TRANSLATED else task.languages
        if split is Split.TRAIN and Role.TARGET in task.roles:
            codes = (ENGLISH,)
        yield from ((split, code) for code in codes)


def missing(task: Task, split: Split, language: str, refusal: str = "") -> Finding:
    """Return the finding that a split is not there: the forms in which it may be, why a copy must not be used."""
    forms = forms_of(task, split, language)
    more = f" or {len(forms) - _FORMS} more" if len(forms) > _FORMS else ""
    says = f"expected {' or '.join(forms[:_FORMS])}{more}" + (f"; not used: {refusal}" if refusal else "")
    return Finding(task.name, split, language, State.MISSING, says, published=_published(task, split, language))


def _published(task: Task, split: Split, language: str) -> int:
    return task.published.get(split, {}).get(language, 0)


def _check(folder: DataFolder, recorded: Mapping[str, FetchedFile], task: Task, split: Split, language: str) -> Finding:
    if not folder.has(task, split, language):
        return missing(task, split, language, folder.refusal(task, split, language))
    located = folder.locate(task, split, language)
    paths = {str(path.relative_to(folder.root)): path for path in located.paths}
    counted = count(located)
    changed = [name for name in paths if name in recorded and differs(paths[name], recorded[name])]
    state, says = counted.state, counted.says
    if changed:
        state, says = State.CHANGED, f"other content than was fetched: {', '.join(changed)}"
    return finding_of(located, replace(counted, state=state, says=says), tuple(paths))


def finding_of(located: Located, counted: Counted, files: tuple[str, ...]) -> Finding:
    """Return what was found of the files of a split, under their names in the data folder."""
    task, split, language = located.task, located.split, located.language
    published = _published(task, split, language)
    return Finding(task.name, split, language, counted.state, counted.says, files, counted.examples, published)


def recorded_files(data: Path) -> dict[str, FetchedFile]:
    """Return what the files of a data folder must be, as SOURCES.json says, by their paths in it."""
    return {path: file for record in read_fetched(data).values() for path, file in record.files.items()}


def differs(path: Path, file: FetchedFile) -> bool:
    """Say whether a file has another content than was recorded, reading it whole."""
    return path.stat().st_size != file.bytes or sha256_of(path) != file.sha256


def count(located: Located) -> Counted:
    """Read the files of a split and compare the number of examples with what its publisher counts."""
    try:
        facts = read_facts(located)
    except (DataError, OSError) as error:
        return Counted(State.UNREADABLE, str(error))
    state, says = _compared(located, facts["examples"])
    if facts["bad"]:
        bad = f"{len(facts['bad'])} unreadable rows left out, the first: {facts['bad'][0]}"
        says = f"{says}; {bad}" if says else bad
    if not facts["gold"] and state is State.FINE:
        state, says = State.DEPARTS, _STRIPPED
    return Counted(state, says, facts["examples"], facts["gold"])


def _compared(located: Located, examples: int) -> tuple[State, str]:
    task, split, language = located.task, located.split, located.language
    published = _published(task, split, language)
    if not published:
        return State.FINE, "no count is published"
    if examples == published:
        return State.FINE, ""
    for known in task.departures:
        if (known.split, known.language, known.examples) == (split, language, examples):
            return State.DEPARTS, known.reason
    if task.rough:
        return State.DEPARTS, task.rough
    if examples < published:
        return State.SHORT, "fewer examples than published"
    return State.LONG, "more examples than published"


def check_table(check: DataCheck) -> Group:
    """Return a row per split; below them what there is to say of it, licences, and how to get what is missing."""
    table = Table(box=None, pad_edge=False)
    for name in ("task", "split", "languages", "examples", "published", "state"):
        table.add_column(name, no_wrap=True, justify="right" if name in ("examples", "published") else "left")
    said: list[str] = []
    for task in check.tasks:
        mine = [finding for finding in check.findings if finding.task == task.name]
        for split in Split:
            found = [finding for finding in mine if finding.split is split]
            if found:
                table.add_row(task.name, str(split), *_cells(found))
                said += _said(task, split, found)
        if not mine:
            table.add_row(task.name, "-", "none here")
    said += [f"{task.name}: licence: {task.licence}" for task in check.tasks]
    said += [f"{task.name}: to get it: {get}" for task in check.tasks if (get := check.how_to_get(task))]
    return Group(table, Text("\n".join(said)))


def _cells(found: Sequence[Finding]) -> tuple[str, str, str, str]:
    here = [finding for finding in found if finding.state is not State.MISSING]
    languages = here[0].language if len(found) == len(here) == 1 else f"{len(here)} of {len(found)}"
    counts = (sum(finding.examples for finding in here), sum(finding.published for finding in found))
    states = ", ".join(dict.fromkeys(str(finding.state) for finding in found))
    return languages, f"{counts[0]:,}", f"{counts[1]:,}" if counts[1] else "?", states


def _said(task: Task, split: Split, found: Sequence[Finding]) -> list[str]:
    """Return a line for each thing that is to say of a split, with the languages that it is to say of."""
    languages: dict[tuple[State, str], list[str]] = {}
    for finding in found:
        if finding.says:
            other = finding.examples != finding.published > 0 and finding.state is not State.MISSING
            numbers = f" ({finding.examples:,} of {finding.published:,})" if other else ""
            languages.setdefault((finding.state, finding.says), []).append(finding.language + numbers)
    return [f"{task.name} {split} {state} in {', '.join(codes)}: {says}" for (state, says), codes in languages.items()]
