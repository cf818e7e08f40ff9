"""Archives for the hosts, made when the first host lacks one, once for all of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pyinfra.api.exceptions import PyinfraError

from tomobeam_contracts.registry import RegistryError
from tomobeam_deploy import packages, releases
from tomobeam_deploy.debian import NoSourcesError
from tomobeam_deploy.images.archive import ensure_archive
from tomobeam_deploy.images.base import DEFAULT_BASE
from tomobeam_deploy.images.build import wanted_tag
from tomobeam_deploy.images.model import Image
from tomobeam_deploy.images.runtime import ContainersError
from tomobeam_deploy.site import Site

# pyinfra asks for several hosts at once; the second waits for what the first makes.
_making = threading.Lock()
# By image, the digest of what it is made from.
_inputs: dict[Image, str] = {}


class ArchiveError(PyinfraError):
    """What hosts need cannot be made on this machine; the message says why."""


@cache
def release(service: str, names: tuple[str, ...], schema: tuple[str, ...] = ()) -> releases.Release:
    """The release of a service that belongs to this checkout, built or not.

    Raises:
        ArchiveError: uv is missing, or a package is none of the workspace.
    """
    with _explained():
        return releases.release_of(service, names, schema)


def release_archive(service: str, names: tuple[str, ...], schema: tuple[str, ...] = ()) -> Path:
    """Its archive, built if this is the first to ask.

    Raises:
        ArchiveError: it cannot be built, or the checkout is not what the deploy began with.
    """
    with _making, _explained():
        made = releases.ensure_release(service, names, schema)
    if made != release(service, names, schema):
        raise ArchiveError(f"{service}: the checkout changed since the deploy began; deploy again")
    return made.archive


def repository(names: tuple[str, ...], signing_key: str) -> packages.Repository:
    """Debian's packages for all hosts of a site, as one signed repository.

    Quick where this machine made it before: then nothing is fetched.

    Raises:
        ArchiveError: apt or gpg are missing here, or the mirror does not give the packages.
    """
    with _making, _explained():
        return _repository(names, signing_key)


@cache
def _repository(names: tuple[str, ...], signing_key: str) -> packages.Repository:
    return packages.ensure_repository(list(names), signing_key=signing_key)


def image_inputs(site: Site, made: Image) -> str:
    """The digest of what an image of jobs is made from, as the tree is now.

    Raises:
        ArchiveError: podman is missing here, or the base of all images cannot be fetched.
    """
    with _making, _explained():
        if made not in _inputs:
            _inputs[made] = wanted_tag(site, made, _base()).rpartition("-")[2]
        return _inputs[made]


def image_archive(site: Site, made: Image) -> Path:
    """Its archive, built if this is the first to ask.

    Raises:
        ArchiveError: it cannot be built.
    """
    with _making, _explained():
        return ensure_archive(site, made.name, _base())


def _base() -> str:
    return os.environ.get("BASE_IMAGE") or DEFAULT_BASE


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (
        ContainersError,
        NoSourcesError,
        RegistryError,
        packages.PackagesError,
        releases.ReleaseError,
    ) as error:
        raise ArchiveError(str(error)) from error
