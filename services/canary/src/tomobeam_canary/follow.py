"""The second half, on the web host: the scan in Tiled, a mask, a flow run, its result, the page.

It uses the page's own login and keys, which may not delete. So what it writes is written to the
same places each time; each canary adds only a small result and the model that it came from.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomobeam_canary.flow_run import TASKS, FlowRunError, Prefect, train_and_segment
from tomobeam_canary.hops import CanaryFault, taking
from tomobeam_canary.marks import ANNOTATION, CLASSES, agreement, marks
from tomobeam_canary.page import Page, Users
from tomobeam_canary.settings import FollowSettings
from tomobeam_common.masks import write_mask
from tomobeam_common.tiled import Node, TiledClient
from tomobeam_contracts.canary import Hop, announced_at
from tomobeam_contracts.destinations import CANARY, RECONS, SEG_RESULT
from tomobeam_contracts.flow import job_label
from tomobeam_contracts.registry import Algorithm, Registry
from tomobeam_contracts.tree import (
    UNLABELLED,
    MaskMetadata,
    annotation_digest,
    mask_path,
    metadata_uri,
    result_path,
)

POLL_S = 0.2
AGREEMENT = 0.9
MARKED_SLICES = 2
# Parameters with which models grow.
MODEL_SIZE = ("n_estimators",)


class Follower:
    """What the hops of one scan share."""

    def __init__(self, settings: FollowSettings, tiled: TiledClient, scan: str) -> None:
        self._settings = settings
        self._limit_s = settings.canary_hop_limit_s
        self._tiled = tiled
        self._scan = scan

    def follow(self) -> None:
        """Take the hops one after the other.

        Raises:
            CanaryFault, TiledError, FlowRunError, PageError, RegistryError, OSError: a hop failed;
                it was reported.
        """
        announced = announced_at(self._scan)
        with taking(Hop.TILED) as taken:
            self._tiled.node(RECONS)
            taken.said = self._tiled.url
        with taking(Hop.REGISTER) as taken:
            image = self._arrival()
            # By the hosts' clocks: this program was started after the announcement.
            arrived = datetime.fromisoformat(image.metadata["ingested_at"])
            taken.seconds = max(0.0, (arrived - announced).total_seconds())
            taken.said = f"/{image.path} {image.dtype} {image.shape}"
        slices = _spread(image)
        with taking(Hop.READ) as taken:
            planes = np.stack([self._tiled.read(image, (z,)) for z in slices])
            taken.said = f"{len(planes)} slices, {planes.nbytes / 1e3:.0f} kB"
        with taking(Hop.MASK) as taken:
            mask = marks(planes)
            mask_at = self._write_mask(image, slices, mask)
            taken.said = f"{np.count_nonzero(mask != UNLABELLED)} pixels marked"
        result = self._segment(image, mask_at)
        with taking(Hop.RESULT) as taken:
            taken.said = self._check(result, mask)
        with _visitor() as link, taking(Hop.PAGE) as taken:
            with Page(self._settings.webapp_url, link) as page:
                # The scan's name as version: the page has nothing of it in its cache.
                pixels, labels = page.look_at(image, slices[0], self._scan, result, 0)
            taken.said = f"slice {pixels / 1e3:.0f} kB, its labels {labels / 1e3:.1f} kB"

    def _arrival(self) -> Node:
        """The node that says of itself that it is of this scan, or of a later one."""
        deadline = time.monotonic() + self._limit_s
        while True:
            for node in self._tiled.find(RECONS, "producer", CANARY):
                # Names of scans are in the order of their times.
                if str(node.metadata.get("scan")) >= self._scan:
                    return node
            if time.monotonic() > deadline:
                raise CanaryFault(
                    f"no node of {self._scan} in /{RECONS} within {self._limit_s:g} s"
                )
            time.sleep(POLL_S)

    def _write_mask(self, image: Node, slices: list[int], mask: NDArray[np.int8]) -> str:
        assert image.shape is not None
        annotations = {str(z): [ANNOTATION] for z in slices}
        path = mask_path(CANARY, image.path, annotation_digest(annotations, CLASSES))
        metadata = MaskMetadata(
            project_name=image.key,
            data_uri=metadata_uri(self._tiled.url, image.path),
            image_shape=(image.shape[0], image.shape[1], image.shape[2]),
            mask_idx=slices,
            classes=CLASSES,
            annotations=annotations,
        )
        if self._tiled.node(path) is not None:
            # The mask of an earlier canary: incomplete, it is written anew.
            self._tiled.replace_metadata(path, {})
        write_mask(self._tiled, path, list(mask), metadata)
        return path

    def _segment(self, image: Node, mask_at: str) -> str:
        """Three hops of a flow run; the path of its result."""
        settings = self._settings
        auth = settings.prefect_auth.get_secret_value()
        with Prefect(settings.prefect_api_url, auth) as prefect:
            with taking(Hop.PREFECT) as taken:
                algorithm = Registry.read(settings.registry).contents[0]
                label = job_label(self._scan, datetime.now(UTC))
                parameters = train_and_segment(
                    *(self._tiled.url, image, mask_at, algorithm.model_name, label),
                    model_parameters=_smallest(algorithm),
                    marked_slices_only=True,
                    flow_type=settings.canary_flow_type,
                )
                run = prefect.start(label, parameters, image)
                taken.said = f"flow run {run}"
            with _cancelled_if_left(prefect, run):
                with taking(Hop.WORKER) as taken:
                    taken.said = f"taken by {prefect.wait_begun(run, self._limit_s)}"
                with taking(Hop.JOBS) as taken:
                    prefect.wait(run, self._limit_s)
                    steps = prefect.steps(run)
                    taken.said = f"{algorithm.model_name}: {_times(steps)}"
        return f"{result_path(steps[-1]['id'])}/{SEG_RESULT}"

    def _check(self, result: str, mask: NDArray[np.int8]) -> str:
        node = self._tiled.node(result)
        if node is None:
            raise CanaryFault(f"the flow run has ended, but there is no /{result}")
        share = agreement(self._tiled.read(node), mask)
        if share < AGREEMENT:
            raise CanaryFault(
                f"/{result} agrees with {share:.0%} of the marks that it was trained on; "
                f"{AGREEMENT:.0%} are expected"
            )
        return f"{share:.1%} of the marks are seen as they are marked"


def follow(settings: FollowSettings, scan: str) -> None:
    """Follow the scan of that name, as `Follower.follow` does."""
    limit_s = settings.canary_hop_limit_s
    with TiledClient(settings.tiled_url, settings.tiled_api_key, limit_s) as tiled:
        Follower(settings, tiled, scan).follow()


def _spread(image: Node) -> list[int]:
    """The slices to mark, ascending."""
    assert image.shape is not None
    depth = image.shape[0]
    return sorted({depth * (k + 1) // (MARKED_SLICES + 1) for k in range(MARKED_SLICES)})


def _smallest(algorithm: Algorithm) -> dict[str, Any]:
    """Settings with which a model is small, since nobody removes it."""
    return {
        field.param_key: type(field.default)(field.min)
        for field in algorithm.gui_parameters
        if field.param_key in MODEL_SIZE and field.min is not None
    }


def _times(steps: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"{task} {step['total_run_time']:.1f} s" for task, step in zip(TASKS, steps, strict=True)
    )


@contextmanager
def _cancelled_if_left(prefect: Prefect, run: str) -> Iterator[None]:
    """A run that nobody waits for any more must not keep a worker busy later."""
    try:
        yield
    except FlowRunError:
        # What went wrong first is what counts.
        with suppress(FlowRunError):
            prefect.cancel(run)
        raise


@contextmanager
def _visitor() -> Iterator[str]:
    """A link that signs a user of the canary's in; no such user is left afterwards."""
    users = Users([str(Path(sys.executable).with_name("tomobeam-webapp"))], os.environ)
    link = users.login_link(CANARY)
    try:
        yield link
    finally:
        users.remove(CANARY)
