"""A small client of Tiled's HTTP API: what the services need, in prepared requests.

Tiled's own client library follows links that the server builds from the request's host and
imports for seconds; these calls name tree paths and keep one connection.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Self

import httpx
import numpy as np
from pydantic import SecretStr

PAGE = 100
DIRTY_CONNECTION_RETRIES = 1


class TiledError(RuntimeError):
    """Tiled did not do what it was asked; the message is Tiled's, with the path.

    `status` is the HTTP status of its answer, None where none came.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class TiledUnavailable(TiledError):
    """Tiled cannot be reached or is not able to answer now: try again later."""


class TiledRefused(TiledError):
    """The key is wrong or may not do this."""


class TiledNotFound(TiledError):
    """There is no node of that path."""


class TiledConflict(TiledError):
    """A node of that key exists already."""


@dataclass(frozen=True)
class Node:
    """A node of the tree, as Tiled describes it."""

    path: str
    key: str
    structure_family: str
    metadata: dict[str, Any]
    shape: tuple[int, ...] | None = None
    dtype: np.dtype[Any] | None = None
    data_sources: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def from_item(cls, path: str, item: dict[str, Any]) -> Self:
        """Read one item of a response."""
        attributes = item["attributes"]
        structure = attributes.get("structure") or {}
        is_array = attributes["structure_family"] == "array"
        return cls(
            path=path,
            key=item["id"],
            structure_family=attributes["structure_family"],
            metadata=attributes.get("metadata") or {},
            shape=tuple(structure["shape"]) if is_array else None,
            dtype=_dtype(structure["data_type"]) if is_array else None,
            data_sources=attributes.get("data_sources") or [],
        )


def _dtype(data_type: dict[str, Any]) -> np.dtype[Any]:
    order = {"little": "<", "big": ">"}.get(data_type["endianness"], "|")
    return np.dtype(f"{order}{data_type['kind']}{data_type['itemsize']}")


