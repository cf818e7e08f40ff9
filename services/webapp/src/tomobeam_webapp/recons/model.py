"""A reconstruction as the page lists it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from tomobeam_common.tiled import Node
from tomobeam_contracts.canary import is_canary
from tomobeam_contracts.destinations import RECONS
from tomobeam_contracts.tree import metadata_uri
from tomobeam_webapp.live.mirror import Body, Mirror, digest


class Recon(BaseModel):
    """One image of the list."""

    path: str
    title: str
    shape: tuple[int, int, int]
    dtype: str
    version: str
    ingested_at: datetime | None = None
    scan: str = ""
    proposal: str = ""
    producer: str = ""

    def matches(self, words: list[str]) -> bool:
        """Whether every word is somewhere in what the list shows of it."""
        text = " ".join((self.title, self.scan, self.proposal, self.producer)).lower()
        return all(word in text for word in words)

    def store(self, tiled_url: str) -> dict[str, Any]:
        """The content of the store `IMAGE`."""
        return {
            "path": self.path,
            "uri": metadata_uri(tiled_url, self.path),
            "title": self.title,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "version": self.version,
        }


def describe(node: Node) -> Body | None:
    """The document of a child of /recons; None for what is no stack of slices, or a canary's.

    A stranger's node may carry any metadata or none.
    """
    if node.shape is None or len(node.shape) != 3 or node.dtype is None or is_canary(node.path):
        return None
    meta = node.metadata
    body = {
        "path": node.path,
        "title": node.key,
        "shape": list(node.shape),
        "dtype": node.dtype.str,
        "ingested_at": _time(meta.get("ingested_at")),
        **{name: str(meta.get(name) or "") for name in ("scan", "proposal", "producer")},
    }
    return {**body, "version": digest([body, meta.get("image_count")])}


def recons(mirror: Mirror) -> list[Recon]:
    """The mirrored reconstructions, newest first; those without a time come last."""
    entries = mirror.entries(RECONS)
    newest_first = [Recon.model_validate(body) for body in entries.values()][::-1]
    return sorted(
        newest_first,
        key=lambda r: r.ingested_at.timestamp() if r.ingested_at else 0.0,
        reverse=True,
    )


def _time(value: Any) -> str | None:
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return when.isoformat() if when.tzinfo else when.astimezone().isoformat()
