"""Registering a stack in Tiled: one prepared request, and what follows when it is known already.

Nothing is ever deleted. Two ingesters at once make no second node of a source either: the
key follows from the source's path, and Tiled lets only one node have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from tomobeam_common.tiled import (
    Node,
    TiledClient,
    TiledConflict,
    TiledError,
    TiledNotFound,
    TiledRefused,
    TiledUnavailable,
)
from tomobeam_contracts.destinations import RECONS
from tomobeam_contracts.scan import ScanReady
from tomobeam_contracts.tree import ReconMetadata, recon_key, recon_path
from tomobeam_ingester.outcome import DiskFull, PartnerAway, Reason, Refused
from tomobeam_ingester.stacks.forms import Candidate, Stack

_FULL = ("disk is full", "no space left", "insufficient storage", "could not extend file")


class Change(StrEnum):
    """What registering did."""

    REGISTERED = "registered"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Registered:
    """A node that now describes the stack."""

    key: str
    change: Change


class TiledAway(PartnerAway):
    """Tiled cannot be used; `whole` tells whether for everything or for this request only."""

    def __init__(self, sentence: str, *, whole: bool) -> None:
        super().__init__("tiled", sentence)
        self.whole = whole


def translate_fault(error: TiledError) -> Exception:
    """What a fault of Tiled means for the scan in hand."""
    text = str(error)
    if any(mark in text.lower() for mark in _FULL) or error.status == 507:
        return DiskFull("tiled", f"Tiled has no space left: {text}")
    if isinstance(error, TiledUnavailable):
        return TiledAway(text, whole=error.status != 500)
    if isinstance(error, TiledRefused):
        return TiledAway(f"TOMOBEAM_TILED_API_KEY is not accepted: {text}", whole=True)
    if isinstance(error, TiledNotFound):
        return TiledAway(text, whole=False)
    return Refused(Reason.REFUSED_BY_TILED, text)


class Registrar:
    """Writes what was found into `/recons`."""

    def __init__(self, client: TiledClient) -> None:
        self._client = client
        self._container_known = False

    def known(self, source_path: str) -> Node | None:
        """The node of a source, if it has one.

        Raises:
            PartnerAway
        """
        try:
            self._ensure_container()
            found = self._client.find(RECONS, "source_path", source_path)
        except TiledError as error:
            raise self._fault(error) from error
        return found[0] if found else None

    def register(
        self,
        candidate: Candidate,
        stack: Stack,
        message: ScanReady,
        message_id: str | None = None,
    ) -> Registered:
        """Register a stack, or bring its node up to date.

        Raises:
            Refused: Tiled does not take it, or the files were replaced by fewer or others.
            PartnerAway: Tiled is away or full.
        """
        source = str(candidate.path)
        known = self.known(source)
        try:
            if known is not None:
                return self._update(known, candidate, stack, message, message_id)
            return self._create(candidate, stack, message, message_id)
        except TiledError as error:
            raise self._fault(error) from error

    def _fault(self, error: TiledError) -> Exception:
        if isinstance(error, TiledNotFound):
            self._container_known = False
        return translate_fault(error)

    def _ensure_container(self) -> None:
        if not self._container_known:
            self._client.ensure_container(RECONS)
            self._container_known = True

    def _create(
        self, candidate: Candidate, stack: Stack, message: ScanReady, message_id: str | None
    ) -> Registered:
        source = str(candidate.path)
        metadata = _metadata(candidate, stack, message, message_id)
        body = {
            "structure_family": "array",
            "metadata": metadata.to_wire(),
            "specs": [],
            "data_sources": [stack.data_source()],
        }
        for taken in (False, True):
            key = recon_key(candidate.scan_folder, source, taken=taken)
            try:
                self._client.create(RECONS, {"id": key, **body}, register=True)
            except TiledConflict:
                holder = self._client.node(recon_path(key))
                if holder is not None and holder.metadata.get("source_path") == source:
                    return self._update(holder, candidate, stack, message, message_id)
            else:
                return Registered(key, Change.REGISTERED)
        raise Refused(
            Reason.REFUSED_BY_TILED,
            f"both keys for {source} are held by other sources: {key}",
        )

    def _update(
        self,
        node: Node,
        candidate: Candidate,
        stack: Stack,
        message: ScanReady,
        message_id: str | None,
    ) -> Registered:
        described = self._update_data(node, stack)
        old = node.metadata
        if not described and (message_id is None or old.get("message_id") == message_id):
            return Registered(node.key, Change.UNCHANGED)
        new = _metadata(candidate, stack, message, message_id).to_wire()
        # A later message may say less than an earlier one; a scientist may have added fields.
        self._client.replace_metadata(node.path, {**old, **_told(new, message)})
        return Registered(node.key, Change.UPDATED)

    def _update_data(self, node: Node, stack: Stack) -> bool:
        """Describe the files anew where they are not as registered; False if they are."""
        full = self._client.node(node.path, data_sources=True)
        if full is None:
            raise TiledNotFound(f"Tiled: {node.path} vanished while it was updated")
        source = full.data_sources[0]
        wanted = stack.data_source()
        have, want = _uris(source), _uris(wanted)
        if want[: len(have)] != have:
            what = "fewer" if len(want) < len(have) else "other"
            raise Refused(
                Reason.CHANGED_IN_PLACE,
                f"{stack.files[0].parent} now holds {what} images ({len(want)}) than are "
                f"registered as {node.path} ({len(have)}); delete that node to register it anew",
            )
        same = (
            len(want) == len(have)
            and full.shape == stack.shape
            and full.dtype == stack.dtype
            and source.get("parameters") == wanted["parameters"]
        )
        if same:
            return False
        body = {"data_source": {**wanted, "id": source["id"]}}
        self._client.request("PUT", f"/data_source/{node.path}", json=body)
        return True


def _uris(source: dict[str, Any]) -> list[str]:
    assets = sorted(source["assets"], key=lambda asset: asset.get("num") or 0)
    return [asset["data_uri"] for asset in assets]


def _metadata(
    candidate: Candidate, stack: Stack, message: ScanReady, message_id: str | None
) -> ReconMetadata:
    return ReconMetadata(
        scan=message.scan or candidate.scan_folder,
        source_path=str(candidate.path),
        image_count=stack.shape[0],
        ingested_at=datetime.now(UTC),
        proposal=message.proposal,
        producer=message.producer,
        pixel_size=message.pixel_size,
        message_id=message_id,
    )


def _told(new: dict[str, Any], message: ScanReady) -> dict[str, Any]:
    return new if message.scan else {key: new[key] for key in new if key != "scan"}
