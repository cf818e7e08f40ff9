"""Settings of the canary's halves."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from tomobeam_common.settings import PrefectSettings, ServiceSettings, TiledSettings
from tomobeam_contracts.canary import HOP_LIMIT_S
from tomobeam_contracts.flow import FlowType


class CanarySettings(ServiceSettings):
    """What both halves need."""

    canary_hop_limit_s: float = Field(
        HOP_LIMIT_S,
        gt=0,
        description="seconds after which a hop counts as failed",
    )


class SendSettings(CanarySettings):
    """The half of a reconstruction host; what it calls has settings of its own."""

    canary_store: Path = Field(description="the file store, as this host mounts it")


class FollowSettings(CanarySettings, TiledSettings, PrefectSettings):
    """The half of the web host."""

    canary_flow_type: FlowType | None = Field(
        None, description="how the jobs run; where absent, as the site says"
    )
    registry: Path = Field(description="JSON file of the site's algorithms")
    webapp_url: str = Field(description="the page as browsers name it")
