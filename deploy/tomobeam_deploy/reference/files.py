"""The page about files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tomobeam_deploy.hosts.brought import Bundle
from tomobeam_deploy.hosts.resources import File, Folder, Link, Masked, Ran, Resource, Schema
from tomobeam_deploy.reference.asked import Asked, names_of, secrets_in
from tomobeam_deploy.reference.markdown import code, page, table
from tomobeam_deploy.renderers.systemd import UNITS
from tomobeam_deploy.site import Site

HEADS = ("path", "mode", "owner", "what", "role")
ROOT = "root:root"


def files(site: Site, everything: Sequence[Asked]) -> str:
    """What each host gets in its file system, besides Debian packages."""
    names = names_of(site)
    rows: dict[str, list[tuple[str, ...]]] = {host: [] for host in site.hosts}
    for one in everything:
        for resource in one.resources:
            rows[one.host] += [(*row, one.role) for row in _rows(resource, names)]
    return page(site, "Files", {host: _table(found) for host, found in rows.items()})


def _table(rows: list[tuple[str, ...]]) -> str:
    return table(HEADS, ((code(path), *rest) for path, *rest in sorted(rows)))


def _rows(resource: Resource, names: list[str]) -> Iterator[tuple[str, str, str, str]]:
    match resource:
        case Folder(path, mode, owner, group):
            yield path, _octal(mode), f"{owner}:{group}", "folder"
        case File(path, _, mode, owner, group):
            secrets = ", ".join(map(code, secrets_in(resource, names)))
            what = f"holds {secrets}" if secrets else ""
            yield path, _octal(mode), f"{owner}:{group}", what
        case Link(path, target):
            yield path, "", ROOT, f"→ {code(target)}"
        case Masked(unit):
            yield f"{UNITS}/{unit}", "", ROOT, f"→ {code('/dev/null')}"
        case Bundle(home=home):
            yield f"{home}/releases", "0755", ROOT, "folder, with a folder for each release"
            yield f"{home}/current", "", ROOT, "→ the release that runs"
        case Ran(unit, stamp):
            yield stamp, "0644", ROOT, f"with what {unit} ran"
        case Schema(stamp=stamp, service=service):
            yield stamp, "0644", ROOT, f"the schemas that the databases of {service} have"
        case _:
            pass


def _octal(mode: int) -> str:
    return f"{mode:04o}"
