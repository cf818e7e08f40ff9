"""A real Slurm of a test's own: munge, a controller and one node, on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.platform import free_ports
from tests.support.waiting import wait_for

NODE = "localhost"
PARTITION = "batch"
OTHER_PARTITION = "gpu"
CLOSED = "closed"
CPUS = 8
MEMORY_MIB = 4000
START_LIMIT_S = 30

# One node that claims more processors than there are, so that jobs run side by side. Trackers
# by cgroup need a machine that runs systemd; KillWait is as long as sites leave it.
_CONFIGURATION = """
ClusterName=tomobeam
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=200
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=30
SlurmdTimeout=30
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
GresTypes=gpu
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdParameters=config_overrides
NodeName={node} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName={partition} Nodes=ALL Default=YES MaxTime=60 State=UP
PartitionName={other} Nodes=ALL MaxTime=60 State=UP
PartitionName={closed} Nodes=ALL MaxTime=60 State=DOWN
"""


class Slurm:
    """A cluster that runs; its commands find it by `SLURM_CONF`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("state", "spool", "munge"):
            (folder / name).mkdir(mode=0o711)
        ports = free_ports(["controller", "daemon"])
        text = _CONFIGURATION.format(
            **ports, node=NODE, folder=folder, user=_user(), cpus=CPUS, memory=MEMORY_MIB,
            partition=PARTITION, other=OTHER_PARTITION, closed=CLOSED,
        )  # fmt: skip
        self.configuration.write_text(text)
        (folder / "gres.conf").write_text(f"NodeName={NODE} Name=gpu File=/dev/null\n")
        self._start_munge()
        self.start_controller()
        self._start("slurmd", "-D", "-N", NODE)
        wait_for(lambda: "idle" in self.ask("sinfo", "-h", "-o", "%t"), "the node", START_LIMIT_S)

    def environment(self) -> dict[str, str]:
        """What the commands of Slurm read."""
        return {"SLURM_CONF": str(self.configuration)}

    def start_controller(self) -> None:
        """Start the controller, and wait until it answers."""
        self._start("slurmctld", "-D")
        wait_for(self.answers, "Slurm's controller", START_LIMIT_S)

    def answers(self) -> bool:
        """Whether the controller answers."""
        return "UP" in self.ask("scontrol", "ping")

    def stop_controller(self) -> None:
        """Stop the controller; what it knows of jobs is on its disk then."""
        self._end("slurmctld")

    def open_partition(self, name: str, is_open: bool) -> None:
        """Let the jobs of a partition begin, or not."""
        state = "up" if is_open else "down"
        self.ask("scontrol", "update", f"partitionname={name}", f"state={state}")

    def fail_node(self) -> None:
        """Let the node be called dead, and give it back."""
        words = ("scontrol", "update", f"nodename={NODE}")
        self.ask(*words, "state=down", "reason=tests")
        self.ask(*words, "state=resume")

    def jobs(self) -> list[str]:
        """The jobs of which something is left, as `number name`."""
        return self.ask("squeue", "-h", "-o", "%i %j").splitlines()

    def ask(self, *words: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(
            words, env={**os.environ, **self.environment()}, capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip
        return done.stdout.strip()

    def end_jobs(self) -> None:
        """End every job, and wait until none is left."""
        self.ask("scancel", "--me")
        wait_for(lambda: not self.jobs(), "the end of all jobs")

    def end(self) -> None:
        """End every job and every daemon."""
        self.ask("scancel", "--me")
        for name in ("slurmd", "slurmctld", "munged"):
            if name in self._processes:
                self._end(name)
        spool = str(self.folder)
        for process in psutil.process_iter():
            try:
                if process.environ().get("SLURM_CONF", "").startswith(spool):
                    process.kill()
            except psutil.Error:
                continue

    def _start_munge(self) -> None:
        place = self.folder / "munge"
        key = place / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self._start(
            "munged", "--foreground", f"--key-file={key}", f"--socket={place}/socket",
            f"--pid-file={place}/pid", f"--log-file={place}/log", f"--seed-file={place}/seed",
        )  # fmt: skip
        wait_for((place / "socket").exists, "munge", START_LIMIT_S)

    def _start(self, name: str, *words: str) -> None:
        program = _program(name)
        assert program, missing()
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [program, *words], env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _end(self, name: str) -> None:
        process = self._processes.pop(name)
        process.terminate()
        process.wait(timeout=30)


def missing() -> str:
    """Why Slurm cannot be tried here, or nothing."""
    for name in ("slurmctld", "slurmd", "munged", "sbatch"):
        if _program(name) is None:
            return f"slurm: {name} is missing (apt-get install slurm-wlm munge)"
    return ""


def _program(name: str) -> str | None:
    # Debian keeps daemons out of an ordinary user's PATH.
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def _user() -> str:
    return psutil.Process().username()


@contextmanager
def slurm() -> Iterator[Slurm]:
    """A cluster that is gone afterwards."""
    # Slurm wants short paths, and folders above its own that others may pass.
    folder = Path(tempfile.mkdtemp(prefix="tomobeam-slurm-"))
    folder.chmod(0o755)
    cluster = None
    try:
        cluster = Slurm(folder)
        yield cluster
    finally:
        if cluster is not None:
            cluster.end()
        shutil.rmtree(folder, ignore_errors=True)
