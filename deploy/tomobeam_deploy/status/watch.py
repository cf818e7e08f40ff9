"""What is looked at on a host: what the roles want active there, and what it stands on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tomobeam_deploy.hosts.deploy import Stage, plan
from tomobeam_deploy.hosts.resources import Answers, Unit
from tomobeam_deploy.hosts.roles import every_role
from tomobeam_deploy.hosts.target import CERTIFICATE, ETC, OPT, Target
from tomobeam_deploy.renderers.systemd import timer_name, unit_name
from tomobeam_deploy.service import Process

VERSION = str(ETC / "version")


@dataclass(frozen=True)
class Watched:
    """A unit that a host has to have; `process` is what of ours it runs."""

    unit: str
    addresses: tuple[Answers, ...] = ()
    process: Process | None = None

    @property
    def runs(self) -> str:
        """The unit of the process itself, where `unit` is its timer."""
        return unit_name(self.process.name) if self.process else self.unit

    @property
    def current(self) -> str | None:
        """The link to the release that it would be started with."""
        return str(OPT / self.process.name / "current") if self.process else None

    @property
    def metrics(self) -> str | None:
        """Where a worker counts its jobs."""
        if self.process is None or self.process.name != "worker":
            return None
        return f"{self.process.placement.site.loopback_url('worker')}/metrics"


def watched(target: Target) -> list[Watched]:
    """The units of a host, ours at first."""
    steps = plan(list(every_role().values()), target)
    active = [r for (stage, _), asked in steps.items() if stage is Stage.ACTIVATE for r in asked]
    answers = [r for r in active if isinstance(r, Answers)]
    units = [r.name for r in active if isinstance(r, Unit)] + [r.unit for r in answers]
    ours = {_own_unit(process): process for process in target.processes.values()}
    found = [
        Watched(unit, tuple(r for r in answers if r.unit == unit), ours.get(unit))
        for unit in dict.fromkeys(units)
    ]
    return sorted(found, key=lambda each: each.process is None)


def _own_unit(process: Process) -> str:
    return timer_name(process.name) if process.service.every_s else unit_name(process.name)


def disks(target: Target) -> dict[str, str]:
    """Of which folders it matters how much is free, by what they are for."""
    store = target.host.file_store
    return {"state": str(target.site.data.state)} | ({"store": str(store)} if store else {})


def questions(target: Target, units: Iterable[Watched]) -> dict[str, Any]:
    """What the host is asked (`on_host.report`)."""
    units = list(units)
    addresses = {each.url: each.ca for each in chain(*(unit.addresses for unit in units))}
    return {
        "units": list(dict.fromkeys(chain(*((each.unit, each.runs) for each in units)))),
        "links": [each.current for each in units if each.current],
        "addresses": addresses | {each.metrics: None for each in units if each.metrics},
        "folders": list(disks(target).values()),
        "files": [str(CERTIFICATE), VERSION],
    }
