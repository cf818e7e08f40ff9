"""A segmentation as the page lists it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from tomobeam_common import logs
from tomobeam_common.tiled import Node
from tomobeam_contracts.destinations import RESULTS, SEG_RESULT
from tomobeam_contracts.tree import ResultMetadata, tree_path
from tomobeam_contracts.wire import explain
from tomobeam_webapp.live.mirror import Body, Mirror, digest

_log = logs.get(__name__)
# Okabe and Ito's colours, which most colour-blind people can tell apart.
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#bbbbbb")


class Result(BaseModel):
    """One segmentation of an image."""

    uid: str
    image_path: str
    job_name: str
    algorithm: str
    model: str
    status: str
    mask_idx: list[int] | None
    classes: list[dict[str, str]]
    scores: dict[str, float]
    version: str

    @property
    def path(self) -> str:
        """Tree path of the array."""
        return f"{RESULTS}/{self.uid}/{SEG_RESULT}"


def describe(node: Node) -> Body | None:
    """The document of a child of /results; None for one that says not of which image it is."""
    try:
        meta = ResultMetadata.receive(node.metadata)
        image_path = tree_path(meta.data_uri)
    except ValidationError as error:
        _log.info("a result is not shown", reason=explain(error, node.path))
        return None
    except ValueError as error:
        _log.info("a result is not shown", path=node.path, reason=str(error))
        return None
    body = {
        "uid": node.key,
        "image_path": image_path,
        "job_name": meta.job_name,
        "algorithm": meta.algorithm,
        "model": meta.model,
        "status": meta.status,
        "mask_idx": meta.mask_idx,
        "classes": [c.to_wire() for c in meta.classes or []],
        "scores": meta.scores,
    }
    return {**body, "version": digest(body)}


def results_of(mirror: Mirror, image_path: str) -> list[Result]:
    """The results of an image, newest first."""
    found = [
        Result.model_validate(body)
        for body in mirror.entries(RESULTS).values()
        if body["image_path"] == image_path
    ]
    return found[::-1]


def overlay(result: Result, opacity: float, *, visible: bool) -> dict[str, Any]:
    """The content of the store `OVERLAY`."""
    classes = result.classes or [
        {"name": f"Class {i + 1}", "color": color} for i, color in enumerate(PALETTE)
    ]
    return {
        "path": result.path,
        "mask_idx": result.mask_idx,
        "classes": classes,
        "opacity": opacity,
        "visible": visible,
        "version": result.version,
    }
