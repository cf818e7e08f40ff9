"""A podman of the tests' own: its storage, its API's socket, and an image made of this Python.

Nothing is downloaded, and nothing of another podman on this machine is touched. Rootless, it runs
as a user that is made for the test and removed.
"""

from __future__ import annotations

import io
import os
import pwd
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker
from docker.errors import DockerException

from tests.support.waiting import wait_for

IMAGE = "localhost/tomobeam-tried"
TAG = "v1"
USER = "tomobeam-tried"
LEFT_OUT = {"test", "idlelib", "tkinter", "lib2to3", "ensurepip", "site-packages", "__pycache__"}
# Where the tests run in a container themselves, no process may raise its limits.
CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1000:1000", "nproc=1000:1000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


def missing(rootless: bool = False) -> str:
    """Why podman cannot be tried here, or nothing."""
    if shutil.which("podman") is None:
        return "podman is not installed"
    if rootless and os.getuid() != 0:
        return "a user for rootless podman is made by root only"
    if rootless and shutil.which("newuidmap") is None:
        return "rootless podman needs newuidmap, of Debian's package uidmap"
    return ""


@dataclass
class Podman:
    """One podman: as root, or as `user`."""

    folder: Path
    user: str | None = None
    service: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def socket(self) -> Path:
        return self.folder / "podman.sock"

    def command(self, *arguments: str) -> list[str]:
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
        }
        clean = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
        user = ["setpriv", "--reuid", self.user, "--regid", self.user, "--clear-groups"]
        storage = ["--root", str(self.folder / "root"), "--runroot", str(self.folder / "run/root")]
        return [*(user if self.user else []), *clean, "podman", *storage, *arguments]

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, check=False, cwd=self.folder
        )
        assert done.returncode == 0, f"podman {arguments[0]}: {done.stderr}"
        return done.stdout

    def start(self) -> None:
        """Start the API's service, and wait until it answers."""
        with (self.folder / "service.log").open("ab") as log:
            arguments = ("system", "service", "--time", "0", f"unix://{self.socket}")
            self.service = subprocess.Popen(
                self.command(*arguments), stdout=log, stderr=log, cwd=self.folder
            )
        wait_for(self._answers, "podman's API")

    def _answers(self) -> bool:
        try:
            client = self.client()
        except DockerException:
            return False
        client.close()
        return True

    def stop(self) -> None:
        """End the service; containers live on."""
        if self.service is not None:
            self.service.terminate()
            self.service.wait(timeout=20)
            self.socket.unlink(missing_ok=True)

    def client(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=f"unix://{self.socket}", timeout=30)

    def names(self) -> list[str]:
        """The names of all containers, whatever they do."""
        return self.run("ps", "--all", "--format", "{{.Names}}").split()

    def give(self, path: Path) -> None:
        """Make files the user's, as if its worker had written them."""
        if self.user:
            for each in [path, *path.rglob("*")]:
                shutil.chown(each, self.user, self.user)


@contextmanager
def podman(programs: Mapping[str, str], rootless: bool = False) -> Iterator[Podman]:
    """A podman whose API answers, with an image that holds `programs` in Python, by name."""
    # Sockets have short names only, and other users do not get into pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="tomobeam-podman-", dir="/tmp"))
    tried = Podman(folder, USER if rootless else None)
    try:
        if rootless:
            _make_user(folder)
        (folder / "run").mkdir()
        (folder / "containers.conf").write_text(CONFIGURATION)
        write_image(folder / "image.tar", programs)
        tried.give(folder)
        changes = ["ENV PATH=/app/bin", "WORKDIR /app/work", "ENV LANG=C.UTF-8"]
        arguments = [word for change in changes for word in ("--change", change)]
        tried.run("import", *arguments, str(folder / "image.tar"), f"{IMAGE}:{TAG}")
        tried.start()
        yield tried
    finally:
        if (folder / "containers.conf").exists():
            tried.run("rm", "--all", "--force", "--time", "0")
        tried.stop()
        if rootless:
            tried.run("system", "migrate")  # Ends the process that holds the user's namespace.
            subprocess.run(["userdel", "--force", USER], check=False, capture_output=True)
        subprocess.run(["umount", folder / "root/overlay"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _make_user(folder: Path) -> None:
    try:
        pwd.getpwnam(USER)
    except KeyError:
        options = ["--system", "--add-subids-for-system", "--home-dir", str(folder)]
        subprocess.run(["useradd", *options, USER], check=True, capture_output=True)


def write_image(archive: Path, programs: Mapping[str, str]) -> None:
    """Write a root file system: this interpreter, its library, and `programs` in /app/bin."""
    interpreter = os.path.realpath(sys.executable)
    library = Path(sysconfig.get_path("stdlib"))
    needed = {interpreter} | _libraries(interpreter)
    for extension in (library / "lib-dynload").glob("*.so"):
        needed |= _libraries(str(extension))
    with tarfile.open(archive, "w") as tar:
        for path in sorted(needed):
            tar.add(os.path.realpath(path), path, filter=_of_root)
        tar.add(library, library, filter=_of_library)
        for name, text in programs.items():
            data = f"#!{interpreter} -IS\n{text}".encode()
            entry = tarfile.TarInfo(f"app/bin/{name}")
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))


def _libraries(program: str) -> set[str]:
    shown = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"(/\S+) \(", shown))


def _of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    return entry


def _of_library(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = set(entry.name.split("/"))
    left_out = parts & LEFT_OUT or entry.name.endswith(".a")
    return None if left_out else _of_root(entry)
