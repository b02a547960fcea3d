"""The folder of one visit to the nodes: what was ordered, what each rank wrote, and what follows from that."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xstilts_hpc.cluster.doctor_check import Check, fine, problem, warning
from xstilts_hpc.errors import RunError
from xstilts_hpc.files import read_json

_FOLDER = "doctor"
# Clocks that differ by less are of no matter.
_CLOCK_S = 5.0
_ADVICE = {
    "root": "use a --root that the nodes see and may write to",
    "scratch": "set TMPDIR in the profile's environment to a folder of the node",
    "python": "install the packages where the nodes see them, or load the module in the profile's setup",
    "gpu": "check gpus_per_node and gpu_request in the profile, and that torch is a CUDA build",
    "process group": "set NCCL_SOCKET_IFNAME or GLOO_SOCKET_IFNAME in the profile (`ip address` on a node)",
    "deepspeed": "read the log; DS_ACCELERATOR: cpu in the profile's environment where there is no GPU",
    "scontrol": "runs cannot ask to start again by themselves: submit the grid again after a time limit",
    "signal": "runs are not told before their end: lower checkpoint_min in the profile",
    "requeue": "runs cannot ask to start again by themselves: submit the grid again after a time limit",
}
_NOT_GRAVE = ("scontrol", "requeue")


@dataclass(frozen=True)
class Visit:
    """The folder of a visit; the only place that knows what its files are called."""

    folder: Path

    @property
    def again(self) -> Path:
        """Return the file that the main rank writes when the job has started again."""
        return self.folder / "again.json"

    @property
    def ordered(self) -> Path:
        """Return the file that says what the ranks are to do."""
        return self.folder / "order.json"

    @property
    def log(self) -> Path:
        """Return the log of the main rank's node."""
        return next(iter(sorted(self.folder.glob("*.out"))), self.folder)

    def rank(self, rank: int) -> Path:
        """Return the file of a rank."""
        return self.folder / f"rank-{rank}.json"

    def order(self) -> dict[str, Any]:
        """Return what the ranks are to do."""
        return dict(read_json(self.ordered))

    def records(self) -> list[dict[str, Any]]:
        """Return what the ranks wrote so far, by rank."""
        return sorted((dict(read_json(p)) for p in self.folder.glob("rank-*.json")), key=lambda item: int(item["rank"]))


def visit_of(root: Path, token: str) -> Visit:
    """Return a visit by its token; RunError where there is none."""
    names = [path.parent.name for path in (root / _FOLDER).glob("*/order.json")]
    if token not in names:
        raise RunError(f"{root / _FOLDER}: no visit {token!r}; there are: {', '.join(sorted(names)) or 'none'}")
    return Visit(root / _FOLDER / token)


def new_visit(root: Path, token: str) -> Visit:
    """Return the visit that a token is to name."""
    return Visit(root / _FOLDER / token)


def visit_checks(visit: Visit, seen_at: float) -> list[Check]:
    """Return what follows from what the ranks wrote, as it was read at a time of this machine's clock."""
    order, records = visit.order(), visit.records()
    if not records:
        return [problem("ranks", "no rank wrote anything", f"read {visit.log}; --root must be seen by the nodes")]
    told = {name for record in records for name in (*record["steps"], record["doing"])}
    names = [name for name in _ADVICE if name in told]  # in the order in which they were taken
    checks = [_ranks(order, records, visit), *(_step(name, records, visit) for name in names if name != "requeue")]
    if any("device" in record for record in records):
        checks.append(_devices(records))
    checks.append(_clock(records, (order["submitted"], seen_at)))
    return [*checks, _requeue(visit, records)] if order["requeue"] else checks


def _ranks(order: dict[str, Any], records: Sequence[dict[str, Any]], visit: Visit) -> Check:
    hosts = sorted({record["node"] or record["host"] for record in records})
    said = f"{len(records)} of {order['ranks']} ranks on {', '.join(hosts)}"
    if len(records) < order["ranks"]:
        return problem("ranks", said, f"read {visit.log}")
    return fine("ranks", said)


def _step(name: str, records: Sequence[dict[str, Any]], visit: Visit) -> Check:
    """Return how a step went on all ranks; those that failed alike are told of together."""
    failed: dict[str, list[str]] = {}
    for record in records:
        step = record["steps"].get(name, {"ok": True})
        if not step["ok"]:
            failed.setdefault(step["found"], []).append(str(record["rank"]))
    bad = [f"rank {', '.join(ranks)}: {found}" for found, ranks in failed.items()]
    stuck = [str(record["rank"]) for record in records if record["doing"] == name]
    said = list(dict.fromkeys(r["steps"][name]["found"] for r in records if name in r["steps"]))
    if stuck and not bad:
        bad = [f"rank {', '.join(stuck)} did not come to the end of it"]
    if bad:
        then = f"{_ADVICE.get(name, '')}; {visit.log} has more".removeprefix("; ")
        return (warning if name in _NOT_GRAVE else problem)(name, "; ".join(bad), then)
    return fine(name, "; ".join(filter(None, said)))


def _devices(records: Sequence[dict[str, Any]]) -> Check:
    """Check that no two ranks compute on the same GPU."""
    used = [(record["host"], record.get("device", "")) for record in records]
    if len(set(used)) < len(used):
        found = f"{len(used)} ranks use {len(set(used))} GPUs"
        return problem(
            "gpu per rank", found, "ask for a GPU per rank: gpus_per_node, ranks and gpu_request in the profile"
        )
    return fine("gpu per rank", f"each of {len(used)} ranks has its own")


def _clock(records: Sequence[dict[str, Any]], between: tuple[float, float]) -> Check:
    """Check that the nodes' clocks say a time between the order and its answer."""
    early, late = (min(r["time"] for r in records) - between[0], max(r["time"] for r in records) - between[1])
    off = late if late > 0 else min(0.0, early)
    if abs(off) > _CLOCK_S:
        found = f"a node's clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} this machine's"
        return warning("clock", found, "tell the site; times in records and leases of runs will disagree")
    return fine("clock", "the nodes' clocks agree with this machine's")


def _requeue(visit: Visit, records: Sequence[dict[str, Any]]) -> Check:
    """Say whether the job started again after it had asked to."""
    asked = next((record["steps"]["requeue"] for record in records if "requeue" in record["steps"]), None)
    if visit.again.is_file():
        again = read_json(visit.again)
        return fine("requeue", f"started again (SLURM_RESTART_COUNT {again['restarts']}, on {again['host']})")
    if asked and not asked["ok"]:
        return warning("requeue", asked["found"], _ADVICE["requeue"])
    if asked:
        return warning("requeue", "Slurm took the job back, but it has not started again yet", "look again later")
    return warning("requeue", "not tried, since an earlier step failed", "mend that first")
