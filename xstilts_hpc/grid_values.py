"""What the keys of a grid file may hold: names, sizes, seeds, schedules."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from xstilts_hpc.errors import GridError, XstiltsError
from xstilts_hpc.languages import language
from xstilts_hpc.tasks import PLUGINS, named_task, tasks_with
from xstilts_hpc.tasks.base import Role
from xstilts_hpc.training import MIXTURE

NO_TASK = "none"
FULL = "full"


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _as_message(check: Any) -> Any:
    """Turn our own error into the ValueError that pydantic collects."""

    def checked(value: Any) -> Any:
        try:
            return check(value)
        except XstiltsError as error:
            raise ValueError(str(error)) from error

    return checked


def _intermediate(name: str) -> str:
    if name != NO_TASK and Role.INTERMEDIATE not in named_task(name).roles:
        raise GridError(f"{name!r} is no intermediate task; valid: {_names(Role.INTERMEDIATE)}, none")
    return name


def _names(role: Role) -> str:
    """Return the names of the tasks of a role; of other packages' tasks, which are not loaded for this, all names."""
    others = f"; of other packages: {', '.join(PLUGINS.names)}" if PLUGINS.names else ""
    return ", ".join(task.name for task in tasks_with(role)) + others


def _mixed(name: str) -> str:
    if _intermediate(name) == NO_TASK:
        raise GridError("the baseline is no part of a mixture; put it on a line of its own")
    return name


def _target(name: str) -> str:
    if name != "all" and Role.TARGET not in named_task(name).roles:
        raise GridError(f"{name!r} is no target task; valid: {_names(Role.TARGET)}, all")
    return name


def _language(code: str) -> str:
    return code if code == "all" else language(code).code


def _each_once(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise ValueError(f"expected each name once, found {', '.join(values)}")
    return values


def _size(value: int | str) -> int | str:
    if value != FULL and (not isinstance(value, int) or value < 1):
        raise ValueError(f"expected a number of examples from 1 on, or full; found {value!r}")
    return value


def _training_name(name: str) -> str:
    return name if name == MIXTURE else named_task(name).name


def _excluded(name: str) -> str:
    return name if name == MIXTURE else _intermediate(name)


Size = Annotated[int | str, AfterValidator(_size)]
ManySizes = Annotated[list[Size], BeforeValidator(_as_list), Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
ManySeeds = Annotated[list[Seed], BeforeValidator(_as_list), Field(min_length=1)]
Intermediates = Annotated[
    list[Annotated[str, AfterValidator(_as_message(_intermediate))]], BeforeValidator(_as_list), Field(min_length=1)
]
Targets = Annotated[
    list[Annotated[str, AfterValidator(_as_message(_target))]], BeforeValidator(_as_list), Field(min_length=1)
]
ManyLanguages = Annotated[
    list[Annotated[str, AfterValidator(_as_message(_language))]],
    BeforeValidator(_as_list),
    Field(min_length=1),
    AfterValidator(_each_once),
]
Schedule = Literal["equal_epochs", "equal_steps"]
Schedules = Annotated[list[Schedule], BeforeValidator(_as_list), Field(min_length=1)]
Mixed = Annotated[
    list[Annotated[str, AfterValidator(_as_message(_mixed))]], Field(min_length=2), AfterValidator(_each_once)
]
TrainingName = Annotated[str, AfterValidator(_as_message(_training_name))]
ExcludedTask = Annotated[str, AfterValidator(_as_message(_excluded))]
TargetTask = Annotated[str, AfterValidator(_as_message(_target))]
