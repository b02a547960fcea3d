"""The profile file: what a cluster (or this machine) offers and how to ask for it."""

import os
import re
import shlex
import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from xstilts_hpc.causes import RULES, Cause
from xstilts_hpc.errors import ProfileError, nearest
from xstilts_hpc.machine import Machine
from xstilts_hpc.yaml_file import load_yaml

PROFILES = Path("slurm") / "profiles"
_CHECKOUT = Path(__file__).resolve().parent.parent.parent
# Where a wheel puts grids/ and slurm/ (pyproject.toml).
_INSTALLED = Path(sys.prefix) / "share" / "xstilts_hpc"
# Options of sbatch that the other keys of a profile, or submit itself, decide.
_GOVERNED = {
    "account": "account",
    "array": "max_parallel",
    "constraint": "constraint",
    "cpus-per-task": "cpus_per_rank",
    "gpus-per-node": "gpus_per_node",
    "gpus-per-task": "gpu_request",
    "mem": "memory_gb",
    "nodes": "nodes",
    "ntasks": "ranks",
    "ntasks-per-node": "ranks",
    "partition": "partition",
    "qos": "qos",
    "signal": "signal_lead_s",
    "time": "time_min",
}
_OURS = ("dependency", "error", "export", "job-name", "kill-on-invalid-dep", "open-mode", "output", "wait", "wrap")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _one_line(text: str) -> str:
    """Refuse control characters: a line break would end a #SBATCH comment and begin a line of shell."""
    if not text.isprintable():
        raise ValueError(f"expected one line of printable characters, found {text!r}")
    return text


def _option_value(text: str) -> str:
    """Refuse what a #SBATCH comment does not hand on: sbatch takes backslashes away, even between quotes."""
    if "\\" in text:
        raise ValueError(f"expected a text without backslashes, which sbatch drops; found {text!r}")
    return _one_line(text)


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f"expected the name of an environment variable, found {name!r}")
    return name


