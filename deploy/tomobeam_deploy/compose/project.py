"""The containers of one compose file, through podman-compose or docker compose."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomobeam_deploy.images.runtime import ContainersError, call, find
from tomobeam_deploy.site import Runtime, Site, project_name

# Where podman's packages put its helpers.
_HELPERS = (
    "/usr/lib/podman",
    "/usr/libexec/podman",
    "/usr/local/libexec/podman",
    "/opt/podman/bin",
)


@dataclass(frozen=True)
class State:
    """What a container is doing."""

    name: str
    pid: int
    running: bool
    ended: bool
    exit_code: int
    restarts: int


@dataclass(frozen=True)
class Project:
    """One platform's containers, whoever started them."""

    site: Site
    file: Path

    @property
    def runtime(self) -> Runtime:
        """What runs them."""
        assert self.site.containers, "a site of containers"
        return self.site.containers.runtime

    def command(self, *arguments: str) -> list[str]:
        """The compose tool, with words for it.

        Raises:
            ContainersError: it is missing.
        """
        chosen = ("--file", str(self.file), *arguments)
        if self.runtime is Runtime.DOCKER:
            return [find(Runtime.DOCKER), "compose", *chosen]
        find(Runtime.PODMAN)
        # It belongs to this environment, and finds podman on PATH.
        return [str(Path(sys.prefix) / "bin/podman-compose"), "--in-pod=false", *chosen]

    def check(self) -> None:
        """See that containers can find each other by name.

        Raises:
            ContainersError: the runtime is missing, or lacks what answers for names.
        """
        if self.runtime is Runtime.DOCKER:
            return
        backend = call(Runtime.PODMAN, "info", "--format={{.Host.NetworkBackend}}")
        helpers = [Path(folder) / "aardvark-dns" for folder in _HELPERS]
        if backend.strip() == "netavark" and not any(helper.exists() for helper in helpers):
            raise ContainersError(
                "podman gives containers no names without aardvark-dns: install the package of "
                "that name"
            )

    def call(self, *arguments: str) -> None:
        """Run the compose tool.

        Raises:
            ContainersError: it fails; the message is the end of what it said.
        """
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise ContainersError(
                f"compose {arguments[0]} ends with {done.returncode}:\n"
                f"{_faults(done.stdout + done.stderr)}"
            )

    def states(self) -> dict[str, State]:
        """By service, its container, if there is one."""
        found = {}
        for container in self._inspected():
            labels = container["Config"]["Labels"]
            service = labels.get("com.docker.compose.service", "")
            state = container["State"]
            found[service] = State(
                name=container["Name"].lstrip("/"),
                pid=state["Pid"],
                running=state["Status"] == "running",
                ended=state["Status"] in ("exited", "dead"),
                exit_code=state["ExitCode"],
                restarts=container.get("RestartCount", 0),
            )
        return found

    def remove(self, states: Iterable[State]) -> None:
        """End some containers in good order, and remove them."""
        names = [state.name for state in states]
        if names:
            call(self.runtime, "stop", *names)
            call(self.runtime, "rm", *names)

    def end(self) -> None:
        """End all of its containers, whatever the compose file says now, and its network.

        Raises:
            ContainersError: the runtime refuses.
        """
        network = project_name(self.site.name)
        self.remove(self.states().values())
        if network in call(self.runtime, "network", "ls", "--format={{.Name}}").split():
            call(self.runtime, "network", "rm", network)

    def exec(self, service: str, *words: str) -> list[str]:
        """A command line that runs a program in a service's container, with what it has.

        Raises:
            ContainersError: it does not run.
        """
        state = self.states().get(service)
        if state is None or not state.running:
            raise ContainersError(f"{service} does not run; start everything with: make compose-up")
        return [find(self.runtime), "exec", "--interactive", state.name, *words]

    def tail(self, service: str, lines: int = 20) -> str:
        """The end of what a container printed."""
        state = self.states().get(service)
        if state is None:
            return ""
        done = subprocess.run(
            [find(self.runtime), "logs", f"--tail={lines}", state.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        return done.stdout.rstrip()

    def _inspected(self) -> list[dict[str, Any]]:
        label = f"label=com.docker.compose.project={project_name(self.site.name)}"
        listed = call(self.runtime, "ps", "--all", "--quiet", "--no-trunc", f"--filter={label}")
        names = listed.split()
        if not names:
            return []
        return json.loads(call(self.runtime, "inspect", "--type=container", *names))


def _faults(said: str) -> str:
    """Of what a compose tool said, why it failed: each container has lines of its own."""
    lines = said.strip().splitlines()
    faults = [line for line in lines if line.lower().startswith("error")]
    return "\n".join(dict.fromkeys(faults or lines[-15:]))
