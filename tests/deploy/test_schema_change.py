"""A release with a newer schema comes and goes: dumped and migrated, refused, and brought back.

The older release is the one that is deployed, without the last of Tiled's own migrations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.deploy.conftest import INVENTORY, LIMIT_S, Operator
from tests.deploy.hosts import at, flow_runs, nodes, rows, runs
from tomobeam_deploy.hosts.databases import FOLDER
from tomobeam_deploy.renderers.systemd import unit_name
from tomobeam_deploy.site import Site

pytestmark = pytest.mark.timeout(LIMIT_S)

STORAGE, CONTROL, DATABASE = "storage", "control", "tiled_catalog"
HOME, OLDER = "/opt/tomobeam/tiled", "0.1.0-00000000001d"
UNIT = unit_name("tiled")
PACKAGES = "lib/python3.11/site-packages"
LIMITS = f"--limit {STORAGE} --limit {CONTROL}"
BACK = f"tomobeam-site rollback {INVENTORY} {LIMITS} --service tiled"
# Hard links, of which those that change become files of their own; unpacked before the other.
MAKE_OLDER = f"""
set -eu
cp -al {HOME}/releases/{{new}} {HOME}/releases/{OLDER}
cd {HOME}/releases/{OLDER}
sed -i '/^    "{{newest}}",$/d' {PACKAGES}/tiled/catalog/core.py
rm {PACKAGES}/tiled/catalog/migrations/versions/{{newest}}_*.py
python3 - <<'END'
import json
from pathlib import Path
path = Path("release.json")
described = json.loads(path.read_text())
assert described["schema"]["{DATABASE}"].pop(0) == "{{newest}}"
path.unlink()
path.write_text(json.dumps(described))
END
touch --date=@1000000000 .
"""
# As the release itself would migrate, but one step down.
DOWN = """
set -eu
systemctl stop tomobeam-{service}.service
sed 's|^ExecStart=.*|ExecStart=/opt/tomobeam/{service}/current/bin/{command}|' \\
    /etc/systemd/system/tomobeam-{service}-migrate.service \\
    >/run/systemd/system/one-step-down.service
systemctl daemon-reload
systemctl start one-step-down.service
rm /run/systemd/system/one-step-down.service
systemctl daemon-reload
"""
LATER = (
    "INSERT INTO nodes (parent, key, structure_family, metadata, specs)"
    " VALUES (0, 'later', 'container', '{}', '[]')"
)
RIGHTS = (
    "SELECT datname, pg_get_userbyid(datdba), datacl FROM pg_database WHERE datname ~ '^tiled'"
    " ORDER BY 1"
)
OWNERS = (
    "SELECT relname, pg_get_userbyid(relowner), relacl FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S') ORDER BY 1"
)


@dataclass(frozen=True)
class Revisions:
    """Of the catalogue's schema: of the release that is deployed, and the one before."""

    release: str
    newer: str
    older: str


def revision(site: Site) -> str:
    return rows(site, DATABASE, "SELECT version_num FROM alembic_version")[0]


def current() -> str:
    return at(STORAGE, f"readlink {HOME}/current").removeprefix("releases/")


def dumps() -> list[str]:
    return at(CONTROL, f"ls -t {FOLDER}/{DATABASE}-*.dump 2>/dev/null", ok=None).splitlines()


def stamped() -> str:
    return json.loads(at(STORAGE, "cat /etc/tomobeam/tiled/schema.json"))[DATABASE]


@pytest.fixture(scope="module")
def revisions(platform: Operator) -> Iterator[Revisions]:
    """An older release that runs, and databases that it made."""
    new = current()
    described = json.loads(at(STORAGE, f"cat {HOME}/releases/{new}/release.json"))
    newer, older = described["schema"][DATABASE][:2]
    try:
        at(STORAGE, MAKE_OLDER.format(new=new, newest=newer))
        down = f"tiled catalog downgrade-database ${{TOMOBEAM_TILED_CATALOG_URI}} {older}"
        at(STORAGE, DOWN.format(service="tiled", command=down))
        platform.run(f"{BACK} --release {OLDER}")
        yield Revisions(new, newer, older)
    finally:
        platform.deploy(more=LIMITS)
        at(STORAGE, f"rm -r {HOME}/releases/{OLDER}; rm -f {HOME}/previous {HOME}/undone")
        at(CONTROL, f"rm -rf {FOLDER}")


