"""`tomobeam-images`: the container images of the platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tomobeam_common.settings import fail
from tomobeam_contracts.registry import RegistryError
from tomobeam_deploy.debian import NoSourcesError
from tomobeam_deploy.images.archive import ensure_archive
from tomobeam_deploy.images.base import DEFAULT_BASE, OWN_BASE, ensure_base
from tomobeam_deploy.images.build import chosen_images, containers_of, ensure_images
from tomobeam_deploy.images.model import common_image, images_of
from tomobeam_deploy.images.publish import push
from tomobeam_deploy.images.runtime import ContainersError
from tomobeam_deploy.images.state import state_of
from tomobeam_deploy.releases import ReleaseError
from tomobeam_deploy.site import Site, SiteError
from tomobeam_deploy.site.containers import folder_of_a_registry
from tomobeam_deploy.templates import ROOT

app = typer.Typer(
    no_args_is_help=True, help=__doc__, add_completion=False, pretty_exceptions_enable=False
)

Inventory = Annotated[Path, typer.Option(help="the inventory that describes the containers")]
BaseImage = Annotated[
    str, typer.Option("--base-image", envvar="BASE_IMAGE", help="what all images stand on")
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]…", help="services, and images of jobs; default: all"),
]
COMPOSE = ROOT / "inventories" / "compose"
ROW = "{:<16} {:<20} {:>8} {:>7}  {}"


@app.command()
def build(
    names: Names = None, base: BaseImage = DEFAULT_BASE, inventory: Inventory = COMPOSE
) -> None:
    """Build the images that changed, or fetch them where the inventory says so."""
    made = ensure_images(Site.load(inventory), base or DEFAULT_BASE, names or None)
    for name in sorted(set(made.values())):
        typer.echo(name)


@app.command("base")
def make_base(
    again: Annotated[bool, typer.Option(help="though there is one, with today's packages")] = False,
    inventory: Inventory = COMPOSE,
) -> None:
    """Make a base image from this machine's Debian mirror, where no registry is reachable."""
    ensure_base(containers_of(Site.load(inventory)).runtime, again)
    typer.echo(OWN_BASE)


@app.command("list")
def show(inventory: Inventory = COMPOSE) -> None:
    """Show the images that were built last."""
    site = Site.load(inventory)
    runtime = containers_of(site).runtime
    typer.echo(ROW.format("image", "tag", "size", "layers", "is for"))
    users = {common_image(site): "all others"}
    for image in images_of(site).values():
        users[image] = ", ".join(image.services) or "jobs"
    for image, for_whom in users.items():
        state = state_of(runtime, image)
        if state is None:
            typer.echo(ROW.format(image.name, "not built", "", "", for_whom))
        else:
            size = f"{state.bytes / 1e6:.0f} MB"
            typer.echo(ROW.format(image.name, state.tag, size, state.layers, for_whom))


@app.command()
def save(
    name: Annotated[str, typer.Argument(help="a service, or an image of jobs")],
    to: Annotated[Path | None, typer.Option(help="another file than build/images has")] = None,
    base: BaseImage = DEFAULT_BASE,
    inventory: Inventory = COMPOSE,
) -> None:
    """Write an image, as one layer, into a file that `podman load` or `docker load` reads."""
    typer.echo(ensure_archive(Site.load(inventory), name, base or DEFAULT_BASE, to))


@app.command("push")
def publish(
    to: Annotated[str, typer.Argument(help="such as registry.example.org/tomobeam")],
    names: Names = None,
    base: BaseImage = DEFAULT_BASE,
    inventory: Inventory = COMPOSE,
) -> None:
    """Build, and push for machines whose inventory says that images are published there."""
    site = Site.load(inventory)
    containers = containers_of(site)
    try:
        folder = folder_of_a_registry(to)
    except ValueError as error:
        raise ContainersError(str(error)) from error
    site = site.model_copy(update={"published": None})
    images = chosen_images(site, names or None)
    built = ensure_images(site, base or DEFAULT_BASE, images)
    by_image = {image.name: built[user] for user, image in images.items()}
    for name in push(containers.runtime, folder, by_image):
        typer.echo(name)


def main() -> None:
    """Entry point; what is wrong ends with one sentence."""
    try:
        app()
    except (ContainersError, NoSourcesError, RegistryError, ReleaseError, SiteError) as error:
        fail(str(error), 1)


if __name__ == "__main__":
    main()
