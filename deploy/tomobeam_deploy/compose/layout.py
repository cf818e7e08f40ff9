"""Where the compose profile keeps things, and what it writes for its containers to read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from roles.postgresql.service import ROLES, settings
from roles.postgresql.service import SERVICE as POSTGRESQL
from tomobeam_deploy.images.model import BIN
from tomobeam_deploy.local.layout import Layout
from tomobeam_deploy.local.readiness import StartError
from tomobeam_deploy.renderers.compose import compose_file
from tomobeam_deploy.scram import role_verifier
from tomobeam_deploy.secrets import ensure_secrets, pgpass, pgpass_name, read_secret
from tomobeam_deploy.service import Placement, Process, Service
from tomobeam_deploy.site import Database

INVENTORY = "inventories/compose"
# Where compose's secrets are in a container.
SECRETS = Path("/run/secrets")


@dataclass(frozen=True)
class ContainerLayout(Layout):
    """The folders of one machine's containers: the same paths inside and outside."""

    @property
    def file(self) -> Path:
        """The compose file; one, whichever databases the services have."""
        return self.data.with_name("compose.yaml")

    def placement(self, service: Service) -> Placement:
        """Where a service finds its programs, its folders and its secrets in its container."""
        database = service.database_role if self._has_server else None
        return Placement(
            site=self.site,
            bin=BIN,
            config=self.config(service.name),
            state=self.state(service.name),
            secrets=SECRETS,
            secret_files={"PGPASSFILE": pgpass_name(database)} if database else {},
            values={"job_bin": str(BIN)} | self._values(service),
        )

    def write(self, processes: dict[str, Process]) -> None:
        """Make the folders, generate missing secrets, render the configurations.

        Raises:
            StartError: the folder is another user's, or a runtime's socket is not there.
        """
        if self.data.exists() and (owner := self.data.stat().st_uid) != os.geteuid():
            raise StartError(
                f"{self.data} belongs to user {owner}, and you are {os.geteuid()}: call as that "
                "user, or set TOMOBEAM_DATA to another folder"
            )
        for jobs in self.site.launchers.in_containers:
            if not jobs.socket.exists():
                raise StartError(
                    f"{jobs.socket} is missing, through which jobs become containers: "
                    "systemctl --user enable --now podman.socket"
                )
        if self._has_server:
            self._database_secrets()
            # Now there is what PostgreSQL is to prove passwords by.
            processes = self.processes()
        super().write(processes)
        self._give_away(processes)

    def write_file(self, processes: Mapping[str, Process], images: Mapping[str, str]) -> None:
        """The compose file, for what `write` wrote."""
        inputs = {name: self._digest(process) for name, process in processes.items()}
        spec = compose_file(self.site, processes, images, self.secrets, inputs)
        text = yaml.dump(spec, Dumper=_Plain, sort_keys=False, width=100)
        _replace(self.file, f"# Written by `make compose`, from {INVENTORY}.\n{text}")

    def check_written(self) -> None:
        """See that the compose file is of this layout.

        Raises:
            StartError: there is none, or it was written for other databases.
        """
        if not self.file.exists():
            raise StartError(f"{self.file} is missing: start with make compose-up")
        spec = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        folders = {Path(secret["file"]).parent for secret in spec["secrets"].values()}
        if folders != {self.secrets}:
            other = ", ".join(str(folder.parent.name) for folder in folders)
            raise StartError(
                f"{self.file} was written for {other}, and you ask for {self.data.name}: set "
                "POSTGRES as it was when everything was started"
            )

    @property
    def _has_server(self) -> bool:
        containers = self.site.containers
        assert containers, "a site of containers"
        return containers.database is Database.POSTGRESQL

    def _values(self, service: Service) -> dict[str, object]:
        """What PostgreSQL's templates want besides; verifiers, once there are passwords."""
        if service.name != POSTGRESQL.name:
            return {}
        state = self.state(service.name)
        verifiers = {
            role: role_verifier(read_secret(self.secrets, f"db-{role}"), role)
            for role in sorted(ROLES)
            if (self.secrets / f"db-{role}").exists()
        }
        return settings(self.site) | {
            "debian": False,
            "certificate": None,
            "data": state / "data",
            "access": self.config(service.name) / "pg_hba.conf",
            "listens_on": self.site.listens_on,
            "sockets": "/tmp",  # the container's own
            # Whoever is in the container is the server.
            "local": "trust",
            "clients": {role: ["samenet"] for role in ROLES},
            "verifiers": verifiers,
        }

    def _database_secrets(self) -> None:
        ensure_secrets(self.secrets, {f"db-{role}" for role in ROLES})
        for role in ROLES:
            password = read_secret(self.secrets, f"db-{role}")
            line = pgpass(POSTGRESQL.name, self.site.ports.postgresql, role, password)
            _replace(self.secrets / pgpass_name(role), f"{line}\n", 0o600)

    def _give_away(self, processes: Mapping[str, Process]) -> None:
        """What containers write, or must be alone in reading, belongs to their user."""
        for name in processes:
            if self.config(name).exists():
                self.config(name).chmod(0o700)
        if self.site.containers is None or self.site.containers.user or os.geteuid():
            return
        owner = self.site.accounts.shared
        folders = [path for process in processes.values() for path in process.writable]
        files = [*self.secrets.iterdir(), *_below(self.config(name) for name in processes)]
        for path in {*folders, *files}:
            os.chown(path, owner, owner)

    def _digest(self, process: Process) -> str:
        """Of all that a container reads at its start; a changed one is another container."""
        secrets = {*process.credentials.values(), *process.provision_credentials.values()}
        files = [self.config(process.name) / file for file in process.service.files.values()]
        paths = [*sorted(self.secrets / name for name in secrets), *files, *process.reads]
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


class _Plain(yaml.SafeDumper):
    """Without anchors, so that each service can be read by itself."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's
        """All of them."""
        return True


def _below(folders: Iterable[Path]) -> list[Path]:
    return [path for folder in folders if folder.exists() for path in (folder, *folder.rglob("*"))]


def _replace(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file anew, which nobody ever sees half written or with more rights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
