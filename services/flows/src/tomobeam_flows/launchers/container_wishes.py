"""What a client may wish of a container, checked against what the site allows."""

from __future__ import annotations

import os.path
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tomobeam_contracts.flow import Step
from tomobeam_contracts.launchers import ContainerJobs
from tomobeam_flows.launchers import CannotLaunch
from tomobeam_flows.launchers.wishes import check_variables

PARAMETERS_TARGET = PurePosixPath("/app/work/config/params.yaml")
# A client's data over one of these would replace what runs, or what it trusts.
IMAGES_OWN = frozenset(
    {
        "app",
        "bin",
        "boot",
        "dev",
        "etc",
        "home",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "opt",
        "proc",
        "root",
        "run",
        "sbin",
        "sys",
        "tmp",
        "usr",
        "var",
    }
)
HARMLESS_OPTIONS = frozenset(["ro", "z", "Z"])


@dataclass(frozen=True)
class Mount:
    """A file or folder of the host inside a container."""

    source: Path
    target: PurePosixPath
    writable: bool = False


def allowed_mounts(step: Step, jobs: ContainerJobs, models: Path) -> list[Mount]:
    """Check a step's wishes; the mounts among them, their links and `..` resolved.

    Raises:
        CannotLaunch: the site does not allow a wish; begins with its field.
    """
    if step.network and step.network != jobs.network:
        raise CannotLaunch(
            f"network: {step.network!r} is not allowed; jobs here use {jobs.network!r}"
        )
    check_variables(step, jobs.env_vars)
    mounts = [
        _mount(volume, f"volumes.{i}", jobs.mounts, models)
        for i, volume in enumerate(step.volumes or [])
    ]
    targets = [mount.target for mount in mounts]
    for i, target in enumerate(targets):
        if any(_overlap(target, other) for other in targets[:i]):
            raise CannotLaunch(f"volumes.{i}: {target} is the target of another volume")
    return mounts


def check_working_folder(mounts: list[Mount], folder: str) -> None:
    """Check that no client's mount hides the image's working folder, and with it its programs.

    Raises:
        CannotLaunch: one does.
    """
    for mount in mounts:
        if folder.strip("/") and _overlap(mount.target, PurePosixPath(folder)):
            raise CannotLaunch(f"volumes: {mount.target} would hide the image's own {folder}")


def _mount(volume: str, field: str, roots: tuple[Path, ...], models: Path) -> Mount:
    source, _, rest = volume.partition(":")
    target, _, options = rest.partition(":")
    if not source.startswith("/") or not target.startswith("/") or "\0" in volume:
        raise CannotLaunch(f"{field}: {volume!r} is not /SOURCE:/TARGET or /SOURCE:/TARGET:ro")
    for option in options.split(",") if options else ():
        if option not in HARMLESS_OPTIONS:
            raise CannotLaunch(
                f"{field}: {option!r} is not allowed; what a client mounts is read-only"
            )
    return Mount(_source(source, field, roots), _target(target, field, models))


def _source(source: str, field: str, roots: tuple[Path, ...]) -> Path:
    resolved = Path(os.path.realpath(source))
    if not any(resolved.is_relative_to(os.path.realpath(root)) for root in roots):
        allowed = ", ".join(map(str, roots)) or "none"
        led = f", which is {resolved}," if str(resolved) != source else ""
        raise CannotLaunch(
            f"{field}: {source}{led} is not in a folder that may be mounted; these may: {allowed}"
        )
    if not resolved.exists():
        raise CannotLaunch(f"{field}: there is no {source} on this host")
    return resolved


def _target(target: str, field: str, models: Path) -> PurePosixPath:
    path = PurePosixPath("/", *PurePosixPath(target).parts[1:])
    top = path.parts[1] if len(path.parts) > 1 else ""
    if ".." in path.parts or not top or top in IMAGES_OWN:
        raise CannotLaunch(
            f"{field}: the target {target} would hide what is the image's; choose one such as /data"
        )
    if _overlap(path, PurePosixPath(models)):
        raise CannotLaunch(f"{field}: the target {target} would hide the models in {models}")
    return path


def _overlap(one: PurePosixPath, other: PurePosixPath) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)
