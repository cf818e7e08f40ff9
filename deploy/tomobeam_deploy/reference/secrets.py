"""The page about secrets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tomobeam_deploy.hosts.resources import File
from tomobeam_deploy.reference.asked import Asked, names_of, secrets_in
from tomobeam_deploy.reference.markdown import begin, code, table
from tomobeam_deploy.site import Site

HEADS = ("secret", "on which hosts")


def secrets(site: Site, everything: Sequence[Asked]) -> str:
    """The files of hosts that hold each secret, and the roles that are given it and keep none."""
    names = names_of(site)
    places: dict[str, list[str]] = defaultdict(list)
    for one in everything:
        kept: set[str] = set()
        for file in (each for each in one.resources if isinstance(each, File)):
            found = secrets_in(file, names)
            kept |= set(found)
            for name in found:
                who = f"{file.mode:04o} {file.owner}:{file.group}"
                places[name].append(f"{one.host}: {code(file.path)}, {who}")
        for name in one.given - kept:
            places[name].append(f"{one.host}: {one.role} is told of it, and keeps it in no file")
    none = "none; the controller uses it"
    rows = ((code(name), "<br>".join(places[name]) or none) for name in names)
    return f"{begin(site, 'Secrets')}\n\n{table(HEADS, rows)}\n"
