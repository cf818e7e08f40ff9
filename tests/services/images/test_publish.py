"""Images by way of a registry: Debian's docker-registry, on loopback."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.images.own_podman import PODMAN, run
from tests.services.images.tiny import ANOTHER, Tiny, image_id
from tests.support.platform import free_ports
from tests.support.waiting import wait_for
from tomobeam_deploy.images.model import version
from tomobeam_deploy.images.publish import fetch, push
from tomobeam_deploy.images.runtime import ContainersError, image

CONFIGURATION = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A folder in it."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed; it is Debian's package of that name")
    port = free_ports(["registry"])["registry"]
    configuration = tmp_path / "registry.yml"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path / "pushed", port=port))
    allowed = tmp_path / "registries.conf"
    allowed.write_text(f'[[registry]]\nlocation = "localhost:{port}"\ninsecure = true\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(allowed))
    with (tmp_path / "registry.log").open("wb") as log:
        server = subprocess.Popen([program, "serve", configuration], stdout=log, stderr=log)
    try:
        wait_for(lambda: "listening" in (tmp_path / "registry.log").read_text(), "the registry")
        yield f"localhost:{port}/beamline"
    finally:
        server.terminate()
        server.wait(20)


def test_what_was_pushed_is_fetched_under_the_names_that_launchers_call(
    tiny: Tiny, registry: str
) -> None:
    built = tiny.build("published")
    meant = image_id(built)
    full = f"{registry}/{tiny.image.name}:{version()}"
    assert push(PODMAN, registry, {tiny.image.name: built}) == [full]
    run("rmi", "--force", meant)
    assert image(PODMAN, f"{ANOTHER}:v1") is None
    assert fetch(PODMAN, registry, {tiny.image.name: tiny.image}) == {tiny.image.name: full}
    assert image_id(full) == image_id(f"{ANOTHER}:v1") == meant


def test_what_a_registry_does_not_have_is_said(tiny: Tiny, registry: str) -> None:
    full = f"{registry}/{tiny.image.name}:{version()}"
    with pytest.raises(ContainersError, match=f"(?s)^podman pull: .*{full}"):
        fetch(PODMAN, registry, {tiny.image.name: tiny.image})
