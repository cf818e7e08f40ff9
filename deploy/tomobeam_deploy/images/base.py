"""What all images stand on: Debian's own slim image, or one made by mmdebstrap from a mirror."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tomobeam_deploy.debian import SUITE, sources_file
from tomobeam_deploy.images.model import COMMON_PACKAGES, INPUTS_LABEL
from tomobeam_deploy.images.runtime import ContainersError, call, image, labels
from tomobeam_deploy.site import Runtime

DEFAULT_BASE = f"docker.io/library/debian:{SUITE}-slim"
OWN_BASE = "localhost/tomobeam-base:latest"

# What Debian's own slim images leave out as well.
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
# usrmerge brings Perl, a third of all; in a tree that is merged from the start nobody needs it.
_MERGED = "/usr/share/mmdebstrap/hooks/merged-usr"
_PIN = "etc/apt/preferences.d/usrmerge"
_SETUP_HOOK = (
    'mkdir -p "$1"/etc/apt/preferences.d && printf "Package: usrmerge\\nPin: release *\\n'
    f'Pin-Priority: -1\\n" >"$1"/{_PIN}'
)
_HOOKS = (
    f'rm "$1"/{_PIN}',
    # The mirror is this site's: builds are given it, images do not keep it.
    'rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/etc/apt/apt.conf.d/99*',
    'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/log/* "$1"/etc/machine-id',
)


@dataclass(frozen=True)
class Base:
    """An image that is there; its name may come to mean another."""

    name: str
    id: str


def ready_base(runtime: Runtime, wanted: str = DEFAULT_BASE) -> Base:
    """The base to build on, which is there once this returns.

    Where the default is not there, the one that `ensure_base` made is taken.

    Args:
        wanted: the full name of an image.

    Raises:
        ContainersError: it is not there, and cannot be fetched.
    """
    for name in (wanted, OWN_BASE) if wanted == DEFAULT_BASE else (wanted,):
        if there := image(runtime, name):
            return Base(name, there["Id"])
    _fetch(runtime, wanted)
    there = image(runtime, wanted)
    assert there is not None, "what was fetched is there"
    return Base(wanted, there["Id"])


def _fetch(runtime: Runtime, wanted: str) -> None:
    sys.stderr.write(f"fetching {wanted} …\n")
    try:
        call(runtime, "pull", "--quiet", wanted)
    except ContainersError as error:
        why = str(error).splitlines()[-1]
        raise ContainersError(
            f"the base image {wanted} is not on this machine and cannot be fetched: make one from "
            f"this machine's Debian mirror by make base-image, or name another by BASE_IMAGE=…\n"
            f"({why})"
        ) from error


def ensure_base(runtime: Runtime, again: bool = False) -> bool:
    """Make `OWN_BASE`, unless an earlier run did.

    Args:
        again: in any case, with what the mirror has today.

    Returns:
        Whether it was made.

    Raises:
        ContainersError: mmdebstrap is missing or fails, or the runtime does not import it.
        tomobeam_deploy.debian.NoSourcesError: this machine names no mirror of the suite.
    """
    sources = sources_file()
    options = [
        "--variant=minbase",
        f"--include={','.join(COMMON_PACKAGES)}",
        f"--hook-dir={_MERGED}",
        f"--setup-hook={_SETUP_HOOK}",
        *(f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT),
        *(f"--customize-hook={hook}" for hook in _HOOKS),
    ]
    decides = json.dumps([SUITE, sources.read_text(encoding="utf-8"), options])
    inputs = hashlib.sha256(decides.encode()).hexdigest()[:12]
    there = image(runtime, OWN_BASE)
    if there and labels(there).get(INPUTS_LABEL) == inputs and not again:
        return False
    if shutil.which("mmdebstrap") is None:
        raise ContainersError("mmdebstrap is not installed; install Debian's package of that name")
    sys.stderr.write(f"making {OWN_BASE} …\n")
    with tempfile.TemporaryDirectory(prefix="tomobeam-base-") as folder:
        archive = Path(folder) / "base.tar"
        _run(["mmdebstrap", "--quiet", *options, SUITE, str(archive), str(sources)])
        label = f"LABEL {INPUTS_LABEL}={inputs}"
        call(runtime, "import", "--change", label, "--change", 'CMD ["sh"]', str(archive), OWN_BASE)
    return True


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        faults = [line for line in lines if line.startswith("E:")] or lines[-1:]
        raise ContainersError(f"mmdebstrap: {'; '.join(faults)}")
