"""What a host does with the repository that the controller sends it."""

from __future__ import annotations

import re

from tomobeam_deploy.templates import render_names

FOLDER = "/var/lib/tomobeam-packages"
CURRENT = f"{FOLDER}/current"
KEYRING = "/etc/apt/keyrings/tomobeam.gpg"
SOURCES = "/etc/apt/sources.list.d/tomobeam.sources"

# For apt-get update: a host without a way out waits in vain for any other source; and apt takes a
# source whose signature is wrong for a warning, unless it is told otherwise.
ONLY_OURS = (
    f"-o Dir::Etc::sourcelist={SOURCES} -o Dir::Etc::sourceparts=/dev/null "
    "-o APT::Get::List-Cleanup=0 "
    "-o APT::Update::Error-Mode=any"
)


def unpack_script(digest: str) -> str:
    """Shell for a host, run as root with `Repository.archive` on its standard input.

    It points apt at this repository. Run again, or killed at any point and run again, it ends in
    the same state; the archive is only read where the host does not have it yet.

    Raises:
        ValueError: the digest is none.
    """
    if not re.fullmatch(r"[0-9a-f]{16}", digest):
        raise ValueError(f"{digest!r} is no digest of a repository")
    sources = render_names("packages/tomobeam.sources.j2", {"current": CURRENT, "keyring": KEYRING})
    return render_names(
        "packages/unpack.sh.j2",
        {
            "folder": FOLDER,
            "digest": digest,
            "current": CURRENT,
            "keyring": KEYRING,
            "sources": SOURCES,
            "sources_text": sources,
            "only_ours": ONLY_OURS,
        },
    )
