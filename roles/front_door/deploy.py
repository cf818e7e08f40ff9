"""Debian's Caddy, which ends TLS on each host that serves HTTP.

Machines reach a service at a port of its own host and bring their keys. People have one name, the
web host's: the page is there, and behind its login Prefect's and Tiled's own pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roles.certificates.deploy import key_file
from tomobeam_deploy.hosts.resources import Answers, File, Folder, Overrides, Resource, Unit
from tomobeam_deploy.hosts.target import CA, CERTIFICATE, ETC, Target
from tomobeam_deploy.hosts.unit_files import verify_drop_in
from tomobeam_deploy.network import fronted, reached_by
from tomobeam_deploy.renderers.hardening import sandbox
from tomobeam_deploy.renderers.systemd import UNITS, overriding, recording
from tomobeam_deploy.site import Group, Site
from tomobeam_deploy.site.hosts import HOLDERS
from tomobeam_deploy.site.parts import HTTPS
from tomobeam_deploy.templates import render_names

GROUPS = (Group.CONTROL, Group.STORAGE, Group.WEB)
PACKAGES = ("caddy",)

UNIT = "caddy.service"
USER = "caddy"
CONFIG = "/etc/caddy/Caddyfile"
KEY = str(ETC / "front-door/host.key")
DROP_IN = f"{UNITS}/{UNIT}.d/50-tomobeam.conf"
READS = (*overriding(UNIT), CONFIG, str(CERTIFICATE), KEY, str(CA))
# As its user, who must be able to read the key; this host's Caddy goes on with what it has.
VALIDATE = (
    "sh",
    "-c",
    f"runuser -u {USER} -- env HOME=/var/lib/caddy "
    'caddy validate --adapter caddyfile --config - <"$1"',
    "caddy",
    "{}",
)
# Tiled's pages are built for these paths and no others, whatever its root path is.
TILED_PAGES = ("/ui", "/ui/*", "/tiled-ui-settings", "/api/v1", "/api/v1/*")


@dataclass(frozen=True)
class Other:
    """A service of another host whose pages are shown under the page's name."""

    name: str
    url: str
    paths: tuple[str, ...]


def configure(target: Target) -> list[Resource]:
    """A key of its own, the sandbox, and what it serves."""
    names = _names(target)
    return [
        Folder(str(ETC / "front-door")),
        key_file(target, KEY, USER),
        Overrides(UNIT, (DROP_IN,)),
        File.text(
            DROP_IN,
            render_names(f"front_door{DROP_IN}.j2", names),
            validate=verify_drop_in(UNIT),
        ),
        File.text(CONFIG, render_names(f"front_door{CONFIG}.j2", names), validate=VALIDATE),
    ]


def activate(target: Target) -> list[Resource]:
    """It runs with that, and listens; what stands behind it may not run yet."""
    names, address = _names(target), _bracketed(target)
    ports = [port for port, _ in names["machines"]]
    if page := names["page"]:
        ports += [page["port"], page["http"]]
    return [
        Unit(UNIT, files=READS),
        *(Answers(f"tcp://{address}:{port}", UNIT) for port in ports),
    ]


def _names(target: Target) -> dict[str, Any]:
    """What the templates are told."""
    site = target.site
    machines = [
        (getattr(site.ports, reached_by(service.port)), getattr(site.ports, service.port))
        for service in fronted(site)
        if service.port != "webapp" and HOLDERS[service.port] in target.host.groups
    ]
    return {
        "host": target.name,
        "address": _bracketed(target),
        "loopback": site.address,
        "certificate": CERTIFICATE,
        "key": KEY,
        "ca": CA,
        "config": CONFIG,
        "machines": machines,
        "page": _page(site) if target.is_in(HOLDERS["webapp"]) else None,
        "recording": recording(UNIT, READS),
        "sandbox": sandbox(site),
    }


def _page(site: Site) -> dict[str, Any]:
    ports, prefect = site.ports, site.prefect_path
    return {
        "port": ports.webapp_tls,
        "http": ports.webapp_http,
        "behind": ports.webapp,
        "suffix": "" if ports.webapp_tls == HTTPS else f":{ports.webapp_tls}",
        "others": [
            Other("prefect", site.url("prefect_server"), (prefect, f"{prefect}/*")),
            Other("tiled", site.url("tiled"), TILED_PAGES),
        ],
    }


def _bracketed(target: Target) -> str:
    address = target.host.address
    return f"[{address}]" if address.version == 6 else str(address)
