"""Tiled's configuration is judged by the Tiled that is to run with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from roles.tiled import deploy as tiled
from tests.unit.roles.beamline import load
from tests.unit.roles.named_secrets import target
from tomobeam_deploy.hosts.resources import File
from tomobeam_deploy.hosts.services import release_for

PATH = "/etc/tomobeam/tiled/tiled.yml"
Trial = Callable[[str, str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """Tries the rendered configuration, with a part of it replaced, as a host does.

    By the Tiled of the tests, and as whoever runs them.
    """
    host = target(load(), "storage")
    configured = tiled.configure(host)
    file = next(r for r in configured if isinstance(r, File) and r.path == PATH)
    release = f"{release_for(host.processes['tiled']).folder}/bin"
    as_its_user = f"runuser -u {tiled.USER} -- "
    script = file.validate[2]
    assert script.startswith(as_its_user)
    assert release in script

    def run(old: str, new: str) -> subprocess.CompletedProcess[str]:
        written = file.content.decode()
        assert old in written
        candidate = tmp_path / "tiled.yml"
        candidate.write_text(written.replace(old, new))
        here = script.removeprefix(as_its_user).replace(release, f"{sys.prefix}/bin")
        words = [w.replace("{}", str(candidate)).replace(script, here) for w in file.validate]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    return run


def test_the_trial_is_given_no_secret() -> None:
    host = target(load(), "storage")
    file = next(r for r in tiled.configure(host) if isinstance(r, File) and r.path == PATH)
    assert "TILED_SECRET_KEY=secret" in file.validate[2]
    assert "/etc/tomobeam/tiled/secrets" not in file.validate[2]


def test_what_the_role_renders_is_accepted(trial: Trial) -> None:
    done = trial("", "")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_refused_is_refused_with_the_reason(trial: Trial) -> None:
    done = trial("allow_anonymous_access:", "allow_anonymous_acces:")
    assert done.returncode == 2
    assert "authentication.allow_anonymous_acces: Extra inputs are not permitted" in done.stderr
