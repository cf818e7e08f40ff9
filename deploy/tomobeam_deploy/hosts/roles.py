"""All roles that hosts can have."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType

from tomobeam_deploy.templates import ROOT


@cache
def every_role() -> dict[str, ModuleType]:
    """Their modules by their names: each is a folder of `roles/` with a `deploy.py`."""
    names = sorted(path.parent.name for path in (ROOT / "roles").glob("*/deploy.py"))
    return {name: import_module(f"roles.{name}.deploy") for name in names}
