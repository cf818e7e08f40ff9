from __future__ import annotations

from ipaddress import IPv6Address

import pytest

from roles.front_door import deploy as front_door
from tests.unit.roles.beamline import load, target, text
from tomobeam_deploy.hosts.resources import Answers, File
from tomobeam_deploy.site import Ports


def caddyfile(host: str, inventory: str = "lab", **changes: object) -> str:
    return text(front_door.configure(target(load(inventory, **changes), host)), front_door.CONFIG)


@pytest.mark.parametrize(
    ("host", "proxy"),
    [
        ("control", ":4443 {\n\timport door\n\treverse_proxy 127.0.0.1:4200\n"),
        ("storage", ":8443 {\n\timport door\n\treverse_proxy 127.0.0.1:8000\n"),
    ],
)
def test_machines_reach_a_service_at_the_port_of_its_host(host: str, proxy: str) -> None:
    served = caddyfile(host)
    assert proxy in served
    assert "forward_auth" not in served


def test_people_find_everything_under_one_name_behind_the_login() -> None:
    served = caddyfile("web")
    for other in ("https://control:4443", "https://storage:8443"):
        before = served.split(f"reverse_proxy {other}")[0].rpartition("handle @")[2]
        assert "import signed_in" in before
    assert "redir https://{host}{uri} permanent" in served
    assert "reverse_proxy 127.0.0.1:8050" in served


def test_a_redirect_names_a_port_that_browsers_would_not_guess() -> None:
    served = caddyfile("web", ports=Ports(webapp_tls=8444))
    assert "redir https://{host}:8444{uri} permanent" in served


def test_one_host_serves_all_of_it() -> None:
    site = load("single")
    (host,) = site.hosts
    ports = {
        int(resource.url.rpartition(":")[2])
        for resource in front_door.activate(target(site, host))
        if isinstance(resource, Answers)
    }
    assert ports == {80, 443, 4443, 8443}


def test_it_listens_on_the_hosts_own_address_only() -> None:
    hosts = dict(load().hosts)
    hosts["web"] = hosts["web"].model_copy(update={"address": IPv6Address("2001:db8::15")})
    assert caddyfile("web", hosts=hosts).count("bind [2001:db8::15]\n") == 2


def test_its_key_is_for_its_own_eyes_and_no_log_shows_a_query() -> None:
    resources = front_door.configure(target(load(), "web"))
    (key,) = [r for r in resources if isinstance(r, File) and r.path == front_door.KEY]
    assert (key.mode, key.owner) == (0o600, "caddy")
    assert 'request>uri regexp "[?].*" ""' in caddyfile("web")
    # Debian's unit writes its environment to the log.
    assert "\nExecStart=\nExecStart=/usr/bin/caddy run --config" in text(
        resources, front_door.DROP_IN
    )
