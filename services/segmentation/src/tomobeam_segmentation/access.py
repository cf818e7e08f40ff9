"""Tiled as a job sees it: three URIs with a key each, and patience while Tiled is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from pydantic import Field, SecretStr

from tomobeam_common.settings import ServiceSettings
from tomobeam_common.tiled import (
    Node,
    TiledClient,
    TiledError,
    TiledNotFound,
    TiledRefused,
    TiledUnavailable,
)
from tomobeam_contracts.tree import server_url, tree_path
from tomobeam_segmentation.errors import JobError, JobFailed
from tomobeam_segmentation.talk import say

T = TypeVar("T")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 15.0
# An answer of 500 is a fault in Tiled, such as a full disk, and waiting seldom mends it;
# a few tries are for a database that was locked.
FAULT_TRIES = 4


class JobSettings(ServiceSettings):
    """How patient a job is."""

    tiled_patience_s: float = Field(
        300.0, ge=0, description="seconds for which a job tries again while Tiled is away"
    )


class Patience:
    """Repeats a request while Tiled is away, for a bounded time."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s

    def __call__(self, ask: Callable[[], T], what: str) -> T:
        """What `ask` returns; `what` names it for the scientist.

        Raises:
            JobFailed: Tiled stayed away or kept failing.
            TiledError: it answered with a refusal.
        """
        started, wait, tries = time.monotonic(), FIRST_WAIT_S, 1
        while True:
            try:
                return ask()
            except TiledUnavailable as error:
                away_s = time.monotonic() - started
                if error.status == 500 and tries >= FAULT_TRIES:
                    raise JobFailed(
                        f"{what}: Tiled failed {tries} times in a row (its disk may be full;"
                        f" its log says why): {error}"
                    ) from error
                if away_s + wait > self._patience_s:
                    raise JobFailed(f"{what}: gave up after {away_s:.0f} s: {error}") from error
                say(f"{what}: Tiled does not answer, trying again in {wait:g} s: {error}")
                # Tiled has no way to call us when it is back.
                time.sleep(wait)
                wait, tries = min(wait * 2, LONGEST_WAIT_S), tries + 1


class Place:
    """One of the job's URIs: a node in Tiled, the key for it, and the field that named it."""

    def __init__(self, field: str, uri: str | None, key: SecretStr | None, patience: Patience):
        """Raises `JobError` where the URI or its key is missing or wrong."""
        if not uri:
            raise JobError(f"io_parameters.{field}_tiled_uri: missing")
        if key is None or not key.get_secret_value():
            raise JobError(f"io_parameters.{field}_tiled_api_key: missing")
        try:
            self.path = tree_path(uri)
            self.client = TiledClient(server_url(uri), key)
        except ValueError as error:
            raise JobError(f"io_parameters.{field}_tiled_uri: {error}") from error
        self.field = field
        self.uri = uri
        self._patience = patience

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *exc: object) -> None:
        self.client.close()

    def ask(self, ask: Callable[[], T], what: str) -> T:
        """What `ask` returns, tried again while Tiled is away.

        Raises:
            JobError: Tiled refuses the key, or knows no such node.
            JobFailed: Tiled stayed away or kept failing.
        """
        with self._named():
            return self._patience(ask, what)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except TiledRefused as error:
            raise JobError(f"io_parameters.{self.field}_tiled_api_key: {error}") from error
        except TiledNotFound as error:
            raise JobError(f"io_parameters.{self.field}_tiled_uri: {error}") from error
        except TiledUnavailable:
            raise
        except TiledError as error:
            raise JobFailed(f"io_parameters.{self.field}_tiled_uri: {error}") from error

    def node(self, path: str) -> Node:
        """The node at `path`.

        Raises:
            JobError: there is none.
        """
        found = self.ask(lambda: self.client.node(path), f"looking up /{path}")
        if found is None:
            raise JobError(f"io_parameters.{self.field}_tiled_uri: there is no /{path} in Tiled")
        return found


class Image:
    """The stack to learn from or to segment: slices on demand."""

    def __init__(self, place: Place) -> None:
        """Raises `JobError` where the node is no 3-D array of numbers."""
        self._place = place
        self._node = place.node(place.path)
        shape, dtype = self._node.shape, self._node.dtype
        if shape is None or len(shape) != 3 or dtype is None or dtype.kind not in "iufb":
            raise JobError(
                f"io_parameters.data_tiled_uri: /{place.path} is no stack (z, y, x) of numbers"
            )
        if 0 in shape:
            raise JobError(f"io_parameters.data_tiled_uri: /{place.path} is empty, shape {shape}")
        self.shape: tuple[int, int, int] = (shape[0], shape[1], shape[2])
        self.path = place.path

    def slice(self, z: int) -> np.ndarray[Any, Any]:
        """Slice `z`, (H, W), in the image's own dtype."""
        client, node = self._place.client, self._node
        return self._place.ask(lambda: client.read(node, (z,)), f"reading slice {z} of the image")
