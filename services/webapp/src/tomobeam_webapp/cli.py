"""`tomobeam-webapp`: the users of the page and their one-time login links."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tomobeam_common.settings import SettingsError, fail
from tomobeam_webapp.auth import links, users
from tomobeam_webapp.context import create_tables, open_engine
from tomobeam_webapp.settings import StateSettings

app = typer.Typer(
    no_args_is_help=True,
    help="Users of the page. Needs TOMOBEAM_WEBAPP_STATE.",
    pretty_exceptions_enable=False,
)
user = typer.Typer(no_args_is_help=True, help="Add, change, remove and list users.")
app.add_typer(user, name="user")
Name = Annotated[str, typer.Argument(help="a-z, 0-9, '.', '_', '-'", show_default=False)]


def _password() -> str:
    """From a prompt that shows nothing, or the first line of a pipe; never an argument."""
    if sys.stdin.isatty():
        return typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        fail("no password: type it at the prompt or pipe it in as one line")
    return line


def _state() -> StateSettings:
    try:
        return StateSettings.load()
    except SettingsError as error:
        fail(str(error))


def _engine(settings: StateSettings):
    try:
        engine = open_engine(settings)
        create_tables(engine, settings)
    except OSError as error:
        fail(f"TOMOBEAM_WEBAPP_STATE: {error}")
    return engine


@user.command()
def add(name: Name) -> None:
    """Add a user; the password comes from the prompt or from stdin."""
    engine = _engine(_state())
    try:
        users.add(engine, name, _password())
    except users.UserError as error:
        fail(str(error))


@user.command()
def passwd(name: Name) -> None:
    """Change a user's password and sign them out everywhere."""
    engine = _engine(_state())
    try:
        users.set_password(engine, name, _password())
    except users.UserError as error:
        fail(str(error))


@user.command()
def remove(name: Name) -> None:
    """Remove a user and sign them out everywhere; what they saved stays."""
    try:
        users.remove(_engine(_state()), name)
    except users.UserError as error:
        fail(str(error))


@user.command("list")
def list_() -> None:
    """Print every user's name."""
    for name in users.names(_engine(_state())):
        typer.echo(name)


@app.command("login-link")
def login_link(name: Name) -> None:
    """Print an address that signs this user in once, within some minutes."""
    settings = _state()
    engine = _engine(settings)
    if not users.exists(engine, name):
        fail(f"there is no user {name!r}")
    token = links.make(engine, name, settings.webapp_link_minutes)
    typer.echo(f"{settings.url}{links.ROUTE}{token}")


def main() -> None:
    """Entry point."""
    app()
