"""What may be wished of Slurm, and what its answers mean; no Slurm is needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.jobs import algorithm
from tomobeam_contracts.flow import Step
from tomobeam_contracts.launchers import Limits, SlurmJobs
from tomobeam_flows.exits import explain_exit
from tomobeam_flows.launchers import CannotLaunch, Exit
from tomobeam_flows.launchers.slurm import SlurmLauncher
from tomobeam_flows.launchers.slurm_commands import FORGOTTEN, JobState, complaint_of, parse_state
from tomobeam_flows.launchers.slurm_job import how_it_ended
from tomobeam_flows.launchers.slurm_wishes import allocation, options, seconds_of

SITE = SlurmJobs(
    partitions=("batch", "gpu"),
    reservations=("beamtime",),
    account="i23",
    max_nodes=2,
    shared=Path("/shared/jobs"),
    job_bin=Path("/opt/tomobeam/bin"),
    env_vars=("OMP_NUM_THREADS",),
    gpu_request="gpu:a100:1",
    limits=Limits(memory_mib=2000, cpus=2.5, max_time_s=3600),
)


def _step(**wishes: Any) -> Step:
    io = {"data_tiled_uri": "http://127.0.0.1:1/api/v1/metadata/recons/a"}
    return Step.receive({"params": {"io_parameters": io}, **wishes})


def _options(site: SlurmJobs = SITE, gpu: bool = False, **wishes: Any) -> list[str]:
    return options(allocation(_step(**wishes), algorithm("x", is_gpu_enabled=gpu), site), site)


def test_what_the_site_says_without_a_wish() -> None:
    assert _options() == [
        "--partition=batch", "--nodes=1", "--ntasks-per-node=1", "--account=i23",
        "--time=60", "--mem=2000M", "--cpus-per-task=3",
    ]  # fmt: skip


def test_a_site_without_limits_leaves_them_to_the_partition() -> None:
    site = SlurmJobs(partitions=("p",), shared=Path("/s"), job_bin=Path("/b"), limits=Limits())
    assert _options(site) == ["--partition=p", "--nodes=1", "--ntasks-per-node=1"]


def test_the_older_forms_wishes() -> None:
    words = _options(
        gpu=True, partitions=["gpu", "batch"], reservations="beamtime", num_nodes=2,
        max_time="00:30:30", conda_env_name="dlsia", volumes=[], network="",
    )  # fmt: skip
    assert words[:4] == [
        "--partition=gpu,batch", "--nodes=2", "--ntasks-per-node=1", "--reservation=beamtime"
    ]  # fmt: skip
    assert "--time=31" in words
    assert words[-1] == "--gres=gpu:a100:1"


def test_a_cluster_without_gpus_is_asked_for_none() -> None:
    site = SITE.model_copy(update={"gpu_request": None})
    assert not [word for word in _options(site, gpu=True) if word.startswith("--gres")]


@pytest.mark.parametrize("empty", ["", [], [""], None])
def test_an_empty_wish_is_none(empty: Any) -> None:
    assert "--partition=batch" in _options(partitions=empty, reservations=empty, max_time="")


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"partitions": "debug"}, "partitions: 'debug' is not allowed here; .* batch, gpu"),
        ({"partitions": ["gpu", "x;id"]}, "partitions: 'x;id' is not allowed"),
        ({"partitions": "gpu --wrap=id"}, "partitions: 'gpu --wrap=id' is not allowed"),
        ({"reservations": "mine"}, "reservations: 'mine' is not allowed here; .* beamtime"),
        ({"num_nodes": 3}, "num_nodes: 3 are more than this site's 2"),
        ({"max_time": "1:00:01"}, "max_time: 1:00:01 is longer than this site's 3600 s"),
        ({"max_time": "UNLIMITED"}, "max_time: 'UNLIMITED' is no time; it is minutes"),
        ({"max_time": "0"}, "max_time: '0' is no time"),
        ({"max_time": "1:00 --uid=0"}, "max_time: '1:00 --uid=0' is no time"),
        ({"env_vars": {"LD_PRELOAD": "/x"}}, "env_vars.LD_PRELOAD: .* OMP_NUM_THREADS"),
    ],
)
def test_a_wish_that_is_not_listed_names_its_field(wish: dict[str, Any], said: str) -> None:
    with pytest.raises(CannotLaunch, match=f"^{said}"):
        SlurmLauncher(SITE, "w", {}, 1).check(_step(**wish), algorithm("x"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 1800), ("30:15", 1815), ("2:00:01", 7201), ("1-2", 93600), ("1-02:03", 93780),
        ("1-02:03:04", 93784), ("", 0), ("1:2:3:4", 0), ("-1", 0), ("1.5", 0), ("infinite", 0),
    ],
)  # fmt: skip
def test_times_as_slurm_writes_them(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


def test_answers_of_squeue() -> None:
    assert parse_state("") == FORGOTTEN
    assert parse_state("RUNNING|None|node[1-2]\n") == JobState("RUNNING", "", "node[1-2]")
    waiting = parse_state("PENDING|(a|b)|\n")
    assert (waiting.state, waiting.over) == ("PENDING", False)
    assert not parse_state("COMPLETING|None|n").over
    assert parse_state("NODE_FAIL|NodeDown|n").over


def test_complaints_lose_their_prefix() -> None:
    text = (
        "sbatch: error: invalid partition specified: x\n"
        "sbatch: error: Batch job submission failed: Invalid partition name specified\n"
    )
    assert complaint_of(text) == (
        "invalid partition specified: x; "
        "Batch job submission failed: Invalid partition name specified"
    )
    assert complaint_of("slurm_load_jobs error: Invalid job id specified\n") == (
        "Invalid job id specified"
    )
    assert complaint_of("\n") == "no reason given"


@pytest.mark.parametrize(
    ("state", "code", "said"),
    [
        (JobState("FAILED", "NonZeroExitCode", "n"), 2, "exit code 2: it refused"),
        (JobState("FAILED", "NonZeroExitCode", "n"), 137, "killed by SIGKILL"),
        (JobState("OUT_OF_MEMORY", "OutOfMemory", "n"), 137, "the memory ran out.*(n)"),
        (JobState("TIMEOUT", "TimeLimit", "n"), 143, "its time ran out.*(n)"),
        (JobState("NODE_FAIL", "NodeDown", "n"), None, r"its node failed \(n\)"),
        (JobState("CANCELLED", "", ""), None, "somebody cancelled it in Slurm$"),
        (JobState("FAILED", "JobLaunchFailure", "n"), None, "could not run it on n: JobLaunch"),
        (FORGOTTEN, 3, "exit code 3"),
        (FORGOTTEN, None, "no longer knows it"),
    ],
)
def test_ends_are_told_apart(state: JobState, code: int | None, said: str) -> None:
    ended = how_it_ended(state, code, cancelled=False)
    assert not ended.ok
    assert re.search(said, explain_exit(ended))


@pytest.mark.parametrize(
    ("state", "code"), [(JobState("COMPLETED"), None), (JobState("COMPLETED"), 0), (FORGOTTEN, 0)]
)
def test_a_job_that_did_what_it_was_asked(state: JobState, code: int | None) -> None:
    assert how_it_ended(state, code, cancelled=False) == Exit(0)
