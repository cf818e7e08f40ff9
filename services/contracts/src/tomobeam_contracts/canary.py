"""The canary: a tiny scan that goes over every wire and says how each hop went.

Its first half runs on a reconstruction host, its second on the web host. Each prints one line of
JSON, a `HopReport`, for every hop that it took.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from pydantic import Field

from tomobeam_contracts.destinations import CANARY, RECONS
from tomobeam_contracts.wire import Wire

HOP_LIMIT_S = 120.0
"""After so long a hop counts as one that does not answer, where nobody says otherwise."""
_TIME = "%Y%m%dT%H%M%S.%fZ"


class Hop(StrEnum):
    """The hops in their order."""

    RECONSTRUCT = "reconstruct"
    NOTIFY = "notify"
    TILED = "tiled"
    REGISTER = "register"
    READ = "read"
    MASK = "mask"
    PREFECT = "prefect"
    WORKER = "worker"
    JOBS = "jobs"
    RESULT = "result"
    PAGE = "page"


FIRST_HALF = (Hop.RECONSTRUCT, Hop.NOTIFY)
SECOND_HALF = tuple(hop for hop in Hop if hop not in FIRST_HALF)


class HopReport(Wire):
    """How one hop went."""

    hop: Hop
    seconds: float = Field(ge=0)
    said: str = Field(default="", description="what passed over it")
    fault: str | None = Field(
        default=None, description="why it failed; nothing comes after it then"
    )
    scan: str | None = Field(default=None, description="of `notify`: the name that was announced")


def scan_name(announced: datetime) -> str:
    """The name of the scan that a canary announces, which tells it from those before it."""
    return f"{CANARY}-{announced.astimezone(UTC):{_TIME}}"


def announced_at(scan: str) -> datetime:
    """When a canary's scan was announced.

    Raises:
        ValueError: no canary's scan is called so.
    """
    return datetime.strptime(scan, f"{CANARY}-{_TIME}").replace(tzinfo=UTC)


def is_canary(path: str) -> bool:
    """Whether a node below `/recons`, by its tree path, is a canary's, which no scientist wants."""
    return path.startswith(f"{RECONS}/{CANARY}")
