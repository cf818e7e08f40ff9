"""`verify`: whether the hosts are what the site says, as seen from outside of the deploy."""

from __future__ import annotations

import os
import subprocess
import sys
from getpass import getpass
from importlib.util import find_spec

import typer

from tomobeam_deploy.operator import Inventory, SameSudoPassword
from tomobeam_deploy.site import Site, SiteError
from tomobeam_deploy.templates import ROOT

TESTS = ROOT / "tests" / "hosts"
# The variable by which the tests are given the password.
PASSWORD = "TOMOBEAM_SUDO_PASSWORD"
NEEDED = ("pytest", "testinfra")


def verify(
    inventory: Inventory,
    same_sudo_password: SameSudoPassword = False,
) -> None:
    """Test by SSH that every host is as it has to be, and change nothing.

    Units, ports from every host to every other, accounts, secrets, TLS, databases, the broker's
    rights, releases and sandboxes.
    """
    if not Site.load(inventory).hosts:
        raise SiteError(f"{inventory}: hosts: there are none to verify")
    if missing := [name for name in NEEDED if not find_spec(name)]:
        raise SiteError(f"verify needs {' and '.join(missing)}; install them by: make site")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", str(TESTS), "--inventory", str(inventory.resolve())),
            *("--quiet", "--no-header", "--tb=short"),
        ],
        cwd=ROOT,
        env=os.environ | ({PASSWORD: getpass("sudo password: ")} if same_sudo_password else {}),
        check=False,
    )
    if done.returncode:
        raise typer.Exit(done.returncode)
