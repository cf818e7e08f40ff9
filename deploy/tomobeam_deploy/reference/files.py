"""The page about files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tomobeam_deploy.hosts import databases
from tomobeam_deploy.hosts import upload as uploads
from tomobeam_deploy.hosts.brought import Bundle, Packages
from tomobeam_deploy.hosts.resources import (
    Command,
    File,
    Folder,
    Link,
    Masked,
    Ran,
    Resource,
    Schema,
    Unit,
)
from tomobeam_deploy.packages import host as packages
from tomobeam_deploy.reference.asked import Asked, names_of, secrets_in
from tomobeam_deploy.reference.markdown import code, page, table
from tomobeam_deploy.renderers.systemd import STARTED, UNITS
from tomobeam_deploy.site import Site

HEADS = ("path", "mode", "owner", "what", "role")
ROOT = "root:root"
PACKAGES = (
    (packages.FOLDER, "0755", ROOT, "folder, with the repository that the site sent"),
    (packages.KEYRING, "0644", ROOT, "by which apt knows that repository"),
    (packages.SOURCES, "0644", ROOT, "by which apt finds it"),
    (f"~/{uploads.FOLDER}", "0700", "", "archives on their way, in the home of who deploys"),
)

Row = tuple[str, str, str, str]


def files(site: Site, everything: Sequence[Asked]) -> str:
    """What each host gets in its file system, besides what is in Debian packages."""
    names = names_of(site)
    # What several roles write is the first one's.
    rows: dict[str, dict[Row, str]] = {host: {} for host in site.hosts}
    for one in everything:
        for resource in one.resources:
            for row in _rows(resource, names):
                rows[one.host].setdefault(row, one.role)
            if isinstance(resource, Schema):
                rows[site.host_of("postgresql")][_dumps(resource)] = one.role
    return page(site, "Files", {host: _table(found) for host, found in rows.items()})


def _table(rows: Mapping[Row, str]) -> str:
    return table(HEADS, ((code(path), *rest, role) for (path, *rest), role in sorted(rows.items())))


def _dumps(schema: Schema) -> Row:
    """Where the databases are; the schema itself is of the service's host."""
    what = f"folder, with dumps of {schema.service} from before its schemas changed"
    return databases.FOLDER, "0700", "postgres:postgres", what


def _rows(resource: Resource, names: list[str]) -> Iterator[Row]:
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
            yield f"{home}/previous", "", ROOT, "→ the one before it, once there is one"
        case Ran(unit, stamp):
            yield stamp, "0644", ROOT, f"with what {unit} ran"
        case Schema(stamp=stamp, service=service):
            yield stamp, "0644", ROOT, f"the schemas that the databases of {service} have"
        case Unit(name, files) if files:
            yield f"{STARTED}/{name}", "0600", ROOT, "with what it was started"
        case Packages():
            yield from PACKAGES
        case Command(writes=writes):
            yield from ((each.path, "", "", each.what) for each in writes)
        case _:
            pass


def _octal(mode: int) -> str:
    return f"{mode:04o}"
