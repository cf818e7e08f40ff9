"""Jobs in podman without root on one compute host, and through Slurm on the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.deploy.begun import Begun
from tests.deploy.conftest import LIMIT_S, Operator, deployed
from tests.deploy.hosts import at, flow_runs, rows
from tests.support.waiting import wait_for
from tomobeam_contracts.launchers import DEPLOYED_SOCKET
from tomobeam_deploy import lab
from tomobeam_deploy.site import Accounts

pytestmark = pytest.mark.timeout(LIMIT_S)

INVENTORY = "tests/deploy/inventories/launchers"
PODMAN, SLURM = "compute1", "compute2"
HOSTS = {"podman": PODMAN, "slurm": SLURM}
WORKER = Accounts.name("worker")
ASK_PODMAN = f"podman --url=unix://{DEPLOYED_SOCKET}"
IMAGE = "localhost/tomobeam-segmentation:0.1.0"
# Where podman of the worker's own keeps everything.
STORAGE = "/var/lib/tomobeam/worker/.local/share/containers"

# What a site with a cluster has: a controller and a node, here on one host.
SLURM_CONF = """
ClusterName=lab
SlurmctldHost=compute2
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/lib/slurm/slurmd
NodeName=compute2 CPUs=2 State=UNKNOWN
PartitionName=lab Nodes=ALL Default=YES MaxTime=60 State=UP
"""
START_SLURM = """
install --directory --owner=slurm --group=slurm /var/lib/slurm/slurmctld /var/lib/slurm/slurmd
systemctl enable --quiet --now munge slurmctld slurmd
"""

RUNNING_JOB = f"pgrep --newest --uid {WORKER} --full 'params.yaml$'"
# A job that is stopped takes no SIGTERM: it is as deaf as a job can be.
FREEZE = f"""
while ! job=$({RUNNING_JOB}); do sleep 0.1; done
kill -STOP $job
"""
CANARY_LIMIT_S = 60
GONE_LIMIT_S = 30
BACK_LIMIT_S = 180


@pytest.fixture(scope="module")
def platform() -> Operator:
    """Everything deployed, and Slurm set up as its keeper does it."""
    operator = deployed(INVENTORY, prepare)
    at(SLURM, "cat >/etc/slurm/slurm.conf", stdin=SLURM_CONF.encode())
    at(SLURM, START_SLURM)
    wait_for(lambda: at(SLURM, "sinfo --noheader --format %t", ok=None) == "idle", "the node", 60)
    return operator


def prepare(operator: Operator) -> None:
    """A folder on the store for Slurm's jobs, and what images stand on."""
    accounts = operator.site.accounts
    owner = f"--owner={accounts.worker} --group={accounts.shared} --mode=0750"
    at("storage", f"install --directory {owner} /srv/filestore/slurm")
    operator.run(f"tomobeam-images base --inventory {INVENTORY}")


def canary(platform: Operator, kind: str, ok: int = 0) -> str:
    flight = f"tomobeam-site canary {platform.inventory} --kind {kind} --hop-limit {CANARY_LIMIT_S}"
    return platform.run(flight, ok=ok).stdout


@contextmanager
def frozen(platform: Operator, kind: str) -> Iterator[Begun]:
    """A canary whose job neither ends nor listens."""
    flight = f"tomobeam-site canary {platform.inventory} --kind {kind} --hop-limit 20"
    with platform.begun(flight) as begun:
        at(HOSTS[kind], "timeout 120 sh", stdin=FREEZE.encode())
        yield begun


def left_by_jobs(kind: str) -> str:
    """Processes, containers, jobs in the queue and folders with parameters."""
    host = HOSTS[kind]
    queue = {
        "podman": f"{ASK_PODMAN} ps --all --quiet; ls /var/lib/tomobeam/worker/podman-jobs",
        "slurm": "squeue --noheader; ls /srv/filestore/slurm/*",
    }
    return at(host, f"{RUNNING_JOB}; {queue[kind]}", ok=None)


def nothing_is_left(platform: Operator, kind: str) -> None:
    wait_for(lambda: not left_by_jobs(kind), f"nothing to be left of {kind}'s jobs", GONE_LIMIT_S)
    unfinished = ("RUNNING", "PENDING", "SCHEDULED", "CANCELLING")
    ended = lambda: not flow_runs(platform.site, *unfinished)  # noqa: E731
    wait_for(ended, "all runs to have ended", GONE_LIMIT_S)


def last_states(platform: Operator) -> list[str]:
    """Those of the last run and its steps."""
    newest = "select state_type from flow_run order by created desc limit 2"
    return rows(platform.site, "prefect", newest)


