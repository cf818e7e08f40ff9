"""From a site to what `table` shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import Site
from tomobeam_deploy.status.asking import ask_all
from tomobeam_deploy.status.reading import rows
from tomobeam_deploy.status.table import document
from tomobeam_deploy.status.watch import questions, watched
from tomobeam_deploy.vault import Vault


def gather(
    site: Site,
    hosts: Iterable[str],
    ssh: Mapping[str, Sequence[str]],
    password: str | None = None,
) -> dict[str, Any]:
    """Ask hosts of a site; what came of it, as `table.document` says.

    Args:
        site: its hosts, and what they are for.
        hosts: which of them.
        ssh: by host, OpenSSH's command.
        password: what sudo asks for there; None: nothing.

    Raises:
        SecretsError: the site's secrets cannot be read.
    """
    vault = Vault.load(site.name)
    targets = [Target(site, host, vault) for host in hosts]
    units = {target.name: watched(target) for target in targets}
    asked = {target.name: questions(target, units[target.name]) for target in targets}
    answers = ask_all(ssh, asked, password)
    return document(row for t in targets for row in rows(t, units[t.name], answers[t.name]))
