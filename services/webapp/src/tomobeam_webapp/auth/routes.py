"""`/login`, `/login/once/<token>`, `/logout`, and `/auth/check` for the front door."""

from __future__ import annotations

import math
from urllib.parse import urlsplit

import flask
import flask_login
from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from tomobeam_common import logs
from tomobeam_webapp.auth import gate, limits, links, sessions, users
from tomobeam_webapp.context import Context

_log = logs.get(__name__)
WRONG = "Name or password is wrong."
LINK_OVER = "This link has been used already or is too old. Sign in with your password."
STALE = "The form was open for too long. Try again."
USER_HEADER = "Remote-User"
_NOT_AFTER_LOGIN = ("login", "logout", "auth")


def blueprint(context: Context) -> Blueprint:
    """The routes by which a scientist signs in and out."""
    routes = Blueprint("auth", __name__, template_folder="templates")

    @routes.get("/login")
    def login() -> ResponseReturnValue:
        return _form(STALE if request.args.get("stale") else "")

    @routes.post("/login")
    def check() -> ResponseReturnValue:
        name, password = request.form.get("name", ""), request.form.get("password", "")
        wait = limits.wait_s(context.engine, name, _client_address())
        if wait:
            _log.warning("login refused", user=name[:64], address=_client_address())
            minutes = math.ceil(wait / 60)
            return _form(f"Too many wrong passwords. Try again in {minutes} minutes.", 429)
        # Counted before the slow check, so that attempts side by side do not slip through.
        limits.failed(context.engine, name, _client_address())
        if not users.verify(context.engine, name, password):
            _log.warning("login failed", user=name[:64], address=_client_address())
            return _form(WRONG, 401)
        limits.succeeded(context.engine, name, _client_address())
        return _welcome(context, name)

    @routes.get(f"{links.ROUTE}<token>")
    def show_link(token: str) -> ResponseReturnValue:
        # Mail scanners and browsers fetch links ahead: only the button uses it up.
        if not links.works(context.engine, token):
            return _form(LINK_OVER, 410)
        return flask.render_template("once.html", csrf_token=gate.csrf_token())

    @routes.post(f"{links.ROUTE}<token>")
    def use_link(token: str) -> ResponseReturnValue:
        name = links.use(context.engine, token)
        if name is None or not users.exists(context.engine, name):
            return _form(LINK_OVER, 410)
        return _welcome(context, name)

    @routes.post("/logout")
    def logout() -> ResponseReturnValue:
        gate.sign_out(context)
        return flask.redirect(flask.url_for("auth.login"))

    @routes.get("/auth/check")
    def asked() -> ResponseReturnValue:
        """May this browser's request go on to another site behind the same front door?"""
        user = flask_login.current_user
        if not user.is_authenticated:
            return {"error": gate.SIGNED_OUT}, 401
        # What a site asks for by itself does not keep a session alive.
        if gate.is_page():
            sessions.touch(context.engine, user.token)
        return "", 204, {USER_HEADER: user.id}

    return routes


OPEN_ENDPOINTS = frozenset(
    {"auth.login", "auth.check", "auth.show_link", "auth.use_link", "auth.asked"}
)


def _client_address() -> str:
    return request.remote_addr or "unknown"


def _form(error: str = "", status: int = 200) -> ResponseReturnValue:
    page = flask.render_template(
        "login.html",
        csrf_token=gate.csrf_token(),
        error=error,
        name=request.form.get("name", ""),
        next=_next(),
    )
    return page, status


def _welcome(context: Context, name: str) -> ResponseReturnValue:
    target = _next()
    gate.sign_in(context, name)
    _log.info("login", user=name, address=_client_address())
    return flask.redirect(target, 303)


def _next() -> str:
    target = request.values.get("next", "/")
    # Browsers take `\` for `/`, `//…` for another site, and leave control characters out.
    foreign = not target.startswith("/") or target.startswith("//") or "\\" in target
    if foreign or not target.isprintable():
        return "/"
    return "/" if urlsplit(target).path.split("/")[1] in _NOT_AFTER_LOGIN else target
