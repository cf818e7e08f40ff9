"""Unit files, and how systemd judges one before it takes the place of the one that runs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tomobeam_deploy.hosts.resources import File, Overrides, Resource
from tomobeam_deploy.renderers.systemd import UNITS
from tomobeam_deploy.templates import render_names

# Where Debian's packages put units of the system.
DEBIANS = "/lib/systemd/system"


def unit_files(units: Mapping[str, str]) -> list[Resource]:
    """Units of ours, by their names, as these texts say and nothing else."""
    paths = {unit: f"{UNITS}/{unit}" for unit in units}
    return [
        # First, as a unit is tried together with what overrides it.
        *(Overrides(unit, (path,)) for unit, path in paths.items()),
        *(File.text(path, units[unit], validate=verify_unit()) for unit, path in paths.items()),
    ]


def verify_unit(*, user: bool = False) -> tuple[str, ...]:
    """For `File.validate`: a whole unit; `user`: of the systemd that an account has."""
    return _script(user=user, drop_in_of=None)


def verify_drop_in(unit: str) -> tuple[str, ...]:
    """For `File.validate`: what is added to a unit of Debian's, whose package is installed."""
    template = re.sub(r"@.*\.", "@.", unit)
    return _script(user=False, drop_in_of=unit, unit_file=template, units=DEBIANS)


def _script(**names: object) -> tuple[str, ...]:
    return ("sh", "-c", render_names("systemd/verify.sh.j2", names), "systemd-analyze", "{}")
