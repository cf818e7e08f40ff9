"""What an operator asks of a site, beside deploying: one command a module, for `site_cli`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

Inventory = Annotated[Path, typer.Argument(help="the site's inventory: inventories/beamline")]
Limit = Annotated[
    list[str] | None, typer.Option(help="only these hosts or groups, as pyinfra's --limit")
]
PASSWORD_OPTION = "--same-sudo-password"
SameSudoPassword = Annotated[
    bool, typer.Option(PASSWORD_OPTION, help="ask once for what sudo asks for on the hosts")
]


def pyinfra(
    inventory: Path,
    deploy: Path,
    *options: str,
    limit: Iterable[str] = (),
    same_sudo_password: bool = False,
) -> list[str]:
    """The command by which pyinfra runs a file of `deploy/`, from the repository.

    It asks for the password itself: on the terminal, also where its output is captured; without
    one it reads a line of its standard input, which must then be the operator's.
    """
    return [
        *(sys.executable, "-m", "pyinfra", str(inventory.resolve()), str(deploy)),
        *options,
        *(word for pattern in limit for word in ("--limit", pattern)),
        *([PASSWORD_OPTION] if same_sudo_password else []),
    ]
