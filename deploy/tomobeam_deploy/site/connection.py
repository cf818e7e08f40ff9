"""How an inventory's hosts are reached: `group_data/<inventory>.py` beside it, as pyinfra reads."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tomobeam_deploy.site.faults import SiteError

# A host that does not answer when asked so often is gone.
ASK_EVERY_S = 5
ASK_TIMES = 6
SSH = 22


def settings_file(inventory: Path) -> Path:
    """Where the connection settings of an inventory stand."""
    return inventory.parent / "group_data" / f"{inventory.name}.py"


def connection_settings(inventory: Path) -> dict[str, Any]:
    """The settings by name; none where the file is missing."""
    path = settings_file(inventory)
    return runpy.run_path(str(path)) if path.is_file() else {}


def setting(inventory: Path, name: str, what: str) -> str:
    """One setting.

    Raises:
        SiteError: it is missing; with `what` it is.
    """
    value = connection_settings(inventory).get(name)
    if not value:
        raise SiteError(f"{settings_file(inventory)}: {name}: missing; name {what}")
    return value


def known_hosts_file(inventory: Path) -> Path:
    """Where the host keys of an inventory are pinned.

    Raises:
        SiteError: its connection settings name no file.
    """
    what = "the file that pins the hosts' keys"
    return Path(setting(inventory, "ssh_known_hosts_file", what)).expanduser()


def ssh_port(inventory: Path) -> int:
    """Where the hosts' sshd listens."""
    return int(connection_settings(inventory).get("ssh_port") or SSH)


def openssh_options(get: Callable[[str], Any]) -> list[str]:
    """What OpenSSH has to be told; `get` gives a setting by its name, or None."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": ASK_EVERY_S * ASK_TIMES,
        "IdentitiesOnly": "yes" if get("ssh_key") else None,
        "IdentityFile": get("ssh_key"),
        "Port": get("ssh_port"),
        "ServerAliveCountMax": ASK_TIMES,
        "ServerAliveInterval": ASK_EVERY_S,
        "StrictHostKeyChecking": "yes",
        "User": get("ssh_user"),
        "UserKnownHostsFile": get("ssh_known_hosts_file"),
    }
    return [f"-o{key}={value}" for key, value in options.items() if value]
