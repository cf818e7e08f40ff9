"""The program that a host runs as root: compare resources, or put them right.

It comes by standard input with its orders, needs only Python's own library, and leaves nothing
behind. The order is a JSON object `{"do": "compare"|"apply", "resources": […]}`; the answer one
JSON object on standard output: title → list of differences. While it puts things right, it says
what it does on standard error; what goes wrong ends it with one sentence and exit code 1.
"""

from __future__ import annotations

import base64
import contextlib
import grp
import hashlib
import json
import os
import pwd
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

# Where a unit records what it was started with (renderers/systemd.py).
STARTED = "/run/tomobeam-started"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LOG_LINES = 15
ASK_AGAIN_S = 0.3
ANSWER_LIMIT_S = 10


class Fault(Exception):
    """What ends the program; its text is the sentence."""


def run(*argv, stdin=None, check=True, env=None, user=None):
    """Run a command; a failure is a Fault with its last lines."""
    if user not in (None, "root"):
        argv = ("runuser", "-u", user, "--", *argv)
    done = subprocess.run(
        argv,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": PATH, "LC_ALL": "C.UTF-8", **(env or {})},
        check=False,
    )
    if check and done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()[-LOG_LINES:]
        raise Fault(f"{' '.join(argv[:3])} ended with {done.returncode}: " + "\n".join(lines))
    return done


class Packages:
    """Debian packages."""

    @staticmethod
    def differences(wanted):
        """Which are not installed."""
        done = run(
            *("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n"),
            *wanted["names"],
            check=False,
        )
        there = {
            line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")
        }
        return [f"{name} is not installed" for name in wanted["names"] if name not in there]

    @staticmethod
    def apply(wanted):
        """Install them; policy-rc.d keeps their services from starting before they are set up."""
        policy = Path("/usr/sbin/policy-rc.d")
        ours = not policy.exists()
        if ours:
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
        try:
            # A run that was killed may have left packages half configured.
            run("dpkg", "--configure", "-a", env={"DEBIAN_FRONTEND": "noninteractive"})
            run(
                *("apt-get", "-qq", "-y", "--no-install-recommends"),
                *("-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Use-Pty=0"),
                *("install", *wanted["names"]),
                env={"DEBIAN_FRONTEND": "noninteractive"},
            )
        finally:
            if ours:
                policy.unlink()


class Group:
    """A group."""

    @staticmethod
    def differences(wanted):
        """Absent, or another number."""
        try:
            found = grp.getgrnam(wanted["name"]).gr_gid
        except KeyError:
            return ["absent"]
        return [] if found == wanted["gid"] else [f"gid is {found}, not {wanted['gid']}"]

    @staticmethod
    def apply(wanted):
        """Make it; a number that differs is for a person to settle."""
        if Group.differences(wanted) == ["absent"]:
            run("groupadd", "--gid", str(wanted["gid"]), wanted["name"])
        else:
            raise Fault(
                f"group {wanted['name']}: {Group.differences(wanted)[0]}; change it on the host, "
                "or in `accounts` of the inventory"
            )


class Account:
    """An account with its group."""

    @staticmethod
    def differences(wanted):
        """What of it is not as wanted."""
        try:
            found = pwd.getpwnam(wanted["name"])
        except KeyError:
            return ["absent"]
        said = []
        if found.pw_uid != wanted["uid"]:
            said.append(f"uid is {found.pw_uid}, not {wanted['uid']}")
        if found.pw_dir != wanted["home"]:
            said.append(f"home is {found.pw_dir}")
        return said + [f"not in group {name}" for name in Account._lacking(wanted)]

    @staticmethod
    def _lacking(wanted):
        said = []
        for name in wanted["groups"]:
            with contextlib.suppress(KeyError):
                if wanted["name"] in grp.getgrnam(name).gr_mem:
                    continue
            said.append(name)
        return said

    @staticmethod
    def apply(wanted):
        """Make it, move its home, add its groups; a number that differs is for a person."""
        said = Account.differences(wanted)
        name, uid = wanted["name"], str(wanted["uid"])
        if "absent" in said:
            own = {"name": name, "gid": wanted["uid"]}
            if Group.differences(own):
                Group.apply(own)
            run(
                *("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"),
                *("--uid", uid, "--gid", name, "--home-dir", wanted["home"], name),
            )
        elif any(line.startswith("uid") for line in said):
            raise Fault(
                f"account {name}: {said[0]}; change it on the host, or in `accounts` of the "
                "inventory"
            )
        else:
            run("usermod", "--home", wanted["home"], name)
        for group in Account._lacking(wanted):
            run("usermod", "--append", "--groups", group, name)


