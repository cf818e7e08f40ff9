from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from xml.etree import ElementTree

import pytest

from roles.activemq import deploy as activemq
from roles.activemq.service import HOME
from tests.support.tls import Authority
from tests.unit.roles.beamline import load, text
from tests.unit.roles.named_secrets import target
from tomobeam_contracts.destinations import SCAN_TOPIC
from tomobeam_deploy.hosts.resources import Answers, File, Resource
from tomobeam_deploy.site import Site

XML = "/etc/tomobeam/broker/activemq.xml"
CORE = "{http://activemq.apache.org/schema/core}"
OLD = (IPv4Address("192.0.2.77"),)
PKCS12 = base64.b64encode(b"a key store").decode()


def configured(site: Site) -> list[Resource]:
    return activemq.configure(target(site, "control", tls_p12_control=PKCS12))


def broker(site: Site) -> ElementTree.Element:
    return ElementTree.fromstring(text(configured(site), XML))


def connectors(site: Site) -> list[str]:
    found = broker(site).iter(f"{CORE}transportConnector")
    return [connector.attrib["uri"].partition("?")[0] for connector in found]


def rights(site: Site, kind: str) -> dict[str, dict[str, str]]:
    entries = broker(site).iter(f"{CORE}authorizationEntry")
    return {e.attrib[kind]: dict(e.attrib) for e in entries if kind in e.attrib}


def test_without_older_producers_everybody_speaks_tls_and_logs_in() -> None:
    assert connectors(load()) == ["stomp+ssl://10.89.77.11:61614"]
    (login,) = broker(load()).iter(f"{CORE}simpleAuthenticationPlugin")
    assert login.attrib["anonymousAccessAllowed"] == "false"
    assert rights(load(), "topic")[SCAN_TOPIC]["write"] == "producers"


def test_older_producers_may_announce_scans_and_nothing_else() -> None:
    site = load(old_producers=OLD)
    assert connectors(site) == ["stomp+ssl://10.89.77.11:61614", "stomp://10.89.77.11:61613"]
    (login,) = broker(site).iter(f"{CORE}simpleAuthenticationPlugin")
    assert login.attrib["anonymousAccessAllowed"] == "true"
    group = login.attrib["anonymousGroup"]
    granted = [
        (entry.get("topic") or entry.get("queue"), right)
        for entry in broker(site).iter(f"{CORE}authorizationEntry")
        for right in ("read", "write", "admin")
        if group in entry.attrib[right].split(",")
    ]
    assert granted == [(SCAN_TOPIC, "write")]


def test_an_address_of_the_other_family_is_one_in_a_uri() -> None:
    hosts = dict(load().hosts)
    hosts["control"] = hosts["control"].model_copy(update={"address": IPv6Address("fd00::11")})
    assert connectors(load(hosts=hosts)) == ["stomp+ssl://[fd00::11]:61614"]


def test_the_key_store_is_where_the_broker_looks_and_for_its_eyes_only() -> None:
    store = broker(load()).find(f".//{CORE}sslContext/{CORE}sslContext")
    assert store is not None
    files = {r.path: r for r in configured(load()) if isinstance(r, File)}
    file = files[store.attrib["keyStore"].removeprefix("file:")]
    assert (file.content, file.mode, file.owner) == (b"a key store", 0o600, "tomobeam-broker")
    unit = next(r.content.decode() for path, r in files.items() if path.endswith(".service"))
    assert f" {file.path} >" in unit


def test_the_configuration_is_tried_when_all_that_it_needs_is_there() -> None:
    resources = configured(load())
    assert isinstance(resources[-1], File)
    assert resources[-1].path == XML
    assert resources[-1].validate


def test_it_has_to_answer_where_its_clients_reach_it() -> None:
    asked = activemq.activate(target(load(), "control"))
    assert [r.url for r in asked if isinstance(r, Answers)] == ["tcp://10.89.77.11:61614"]


Trial = Callable[[str, str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """Tries the rendered configuration, with a part of it replaced, as a host does."""
    if not Path(HOME).is_dir():
        pytest.skip(f"activemq: {HOME} is missing (apt-get install activemq)")
    authority = Authority(tmp_path / "pki")
    store = authority.issue("localhost").key_store("for-a-test")
    file = next(r for r in configured(load()) if isinstance(r, File) and r.path == XML)
    secrets = str(Path(activemq.KEY_STORE).parent)
    for name in ("broker-beamline", "broker-ingester", "broker-keystore"):
        (tmp_path / name).write_text("for-a-test\n")

    def run(old: str, new: str) -> subprocess.CompletedProcess[str]:
        candidate = tmp_path / "activemq.xml"
        written = file.content.decode().replace(activemq.KEY_STORE, str(store))
        assert old in written
        candidate.write_text(written.replace(old, new))
        words = [word.replace(secrets, str(tmp_path)) for word in file.validate]
        words[words.index("{}")] = str(candidate)
        return subprocess.run(words, capture_output=True, text=True, check=False)

    return run


@pytest.mark.activemq
def test_what_the_broker_can_be_built_of_is_accepted(trial: Trial) -> None:
    done = trial("", "")
    assert done.returncode == 0, done.stdout


@pytest.mark.activemq
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("</broker>", "", 'The element type "broker" must be terminated'),
        ("useJmx=", "useJmxx=", "Attribute 'useJmxx' is not allowed"),
        ("stomp+ssl:", "stomp+tsl:", "Transport scheme NOT recognized: [stomp+tsl]"),
        ("${TOMOBEAM_BROKER_KEYSTORE_PASSWORD}", "wrong", "password was incorrect"),
    ],
)
def test_what_it_cannot_be_built_of_is_refused_with_the_reason(
    trial: Trial, old: str, new: str, said: str
) -> None:
    done = trial(old, new)
    assert done.returncode == 1
    assert said in done.stdout
    assert "for-a-test" not in done.stdout + done.stderr
