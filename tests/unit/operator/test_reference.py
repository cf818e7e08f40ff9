"""The pages about hosts say all of what a deploy does there."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.platform import REPOSITORY
from tests.unit.operator.sites import OF_HOSTS, load, targets
from tomobeam_deploy.hosts.deploy import plan
from tomobeam_deploy.hosts.resources import Account, Command, File, Folder, Link, Resource, Written
from tomobeam_deploy.hosts.roles import every_role
from tomobeam_deploy.operator.reference import pages
from tomobeam_deploy.packages.host import FOLDER, KEYRING, SOURCES
from tomobeam_deploy.reference.asked import Asked, asked, names_of, secrets_in
from tomobeam_deploy.renderers.systemd import STARTED
from tomobeam_deploy.site_cli import app

EXAMPLE = REPOSITORY / "inventories" / "beamline"
# Certificates are for everybody; only the keys to them are not.
PUBLIC = ("tls-cert-", "tls-ca-cert")


@cache
def everything(site: str) -> list[Asked]:
    return list(asked(load(site)))


@cache
def written(site: str) -> dict[str, str]:
    return pages(load(site))


def part(site: str, page: str, host: str) -> list[str]:
    """The lines of a page about a host."""
    return written(site)[page].split(f"\n## {host} (")[1].split("\n## ")[0].splitlines()


def planned(site: str, host: str) -> list[Resource]:
    steps = plan(list(every_role().values()), targets(site)[host])
    return [resource for resources in steps.values() for resource in resources]


@pytest.mark.parametrize("site", OF_HOSTS)
def test_every_account_and_every_path_of_a_deploy_is_there_once(site: str) -> None:
    for host in load(site).hosts:
        resources = planned(site, host)
        paths = [r.path for r in resources if isinstance(r, File | Folder | Link)]
        accounts = [r.name for r in resources if isinstance(r, Account)]
        for name, page in [(p, "files.md") for p in paths] + [(a, "users.md") for a in accounts]:
            assert len([x for x in part(site, page, host) if x.startswith(f"| `{name}` |")]) == 1


@pytest.mark.parametrize("site", OF_HOSTS)
def test_what_commands_and_packages_write_is_there_too(site: str) -> None:
    for host in load(site).hosts:
        commands = [r for r in planned(site, host) if isinstance(r, Command)]
        told = [f"| `{w.path}` |  |  | {w.what} |" for c in commands for w in c.writes]
        lines = part(site, "files.md", host)
        assert all(any(line.startswith(row) for line in lines) for row in told)
        for path in (FOLDER, KEYRING, SOURCES):
            assert len([x for x in lines if x.startswith(f"| `{path}` | 0")]) == 1


def test_what_others_than_roles_files_leave_is_named_where_it_is() -> None:
    def has(host: str, path: str) -> bool:
        return any(x.startswith(f"| `{path}` |") for x in part("beamline", "files.md", host))

    everywhere = list(load("beamline").hosts)
    where = {
        "/etc/hosts": everywhere,
        f"{STARTED}/ssh.service": everywhere,
        "/var/backups/tomobeam": ["bl07-control"],
        "/var/lib/postgresql/15/main": ["bl07-control"],
    }
    for path, hosts in where.items():
        assert [host for host in everywhere if has(host, path)] == hosts


def test_no_host_is_told_what_a_command_writes() -> None:
    silent = Command("x", "true", "true")
    telling = replace(silent, writes=(Written("/etc/x", "a line"),))
    assert (telling.wanted(), telling.payload()) == (silent.wanted(), silent.payload())


@pytest.mark.parametrize("site", OF_HOSTS)
def test_a_secret_is_in_files_that_only_its_reader_can_read(site: str) -> None:
    names = [name for name in names_of(load(site)) if not name.startswith(PUBLIC)]
    files = [r for one in everything(site) for r in one.resources if isinstance(r, File)]
    holding = [file for file in files if secrets_in(file, names)]
    assert holding
    assert not [file.path for file in holding if file.mode & 0o007]


@pytest.mark.parametrize("site", OF_HOSTS)
def test_every_secret_is_said_and_where_each_file_has_it(site: str) -> None:
    lines = written(site)["secrets.md"].splitlines()
    for name in names_of(load(site)):
        [line] = [line for line in lines if line.startswith(f"| `{name}` |")]
        for one in everything(site):
            for file in (r for r in one.resources if isinstance(r, File)):
                who = f"{file.mode:04o} {file.owner}:{file.group}"
                said = f"{one.host}: `{file.path}`, {who}" in line
                assert said == (name in secrets_in(file, names_of(load(site))))


def test_what_is_kept_in_no_file_is_said() -> None:
    page = written("beamline")["secrets.md"]
    assert "bl07-control: postgresql is told of it, and keeps it in no file" in page
    assert "| `tls-ca-key` | none; the controller uses it |" in page


def test_pages_that_no_longer_follow_are_named(tmp_path: Path) -> None:
    command = ["reference", str(EXAMPLE), str(tmp_path)]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert CliRunner().invoke(app, [*command, "--check"]).exit_code == 0
    (tmp_path / "users.md").write_text("# Users\n", encoding="utf-8")
    (tmp_path / "files.md").unlink()
    done = CliRunner().invoke(app, [*command, "--check"])
    assert done.exit_code == 1
    assert f"{tmp_path / 'users.md'}: not as " in done.output
    assert f"{tmp_path / 'files.md'}: not as " in done.output
    assert not (tmp_path / "files.md").exists()
