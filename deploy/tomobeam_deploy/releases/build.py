"""Makes a release: an environment that names nothing of the machine that made it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path

from tomobeam_deploy.releases.release import (
    HOST_PLATFORM,
    HOST_PYTHON,
    HOST_PYTHON_VERSION,
    Inputs,
    Release,
    ReleaseError,
    inputs_of,
    pip,
    uv,
)
from tomobeam_deploy.releases.stamp import tree_stamp
from tomobeam_deploy.templates import ROOT

ARCHIVES_KEPT = 2
# Written last, and last in the archive: an archive that ends early does not have it.
MANIFEST = "release.json"

_PYTHON = f"python{HOST_PYTHON_VERSION.rpartition('.')[0]}"
_SITE_PACKAGES = f"lib/{_PYTHON}/site-packages"
# Modules that say they are for a Python newer than the host's; PyTorch has one.
_NEWER = r"/py3(1[2-9]|[2-9][0-9])_[a-z0-9_]+\.py$"
_LINKS = {"python": str(HOST_PYTHON), "python3": "python", _PYTHON: "python"}
# What uv puts into an environment for itself; backups skip a folder with the last.
_OF_UV = (".gitignore", ".lock", "CACHEDIR.TAG")


def ensure_release(
    service: str, packages: tuple[str, ...], schema: tuple[str, ...] = (), *, tree: Path = ROOT
) -> Release:
    """The release that the tree is now; it is built where `build/releases` does not have it.

    Two at once wait for each other, and the second finds what the first built. Of each service
    the last 2 archives are kept.

    Args:
        service: its name.
        packages: the workspace's packages that are installed in it.
        schema: as `release_of`.
        tree: the repository.

    Raises:
        ReleaseError: uv is missing or fails, a package is none of the workspace, or does not
            compile, or the program does not say which schemas it knows.
    """
    inputs = inputs_of(service, packages, tree, schema)
    archive = inputs.release.archive
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with _lock(archive.parent / f"{service}.lock"):
            if not archive.exists():
                _build(inputs)
    return inputs.release


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(inputs: Inputs) -> None:
    release = inputs.release
    part = release.archive.parent / f"{release.service}.part"
    shutil.rmtree(part, ignore_errors=True)
    environment = part / "environment"
    install(inputs, part / "requirements.txt", environment)
    revisions = _revisions(environment, inputs)
    _make_relocatable(environment, inputs.members)
    _compile(environment, release)
    _describe(environment, inputs, revisions)
    packed = part / release.archive.name
    _pack(environment, packed)
    packed.replace(release.archive)
    shutil.rmtree(part)
    _prune(release)


def install(inputs: Inputs, requirements: Path, environment: Path) -> None:
    """Install what a release is made from, as the host's Python and platform want it.

    Raises:
        ReleaseError: uv fails, or the tree changed meanwhile.
    """
    uv(inputs.tree, "venv", "--relocatable", "--python", sys.executable, str(environment))
    requirements.write_text(inputs.requirements, encoding="utf-8")
    # uv takes a member for unchanged as long as its pyproject.toml is.
    fresh = [word for member in inputs.members for word in ("--refresh-package", member)]
    for_host = ("--python-version", HOST_PYTHON_VERSION, "--python-platform", HOST_PLATFORM)
    python = str(environment / "bin" / "python")
    into = ("--python", python)
    uv(
        inputs.tree, "pip", "install", *into, *for_host, *fresh,
        "--no-deps", "--link-mode", "hardlink", "--requirements", str(requirements),
    )  # fmt: skip
    for listed in inputs.beside:
        pip(
            inputs.tree, "--python", python, "install", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--no-compile", "--require-hashes", "--requirement", str(listed),
        )  # fmt: skip
    if inputs_of(inputs.release.service, inputs.packages, inputs.tree, inputs.schema) != inputs:
        raise ReleaseError(
            f"{inputs.release.service}: the tree was changed while it was built; build it again"
        )


def _revisions(environment: Path, inputs: Inputs) -> dict[str, list[str]]:
    """The revisions of its databases' schemas that the release knows, newest first.

    It says so itself, as long as this machine's Python runs it.
    """
    if not inputs.schema:
        return {}
    program, *arguments = inputs.schema
    done = subprocess.run(
        [str(environment / "bin" / program), *arguments],
        # Nothing of what it writes may come to the host.
        env={"HOME": str(environment.parent / "home"), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=environment.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ReleaseError(f"{inputs.release.service}: {program}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def _make_relocatable(environment: Path, members: tuple[str, ...]) -> None:
    """Point it at the host's Python, and take out where its packages came from."""
    # Files are hard links into uv's cache: remove and write, never change.
    for name in _OF_UV:
        (environment / name).unlink(missing_ok=True)
    for name, target in _LINKS.items():
        link = environment / "bin" / name
        link.unlink()
        link.symlink_to(target)
    settings = environment / "pyvenv.cfg"
    settings.unlink()
    settings.write_text(
        f"home = {HOST_PYTHON.parent}\ninclude-system-site-packages = false\n", encoding="utf-8"
    )
    for member in members:
        name = member.replace("-", "_")
        for origin in (environment / _SITE_PACKAGES).glob(f"{name}-*.dist-info/direct_url.json"):
            origin.unlink()


def _compile(environment: Path, release: Release) -> None:
    """Compile all modules: a host's services may not write where they are installed."""
    places = ("-s", str(environment), "-p", release.folder)
    command = [sys.executable, "-m", "compileall", "-q", "-f", "-j", "0", "-x", _NEWER, *places]
    command.append(str(environment / "lib"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{release.service}: {done.stdout.strip()} {done.stderr.strip()}")


def _describe(environment: Path, inputs: Inputs, revisions: dict[str, list[str]]) -> None:
    installed = distributions(path=[str(environment / _SITE_PACKAGES)])
    release = inputs.release
    description = {
        "service": release.service,
        "digest": release.digest,
        **asdict(tree_stamp(inputs.tree)),
        "python": HOST_PYTHON_VERSION,
        "schema": revisions,
        "packages": dict(sorted((found.name, found.version) for found in installed)),
    }
    text = json.dumps(description, indent=1) + "\n"
    (environment / MANIFEST).write_text(text, encoding="utf-8")


def _pack(environment: Path, archive: Path) -> None:
    names = sorted(path.name for path in environment.iterdir() if path.name != MANIFEST)
    with archive.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for name in [*names, MANIFEST]:
                tar.add(environment / name, name, filter=_plain)
        # Once renamed it counts, also after a power cut.
        os.fsync(file.fileno())


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    # Python compares whole seconds; more of them costs a header for each file.
    entry.mtime = int(entry.mtime)
    return entry


def _prune(release: Release) -> None:
    of_service = re.compile(rf"{release.service}-[^-]+-[0-9a-f]{{12}}\.tar")
    found = [p for p in release.archive.parent.iterdir() if of_service.fullmatch(p.name)]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for old in found[ARCHIVES_KEPT:]:
        old.unlink()
