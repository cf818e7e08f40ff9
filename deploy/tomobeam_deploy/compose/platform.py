"""Brings the containers up, waits until all answer and know what they have to, and down."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from tomobeam_deploy.compose.layout import ContainerLayout
from tomobeam_deploy.compose.project import Project
from tomobeam_deploy.images.build import ensure_images
from tomobeam_deploy.images.model import images_of
from tomobeam_deploy.local.readiness import POLL_S, StartError, answers, check_ports
from tomobeam_deploy.renderers.compose import provision_name
from tomobeam_deploy.service import Process
from tomobeam_deploy.site import Site

Report = Callable[[str, str], None]

# What starts so often and fails needs no further attempt but a person.
RESTARTS_LIMIT = 5


class ContainerPlatform:
    """The platform, in containers of this machine; its images stand on `base`."""

    def __init__(self, site: Site, base: str, report: Report):
        self.site = site
        self.layout = ContainerLayout(site)
        self.processes = self.layout.processes()
        self.project = Project(site, self.layout.file)
        self._base = base
        self._report = report

    def write(self) -> None:
        """Images that changed, folders, secrets, configuration, and the compose file.

        Raises:
            ContainersError: an image cannot be made.
            StartError: the folder is another user's, or a runtime's socket is not there.
        """
        jobs = [image.name for image in images_of(self.site).values() if not image.services]
        in_containers = jobs if self.site.launchers.in_containers else []
        images = ensure_images(self.site, self._base, [*self.processes, *in_containers])
        self.layout.write(self.processes)
        self.layout.write_file(self.processes, images)

    def up(self) -> None:
        """Everything runs and answers.

        Raises:
            ContainersError: the runtime refuses.
            StartError: a port is in use, or a service does not come up.
        """
        self.project.check()
        self.write()
        there = self.project.states()
        wanted = {*self.processes, *map(provision_name, self.processes)}
        # Of another database or broker. podman-compose would remove more with --remove-orphans.
        self.project.remove(state for service, state in there.items() if service not in wanted)
        check_ports({n: p for n, p in self.processes.items() if n not in there})
        self.project.call("up", "--detach")
        self.wait()

    def wait(self) -> None:
        """Return once everything answers and is provisioned.

        Raises:
            StartError: one does not; the message holds the end of its log.
        """
        begin = time.monotonic()
        limit = max(p.service.health.start_limit_s for p in self.processes.values())
        waiting = dict(self.processes)
        provisioning = {n for n, p in self.processes.items() if p.provision}
        while waiting or provisioning:
            for name in [name for name, process in waiting.items() if answers(process)]:
                del waiting[name]
                self._report(name, "answers")
            provisioning -= self._looked_at(waiting, provisioning)
            if waiting or provisioning:
                if time.monotonic() - begin > limit:
                    late = next(iter(waiting), "") or provision_name(min(provisioning))
                    raise self._failure(late, f"is not up after {limit} s")
                time.sleep(POLL_S)

    def _looked_at(self, waiting: dict[str, Process], provisioning: set[str]) -> set[str]:
        """Those whose provisioning has ended well."""
        states = self.project.states()
        for name in (*waiting, *map(provision_name, provisioning)):
            state = states.get(name)
            if state is None:
                raise self._failure(name, "has no container")
            if state.restarts >= RESTARTS_LIMIT:
                raise self._failure(name, f"was started {state.restarts} times")
        states = {name: states[provision_name(name)] for name in provisioning}
        ended = {name for name, state in states.items() if state.ended and not state.exit_code}
        for name in ended:
            self._report(name, "provisioned")
        return ended

    def _failure(self, service: str, what: str) -> StartError:
        return StartError(
            f"{service} {what}; make compose-logs shows all. The end of its log:\n"
            f"{self.project.tail(service)}"
        )

    def down(self) -> None:
        """No container is left; the data stays."""
        self.project.end()

    def logs(self, services: list[str], *, follow: bool) -> None:
        """Become the compose tool that shows them.

        Raises:
            ContainersError: the tool is missing.
            StartError: nothing was started.
        """
        if not self.project.states():
            raise StartError("there are no containers: start with make compose-up")
        command = self.project.command("logs", *(["--follow"] if follow else []), *services)
        os.execv(command[0], command)
