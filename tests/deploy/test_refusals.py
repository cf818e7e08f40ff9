"""What is refused: before a connection, at a login, or because somebody else deploys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.conftest import LIMIT_S, Operator
from tests.deploy.hosts import at, state
from tests.unit.hosts.installation import Installation, make_installation
from tomobeam_deploy.lab.state import SUDO_PASSWORD

pytestmark = pytest.mark.timeout(LIMIT_S)

DEPLOY = "deploy/all.py"
SUDOERS = "/etc/sudoers.d/50-lab"
AWAY = "/root/50-lab"
# Something that a deploy would put back.
LOST = "/etc/tomobeam/registry.json"
# What pyinfra says of a host by itself.
OF_PYINFRA = ("Connected", "Ready", "Error: executed 0 commands")


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    return make_installation(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            'name="i13"',
            'name="i13", keep_release=4',
            "keep_release: unknown key; did you mean 'keep_releases'?",
        ),
        (
            'name="i13"',
            'name="i13", ports=Ports(tiled=4200)',
            "ports.prefect_server: 4200 on control is taken by ports.tiled; choose another",
        ),
    ],
    ids=["unknown key", "port clash"],
)
def test_a_wrong_inventory_is_refused_by_file_key_and_remedy(
    installation: Installation, old: str, new: str, sentence: str
) -> None:
    installation.change(old, new)
    done = installation.run("pyinfra", str(installation.inventory), DEPLOY, "-y")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(f"{installation.inventory}:4: {sentence}")
    assert "Connecting" not in done.stderr


@pytest.fixture
def asking(platform: Operator) -> Iterator[str]:
    """A host that lacks something, and where sudo asks for a password."""
    host = "compute2"
    at(host, f"mv {SUDOERS} {AWAY}; rm -f {LOST}")
    yield host
    at(host, f"[ ! -e {AWAY} ] || mv {AWAY} {SUDOERS}")


def test_a_wrong_sudo_password_is_one_sentence_and_changes_nothing(
    platform: Operator, asking: str
) -> None:
    before = state(asking)
    line = platform.deploying(f"--limit {asking} --same-sudo-password")
    done = platform.run(line, typed="a guess\n", ok=1)
    said = [line for line in done.stderr.splitlines() if f"[{asking}]" in line]
    assert [line for line in said if not any(each in line for each in OF_PYINFRA)] == [
        f"    [{asking}] sudo does not take this password"
    ]
    assert state(asking) == before

    platform.run(line, typed=SUDO_PASSWORD.read_text(encoding="utf-8"))
    assert state(asking)["files"].keys() - before["files"].keys() == {LOST}


def test_drift_asks_for_the_sudo_password_too(platform: Operator, asking: str) -> None:
    line = f"tomobeam-site drift {platform.inventory} --limit {asking} --same-sudo-password"
    done = platform.run(line, typed="a guess\n", ok=1)
    assert (done.stdout, done.stderr) == (
        "",
        f"{asking}: was not looked at: sudo does not take this password\n",
    )
    done = platform.run(line, typed=SUDO_PASSWORD.read_text(encoding="utf-8"), ok=2)
    said = done.stdout.splitlines()
    assert any(line.startswith(f"{asking}: {LOST}: ") for line in said), done.stdout
    assert done.stderr == ""


def test_of_two_deploys_at_once_the_second_is_refused(platform: Operator) -> None:
    with platform.begun(platform.deploying()) as first:
        first.until("Starting operation: canary")
        second = platform.deploy(ok=1)
        assert second.stderr.splitlines()[-1].endswith("nothing was changed; wait for its end")
        assert "Starting operation" not in second.stderr
        # Whoever only looks need not wait.
        assert platform.drift() == []
        assert first.end() == 0, first.said
    platform.deploy(more="--limit compute2")
