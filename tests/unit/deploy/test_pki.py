from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from tomobeam_deploy import pki
from tomobeam_deploy.pki import Pair, certificate_faults
from tomobeam_deploy.pki.pem import cert_pem, leaf, load_key, write_key

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NAMES = ("storage", "storage.beamline.example", "10.1.0.3", "fd00::3")


@pytest.fixture(scope="module")
def ca() -> Pair:
    return pki.new_ca("i13", NOW)


@pytest.fixture(scope="module")
def host(ca: Pair) -> Pair:
    return pki.issue(ca, NAMES, NOW)


def site_ca(
    name: str, issuer: Pair | None = None, now: datetime = NOW, lifetime_days: int = 1000
) -> Pair:
    """A site's own CA as `openssl req -x509` makes it: without a key usage."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer = leaf(issuer.cert) if issuer else None
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=lifetime_days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(load_key(issuer.key) if issuer else key, _sha256())
    )
    return Pair(write_key(key), cert_pem(cert))


def _sha256():
    from cryptography.hazmat.primitives.hashes import SHA256

    return SHA256()


@pytest.mark.parametrize("name", [*NAMES, "localhost", "127.0.0.1", "::1"])
def test_a_host_is_who_it_says_to_a_verifier_by_the_rules_of_the_web(
    ca: Pair, host: Pair, name: str
) -> None:
    store = Store([leaf(ca.cert)])
    try:
        subject = x509.IPAddress(ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    builder = PolicyBuilder().store(store).time(NOW)
    assert len(builder.build_server_verifier(subject).verify(leaf(host.cert), [])) == 2
    assert builder.build_client_verifier().verify(leaf(host.cert), []).chain[-1] == leaf(ca.cert)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_takes_the_chain_even_strictly(ca: Pair, host: Pair, tmp_path: Path) -> None:
    files = {"ca.pem": ca.cert, "host.pem": host.cert, "host.key": host.key}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    at = str(int(NOW.timestamp()))
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-attime", at]
    names = ["-verify_hostname", "storage.beamline.example", "-verify_ip", "10.1.0.3"]
    done = subprocess.run(
        [*command, *names, "-CAfile", "ca.pem", "host.pem"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "host.pem: OK\n", done.stderr
    shown = subprocess.run(
        ["openssl", "pkey", "-in", "host.key", "-pubout"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    public = subprocess.run(
        ["openssl", "x509", "-in", "host.pem", "-noout", "-pubkey"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == public.stdout


def test_the_ca_names_its_site_and_may_make_no_further_cas(ca: Pair) -> None:
    cert = leaf(ca.cert)
    constraints = cert.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    assert "i13 internal CA" in cert.subject.rfc4514_string()
    assert isinstance(cert.public_key(), ec.EllipticCurvePublicKey)
    assert 3650 <= (cert.not_valid_after_utc - NOW).days <= 3653


def test_a_host_certificate_serves_both_ends_and_bears_a_slow_clock(host: Pair) -> None:
    cert = leaf(host.cert)
    usage = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert cert.not_valid_before_utc == NOW - timedelta(days=1)
    assert cert.not_valid_after_utc - cert.not_valid_before_utc == timedelta(days=825)
    assert host.key.startswith("-----BEGIN PRIVATE KEY-----")


def test_a_certificate_ends_no_later_than_its_ca(ca: Pair) -> None:
    late = pki.ends(ca.cert) - timedelta(days=100)
    assert pki.ends(pki.issue(ca, ["web"], late).cert) == pki.ends(ca.cert)


def test_long_names_are_taken() -> None:
    ca = pki.new_ca("s" * 80, NOW)
    host = pki.issue(ca, ["h" * 60 + ".beamline.example"], NOW)
    assert certificate_faults(host.cert, ca.cert, ["h" * 60 + ".beamline.example"], NOW) == []


def test_a_right_certificate_has_no_faults(ca: Pair, host: Pair) -> None:
    names = [*NAMES, "Storage.Beamline.example"]
    assert certificate_faults(host.cert, ca.cert, names, NOW, key_pem=host.key) == []


@pytest.mark.parametrize(
    ("days", "sentences"),
    [
        (-1.5, ["is not valid before 2026-11-24 12:00 UTC"]),
        (-0.9, []),
        (793, []),
        (795, ["ends in 29 days, on 2029-02-26"]),
        (824, ["expired on 2029-02-26"]),
    ],
)
def test_time_is_told_by_the_day(ca: Pair, host: Pair, days: float, sentences: list[str]) -> None:
    now = NOW + timedelta(days=days)
    faults = certificate_faults(host.cert, ca.cert, NAMES, now)
    assert [fault for fault in faults if "has a CA" not in fault] == sentences


def test_other_faults_are_told_all_at_once(ca: Pair, host: Pair) -> None:
    other = pki.new_ca("other", NOW)
    faults = certificate_faults(
        host.cert, other.cert, ["storage", "web", "10.9.9.9"], NOW, key_pem=other.key
    )
    assert faults == [
        "lacks the name web, 10.9.9.9",
        "does not fit its private key",
        "is not signed by this CA (CN=other internal CA,O=tomobeam)",
    ]


def test_another_ca_of_the_same_name_is_not_the_same(host: Pair) -> None:
    namesake = pki.new_ca("i13", NOW)
    assert pki.names_issuer(host.cert, namesake.cert)
    assert not pki.leads_to(host.cert, namesake.cert)


def test_a_sites_own_ca_may_lack_what_the_web_demands_and_have_intermediates(ca: Pair) -> None:
    root = site_ca("Institute root")
    middle = site_ca("Institute hosts", root)
    host = pki.issue(middle, ["web.beamline.example"], NOW)
    chain = host.cert + middle.cert
    bundle = ca.cert + root.cert
    assert certificate_faults(chain, bundle, ["web.beamline.example"], NOW) == []
    assert pki.leads_to(chain, root.cert)
    assert not pki.leads_to(chain, ca.cert)
    (fault,) = certificate_faults(host.cert, bundle, [], NOW)
    assert fault.startswith("is not signed by this CA")


def test_an_expired_ca_is_named_though_the_certificate_would_last(ca: Pair) -> None:
    root = site_ca("Institute root", lifetime_days=400)
    lasting = site_ca("Institute hosts", root)
    host = pki.issue(lasting, ["web"], NOW)
    faults = certificate_faults(
        host.cert + lasting.cert, root.cert, ["web"], NOW + timedelta(days=500)
    )
    assert faults == [
        "has a CA (CN=Institute root) that expired on 2027-12-30",
    ]


def test_who_is_no_ca_vouches_for_nobody(ca: Pair, host: Pair) -> None:
    impostor = pki.issue(host, ["web"], NOW)
    (fault,) = certificate_faults(impostor.cert + host.cert, ca.cert, ["web"], NOW)
    assert fault.startswith("is not signed by this CA")


def test_a_wildcard_stands_for_one_label() -> None:
    root = site_ca("Institute root")
    cert = pki.issue(root, ["*.beamline.example"], NOW).cert
    assert certificate_faults(cert, root.cert, ["web.beamline.example"], NOW) == []
    assert certificate_faults(cert, root.cert, ["a.web.beamline.example"], NOW) == [
        "lacks the name a.web.beamline.example"
    ]
    assert certificate_faults(cert, root.cert, ["beamline.example"], NOW) == [
        "lacks the name beamline.example"
    ]


@pytest.mark.parametrize("password", ["secret", "dk-39_x" * 5])
def test_a_keystore_is_known_again_by_its_content(ca: Pair, host: Pair, password: str) -> None:
    keystore = pki.pkcs12(host, password)
    assert pki.pkcs12_fits(keystore, host, password)
    assert not pki.pkcs12_fits(keystore, host, password + "x")
    assert not pki.pkcs12_fits(keystore, pki.issue(ca, NAMES, NOW), password)
    assert not pki.pkcs12_fits(b"no keystore", host, password)


def test_a_keystore_holds_the_intermediates() -> None:
    root = site_ca("Institute root")
    middle, lower = site_ca("one", root), site_ca("two", root)
    host = pki.issue(middle, ["web"], NOW)
    whole = Pair(host.key, host.cert + middle.cert + lower.cert)
    assert pki.pkcs12_fits(pki.pkcs12(whole, "secret"), whole, "secret")
    assert not pki.pkcs12_fits(pki.pkcs12(host, "secret"), whole, "secret")


@pytest.mark.skipif(shutil.which("keytool") is None, reason="Java is not installed")
def test_java_opens_the_keystore(host: Pair, tmp_path: Path) -> None:
    (tmp_path / "host.p12").write_bytes(pki.pkcs12(host, "secret-word"))
    (tmp_path / "password").write_text("secret-word")
    done = subprocess.run(
        ["keytool", "-list", "-keystore", "host.p12", "-storepass:file", "password"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "PrivateKeyEntry" in done.stdout


def _protected() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    encryption = BestAvailableEncryption(b"passphrase")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no key at all", "holds no private key"),
        (_protected(), "protected by a passphrase"),
        (write_key(ed25519.Ed25519PrivateKey.generate()), "wanted is EC or RSA"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_what_is_no_key_of_use_is_said(text: str, sentence: str) -> None:
    with pytest.raises(pki.CertificateError, match=sentence) as error:
        pki.plain_key(text)
    assert text not in str(error.value)


def test_an_rsa_key_comes_out_as_pkcs8() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    from cryptography.hazmat.primitives.serialization import NoEncryption

    old_form = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert pki.plain_key(old_form.decode()).startswith("-----BEGIN PRIVATE KEY-----")


def test_text_without_a_certificate_is_said(ca: Pair) -> None:
    with pytest.raises(pki.CertificateError, match="holds no certificate"):
        certificate_faults("nothing", ca.cert, [], NOW)
