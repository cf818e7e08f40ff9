"""What a site's secrets are made of, without a file: which are put when, and why."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tomobeam_deploy import pki, tls
from tomobeam_deploy.secrets import Hidden, SecretsError
from tomobeam_deploy.site_secrets import all_names, completed, rotatable, rotated

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
OF_SERVICES = {"db-prefect", "broker-keystore", "tiled-key-ingester"}
OF_WEB = {"tls-key-web", "tls-cert-web"}
OF_CONTROL = {"tls-key-control", "tls-cert-control", "tls-p12-control"}
OF_CA = {"tls-ca-key", "tls-ca-cert"}


@dataclass(frozen=True)
class FakeHost:
    address: IPv4Address


class FakeSite:
    """Hosts by name; the broker is on the first."""

    name = "i13"

    def __init__(self, **names: list[str]) -> None:
        self.names = names or {"control": ["control"], "web": ["web", "web.example"]}
        self.hosts = {
            host: FakeHost(IPv4Address(f"10.1.0.{number}"))
            for number, host in enumerate(self.names, start=1)
        }

    def names_of(self, host: str) -> list[str]:
        return self.names[host]

    def host_of(self, service: str) -> str:
        assert service == "broker"
        return next(iter(self.hosts))


SITE = FakeSite()


@pytest.fixture(scope="module")
def values() -> Hidden:
    return completed(SITE, OF_SERVICES, {}, NOW)


@pytest.fixture(scope="module")
def own_ca() -> pki.Pair:
    """The institute's, which is not the platform's."""
    return pki.new_ca("institute", NOW)


def write(folder: Path, pair: pki.Pair, ca: pki.Pair) -> tuple[Path, Path, Path]:
    files = (folder / "web.pem", folder / "web.key", folder / "ca.pem")
    for path, text in zip(files, (pair.cert, pair.key, ca.cert), strict=True):
        path.write_text(f"Subject: somebody\n{text}")
    return files


@pytest.fixture
def imported(values: Hidden, own_ca: pki.Pair, tmp_path: Path) -> Hidden:
    pair = pki.issue(own_ca, ["web", "web.example"], NOW)
    put = tls.import_certificate(SITE, "web", write(tmp_path, pair, own_ca), values, NOW)
    assert set(put) == {*OF_WEB, "tls-ca-cert"}
    return values | put


def well(site: FakeSite, values: Hidden, now: datetime) -> bool:
    return not any(tls.faults(site, host, values, now) for host in site.hosts)


def test_an_empty_site_gets_everything_it_needs_and_then_nothing_more(values: Hidden) -> None:
    assert set(values) == OF_SERVICES | OF_CA | OF_WEB | OF_CONTROL
    assert set(values) == all_names(SITE, OF_SERVICES)
    assert well(SITE, values, NOW)
    assert set(completed(SITE, OF_SERVICES, values, NOW)) == set()


def test_a_host_certificate_bears_its_names_its_address_and_the_loopback(values: Hidden) -> None:
    names = ["web", "web.example", "10.1.0.2", "localhost", "127.0.0.1", "::1"]
    cert, ca = values["tls-cert-web"], values["tls-ca-cert"]
    assert pki.certificate_faults(cert, ca, names, NOW, key_pem=values["tls-key-web"]) == []


def test_the_brokers_keystore_opens_by_its_password(values: Hidden) -> None:
    pair = pki.Pair(values["tls-key-control"], values["tls-cert-control"])
    keystore = base64.b64decode(values["tls-p12-control"])
    assert pki.pkcs12_fits(keystore, pair, values["broker-keystore"])


@pytest.mark.parametrize(
    ("days", "put"),
    [
        (700, set()),
        (800, OF_WEB | OF_CONTROL),
        (900, OF_WEB | OF_CONTROL),
        (3640, OF_WEB | OF_CONTROL | OF_CA),
    ],
)
def test_what_ends_soon_is_renewed(values: Hidden, days: int, put: set[str]) -> None:
    now = NOW + timedelta(days=days)
    new = completed(SITE, OF_SERVICES, values, now)
    assert set(new) == put
    assert well(SITE, values | new, now)


def test_a_new_name_a_new_address_and_a_new_host_are_seen(values: Hidden) -> None:
    named = FakeSite(control=["control"], web=["web", "web.example", "page.example"])
    assert set(completed(named, OF_SERVICES, values, NOW)) == OF_WEB
    moved = FakeSite(control=["control"], new=["new"], web=["web", "web.example"])
    put = completed(moved, OF_SERVICES, values, NOW)
    assert set(put) == {*OF_WEB, "tls-key-new", "tls-cert-new"}
    assert well(moved, values | put, NOW)


def test_a_lost_half_is_made_anew_with_its_other_half(values: Hidden) -> None:
    left = Hidden({name: value for name, value in values.items() if name != "tls-key-web"})
    assert set(completed(SITE, OF_SERVICES, left, NOW)) == OF_WEB


@pytest.mark.parametrize(
    ("names", "put"),
    [
        (["db-prefect"], {"db-prefect"}),
        (["tls-cert-web"], OF_WEB),
        (["tls-key-web", "db-prefect"], OF_WEB | {"db-prefect"}),
        (["tls-p12-control"], OF_CONTROL),
        (["broker-keystore"], {"broker-keystore", "tls-p12-control"}),
        (["tls-ca-key"], OF_CA | OF_WEB | OF_CONTROL),
        (["tls-ca-cert"], OF_CA | OF_WEB | OF_CONTROL),
    ],
)
def test_rotation_makes_what_depends_on_it_too_and_nothing_else(
    values: Hidden, names: list[str], put: set[str]
) -> None:
    new = rotated(SITE, OF_SERVICES, names, values, NOW)
    assert set(new) == put
    assert not {name for name in put if new[name] == values[name]}
    assert well(SITE, values | new, NOW)


def test_an_unknown_name_is_not_rotated(values: Hidden) -> None:
    with pytest.raises(SecretsError) as error:
        rotated(SITE, OF_SERVICES, ["db-prefect", "tls-cert-wep"], values, NOW)
    assert str(error.value) == ("tls-cert-wep: no such secret of i13; did you mean 'tls-cert-web'?")


def test_an_imported_certificate_is_trusted_and_left_alone(
    imported: Hidden, own_ca: pki.Pair
) -> None:
    assert tls.is_imported("web", imported)
    assert not tls.is_imported("control", imported)
    assert well(SITE, imported, NOW)
    assert pki.split(imported["tls-ca-cert"])[1:] == [own_ca.cert]
    assert set(completed(SITE, OF_SERVICES, imported, NOW)) == set()
    soon = NOW + timedelta(days=800)
    assert set(completed(SITE, OF_SERVICES, imported, soon)) == OF_CONTROL
    assert tls.faults(SITE, "web", imported, soon) == ["ends in 24 days, on 2029-02-26"]
    assert tls.faults(SITE, "web", imported, soon, margin=timedelta(0)) == []


def test_an_imported_certificate_outlives_the_internal_ca(imported: Hidden) -> None:
    new = rotated(SITE, OF_SERVICES, ["tls-ca-key"], imported, NOW)
    assert set(new) == OF_CA | OF_CONTROL
    assert well(SITE, imported | new, NOW)


def test_an_imported_certificate_is_not_ours_to_rotate(imported: Hidden) -> None:
    with pytest.raises(SecretsError, match=r"^tls-key-web: .* was imported; .* import-cert$"):
        rotated(SITE, OF_SERVICES, ["tls-key-web"], imported, NOW)
    assert set(rotatable(SITE, OF_SERVICES, imported)) == OF_SERVICES | OF_CA | OF_CONTROL


def test_a_ca_that_vouches_for_nothing_any_more_is_not_trusted_any_longer(
    imported: Hidden, own_ca: pki.Pair, tmp_path: Path
) -> None:
    successor = pki.new_ca("successor", NOW)
    pair = pki.issue(successor, ["web", "web.example"], NOW)
    put = tls.import_certificate(SITE, "web", write(tmp_path, pair, successor), imported, NOW)
    assert pki.split(put["tls-ca-cert"])[1:] == [successor.cert]
    assert pki.split(put["tls-ca-cert"])[0] == pki.split(imported["tls-ca-cert"])[0]


def test_a_known_ca_need_not_be_given_again(
    imported: Hidden, own_ca: pki.Pair, tmp_path: Path
) -> None:
    pair = pki.issue(own_ca, ["web", "web.example"], NOW)
    cert, key, _ = write(tmp_path, pair, own_ca)
    put = tls.import_certificate(SITE, "web", (cert, key, None), imported, NOW)
    assert put["tls-cert-web"] == pair.cert
    assert well(SITE, imported | put, NOW)


def test_the_brokers_own_certificate_gets_into_its_keystore(
    values: Hidden, own_ca: pki.Pair, tmp_path: Path
) -> None:
    pair = pki.issue(own_ca, ["control"], NOW)
    put = tls.import_certificate(SITE, "control", write(tmp_path, pair, own_ca), values, NOW)
    keystore = base64.b64decode(put["tls-p12-control"])
    assert pki.pkcs12_fits(keystore, pair, values["broker-keystore"])


def test_a_certificate_with_faults_is_not_imported(
    values: Hidden, own_ca: pki.Pair, tmp_path: Path
) -> None:
    pair = pki.issue(own_ca, ["web"], NOW)
    cert, key, _ = write(tmp_path, pair, own_ca)
    late = NOW + timedelta(days=900)
    with pytest.raises(SecretsError) as error:
        tls.import_certificate(SITE, "web", (cert, key, None), values, late)
    assert str(error.value) == (
        f"{cert}: this certificate expired on 2029-02-26, and lacks the name web.example, and "
        "is not signed by this CA (CN=i13 internal CA,O=tomobeam)"
    )


def test_wrong_files_are_named(values: Hidden, own_ca: pki.Pair, tmp_path: Path) -> None:
    pair = pki.issue(own_ca, ["web", "web.example"], NOW)
    cert, key, ca = write(tmp_path, pair, own_ca)
    other = pki.issue(own_ca, ["other"], NOW)

    def refusal(*files: Path) -> str:
        with pytest.raises(SecretsError) as error:
            tls.import_certificate(SITE, "web", (files[0], files[1], files[2]), values, NOW)
        return str(error.value)

    assert refusal(key, key, ca) == f"{key}: holds no certificate in PEM form"
    assert refusal(cert, cert, ca) == f"{cert}: holds no private key in PEM form"
    assert refusal(cert, tmp_path / "none", ca) == (
        f"{tmp_path}/none: cannot be read: No such file or directory"
    )
    (tmp_path / "der").write_bytes(b"\x30\x82\xff")
    assert refusal(tmp_path / "der", key, ca).startswith(f"{tmp_path}/der: is not PEM")
    key.write_text(other.key)
    assert "this certificate does not fit its private key" in refusal(cert, key, ca)


def test_a_certificate_for_an_unknown_host_or_before_the_first_secrets_is_refused(
    values: Hidden, own_ca: pki.Pair, tmp_path: Path
) -> None:
    files = write(tmp_path, pki.issue(own_ca, ["web"], NOW), own_ca)
    with pytest.raises(SecretsError, match="wep: no such host; did you mean 'web'"):
        tls.import_certificate(SITE, "wep", files, values, NOW)
    with pytest.raises(SecretsError, match="the command ensure"):
        tls.import_certificate(SITE, "web", files, Hidden(), NOW)
