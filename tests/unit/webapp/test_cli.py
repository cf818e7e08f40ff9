"""The operator's commands."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tests.unit.webapp.conftest import PASSWORD
from tomobeam_webapp.auth import links, users
from tomobeam_webapp.cli import app


@pytest.fixture
def run(settings, monkeypatch):
    monkeypatch.setenv("TOMOBEAM_WEBAPP_STATE", str(settings.webapp_state))
    monkeypatch.setenv("TOMOBEAM_WEBAPP_URL", "https://seg.example/")
    return lambda *words, typed="": CliRunner().invoke(app, words, input=typed)


def test_users_come_and_go(run, engine) -> None:
    assert run("user", "add", "alice", typed=PASSWORD + "\n").exit_code == 0
    assert run("user", "list").output == "alice\n"
    assert users.verify(engine, "alice", PASSWORD)
    assert run("user", "passwd", "alice", typed="another password\n").exit_code == 0
    assert not users.verify(engine, "alice", PASSWORD)
    assert run("user", "remove", "alice").exit_code == 0
    assert run("user", "list").output == ""


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (("user", "add", "alice"), "short\n", "at least 10 characters"),
        (("user", "add", "alice"), "", "no password"),
        (("user", "add", "A!"), PASSWORD, "is no user name"),
        (("user", "remove", "bob"), "", "there is no user 'bob'"),
        (("user", "passwd", "bob"), PASSWORD, "there is no user 'bob'"),
        (("login-link", "bob"), "", "there is no user 'bob'"),
    ],
)
def test_wrong_input_is_one_sentence_and_code_2(run, words, typed: str, said: str) -> None:
    result = run(*words, typed=typed)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_link_names_the_page_and_logs_in_once(run, engine, with_alice) -> None:
    link = run("login-link", "alice").output.strip()
    assert link.startswith("https://seg.example/login/once/")
    assert links.use(engine, link.rpartition("/")[2]) == "alice"


def test_a_missing_setting_is_named(monkeypatch) -> None:
    monkeypatch.delenv("TOMOBEAM_WEBAPP_STATE", raising=False)
    result = CliRunner().invoke(app, ["user", "list"])
    assert result.exit_code == 2
    assert "TOMOBEAM_WEBAPP_STATE" in result.stderr
