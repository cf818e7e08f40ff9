"""An installation on three hosts as an operator has it: inventory, secrets, pinned keys."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.platform import REPOSITORY
from tomobeam_deploy import age_keys, site_cli, tls, vault
from tomobeam_deploy.catalogue import secrets_of
from tomobeam_deploy.secrets import Hidden
from tomobeam_deploy.site import Site

NAME = "i13"
# Of the kind that documents use: nobody answers there.
INVENTORY = """\
from pathlib import Path
from tomobeam_deploy.site import Accounts, DataRoots, FileStore, Group, Host, Ports, Site

site = Site(
    name="i13",
    hosts={
        "control": Host(
            address="192.0.2.1",
            groups=frozenset({Group.CONTROL, Group.STORAGE}),
            file_store=Path("/store"),
        ),
        "compute": Host(
            address="192.0.2.2",
            groups=frozenset({Group.COMPUTE, Group.RECONSTRUCTION}),
            file_store=Path("/dls"),
        ),
        "web": Host(address="192.0.2.3", groups=frozenset({Group.WEB})),
    },
    store=FileStore(path=Path("/store")),
    data=DataRoots(
        filestore=Path("/store/recons"),
        models=Path("/store/models"),
        writable=Path("/var/lib/tomobeam/tiled/writable"),
        state=Path("/var/lib/tomobeam"),
    ),
    registry=Path("/registry.json"),
    controllers=("192.0.2.0/24",),
)

control, storage, compute, web, reconstruction = site.groups()
"""
CONNECTION = """\
ssh_user = "deploy"
ssh_known_hosts_file = {known_hosts!r}
ssh_strict_host_key_checking = "yes"
"""
# A public key that nobody has.
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIE2C2RyXWlZyzVnUOZkI3eLtWWP0K4pyyvNf6zzs4v5X"


@dataclass(frozen=True)
class Installation:
    """Its files, in a folder of their own."""

    folder: Path

    @property
    def inventory(self) -> Path:
        return self.folder / NAME

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def age_key(self) -> Path:
        return self.folder / "agekey"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def site(self) -> Site:
        return Site.load(self.inventory)

    def change(self, old: str, new: str) -> None:
        """Edit the inventory."""
        text = self.inventory.read_text()
        assert text.count(old) == 1, old
        self.inventory.write_text(text.replace(old, new))

    def pin(self, *addresses: str) -> None:
        self.known_hosts.write_text("".join(f"{each} ssh-ed25519 {KEY}\n" for each in addresses))

    def move_here(self, port: int) -> None:
        """Make its hosts addresses of this machine, reached by SSH at a port."""
        for number in (1, 2, 3):
            self.change(f'"192.0.2.{number}"', f'"127.0.0.{number}"')
        settings = self.folder / "group_data" / f"{NAME}.py"
        settings.write_text(f"{settings.read_text()}ssh_port = {port}\n")
        self.pin(*(f"[127.0.0.{number}]:{port}" for number in (1, 2, 3)))
        self.renew_certificates(datetime.now(UTC))

    def put_secrets(self, values: dict[str, str]) -> None:
        vault.update(NAME, lambda _: values, self.secrets)

    def values(self) -> dict[str, str]:
        return dict(vault.Vault.load(NAME, self.secrets).values())

    def renew_certificates(self, now: datetime) -> None:
        """Have all made as they were at that time."""
        old = {key: value for key, value in self.values().items() if not key.startswith("tls-")}
        self.put_secrets(dict(tls.complete(self.site(), Hidden(old), now)))

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a module of Python as the operator does, in the repository."""
        places = {age_keys.KEY_VARIABLE: self.age_key, age_keys.SECRETS_VARIABLE: self.secrets}
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=REPOSITORY,
            env=os.environ | {key: str(path) for key, path in places.items()} | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def main(*arguments: str) -> int:
    """The exit code of `tomobeam-site`, run in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tomobeam-site", *arguments])
        with pytest.raises(SystemExit) as end:
            site_cli.main()
    code = end.value.code or 0
    assert isinstance(code, int)
    return code


def make_installation(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """One with nothing wrong; the secrets of services are names only."""
    made = Installation(folder)
    monkeypatch.setenv(age_keys.KEY_VARIABLE, str(made.age_key))
    made.inventory.write_text(INVENTORY)
    (folder / "group_data").mkdir()
    connection = CONNECTION.format(known_hosts=str(made.known_hosts))
    (folder / "group_data" / f"{NAME}.py").write_text(connection)
    made.pin("192.0.2.1", "192.0.2.2", "192.0.2.3")
    age_keys.create_identity(NAME)
    vault.join(NAME, "ada", made.secrets)
    made.put_secrets({name: f"the-{name}" for name in secrets_of(made.site())})
    made.renew_certificates(datetime.now(UTC))
    return made
