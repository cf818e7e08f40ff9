"""`tomobeam-site`: looks after an installation on many hosts."""

from __future__ import annotations

import sys

import typer

from tomobeam_common.settings import fail
from tomobeam_deploy import secrets_cli
from tomobeam_deploy.operator.canary import canary
from tomobeam_deploy.operator.check import check
from tomobeam_deploy.operator.drift import DIFFERS, HostsDiffer, drift
from tomobeam_deploy.operator.reference import reference
from tomobeam_deploy.operator.rollback import rollback
from tomobeam_deploy.operator.status import status
from tomobeam_deploy.operator.trust import trust
from tomobeam_deploy.operator.uninstall import uninstall
from tomobeam_deploy.operator.verify import verify
from tomobeam_deploy.secrets import SecretsError
from tomobeam_deploy.site import SiteError

app = typer.Typer(
    no_args_is_help=True, help=__doc__, add_completion=False, pretty_exceptions_enable=False
)
app.add_typer(secrets_cli.app, name="secrets", help="Make, rotate and share secrets.")
app.command()(trust)
app.command()(check)
app.command()(status)
app.command()(drift)
app.command()(canary)
app.command()(verify)
app.command()(rollback)
app.command()(uninstall)
app.command()(reference)


def main() -> None:
    """Entry point; what is wrong ends with one sentence and 1, hosts that differ with 2."""
    try:
        app()
    except SystemExit as end:
        # typer ends with 2 for a mistyped command.
        sys.exit(1 if end.code == DIFFERS else end.code)
    except HostsDiffer:
        sys.exit(DIFFERS)
    except (SecretsError, SiteError) as error:
        fail(str(error), 1)


if __name__ == "__main__":
    main()
