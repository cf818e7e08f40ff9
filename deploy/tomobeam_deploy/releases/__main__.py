"""`python -m tomobeam_deploy.releases [SERVICE…]`: build releases and say what they are."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from tomobeam_common.settings import fail
from tomobeam_deploy.catalogue import services_on_hosts
from tomobeam_deploy.releases.build import ensure_release
from tomobeam_deploy.releases.release import ReleaseError
from tomobeam_deploy.site import Site, SiteError
from tomobeam_deploy.templates import ROOT

ROW = "{:<16} {:<24} {:>9} {:>8}"


def main(
    services: Annotated[
        list[str] | None, typer.Argument(metavar="SERVICE…", help="which; default: all")
    ] = None,
    inventory: Annotated[
        Path, typer.Option(help="whose services", show_default="inventories/beamline")
    ] = ROOT / "inventories" / "beamline",
) -> None:
    """Build what is not built yet, and print each release with its size and the time it took."""
    known = {
        name: service
        for name, service in services_on_hosts(Site.load(inventory)).items()
        if service.packages
    }
    if unknown := set(services or ()) - known.keys():
        faults, there = ", ".join(sorted(unknown)), ", ".join(known)
        raise ReleaseError(f"{faults}: no such service; there are: {there}")
    typer.echo(ROW.format("service", "release", "size", "took"))
    for name in services or known:
        began = time.monotonic()
        release = ensure_release(name, known[name].packages, known[name].schema)
        size = f"{release.archive.stat().st_size / 1e6:.0f} MB"
        took = f"{time.monotonic() - began:.1f} s"
        typer.echo(ROW.format(name, release.name, size, took))


if __name__ == "__main__":
    try:
        typer.run(main)
    except (ReleaseError, SiteError) as error:
        fail(str(error), 1)
    sys.exit()
