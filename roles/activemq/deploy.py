"""ActiveMQ on the control host, as a unit of ours: Debian's tells nobody that the broker ended."""

from __future__ import annotations

import base64
from dataclasses import replace

from roles.activemq.service import HOME, SERVICE
from tomobeam_deploy import tls
from tomobeam_deploy.hosts.resources import Answers, File, Masked, Resource
from tomobeam_deploy.hosts.services import ServiceRole
from tomobeam_deploy.hosts.target import ETC, Target
from tomobeam_deploy.service import Process
from tomobeam_deploy.site import Group
from tomobeam_deploy.templates import render_names

GROUPS = (Group.CONTROL,)
PACKAGES = SERVICE.debian_packages

KEY_STORE = str(ETC / SERVICE.name / "secrets/keystore.p12")

_service = ServiceRole(SERVICE.name, reads=(KEY_STORE,))
install = _service.install
provision = _service.provision


def configure(target: Target) -> list[Resource]:
    """What every service has, and its key store; the configuration is tried when all is there."""
    process = target.processes[SERVICE.name]
    resources = _service.configure(target)
    path = str(process.placement.config / "activemq.xml")
    configuration = next(r for r in resources if isinstance(r, File) and r.path == path)
    resources.remove(configuration)
    return [
        Masked("activemq.service"),
        _key_store(target, process),
        *resources,
        replace(configuration, validate=_trial(process)),
    ]


def activate(target: Target) -> list[Resource]:
    """It runs with what was configured, and accepts where others reach it."""
    site = target.site
    address = f"tcp://{site.broker_address}:{site.broker_port}"
    return [
        replace(r, url=address) if isinstance(r, Answers) else r for r in _service.activate(target)
    ]


def _key_store(target: Target, process: Process) -> File:
    """The host's key and certificate, in the form that Java reads."""
    content = base64.b64decode(target.secret(tls.keystore_name(target.name)))
    user = process.placement.user or "root"
    return File(KEY_STORE, content, mode=0o600, owner=user, group=user)


def _trial(process: Process) -> tuple[str, ...]:
    """The broker's own classes build a broker of it, with its passwords, and do not start it."""
    place = process.placement
    passwords = {
        variable: place.secrets / process.credentials[f"{variable}_FILE"]
        for variable in SERVICE.secrets
    }
    names = {"home": HOME, "passwords": passwords}
    return ("sh", "-c", render_names("activemq/trial.sh.j2", names), "ActiveMQ", "{}")
