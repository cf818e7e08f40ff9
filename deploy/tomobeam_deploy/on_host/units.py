"""systemd's units."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path

from tomobeam_deploy.on_host.files import beside, look, points_to, remove_file, replace
from tomobeam_deploy.on_host.resource import Resource
from tomobeam_deploy.on_host.running import LINES, Fault, run, said

# Where a unit records what it was started with (renderers/systemd.py).
STARTED = Path("/run/tomobeam-started")
UNITS = Path("/etc/systemd/system")
# Those that start by themselves, and those that nobody can enable.
ENABLED = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")


class Overrides(Resource):
    """That of the files that override a unit, or are it, there are none but `own`."""

    unit: str
    own: list[str]
    places: list[str]

    def differences(self) -> list[str]:
        """Those that are there besides."""
        return [f"{path} is there" for path in self._foreign()]

    def put_right(self) -> None:
        """Remove them; the unit is no longer known to run with what it should."""
        (STARTED / self.unit).unlink(missing_ok=True)
        for path in self._foreign():
            remove_file(path)

    def remains(self) -> bool:
        """Whether there are any besides."""
        return bool(self._foreign())

    def take_away(self) -> None:
        """Remove them."""
        self.put_right()

    def _foreign(self) -> list[str]:
        return [
            path
            for place in self.places
            for path in _matching(place)
            if path not in self.own
            and (found := look(path))
            # systemd takes none either.
            and not stat.S_ISDIR(found.st_mode)
        ]


class Unit(Resource):
    """A unit that is enabled and runs with what `files` and `links` say now."""

    name: str
    files: list[str]
    links: list[str]

    def differences(self) -> list[str]:
        """Not there, not enabled, not running, or started with something else."""
        found = show(self.name, "LoadState", "UnitFileState", "ActiveState", "NeedDaemonReload")
        if found["LoadState"] != "loaded":
            return [f"is {found['LoadState']}"]
        return self._not_enabled(found) + self._not_started(found)

    def put_right(self) -> None:
        """Enable it, and start it anew; whether it then answers is asked apart."""
        before = show(self.name, "NeedDaemonReload")
        run("systemctl", "daemon-reload")
        found = show(self.name, "UnitFileState", "ActiveState") | before
        if self._not_enabled(found):
            run("systemctl", "enable", self.name)
        if not self._not_started(found):
            return
        run("systemctl", "reset-failed", self.name, check=False)
        done = run("systemctl", "restart", self.name, check=False)
        if done.returncode:
            raise Fault(f"does not start: {said(done)}\n{end_of_log(self.name)}")

    def remains(self) -> bool:
        """Whether it runs or starts with the host."""
        found = show(self.name, "UnitFileState", "ActiveState")
        return found["UnitFileState"] == "enabled" or found["ActiveState"] != "inactive"

    def take_away(self) -> None:
        """Stop it for good, and with a timer what it starts."""
        starts = show(self.name, "Unit").get("Unit", "")
        # It may have lost its file.
        run("systemctl", "disable", self.name, check=False)
        run("systemctl", "stop", self.name, *starts.split())
        run("systemctl", "reset-failed", self.name, check=False)
        (STARTED / self.name).unlink(missing_ok=True)

    def _not_enabled(self, found: dict[str, str]) -> list[str]:
        state = found["UnitFileState"]
        return [] if state in ENABLED else [f"is {state or 'no unit file'}, not enabled"]

    def _not_started(self, found: dict[str, str]) -> list[str]:
        differences = []
        if found["ActiveState"] not in ("active", "reloading"):
            differences.append(f"is {found['ActiveState']}")
        elif self.files and self._recorded() != reads_now(self.files, self.links):
            differences.append("was started with something else")
        if found["NeedDaemonReload"] == "yes":
            differences.append("its file changed since systemd read it")
        return differences

    def _recorded(self) -> list[str] | None:
        try:
            return (STARTED / self.name).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None


class Masked(Resource):
    """A unit that nothing may start."""

    unit: str

    def differences(self) -> list[str]:
        """That it is not."""
        link = UNITS / self.unit
        masked = link.is_symlink() and link.readlink() == Path("/dev/null")
        return [] if masked else ["is not masked"]

    def put_right(self) -> None:
        """Stop and mask it."""
        run("systemctl", "disable", "--now", self.unit, check=False)
        run("systemctl", "mask", self.unit)


class Ran(Resource):
    """A unit that ran to its end, once for each fingerprint, which `stamp` remembers."""

    unit: str
    stamp: str
    fingerprint: str

    def differences(self) -> list[str]:
        """That it did not with this fingerprint."""
        try:
            stamp = Path(self.stamp).read_text(encoding="utf-8").strip()
        except (FileNotFoundError, NotADirectoryError):
            return ["never ran"]
        return [] if stamp == self.fingerprint else ["ran with something else"]

    def put_right(self) -> None:
        """Run it and remember."""
        start(self.unit)
        stamp = Path(self.stamp)
        with beside(stamp) as new:
            new.write_text(self.fingerprint + "\n", encoding="utf-8")
            replace(new, stamp)

    def remains(self) -> bool:
        """Whether it is remembered."""
        return look(self.stamp) is not None

    def take_away(self) -> None:
        """Forget it."""
        remove_file(self.stamp)


def start(unit: str) -> None:
    """Run a unit to its end.

    Raises:
        Fault: it fails; with the end of its log.
    """
    run("systemctl", "daemon-reload")
    done = run("systemctl", "start", unit, check=False)
    if done.returncode:
        raise Fault(f"fails: {said(done)}\n{end_of_log(unit)}")


def show(unit: str, *names: str) -> dict[str, str]:
    """Properties of a unit."""
    done = run("systemctl", "show", unit, f"--property={','.join(names)}")
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def end_of_log(unit: str) -> str:
    """The last lines of a unit's log."""
    done = run(
        *("journalctl", "--unit", unit, "--lines", str(LINES), "--no-pager"),
        *("--output", "cat", "--quiet"),
        check=False,
    )
    return done.stdout.strip()


def reads_now(files: list[str], links: list[str]) -> list[str]:
    """What a unit would be started with, as the line that records it writes it.

    What cannot be read is left out there too.
    """
    lines = []
    for path in (each for file in files for each in _matching(file)):
        with contextlib.suppress(OSError):
            lines.append(f"{hashlib.sha256(Path(path).read_bytes()).hexdigest()}  {path}")
    for path in links:
        with contextlib.suppress(OSError):
            lines.append(points_to(path))
    return lines


def _matching(pattern: str) -> Iterator[str]:
    """What a pattern stands for, as the shell says it; of one that stands for nothing, itself."""
    yield from sorted(glob.glob(pattern)) or [pattern]  # noqa: PTH207 - a Path loses links to nothing
