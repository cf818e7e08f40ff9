"""Releases, and their scripts run for real by /bin/sh, in a folder of their own."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import IO

from tomobeam_deploy.releases import Release, switch_script, unpack_script

SERVICE = "tiled"
COMMANDS = ("mkdir", "flock", "rm", "tar", "sync", "mv", "ln", "readlink", "ls", "tail")
# Kills the whole script instead of its command number KILL_AT.
SHIM = """#!/bin/sh
exec 8> "$COUNTER.lock"
/usr/bin/flock 8
number=$(($(cat "$COUNTER") + 1))
echo $number > "$COUNTER"
[ $number != "$KILL_AT" ] || kill -9 0
exec 8>&-
exec /usr/bin/{command} "$@"
"""
CONTENTS = {
    "bin/tiled": b"#!/bin/sh\n",
    "lib/large": bytes(range(256)) * 1024,
    "lib/small": b"",
    "release.json": b"{}",
}
KILLED = -signal.SIGKILL


def a_release(folder: Path, number: int = 1) -> Release:
    release = Release(SERVICE, "1.0", f"{number:012x}", folder / f"{number}.tar")
    with tarfile.open(release.archive, "w") as tar:
        for name, content in CONTENTS.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755 if name.startswith("bin/") else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return release


def start(script: str, *, stdin: int | IO[bytes], **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", script],
        stdin=stdin,
        stderr=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin"} | environment,
        start_new_session=True,
    )


def run(script: str, archive: Path | None = None, **environment: str) -> tuple[int, str]:
    """Run to the end; returns the exit status and what was said."""
    with (archive or Path(os.devnull)).open("rb") as file:
        process = start(script, stdin=file, **environment)
        said = process.communicate(timeout=60)[1]
    return process.returncode, said.decode()


def content(folder: Path) -> dict[str, bytes | str]:
    """Every file's bytes and every link's target below a folder."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def unpacked(root: Path, *releases: Release) -> None:
    for release in releases:
        assert run(unpack_script(release, root=root), release.archive) == (0, "")


def switched(root: Path, *releases: Release) -> None:
    for release in releases:
        assert run(switch_script(release, root=root)) == (0, "")


def names(root: Path) -> set[str]:
    return {path.name for path in (root / SERVICE / "releases").iterdir()}


def link(root: Path, name: str) -> str:
    return str((root / SERVICE / name).readlink())


def killed_everywhere(
    before: Path,
    script: Callable[[Path], str],
    archive: Path | None = None,
    look: Callable[[Path], None] = lambda root: None,
) -> int:
    """Kill a script before each of its commands, and run it again; it must end the same.

    Args:
        before: the root that it begins with.
        script: the script for a root.
        archive: its standard input.
        look: called with the root after each kill.

    Returns:
        Before how many commands it was killed.
    """
    shims, counter = before.parent / "shims", before.parent / "counter"
    shims.mkdir()
    for command in COMMANDS:
        (shims / command).write_text(SHIM.format(command=command))
        (shims / command).chmod(0o755)

    def root_for(attempt: str) -> Path:
        return shutil.copytree(before, before.parent / attempt, symlinks=True)

    whole = root_for("whole")
    assert run(script(whole), archive) == (0, "")
    for number in count(1):
        root = root_for(f"killed-{number}")
        counter.write_text("0")
        environment = {"COUNTER": str(counter), "KILL_AT": str(number)}
        status, said = run(script(root), archive, PATH=f"{shims}:/usr/bin:/bin", **environment)
        look(root)
        if status != KILLED:
            assert (status, said) == (0, "")
            assert content(root) == content(whole)
            return number - 1
        assert run(script(root), archive) == (0, "")
        assert content(root) == content(whole)
    raise AssertionError
