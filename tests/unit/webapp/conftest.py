"""A page without servers behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask.testing import FlaskClient

from tests.support.platform import REPOSITORY
from tomobeam_webapp.app import create_app
from tomobeam_webapp.auth import users
from tomobeam_webapp.context import create_tables, open_engine
from tomobeam_webapp.settings import WebSettings

PASSWORD = "correct horse battery"
REGISTRY = REPOSITORY / "services/segmentation/src/tomobeam_segmentation/registry.json"


def make_settings(folder: Path, **changes: object) -> WebSettings:
    given: dict[str, object] = {
        # Nothing listens on the discard port.
        "tiled_url": "http://127.0.0.1:9",
        "tiled_api_key": "tiledkeythatnobodymaysee",
        "prefect_api_url": "http://127.0.0.1:9/api",
        "prefect_auth": "prefect:loginthatnobodymaysee",
        "registry": REGISTRY,
        "webapp_state": folder / "state",
        "webapp_secret_key": "signingkeythatnobodymaysee",
    }
    return WebSettings.load(**(given | changes))


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real Argon2 with the least work: these tests are not about its strength."""
    monkeypatch.setattr(
        users, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    )


@pytest.fixture
def settings(tmp_path: Path) -> WebSettings:
    return make_settings(tmp_path)


@pytest.fixture
def engine(settings: WebSettings):
    engine = open_engine(settings)
    create_tables(engine, settings)
    yield engine
    engine.dispose()


@pytest.fixture
def with_alice(engine) -> None:
    users.add(engine, "alice", PASSWORD)


@pytest.fixture
def client(settings: WebSettings, with_alice: None) -> FlaskClient:
    return create_app(settings).server.test_client()


def csrf(client: FlaskClient) -> str:
    """The token that the page's cookie holds."""
    cookie = client.get_cookie("_csrf_token")
    assert cookie is not None
    return cookie.value


def sign_in(client: FlaskClient, name: str = "alice", password: str = PASSWORD):
    client.get("/login")
    form = {"name": name, "password": password, "csrf_token": csrf(client)}
    return client.post("/login", data=form)
