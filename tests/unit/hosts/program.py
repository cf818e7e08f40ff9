"""Runs the very program that hosts run, on this machine."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any, Literal

import pytest

from tomobeam_deploy.hosts.resources import Resource
from tomobeam_deploy.on_host import COMMAND, orders

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="root: files get owners, as on a host")


def send(
    do: Literal["compare", "apply"], *resources: Resource, **uploads: str
) -> subprocess.CompletedProcess[str]:
    """Have resources compared or put right; `uploads` go to bundles of these names."""
    wanted = [_order(resource, do, uploads) for resource in resources]
    return subprocess.run(
        COMMAND, input=orders(do, wanted), capture_output=True, text=True, check=False
    )


def compare(*resources: Resource) -> dict[str, list[str]]:
    """What the program finds."""
    done = send("compare", *resources)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["differences"]


def apply(*resources: Resource, **uploads: str) -> list[str]:
    """Have them put right; which the program says that it was at."""
    done = send("apply", *resources, **uploads)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done.stderr.splitlines()


def fault(do: Literal["compare", "apply"], *resources: Resource, **uploads: str) -> str:
    """The sentence with which the program ends."""
    done = send(do, *resources, **uploads)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def _order(resource: Resource, do: str, uploads: dict[str, str]) -> dict[str, Any]:
    if do == "compare":
        return resource.wanted()
    upload = uploads.get(resource.title)
    more = {} if upload is None else {"upload": upload}
    return resource.wanted() | resource.payload() | more
