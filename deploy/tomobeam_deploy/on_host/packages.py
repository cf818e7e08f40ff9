"""Debian packages."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tomobeam_deploy.on_host.bundles import unpack
from tomobeam_deploy.on_host.resource import Resource
from tomobeam_deploy.on_host.running import Fault, run

LOCK_LIMIT_S = 120
LOCK = Path("/var/lib/dpkg/lock-frontend")
# Debian asks it whether a package's service may start; 101 says no.
POLICY = Path("/usr/sbin/policy-rc.d")
OUR_POLICY = "#!/bin/sh\n# tomobeam: services start once they are set up\nexit 101\n"


class Packages(Resource):
    """Packages that are installed; their services are not started by that."""

    names: list[str]
    script: str
    """shell that reads a repository from its standard input; only for putting right"""
    upload: str
    """where the repository is; only for putting right"""

    def differences(self) -> list[str]:
        """Which are not installed, and what an interrupted installation left."""
        done = run(
            *("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n"),
            *self.names,
            check=False,
        )
        there = {
            line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")
        }
        lacking = [f"{name} is not installed" for name in self.names if name not in there]
        left = [f"an interrupted installation left {POLICY}"] if _is_ours(POLICY) else []
        return lacking + left

    def put_right(self) -> None:
        """Install them, after what another program is installing."""
        unpack(self.upload, self.script)
        ours = not POLICY.exists() or _is_ours(POLICY)
        if ours:
            POLICY.write_text(OUR_POLICY, encoding="utf-8")
            POLICY.chmod(0o755)
        try:
            with _locked():
                # A run that was killed may have left packages half configured.
                run("env", "DPKG_FRONTEND_LOCKED=1", "dpkg", "--force-confold", "--configure", "-a")
            run(
                *("apt-get", "install", "-qq", "-y", "--no-install-recommends"),
                *("-o", f"DPkg::Lock::Timeout={LOCK_LIMIT_S}"),
                *("-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Use-Pty=0"),
                *self.names,
            )
        finally:
            if ours:
                POLICY.unlink(missing_ok=True)


def _is_ours(policy: Path) -> bool:
    return policy.is_file() and policy.read_text(encoding="utf-8") == OUR_POLICY


@contextmanager
def _locked() -> Iterator[None]:
    """Hold the lock that apt holds, and for which dpkg itself does not wait."""

    def give_up(*_: object) -> None:
        raise Fault(f"another program has been installing for {LOCK_LIMIT_S} s; try again later")

    before = signal.signal(signal.SIGALRM, give_up)
    descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        signal.alarm(LOCK_LIMIT_S)
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        signal.alarm(0)
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        os.close(descriptor)