def test_the_hosts_are_what_the_site_says_and_stay_so(platform: Operator) -> None:
    assert platform.changes() == {}
    assert platform.drift() == []
    assert " passed" in platform.run(f"tomobeam-site verify {platform.inventory}").stdout


@pytest.mark.parametrize("kind", HOSTS)
def test_train_and_segment_and_the_result_in_the_page(platform: Operator, kind: str) -> None:
    assert "every hop answered" in canary(platform, kind)
    nothing_is_left(platform, kind)


def test_jobs_have_nothing_of_root(platform: Operator) -> None:
    with frozen(platform, "podman"):
        job = at(PODMAN, RUNNING_JOB)
        users = at(PODMAN, f"awk '/^Uid:/ {{print $2, $3, $4, $5}}' /proc/{job}/status")
        assert users == " ".join([str(platform.site.accounts.worker)] * 4)
        capabilities = at(PODMAN, f"awk '/^Cap(Eff|Bnd):/ {{print $2}}' /proc/{job}/status")
        assert set(capabilities.split()) == {"0000000000000000"}
    nothing_is_left(platform, "podman")


@pytest.mark.parametrize("kind", HOSTS)
def test_a_job_that_is_cancelled_leaves_nothing(platform: Operator, kind: str) -> None:
    with frozen(platform, kind) as begun:
        # It cancels in Prefect what does not come in time.
        assert begun.end() == 1, begun.said
    nothing_is_left(platform, kind)
    assert set(last_states(platform)) == {"CANCELLED"}


@pytest.mark.parametrize("kind", HOSTS)
def test_a_worker_that_is_killed_ends_its_jobs_at_its_next_start(
    platform: Operator, kind: str
) -> None:
    with frozen(platform, kind) as begun:
        at(HOSTS[kind], "systemctl kill --signal=SIGKILL tomobeam-worker.service")
        assert begun.end() == 1, begun.said
    nothing_is_left(platform, kind)
    assert "CRASHED" in last_states(platform)
    assert "every hop answered" in canary(platform, kind)


@pytest.mark.parametrize("kind", HOSTS)
def test_a_host_that_is_rebooted_mid_job_comes_back_clean(platform: Operator, kind: str) -> None:
    with frozen(platform, kind) as begun:
        lab.reboot(HOSTS[kind])
        assert begun.end() == 1, begun.said
    wait_for(lambda: not platform.drift(), "all hosts to be as deployed", BACK_LIMIT_S)
    nothing_is_left(platform, kind)
    assert "CRASHED" in last_states(platform)
    assert "every hop answered" in canary(platform, kind)


def test_a_controller_of_slurms_that_is_away_is_named(platform: Operator) -> None:
    at(SLURM, "systemctl stop slurmctld")
    try:
        assert "Slurm did not take the job: " in canary(platform, "slurm", ok=1)
    finally:
        at(SLURM, "systemctl start slurmctld")
    assert "every hop answered" in canary(platform, "slurm")


def test_an_image_that_does_not_fit_is_said_and_comes_when_there_is_room(
    platform: Operator,
) -> None:
    session = f"export XDG_RUNTIME_DIR=/run/user/{platform.site.accounts.worker}; cd /"
    # Without what holds its namespace, podman sees the disks as they are now.
    begin_anew = "podman system migrate; systemctl --user stop tomobeam-podman.service"
    again = f"runuser -u {WORKER} -- sh -c '{session}; {begin_anew}'"
    at(PODMAN, f"mount -t tmpfs -o size=64m,uid={WORKER},mode=700 tmpfs {STORAGE}; {again}")
    try:
        assert f"{PODMAN}: image {IMAGE}: {IMAGE} is not there" in platform.drift(PODMAN)
        done = platform.deploy(ok=1, more=f"--limit {PODMAN}")
        [said] = [line for line in done.stderr.splitlines() if "make room there" in line]
        assert f" but the disk of {STORAGE} has 6" in said
    finally:
        at(PODMAN, f"umount --lazy {STORAGE}; {again}")
    assert platform.drift() == []
    assert "every hop answered" in canary(platform, "podman")


def test_an_image_that_was_removed_comes_back_with_the_next_deploy(platform: Operator) -> None:
    at(PODMAN, f"{ASK_PODMAN} rmi {IMAGE}")
    assert f"{PODMAN}: image {IMAGE}: {IMAGE} is not there" in platform.drift(PODMAN)
    assert f"image {IMAGE} is not on this host" in canary(platform, "podman", ok=1)
    platform.deploy(more=f"--limit {PODMAN}")
    assert platform.drift() == []
