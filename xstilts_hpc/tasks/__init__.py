"""The tasks, one file each. To add one: write its file and name it here; or in a package of your own (plugins.py)."""

from collections.abc import Iterable

from xstilts_hpc.errors import GridError, nearest
from xstilts_hpc.tasks.anli import ANLI, ANLI_ROUNDS
from xstilts_hpc.tasks.base import Role, Task
from xstilts_hpc.tasks.bucc2018 import BUCC2018
from xstilts_hpc.tasks.ccg import CCG
from xstilts_hpc.tasks.ccg_pmb import CCG_PMB
from xstilts_hpc.tasks.commonsenseqa import COMMONSENSEQA
from xstilts_hpc.tasks.cosmosqa import COSMOSQA
from xstilts_hpc.tasks.hellaswag import HELLASWAG
from xstilts_hpc.tasks.mlm import MLM
from xstilts_hpc.tasks.mlqa import MLQA
from xstilts_hpc.tasks.mnli import MNLI
from xstilts_hpc.tasks.panx import PANX
from xstilts_hpc.tasks.pawsx import PAWSX
from xstilts_hpc.tasks.plugins import Plugins
from xstilts_hpc.tasks.qqp import QQP
from xstilts_hpc.tasks.snli import SNLI
from xstilts_hpc.tasks.squad_v1 import SQUAD_V1
from xstilts_hpc.tasks.squad_v2 import SQUAD_V2
from xstilts_hpc.tasks.tatoeba import TATOEBA
from xstilts_hpc.tasks.tydiqa import TYDIQA
from xstilts_hpc.tasks.udpos import UDPOS
from xstilts_hpc.tasks.xnli import XNLI
from xstilts_hpc.tasks.xquad import XQUAD

_STUDY = (ANLI, MNLI, QQP, SQUAD_V1, SQUAD_V2, HELLASWAG, CCG, COSMOSQA, COMMONSENSEQA)
# The intermediate tasks of the study, which it also trains on jointly.
STUDY_TASKS = tuple(task.name for task in _STUDY)
_INTERMEDIATE = (*_STUDY, CCG_PMB, ANLI_ROUNDS, SNLI)
_TARGET = (XNLI, PAWSX, UDPOS, PANX, XQUAD, MLQA, TYDIQA, BUCC2018, TATOEBA)
# Those that ship. A grid's `all` means these, so that it asks the same wherever it is read.
TASKS: dict[str, Task] = {task.name: task for task in (*_INTERMEDIATE, *_TARGET, MLM)}
# Those of other packages that are installed here.
PLUGINS = Plugins(TASKS)


def task_of(name: str) -> Task:
    """Return a task by name, of this package or another one; an unknown name is a GridError that names the nearest."""
    if name in TASKS:
        return TASKS[name]
    if name in PLUGINS.names:
        return PLUGINS.load(name)
    known = nearest(name, (*TASKS, *PLUGINS.names))
    raise GridError(f"unknown task {name!r}; {known} (or install the package that defines it: docs/add_a_task.md)")


def named_task(name: str) -> Task:
    """Return the task that a grid names; GridError also where two packages define one of this name."""
    PLUGINS.check_name(name)
    return task_of(name)


def tasks_with(role: Role) -> tuple[Task, ...]:
    """Return the tasks that ship and may be used in a role, in the order of the tables."""
    return tuple(task for task in TASKS.values() if role in task.roles)


def needed_for(tasks: Iterable[Task]) -> list[Task]:
    """Return the tasks with data of their own that some tasks need: themselves, parts of unions, training sets."""
    found: dict[str, Task] = {}
    for task in tasks:
        trained_on = [task_of(task.training_set)] if task.training_set not in ("", task.name) else []
        for part in (*(task.union or (task,)), *needed_for(trained_on)):
            found[part.name] = part
    return list(found.values())
