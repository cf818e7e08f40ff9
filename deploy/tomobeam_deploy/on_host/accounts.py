"""Accounts and groups."""

from __future__ import annotations

import grp
import pwd

from tomobeam_deploy.on_host.resource import Resource
from tomobeam_deploy.on_host.running import Fault, run

REMEDY = "change it on the host, or in `accounts` of the inventory"


class Group(Resource):
    """A group."""

    name: str
    gid: int

    def differences(self) -> list[str]:
        """Absent, or another number."""
        try:
            found = grp.getgrnam(self.name).gr_gid
        except KeyError:
            return ["absent"]
        return [] if found == self.gid else [f"gid is {found}, not {self.gid}"]

    def put_right(self) -> None:
        """Make it; a number that differs is for a person to settle."""
        said = self.differences()
        if said != ["absent"]:
            raise Fault(f"{said[0]}; {REMEDY}")
        run("groupadd", "--gid", str(self.gid), self.name)


class Account(Resource):
    """A system account; its own group has its name and number."""

    name: str
    uid: int
    home: str
    groups: list[str]

    def differences(self) -> list[str]:
        """Absent, other numbers, another home, or not in a group."""
        try:
            found = pwd.getpwnam(self.name)
        except KeyError:
            return ["absent"]
        return [
            *self._numbers(found),
            *([] if found.pw_dir == self.home else [f"home is {found.pw_dir}, not {self.home}"]),
            *(f"not in group {group}" for group in self.groups if not is_in(self.name, group)),
        ]

    def put_right(self) -> None:
        """Make it, move its home, add its groups; numbers that differ are for a person."""
        try:
            found = pwd.getpwnam(self.name)
        except KeyError:
            self._make()
        else:
            if said := self._numbers(found):
                raise Fault(f"{said[0]}; {REMEDY}")
            if found.pw_dir != self.home:
                run("usermod", "--home", self.home, self.name)
        for group in self.groups:
            if not is_in(self.name, group):
                run("usermod", "--append", "--groups", group, self.name)

    def _numbers(self, found: pwd.struct_passwd) -> list[str]:
        numbers = {"uid": found.pw_uid, "gid": found.pw_gid}
        return [f"{w} is {n}, not {self.uid}" for w, n in numbers.items() if n != self.uid]

    def _make(self) -> None:
        own = Group(name=self.name, gid=self.uid)
        if own.differences():
            own.put_right()
        run(
            *("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"),
            *("--uid", str(self.uid), "--gid", self.name, "--home-dir", self.home, self.name),
        )


def is_in(account: str, group: str) -> bool:
    """Whether an account is among a group's members; False where there is no such group."""
    try:
        return account in grp.getgrnam(group).gr_mem
    except KeyError:
        return False