def test_the_older_release_runs_with_what_it_knows(
    platform: Operator, revisions: Revisions
) -> None:
    assert (current(), revision(platform.site), stamped()) == (
        OLDER,
        revisions.older,
        revisions.older,
    )
    assert at(STORAGE, f"systemctl is-active {UNIT}") == "active"


def test_a_newer_release_dumps_migrates_and_keeps_all(
    platform: Operator, revisions: Revisions
) -> None:
    kept, known = nodes(platform.site), set(dumps())
    said = platform.deploy(more=LIMITS).stderr
    assert (
        f"schema of tiled: {DATABASE} is of revision {revisions.older}, its release wants" in said
    )
    assert (current(), revision(platform.site), stamped()) == (
        revisions.release,
        revisions.newer,
        revisions.newer,
    )
    assert nodes(platform.site) == kept
    [made] = set(dumps()) - known
    assert made.startswith(f"{FOLDER}/{DATABASE}-{revisions.older}-")
    assert made in said
    assert at(CONTROL, f"stat -c '%a %U' {made} {FOLDER}").split() == [
        "600",
        "postgres",
        "700",
        "postgres",
    ]
    before = runs(STORAGE)
    platform.deploy(more=LIMITS)
    assert runs(STORAGE) == before
    assert set(dumps()) == known | {made}


def test_going_back_is_refused_with_all_that_is_to_be_known(
    platform: Operator, revisions: Revisions
) -> None:
    rows(platform.site, DATABASE, LATER)
    before = runs(STORAGE), current()
    said = platform.run(BACK, ok=1).stderr.splitlines()[-1]
    for part in (revisions.newer, revisions.older, dumps()[0], "(new nodes: 1)", "--restore"):
        assert part in said
    assert (runs(STORAGE), current(), revision(platform.site)) == (*before, revisions.newer)


def test_with_restore_the_databases_are_what_they_were(
    platform: Operator, revisions: Revisions
) -> None:
    rights, owners = (
        rows(platform.site, "postgres", RIGHTS),
        rows(platform.site, "tiled_authn", OWNERS),
    )
    said = platform.run(f"{BACK} --restore").stderr
    assert "(new nodes: 1)" in said
    assert (current(), revision(platform.site), stamped()) == (
        OLDER,
        revisions.older,
        revisions.older,
    )
    assert rows(platform.site, DATABASE, "SELECT count(*) FROM nodes WHERE key = 'later'") == ["0"]
    assert (
        rows(platform.site, "postgres", RIGHTS),
        rows(platform.site, "tiled_authn", OWNERS),
    ) == (rights, owners)
    # What there was is kept too.
    assert dumps()[0].startswith(f"{FOLDER}/{DATABASE}-{revisions.newer}-")
    assert at(STORAGE, f"systemctl is-active {UNIT}") == "active"
    # And scans still come in.
    platform.run(f"tomobeam-site canary {INVENTORY}")


def test_forward_again_is_a_migration_again(platform: Operator, revisions: Revisions) -> None:
    kept = nodes(platform.site)
    platform.deploy(more=LIMITS)
    assert (current(), revision(platform.site)) == (revisions.release, revisions.newer)
    assert nodes(platform.site) == kept
    assert (
        rows(platform.site, "postgres", "SELECT datname FROM pg_database WHERE datname ~ '_re'")
        == []
    )


def test_prefects_database_is_migrated_as_well(platform: Operator) -> None:
    site, query = platform.site, "SELECT version_num FROM alembic_version"
    newer, runs_kept = rows(site, "prefect", query), sorted(flow_runs(site))
    down = "prefect server database downgrade --yes --revision -1"
    at(CONTROL, DOWN.format(service="prefect-server", command=down))
    [older] = rows(site, "prefect", query)
    assert [older] != newer
    at(CONTROL, f"sed -i s/{newer[0]}/{older}/ /etc/tomobeam/prefect-server/schema.json")
    said = platform.deploy(more=f"--limit {CONTROL}").stderr
    assert f"prefect-server: dumped on {CONTROL}: {FOLDER}/prefect-{older}-" in said
    assert rows(site, "prefect", query) == newer
    assert sorted(flow_runs(site)) == runs_kept
    assert platform.drift(CONTROL) == []
