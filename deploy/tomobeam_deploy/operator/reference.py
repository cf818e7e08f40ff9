"""`reference`: what a deploy puts on each host, as pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tomobeam_deploy.operator import Inventory
from tomobeam_deploy.reference.asked import asked
from tomobeam_deploy.reference.files import files
from tomobeam_deploy.reference.ports import port_table
from tomobeam_deploy.reference.secrets import secrets
from tomobeam_deploy.reference.users import users
from tomobeam_deploy.site import Site


def reference(
    inventory: Inventory,
    folder: Annotated[Path, typer.Argument(help="where the pages go")],
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; exit code 1 if a page would change")
    ] = False,
) -> None:
    """Write each host's ports, users, files and secrets as pages of Markdown."""
    wrong = []
    for name, text in pages(Site.load(inventory)).items():
        path = folder / name
        if not check:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            wrong.append(path)
    for path in wrong:
        typer.echo(f"{path}: not as {inventory} and the roles say; write it anew", err=True)
    if wrong:
        raise typer.Exit(1)


def pages(site: Site) -> dict[str, str]:
    """All pages by the names of their files."""
    everything = list(asked(site))
    return {
        "ports.md": port_table(site),
        "users.md": users(site, everything),
        "files.md": files(site, everything),
        "secrets.md": secrets(site, everything),
    }
