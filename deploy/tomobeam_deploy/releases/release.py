"""What a release is, and its digest: of everything that decides what is in it."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tomobeam_deploy.templates import ROOT

OPT = Path("/opt/tomobeam")
UV = ROOT / ".tools" / "uv" / "bin" / "uv"
PIP = UV.with_name("pip")

# What every host has: Debian 12. The controller's own Python may be another 3.11, and it matters:
# async-timeout, for one, is only needed before 3.11.3.
HOST_PYTHON = Path("/usr/bin/python3")
HOST_PYTHON_VERSION = "3.11.2"
HOST_PLATFORM = f"{platform.machine()}-manylinux_2_36"

# Of what build.py does with its inputs; a higher one makes every release anew.
RECIPE = 1

_SERVICE = re.compile(r"[a-z][a-z0-9-]*")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+]*")
_DIGEST = re.compile(r"[0-9a-f]{12}")
_PACKAGE = re.compile(r"([a-z0-9-]+)(?:\[([a-z]+)\])?")


class ReleaseError(RuntimeError):
    """A release cannot be made; the message says which and why."""


@dataclass(frozen=True)
class Release:
    """One service's environment, finished: it runs wherever it is unpacked.

    Raises:
        ValueError: service, version or digest is none; they become names of files and words of
            a shell.
    """

    service: str
    version: str
    """of the repository"""
    digest: str
    """12 hexadecimal digits, of all that decides the content"""
    archive: Path
    """a tar file, not compressed; there once the release is built"""

    def __post_init__(self) -> None:
        check_service(self.service)
        if not _VERSION.fullmatch(self.version):
            raise ValueError(f"{self.version!r} is no version of a release")
        if not _DIGEST.fullmatch(self.digest):
            raise ValueError(f"{self.digest!r} is no digest of a release")

    @property
    def name(self) -> str:
        """Its folder's name on a host."""
        return f"{self.version}-{self.digest}"

    @property
    def folder(self) -> str:
        """Its place on a host."""
        return f"{OPT}/{self.service}/releases/{self.name}"


@dataclass(frozen=True)
class Inputs:
    """What a release is made from, in one state of the tree."""

    tree: Path
    packages: tuple[str, ...]
    release: Release
    requirements: str
    """by uv from its lock: members of the workspace by path, the others by version and hash"""
    members: tuple[str, ...]
    """names of the workspace's packages among them"""
    schema: tuple[str, ...]
    """what of it prints the revisions of its databases' schemas"""
    beside: tuple[Path, ...]
    """requirements that the lock cannot hold, by hash, each with the index that has them"""


def check_service(name: str) -> None:
    """Refuse what cannot be a folder's name.

    Raises:
        ValueError: it cannot.
    """
    if not _SERVICE.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a service")


def release_of(
    service: str, packages: tuple[str, ...], schema: tuple[str, ...] = (), *, tree: Path = ROOT
) -> Release:
    """The release that the tree is now, built or not.

    Args:
        service: its name.
        packages: the workspace's packages that are installed in it; `name[extra]` with an extra,
            and with what `extra-<extra>.txt` in the package's folder lists, if that is there.
        schema: a program of it with its arguments that prints as JSON, database → revisions, the
            revisions of schemas that it knows, newest first.
        tree: the repository.

    Raises:
        ReleaseError: uv is missing, or a package is none of the workspace.
    """
    return inputs_of(service, packages, tree, schema).release


def inputs_of(
    service: str, packages: tuple[str, ...], tree: Path, schema: tuple[str, ...] = ()
) -> Inputs:
    """Read what the release is made from.

    Raises:
        ReleaseError: uv is missing, or a package is none of the workspace.
    """
    if not packages:
        raise ReleaseError(f"{service}: no packages are named")
    named = [_parts(package) for package in sorted(set(packages))]
    extras = sorted({extra for _, extra in named if extra})
    wanted = [word for name, _ in named for word in ("--package", name)]
    wanted += [word for extra in extras for word in ("--extra", extra)]
    flags = ("--frozen", "--no-dev", "--no-editable", "--no-annotate", "--no-header", "--quiet")
    requirements = uv(tree, "export", "--python", sys.executable, *flags, *wanted)
    # The lock's members come as paths: ./services/common
    folders = [tree / line for line in requirements.splitlines() if line.startswith(".")]
    projects = [read_project(folder) for folder in folders]
    sources = {
        path.relative_to(tree).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder, project in zip(folders, projects, strict=True)
        for path in _sources(folder, project)
    }
    listed = [folder / f"extra-{extra}.txt" for folder in folders for extra in extras]
    beside = tuple(path for path in listed if path.exists())
    texts = [path.read_text(encoding="utf-8") for path in beside]
    version = read_project(tree)["project"]["version"]
    host = [str(HOST_PYTHON), HOST_PYTHON_VERSION, HOST_PLATFORM]
    decides = [RECIPE, service, version, host, requirements, sources, *schema, *texts]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]
    archive = tree / "build" / "releases" / f"{service}-{version}-{digest}.tar"
    members = tuple(project["project"]["name"] for project in projects)
    release = Release(service, version, digest, archive)
    return Inputs(tree, packages, release, requirements, members, schema, beside)


def _parts(package: str) -> tuple[str, str | None]:
    found = _PACKAGE.fullmatch(package)
    if not found:
        raise ReleaseError(f"{package!r} names no package; name[extra] does")
    return found[1], found[2]


def read_project(folder: Path) -> dict:
    """A folder's pyproject.toml."""
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def uv(tree: Path, *arguments: str) -> str:
    """Run uv in the tree.

    Returns:
        What it printed.

    Raises:
        ReleaseError: it is missing, or fails; with what it says.
    """
    return _run(UV, tree, arguments)


def pip(tree: Path, *arguments: str) -> None:
    """Run the pip that came with uv in the tree: it passes over an index that does not answer.

    Raises:
        ReleaseError: it is missing, or fails; with what it says.
    """
    _run(PIP, tree, arguments)


def _run(program: Path, tree: Path, arguments: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(
            [str(program), *arguments], cwd=tree, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise ReleaseError(f"uv is missing; get it by: make {UV.relative_to(ROOT)}") from error
    if done.returncode:
        raise ReleaseError(f"{program.name} {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def _sources(folder: Path, project: dict) -> Iterator[Path]:
    """The files that become the member's wheel."""
    yield folder / "pyproject.toml"
    for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        for path in sorted((folder / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