class Membership:
    """An account in a group."""

    @staticmethod
    def differences(wanted):
        """Absent, or not in it."""
        lacking = Account._lacking({"name": wanted["account"], "groups": [wanted["group"]]})
        return ["is not"] if lacking else []

    @staticmethod
    def apply(wanted):
        """Add it."""
        run("usermod", "--append", "--groups", wanted["group"], wanted["account"])


def look(path):
    """lstat of a path; None where there is nothing."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def owner_differences(found, wanted):
    """Mode, owner and group that are not as wanted."""
    said = []
    if stat.S_IMODE(found.st_mode) != wanted["mode"]:
        said.append(f"mode is {stat.S_IMODE(found.st_mode):o}, not {wanted['mode']:o}")
    for what, number, name, lookup in (
        ("owner", found.st_uid, wanted["owner"], lambda n: pwd.getpwnam(n).pw_uid),
        ("group", found.st_gid, wanted["group"], lambda n: grp.getgrnam(n).gr_gid),
    ):
        try:
            right = lookup(name) == number
        except KeyError:
            right = False
        if not right:
            said.append(f"{what} is {number}, not {name}")
    return said


class Folder:
    """A folder."""

    @staticmethod
    def differences(wanted):
        """Absent, no folder, or another mode or owner."""
        found = look(wanted["path"])
        if found is None:
            return ["absent"]
        if not stat.S_ISDIR(found.st_mode):
            return ["is no folder"]
        return owner_differences(found, wanted)

    @staticmethod
    def apply(wanted):
        """Make it and its parents."""
        path = Path(wanted["path"])
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise Fault(f"{path} is no folder; move it away")
        path.mkdir(parents=True, exist_ok=True)
        shutil.chown(path, wanted["owner"], wanted["group"])
        path.chmod(wanted["mode"])


class File:
    """A file with its content."""

    @staticmethod
    def differences(wanted):
        """Absent, no file, or another content, mode or owner."""
        found = look(wanted["path"])
        if found is None:
            return ["absent"]
        if not stat.S_ISREG(found.st_mode):
            return ["is no file"]
        said = owner_differences(found, wanted)
        content = Path(wanted["path"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != wanted["sha256"]:
            said.insert(0, "content differs")
        return said

    @staticmethod
    def apply(wanted):
        """Write it beside, have it validated under its own name, and move it into place."""
        path = Path(wanted["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".tomobeam-", dir=path.parent))
        try:
            new = beside / path.name
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64decode(wanted["content"]))
                file.flush()
                os.fsync(file.fileno())
            File._validate(wanted, new)
            shutil.chown(new, wanted["owner"], wanted["group"])
            new.chmod(wanted["mode"])
            if path.is_dir() and not path.is_symlink():
                raise Fault(f"{path} is a folder; move it away")
            os.replace(new, path)
        finally:
            shutil.rmtree(beside)

    @staticmethod
    def _validate(wanted, new):
        if not wanted["validate"]:
            return
        # Others than root may have to read it for that.
        new.parent.chmod(0o755)
        argv = [word.replace("{}", str(new)) for word in wanted["validate"]]
        done = run(*argv, check=False)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).replace(str(new), wanted["path"])
            raise Fault(
                f"{wanted['path']} is refused by {argv[0]}, the one that runs stays: "
                + "\n".join(said.splitlines()[-LOG_LINES:])
            )


class Link:
    """A symbolic link."""

    @staticmethod
    def differences(wanted):
        """Absent, no link, or to another place."""
        found = look(wanted["path"])
        if found is None:
            return ["absent"]
        if not stat.S_ISLNK(found.st_mode):
            return ["is no link"]
        target = os.readlink(wanted["path"])
        return [] if target == wanted["target"] else [f"points to {target}"]

    @staticmethod
    def apply(wanted):
        """Make it beside and move it into place."""
        path = Path(wanted["path"])
        if path.is_dir() and not path.is_symlink():
            raise Fault(f"{path} is a folder; move it away")
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.tomobeam")
        new.unlink(missing_ok=True)
        new.symlink_to(wanted["target"])
        os.replace(new, path)


class Absent:
    """Something that is not there."""

    @staticmethod
    def differences(wanted):
        """That it is there."""
        return [] if look(wanted["path"]) is None else ["is there"]

    @staticmethod
    def apply(wanted):
        """Remove a file or a link; a folder with all that is in it is never removed here."""
        Path(wanted["path"]).unlink(missing_ok=True)


class Masked:
    """A unit that nothing may start."""

    @staticmethod
    def differences(wanted):
        """That it is not."""
        link = Path("/etc/systemd/system") / wanted["unit"]
        return [] if link.is_symlink() and os.readlink(link) == "/dev/null" else ["is not masked"]

    @staticmethod
    def apply(wanted):
        """Stop and mask it."""
        run("systemctl", "disable", "--now", wanted["unit"], check=False)
        run("systemctl", "mask", wanted["unit"])


def show(unit, *names):
    """Properties of a unit."""
    done = run("systemctl", "show", unit, f"--property={','.join(names)}")
    return dict(line.partition("=")[::2] for line in done.stdout.splitlines())


def last_lines(unit):
    """The end of a unit's log."""
    done = run(
        *("journalctl", "--unit", unit, "--lines", str(LOG_LINES), "--no-pager"),
        *("--output", "cat", "--quiet"),
        check=False,
    )
    return done.stdout.strip()


