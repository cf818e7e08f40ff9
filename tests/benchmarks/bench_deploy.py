"""A deploy with nothing to do: ours, the same state written as an Ansible playbook, and the floor.

All three run on the same lab, which `make lab-test` or a deploy has brought up to date, in turn.
The floor is one SSH connection and one script that reads every fact at once, for each host, side
by side. The playbook is made of the very resources that our roles ask for, with Ansible's own
modules, pipelining and kept connections; its packages are asked of dpkg in one command, which is
quicker than its apt module.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from roles.order import ALL
from tests.deploy.hosts import executed
from tomobeam_deploy import lab
from tomobeam_deploy.hosts import brought
from tomobeam_deploy.hosts import resources as r
from tomobeam_deploy.hosts.deploy import plan
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.in_memory import folder_in_memory
from tomobeam_deploy.lab.state import SSH_CONFIG
from tomobeam_deploy.on_host import BOOTSTRAP, orders
from tomobeam_deploy.renderers.systemd import overriding
from tomobeam_deploy.site import Site
from tomobeam_deploy.templates import ROOT
from tomobeam_deploy.vault import Vault

TIMES = 3
INVENTORY = ROOT / "inventories" / "lab"
# deploy/all.py without its canary, which is no part of the comparison.
DEPLOY = """
from roles.order import ALL
from tomobeam_deploy.hosts.deploy import deploy

deploy(*ALL)
"""
BIN = Path(sys.executable).parent

Task = dict[str, Any]


def asked(site: Site) -> dict[str, list[r.Resource]]:
    """Everything that the roles ask of each host."""
    vault = Vault.load(site.name)
    return {
        host: [one for step in plan(ALL, Target(site, host, vault)).values() for one in step]
        for host in site.hosts
    }


def ours(folder: Path) -> int:
    """One deploy; how many operations changed something."""
    deploy = folder / "deploy.py"
    deploy.write_text(DEPLOY)
    done = subprocess.run(
        [BIN / "pyinfra", str(INVENTORY), str(deploy), "-y", "--json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)["results"]["totals"]["success"]


def floor(wanted: dict[str, list[r.Resource]]) -> None:
    """One connection and one script for each host, all at once."""

    def ask(host: str) -> None:
        command = lab.ssh_command(host, "sudo", "python3", "-c", f"'{BOOTSTRAP}'")
        content = orders("compare", [one.wanted() for one in wanted[host]]).encode()
        subprocess.run(command, input=content, check=True, capture_output=True)

    with ThreadPoolExecutor(len(wanted)) as pool:
        list(pool.map(ask, wanted))


def playbook(wanted: dict[str, list[r.Resource]], folder: Path) -> list[Task]:
    """The same state, in Ansible's words."""
    return [
        {
            "hosts": host,
            "become": True,
            "gather_facts": False,
            "strategy": "free",
            "tasks": [task for one in resources for task in _tasks(one, folder)],
        }
        for host, resources in wanted.items()
    ]


