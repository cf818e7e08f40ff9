"""Archives for the hosts, made when the first host lacks one, once for all of them."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path

from tomobeam_deploy import packages, releases

# pyinfra asks for several hosts at once; the second waits for what the first makes.
_making = threading.Lock()


@lru_cache
def release(service: str, names: tuple[str, ...]) -> releases.Release:
    """The release of a service that belongs to this checkout, built or not."""
    return releases.release_of(service, names)


def release_archive(service: str, names: tuple[str, ...]) -> Path:
    """Its archive, built if this is the first to ask."""
    with _making:
        return releases.ensure_release(service, names).archive


@lru_cache
def _repository(names: tuple[str, ...], signing_key: str) -> packages.Repository:
    return packages.ensure_repository(list(names), signing_key=signing_key)


def repository(names: tuple[str, ...], signing_key: str) -> packages.Repository:
    """Debian's packages for all hosts of a site, as one signed repository."""
    with _making:
        return _repository(names, signing_key)
