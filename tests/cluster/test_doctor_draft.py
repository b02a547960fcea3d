"""The draft of a profile: what it says for several clusters, and that a real Slurm takes it."""

from pathlib import Path

import pytest

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.doctor_check import Level
from xstilts_hpc.cluster.doctor_draft import draft, write_draft
from xstilts_hpc.cluster.doctor_facts import Cluster, ask_cluster, nodes_in
from xstilts_hpc.cluster.doctor_slurm import cluster_checks
from xstilts_hpc.cluster.profile import Profile, load_profile
from xstilts_hpc.errors import ProfileError

CONFIG = {"ClusterName": "site", "SelectType": "select/cons_tres"}
ASSOCIATION = {"account": "bio", "partition": "", "defaultqos": "", "qos": "normal"}


def cluster(nodes: str, *accounts: str, config: dict[str, str] | None = None, **partition: str) -> Cluster:
    names = dict.fromkeys(line.split("|")[0] for line in nodes.splitlines())
    facts = {name: {"PartitionName": name, "MaxTime": "UNLIMITED", **partition} for name in names}
    next(iter(facts.values()))["Default"] = "YES"
    rows = [{**ASSOCIATION, "account": account} for account in accounts]
    return Cluster(config or CONFIG, facts, nodes_in(nodes), rows, [])


def drafted(tmp_path: Path, found: Cluster, partition: str = "") -> Profile:
    path = tmp_path / "draft.yaml"
    path.write_text(draft(found, partition), encoding="utf-8")
    return load_profile(str(path))


def test_all_gpus_of_the_commonest_node_are_asked_for(tmp_path: Path) -> None:
    large, common = "gpu|idle|2|128|1031000|gpu:h100:8(S:0-1)|x\n", "gpu|idle|20|64|515000|gpu:a100:4|x\n"
    nodes = f"{large}{common}gpu|idle|90|48|190000|(null)|\n"
    found = drafted(tmp_path, cluster(nodes, "bio", MaxTime="2-00:00:00"))
    assert (found.gpus_per_node, found.gpu_type, found.gpu_request, found.num_ranks) == (4, "a100", "gpus-per-node", 4)
    assert (found.cpus_per_rank, found.memory_gb, found.time_min) == (16, 477, 2880)
    assert (found.partition, found.account, found.signal_lead_s, found.precision) == ("gpu", "bio", 300, "bf16")


def test_a_partition_without_gpus_gives_a_profile_of_cpus(tmp_path: Path) -> None:
    found = drafted(tmp_path, cluster("cpu|mixed|3|32|128000|(null)|(null)\n"))
    assert (found.gpus_per_node, found.gpu_request, found.num_ranks, found.cpus_per_rank) == (0, "none", 1, 8)
    assert (found.memory_gb, found.time_min, found.max_parallel) == (29, 1440, 3)
    assert found.variables()["DS_ACCELERATOR"] == "cpu"


def test_older_clusters_are_asked_by_gres_and_short_limits_get_a_short_warning(tmp_path: Path) -> None:
    old = cluster("g|idle|1|8|32000|gpu:2|\n", config={"SelectType": "select/cons_res"}, MaxTime="00:20:00")
    found = drafted(tmp_path, old)
    assert (found.gpu_request, found.gpu_type, found.time_min, found.signal_lead_s) == ("gres", "", 20, 120)


def test_one_of_several_accounts_is_left_to_the_user(tmp_path: Path) -> None:
    found = cluster("g|idle|1|8|32000|gpu:2|\n", "bio", "chem")
    assert "yours: bio, chem" in draft(found)
    assert drafted(tmp_path, found).account == ""


@pytest.mark.parametrize("name", ["no", "1e5", "007", "a: b # c", "'x'\"", "{a}", "$(touch x)", "*star", "null"])
def test_hostile_names_are_quoted(name: str, tmp_path: Path) -> None:
    found = drafted(tmp_path, cluster(f"{name}|idle|1|8|32000|gpu:{'2'}|\n", name))
    assert (found.partition, found.account) == (name, name)


def test_a_draft_overwrites_nothing_and_stays_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = cluster("g|idle|1|8|32000|gpu:2|\n")
    path, profile = write_draft("mine", found)
    assert (str(path), profile.name, load_profile("mine").partition) == ("slurm/profiles/mine.yaml", "mine", "g")
    with pytest.raises(ProfileError, match=r"mine\.yaml is there already"):
        write_draft("mine", found)
    with pytest.raises(ProfileError, match=r"letters, digits, _ and - only, found '\.\./mine'"):
        write_draft("../mine", found)
    with pytest.raises(ProfileError, match=r"no partition 'h' here; --partition: valid: g"):
        write_draft("other", found, partition="h")
    assert [item.name for item in path.parent.iterdir()] == ["mine.yaml"]


@pytest.mark.slurm
@pytest.mark.timeout(120)
@pytest.mark.parametrize("partition", ["", "scavenge"])
def test_a_real_cluster_takes_what_is_drafted_from_it(
    partition: str, devcluster: DevCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = ask_cluster()
    _, profile = write_draft("mine", found, partition=partition)
    settings = devcluster.settings
    assert (profile.partition, profile.gpus_per_node) == (partition or "gpu", settings.gpus)
    assert [check.name for check in cluster_checks(profile, found) if check.level is Level.PROBLEM] == []
    asked = [f"--gpus-per-node={profile.num_gpus}", f"--mem={int(profile.memory_gb * 1024)}M", "-p", profile.partition]
    ranks = [f"--ntasks-per-node={profile.ranks_per_node}", f"--cpus-per-task={profile.cpus_per_rank}"]
    command = ["sbatch", "--test-only", *asked, *ranks, f"--time={profile.time_min}", "--wrap", "true"]
    assert "to start at" in slurm.ask(command).stderr
