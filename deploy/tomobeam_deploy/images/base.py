"""A Debian to stand on where no registry is reachable: made by mmdebstrap from a mirror."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tomobeam_deploy.debian import SUITE, sources_file
from tomobeam_deploy.images.model import COMMON_PACKAGES, INPUTS_LABEL
from tomobeam_deploy.images.runtime import ContainersError, call, image
from tomobeam_deploy.site import Runtime

BASE = "localhost/tomobeam-base:latest"

# What Debian's own slim images leave out as well.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
_HOOKS = (
    # The mirror is this site's: builds are given it, images do not keep it.
    'rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/etc/apt/apt.conf.d/99*',
    'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/log/* "$1"/etc/machine-id',
)


def ensure_base(runtime: Runtime) -> bool:
    """Make `BASE`, unless an earlier run did.

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
        *(f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT),
        *(f"--customize-hook={hook}" for hook in _HOOKS),
    ]
    decides = json.dumps([SUITE, sources.read_text(encoding="utf-8"), options])
    inputs = hashlib.sha256(decides.encode()).hexdigest()[:12]
    there = image(runtime, BASE)
    if there and (there["Config"].get("Labels") or {}).get(INPUTS_LABEL) == inputs:
        return False
    if shutil.which("mmdebstrap") is None:
        raise ContainersError("mmdebstrap is not installed; install Debian's package of that name")
    with tempfile.TemporaryDirectory(prefix="tomobeam-base-") as folder:
        archive = Path(folder) / "base.tar"
        _run(["mmdebstrap", *options, SUITE, str(archive), str(sources)])
        label = f"LABEL {INPUTS_LABEL}={inputs}"
        call(runtime, "import", "--change", label, "--change", 'CMD ["sh"]', str(archive), BASE)
    return True


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, errors="replace", check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        faults = [line for line in lines if line.startswith("E:")] or lines[-1:]
        raise ContainersError(f"mmdebstrap: {'; '.join(faults)}")
