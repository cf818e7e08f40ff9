"""A result in Tiled: filled plane by plane, shown only when it is complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tomobeam_common.tiled import Node, TiledConflict, TiledError
from tomobeam_contracts.destinations import PROBABILITY, SEG_RESULT
from tomobeam_contracts.tree import ResultMetadata
from tomobeam_segmentation.access import Place
from tomobeam_segmentation.errors import JobError

# What may differ between a run and the one that it goes on from: after an upgrade it starts anew.
_MAY_DIFFER = {"status", "code_version"}


class Result:
    """`/results/<uid_save>` with its arrays; `metadata.status` says whether it may be shown."""

    def __init__(
        self,
        place: Place,
        metadata: ResultMetadata,
        shape: tuple[int, int, int],
        probability_classes: int | None,
    ) -> None:
        """Create the container and its arrays, or go on with those of an interrupted run.

        `metadata.status` is "running"; `shape` is (n, H, W); `probability_classes` is None where
        no probability is kept.

        Raises:
            JobError: `uid_save` holds another result.
        """
        self._place = place
        self.path = f"{place.path}/{metadata.uid}"
        self._metadata = metadata
        self._ask(lambda: place.client.ensure_container(place.path), "creating the results")
        self._container()
        self._array(SEG_RESULT, shape, np.int8)
        if probability_classes is not None:
            shape4 = (shape[0], probability_classes, *shape[1:])
            self._array(PROBABILITY, shape4, np.uint8)

    def write(self, k: int, labels: np.ndarray[Any, Any], probability: Any) -> None:
        """Write plane `k`: `labels` int8 (H, W), `probability` uint8 (classes, H, W) or None."""
        client = self._place.client
        blocks = [(SEG_RESULT, labels)]
        if probability is not None:
            blocks.append((PROBABILITY, probability))
        for name, block in blocks:
            path, at = f"{self.path}/{name}", (k, *[0] * block.ndim)

            def write(path: str = path, at: Any = at, block: Any = block) -> None:
                client.write_block(path, at, block)

            self._ask(write, f"writing plane {k} of /{path}")

    def complete(self) -> None:
        """Every plane is written: it may be shown."""
        self._set_status("complete")

    def fail(self) -> None:
        """Mark it as never to be complete, if Tiled listens; else it stays `running`."""
        try:
            self._replace("failed")
        except TiledError:
            return

    def _container(self) -> None:
        client = self._place.client
        wanted = self._metadata.to_wire()

        def create() -> Node | None:
            try:
                client.create_container(self.path, wanted)
            except TiledConflict:
                return client.node(self.path)
            return None

        there = self._ask(create, f"creating /{self.path}")
        if there is None:
            return
        for name in (wanted.keys() | there.metadata.keys()) - _MAY_DIFFER:
            if wanted.get(name) != there.metadata.get(name):
                raise JobError(
                    f"io_parameters.uid_save: /{self.path} holds another result;"
                    f" its {name} is not this job's"
                )
        if there.metadata.get("status") != "running":
            self._set_status("running")

    def _array(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        client, path = self._place.client, f"{self.path}/{name}"
        chunks = [(1,) * shape[0], *[(size,) for size in shape[1:]]]

        def create() -> Node | None:
            try:
                client.create_array(path, shape, dtype, chunks)
            except TiledConflict:
                return client.node(path)
            return None

        there = self._ask(create, f"creating /{path}")
        if there is not None and (there.shape != shape or there.dtype != np.dtype(dtype)):
            raise JobError(
                f"io_parameters.uid_save: /{path} is {there.dtype} {there.shape},"
                f" this job makes {np.dtype(dtype)} {shape}"
            )

    def _set_status(self, status: str) -> None:
        self._ask(lambda: self._replace(status), f"marking /{self.path} as {status}")

    def _replace(self, status: str) -> None:
        metadata = self._metadata.model_copy(update={"status": status})
        self._place.client.replace_metadata(self.path, metadata.to_wire())

    def _ask(self, ask: Callable[[], Any], what: str) -> Any:
        return self._place.ask(ask, what)
