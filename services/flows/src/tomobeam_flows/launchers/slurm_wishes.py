"""What a step may wish of Slurm, and the options that `sbatch` gets for it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from tomobeam_contracts.flow import Step
from tomobeam_contracts.launchers import SlurmJobs
from tomobeam_contracts.registry import Algorithm
from tomobeam_flows.launchers import CannotLaunch

_DAYS = re.compile(r"(\d+)-(\d+)(?::(\d+))?(?::(\d+))?")
_HOURS = re.compile(r"(\d+):(\d+):(\d+)")
_MINUTES = re.compile(r"(\d+)(?::(\d+))?")
_FORMS = "minutes, minutes:seconds, hours:minutes:seconds or days-hours:minutes:seconds"


@dataclass(frozen=True)
class Allocation:
    """What a job asks of Slurm."""

    partitions: list[str]
    reservations: list[str]
    nodes: int
    seconds: int | None
    gpu: bool


def allocation(step: Step, algorithm: Algorithm, site: SlurmJobs) -> Allocation:
    """What a job of this step asks of Slurm.

    Raises:
        CannotLaunch: a wish that the site does not list; begins with its field.
    """
    nodes = step.num_nodes or 1
    if nodes > site.max_nodes:
        raise CannotLaunch(f"num_nodes: {nodes} are more than this site's {site.max_nodes}")
    return Allocation(
        partitions=_allowed("partitions", step.partitions, site.partitions) or [site.partitions[0]],
        reservations=_allowed("reservations", step.reservations, site.reservations),
        nodes=nodes,
        seconds=_time(step.max_time, site.limits.max_time_s),
        gpu=algorithm.is_gpu_enabled,
    )


def options(wanted: Allocation, site: SlurmJobs) -> list[str]:
    """The options of `sbatch`."""
    words = [
        f"--partition={','.join(wanted.partitions)}",
        f"--nodes={wanted.nodes}",
        "--ntasks-per-node=1",
    ]
    if wanted.reservations:
        words.append(f"--reservation={','.join(wanted.reservations)}")
    if site.account:
        words.append(f"--account={site.account}")
    if wanted.seconds:
        words.append(f"--time={math.ceil(wanted.seconds / 60)}")
    if site.limits.memory_mib:
        words.append(f"--mem={site.limits.memory_mib}M")
    if site.limits.cpus:
        words.append(f"--cpus-per-task={math.ceil(site.limits.cpus)}")
    if wanted.gpu and site.gpu_request:
        words.append(f"--gres={site.gpu_request}")
    return words


def _allowed(field: str, wish: list[str] | str | None, listed: tuple[str, ...]) -> list[str]:
    names = wish.split(",") if isinstance(wish, str) else wish or []
    names = [name.strip() for name in names if name.strip()]
    for name in names:
        if name not in listed:
            allowed = ", ".join(listed) or "none"
            raise CannotLaunch(f"{field}: {name!r} is not allowed here; this site has: {allowed}")
    return names


def _time(wish: str | None, limit: int | None) -> int | None:
    if not wish:
        return limit
    seconds = seconds_of(wish)
    if seconds == 0:
        raise CannotLaunch(f"max_time: {wish!r} is no time; it is {_FORMS}")
    if limit is not None and seconds > limit:
        raise CannotLaunch(f"max_time: {wish} is longer than this site's {limit} s")
    return seconds


def seconds_of(text: str) -> int:
    """A time as Slurm writes it, in seconds; 0 for what is none."""
    if found := _DAYS.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    elif found := _HOURS.fullmatch(text):
        days, (hours, minutes, seconds) = 0, (int(part) for part in found.groups())
    elif found := _MINUTES.fullmatch(text):
        days, hours, (minutes, seconds) = 0, 0, (int(part or 0) for part in found.groups())
    else:
        return 0
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
