"""What hosts lack is made once, however many ask for it at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.platform import REPOSITORY
from tomobeam_deploy import packages, releases
from tomobeam_deploy.debian import NoSourcesError
from tomobeam_deploy.hosts import archives
from tomobeam_deploy.hosts.archives import ArchiveError

OLD = releases.Release("tiled", "0.1.0", "0123456789ab", Path("/old.tar"))
NEW = releases.Release("tiled", "0.1.0", "ba9876543210", Path("/new.tar"))
HOSTS = 3


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    for cached in (archives.release, archives._repository):
        cached.cache_clear()
    yield
    for cached in (archives.release, archives._repository):
        cached.cache_clear()


def ask_at_once(ask: object) -> list[object]:
    """Every host asks; none gets an answer before all have asked."""
    began = threading.Barrier(HOSTS)

    def of_host(_number: int) -> object:
        began.wait(timeout=30)
        assert callable(ask)
        return ask()

    with ThreadPoolExecutor(HOSTS) as pool:
        return list(pool.map(of_host, range(HOSTS)))


class Builder:
    """Builds nothing, and counts how many ask it while it is at work."""

    def __init__(self, made: object) -> None:
        self.made = made
        self.exists = False
        self.builds = 0
        self.together = threading.Barrier(2)

    def build(self, *_: object, **__: object) -> object:
        if not self.exists:
            self.builds += 1
            with pytest.raises(threading.BrokenBarrierError):
                self.together.wait(timeout=0.5)
            self.exists = True
        return self.made


def test_a_release_is_built_by_the_first_host_that_lacks_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    builder = Builder(OLD)
    monkeypatch.setattr(releases, "ensure_release", builder.build)
    monkeypatch.setattr(releases, "release_of", lambda *_: OLD)
    got = ask_at_once(lambda: archives.release_archive("tiled", ("tomobeam-tiled",)))
    assert got == [Path("/old.tar")] * HOSTS
    assert builder.builds == 1


def test_the_repository_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = packages.Repository("0" * 16, Path("/r.tar"), ())
    asked: list[object] = []

    def ensure(names: list[str], *, signing_key: str) -> packages.Repository:
        asked.append((names, signing_key))
        return made

    monkeypatch.setattr(packages, "ensure_repository", ensure)
    assert ask_at_once(lambda: archives.repository(("caddy",), "key")) == [made] * HOSTS
    assert asked == [(["caddy"], "key")]


def test_a_checkout_that_changes_under_a_deploy_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "release_of", lambda *_: OLD)
    monkeypatch.setattr(releases, "ensure_release", lambda *_: NEW)
    archives.release("tiled", ("tomobeam-tiled",))
    with pytest.raises(ArchiveError, match=r"^tiled: the checkout changed since the deploy began"):
        archives.release_archive("tiled", ("tomobeam-tiled",))


@pytest.mark.parametrize(
    "error",
    [packages.PackagesError("gpg is missing"), NoSourcesError("no mirror")],
)
def test_what_this_machine_lacks_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(packages, "ensure_repository", fail)
    with pytest.raises(ArchiveError, match=f"^{error}$"):
        archives.repository(("caddy",), "key")


# pyinfra's hosts are greenlets of one thread: a lock that blocks the thread would stop all of them.
AS_GREENLETS = """
from gevent import monkey
monkey.patch_all()
import fcntl, subprocess, sys
from pathlib import Path
import gevent
from tomobeam_deploy import releases
from tomobeam_deploy.hosts import archives

folder = Path(sys.argv[1])
release = releases.Release("tiled", "0.1.0", "0123456789ab", folder / "made.tar")

def ensure(service, names, schema):
    # As the real one: a lock on a file, and another program that does the work.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not release.archive.exists():
            subprocess.run(["sh", "-c", f"echo made >> {release.archive}"], check=True)
    return release

releases.ensure_release = ensure
releases.release_of = lambda *_: release
jobs = [gevent.spawn(archives.release_archive, "tiled", ("x",)) for _ in range(3)]
gevent.joinall(jobs, timeout=20, raise_error=True)
assert all(job.value == release.archive for job in jobs), "a host waits for ever"
print(release.archive.read_text(), end="")
"""


def test_hosts_of_one_pyinfra_wait_for_each_other_without_blocking_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AS_GREENLETS, str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "made\n", done.stderr