def reads_now(wanted):
    """What a unit would be started with, as its recording line writes it."""
    lines = []
    for path in wanted["files"]:
        with contextlib.suppress(OSError):
            lines.append(f"{hashlib.sha256(Path(path).read_bytes()).hexdigest()}  {path}")
    for path in wanted["links"]:
        with contextlib.suppress(OSError):
            lines.append(os.readlink(path))
    return lines


class Unit:
    """A unit that runs."""

    @staticmethod
    def differences(wanted):
        """Not enabled, not running, or started with something else."""
        name = wanted["name"]
        found = show(name, "LoadState", "UnitFileState", "ActiveState", "NeedDaemonReload")
        if found["LoadState"] != "loaded":
            return [f"is {found['LoadState']}"]
        said = []
        if found["UnitFileState"] not in ("enabled", "enabled-runtime", "static", "alias"):
            said.append(f"is {found['UnitFileState']}, not enabled")
        if found["ActiveState"] != "active":
            said.append(f"is {found['ActiveState']}")
        elif wanted["files"] and Unit._recorded(name) != reads_now(wanted):
            said.append("was started with something else")
        if found["NeedDaemonReload"] == "yes":
            said.append("its file changed since systemd read it")
        return said

    @staticmethod
    def _recorded(name):
        try:
            return Path(STARTED, name).read_text().splitlines()
        except OSError:
            return None

    @staticmethod
    def apply(wanted):
        """Enable it and start it anew; whether it then answers is asked apart."""
        name = wanted["name"]
        run("systemctl", "daemon-reload")
        said = Unit.differences(wanted)
        if any("not enabled" in line for line in said):
            run("systemctl", "enable", name)
        if all("not enabled" in line for line in said):
            return
        run("systemctl", "reset-failed", name, check=False)
        done = run("systemctl", "restart", name, check=False)
        if done.returncode:
            raise Fault(f"{name} does not start:\n{done.stderr.strip()}\n{last_lines(name)}")


class Ran:
    """A unit that ran to its end."""

    @staticmethod
    def differences(wanted):
        """That it did not with this fingerprint."""
        try:
            stamp = Path(wanted["stamp"]).read_text().strip()
        except OSError:
            return ["never ran"]
        return [] if stamp == wanted["fingerprint"] else ["ran with something else"]

    @staticmethod
    def apply(wanted):
        """Run it and remember."""
        run("systemctl", "daemon-reload")
        done = run("systemctl", "start", wanted["unit"], check=False)
        if done.returncode:
            raise Fault(f"{wanted['unit']} fails:\n{last_lines(wanted['unit'])}")
        stamp = Path(wanted["stamp"])
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(wanted["fingerprint"] + "\n")


