"""What launchers of several kinds check of a step, and tell a job by its environment."""

from __future__ import annotations

import os
from pathlib import Path

from tomobeam_contracts.flow import Step
from tomobeam_flows.launchers import JOB_MARKER, CannotLaunch

# Whom a job trusts over TLS is whom the worker trusts.
TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def trusted() -> dict[str, str]:
    """The worker's variables that say whom to trust over TLS, each a path."""
    return {name: os.environ[name] for name in TRUST if os.environ.get(name)}


def program_of(command: list[str]) -> str:
    """The program of a registry's command, which is in a folder of the site's and nowhere else.

    Raises:
        CannotLaunch: it is a path, or there is none.
    """
    program = command[0] if command else ""
    if "/" in program or program in ("", ".", ".."):
        raise CannotLaunch(f"the registry's command {' '.join(command)!r} names no program")
    return program


def surroundings(programs: Path, work: Path) -> dict[str, str]:
    """The environment of a process that finds `programs`, and writes in `work`.

    Nothing of the worker's own is in it: that holds secrets.
    """
    return {
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(work),
        "TMPDIR": str(work),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }


def check_variables(step: Step, allowed: tuple[str, ...]) -> None:
    """Check the environment variables that a client wishes.

    Raises:
        CannotLaunch: one is not among the site's `allowed`, or cannot be one.
    """
    for name, value in (step.env_vars or {}).items():
        if name not in allowed or name == JOB_MARKER:
            known = ", ".join(allowed) or "none"
            raise CannotLaunch(
                f"env_vars.{name}: a client may not set it here; it may set: {known}"
            )
        if "\0" in value:
            raise CannotLaunch(f"env_vars.{name}: a variable cannot hold a zero byte")