def _tasks(one: r.Resource, folder: Path) -> Iterable[Task]:  # noqa: PLR0912 - a case a kind
    match one:
        case brought.Packages(names):
            yield {"command": {"argv": ["dpkg-query", "--show", *names]}, "changed_when": False}
        case r.SharedGroup(name, gid):
            yield {"group": {"name": name, "gid": gid}}
        case r.Account(name, uid, home, groups):
            yield {"group": {"name": name, "gid": uid}}
            options = {"uid": uid, "group": name, "home": home, "groups": list(groups)}
            yield {"user": {"name": name, "append": True, "create_home": False, **options}}
        case r.Folder(path, mode, owner, group):
            yield {"file": {"path": path, "state": "directory", **_rights(mode, owner, group)}}
        case r.File(path, content, mode, owner, group):
            source = folder / f"{one.digest}"
            source.write_bytes(content)
            yield {"copy": {"src": str(source), "dest": path, **_rights(mode, owner, group)}}
        case r.Link(path, target):
            yield {"file": {"path": path, "src": target, "state": "link", "force": True}}
        case r.Overrides(unit):
            listing = f"ls -d {' '.join(overriding(unit))} || true"
            yield {"shell": {"cmd": listing}, "changed_when": False}
        case r.Masked(unit):
            yield {"systemd_service": {"name": unit, "masked": True}}
        case r.Unit(name):
            # An instance is enabled by who generates it, which Ansible would do again each time.
            enabled = {} if "@" in name else {"enabled": True}
            yield {"systemd_service": {"name": name, "state": "started", **enabled}}
        case r.Ran(_unit, stamp, fingerprint):
            command = f"grep -qx {fingerprint} {stamp}"
            yield {"command": {"cmd": command}, "changed_when": False}
        case r.Schema(stamp=stamp):
            yield {"slurp": {"src": stamp}}
        case r.Command(_name, check, _apply, user, stdin):
            shell = {"cmd": check, **({"stdin": stdin} if stdin else {})}
            yield {"shell": shell, "become_user": user, "changed_when": False, "no_log": True}
        case r.Answers(url) if not url.startswith("tcp:"):
            yield {"uri": {"url": url, **({"ca_path": one.ca} if one.ca else {})}}
        case r.Answers(url):
            address, _, port = url.removeprefix("tcp://").rpartition(":")
            yield {"wait_for": {"host": address, "port": int(port)}}
        case brought.Bundle(_name, marker):
            yield {"command": {"argv": ["test", "-e", marker]}, "changed_when": False}
        case _:
            raise ValueError(f"{one.title}: Ansible has no task here for the kind {one.kind}")


def _rights(mode: int, owner: str, group: str) -> dict[str, str]:
    return {"mode": f"{mode:04o}", "owner": owner, "group": group}


def theirs(folder: Path) -> None:
    """One run of the playbooks of all hosts, side by side."""
    environment = os.environ | {
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_SSH_ARGS": f"-F {SSH_CONFIG} -o ControlMaster=auto -o ControlPersist=60s",
        "ANSIBLE_NOCOLOR": "1",
    }
    runs = [
        subprocess.Popen(
            [BIN / "ansible-playbook", "-i", f"{host},", str(folder / f"{host}.yml")],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for host in lab.hosts()
    ]
    for run in runs:
        output, _ = run.communicate()
        if run.returncode or " changed=0 " not in output.splitlines()[-2]:
            raise SystemExit(_at_fault(output))


def _at_fault(output: str) -> str:
    """The tasks that changed something or failed."""
    tasks = output.split("TASK ")
    return "TASK ".join(t for t in tasks if "changed: [" in t or "fatal: " in t)[-3000:]


def seconds(what: Callable[[], object], times: int = TIMES) -> float:
    """The median of some runs."""
    took = []
    for _ in range(times):
        began = time.monotonic()
        what()
        took.append(time.monotonic() - began)
    return statistics.median(took)


def main() -> None:
    """Measure and print the ratios."""
    site = Site.load(INVENTORY)
    # Ansible copies from files, and some of them are secrets.
    with folder_in_memory("bench-deploy-") as folder:
        if changed := ours(folder):
            sys.stdout.write(f"brought the lab up to date: {changed} operations did something\n")
        wanted = asked(site)
        for play in playbook(wanted, folder):
            text = yaml.safe_dump([play])
            (folder / f"{play['hosts']}.yml").write_text(text)
        # Once shows that its playbook has nothing to do either, and once more takes long enough.
        theirs(folder)
        lowest, our, their = (
            seconds(lambda: floor(wanted)),
            seconds(lambda: ours(folder)),
            seconds(lambda: theirs(folder), 1),
        )
        executions = set(executed(wanted, lambda: ours(folder)).values())
    count = sum(map(len, wanted.values()))
    sys.stdout.write(
        f"{len(wanted)} hosts, {count} resources, nothing to do, median of {TIMES}: floor "
        f"{lowest:.2f} s, ours {our:.2f} s; once: Ansible {their:.1f} s\n"
        f"bench: deploy with nothing to do: ours / floor {our / lowest:.2f}\n"
        f"bench: deploy with nothing to do: Ansible / ours {their / our:.1f}\n"
        "bench: SSH executions for an unchanged host: "
        f"{' or '.join(map(str, sorted(executions)))}\n"
    )


if __name__ == "__main__":
    main()
