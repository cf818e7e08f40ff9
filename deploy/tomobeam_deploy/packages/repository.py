"""A flat, signed repository of a closure, in one archive named by its content."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path

from tomobeam_deploy.debian import SUITE
from tomobeam_deploy.packages.closure import Apt, Deb, PackagesError
from tomobeam_deploy.packages.signing import generate_signing_key, sign
from tomobeam_deploy.templates import ROOT

FOLDER = ROOT / "build" / "packages"


@dataclass(frozen=True)
class Repository:
    """What one list of packages became."""

    digest: str
    """of the names and contents of all its packages, and of the key that signed it"""
    archive: Path
    """a tar file: Packages, InRelease, key.gpg and every .deb"""
    debs: tuple[Deb, ...]
    fetched: int = 0
    """bytes that this run fetched"""

    @property
    def size(self) -> int:
        """Bytes of all packages."""
        return sum(deb.size for deb in self.debs)


def ensure_repository(
    packages: list[str],
    *,
    signing_key: str | None = None,
    refresh: bool = False,
    folder: Path = FOLDER,
) -> Repository:
    """The repository with these packages and all that they need.

    Resolved once: the same list gives the same versions until `refresh`.

    Args:
        packages: names, or name=version.
        signing_key: the site's private key, armored; None: one kept in `folder`.
        refresh: ask the mirror for what is new.
        folder: the cache.

    Raises:
        PackagesError: resolving, fetching, indexing or signing fails.
    """
    if not packages:
        raise PackagesError("no packages are named")
    wanted = sorted(set(packages))
    architecture = _dpkg_architecture()
    folder.mkdir(parents=True, exist_ok=True)
    key = signing_key or _kept_key(folder)
    manifest = folder / f"{_digest([SUITE, architecture, wanted])}.json"
    apt = Apt(folder, architecture)
    debs, fetched = None if refresh else _read(manifest), 0
    if debs is None or not all(apt.path(deb).exists() for deb in debs):
        debs = apt.resolve(wanted)
        fetched = apt.fetch(wanted, debs)
        _write(manifest, json.dumps([asdict(deb) for deb in debs], indent=1))
    digest = _digest([[deb.filename, deb.sha256] for deb in debs] + [_digest(key)])
    archive = folder / f"{digest}.tar"
    if not archive.exists():
        _pack(archive, debs, apt, key)
    return Repository(digest, archive, tuple(debs), fetched)


def _pack(archive: Path, debs: list[Deb], apt: Apt, key: str) -> None:
    tree = archive.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    for deb in debs:
        os.link(apt.path(deb), tree / deb.filename)
    (tree / "Packages").write_bytes(_ftparchive(tree, "packages", "."))
    release = _ftparchive(tree, "-o", "APT::FTPArchive::Release::Suite=tomobeam", "release", ".")
    signed = sign(release, key)
    (tree / "InRelease").write_bytes(signed.in_release)
    (tree / "key.gpg").write_bytes(signed.public_key)
    part = archive.with_suffix(".tar.part")
    # .deb files are compressed already.
    with tarfile.open(part, "w") as tar:
        for path in sorted(tree.iterdir()):
            tar.add(path, path.name, filter=_plain)
    part.replace(archive)
    shutil.rmtree(tree)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o644
    return entry


def _ftparchive(tree: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["apt-ftparchive", *arguments], cwd=tree, capture_output=True, check=False
        )
    except FileNotFoundError as error:
        raise PackagesError(
            "apt-ftparchive is missing; install it by: apt-get install apt-utils"
        ) from error
    if done.returncode:
        raise PackagesError(f"apt-ftparchive: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _dpkg_architecture() -> str:
    try:
        done = subprocess.run(
            ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
        )
    except FileNotFoundError as error:
        raise PackagesError(
            "dpkg is missing: packages are fetched on a Debian controller"
        ) from error
    return done.stdout.strip()


def _kept_key(folder: Path) -> str:
    path = folder / "signing_key.asc"
    if not path.exists():
        _write(path, generate_signing_key())
    return path.read_text(encoding="utf-8")


def _read(manifest: Path) -> list[Deb] | None:
    if not manifest.exists():
        return None
    return [Deb(**entry) for entry in json.loads(manifest.read_text(encoding="utf-8"))]


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
