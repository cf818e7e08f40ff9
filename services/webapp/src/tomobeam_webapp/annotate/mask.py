"""Save a drawing as a mask in Tiled, as wire 2 says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tomobeam_common.masks import write_mask
from tomobeam_common.tiled import TiledClient, TiledConflict
from tomobeam_contracts.tree import (
    MaskMetadata,
    annotation_digest,
    mask_path,
    metadata_uri,
)
from tomobeam_webapp.annotate.model import Drawing, provenance
from tomobeam_webapp.annotate.rasterise import Labels, rasterise


class NothingToSave(ValueError):
    """The drawing labels no pixel, or does not fit the image."""


def _planes(drawing: Drawing, shape: tuple[int, int, int]) -> Iterator[tuple[int, Labels]]:
    """Every slice on which at least one pixel is labelled, ascending, with its labels."""
    values = drawing.class_values()
    for z in sorted({item.z for item in drawing.items}):
        if z >= shape[0]:
            raise NothingToSave(
                f"Slice {z} is annotated, but the image has only {shape[0]} slices (0 to "
                f"{shape[0] - 1}). Remove the shapes on it first."
            )
        labels = rasterise((i for i in drawing.items if i.z == z), values, shape[1:])
        if (labels >= 0).any():
            yield z, labels


def save_mask(tiled: TiledClient, user: str, image: str, drawing: Drawing) -> dict[str, Any]:
    """Write the drawing's mask, unless it is there already, and describe it for the page.

    Returns:
        `{path, uri, image_path, mask_idx, classes, saved_at}`.

    Raises:
        NothingToSave: nothing is labelled, or the drawing does not fit the image.
        TiledError: Tiled did not do it; try again.
    """
    node = tiled.node(image)
    if node is None or node.shape is None or len(node.shape) != 3:
        raise NothingToSave(f"There is no image {image} any more.")
    shape = (node.shape[0], node.shape[1], node.shape[2])
    classes = [entry.to_wire() for entry in drawing.classes]
    # Two passes keep memory at one plane: which slices there are must be known first.
    mask_idx = [z for z, _ in _planes(drawing, shape)]
    if not mask_idx:
        raise NothingToSave("Nothing is drawn yet: mark some pixels of each class first.")
    kept = [item for item in drawing.items if item.z in set(mask_idx)]
    annotations = provenance(kept, drawing.class_values())
    path = mask_path(user, image, annotation_digest(annotations, classes))
    metadata = MaskMetadata(
        project_name=image.rsplit("/", 1)[-1],
        data_uri=metadata_uri(tiled.url, image),
        image_shape=shape,
        mask_idx=mask_idx,
        classes=classes,
        annotations=annotations,
    )
    try:
        write_mask(tiled, path, (labels for _, labels in _planes(drawing, shape)), metadata)
    except TiledConflict:
        raise NothingToSave(
            f"A mask of another size lies at {path}: the image was replaced since. "
            "Change the drawing, or ask for the old mask to be removed."
        ) from None
    return {
        "path": path,
        "uri": metadata_uri(tiled.url, path),
        "image_path": image,
        "mask_idx": mask_idx,
        "classes": [entry.to_wire() for entry in metadata.classes],
        "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
