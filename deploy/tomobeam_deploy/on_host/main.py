"""Carries orders out: compares resources with the host, or puts right what differs."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tomobeam_deploy.on_host.accounts import Account, Group
from tomobeam_deploy.on_host.addresses import Answers
from tomobeam_deploy.on_host.bundles import Bundle
from tomobeam_deploy.on_host.commands import Command
from tomobeam_deploy.on_host.files import File, Folder, Link
from tomobeam_deploy.on_host.images import ContainerImage, FetchedImage
from tomobeam_deploy.on_host.packages import Packages
from tomobeam_deploy.on_host.report import report
from tomobeam_deploy.on_host.resource import Resource
from tomobeam_deploy.on_host.running import Fault, run
from tomobeam_deploy.on_host.schemas import Schema
from tomobeam_deploy.on_host.units import Masked, Overrides, Ran, Unit

KINDS: dict[str, type[Resource]] = {
    "packages": Packages,
    "group": Group,
    "account": Account,
    "folder": Folder,
    "file": File,
    "link": Link,
    "masked": Masked,
    "overrides": Overrides,
    "unit": Unit,
    "ran": Ran,
    "schema": Schema,
    "command": Command,
    "image": ContainerImage,
    "fetched_image": FetchedImage,
    "answers": Answers,
    "bundle": Bundle,
}
# A program whose connection broke may still be at work when the next one comes.
LOCK = "/run/tomobeam-deploy.lock"


def main(orders: dict[str, Any]) -> None:
    """Carry the orders out."""
    os.umask(0o022)
    resources = [_resource(**order) for order in orders["resources"]]
    try:
        match orders["do"]:
            case "compare":
                _say({"now": time.time(), "differences": compare(resources)})
            case "apply":
                with _alone():
                    apply(resources)
            case "remains":
                _say({"now": time.time(), "remains": remains(resources)})
            case "remove":
                with _alone():
                    remove(resources)
            case "report":
                _say(report(**orders["questions"]))
    except Fault as error:
        sys.exit(str(error))


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")


def compare(resources: list[tuple[str, Resource]]) -> dict[str, list[str]]:
    """Title → differences, of every resource that has any."""
    found = {}
    for title, resource in resources:
        with _speaking_of(title):
            if said := resource.differences():
                found[title] = said
    return found


def apply(resources: list[tuple[str, Resource]]) -> None:
    """Put right what differs; everything is started before any address is waited for."""
    for title, resource in sorted(resources, key=lambda each: isinstance(each[1], Answers)):
        with _speaking_of(title):
            if resource.differences():
                sys.stderr.write(f"{title}\n")
                sys.stderr.flush()
                resource.put_right()


def remains(resources: list[tuple[str, Resource]]) -> list[str]:
    """The titles of those of which something is here that `remove` takes away."""
    found = []
    for title, resource in resources:
        with _speaking_of(title):
            if resource.remains():
                found.append(title)
    return found


def remove(resources: list[tuple[str, Resource]]) -> None:
    """Take away what is left of them, in their order."""
    for title, resource in resources:
        with _speaking_of(title):
            if resource.remains():
                sys.stderr.write(f"{title}\n")
                sys.stderr.flush()
                resource.take_away()
                if resource.remains():
                    raise Fault("could not be taken away")
    if any(isinstance(resource, Unit) for _, resource in resources):
        # Their files are gone; systemd forgets the rest.
        run("systemctl", "daemon-reload")


def _resource(kind: str, title: str, **fields: Any) -> tuple[str, Resource]:
    return title, KINDS[kind](**fields)


@contextmanager
def _speaking_of(title: str) -> Iterator[None]:
    """Make what goes wrong a sentence that begins with the resource."""
    try:
        yield
    except Fault as fault:
        raise Fault(f"{title}: {fault}") from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename not in (None, title) else ""
        raise Fault(f"{title}: {where}{error.strerror or error}") from None


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other program puts anything right on this host."""
    descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
