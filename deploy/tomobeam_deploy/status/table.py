"""Shows rows: for a person one table, for a program one JSON object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tomobeam_deploy.status.reading import Row

NARROWEST = 140
# How a number of the lag is said; those that are not here are of no interest to a person.
WORDS = {
    "oldest_unhandled_s": "oldest {:.0f} s",
    "waiting": "waiting {:.0f}",
    "dead_letters": "dead letters {:.0f}",
    "jobs": "jobs {:.0f}",
    "connections": "connections {:.0f}",
    "state_free_bytes": "state {} free",
    "store_free_bytes": "store {} free",
    "certificate_days": "certificate {:.0f} days",
    "clock_off_s": "clock {:+.1f} s",
}


def document(rows: Iterable[Row]) -> dict[str, Any]:
    """The JSON-ready form: whether all is `well`, the `rows`, and the `faults` in sentences."""
    rows = list(rows)
    shown = [
        asdict(row) | {"since": row.since and row.since.isoformat(), "faults": list(row.faults)}
        for row in rows
    ]
    faults = [f"{row.host}: {_of_unit(row)}{fault}" for row in rows for fault in row.faults]
    return {"well": not faults, "rows": shown, "faults": faults}


def _of_unit(row: Row) -> str:
    return f"{row.unit}: " if row.unit.count(".") else ""


def text(found: Mapping[str, Any], width: int = NARROWEST) -> str:
    """The table and the faults, from the JSON-ready form."""
    table = Table(box=None, pad_edge=False)
    for column in ("host", "unit", "state", "version", "health", "lag"):
        table.add_column(column, overflow="fold")
    last = ""
    for row in found["rows"]:
        host, last = row["host"] if row["host"] != last else "", row["host"]
        health = row["health"] if row["health"] in ("", "ok") else "see below"
        cells = (host, _name(row["unit"]), _state(row), _version(row), health, _lag(row["lag"]))
        table.add_row(*map(Text, cells))
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    return "\n".join([*lines, "", *(found["faults"] or ["all is well"])])


def _name(unit: str) -> str:
    return unit.removesuffix(".service")


def _state(row: Mapping[str, Any]) -> str:
    since = f" since {_when(datetime.fromisoformat(row['since']))}" if row["since"] else ""
    restarts = f", {row['restarts']} restarts" if row["restarts"] else ""
    return f"{row['state']}{since}{restarts}"


def _when(time: datetime) -> str:
    """In this machine's zone; the day, where it is not today."""
    today = datetime.now(UTC).astimezone().date()
    there = time.astimezone()
    return f"{there:%H:%M}" if there.date() == today else f"{there:%d %b %H:%M}"


def _version(row: Mapping[str, Any]) -> str:
    other = row["current"] is not None and row["current"] != row["version"]
    return f"{row['version'] or ''}{'*' if other else ''}"


def _lag(lag: Mapping[str, float]) -> str:
    said = (
        WORDS[key].format(_size(value) if key.endswith("_bytes") else value)
        for key, value in lag.items()
    )
    return ", ".join(said)


def _size(count: float) -> str:
    return f"{count / 2**40:.1f} TiB" if count >= 2**40 else f"{count / 2**30:.1f} GiB"
