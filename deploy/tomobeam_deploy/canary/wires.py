"""Which hosts a hop connects, and where to look when it does not go well."""

from __future__ import annotations

from dataclasses import dataclass

from roles.front_door.deploy import UNIT as FRONT_DOOR
from tomobeam_contracts.canary import Hop
from tomobeam_deploy.renderers.systemd import unit_name
from tomobeam_deploy.site import Group, Site


@dataclass(frozen=True)
class Wire:
    """One hop between the hosts of a site; `suspects` are those whose `units` are at fault."""

    words: str
    source: str
    target: str
    suspects: tuple[str, ...]
    units: tuple[str, ...]
    remedy: str


def wires(site: Site, sender: str) -> dict[Hop, Wire]:
    """Every hop of a canary that starts on the host `sender`."""
    broker, storage = site.host_of("broker"), site.host_of("tiled")
    prefect, web = site.host_of("prefect_server"), site.host_of("webapp")
    workers = tuple(site.members(Group.COMPUTE))
    compute = ", ".join(workers)
    store = site.path_on(sender, site.data.filestore)

    def wire(
        words: str,
        source: str,
        target: str,
        service: str | None,
        remedy: str,
        *suspects: str,
        tls: bool = False,
    ) -> Wire:
        units = (*([unit_name(service)] if service else []), *([FRONT_DOOR] if tls else []))
        return Wire(words, source, target, suspects or (target,), units, remedy)

    return {
        Hop.RECONSTRUCT: wire(
            "reconstruction → file store", sender, sender, None,
            f"see that {store} is mounted and writable there",
        ),
        Hop.NOTIFY: wire(
            "notification → broker", sender, broker, "broker",
            "see that the broker runs and lets this host in",
        ),
        Hop.TILED: wire(
            "page's key → Tiled", web, storage, "tiled",
            "see that Tiled and its front door run and let the web host in", tls=True,
        ),
        Hop.REGISTER: wire(
            "broker → ingester → Tiled", broker, storage, "ingester",
            "its log, or its dead letters, say what became of the message",
        ),
        Hop.READ: wire(
            "file store → Tiled → page", storage, web, "tiled",
            "see that the file store is mounted there and its files can be read by Tiled", storage,
        ),
        Hop.MASK: wire(
            "mask → Tiled", web, storage, "tiled",
            "see that Tiled's own store and its database can be written",
        ),
        Hop.PREFECT: wire(
            "flow run → Prefect", web, prefect, "prefect-server",
            "see that Prefect's server and its front door run and let the web host in", tls=True,
        ),
        Hop.WORKER: wire(
            "Prefect → worker", prefect, compute, "worker",
            "see that a worker runs and is not busy, and that the work pool is not paused",
            *workers,
        ),
        Hop.JOBS: wire(
            "jobs on images in Tiled", compute, storage, "worker",
            "read the log of the flow run in Prefect", *workers,
        ),
        Hop.RESULT: wire(
            "result → Tiled → page", storage, web, "tiled",
            "read the log of the flow run in Prefect", storage,
        ),
        Hop.PAGE: wire(
            "browser → page", web, web, "webapp",
            "see that the page and its front door run, and that its certificate is good", tls=True,
        ),
    }  # fmt: skip