class Command:
    """A state that only commands know."""

    @staticmethod
    def differences(wanted):
        """What its check prints, where that fails."""
        done = run(
            *("sh", "-c", wanted["check"]),
            stdin=wanted["stdin"],
            check=False,
            user=wanted["user"],
        )
        if done.returncode == 0:
            return []
        lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
        return lines[:LOG_LINES] or ["is not so"]

    @staticmethod
    def apply(wanted):
        """Run it; its check must agree afterwards."""
        run("sh", "-c", wanted["apply"], stdin=wanted["stdin"], user=wanted["user"])
        left = Command.differences(wanted)
        if left:
            raise Fault(f"{wanted['title']}: still {'; '.join(left)}")


class Answers:
    """An address that answers."""

    @staticmethod
    def differences(wanted):
        """Why it does not."""
        url = wanted["url"]
        try:
            if url.startswith("tcp:"):
                host, _, port = url.removeprefix("tcp://").rpartition(":")
                with socket.create_connection((host, int(port)), ANSWER_LIMIT_S):
                    return []
            context = ssl.create_default_context(cafile=wanted["ca"])
            with urllib.request.urlopen(url, timeout=ANSWER_LIMIT_S, context=context):
                return []
        except urllib.error.HTTPError as error:
            detail = error.read(300).decode(errors="replace").strip()
            return [f"answers {error.code}: {detail}"]
        except (OSError, ValueError) as error:
            return [f"does not answer: {error}"]

    @staticmethod
    def apply(wanted):
        """Wait until it does, while its unit has not failed."""
        deadline = time.monotonic() + wanted["limit_s"]
        while said := Answers.differences(wanted):
            state = show(wanted["unit"], "ActiveState", "SubState", "NRestarts")
            ended = state["ActiveState"] == "failed" or int(state.get("NRestarts") or 0) > 2
            if ended or time.monotonic() > deadline:
                why = f"{wanted['unit']} is {state['ActiveState']}"
                raise Fault(f"{wanted['url']} {said[0]}; {why}:\n{last_lines(wanted['unit'])}")
            time.sleep(ASK_AGAIN_S)


class Bundle:
    """An archive that was unpacked."""

    @staticmethod
    def differences(wanted):
        """That it was not."""
        return [] if Path(wanted["marker"]).exists() else ["is not there"]

    @staticmethod
    def apply(wanted):
        """Unpack what was uploaded, and remove the upload."""
        upload = Path(wanted["upload"])
        try:
            with upload.open("rb") as archive:
                done = subprocess.run(
                    ["sh", "-c", wanted["script"]],
                    stdin=archive,
                    capture_output=True,
                    text=True,
                    check=False,
                )
        finally:
            upload.unlink(missing_ok=True)
        if done.returncode:
            lines = done.stderr.strip().splitlines()[-LOG_LINES:]
            raise Fault(f"{wanted['title']}: " + "\n".join(lines))


KINDS = {
    "packages": Packages,
    "group": Group,
    "account": Account,
    "membership": Membership,
    "folder": Folder,
    "file": File,
    "link": Link,
    "absent": Absent,
    "masked": Masked,
    "unit": Unit,
    "ran": Ran,
    "command": Command,
    "answers": Answers,
    "bundle": Bundle,
}


def compare(resources):
    """Title → differences, of every resource that has any."""
    found = {}
    for wanted in resources:
        said = KINDS[wanted["kind"]].differences(wanted)
        if said:
            found[wanted["title"]] = said
    return found


def apply(resources):
    """Put right what differs; all units are started before any address is waited for."""
    later = [wanted for wanted in resources if wanted["kind"] == "answers"]
    for wanted in [w for w in resources if w["kind"] != "answers"] + later:
        kind = KINDS[wanted["kind"]]
        if kind.differences(wanted):
            sys.stderr.write(f"{wanted['title']}\n")
            sys.stderr.flush()
            kind.apply(wanted)


def main(orders):
    """Carry the orders out."""
    try:
        if orders["do"] == "compare":
            print(json.dumps(compare(orders["resources"])))
        else:
            apply(orders["resources"])
    except Fault as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename or 'host'}: {error.strerror}")
