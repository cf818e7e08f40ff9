"""One check in front of every request: pages, callbacks, assets, pixels."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

import flask
import flask_login
from flask import Flask, Response, request, session
from flask.typing import ResponseReturnValue

from tomobeam_webapp.auth import sessions
from tomobeam_webapp.context import Context

# Dash sends the cookie's value back in this header with every callback.
CSRF_COOKIE = "_csrf_token"
CSRF_HEADER = "X-CSRFToken"
CSRF_FIELD = "csrf_token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# What the page asks for by itself says nothing about whether somebody is there.
UNATTENDED = frozenset({"/events"})
SIGNED_OUT = "You have been signed out. Sign in again; what you marked is kept."
FORGED = "This request did not come from the page. Load the page again."


@dataclass(frozen=True)
class User(flask_login.UserMixin):
    """The signed-in scientist: `id` is the name, `token` that of this login."""

    id: str
    token: str

    def get_id(self) -> str:
        """What the browser's signed cookie holds."""
        return self.token


def install(server: Flask, context: Context, open_endpoints: frozenset[str]) -> None:
    """Put the gate in front of `server`; only `open_endpoints` pass without a login."""
    settings = context.settings
    server.config.update(
        SECRET_KEY=settings.webapp_secret_key.get_secret_value(),
        SESSION_COOKIE_NAME=(
            "__Host-tomobeam" if settings.behind_tls else f"tomobeam_{settings.webapp_port}"
        ),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.behind_tls,
    )
    manager = flask_login.LoginManager(server)
    idle_s = settings.webapp_session_hours * 3600

    @manager.user_loader
    def load(token: str) -> User | None:
        name = sessions.user_of(context.engine, token, idle_s)
        return User(name, token) if name else None

    @server.before_request
    def gate() -> ResponseReturnValue | None:
        if request.method not in _SAFE and not _from_our_page():
            if request.endpoint in open_endpoints:
                return flask.redirect(flask.url_for("auth.login", stale=1), 303)
            return {"error": FORGED}, 403
        if request.endpoint in open_endpoints:
            return None
        if not flask_login.current_user.is_authenticated:
            return _refuse()
        if request.path not in UNATTENDED:
            sessions.touch(context.engine, flask_login.current_user.token)
        return None

    @server.after_request
    def give_csrf_token(response: Response) -> Response:
        token = session.get("csrf")
        if token and request.cookies.get(CSRF_COOKIE) != token:
            response.set_cookie(
                CSRF_COOKIE, token, secure=settings.behind_tls, samesite="Strict", httponly=False
            )
        return response


def csrf_token() -> str:
    """This browser's token, made when it is first needed."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(24)
    return session["csrf"]


def sign_in(context: Context, name: str) -> None:
    """Begin a session of `name` in this browser; what the cookie held before is dropped."""
    session.clear()
    csrf_token()
    flask_login.login_user(User(name, sessions.start(context.engine, name)))


def sign_out(context: Context) -> None:
    """End this browser's session."""
    sessions.end(context.engine, flask_login.current_user.token)
    flask_login.logout_user()
    session.clear()


def _from_our_page() -> bool:
    expected = session.get("csrf")
    given = request.headers.get(CSRF_HEADER) or ""
    if not given and request.mimetype == "application/x-www-form-urlencoded":
        given = request.form.get(CSRF_FIELD, "")
    return bool(expected) and hmac.compare_digest(expected.encode(), given.encode())


def is_page() -> bool:
    """Whether the browser wants to show the answer as a page."""
    mode = request.headers.get("Sec-Fetch-Mode")
    wanted = mode == "navigate" if mode else request.accept_mimetypes.accept_html
    return request.method == "GET" and wanted


def _refuse() -> ResponseReturnValue:
    if is_page():
        return flask.redirect(flask.url_for("auth.login", next=request.full_path.rstrip("?")))
    return {"error": SIGNED_OUT}, 401
