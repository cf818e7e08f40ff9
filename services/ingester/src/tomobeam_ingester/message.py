"""What a notification says."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from tomobeam_contracts.scan import ScanReady, ScanStatus
from tomobeam_contracts.wire import explain
from tomobeam_ingester.outcome import Reason, Refused


def read_message(body: bytes, max_body: int) -> ScanReady:
    """Understand a message's body.

    Raises:
        Refused: it is too long, not UTF-8, not JSON, or not wire 1.
    """
    if len(body) > max_body:
        raise Refused(Reason.TOO_LONG, f"a body of {len(body)} bytes; at most {max_body} are read")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(Reason.NOT_UTF8, f"the body is not UTF-8: {error}") from error
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(Reason.NOT_JSON, f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise Refused(Reason.BAD_MESSAGE, f"the body is a JSON {kind}, not an object")
    _check_status(document)
    try:
        return ScanReady.receive(document)
    except ValidationError as error:
        raise Refused(Reason.BAD_MESSAGE, explain(error, "the message")) from error


def _check_status(document: dict[str, Any]) -> None:
    status = document.get("status")
    known = [str(member) for member in ScanStatus]
    if status is not None and status not in known:
        raise Refused(
            Reason.UNKNOWN_STATUS,
            f"status: {str(status)[:80]!r} is not one of {', '.join(known)}",
        )


def merge(older: ScanReady | None, newer: ScanReady) -> ScanReady:
    """Two messages of one path: the newer wins where it says something."""
    if older is None:
        return newer
    return ScanReady(
        **{**older.model_dump(exclude_none=True), **newer.model_dump(exclude_none=True)}
    )
