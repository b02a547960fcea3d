"""The profile file: what it checks, and the options of sbatch that come of it."""

from pathlib import Path

import pytest

from tests.cluster.trivial_runs import make_profile
from xstilts_hpc.cluster.profile import Profile, load_profile, profile_names, profile_path
from xstilts_hpc.cluster.sbatch_options import collector_options, is_foreign, run_options
from xstilts_hpc.errors import ProfileError
from xstilts_hpc.machine import Machine

SHIPPED = ["devcluster", "example-a100", "example-cpu", "example-h100", "local"]


def write(folder: Path, text: str) -> str:
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    return str(folder / "site.yaml")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_profiles_are_valid_and_found_from_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_profile(name).name == name
    assert set(SHIPPED) <= set(profile_names())


def test_profile_beside_the_current_directory_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slurm/profiles").mkdir(parents=True)
    (tmp_path / "slurm/profiles/local.yaml").write_text("schema: 1\nkind: local\nslots: 7\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load_profile("local").slots == 7
    assert profile_path("local") == tmp_path / "slurm/profiles/local.yaml"


def test_devcluster_profile_makes_a_machine() -> None:
    profile = load_profile("devcluster")
    assert profile.machine() == Machine(2, "fp32", threads=1, profile="devcluster")
    assert (profile.num_ranks, profile.ranks_per_node, profile.max_parallel) == (2, 2, 2)
    assert profile.variables()["DS_ACCELERATOR"] == "cpu"


@pytest.mark.parametrize(
    ("keys", "stage"), [({}, 0), ({"ranks": 2}, 2), ({"zero_stage": 2}, 2), ({"zero_stage": 0, "ranks": 2}, 0)]
)
def test_zero_shards_by_itself_only_where_there_are_several_ranks(keys: dict[str, int], stage: int) -> None:
    profile = Profile.model_validate({"schema": 1, "kind": "local", **keys})
    assert profile.machine().zero_stage == stage


def test_only_jobs_with_a_setup_may_have_packages_that_are_missing_here() -> None:
    assert make_profile(setup=["module load torch"]).brings_packages
    assert not make_profile().brings_packages
    assert not load_profile("local").brings_packages


def test_unknown_profile_lists_those_there_are() -> None:
    with pytest.raises(ProfileError, match=r"no profile 'jureca'.*there are: devcluster, example-a100"):
        load_profile("jureca")


def test_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"x\.yaml: no such profile file"):
        load_profile(str(tmp_path / "x.yaml"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("partitoin: a", r"site\.yaml:4: unknown key 'partitoin'; did you mean 'partition'\?"),
        ("precision: fp8", r"site\.yaml:4: precision: expected 'fp32' or 'bf16', found 'fp8'"),
        ("zero_stage: 4", r"site\.yaml:4: zero_stage: "),
        ("nodes: 0", r"site\.yaml:4: nodes: "),
        ("ranks: 2\nnodes: 4", r"ranks must be a multiple of nodes \(4\), found 2"),
        ("slurm: {array: 0-3}", r"site\.yaml:4: .*'array' is decided by the key max_parallel"),
        ("slurm: {dependency: singleton}", r"site\.yaml:4: .*decided by submit itself"),
        ("slurm: {exclude: [n1]}", r"site\.yaml:4: .*expected one text, number, true or false, found \['n1'\]"),
        ("account: \"a\\ntouch x\"", r"site\.yaml:4: account: expected one line"),
        ("environment: {A-B: x}", r"site\.yaml:4: .*name of an environment variable"),
        ("gpus_per_node: 3\ngpu_request: gpus-per-task\nranks: 2", r"gpus_per_node \(3\) must be a multiple"),
        ("gpus_per_node: 4\nruns_per_gpu: 2", r"runs_per_gpu: 2 needs runs of one rank, found 4 ranks; set ranks"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=message):
        load_profile(write(tmp_path, f"schema: 1\nkind: slurm\ntime_min: 10\n{line}\n"))


def test_a_local_profile_has_no_setup(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="setup is for jobs of Slurm: here, load the modules in your shell before"):
        load_profile(write(tmp_path, "schema: 1\nkind: local\nsetup: [module load cuda]\n"))


def test_slurm_profile_needs_a_time_limit(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="time_min is missing"):
        load_profile(write(tmp_path, "schema: 1\nkind: slurm\n"))


@pytest.mark.parametrize(
    ("request_style", "options"),
    [
        ("gpus-per-node", {"gpus_per_node": "a100:4"}),
        ("gres", {"gres": "gpu:a100:4"}),
        ("gpus-per-task", {"gpus_per_task": "a100:1"}),
        ("none", {}),
    ],
)
def test_gpus_are_asked_for_in_the_profiles_style(request_style: str, options: dict[str, str]) -> None:
    profile = make_profile(gpus_per_node=4, gpu_type="a100", gpu_request=request_style)
    found = run_options(profile, name="x", parallel=3, dependency="")
    assert {key: value for key, value in found.items() if "gpu" in key or key == "gres"} == options
    assert found["ntasks_per_node"] == 4 and found["array_parallelism"] == 3


def test_values_are_quoted_before_they_reach_the_shell() -> None:
    profile = make_profile(environment={"A": "$(touch x); 'q'", "B": 3}, setup=["module load a || exit 1"])
    lines = profile.setup_lines()
    assert """export A='$(touch x); '"'"'q'"'"''""" in lines
    assert "export B=3" in lines and "export HF_HUB_OFFLINE=1" in lines
    assert lines[-1] == "module load a || exit 1"


def test_additional_options_are_passed_on() -> None:
    profile = make_profile(slurm={"exclusive": True, "nice": 100, "no-requeue": True, "overcommit": False})
    found = run_options(profile, name="x", parallel=1, dependency="aftercorr:7")["additional_parameters"]
    assert found == {"kill-on-invalid-dep": "yes", "exclusive": True, "nice": 100, "no-requeue": True}


def test_collector_asks_for_little() -> None:
    profile = make_profile(memory_gb=200, gpus_per_node=4, nodes=2, collector_partition="cpu", time_min=1440)
    found = collector_options(profile, name="c", dependency="afterany:1:2")
    assert (found["partition"], found["nodes"], found["ntasks_per_node"], found["mem"]) == ("cpu", 1, 1, "4096M")
    assert found["time"] == 60 and not any("gpu" in key for key in found)


@pytest.mark.parametrize("name", ["SLURM_JOB_ID", "SLURM_MEM_PER_NODE", "SBATCH_PARTITION", "RANK", "SUBMITIT_FOLDER"])
def test_variables_of_an_enclosing_job_are_foreign(name: str) -> None:
    assert is_foreign(name)
    assert not is_foreign("SLURM_CONF")
