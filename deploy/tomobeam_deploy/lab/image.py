"""The base image of a lab host: what a freshly installed Debian 12 with sshd and python3 is.

It is made by mmdebstrap, so that no image registry is needed, and kept by the hash of its recipe.
Measured on 2 busy cores: 40–180 s to make and 20 s to import; nothing when it exists (260 MB).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tomobeam_deploy.debian import SUITE, sources_file
from tomobeam_deploy.lab.model import USER_ID, Lab, LabError
from tomobeam_deploy.lab.podman import podman
from tomobeam_deploy.lab.state import IMAGES, STATE

REPOSITORY = "localhost/tomobeam-lab"
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "python3",
    "sudo",
    "ca-certificates",
    "iproute2",
    "procps",
)

BUILD_LIMIT_S = 900.0


@dataclass(frozen=True)
class Recipe:
    """All that decides what the image holds."""

    suite: str
    sources: str
    packages: tuple[str, ...]
    user: str
    hooks: tuple[str, ...]

    @property
    def digest(self) -> str:
        """A short hash of everything."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]

    @property
    def image(self) -> str:
        """The image's name in podman."""
        return f"{REPOSITORY}:{self.digest}"


def recipe(lab: Lab) -> Recipe:
    """How this repository makes the image, from this machine's own Debian mirror."""
    user = f"useradd --create-home --shell /bin/bash --uid {USER_ID} --user-group {lab.user}"
    return Recipe(
        suite=SUITE,
        sources=sources_file().read_text(encoding="utf-8"),
        packages=PACKAGES,
        user=lab.user,
        hooks=(
            f'chroot "$1" {user}',
            f'chroot "$1" usermod --append --groups sudo {lab.user}',
            # Each host gets its own.
            'rm -f "$1"/etc/ssh/ssh_host_*; : > "$1"/etc/machine-id',
        ),
    )


def ensure_image(lab: Lab) -> str:
    """Make and import the image, unless an earlier run did.

    Returns:
        Its name in podman.

    Raises:
        LabError: mmdebstrap or the import fails.
    """
    made = recipe(lab)
    if not podman("image", "exists", made.image, check=False).returncode:
        return made.image
    archive = IMAGES / f"{made.digest}.tar"
    if not archive.exists():
        sys.stderr.write("making the base image of the hosts (once) …\n")
        _build(made, archive)
    sys.stderr.write("importing it …\n")
    podman(
        *("import", "--change", 'CMD ["/lib/systemd/systemd"]', "--change", "STOPSIGNAL 37"),
        *(str(archive), made.image),
    )
    return made.image


def _build(made: Recipe, archive: Path) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    for old in IMAGES.iterdir():
        old.unlink()
    scratch = STATE / "scratch"
    _remove_scratch(scratch)
    scratch.mkdir()
    part = archive.with_suffix(".tar.part")
    command = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=tar",
        f"--include={','.join(made.packages)}",
        # A power cut during the making costs nothing, syncing each file much.
        "--dpkgopt=force-unsafe-io",
        *(f"--customize-hook={hook}" for hook in made.hooks),
        made.suite,
        str(part),
        str(sources_file()),
    ]
    environment = {**os.environ, "TMPDIR": str(scratch), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, check=False, timeout=BUILD_LIMIT_S
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"mmdebstrap does not end within {BUILD_LIMIT_S:.0f} s") from error
    finally:
        _remove_scratch(scratch)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        faults = [line for line in lines if line.startswith("E:")] or lines[-1:]
        raise LabError(f"mmdebstrap: {'; '.join(faults)}")
    part.replace(archive)


def _remove_scratch(scratch: Path) -> None:
    """What a killed mmdebstrap left, but nothing that is still mounted there."""
    mounted = [
        line.split()[4]
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        if line.split()[4].startswith(f"{scratch}/")
    ]
    if mounted:
        raise LabError(f"{mounted[0]} is still mounted; umount it, then run this again")
    subprocess.run(["rm", "-rf", "--one-file-system", str(scratch)], check=True)
