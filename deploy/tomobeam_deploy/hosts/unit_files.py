"""How systemd judges a unit's file before it takes the place of the one that runs."""

from __future__ import annotations

import re

from tomobeam_deploy.templates import render_names

# Where Debian's packages put units of the system.
DEBIANS = "/lib/systemd/system"


def verify_unit(*, user: bool = False) -> tuple[str, ...]:
    """For `File.validate`: a whole unit; `user`: of the systemd that an account has."""
    return _script(user=user, drop_in_of=None)


def verify_drop_in(unit: str) -> tuple[str, ...]:
    """For `File.validate`: what is added to a unit of Debian's, whose package is installed."""
    template = re.sub(r"@.*\.", "@.", unit)
    return _script(user=False, drop_in_of=unit, unit_file=template, units=DEBIANS)


def _script(**names: object) -> tuple[str, ...]:
    return ("sh", "-c", render_names("systemd/verify.sh.j2", names), "systemd-analyze", "{}")