def _option(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(f"expected a long option of sbatch without its dashes, such as exclude; found {name!r}")
    if name in _GOVERNED:
        raise ValueError(f"{name!r} is decided by the key {_GOVERNED[name]} of the profile; set that")
    if name in _OURS:
        raise ValueError(f"{name!r} is decided by submit itself; remove it")
    return name


def _cause(name: Any) -> Cause:
    again = [str(cause) for cause, rule in RULES.items() if rule.budget]
    if name not in again:
        raise ValueError(
            f"expected a cause after which a run may start again, found {name!r}; {nearest(str(name), again)}"
        )
    return Cause(name)


def _scalar(value: Any) -> Any:
    if not isinstance(value, str | bool | int | float):
        raise ValueError(f"expected one text, number, true or false, found {value!r}")
    return _option_value(value) if isinstance(value, str) else value


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Line = Annotated[str, AfterValidator(_one_line)]
Asked = Annotated[str, AfterValidator(_option_value)]
Count = Annotated[int, Field(ge=0)]
Scalar = Annotated[Any, AfterValidator(_scalar)]
Value = Annotated[Line, BeforeValidator(_number_as_text)]


# Settings that go from the profile to a run as they are.
_SHARED = {field.name for field in fields(Machine)} - {"threads", "profile", "zero_stage"}


class Profile(_Strict):
    """A profile file, checked. An empty text and a 0 leave the cluster's own default, unless a key says otherwise.

    `name` is the file's name without `.yaml` unless it says otherwise. `ranks` is the number of processes of one run
    over all its nodes; 0 means one per GPU, or one per node where the profile has no GPUs. `memory_gb` is per node and
    run. `gpu_memory_gb` is that of one GPU (80 for an A100 of 80 GB): `plan` then says what fits it; 0 is unknown.
    `max_parallel` bounds the elements that run at once, over all arrays of a submission; 0 is no bound.
    `max_submit` bounds the elements queued at once; 0 asks the cluster. Runs estimated to be shorter are packed into
    elements of `pack_min` minutes; 0 packs nothing. `requeue` says how often each cause may start a run again within
    one submission, where that is not as in causes.py. `slots`
    (local) is the number of runs at once; 0 means as many as GPUs or cores allow. `threads` is per rank; 0 means
    `cpus_per_rank`. `runs_per_gpu` independent runs of one rank share a GPU, for short batches leave most of a large
    one idle: under Slurm an element then holds at least so many runs, if there are, and executes so many at once, each
    with its part of the element's CPU threads and of the GPU's memory; where memory does not hold them, fewer at once.
    `tensorboard` draws the curves and scores of a run for TensorBoard, in one small file an attempt.
    """

    schema_: Literal[1] = Field(alias="schema")
    name: Line = ""
    kind: Literal["slurm", "local"]
    partition: Asked = ""
    collector_partition: Asked = ""
    account: Asked = ""
    qos: Asked = ""
    constraint: Asked = ""
    nodes: Annotated[int, Field(ge=1)] = 1
    ranks: Count = 0
    gpus_per_node: Count | None = None
    gpu_request: Literal["gpus-per-node", "gres", "gpus-per-task", "none"] = "gpus-per-node"
    gpu_type: Asked = ""
    cpus_per_rank: Annotated[int, Field(ge=1)] = 1
    memory_gb: Annotated[float, Field(ge=0)] = 0.0
    gpu_memory_gb: Annotated[float, Field(ge=0)] = 0.0
    time_min: Count = 0
    signal_lead_s: Annotated[int, Field(ge=1)] = 120
    max_parallel: Count = 0
    max_submit: Count = 0
    pack_min: Count = 0
    requeue: dict[Annotated[Cause, BeforeValidator(_cause)], Count] = {}
    setup: list[Line] = []
    environment: dict[Annotated[str, AfterValidator(_variable)], Value] = {}
    zero_stage: Annotated[int, Field(ge=0, le=3)] | Literal["auto"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    micro_batch_tokens: Count = 0
    activation_checkpointing: bool = False
    offload_optimizer: bool = False
    compact_vocabulary: bool = True
    prediction_precision: Literal["", "fp32", "autocast", "bf16"] = ""
    runs_per_gpu: Annotated[int, Field(ge=1)] = 1
    checkpoint_min: Annotated[float, Field(ge=0)] = 15.0
    tensorboard: bool = True
    slots: Count = 0
    threads: Count = 0
    slurm: dict[Annotated[str, AfterValidator(_option)], Scalar] = {}

    @model_validator(mode="after")
    def _fits_together(self) -> "Profile":
        if self.kind == "slurm" and not self.time_min:
            raise ValueError("time_min is missing: the time limit of one run in minutes; there is no default")
        if self.kind == "local" and self.nodes != 1:
            raise ValueError(f"nodes must be 1 in a local profile, found {self.nodes}")
        if self.kind == "local" and self.setup:
            raise ValueError("setup is for jobs of Slurm: here, load the modules in your shell before, and remove it")
        if self.num_ranks % self.nodes:
            raise ValueError(f"ranks must be a multiple of nodes ({self.nodes}), found {self.ranks}")
        if self.runs_per_gpu > 1 and self.num_ranks > 1:
            raise ValueError(
                f"runs_per_gpu: {self.runs_per_gpu} needs runs of one rank, found {self.num_ranks} ranks; "
                "set ranks, nodes and gpus_per_node to 1, or runs_per_gpu: 1"
            )
        if self.gpu_request == "gpus-per-task" and self.num_gpus % self.ranks_per_node:
            raise ValueError(f"gpus_per_node ({self.num_gpus}) must be a multiple of ranks per node for gpus-per-task")
        if self.gpu_request == "gres" and self.num_gpus and "gres" in self.slurm:
            raise ValueError("slurm.gres and gpu_request: gres exclude each other; use gpu_request: gpus-per-node")
        return self

    @property
    def num_gpus(self) -> int:
        """Return the GPUs of each node of a run; what is not said is none."""
        return self.gpus_per_node or 0

    @property
    def num_ranks(self) -> int:
        """Return the number of processes of one run."""
        return self.ranks or self.nodes * max(1, self.num_gpus)

    @property
    def ranks_per_node(self) -> int:
        """Return the number of processes of one run on each of its nodes."""
        return self.num_ranks // self.nodes

    @property
    def num_threads(self) -> int:
        """Return the number of CPU threads of each rank."""
        return self.threads or self.cpus_per_rank

    @property
    def num_zero_stage(self) -> int:
        """Return the ZeRO stage: `auto` is 2, but 0 where a run has one rank, among which nothing can be shared out."""
        if self.zero_stage == "auto":
            return 2 if self.num_ranks > 1 else 0
        return self.zero_stage

    def machine(self) -> Machine:
        """Return what a run needs to know of this machine."""
        shared = {name: getattr(self, name) for name in _SHARED}
        return Machine(**shared, zero_stage=self.num_zero_stage, threads=self.num_threads, profile=self.name)

    def variables(self) -> dict[str, str]:
        """Return the environment of a run: offline and so many threads, unless the profile says otherwise."""
        ours = {
            "HF_HUB_OFFLINE": "1",
            "DS_LOG_LEVEL": "error",
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": str(self.num_threads),
        }
        return {**ours, **self.environment}

    @property
    def brings_packages(self) -> bool:
        """Say whether what a job needs may come from its setup, such as a module with torch, and be missing here."""
        return bool(self.setup)

    def setup_lines(self) -> list[str]:
        """Return the shell lines of a batch job before its command: exports, quoted, then the profile's own."""
        exports = [f"export {name}={shlex.quote(value)}" for name, value in self.variables().items()]
        return [*exports, *self.setup]


# What `--profile local` means where no file says otherwise.
LOCAL = Profile.model_validate({"schema": 1, "name": "local", "kind": "local"})


def load_profile(name_or_path: str) -> Profile:
    """Read and check a profile: a path, or a name under slurm/profiles here, in the checkout, or as installed."""
    if name_or_path == LOCAL.name and LOCAL.name not in profile_names():
        return LOCAL
    path = profile_path(name_or_path)
    profile = load_yaml(path, Profile, ProfileError)
    return profile.model_copy(update={"name": profile.name or path.stem})


def profile_path(name_or_path: str) -> Path:
    """Return the file of a profile given by name or path; ProfileError lists the profiles there are."""
    if name_or_path.endswith((".yaml", ".yml")) or os.sep in name_or_path:
        path = Path(name_or_path)
        if not path.is_file():
            raise ProfileError(f"{path}: no such profile file; {_listed()}")
        return path
    for folder in _folders():
        if (folder / f"{name_or_path}.yaml").is_file():
            return folder / f"{name_or_path}.yaml"
    raise ProfileError(f"no profile {name_or_path!r} in {' or '.join(map(str, _folders()))}; {_listed()}")


def profile_names() -> list[str]:
    """Return the names of the profiles there are."""
    return sorted({path.stem for folder in _folders() for path in folder.glob("*.yaml")})


def _folders() -> list[Path]:
    return list(dict.fromkeys(folder / PROFILES for folder in (Path.cwd(), _CHECKOUT, _INSTALLED)))


def _listed() -> str:
    names = profile_names()
    return f"there are: {', '.join(names)}" if names else f"write one as {PROFILES}/<name>.yaml"


def describe(profile: Profile) -> dict[str, Any]:
    """Return a profile as JSON, for the record of a submission."""
    return profile.model_dump(by_alias=True)
