"""All roles by their names."""

from __future__ import annotations

from types import ModuleType


def every_role() -> dict[str, ModuleType]:
    """Their modules, in the order in which a deploy asks them."""
    # Roles are made of this package, and name parts of it: importing them here would be a circle.
    from roles.order import ALL

    return {role.__name__.split(".")[-2]: role for role in ALL}
