"""The page about ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tomobeam_deploy.network import flows, listeners, written
from tomobeam_deploy.reference.markdown import page, table
from tomobeam_deploy.site import Site


def port_table(site: Site) -> str:
    """Every port of every host, as Markdown; the firewalls follow from the same."""
    heads = ("port", "listens on", "program", "who connects", "why")
    return page(site, "Ports", {host: table(heads, _rows(site, host)) for host in site.hosts})


def _rows(site: Site, host: str) -> Iterator[tuple[str, str, str, str, str]]:
    reaching = [flow for flow in flows(site) if flow.target == host]
    for listener in listeners(site, host):
        number, address, program = str(listener.number), listener.address, listener.program
        if address == site.address:
            yield number, address, program, host, "its own use"
            continue
        found = [flow for flow in reaching if flow.number == listener.number]
        who = (name for flow in found for name in (*flow.sources, *map(written, flow.networks)))
        why = (flow.why for flow in found)
        yield number, address, program, _joined(who, ", "), _joined(why, "; ")
    for flow in reaching:
        if not flow.port:
            who = ", ".join(map(written, flow.networks))
            yield f"{flow.number}/{flow.protocol}", "", "not ours", who, flow.why


def _joined(words: Iterable[str], between: str) -> str:
    return between.join(dict.fromkeys(words)) or "nobody"
