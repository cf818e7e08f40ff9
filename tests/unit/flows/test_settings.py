from __future__ import annotations

import os
from pathlib import Path

import pytest

from tomobeam_common.settings import SettingsError
from tomobeam_flows.locks import WorkerInUse, lock
from tomobeam_flows.settings import WorkerSettings, configure_prefect


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in [name for name in os.environ if name.startswith(("TOMOBEAM_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    for name, value in {
        "PREFECT_API_URL": "http://127.0.0.1:4200/api/",
        "PREFECT_AUTH": "admin:secret",
        "TILED_URL": "http://127.0.0.1:8000",
        "TILED_API_KEY": "key",
        "REGISTRY": "registry.json",
        "MODELS_DIR": "models",
        "WORKER_NAME": "one",
        "WORKER_STATE": str(tmp_path / "state"),
        "WORKER_PORT": "9102",
        "JOB_BIN": "bin",
    }.items():
        monkeypatch.setenv(f"TOMOBEAM_{name}", value)
    return monkeypatch


def test_paths_are_made_absolute(environment: pytest.MonkeyPatch) -> None:
    settings = WorkerSettings.load()
    assert settings.job_bin == Path.cwd() / "bin"
    assert settings.models_dir.is_absolute()


def test_a_missing_setting_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("TOMOBEAM_WORKER_NAME")
    environment.setenv("TOMOBEAM_CANCEL_GRACE_S", "60")
    with pytest.raises(SettingsError) as error:
        WorkerSettings.load()
    assert "TOMOBEAM_WORKER_NAME: Field required" in str(error.value)
    assert "TOMOBEAM_CANCEL_GRACE_S: " in str(error.value)


def test_prefect_gets_its_settings(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = dict(os.environ)
    try:
        configure_prefect(WorkerSettings.load(), tmp_path / "home")
        assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
        assert os.environ["PREFECT_API_AUTH_STRING"] == "admin:secret"
        assert os.environ["DO_NOT_TRACK"] == "1"
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_one_worker_for_each_folder(tmp_path: Path) -> None:
    with lock(tmp_path / "state"), pytest.raises(WorkerInUse, match="another worker runs in"):
        lock(tmp_path / "state")
    lock(tmp_path / "state").close()
