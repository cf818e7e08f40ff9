"""Archives for the hosts, made when the first host lacks one, once for all of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pyinfra.api.exceptions import PyinfraError

from tomobeam_deploy import packages, releases
from tomobeam_deploy.debian import NoSourcesError

# pyinfra asks for several hosts at once; the second waits for what the first makes.
_making = threading.Lock()


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


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (packages.PackagesError, releases.ReleaseError, NoSourcesError) as error:
        raise ArchiveError(str(error)) from error