def array_structure(
    shape: Sequence[int], dtype: Any, chunks: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """Tiled's description of an array; `chunks` are the sizes along each axis."""
    kind = np.dtype(dtype)
    endianness = {"<": "little", ">": "big", "|": "not_applicable"}[
        kind.newbyteorder("<").byteorder if kind.byteorder == "=" else kind.byteorder
    ]
    return {
        "data_type": {"endianness": endianness, "kind": kind.kind, "itemsize": kind.itemsize},
        "shape": list(shape),
        "chunks": [list(sizes) for sizes in chunks],
        "dims": None,
        "resizable": False,
    }


class TiledClient:
    """One connection pool to Tiled with one key. Safe to share between threads."""

    def __init__(self, url: str, api_key: SecretStr, timeout_s: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1",
            timeout=httpx.Timeout(timeout_s, connect=5.0),
            headers={
                "Authorization": f"Apikey {api_key.get_secret_value()}",
                # Compressing noise costs ten times the transfer on loopback and in a hall.
                "Accept-Encoding": "identity",
            },
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, route: str, **kwargs: Any) -> httpx.Response:
        """Send one request below `/api/v1`.

        Raises:
            TiledUnavailable, TiledRefused, TiledNotFound, TiledConflict, TiledError.
        """
        for attempt in range(DIRTY_CONNECTION_RETRIES + 1):
            try:
                response = self._http.request(method, route, **kwargs)
                break
            except (httpx.RemoteProtocolError, httpx.ReadError) as error:
                # The server drops a kept connection after an error of its own.
                if attempt == DIRTY_CONNECTION_RETRIES:
                    raise TiledUnavailable(f"Tiled at {self.url}: {error}") from error
            except httpx.TransportError as error:
                raise TiledUnavailable(f"Tiled at {self.url}: {error or type(error)}") from error
        else:  # pragma: no cover - the loop breaks or raises
            raise AssertionError
        if response.is_success:
            return response
        raise _error(response)

    def node(self, path: str, *, data_sources: bool = False) -> Node | None:
        """Describe the node at `path`, or None where there is none."""
        params = {"include_data_sources": "true"} if data_sources else {}
        try:
            answer = self.request("GET", f"/metadata/{path.strip('/')}", params=params)
        except TiledNotFound:
            return None
        return Node.from_item(path.strip("/"), answer.json()["data"])

    def children(self, path: str) -> Iterator[Node]:
        """Every child of the container at `path`, in the order of creation."""
        offset = 0
        while True:
            params = {"page[offset]": str(offset), "page[limit]": str(PAGE)}
            items = self.request("GET", f"/search/{path.strip('/')}", params=params).json()["data"]
            for item in items:
                yield Node.from_item(str(PurePosixPath(path.strip("/"), item["id"])), item)
            if len(items) < PAGE:
                return
            offset += PAGE

    def find(self, path: str, key: str, value: Any) -> list[Node]:
        """The children of `path` whose metadata field `key` equals `value`."""
        params = {
            "filter[eq][condition][key]": key,
            "filter[eq][condition][value]": json.dumps(value),
            "page[limit]": str(PAGE),
        }
        items = self.request("GET", f"/search/{path.strip('/')}", params=params).json()["data"]
        return [Node.from_item(str(PurePosixPath(path.strip("/"), i["id"])), i) for i in items]

    def create(self, parent: str, body: dict[str, Any], *, register: bool = False) -> None:
        """Create a node below `parent`: `register` for files that Tiled does not own."""
        route = "register" if register else "metadata"
        self.request("POST", f"/{route}/{parent.strip('/')}", json=body)

    def create_container(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        """Create the container at `path`; its parent must exist."""
        parent, key = _split(path)
        body = {"id": key, "structure_family": "container", "metadata": metadata or {}}
        self.create(parent, {**body, "specs": [], "data_sources": []})

    def ensure_container(self, path: str) -> None:
        """Create the container at `path` and those above it where they are missing."""
        parts = PurePosixPath(path.strip("/")).parts
        for depth in range(1, len(parts) + 1):
            here = "/".join(parts[:depth])
            if self.node(here) is None:
                try:
                    self.create_container(here)
                except TiledConflict:
                    continue  # Somebody else made it in between.

    def create_array(
        self,
        path: str,
        shape: Sequence[int],
        dtype: Any,
        chunks: Sequence[Sequence[int]],
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Allocate an array at `path` in Tiled's own store; its parent must exist."""
        parent, key = _split(path)
        source = {
            "structure_family": "array",
            "structure": array_structure(shape, dtype, chunks),
            "mimetype": None,
            "parameters": {},
            "assets": [],
            "management": "writable",
        }
        self.create(
            parent,
            {
                "id": key,
                "structure_family": "array",
                "metadata": metadata or {},
                "specs": [],
                "data_sources": [source],
            },
        )

    def write_block(self, path: str, block: Sequence[int], array: np.ndarray[Any, Any]) -> None:
        """Write one chunk, in C order, of the array at `path`."""
        self.request(
            "PUT",
            f"/array/block/{path.strip('/')}",
            params={"block": ",".join(str(i) for i in block)},
            content=np.ascontiguousarray(array).tobytes(),
            headers={"Content-Type": "application/octet-stream"},
        )

    def read(self, node: Node, index: Sequence[int | slice] = ()) -> np.ndarray[Any, Any]:
        """Read `node[index]`, an array of the node's dtype; slices need no step.

        Raises:
            ValueError: the node is no array.
        """
        if node.shape is None or node.dtype is None:
            raise ValueError(f"{node.path} is no array")
        params = {"format": "application/octet-stream"}
        if index:
            params["slice"] = ",".join(_slice_text(i) for i in index)
        answer = self.request("GET", f"/array/full/{node.path}", params=params)
        return np.frombuffer(answer.content, node.dtype).reshape(_shape(node.shape, index))

    def replace_metadata(self, path: str, metadata: dict[str, Any]) -> None:
        """Replace a node's metadata; Tiled keeps the old as a revision."""
        body = {"metadata": metadata, "specs": []}
        self.request("PUT", f"/metadata/{path.strip('/')}", json=body)


def _split(path: str) -> tuple[str, str]:
    parent, _, key = path.strip("/").rpartition("/")
    return parent, key


def _slice_text(index: int | slice) -> str:
    if isinstance(index, int):
        return str(index)
    start = "" if index.start is None else index.start
    stop = "" if index.stop is None else index.stop
    return f"{start}:{stop}"


def _shape(shape: Sequence[int], index: Sequence[int | slice]) -> list[int]:
    kept = [
        len(range(*part.indices(size)))
        for size, part in zip(shape, index, strict=False)
        if isinstance(part, slice)
    ]
    return kept + list(shape[len(index) :])


def _error(response: httpx.Response) -> TiledError:
    try:
        detail = response.json().get("detail", response.text)
    except ValueError:
        detail = response.text
    request = response.request
    message = f"Tiled: {request.method} {request.url.path}: {response.status_code} {detail}"[:500]
    kinds = {401: TiledRefused, 403: TiledRefused, 404: TiledNotFound, 409: TiledConflict}
    if response.status_code >= 500:
        return TiledUnavailable(message, response.status_code)
    return kinds.get(response.status_code, TiledError)(message, response.status_code)
