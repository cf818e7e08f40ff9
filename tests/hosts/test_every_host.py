"""What is true of every host, whatever it is for."""

from __future__ import annotations

import ssl
import time
from dataclasses import asdict
from datetime import timedelta

from roles.certificates.deploy import PRIVATE
from roles.file_store.deploy import uses
from tests.hosts import expected
from tests.hosts.reach import Reached
from tomobeam_deploy import pki
from tomobeam_deploy.hosts.archives import release
from tomobeam_deploy.hosts.target import CA, CERTIFICATE, ETC, OPT, SHARED_GROUP
from tomobeam_deploy.releases import tree_stamp
from tomobeam_deploy.site import Accounts

OWNER_ONLY, OWNERS_FOLDER = 0o600, 0o700
PUBLIC = (str(CA), str(CERTIFICATE))
CLOSED = 0o750


def test_every_unit_runs_and_starts_with_the_host(host: Reached) -> None:
    found = {name: host.facts["units"][name] for name in expected.units(host.site, host.name)}
    states = {name: unit["ActiveState"] for name, unit in found.items()}
    assert states == dict.fromkeys(found, "active")
    # A static one is started by another, as systemd's own are.
    starts = {name: unit["UnitFileState"].removesuffix("-runtime") for name, unit in found.items()}
    assert {n: state for n, state in starts.items() if state not in ("enabled", "static")} == {}


def test_no_unit_has_failed(host: Reached) -> None:
    assert host.facts["failed"] == []


def test_services_say_that_they_are_well(host: Reached) -> None:
    answers = host.questions.health[host.name].result()
    assert answers == {url: [200, ""] for url in expected.health_urls(host.site, host.name)}


def test_our_ports_listen_where_they_are_described_and_nowhere_else(host: Reached) -> None:
    described = expected.described_ports(host.site, host.name)
    found: dict[int, set[str]] = {}
    for address, port, _ in host.facts["listening"]:
        everywhere = address in expected.EVERYWHERE
        found.setdefault(port, set()).add("*" if everywhere else address)
    assert {port: found.get(port, set()) for port in described} == described


def test_a_host_reaches_of_the_others_what_it_needs_and_nothing_else(host: Reached) -> None:
    site = host.site
    found = {(address, port) for address, port in host.questions.open[host.name].result()}
    others = [name for name in site.hosts if name != host.name]
    wanted = {
        (address, port)
        for name in others
        for address, port in host.questions.to_try([name])
        if expected.may_connect(site, host.name, name, port)
    }
    assert found == wanted


def test_the_controller_reaches_what_is_for_operators_and_clients(host: Reached) -> None:
    site, tried = host.site, host.questions.to_try([host.name])
    here, found = host.questions.scan_from_here(tried)
    wanted = [pair for pair in tried if expected.may_connect(site, here, host.name, pair[1])]
    assert found == wanted


def test_accounts_are_ours_alone_and_nobody_logs_in_by_them(host: Reached) -> None:
    facts, numbers = host.facts, host.site.accounts
    assert facts["groups"][SHARED_GROUP]["gid"] == numbers.shared
    for process in host.target.processes.values():
        number = getattr(numbers, process.service.account)
        assert facts["accounts"].get(process.placement.user) == {
            "uid": number,
            "gid": number,
            "home": str(process.placement.state),
            "shell": "/usr/sbin/nologin",
            "password": False,
        }


def test_who_uses_the_store_is_in_its_group(host: Reached) -> None:
    members = set(host.facts["groups"][SHARED_GROUP]["members"])
    assert {use.account for use in uses(host.site, host.name)} <= members
    assert members <= {Accounts.name(name) for name in Accounts.model_fields}


def test_secrets_are_for_their_service_only(host: Reached) -> None:
    files, numbers = host.facts["files"], host.site.accounts
    for process in host.target.processes.values():
        number = getattr(numbers, process.service.account)
        own = {"uid": number, "gid": number}
        folder = files.get(str(process.placement.secrets))
        assert folder == {"mode": OWNERS_FOLDER, "folder": True} | own
        found = {path: files.get(path) for path in expected.secret_files(process)}
        assert found == dict.fromkeys(found, {"mode": OWNER_ONLY, "folder": False} | own)


def test_private_keys_are_for_their_owner_only(host: Reached) -> None:
    keys = {path: of for path, of in host.facts["files"].items() if path.endswith(".key")}
    assert f"{PRIVATE}/host.key" in keys
    assert {path: of["mode"] for path, of in keys.items()} == dict.fromkeys(keys, OWNER_ONLY)


def test_no_secret_is_anywhere_that_everybody_may_read(host: Reached) -> None:
    found = host.questions.leaks[host.name].result()
    assert found["secrets"] > 0
    assert found["leaks"] == []


def test_working_folders_are_closed_to_others(host: Reached) -> None:
    for process in host.target.processes.values():
        number = getattr(host.site.accounts, process.service.account)
        folder = host.facts["files"].get(str(process.placement.state))
        assert folder == {"uid": number, "gid": number, "mode": CLOSED, "folder": True}


def test_configuration_is_not_for_services_to_change(host: Reached) -> None:
    """Whoever gets into a service may not choose what it is started with next."""
    accounts = set(host.site.accounts.model_dump().values())
    places = expected.secret_places(host.site, host.name)
    changeable = [
        path
        for path, of in host.facts["files"].items()
        if path.startswith(f"{ETC}/")
        and not path.startswith(tuple(places))
        and not path.endswith(".key")
        and (of["uid"] in accounts or of["mode"] & 0o022)
    ]
    assert changeable == []


def test_tls_is_known_by_the_hosts_names_to_our_ca_and_lasts(host: Reached) -> None:
    servers = expected.tls_servers(host.site, host.name)
    answers = host.questions.tls[host.name].result()
    for (_, port, _), found in zip(servers, answers, strict=True):
        faults = {name: fault for name, fault in found["names"].items() if fault}
        assert (port, faults) == (port, {})
        assert found["version"] in ("TLSv1.2", "TLSv1.3")
        assert not found["old"], f"port {port} still speaks TLS 1.1"
        left = timedelta(seconds=ssl.cert_time_to_seconds(found["ends"]) - time.time())
        assert left > pki.RENEWAL, f"port {port}: renew by: tomobeam-site secrets ensure"


def test_everybody_may_read_whom_to_trust(host: Reached) -> None:
    files = host.facts["files"]
    public = {"uid": 0, "gid": 0, "mode": 0o644, "folder": False}
    assert {path: files.get(path) for path in PUBLIC} == dict.fromkeys(PUBLIC, public)


def test_what_is_deployed_is_this_checkout(host: Reached) -> None:
    stamp = asdict(tree_stamp())
    assert host.facts["version"] == stamp | {"changed": list(stamp["changed"])}


def test_services_run_the_releases_of_this_checkout(host: Reached) -> None:
    services = [process.service for process in host.target.processes.values()]
    releases = {s.name: release(s.name, s.packages, s.schema).name for s in services}
    assert host.facts["links"] == {
        f"{OPT}/{service}/current": f"releases/{name}" for service, name in releases.items()
    }
