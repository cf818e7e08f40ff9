"""What came of a canary: for a person one table, for a program one JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tomobeam_deploy.canary.journey import Journey


def document(journey: Journey) -> dict[str, Any]:
    """The JSON-ready form: `passed`, the `hops` in their order, and the `fault` if there is one."""
    hops = []
    for hop, wire in journey.wires.items():
        report = journey.reports.get(hop)
        hops.append(
            {
                "hop": hop.value,
                "wire": wire.words,
                "from": wire.source,
                "to": wire.target,
                "seconds": report and report.seconds,
                "said": report.said if report else "",
            }
        )
    fault = journey.fault
    found: dict[str, Any] = {"passed": fault is None, "hops": hops}
    if fault:
        wire = journey.wires[fault.hop]
        hosts = list(wire.suspects)
        found["fault"] = {**asdict(fault), "hosts": hosts, "remedy": wire.remedy}
    return found


def text(found: dict[str, Any], width: int = 110) -> str:
    """The table, and what to do about a fault, from the JSON-ready form."""
    table = Table(title="The canary's hops", title_justify="left", box=None, pad_edge=False)
    for column in ("hop", "from", "to"):
        table.add_column(column, no_wrap=column == "hop")
    table.add_column("seconds", justify="right")
    table.add_column("what passed", overflow="fold")
    fault = found.get("fault")
    for hop in found["hops"]:
        seconds = "" if hop["seconds"] is None else f"{hop['seconds']:.1f}"
        said = "FAILED" if fault and fault["hop"] == hop["hop"] else hop["said"]
        table.add_row(hop["wire"], hop["from"], hop["to"], seconds, Text(said))
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return captured.get() + "\n".join(_explained(found))


def _explained(found: dict[str, Any]) -> Iterator[str]:
    fault = found.get("fault")
    if not fault:
        yield f"every hop answered, in {sum(hop['seconds'] for hop in found['hops']):.1f} s"
        return
    words = next(hop["wire"] for hop in found["hops"] if hop["hop"] == fault["hop"])
    yield f"{words} failed: {fault['sentence']}"
    yield f"on {', '.join(fault['hosts'])}: {fault['remedy']}"
    for unit, lines in fault["log"].items():
        yield f"the end of the log of {unit}:"
        yield from (f"  {line}" for line in lines.splitlines())
