"""A real image, the embedded broker's: built, run, asked whether it is well, saved."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.images.own_podman import PODMAN, run
from tests.support.platform import free_ports
from tests.support.waiting import wait_for
from tomobeam_deploy.images.archive import ensure_archive
from tomobeam_deploy.images.base import OWN_BASE
from tomobeam_deploy.images.build import ensure_images
from tomobeam_deploy.images.model import images_of, version
from tomobeam_deploy.images.runtime import image
from tomobeam_deploy.images.state import state_of
from tomobeam_deploy.site import Site

NAME = f"tomobeam-tried-broker-{os.getpid()}"
PASSWORDS = ("TOMOBEAM_BROKER_PRODUCER_PASSWORD", "TOMOBEAM_BROKER_INGESTER_PASSWORD")


@pytest.fixture
def broker(site: Site) -> str:
    return ensure_images(site, OWN_BASE, ["broker"])["broker"]


@pytest.fixture
def running(broker: str, tmp_path: Path) -> Iterator[int]:
    """Its port, of a container that may write to its /tmp only."""
    port = free_ports(["broker"])["broker"]
    settings = {
        "TOMOBEAM_LISTEN_ADDRESS": "127.0.0.1",
        "TOMOBEAM_BROKER_PORT": str(port),
        "TOMOBEAM_BROKER_DATABASE": "/tmp/broker.sqlite",
        "TOMOBEAM_HEALTH_URL": f"tcp://127.0.0.1:{port}",
    }
    mounts = []
    for variable in PASSWORDS:
        (tmp_path / variable).write_text("password")
        settings[f"{variable}_FILE"] = f"/run/secrets/{variable}"
        mounts.append(f"--volume={tmp_path / variable}:/run/secrets/{variable}:ro")
    given = [f"--env={name}={value}" for name, value in settings.items()]
    sealed = ("--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--security-opt=no-new-privileges")
    run("run", "--detach", f"--name={NAME}", "--network=host", *sealed, *given, *mounts,
        broker, "tomobeam-devbroker")  # fmt: skip
    yield port
    run("rm", "--force", "--time=0", NAME)


def test_it_runs_without_rights_and_says_whether_it_is_well(running: int) -> None:
    wait_for(lambda: answers(running), "the broker")
    assert run("exec", NAME, "id", "-u").strip() == "6100"
    assert (
        run("exec", NAME, "sh", "-c", "touch /opt/tomobeam/x 2>&1 || true")
        .strip()
        .endswith("Read-only file system")
    )
    run("healthcheck", "run", NAME)
    # The same, of a broker that is away.
    asked = ("exec", "--env=TOMOBEAM_HEALTH_URL=tcp://127.0.0.1:1", NAME, "tomobeam-healthy")
    with pytest.raises(AssertionError, match="Connection refused"):
        run(*asked)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_what_it_imports_was_compiled_before(broker: str) -> None:
    import_it = ("python3", "-v", "-c", "import tomobeam_devbroker.__main__")
    command = ["podman", "run", "--rm", "--network=host", broker, *import_it]
    loud = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    codes = [line for line in loud.splitlines() if line.startswith("# code object from")]
    assert any("/opt/tomobeam/" in code for code in codes)
    assert [code for code in codes if ".pyc" not in code] == []


def test_what_is_built_is_listed(site: Site, broker: str) -> None:
    state = state_of(PODMAN, images_of(site)["devbroker"])
    assert state is not None
    assert broker == f"localhost/tomobeam-devbroker:{state.tag}"
    assert state.layers == 3
    assert 100e6 < state.bytes < 400e6
    assert state_of(PODMAN, images_of(site)["tiled"]) is None


def test_its_archive_is_one_layer_with_all_that_it_says_of_itself(
    site: Site, broker: str, tmp_path: Path
) -> None:
    archive = ensure_archive(site, "broker", OWN_BASE, tmp_path / "broker.tar")
    with tarfile.open(archive) as tar:
        (listed,) = json.load(tar.extractfile("manifest.json") or pytest.fail("no manifest"))
        told = json.load(tar.extractfile(listed["Config"]) or pytest.fail("no configuration"))
    assert listed["RepoTags"] == [f"localhost/tomobeam-devbroker:{version()}"]
    assert len(listed["Layers"]) == 1
    whole = image(PODMAN, broker)
    assert whole is not None
    for key in ("User", "Env", "WorkingDir", "Cmd"):
        assert told["config"][key] == whole["Config"][key]
    assert told["config"]["Healthcheck"] == whole["Healthcheck"]
    # Names here still mean what is here.
    assert image(PODMAN, f"localhost/tomobeam-devbroker:{version()}") == whole
