"""The painted mask of a job, checked against its image."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import ValidationError

from tomobeam_contracts.destinations import MASK
from tomobeam_contracts.tree import UNLABELLED, MaskClass, tree_path
from tomobeam_segmentation.access import Image, Place
from tomobeam_segmentation.errors import JobError

FIELD = "io_parameters.mask_tiled_uri"


class Mask:
    """Annotated slices of an image.

    Reads what older pages write too: their classes may carry no name, their `image_shape` no z.
    """

    def __init__(self, place: Place, image: Image) -> None:
        """Look the mask up and check it.

        Raises:
            JobError: it is missing, malformed, of another image or another shape.
        """
        self._place = place
        container = place.node(place.path)
        self._node = place.node(f"{place.path}/{MASK}")
        metadata = container.metadata
        self.slices = _slices(metadata, image.shape[0])
        self.classes, self.class_count = _classes(metadata)
        if metadata.get("unlabeled_class_id", UNLABELLED) != UNLABELLED:
            raise JobError(f"{FIELD}: unlabeled_class_id must be {UNLABELLED}")
        _check_image(metadata, image)
        wanted = (len(self.slices), *image.shape[1:])
        dtype = self._node.dtype
        if self._node.shape != wanted or dtype is None or dtype.kind not in "iu":
            raise JobError(
                f"{FIELD}: the array mask is {dtype} {self._node.shape},"
                f" but {len(self.slices)} slices of the image /{image.path} need integers {wanted}"
            )

    def plane(self, k: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Plane `k`, of slice `slices[k]`: class values, −1 where nothing is painted.

        Raises:
            JobError: a value is no class.
        """
        client, node = self._place.client, self._node
        found = self._place.ask(lambda: client.read(node, (k,)), f"reading plane {k} of the mask")
        plane = found.astype(np.int64)
        low, high = int(plane.min()), int(plane.max())
        limit = self.class_count or 127
        if low < UNLABELLED or high >= limit:
            wrong = low if low < UNLABELLED else high
            raise JobError(
                f"{FIELD}: slice {self.slices[k]} holds the value {wrong},"
                f" but the mask has the classes 0 to {limit - 1}"
            )
        return plane


def _slices(metadata: dict[str, Any], depth: int) -> list[int]:
    slices = metadata.get("mask_idx")
    if not isinstance(slices, list) or not slices:
        raise JobError(f"{FIELD}: its metadata has no mask_idx, the list of annotated slices")
    for z in slices:
        if not isinstance(z, int) or isinstance(z, bool):
            raise JobError(f"{FIELD}: mask_idx holds {z!r}, which is no slice number")
        if not 0 <= z < depth:
            raise JobError(
                f"{FIELD}: mask_idx names slice {z}, but the image has slices 0 to {depth - 1}"
            )
    if len(set(slices)) != len(slices):
        raise JobError(f"{FIELD}: mask_idx names a slice twice")
    return slices


def _classes(metadata: dict[str, Any]) -> tuple[list[MaskClass] | None, int | None]:
    given = metadata.get("classes")
    if not isinstance(given, list) or not given:
        return None, None
    try:
        return [MaskClass.receive(one) for one in given], len(given)
    except ValidationError:
        return None, len(given)


def _check_image(metadata: dict[str, Any], image: Image) -> None:
    uri = metadata.get("data_uri")
    if not isinstance(uri, str):
        raise JobError(f"{FIELD}: its metadata has no data_uri, the annotated image")
    try:
        path = tree_path(uri)
    except ValueError as error:
        raise JobError(f"{FIELD}: its data_uri: {error}") from error
    if path != image.path:
        raise JobError(f"{FIELD}: it was painted on /{path}, but data_tiled_uri is /{image.path}")
    shape = metadata.get("image_shape")
    if isinstance(shape, list) and tuple(shape[-2:]) != image.shape[1:]:
        raise JobError(
            f"{FIELD}: it was painted on an image of shape {tuple(shape)},"
            f" but data_tiled_uri has {image.shape}"
        )
