"""`python -m tomobeam_deploy.packages PACKAGE…`: make the repository and say what is in it."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from tomobeam_common.settings import fail
from tomobeam_deploy.debian import NoSourcesError
from tomobeam_deploy.packages.closure import PackagesError
from tomobeam_deploy.packages.repository import ensure_repository


def main(
    packages: Annotated[list[str], typer.Argument(help="names, or name=version")],
    refresh: Annotated[bool, typer.Option(help="ask the mirror for newer versions")] = False,
) -> None:
    """Fetch what Debian packages need, and pack it as one signed repository."""
    began = time.monotonic()
    repository = ensure_repository(packages, refresh=refresh)
    typer.echo(repository.archive)
    typer.echo(
        f"{len(repository.debs)} packages, {repository.size / 1e6:.0f} MB "
        f"({repository.fetched / 1e6:.0f} MB fetched) in {time.monotonic() - began:.1f} s",
        err=True,
    )


if __name__ == "__main__":
    try:
        typer.run(main)
    except (PackagesError, NoSourcesError) as error:
        fail(str(error), 1)
    sys.exit()
