"""What the runtime has of an image."""

from __future__ import annotations

from dataclasses import dataclass

from tomobeam_deploy.images.model import INPUTS_LABEL, Image, version
from tomobeam_deploy.images.runtime import image, labels
from tomobeam_deploy.site import Runtime


@dataclass(frozen=True)
class State:
    """An image that was built; `bytes` with all that it stands on."""

    tag: str
    bytes: int
    layers: int


def state_of(runtime: Runtime, made: Image) -> State | None:
    """The last build of an image, if there is one of this version.

    Raises:
        ContainersError: the runtime is missing.
    """
    there = image(runtime, f"{made.repository}:{version()}")
    if there is None:
        return None
    tag = f"{version()}-{labels(there).get(INPUTS_LABEL, '?')}"
    return State(tag, there["Size"], len(there["RootFS"]["Layers"]))
