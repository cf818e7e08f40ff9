"""Writes a mask into Tiled so that it is there whole or visibly incomplete."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from tomobeam_common.tiled import TiledClient, TiledConflict, TiledError
from tomobeam_contracts.destinations import MASK
from tomobeam_contracts.tree import MaskMetadata


def is_complete(tiled: TiledClient, path: str, image_shape: tuple[int, int, int]) -> bool:
    """Whether the container at `path` says that a mask of this image was written to the end."""
    node = tiled.node(path)
    if node is None:
        return False
    try:
        return MaskMetadata.receive(node.metadata).image_shape == image_shape
    except ValidationError:
        return False


def write_mask(
    tiled: TiledClient, path: str, planes: Iterable[NDArray[np.int8]], metadata: MaskMetadata
) -> None:
    """Write a mask, unless a complete one lies at `path`.

    The container gets its metadata last: without them it is incomplete, which readers see and
    the next write completes.

    Args:
        planes: int8 (H, W) each, one for each of `metadata.mask_idx`, in that order.

    Raises:
        TiledConflict: an array of another shape lies there.
        TiledError: Tiled did not do it; try again.
    """
    if is_complete(tiled, path, metadata.image_shape):
        return
    count, (height, width) = len(metadata.mask_idx), metadata.image_shape[1:]
    array = f"{path}/{MASK}"
    tiled.ensure_container(path)
    try:
        tiled.create_array(array, (count, height, width), np.int8, ([1] * count, [height], [width]))
    except TiledConflict:
        left = tiled.node(array)
        if left is None or left.shape != (count, height, width):
            raise
    written = 0
    for plane in planes:
        tiled.write_block(array, (written, 0, 0), plane[None].astype(np.int8, copy=False))
        written += 1
    if written != count:
        raise TiledError(f"{path}: {written} planes for {count} annotated slices")
    tiled.replace_metadata(path, metadata.to_wire())
