"""What Tiled cannot start with, or would pass over, is found in its configuration."""

from __future__ import annotations

import pytest

from tests.support.platform import Platform
from tomobeam_tiled.configuration import ConfigurationFault, check


@pytest.fixture
def written(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> str:
    """The configuration of the local profile; secrets are variables, as Tiled has them."""
    layout = platform.local.layout
    for name, value in platform.environment("tiled").items():
        monkeypatch.setenv(name, value)
    for name in ("TILED_SECRET_KEY", "TILED_ADMIN_PASSWORD"):
        monkeypatch.setenv(name, "for-a-test")
    return (layout.config("tiled") / "tiled.yml").read_text()


def test_what_is_rendered_is_accepted(written: str) -> None:
    check(written)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("authentication:", "authentication: [", "is no YAML: .* line "),
        ("secret_keys:", "secret_kyes:", "^authentication.secret_kyes: Extra inputs"),
        ("\ndatabase:", "\ndatabases:", "^databases: Extra inputs"),
        ("access: false", "access: perhaps", "^authentication.allow_anonymous_access: .* boolean"),
        ("users_to_passwords", "users_to_password", "unexpected keyword argument 'users_to_passw"),
        (":DictionaryAuth", ":DictionaryOfAuth", "DictionaryOfAuthenticator"),
        (
            "    args:\n",
            "    arguments:\n",
            "^trees.0.arguments: no such key; trees.0.args: missing",
        ),
        ("readable_storage:", "readable:", "^trees.0.args: .* keyword argument 'readable'"),
        ("access_log:", "acces_log:", "^uvicorn: .* keyword argument 'acces_log'"),
        ("${TILED_SECRET_KEY}", "${TILED_KEY}", "variable that is not set: TILED_KEY$"),
    ],
)
def test_a_fault_is_named_by_its_place(written: str, old: str, new: str, said: str) -> None:
    assert old in written
    with pytest.raises(ConfigurationFault, match=said) as refused:
        check(written.replace(old, new))
    assert "for-a-test" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "just a sentence", "- a list"])
def test_what_has_no_keys_is_none(text: str) -> None:
    with pytest.raises(ConfigurationFault, match="with keys at its top"):
        check(text)
