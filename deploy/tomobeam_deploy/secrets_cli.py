"""The secrets of a site: passwords, keys and certificates, encrypted in the repository."""

from __future__ import annotations

import getpass
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tomobeam_common.settings import fail
from tomobeam_deploy import age_keys, pki, site_secrets, tls, vault
from tomobeam_deploy.age_keys import SECRETS, SECRETS_VARIABLE
from tomobeam_deploy.secrets import Hidden, SecretsError
from tomobeam_deploy.site import Site, SiteError
from tomobeam_deploy.tls import SiteLike
from tomobeam_deploy.vault import Vault

app = typer.Typer(
    no_args_is_help=True, help=__doc__, add_completion=False, pretty_exceptions_enable=False
)
recipients = typer.Typer(
    no_args_is_help=True, help="Who can read the secrets.", pretty_exceptions_enable=False
)
app.add_typer(recipients, name="recipients")

Inventory = Annotated[Path, typer.Argument(help="the site's inventory: inventories/beamline")]
PublicKey = Annotated[str, typer.Argument(help="age public key: age1…")]


@app.command()
def init(inventory: Inventory) -> None:
    """Make your age key, outside the repository, unless you have one."""
    site = _site(inventory)
    path = age_keys.key_file(site.name)
    if age_keys.create_identity(site.name):
        typer.echo(f"{path}: your new age key; keep a copy where the site keeps such things")
    if vault.join(site.name, getpass.getuser(), _folder(inventory)):
        typer.echo(f"{path}: reads the secrets of {site.name}")
        return
    own = age_keys.public_keys(site.name)[0]
    add = age_keys.command(site.name, "recipients add", own, "--name WHO")
    typer.echo(f"{path}: cannot read the secrets yet; let an operator who can run: {add}")


@app.command()
def ensure(inventory: Inventory) -> None:
    """Make what is missing; renew the host certificates that end soon or lack names."""
    site, of_services = _load(inventory)
    now = datetime.now(UTC)

    def change(values: Hidden) -> Hidden:
        return site_secrets.completed(site, of_services, values, now)

    _say(vault.update(site.name, change, _folder(inventory)))
    values = Vault.load(site.name, _folder(inventory)).values()
    for host in site.hosts:
        for fault in tls.faults(site, host, values, now):
            typer.echo(f"{tls.cert_name(host)}: the imported certificate {fault}", err=True)


@app.command()
def rotate(
    inventory: Inventory,
    names: Annotated[list[str] | None, typer.Argument(help="which, as `list` names them")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="every secret but imported certificates")
    ] = False,
) -> None:
    """Make new values; deploy afterwards, and the units that use them restart."""
    if bool(names) == everything:
        raise SecretsError("rotate: give the names of secrets, or --all")
    site, of_services = _load(inventory)

    def change(values: Hidden) -> Hidden:
        chosen = names or site_secrets.rotatable(site, of_services, values)
        return site_secrets.rotated(site, of_services, chosen, values, datetime.now(UTC))

    _say(vault.update(site.name, change, _folder(inventory)))


@app.command("list")
def list_(inventory: Inventory) -> None:
    """Say which secrets there are, when each was made, and until when certificates last."""
    site, of_services = _load(inventory)
    present = Vault.load(site.name, _folder(inventory))
    wanted, values = site_secrets.all_names(site, of_services), present.values()
    for name in sorted(wanted | set(present.names())):
        made = f"{present.made(name):%Y-%m-%d %H:%M}" if name in present else "missing"
        note = _note(site, name, values) if name in wanted else "not used any more"
        typer.echo(f"{name:<32}{made:<18}{note}".rstrip())


@app.command("import-cert")
def import_cert(
    inventory: Inventory,
    host: Annotated[str, typer.Argument(help="its name in the inventory")],
    cert: Annotated[Path, typer.Option(help="PEM: the certificate, then its intermediates")],
    key: Annotated[Path, typer.Option(help="PEM: its private key, without a passphrase")],
    ca: Annotated[
        Path | None, typer.Option(help="PEM: the CA that signed it, if it is a new one")
    ] = None,
) -> None:
    """Use a certificate of the site's own for a host, instead of one of the internal CA."""
    site = _site(inventory)

    def change(values: Hidden) -> Hidden:
        return tls.import_certificate(site, host, (cert, key, ca), values, datetime.now(UTC))

    _say(vault.update(site.name, change, _folder(inventory)))


@app.command()
def ca(inventory: Inventory) -> None:
    """Print the certificates of the CAs, which are public, for browsers and other clients."""
    present = Vault.load(_site(inventory).name, _folder(inventory))
    typer.echo(present.get(tls.CA_CERT), nl=False)


@recipients.command()
def add(
    inventory: Inventory,
    key: PublicKey,
    name: Annotated[str, typer.Option(help="whose it is; stands in the file as a comment")],
) -> None:
    """Let a further operator read the secrets."""
    site = _site(inventory)
    vault.add_recipient(site.name, key, name, _folder(inventory))
    typer.echo(f"{name} can read the secrets of {site.name} once this is committed")


@recipients.command()
def remove(inventory: Inventory, key: PublicKey) -> None:
    """Keep an operator from reading what is saved from now on."""
    site = _site(inventory)
    vault.remove_recipient(site.name, key, _folder(inventory))
    rotate_all = age_keys.command(site.name, "rotate", "--all")
    typer.echo(f"removed; whoever had that key may know all values, therefore: {rotate_all}")


def _folder(inventory: Path) -> Path:
    return SECRETS if os.environ.get(SECRETS_VARIABLE) else inventory.parent / "secrets"


def _load(inventory: Path) -> tuple[SiteLike, set[str]]:
    """A site, and the names of the secrets that its services are given."""
    from tomobeam_deploy.catalogue import secrets_of

    site = _site(inventory)
    return site, secrets_of(site)


def _site(inventory: Path) -> Site:
    site = Site.load(inventory)
    if not site.hosts:
        raise SecretsError(
            f"{inventory}: hosts: there are none; {site.name} runs on one machine, "
            "which makes its secrets by itself"
        )
    return site


def _note(site: SiteLike, name: str, values: Hidden) -> str:
    if name not in values or not name.startswith((tls.CA_CERT, tls.cert_name(""))):
        return ""
    said = [f"ends {pki.ends(values[name]):%Y-%m-%d}"]
    host = tls.host_of(name)
    if host:
        said += ["imported"] if tls.is_imported(host, values) else []
        said += tls.faults(site, host, values, datetime.now(UTC))
    return "; ".join(said)


def _say(names: list[str]) -> None:
    if not names:
        typer.echo("nothing to do")
        return
    typer.echo("made; deploy to bring them to the hosts:")
    for name in names:
        typer.echo(f"  {name}")


def main() -> None:
    """Entry point; what is wrong ends with one sentence."""
    try:
        app()
    except (SecretsError, SiteError) as error:
        fail(str(error), 1)


if __name__ == "__main__":
    sys.exit(main())
