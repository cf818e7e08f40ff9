"""`tomobeam-dlsia`: the commands that the registry lists and the worker runs."""

from __future__ import annotations

from collections.abc import Sequence

from tomobeam_dlsia.networks import NETWORKS
from tomobeam_segmentation.cli import program


def main(argv: Sequence[str] | None = None) -> None:
    """See `program`."""
    program(NETWORKS, argv)
