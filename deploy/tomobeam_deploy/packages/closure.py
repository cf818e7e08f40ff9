"""Which .deb files a list of packages needs, and fetching them into a store by content."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tomobeam_deploy.debian import sources_file
from tomobeam_deploy.templates import render_names

# Debian's rule for a name, and optionally =version.
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+~:-]+)?")
FETCH_LIMIT_S = 1800.0


class PackagesError(RuntimeError):
    """Packages cannot be resolved, fetched or signed; the message says which and why."""


@dataclass(frozen=True)
class Deb:
    """One file of the closure."""

    filename: str
    size: int
    """bytes"""
    sha256: str


class Apt:
    """apt with its state in a folder of its own, and this machine's Debian mirror."""

    def __init__(self, folder: Path, architecture: str) -> None:
        self._state = folder / "apt"
        self._store = folder / "store"
        self._conf = self._state / "apt.conf"
        self._archives = self._state / "archives"
        for path in (self._state / "lists" / "partial", self._archives / "partial", self._store):
            path.mkdir(parents=True, exist_ok=True)
        (self._state / "status").touch()
        names = {"state": self._state, "sources": sources_file(), "architecture": architecture}
        self._conf.write_text(render_names("packages/apt.conf.j2", names), encoding="utf-8")

    def resolve(self, packages: list[str]) -> list[Deb]:
        """Everything that the packages need, from nothing, as the mirror has it now.

        Raises:
            PackagesError: a name is none, or apt cannot resolve it.
        """
        for name in packages:
            if not PACKAGE.fullmatch(name):
                raise PackagesError(f"{name!r} is no name of a Debian package")
        self._run("update", "-qq")
        # Only what is not in its archives would be listed.
        self._empty_archives()
        printed = self._run("install", "--print-uris", "--yes", "-qq", *packages)
        return [self._deb(line) for line in printed.splitlines() if line.startswith("'")]

    def fetch(self, packages: list[str], debs: list[Deb]) -> int:
        """Bring into the store what is not in it yet.

        Returns:
            How many bytes were fetched.

        Raises:
            PackagesError: the mirror fails, or a file is not what its signed index says.
        """
        lacking = [deb for deb in debs if not self.path(deb).exists()]
        if not lacking:
            return 0
        self._empty_archives()
        for deb in debs:
            if deb not in lacking:
                os.link(self.path(deb), self._archives / deb.filename)
        self._run("install", "--download-only", "--yes", "-qq", *packages)
        for deb in lacking:
            self._keep(deb)
        self._empty_archives()
        return sum(deb.size for deb in lacking)

    def path(self, deb: Deb) -> Path:
        """Where the store has a file."""
        return self._store / f"{deb.sha256}.deb"

    def _keep(self, deb: Deb) -> None:
        fetched = self._archives / deb.filename
        if not fetched.exists():
            raise PackagesError(f"{deb.filename}: apt did not fetch it")
        with fetched.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != deb.sha256:
                raise PackagesError(f"{deb.filename}: its SHA-256 is not the one of the index")
        fetched.replace(self.path(deb))

    def _empty_archives(self) -> None:
        shutil.rmtree(self._archives)
        (self._archives / "partial").mkdir(parents=True)

    @staticmethod
    def _deb(line: str) -> Deb:
        _uri, filename, size, checksum = shlex.split(line)
        kind, _, value = checksum.partition(":")
        if kind != "SHA256":
            raise PackagesError(f"{filename}: the mirror has no SHA-256 for it, but {kind}")
        return Deb(filename, int(size), value)

    def _run(self, *arguments: str) -> str:
        command = ["apt-get", "--config-file", str(self._conf), *arguments]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        try:
            done = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=FETCH_LIMIT_S,
            )
        except FileNotFoundError as error:
            raise PackagesError(
                "apt-get is missing: packages are fetched on a Debian controller"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise PackagesError(
                f"apt-get {arguments[0]}: no end in {FETCH_LIMIT_S:.0f} s"
            ) from error
        if done.returncode:
            faults = [line for line in done.stderr.splitlines() if line.startswith("E:")]
            raise PackagesError(f"apt-get {arguments[0]}: {'; '.join(faults) or done.stderr}")
        return done.stdout
