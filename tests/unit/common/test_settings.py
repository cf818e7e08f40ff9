from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tomobeam_common.logs import hide_secrets
from tomobeam_common.settings import SettingsError, TiledSettings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOMOBEAM_TILED_URL", "TOMOBEAM_TILED_API_KEY", "TOMOBEAM_TILED_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_a_secret_comes_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("abc\n")
    monkeypatch.setenv("TOMOBEAM_TILED_URL", "http://t")
    monkeypatch.setenv("TOMOBEAM_TILED_API_KEY_FILE", str(tmp_path / "key"))
    settings = TiledSettings.load()
    assert settings.tiled_api_key.get_secret_value() == "abc"
    assert "abc" not in repr(settings)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "TOMOBEAM_TILED_URL: Field required; TOMOBEAM_TILED_API_KEY (or TOMOBEAM_TILED_API_K"),
        ({"TOMOBEAM_TILED_API_KEY_FILE": "/nowhere"}, "TOMOBEAM_TILED_API_KEY_FILE: cannot read"),
        ({"TOMOBEAM_TILED_API_KEY_FILE": "/dev/null"}, "/dev/null is empty"),
    ],
)
def test_a_missing_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], sentence: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        TiledSettings.load()
    assert sentence in str(error.value)


def test_logs_hide_what_is_called_secret() -> None:
    event = {"event": "x", "api_key": "abc", "path": "/p", "broker_password": "p"}
    assert hide_secrets(None, "info", event) == {
        "event": "x",
        "api_key": "***",
        "path": "/p",
        "broker_password": "***",
    }


def run_exec(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tomobeam_common.exec", *arguments],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_exec_hands_a_secret_to_a_program_of_others(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("abc\n")
    done = run_exec(
        "--secret", "S", "--", "sh", "-c", 'echo "$S|$S_FILE"', S_FILE=str(tmp_path / "s")
    )
    assert done.stdout == "abc|\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--secret", "S", "--", "true"), "tomobeam-exec: S_FILE is not set"),
        (("--", "no-such-program"), "no-such-program: No such file or directory"),
        (("--secret", "S"), "usage: tomobeam-exec"),
        (("--",), "usage: tomobeam-exec"),
    ],
)
def test_exec_says_what_is_wrong(arguments: tuple[str, ...], sentence: str) -> None:
    done = run_exec(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
