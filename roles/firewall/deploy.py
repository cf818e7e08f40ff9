"""The firewall of every host: who needs a service reaches it, and nobody else.

It is to be activated before the services: then none of them is ever open to all, and each is
reachable as soon as it listens, since the rules follow from the inventory alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from tomobeam_deploy.hosts.resources import Command, File, Resource, Unit, Written
from tomobeam_deploy.hosts.target import ETC, Target
from tomobeam_deploy.hosts.unit_files import unit_files
from tomobeam_deploy.network import Flow, addresses, flows, written
from tomobeam_deploy.renderers.hardening import sandbox
from tomobeam_deploy.renderers.systemd import STARTED, UNITS, overriding, recording
from tomobeam_deploy.site import Group, Site
from tomobeam_deploy.templates import render_names

GROUPS = tuple(Group)
PACKAGES = ("nftables",)

UNIT = "tomobeam-firewall.service"
RULES = str(ETC / "firewall.nft")
READS = (*overriding(UNIT), RULES)
# nft takes 13 MiB for the rules of the example; it or a shell is all that runs.
MEMORY_MIB, TASKS = 64, 8
# The table as the kernel had it right after it was loaded.
LOADED = f"{STARTED}/firewall.loaded"


@dataclass(frozen=True)
class Rule:
    """A port of this host, and the IPv4 and IPv6 networks that may reach it."""

    protocol: str
    number: int
    old: list[str]
    new: list[str]
    why: str


def configure(target: Target) -> list[Resource]:
    """The rules, unless they would shut out who deploys, and the unit that loads them."""
    site = target.site
    unit = {
        "record": recording(UNIT, READS),
        "rules_file": RULES,
        "loaded": LOADED,
        "sandbox": sandbox(site),
        "memory_mib": MEMORY_MIB,
        "tasks": TASKS,
    }
    rules = {"rules": rules_of(site, target.name)}
    return [
        Command(
            name="access of the operator",
            check=render_names("firewall/lets_operator_in.sh.j2", {"site": site}),
            # Only a person can make it so.
            apply=":",
        ),
        File.text(
            RULES,
            render_names(f"firewall{RULES}.j2", rules),
            validate=("nft", "--check", "--file", "{}"),
        ),
        *unit_files({UNIT: render_names(f"firewall{UNITS}/{UNIT}.j2", unit)}),
    ]


def activate(_target: Target) -> list[Resource]:
    """The kernel has these rules, whoever changed what it had."""
    listing = "nft --stateless list table inet tomobeam"
    return [
        Unit(UNIT, files=READS),
        Command(
            name="rules in force",
            check=f"{listing} | cmp -s - {LOADED} || "
            '{ echo "differ from those that were loaded"; exit 1; }',
            apply=f"systemctl restart {UNIT}",
            writes=(Written(LOADED, "the rules as the kernel had them once loaded"),),
        ),
    ]


def rules_of(site: Site, host: str) -> list[Rule]:
    """What a host lets in: a rule for each port, with all that reach it."""
    reaching: dict[tuple[str, int], list[Flow]] = {}
    for flow in flows(site):
        if flow.target == host:
            reaching.setdefault((flow.protocol, flow.number), []).append(flow)
    rules = []
    for (protocol, number), found in reaching.items():
        sources = addresses(site, *found)
        old = [written(n) for n in sources if n.version == 4]
        new = [written(n) for n in sources if n.version == 6]
        why = "; ".join(dict.fromkeys(flow.why for flow in found))
        rules.append(Rule(protocol, number, old, new, why))
    return rules
