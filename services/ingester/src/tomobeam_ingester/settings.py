"""What the ingester must be told."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from tomobeam_common.settings import BrokerSettings, TiledSettings


class IngesterSettings(BrokerSettings, TiledSettings):
    """Environment variables `TOMOBEAM_<FIELD>` of `tomobeam-ingester`."""

    readable_roots: list[Path] = Field(
        min_length=1, description="folders whose files Tiled may serve, as Tiled names them"
    )
    path_map: dict[str, str] = Field(
        default_factory=dict, description="a producer's path prefix: the prefix here"
    )
    ingester_state: Path = Field(description="folder of our own notes")
    ingester_port: int = Field(ge=0, lt=65536, description="of /healthz and /metrics")
    ingester_workers: int = Field(default=3, gt=0, le=32, description="scans handled at once")
    ingester_prefetch: int = Field(
        default=1000, gt=0, description="messages held unacknowledged; more than ever wait"
    )
    ingester_max_body: int = Field(
        default=65536, gt=0, description="bytes of the longest message that is read"
    )
    ingester_poll_s: float = Field(
        default=2.0, gt=0, description="between two looks at a stack that is being written"
    )
    ingester_settle_s: float = Field(
        default=30.0,
        gt=0,
        description="a stack unchanged for so long is complete; longer than the file store's "
        "attribute cache",
    )
    ingester_incomplete_limit_s: float = Field(
        default=7 * 86400.0,
        gt=0,
        description="a stack incomplete and unchanged for so long is given up with its reason",
    )
    ingester_missing_limit_s: float = Field(
        default=86400.0, gt=0, description="a path absent for so long is given up"
    )
    ingester_scan_every_s: float = Field(
        default=900.0, ge=0, description="between two catch-up scans; 0: only at the start"
    )
    ingester_scan_depth: int = Field(
        default=6, gt=0, description="folder levels that a catch-up scan looks below each root"
    )
    ingester_scan_folders: int = Field(
        default=200_000, gt=0, description="folders that one catch-up scan looks into at most"
    )
    ingester_scan_exclude: list[str] = Field(
        default_factory=lambda: [".*", "raw", "projections*", "lost+found"],
        description="names of folders, with wildcards, that a catch-up scan leaves out",
    )
    ingester_heartbeat_s: float = Field(default=10.0, ge=0, description="STOMP; 0: none")
    ingester_retry_limit_s: float = Field(
        default=30.0, gt=0, description="longest pause between attempts to reach a partner"
    )

    @field_validator("readable_roots")
    @classmethod
    def _absolute(cls, roots: list[Path]) -> list[Path]:
        for root in roots:
            if not root.is_absolute():
                raise ValueError(f"{root} is not an absolute path")
        return roots
