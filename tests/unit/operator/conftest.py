from __future__ import annotations

# pytest finds fixtures here by their names.
from tests.unit.hosts.conftest import installation, small_disk

__all__ = ["installation", "small_disk"]
