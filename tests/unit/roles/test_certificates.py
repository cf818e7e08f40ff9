from __future__ import annotations

from roles.certificates import deploy as certificates
from tests.unit.roles.beamline import load
from tests.unit.roles.named_secrets import target
from tomobeam_deploy.hosts.resources import File


def test_a_host_shows_its_own_certificate_and_only_root_reads_its_key() -> None:
    for host in ("control", "web"):
        files = certificates.configure(target(load(), host))
        made = {f.path: (f.content.decode(), f.mode, f.owner) for f in files if isinstance(f, File)}
        assert made == {
            "/etc/tomobeam/ca.crt": ("the tls-ca-cert", 0o644, "root"),
            "/etc/tomobeam/host.crt": (f"the tls-cert-{host}", 0o644, "root"),
            "/etc/tomobeam/private/host.key": (f"the tls-key-{host}", 0o600, "root"),
        }


def test_a_service_gets_a_key_that_only_it_reads() -> None:
    key = certificates.key_file(target(load(), "control"), "/etc/somewhere.key", "postgres")
    assert (key.mode, key.owner, key.group) == (0o600, "postgres", "postgres")
    assert key.content == b"the tls-key-control"
