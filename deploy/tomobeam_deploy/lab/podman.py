"""podman with the lab's own settings, and what of the lab exists in it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass

from tomobeam_deploy.lab.model import NETWORK, PREFIX, VOLUME, LabError
from tomobeam_deploy.lab.state import CONTAINERS_CONF, STATE

LABEL = "tomobeam-lab"


def podman(
    *arguments: str, stdin: bytes | None = None, check: bool = True, limit_s: float = 180.0
) -> subprocess.CompletedProcess[bytes]:
    """Run podman.

    Raises:
        LabError: it fails (with `check`), or takes longer than `limit_s`.
    """
    environment = {**os.environ, "CONTAINERS_CONF": str(CONTAINERS_CONF)}
    try:
        done = subprocess.run(
            ["podman", *arguments],
            input=stdin if stdin is not None else b"",
            env=environment,
            capture_output=True,
            check=False,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(
            f"podman {' '.join(arguments[:2])}: no answer within {limit_s:.0f} s"
        ) from error
    if check and done.returncode:
        raise LabError(f"podman {' '.join(arguments[:2])}: {last_line(done.stderr)}")
    return done


def last_line(output: bytes) -> str:
    """The last line that a command printed."""
    return output.decode(errors="replace").strip().rpartition("\n")[2]


@dataclass(frozen=True)
class Container:
    """One container of the lab, as podman sees it."""

    name: str
    state: str
    folder: str
    """The state folder of the checkout that started it."""


def containers() -> dict[str, Container]:
    """The lab's containers by name, running or not, whatever site it is of.

    Also those of which there is only the storage: what a podman that was killed left of them.
    """
    listed = json.loads(podman("ps", "--all", "--external", "--format", "json").stdout)
    found = {}
    for entry in listed:
        labels = entry.get("Labels") or {}
        name = entry["Names"][0]
        if LABEL in labels or name.startswith(f"{PREFIX}-"):
            found[name] = Container(name, entry["State"], labels.get(LABEL, ""))
    return found


def remnants() -> list[str]:
    """What of the lab exists: containers, network, volume."""
    found = [f"container {name}" for name in containers()]
    if not podman("network", "exists", NETWORK, check=False).returncode:
        found.append(f"network {NETWORK}")
    if not podman("volume", "exists", VOLUME, check=False).returncode:
        found.append(f"volume {VOLUME}")
    return found


def clear() -> None:
    """Remove containers, network and volume, whatever state an earlier run left them in.

    Raises:
        LabError: something is still there; names it.
    """
    if names := sorted(containers()):
        podman("rm", "--force", "--ignore", "--time", "0", *names, check=False)
    podman("network", "rm", "--force", "--time", "0", NETWORK, check=False)
    podman("volume", "rm", "--force", VOLUME, check=False)
    if left := remnants():
        raise LabError(f"cannot clear an earlier lab: {', '.join(left)}")


def other_folders() -> set[str]:
    """State folders of other checkouts whose lab is on this machine."""
    return {c.folder for c in containers().values() if c.folder and c.folder != str(STATE)}
