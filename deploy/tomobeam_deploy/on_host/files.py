"""Files, folders and links.

Folders may belong to services, so that names in them can change under our hands: owner and mode
are set on what was opened, never by name.
"""

from __future__ import annotations

import base64
import grp
import hashlib
import os
import pwd
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tomobeam_deploy.on_host.resource import Resource
from tomobeam_deploy.on_host.running import Fault, run, said

# A folder beside what is replaced; one that is found there was left by a run that was killed.
NEW = ".tomobeam-new"


class Folder(Resource):
    """A folder; what is in it is not looked at."""

    path: str
    mode: int
    owner: str
    group: str

    def differences(self) -> list[str]:
        """Absent, no folder, or another mode or owner."""
        found = look(self.path)
        if found is None:
            return ["absent"]
        if not stat.S_ISDIR(found.st_mode):
            return ["is no folder"]
        return owner_differences(found, self.mode, self.owner, self.group)

    def put_right(self) -> None:
        """Make it and its parents."""
        found = look(self.path)
        if found is not None and not stat.S_ISDIR(found.st_mode):
            raise Fault("is no folder; move it away")
        Path(self.path).mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            give(descriptor, self.mode, self.owner, self.group)
        finally:
            os.close(descriptor)

    def remains(self) -> bool:
        """Whether it is there."""
        return look(self.path) is not None

    def take_away(self) -> None:
        """Remove it with all that is in it."""
        remove_tree(self.path)


class File(Resource):
    """A file; `validate` is a command that must accept it, as {}, before it takes its place."""

    path: str
    sha256: str
    mode: int
    owner: str
    group: str
    validate: list[str]
    content: str
    """in base64; only for putting right"""

    def differences(self) -> list[str]:
        """Absent, no file, or another content, mode or owner."""
        found = look(self.path)
        if found is None:
            return ["absent"]
        if not stat.S_ISREG(found.st_mode):
            return ["is no file"]
        content = Path(self.path).read_bytes()
        right = hashlib.sha256(content).hexdigest() == self.sha256
        return [
            *([] if right else ["content differs"]),
            *owner_differences(found, self.mode, self.owner, self.group),
        ]

    def put_right(self) -> None:
        """Write it beside, have it validated under its own name, and move it into place."""
        path = Path(self.path)
        with beside(path) as new:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64decode(self.content))
                file.flush()
                self._validate(new)
                give(descriptor, self.mode, self.owner, self.group)
                os.fsync(descriptor)
            replace(new, path)

    def remains(self) -> bool:
        """Whether it is there."""
        return look(self.path) is not None

    def take_away(self) -> None:
        """Remove it."""
        remove_file(self.path)

    def _validate(self, new: Path) -> None:
        if not self.validate:
            return
        # Others than root may have to find it for that.
        new.parent.chmod(0o755)
        done = run(*(word.replace("{}", str(new)) for word in self.validate), check=False)
        if done.returncode:
            reason = said(done).replace(str(new), self.path)
            raise Fault(f"refused by {_named(self.validate)}; what is there stays: {reason}")


def _named(command: Sequence[str]) -> str:
    """Who judges: the program, or what a script of the shell is called by."""
    is_script = tuple(command[:2]) == ("sh", "-c") and len(command) > 4
    return command[3 if is_script else 0]


class Link(Resource):
    """A symbolic link."""

    path: str
    target: str

    def differences(self) -> list[str]:
        """Absent, no link, or to another place."""
        found = look(self.path)
        if found is None:
            return ["absent"]
        if not stat.S_ISLNK(found.st_mode):
            return ["is no link"]
        target = points_to(self.path)
        return [] if target == self.target else [f"points to {target}, not {self.target}"]

    def put_right(self) -> None:
        """Make it beside and move it into place."""
        path = Path(self.path)
        with beside(path) as new:
            new.symlink_to(self.target)
            replace(new, path)

    def remains(self) -> bool:
        """Whether it is there."""
        return look(self.path) is not None

    def take_away(self) -> None:
        """Remove it; what it points to stays."""
        remove_file(self.path)


def look(path: str | Path) -> os.stat_result | None:
    """Lstat of a path; None where there is nothing."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def points_to(link: str) -> str:
    """What a symbolic link says, to the letter."""
    return os.readlink(link)  # noqa: PTH115 - a Path would tidy it up


def owner_differences(found: os.stat_result, mode: int, owner: str, group: str) -> list[str]:
    """Mode, owner and group that are not as wanted."""
    differences = []
    if stat.S_IMODE(found.st_mode) != mode:
        differences.append(f"mode is {stat.S_IMODE(found.st_mode):o}, not {mode:o}")
    if found.st_uid != _uid(owner):
        differences.append(f"owner is {found.st_uid}, not {owner}")
    if found.st_gid != _gid(group):
        differences.append(f"group is {found.st_gid}, not {group}")
    return differences


def give(descriptor: int, mode: int, owner: str, group: str) -> None:
    """Set owner, group and mode of what was opened."""
    uid, gid = _uid(owner), _gid(group)
    if uid is None or gid is None:
        raise Fault(f"there is no {f'account {owner}' if uid is None else f'group {group}'}")
    os.fchown(descriptor, uid, gid)
    os.fchmod(descriptor, mode)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A free path of the same name in a new folder beside; the folder is removed afterwards."""
    _not_a_folder(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.parent / NEW
    if look(folder):
        shutil.rmtree(folder)
    folder.mkdir(0o700)
    try:
        yield folder / path.name
    finally:
        shutil.rmtree(folder)


def replace(new: Path, path: Path) -> None:
    """Move into place; a power cut afterwards does not undo it."""
    new.replace(path)
    _sync(path.parent)


def remove_file(path: str) -> None:
    """Remove a file or a link, for good."""
    _not_a_folder(Path(path))
    Path(path).unlink(missing_ok=True)
    _sync(Path(path).parent)


def remove_tree(path: str) -> None:
    """Remove a folder with all that is in it, unless another disk is mounted there."""
    with Path("/proc/self/mountinfo").open(encoding="utf-8") as mounts:
        places = (Path(line.split()[4].encode().decode("unicode_escape")) for line in mounts)
        mounted = next((place for place in places if place.is_relative_to(path)), None)
    if mounted:
        raise Fault(f"a disk is mounted at {mounted}; unmount it, which keeps what is on it")
    shutil.rmtree(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_a_folder(path: Path) -> None:
    found = look(path)
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise Fault("is a folder; move it away")


def _uid(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _gid(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None
