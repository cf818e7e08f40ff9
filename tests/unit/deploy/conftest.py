"""An operator's age key, and the secrets of a site."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.deploy.vaults import SITE, VALUE, put
from tomobeam_deploy import age_keys
from tomobeam_deploy.vault import join

# A failure in these scripts shows what was compared, as it would in a test.
pytest.register_assert_rewrite("tests.unit.deploy.release_scripts")


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is; the operator has just made it."""
    path = tmp_path / "home" / "i13.agekey"
    monkeypatch.setenv(age_keys.KEY_VARIABLE, str(path))
    assert age_keys.create_identity(SITE)
    return path


@pytest.fixture
def folder(tmp_path: Path, key: Path) -> Path:
    """A site's secrets, with one in it."""
    folder = tmp_path / "secrets"
    assert join(SITE, "ada", folder)
    assert put(folder, {"db-prefect": VALUE}) == ["db-prefect"]
    return folder
