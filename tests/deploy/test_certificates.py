"""A certificate that has expired: refused at once, and renewed by the command that is named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.deploy.conftest import LIMIT_S, Operator
from tests.deploy.hosts import at, runs
from tomobeam_deploy import age_keys, pki, tls, vault
from tomobeam_deploy.hosts.target import CERTIFICATE
from tomobeam_deploy.pki import authority
from tomobeam_deploy.secrets import Hidden

pytestmark = pytest.mark.timeout(LIMIT_S)
HOST = "web"
READERS = {"caddy.service"}
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def expired(
    platform: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Operator]:
    """Somebody whose secrets hold an old certificate of one host; the lab's own stay."""
    secrets = tmp_path / "secrets"
    shutil.copytree(age_keys.SECRETS, secrets)
    variables = {age_keys.SECRETS_VARIABLE: str(secrets)}
    monkeypatch.setenv(age_keys.KEY_VARIABLE, platform.environment[age_keys.KEY_VARIABLE])
    # A CA issues none that begin before itself, which is a day before it was made.
    monkeypatch.setattr(authority, "HOST_LIFETIME", timedelta(hours=1))
    vault.update(platform.site.name, lambda values: _aged(platform, values), secrets)
    yield replace(platform, environment=platform.environment | variables)
    platform.deploy(more=f"--limit {HOST}")


def _aged(platform: Operator, values: Hidden) -> dict[str, str]:
    """The host's key and certificate, as its CA would have issued them long ago."""
    ca = pki.Pair(values[tls.CA_KEY], pki.split(values[tls.CA_CERT])[0])
    names = [*platform.site.names_of(HOST), str(platform.site.hosts[HOST].address)]
    pair = pki.issue(ca, names, LONG_AGO)
    return {tls.key_name(HOST): pair.key, tls.cert_name(HOST): pair.cert}


def test_an_expired_certificate_is_refused_and_renewed_where_it_is_read(expired: Operator) -> None:
    refused = expired.deploy(ok=1)
    assert "Connecting" not in refused.stderr
    said = refused.stderr.splitlines()[-1]
    assert f"{tls.cert_name(HOST)}: the certificate expired on " in said
    renew = f"tomobeam-site secrets ensure {expired.inventory}"
    assert said.endswith(f"; renew it by: .venv/bin/{renew}")

    made = expired.run(renew).stdout.split()
    assert {word for word in made if word.startswith("tls-")} == {
        tls.key_name(HOST),
        tls.cert_name(HOST),
    }
    hosts = expired.site.hosts
    before, old = {host: runs(host) for host in hosts}, at(HOST, f"cat {CERTIFICATE}")
    expired.deploy()
    assert at(HOST, f"cat {CERTIFICATE}") != old
    began_anew = {
        (host, unit)
        for host in hosts
        for unit, run in runs(host).items()
        if run != before[host][unit]
    }
    assert began_anew == {(HOST, unit) for unit in READERS}
