"""What is wrong with an installation is said in one sentence, before any connection."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.hosts.installation import Installation
from tomobeam_deploy import pki
from tomobeam_deploy.hosts import preflight
from tomobeam_deploy.secrets import SecretsError
from tomobeam_deploy.site import SiteError

Spoil = Callable[[Installation], None]


def edited(old: str, new: str) -> Spoil:
    return lambda installation: installation.change(old, new)


def without_secret(name: str) -> Spoil:
    def spoil(installation: Installation) -> None:
        values = installation.values()
        (installation.secrets / "i13.age").unlink()
        installation.put_secrets({key: value for key, value in values.items() if key != name})

    return spoil


def certificates_made(ago: timedelta) -> Spoil:
    return lambda installation: installation.renew_certificates(datetime.now(UTC) - ago)


COMPUTE = "frozenset({Group.COMPUTE, Group.RECONSTRUCTION})"

FAULTS: list[tuple[str, Spoil, str]] = [
    (
        "unknown key",
        edited('name="i13"', 'name="i13", keep_release=4'),
        "keep_release: unknown key; did you mean 'keep_releases'?",
    ),
    (
        "unknown key of a host",
        edited('address="192.0.2.3"', 'adress="192.0.2.3"'),
        "adress: unknown key; did you mean 'address'?",
    ),
    (
        "no Python",
        edited('name="i13",', 'name="i13"'),
        "i13:5: invalid syntax",
    ),
    (
        "name that is none",
        edited("frozenset({Group.WEB})", "frozenset({Gruop.WEB})"),
        "i13:17: name 'Gruop' is not defined",
    ),
    (
        "group that is none",
        edited("frozenset({Group.WEB})", 'frozenset({"page"})'),
        "i13:17: groups.0: Input should be 'control', 'storage', 'compute', 'web' or",
    ),
    (
        "two hosts with one address",
        edited('"192.0.2.3"', '"192.0.2.1"'),
        "hosts.web.address: 192.0.2.1 belongs to control",
    ),
    (
        "missing group",
        edited(COMPUTE, "frozenset({Group.COMPUTE})"),
        "hosts: none is in group 'reconstruction'",
    ),
    (
        "need that nobody provides",
        edited("{Group.CONTROL, Group.STORAGE}", "{Group.CONTROL}"),
        "hosts: none is in group 'storage', and nobody provides tiled, ingester; add it to one",
    ),
    (
        "one host too many",
        edited("{Group.WEB}", "{Group.WEB, Group.CONTROL}"),
        "hosts.web.groups: 'control' is one host, and control is it",
    ),
    (
        "two services on one port of one host",
        edited('name="i13"', 'name="i13", ports=Ports(tiled=4200)'),
        "ports.prefect_server: 4200 on control is taken by ports.tiled",
    ),
    (
        "something else on a port of ours",
        edited(
            '"192.0.2.3", groups',
            '"192.0.2.3", openings=({"port": 443, "sources": ["192.0.2.0/24"], "why": "a shop"},), '
            "groups",
        ),
        "hosts.web.openings: 443 is taken by ports.webapp_tls",
    ),
    (
        "no store",
        edited('    store=FileStore(path=Path("/store")),\n', ""),
        "store: missing; say where the storage host mounts the file store",
    ),
    (
        "host that does not mount the store",
        edited(',\n            file_store=Path("/dls")', ""),
        "hosts.compute.file_store: missing; a host of 'compute' mounts the store",
    ),
    (
        "store elsewhere than the storage host mounts it",
        edited('FileStore(path=Path("/store"))', 'FileStore(path=Path("/stor"))'),
        "store.path: /stor is not where the storage host mounts the store, which is /store",
    ),
    (
        "path that is not mounted",
        edited('"/store/recons"', '"/scratch/recons"'),
        "data.filestore: the storage host does not mount /scratch/recons; choose one below "
        "store.path /store",
    ),
    (
        "Tiled's own data on the store",
        edited('"/var/lib/tomobeam/tiled/writable"', '"/store/writable"'),
        "data.writable: /store/writable is on the file store, which control mounts at /store; it "
        "wants a local disk",
    ),
    (
        "working files on the store as another host mounts it",
        edited('state=Path("/var/lib/tomobeam")', 'state=Path("/dls/state")'),
        "data.state: /dls/state is on the file store, which compute mounts at /dls; it wants a "
        "local disk",
    ),
    (
        "samples as another host names them",
        edited('"/store/models")', '"/store/models"), samples=Path("/dls/samples")'),
        "data.samples: the storage host does not mount /dls/samples, only compute does; write "
        "/store/samples",
    ),
    (
        "path of a producer translated to another host's",
        edited('name="i13"', 'name="i13", path_map={"/gpfs": "/dls/recons"}'),
        "path_map./gpfs: the storage host does not mount /dls/recons, only compute does; write "
        "/store/recons",
    ),
    (
        "path of a producer translated to where nothing is",
        edited('name="i13"', 'name="i13", path_map={"/gpfs": "/stor/recons"}'),
        "path_map./gpfs: the storage host does not mount /stor/recons; choose one below /store",
    ),
    (
        "uids that differ",
        edited('FileStore(path=Path("/store"))', 'FileStore(path=Path("/store"), owner_uid=1234)'),
        "accounts.reconstruction: uid 6107 differs from store.owner_uid 1234, by which the store "
        "knows its writer; make them equal",
    ),
    (
        "one uid for two accounts",
        edited('name="i13"', 'name="i13", accounts=Accounts(tiled=6102)'),
        "ingester: 6102 is the number of tiled",
    ),
    (
        "no network of operators",
        edited('    controllers=("192.0.2.0/24",),\n', ""),
        "controllers: missing; say from which networks operators log in by SSH",
    ),
    (
        "no hosts",
        edited(
            "control, storage, compute, web, reconstruction = site.groups()",
            "site = Site(name='i13', data=site.data, registry=site.registry)",
        ),
        "hosts: there are none; i13 runs on one machine",
    ),
    (
        "missing secret",
        without_secret("db-prefect"),
        "i13.age: has no secret db-prefect; make what is missing by: .venv/bin/tomobeam-site "
        "secrets ensure inventories/i13",
    ),
    (
        "no secrets at all",
        lambda installation: (installation.secrets / "i13.age").unlink(),
        "i13.age: the site has no secrets yet; make them by: ",
    ),
    (
        "expired certificate",
        certificates_made(timedelta(days=2000)),
        "i13.age: tls-cert-control: the certificate expired on ",
    ),
    (
        "certificate of another name",
        edited('"192.0.2.3", groups', '"192.0.2.3", names=("page.example.org",), groups'),
        "i13.age: tls-cert-web: the certificate lacks the name page.example.org; renew it by: "
        ".venv/bin/tomobeam-site secrets ensure ",
    ),
    (
        "certificate that is none",
        lambda installation: installation.put_secrets({"tls-cert-web": "hello"}),
        "i13.age: tls-cert-web: holds no certificate in PEM form; renew it by: ",
    ),
    (
        "unknown host key",
        lambda installation: installation.pin("192.0.2.1", "192.0.2.3"),
        "known_hosts: pins no SSH host key of compute; look at the keys and add them by: "
        ".venv/bin/tomobeam-site trust ",
    ),
    (
        "no pinned keys at all",
        lambda installation: installation.known_hosts.unlink(),
        "pins no SSH host key of control, compute, web; ",
    ),
]


def test_an_installation_with_nothing_wrong_can_be_deployed_to(installation: Installation) -> None:
    site, warnings = preflight.check(installation.inventory, ["web"], installation.secrets)
    assert list(site.hosts) == ["control", "compute", "web"]
    assert warnings == []


@pytest.mark.parametrize(
    ("spoil", "sentence"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_what_is_wrong_is_refused_by_file_key_and_remedy(
    installation: Installation, spoil: Spoil, sentence: str
) -> None:
    spoil(installation)
    with pytest.raises((SiteError, SecretsError)) as error:
        preflight.check(installation.inventory, (), installation.secrets)
    said = str(error.value)
    assert sentence in said
    assert said.startswith(str(installation.folder))
    assert "\n" not in said


def test_a_fault_of_the_inventory_is_said_before_one_of_the_secrets(
    installation: Installation,
) -> None:
    without_secret("db-prefect")(installation)
    installation.known_hosts.unlink()
    with pytest.raises(SiteError, match="no host or group is called 'comput'; did you mean 'comp"):
        preflight.check(installation.inventory, ["comput"], installation.secrets)


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("web", ["web"]),
        ("storage", ["control"]),
        ("i13", ["control", "compute", "web"]),
        ("co*", ["control", "compute"]),
    ],
)
def test_a_limit_means_what_it_means_to_pyinfra(
    installation: Installation, pattern: str, hosts: list[str]
) -> None:
    assert preflight.hosts_of(installation.site(), installation.inventory, pattern) == hosts


def test_samples_and_paths_of_producers_may_be_on_any_mount_of_the_storage_host(
    installation: Installation,
) -> None:
    installation.change('"/store/models")', '"/store/models"), samples=Path("/archive/2025")')
    paths = {"/a": "/store", "/b": "/store/recons/b", "/c": "/archive", "/d": "/archive/2025/d"}
    installation.change('name="i13"', f'name="i13", path_map={paths}')
    assert paths.items() <= installation.site().translations.items()


@pytest.mark.parametrize("pattern", ["stor*", "all", ""])
def test_a_limit_that_means_no_host_to_pyinfra_is_refused(
    installation: Installation, pattern: str
) -> None:
    with pytest.raises(SiteError, match="no host or group is called"):
        preflight.hosts_of(installation.site(), installation.inventory, pattern)


def test_a_certificate_that_ends_soon_is_said_and_not_refused(installation: Installation) -> None:
    installation.renew_certificates(datetime.now(UTC) - timedelta(days=825) + pki.RENEWAL / 2)
    _, warnings = preflight.check(installation.inventory, (), installation.secrets)
    assert len(warnings) == 3
    assert "tls-cert-web: the certificate ends in 14 days" in warnings[2] or (
        "tls-cert-web: the certificate ends in 13 days" in warnings[2]
    )
    assert "tomobeam-site secrets ensure" in warnings[2]


def test_keys_are_pinned_under_the_port_that_is_connected_to(installation: Installation) -> None:
    settings = installation.folder / "group_data" / "i13.py"
    settings.write_text(settings.read_text() + "ssh_port = 2222\n")
    with pytest.raises(SiteError, match="pins no SSH host key of control, compute, web"):
        preflight.check(installation.inventory, (), installation.secrets)
    installation.pin("[192.0.2.1]:2222", "[192.0.2.2]:2222", "[192.0.2.3]:2222")
    preflight.check(installation.inventory, (), installation.secrets)
