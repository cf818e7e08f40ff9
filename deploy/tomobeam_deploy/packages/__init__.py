"""Debian's packages for hosts without a way out.

The controller, which reaches a Debian mirror, resolves what a list of packages needs, fetches it
once into a store by content, and makes a flat repository of it that the site signs: one archive,
which is streamed to a host over SSH. Nothing listens on the controller, and versions stay as they
are until someone asks for newer ones.

    from tomobeam_deploy import packages

    repository = packages.ensure_repository(["nftables", "postgresql"])
    # on the host, as root: unpack_script reads the archive from its standard input
    script = packages.unpack_script(repository.digest)

Afterwards `apt-get install` on the host finds the packages as from any mirror.

Measured on 2 busy cores for nftables, postgresql, activemq and caddy, which are 236 packages of
197 MB: 12.6 s at first, 3.8 s to ask for newer ones where there are none, 1.4 s to pack what the
store has, and nothing to do in under 0.1 s.
"""

from tomobeam_deploy.packages.closure import Deb, PackagesError
from tomobeam_deploy.packages.host import ONLY_OURS, unpack_script
from tomobeam_deploy.packages.repository import Repository, ensure_repository
from tomobeam_deploy.packages.signing import generate_signing_key

__all__ = [
    "ONLY_OURS",
    "Deb",
    "PackagesError",
    "Repository",
    "ensure_repository",
    "generate_signing_key",
    "unpack_script",
]
