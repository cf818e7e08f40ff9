"""Nothing is served without a login; nothing is changed by another site's page."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from tests.unit.webapp.conftest import PASSWORD, csrf, make_settings, sign_in
from tomobeam_webapp.app import create_app
from tomobeam_webapp.auth import gate, limits, links, sessions, users

PAGE = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}


def test_a_page_is_redirected_to_the_login(client: FlaskClient) -> None:
    answer = client.get("/?image=recons/x", headers=PAGE)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/login?next=/?image%3Drecons/x"


@pytest.mark.parametrize(
    "path",
    [
        "/_dash-layout",
        "/_dash-dependencies",
        "/assets/shell.js",
        "/events",
        "/pixels/x",
        "/nothing",
    ],
)
def test_everything_else_is_401(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"Sec-Fetch-Mode": "cors"})
    assert answer.status_code == 401
    assert answer.json == {"error": gate.SIGNED_OUT}


def test_every_route_but_the_open_ones_is_behind_the_gate(client: FlaskClient) -> None:
    open_paths = set()
    for rule in client.application.url_map.iter_rules():
        method = "GET" if "GET" in (rule.methods or ()) else "POST"
        path = re.sub(r"<any\((\w+)[^>]*>", r"\1", rule.rule)
        path = re.sub(r"<[^>]*>", "0", path)
        answer = client.open(path, method=method, headers={"Sec-Fetch-Mode": "cors"})
        if answer.status_code not in (401, 403):
            open_paths.add(rule.rule)
    assert open_paths <= {"/login", "/login/once/<token>", "/healthz", "/metrics"}


def test_signing_in_opens_the_page(client: FlaskClient) -> None:
    answer = sign_in(client)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert client.get("/", headers=PAGE).status_code == 200
    assert client.get("/_dash-layout").status_code == 200


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil", "/logout"])
def test_the_login_leads_nowhere_else(client: FlaskClient, target: str) -> None:
    client.get("/login")
    form = {"name": "alice", "password": PASSWORD, "csrf_token": csrf(client), "next": target}
    assert client.post("/login", data=form).headers["Location"] == "/"


def test_a_login_form_of_another_site_is_not_taken(client: FlaskClient) -> None:
    answer = client.post("/login", data={"name": "alice", "password": PASSWORD})
    assert answer.headers["Location"] == "/login?stale=1"
    assert client.get("/_dash-layout").status_code == 401


def test_a_callback_without_the_token_is_refused(client: FlaskClient) -> None:
    sign_in(client)
    path = "/_dash-update-component"
    assert client.post(path, json={}).status_code == 403
    assert client.post(path, json={}, headers={"X-CSRFToken": "guess"}).status_code == 403
    assert (
        client.post(path, json={}, data=None, headers={"X-CSRFToken": csrf(client)}).status_code
        != 403
    )


def test_signing_out_ends_the_session_for_a_copied_cookie_too(client: FlaskClient) -> None:
    sign_in(client)
    name = client.application.config["SESSION_COOKIE_NAME"]
    stolen = client.get_cookie(name)
    assert stolen is not None
    client.post("/logout", headers={"X-CSRFToken": csrf(client)})
    client.set_cookie(name, stolen.value)
    assert client.get("/_dash-layout").status_code == 401


def test_wrong_passwords_are_counted_and_end(client: FlaskClient) -> None:
    for _ in range(limits.PER_NAME_AND_ADDRESS):
        assert sign_in(client, password="wrong").status_code == 401
    answer = sign_in(client)
    assert answer.status_code == 429
    assert "Try again in 5 minutes" in answer.text


def test_an_unknown_name_is_answered_like_a_wrong_password(client: FlaskClient) -> None:
    known, unknown = sign_in(client, password="wrong"), sign_in(client, name="bob")
    assert known.status_code == unknown.status_code == 401
    assert "Name or password is wrong." in unknown.text


def test_a_link_is_not_used_up_by_looking_at_it(client: FlaskClient, engine) -> None:
    token = links.make(engine, "alice", minutes=5)
    for _ in range(3):
        assert client.get(f"/login/once/{token}").status_code == 200
    assert client.get("/_dash-layout").status_code == 401
    form = {"csrf_token": csrf(client)}
    assert client.post(f"/login/once/{token}", data=form).status_code == 303
    assert client.get("/_dash-layout").status_code == 200


def test_a_link_works_once_and_not_for_ever(client: FlaskClient, engine) -> None:
    token = links.make(engine, "alice", minutes=5)
    assert links.use(engine, token) == "alice"
    assert links.use(engine, token) is None
    assert client.get(f"/login/once/{token}").status_code == 410
    assert links.use(engine, links.make(engine, "alice", minutes=-1)) is None


def test_tokens_are_stored_hashed(settings, engine) -> None:
    token, session = links.make(engine, "alice", 5), sessions.start(engine, "alice")
    engine.dispose()
    content = b"".join(p.read_bytes() for p in settings.webapp_state.glob("webapp.db*"))
    assert token.encode() not in content
    assert session.encode() not in content


def test_a_new_password_ends_the_sessions(client: FlaskClient, engine) -> None:
    sign_in(client)
    users.set_password(engine, "alice", "another long password")
    assert client.get("/_dash-layout").status_code == 401


def test_an_idle_session_ends(client: FlaskClient, engine) -> None:
    token = sessions.start(engine, "alice")
    assert sessions.user_of(engine, token, idle_s=60) == "alice"
    assert sessions.user_of(engine, token, idle_s=-1) is None


@pytest.mark.parametrize("name", ["", "Alice", "a b", "../x", "-a", "a" * 33, "ä"])
def test_a_name_that_is_no_key_is_refused(engine, name: str) -> None:
    with pytest.raises(users.UserError, match="is no user name"):
        users.add(engine, name, PASSWORD)


def test_headers_forbid_what_the_page_never_does(client: FlaskClient) -> None:
    policy = client.get("/login").headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    script = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe" not in script


def test_cookies_are_secure_behind_tls(tmp_path, with_alice) -> None:
    settings = make_settings(tmp_path, webapp_url="https://seg.example")
    client = create_app(settings).server.test_client()
    answer = client.get("/login", base_url="https://seg.example")
    for cookie in answer.headers.getlist("Set-Cookie"):
        assert "Secure" in cookie
    assert "Strict-Transport-Security" in answer.headers


def test_metrics_are_for_this_host_only(client: FlaskClient) -> None:
    assert b"tomobeam_webapp_requests_total" in client.get("/metrics").data
    passed_on = client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})
    elsewhere = client.get("/metrics", environ_base={"REMOTE_ADDR": "10.0.0.7"})
    assert (passed_on.status_code, elsewhere.status_code) == (403, 403)


def test_health_needs_no_login(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["ok"]
