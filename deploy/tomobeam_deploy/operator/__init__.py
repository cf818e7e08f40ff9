"""What an operator asks of a site, beside deploying: one command a module, for `site_cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Inventory = Annotated[Path, typer.Argument(help="the site's inventory: inventories/beamline")]
Limit = Annotated[
    list[str] | None, typer.Option(help="only these hosts or groups, as pyinfra's --limit")
]
