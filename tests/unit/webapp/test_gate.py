"""Nothing is served without a login; nothing is changed by another site's page."""

from __future__ import annotations

import re
import time

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

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


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        "evil.example",
        "/logout",
        "/login?next=/x",
        "/auth/check",
    ],
)
def test_the_login_leads_nowhere_else(client: FlaskClient, target: str) -> None:
    client.get("/login")
    form = {"name": "alice", "password": PASSWORD, "csrf_token": csrf(client), "next": target}
    assert client.post("/login", data=form).headers["Location"] == "/"


@pytest.mark.parametrize("target", ["/prefect/runs?page=2", "/logbook/", "/?image=recons/x y"])
def test_the_login_leads_back_to_where_the_front_door_sent_from(
    client: FlaskClient, target: str
) -> None:
    shown = client.get("/login", query_string={"next": target})
    assert f'name="next" value="{target}"' in shown.text
    form = {"name": "alice", "password": PASSWORD, "csrf_token": csrf(client), "next": target}
    led_to = client.post("/login", data=form).headers["Location"]
    assert led_to == target.replace(" ", "%20")


def test_a_front_door_is_told_who_asks(client: FlaskClient, engine) -> None:
    for headers in (PAGE, {}):
        answer = client.get("/auth/check", headers=headers)
        assert (answer.status_code, answer.headers.get("Remote-User")) == (401, None)
    sign_in(client)
    answer = client.get("/auth/check", headers=PAGE)
    assert (answer.status_code, answer.headers["Remote-User"]) == (204, "alice")
    assert answer.headers["Cache-Control"] == "no-store"
    users.set_password(engine, "alice", "another long password")
    assert client.get("/auth/check").status_code == 401


def test_only_a_person_keeps_the_session_of_another_site_alive(client: FlaskClient, engine) -> None:
    def used_at() -> float:
        with Session(engine) as database:
            return database.scalars(select(sessions.LoginSession.used_at)).one()

    sign_in(client)
    with Session(engine) as database, database.begin():
        database.execute(update(sessions.LoginSession).values(used_at=time.time() - 3600))
    before = used_at()
    client.get("/auth/check", headers={"Sec-Fetch-Mode": "cors"})
    assert used_at() == before
    client.get("/auth/check", headers=PAGE)
    assert used_at() > before


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


@pytest.mark.parametrize(
    ("url", "address"), [("https://seg.example", "10.0.0.9"), (None, "127.0.0.1")]
)
def test_one_front_door_is_trusted_for_the_address(
    tmp_path, with_alice, engine, url: str | None, address: str
) -> None:
    """What the client itself claims stands before what the front door adds."""
    server = create_app(make_settings(tmp_path, webapp_url=url)).server
    told = {"X-Forwarded-For": "1.2.3.4, 10.0.0.9", "X-Forwarded-Proto": "https"}
    client = server.test_client()
    base_url = url or "http://localhost"
    client.get("/login", base_url=base_url)
    cookie = client.get_cookie("_csrf_token", domain=base_url.partition("://")[2])
    assert cookie is not None
    form = {"name": "alice", "password": "wrong", "csrf_token": cookie.value}
    assert client.post("/login", base_url=base_url, data=form, headers=told).status_code == 401
    with Session(engine) as database:
        assert database.scalars(select(limits.FailedLogin.address)).one() == address


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
