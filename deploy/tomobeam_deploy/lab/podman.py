"""podman with the lab's own settings, and what of the lab exists in it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass

from tomobeam_deploy.lab.model import LAB, Lab, LabError
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


def containers(lab: Lab = LAB) -> dict[str, Container]:
    """The lab's containers by name, running or not."""
    listed = json.loads(podman("ps", "--all", "--format", "json").stdout)
    wanted = {lab.container(host) for host in lab.hosts}
    found = {}
    for entry in listed:
        labels = entry.get("Labels") or {}
        name = entry["Names"][0]
        if name in wanted or LABEL in labels:
            found[name] = Container(name, entry["State"], labels.get(LABEL, ""))
    return found


def remnants(lab: Lab = LAB) -> list[str]:
    """What of the lab exists: containers, network, volume."""
    found = [f"container {name}" for name in containers(lab)]
    if not podman("network", "exists", lab.network, check=False).returncode:
        found.append(f"network {lab.network}")
    if not podman("volume", "exists", lab.volume, check=False).returncode:
        found.append(f"volume {lab.volume}")
    return found


def clear(lab: Lab = LAB) -> None:
    """Remove containers, network and volume, whatever state an earlier run left them in.

    Raises:
        LabError: something is still there; names it.
    """
    names = {*containers(lab), *(lab.container(host) for host in lab.hosts)}
    podman("rm", "--force", "--ignore", "--time", "0", *sorted(names), check=False)
    podman("network", "rm", "--force", "--time", "0", lab.network, check=False)
    podman("volume", "rm", "--force", lab.volume, check=False)
    if left := remnants(lab):
        raise LabError(f"cannot clear an earlier lab: {', '.join(left)}")


def other_folders(lab: Lab = LAB) -> set[str]:
    """State folders of other checkouts whose lab is on this machine."""
    return {c.folder for c in containers(lab).values() if c.folder and c.folder != str(STATE)}
