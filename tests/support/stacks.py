"""Puts stacks straight into Tiled, for tests that are not about how they get there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from tomobeam_common.tiled import TiledClient
from tomobeam_contracts.destinations import RECONS
from tomobeam_contracts.tree import ReconMetadata, recon_path


def add_recon(tiled: TiledClient, key: str, stack: np.ndarray[Any, Any], **metadata: Any) -> str:
    """Write `stack`, (z, y, x), as the reconstruction `key`; returns its tree path."""
    tiled.ensure_container(RECONS)
    described = ReconMetadata(
        scan=key,
        source_path=f"/nowhere/{key}",
        image_count=len(stack),
        ingested_at=datetime.now(UTC),
        **metadata,
    )
    path = recon_path(key)
    depth, height, width = stack.shape
    chunks = [[1] * depth, [height], [width]]
    tiled.create_array(path, stack.shape, stack.dtype, chunks, described.to_wire())
    for z, plane in enumerate(stack):
        tiled.write_block(path, (z, 0, 0), plane[None])
    return path
