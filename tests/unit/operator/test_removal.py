"""Which roles may go, in which order, and what of them: derived from what they ask for."""

from __future__ import annotations

import pytest

from tests.unit.operator.sites import OF_HOSTS, load, targets
from tomobeam_deploy.hosts.brought import Packages
from tomobeam_deploy.hosts.deploy import plan
from tomobeam_deploy.hosts.removal import databases, dropped, in_order, removal
from tomobeam_deploy.hosts.resources import Account, File, Folder, Resource, Unit
from tomobeam_deploy.hosts.roles import every_role
from tomobeam_deploy.site import Group, SiteError

ROLES = every_role()
LEAVING = sorted(name for name, role in ROLES.items() if set(role.GROUPS) != set(Group))
# What a beamline has of its own besides the roles of every host.
WHOLE = in_order(LEAVING, ROLES)


def asked(names: list[str], host: str, site: str) -> list[Resource]:
    steps = plan([ROLES[name] for name in names], targets(site)[host])
    return [resource for resources in steps.values() for resource in resources]


def test_a_role_goes_before_those_that_it_needs() -> None:
    order = {name: number for number, name in enumerate(WHOLE)}
    assert sorted(order) == LEAVING
    for name in LEAVING:
        needs = set(getattr(ROLES[name], "NEEDS", ())) & set(order)
        assert all(order[name] < order[need] for need in needs), name
    assert order["webapp"] < order["tiled"] < order["postgresql"]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["tiled"], "tiled is needed by ingester, webapp, worker; remove them too: role="),
        (
            ["prefect_server", "worker"],
            "prefect_server is needed by webapp; "
            "remove them too: role=prefect_server,worker,webapp",
        ),
        (
            ["postgresql"],
            "postgresql is needed by prefect_server, tiled; remove them too: "
            "role=postgresql,ingester,prefect_server,tiled,webapp,worker",
        ),
        (["firewall"], "firewall is what makes a host one of the site; it stays"),
        (["webap"], "there is no 'webap'; did you mean 'webapp'?; there are: activemq, "),
    ],
)
def test_what_others_need_or_nobody_knows_does_not_go(names: list[str], sentence: str) -> None:
    with pytest.raises(SiteError) as error:
        in_order(names, ROLES)
    assert str(error.value).startswith(f"role: {sentence}")


def test_what_the_sentence_says_is_enough() -> None:
    with pytest.raises(SiteError) as error:
        in_order(["file_store"], ROLES)
    said = str(error.value).rpartition("role=")[2].split(",")
    assert in_order(said, ROLES)[-1] == "file_store"


@pytest.mark.parametrize("site", OF_HOSTS)
@pytest.mark.parametrize("name", LEAVING)
def test_nothing_goes_that_a_role_that_stays_asks_for(site: str, name: str) -> None:
    others = [other for other in ROLES if other != name]
    for host, target in targets(site).items():
        kept = {resource.title for resource in asked(others, host, site)}
        gone = removal(name, [name], ROLES, target)
        assert not kept & {r.title for r in (*gone.goes, *gone.data)}


@pytest.mark.parametrize("site", OF_HOSTS)
@pytest.mark.parametrize("name", LEAVING)
def test_nothing_is_forgotten(site: str, name: str) -> None:
    """All files, units and folders of roles go, or are data, where all roles leave."""
    for host, target in targets(site).items():
        of_every_host = {r.title for r in asked(sorted({*ROLES} - {*LEAVING}), host, site)}
        wanted = {
            resource.title
            for resource in asked([name], host, site)
            if isinstance(resource, Unit | File | Folder) and resource.title not in of_every_host
        }
        gone = removal(name, LEAVING, ROLES, target)
        assert wanted <= {resource.title for resource in (*gone.goes, *gone.data)}


def test_what_two_roles_of_a_host_share_goes_with_the_last() -> None:
    target = targets("single")[next(iter(load("single").hosts))]
    registry = "/etc/tomobeam/registry.json"

    def goes(*leaving: str) -> set[str]:
        return {r.title for r in removal(leaving[0], leaving, ROLES, target).goes}

    assert registry not in goes("worker")
    assert registry in goes("worker", "webapp")


def test_units_stop_before_their_files_go_and_folders_go_last() -> None:
    gone = removal("webapp", ["webapp"], ROLES, targets()["web"]).goes
    titles = [resource.title for resource in gone]
    assert titles[0] == "tomobeam-webapp.service"
    assert titles[-1] == "/etc/tomobeam/webapp"
    assert titles.index("/etc/tomobeam/webapp/secrets") == len(titles) - 2
    release = next(title for title in titles if title.startswith("release webapp "))
    unit_file = titles.index("/etc/systemd/system/tomobeam-webapp.service")
    assert 0 < unit_file < titles.index(release)


@pytest.mark.parametrize("site", OF_HOSTS)
def test_data_is_kept_apart_from_what_goes(site: str) -> None:
    data = load(site).data
    roots = (data.state, data.writable, data.filestore, data.models)
    found = set()
    for target in targets(site).values():
        for name in LEAVING:
            gone = removal(name, LEAVING, ROLES, target)
            assert not [r for r in gone.goes if isinstance(r, Folder) and r.path == str(data.state)]
            assert not [
                r
                for r in gone.goes
                for root in roots
                if isinstance(r, Folder) and r.path.startswith(str(root))
            ]
            found |= {folder.path for folder in gone.data}
    services = ("broker", "ingester", "prefect-server", "tiled", "webapp", "worker")
    assert {str(data.state / service) for service in services} <= found
    assert str(data.writable) in found


def test_a_folder_goes_after_those_in_it() -> None:
    data = [r.path for r in removal("tiled", LEAVING, ROLES, targets()["storage"]).data]
    assert data == ["/var/lib/tomobeam/tiled/writable", "/var/lib/tomobeam/tiled"]


def test_packages_and_accounts_are_said_to_stay() -> None:
    stays = removal("activemq", LEAVING, ROLES, targets()["control"]).stays
    assert {type(resource) for resource in stays} == {Account, Packages}
    assert "account tomobeam-broker" in {resource.title for resource in stays}


def test_of_a_host_of_other_groups_nothing_goes() -> None:
    gone = removal("webapp", ["webapp"], ROLES, targets()["control"])
    assert (gone.goes, gone.data, gone.stays) == ((), (), ())


def test_databases_belong_to_the_services_that_keep_data_there() -> None:
    site = load()
    assert {name: databases(site, name) for name in ROLES if databases(site, name)} == {
        "prefect_server": ["prefect"],
        "tiled": ["tiled_authn", "tiled_catalog"],
    }


def test_databases_are_dropped_by_their_names() -> None:
    command = dropped(["tiled_authn", "tiled_catalog"])
    assert command.title == "databases tiled_authn, tiled_catalog are gone"
    assert "dropdb --if-exists --force tiled_authn && dropdb" in command.apply
    assert "IN ('tiled_authn', 'tiled_catalog')" in command.check
