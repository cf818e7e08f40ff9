"""Wire 2: what lies where in Tiled, and the metadata that it carries."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field

from tomobeam_contracts.destinations import MASKS, RECONS, RESULTS
from tomobeam_contracts.wire import Wire

METADATA_ROUTE = "/api/v1/metadata/"
UNLABELLED = -1
ResultStatus = Literal["running", "complete", "failed"]
_UNSAFE = re.compile(r"[^A-Za-z0-9._+@=-]+")


class ReconMetadata(Wire):
    """Metadata of `/recons/<key>`, a float or integer array (z, y, x) on external files."""

    scan: str
    source_path: str = Field(description="folder or file on the storage host: the identity")
    image_count: int = Field(gt=0, description="slices registered")
    ingested_at: datetime
    proposal: str | None = None
    producer: str | None = None
    pixel_size: float | None = Field(default=None, gt=0, description="edge of a voxel, micrometres")
    message_id: str | None = Field(default=None, description="STOMP message id; absent from a scan")


class MaskClass(Wire):
    """One class that a scientist paints; its place in the list is its value in the mask."""

    name: str = Field(min_length=1)
    color: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")


class MaskMetadata(Wire):
    """Metadata of `/masks/<user>/<image path>/<digest>`.

    Its array `mask` is int8 (n_annotated, H, W): `UNLABELLED` or the index of a class;
    plane k belongs to slice `mask_idx[k]`.
    """

    project_name: str = Field(description="name of the annotated image")
    data_uri: str
    image_shape: tuple[int, int, int] = Field(description="(z, y, x) of the annotated image")
    mask_idx: list[int] = Field(min_length=1, description="annotated slices, ascending")
    classes: list[MaskClass] = Field(min_length=1)
    annotations: dict[str, Any] = Field(description="strokes and shapes by slice: provenance")
    unlabeled_class_id: int = UNLABELLED


class ResultMetadata(Wire):
    """Metadata of `/results/<uid_save>`.

    `seg_result` is int8 (n, H, W) in chunks (1, H, W), plane k of slice `mask_idx[k]`, or of
    slice k where `mask_idx` is empty; `probability` is uint8 (n, classes, H, W), 255 = 1.
    """

    data_uri: str
    mask_uri: str | None = None
    mask_idx: list[int] | None = Field(default=None, description="slices segmented; none means all")
    uid: str
    job_name: str
    model: str = Field(description="uid under which the model is kept")
    algorithm: str
    parameters: dict[str, Any]
    code_version: str
    classes: list[MaskClass] | None = None
    image_digest: str | None = Field(default=None, description="of the container image, if one ran")
    scores: dict[str, float] = Field(default_factory=dict)
    status: ResultStatus = Field(
        "complete",
        description="running while planes are missing, failed if they stay so: do not show those;"
        " older clients' results carry none and are complete",
    )


def safe_key(name: str) -> str:
    """`name` as a Tiled key: what a URL or a file system minds becomes `_`."""
    return _UNSAFE.sub("_", name).strip("._") or "unnamed"


def recon_key(scan_folder: str, source_path: str, *, taken: bool) -> str:
    """The key under `/recons`: the scan folder's name, told apart when another source holds it."""
    key = safe_key(scan_folder)
    if not taken:
        return key
    return f"{key}-{hashlib.sha256(source_path.encode()).hexdigest()[:8]}"


def recon_path(key: str) -> str:
    """Tree path of a reconstruction."""
    return f"{RECONS}/{key}"


def annotation_digest(annotations: dict[str, Any], classes: list[MaskClass]) -> str:
    """MD5 of the canonical JSON of a drawing: the same drawing is stored once."""
    document = {"annotations": annotations, "classes": [c.to_wire() for c in classes]}
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.md5(canonical.encode(), usedforsecurity=False).hexdigest()


def mask_path(user: str, image_path: str, digest: str) -> str:
    """Tree path of the container that holds the array `mask`."""
    return str(PurePosixPath(MASKS, safe_key(user), image_path.strip("/"), digest))


def result_path(uid_save: str) -> str:
    """Tree path of the container that holds `seg_result`."""
    return f"{RESULTS}/{uid_save}"


def metadata_uri(tiled_url: str, path: str) -> str:
    """The URI by which clients name a node; `tiled_url` is the site's, without a path."""
    return f"{tiled_url.rstrip('/')}{METADATA_ROUTE}{path.strip('/')}"


def server_url(uri: str) -> str:
    """The site's Tiled URL in a metadata URI; `metadata_uri` with `tree_path` gives it back.

    Raises:
        ValueError: not a metadata URI.
    """
    tree_path(uri)
    return uri.partition(METADATA_ROUTE)[0]


def tree_path(uri: str) -> str:
    """The tree path in a metadata URI, whichever host or prefix the URI goes through.

    Raises:
        ValueError: not a metadata URI.
    """
    before, route, path = urlsplit(uri).path.partition(METADATA_ROUTE)
    del before
    parts = PurePosixPath(unquote(path)).parts
    if not route or not parts or ".." in parts:
        raise ValueError(f"not a Tiled metadata URI: {uri!r}")
    return "/".join(parts)
