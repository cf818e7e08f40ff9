"""The runs that this worker executes now, and what they share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import anyio
from prefect.client.schemas.objects import State, StateType

from tomobeam_common.tiled import TiledClient
from tomobeam_contracts.flow import FlowType
from tomobeam_flows.api import Api
from tomobeam_flows.launchers import Job, Launcher
from tomobeam_flows.runlog import RunLogs
from tomobeam_flows.settings import WorkerSettings

CANCELLED = "Cancelled by request."


@dataclass
class Ending:
    """Why a run must end before its work is done."""

    message: str
    kind: StateType
    """The final state that the run deserves: cancelled, failed or crashed."""
    set_by_others: set[UUID] = field(default_factory=set)
    """Runs whose final state somebody else has set already."""

    @property
    def state(self) -> State[Any]:
        """The final state."""
        return State(type=self.kind, message=self.message)


@dataclass
class Active:
    """A run of the parent flow, from its start to just before its final state."""

    parent: UUID
    child: UUID | None = None
    job: Job | None = None
    ending: Ending | None = None
    asked_to_end: anyio.Event = field(default_factory=anyio.Event)

    @property
    def ids(self) -> list[UUID]:
        """The flow runs that are alive because of this run."""
        return [self.parent, self.child] if self.child else [self.parent]

    def end(self, ending: Ending) -> None:
        """End the run's job; the first reason stands."""
        if self.ending is None:
            self.ending = ending
            self.asked_to_end.set()
        else:
            self.ending.set_by_others |= ending.set_by_others
        if self.job is not None:
            self.job.cancel()


class ActiveRuns:
    """Every active run of this worker."""

    def __init__(self) -> None:
        self._runs: dict[UUID, Active] = {}

    def __iter__(self) -> Iterator[Active]:
        return iter(list(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, parent: UUID) -> Active:
        """Begin a run."""
        return self._runs.setdefault(parent, Active(parent))

    def remove(self, active: Active) -> None:
        """Forget a run."""
        self._runs.pop(active.parent, None)

    @property
    def ids(self) -> list[UUID]:
        """All flow runs of all of them."""
        return [run_id for run in self for run_id in run.ids]


@dataclass
class Context:
    """What every run of this worker uses."""

    settings: WorkerSettings
    api: Api
    logs: RunLogs
    launchers: dict[FlowType, Launcher]
    tiled: TiledClient
    active: ActiveRuns = field(default_factory=ActiveRuns)
    heartbeat: anyio.Lock = field(default_factory=anyio.Lock)
    """Held while signs of life are sent, so that none arrives after a final state."""
    secrets: list[str] = field(default_factory=list)
    """Texts that no log and no message may show."""
