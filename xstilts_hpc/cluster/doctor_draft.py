"""A draft of a profile from what the cluster says of itself, with the source of every value beside it."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from xstilts_hpc.cluster.doctor_facts import Cluster, NodeKind
from xstilts_hpc.cluster.profile import PROFILES, Profile, load_profile
from xstilts_hpc.errors import ProfileError, nearest
from xstilts_hpc.files import whole_file

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
_DAY_MIN = 1440
_MOST_LEAD_S, _LEAST_LEAD_S = 300, 30
_MARGIN = 0.95  # of a node's memory: the rest is the system's
_CPUS_WITHOUT_GPU = 8
_BF16 = r"a30|a40|a10|a100|h100|h200|gh200|b200|l4|l40|rtx_?[3-6]|mi[23]\d\d"
_MOST_PARALLEL = 8

# A key with its value and the comment beside it.
Line = tuple[str, Any, str]


def write_draft(name: str, cluster: Cluster, *, partition: str = "") -> tuple[Path, Profile]:
    """Write slurm/profiles/<name>.yaml in the current folder; a file that is there is not touched."""
    if not re.fullmatch(_NAME, name):
        raise ProfileError(f"a profile's name has letters, digits, _ and - only, found {name!r}")
    path = PROFILES / f"{name}.yaml"
    if path.exists():
        raise ProfileError(f"{path} is there already; choose another name, or remove it first")
    with whole_file(path) as partial:
        partial.write_text(draft(cluster, partition), encoding="utf-8")
        profile = load_profile(str(partial.resolve()))
    return path, profile.model_copy(update={"name": name})


def draft(cluster: Cluster, partition: str = "") -> str:
    """Return the text of the profile of a partition, the default one where none is named."""
    name = partition or next((key for key, facts in cluster.partitions.items() if facts.get("Default") == "YES"), "")
    if name not in cluster.partitions:
        raise ProfileError(f"no partition {name!r} here; --partition: {nearest(name, cluster.partitions)}")
    kinds = [kind for kind in cluster.nodes if kind.partition == name]
    if not kinds:
        raise ProfileError(f"partition {name} has no nodes; name another with --partition")
    return _text(
        [
            ("schema", 1, ""),
            ("kind", "slurm", ""),
            ("partition", name, "the one named" if partition else "the default one of scontrol show partition"),
            *_account_lines(cluster, name),
            *_node_lines(cluster, kinds),
            *_time_lines(cluster, name),
            ("max_parallel", min(_MOST_PARALLEL, _usable(kinds)), "runs at once; be kind to others, or 0 for no bound"),
        ],
        f"A draft of xstilts doctor --write-profile, from what cluster {cluster.config.get('ClusterName', '')} says; "
        "check it, then: xstilts doctor --profile <this> --on-node",
    )


def _account_lines(cluster: Cluster, partition: str) -> list[Line]:
    accounts = sorted({row["account"] for row in cluster.associations if row["partition"] in ("", partition)})
    if len(accounts) == 1:
        return [("account", accounts[0], "the only one of yours")]
    said = (
        f"yours: {', '.join(accounts)}; the default one is charged if none is named"
        if accounts
        else "the cluster lists none"
    )
    return [("account", "", said)]


def _node_lines(cluster: Cluster, kinds: Sequence[NodeKind]) -> list[Line]:
    """Return what a run asks of each node: all GPUs of the commonest node that has any, and their share of the rest."""
    count, kind, gpu, number = _commonest(kinds)
    alike = [other for other in kinds if other.gpus.get(gpu, 0) >= number] if number else [kind]
    cpus, memory_mb = min(other.cpus for other in alike), min(other.memory_mb for other in alike)
    where = f"{count} nodes with {kind.cpus} cpus, {kind.memory_mb} MB"
    if not number:
        used = min(cpus, _CPUS_WITHOUT_GPU)
        return [
            ("nodes", 1, where),
            ("ranks", 1, "processes of one run"),
            ("gpus_per_node", 0, "sinfo lists no GPUs in the partition"),
            ("gpu_request", "none", ""),
            ("cpus_per_rank", used, f"of {cpus} a node"),
            ("memory_gb", _memory(memory_mb * used / cpus), "that share of the node's memory, less 5 %"),
            ("precision", "fp32", ""),
            ("environment", CommentedMap({"DS_ACCELERATOR": "cpu"}), ""),
        ]
    types = {name for other in kinds for name in other.gpus}
    bf16 = re.search(_BF16, gpu, re.IGNORECASE)
    return [
        ("nodes", 1, where),
        ("gpus_per_node", number, f"all of a node ({gpu or 'no type'} in sinfo's Gres); fewer let runs share a node"),
        ("gpu_request", *_request(cluster)),
        ("gpu_type", gpu if len(types) > 1 else "", f"types here: {', '.join(sorted(types)) or 'none'}"),
        ("cpus_per_rank", max(1, cpus // number), f"a rank per GPU, {cpus} cpus a node"),
        ("memory_gb", _memory(memory_mb), f"per node; of {memory_mb} MB, less 5 %"),
        ("zero_stage", "auto", "2, or 0 where a run has one rank"),
        ("precision", "bf16" if bf16 else "fp32", "bf16 needs an A100 or newer; by the type's name"),
    ]


def _time_lines(cluster: Cluster, partition: str) -> list[Line]:
    asking = Profile.model_validate({"schema": 1, "kind": "slurm", "time_min": 1, "partition": partition})
    limit = cluster.limits(asking).max_time_min
    time_min = limit or _DAY_MIN
    lead_s = max(_LEAST_LEAD_S, min(_MOST_LEAD_S, time_min * 6))
    return [
        (
            "time_min",
            time_min,
            "the limit of partition and QOS; less starts sooner" if limit else "24 h: there is no limit here",
        ),
        ("signal_lead_s", min(lead_s, time_min * 30), "before the limit, for the last checkpoint"),
    ]


def _request(cluster: Cluster) -> tuple[str, str]:
    if "cons_tres" in cluster.config.get("SelectType", ""):
        return "gpus-per-node", "SelectType is cons_tres; sites that bind GPUs to processes: gpus-per-task"
    return "gres", f"SelectType is {cluster.config.get('SelectType', 'unknown')}, which knows --gres only"


def _commonest(kinds: Sequence[NodeKind]) -> tuple[int, NodeKind, str, int]:
    """Return the commonest shape by GPU type and number: how many nodes, one of them, its type and number."""
    shapes: dict[tuple[str, int], list[NodeKind]] = {}
    for kind in kinds:
        for gpu, number in kind.gpus.items() or [("", 0)]:
            shapes.setdefault((gpu, number), []).append(kind)
    gpu, number = max(shapes, key=lambda shape: (shape[1] > 0, sum(kind.count for kind in shapes[shape]), shape))
    alike = shapes[gpu, number]
    return sum(kind.count for kind in alike), min(alike, key=lambda kind: kind.memory_mb), gpu, number


def _usable(kinds: Sequence[NodeKind]) -> int:
    return max(1, sum(kind.count for kind in kinds if kind.usable))


def _memory(memory_mb: float) -> float | int:
    """Return whole gigabytes with the margin taken off; of less than one, tenths."""
    gigabytes = memory_mb / 1024 * _MARGIN
    return int(gigabytes) if gigabytes >= 1 else max(0.1, round(gigabytes - 0.05, 1))


def _text(lines: Sequence[Line], title: str) -> str:
    tree = CommentedMap({key: value for key, value, _ in lines})
    tree.yaml_set_start_comment(_printable(title))
    for key, _, comment in lines:
        if comment:
            tree.yaml_add_eol_comment(_printable(comment), key)
    yaml, text = YAML(typ="rt"), io.StringIO()
    yaml.width = 10_000
    yaml.dump(tree, text)
    return text.getvalue()


def _printable(text: str) -> str:
    """Return a comment on one line, whatever a cluster calls its things."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
