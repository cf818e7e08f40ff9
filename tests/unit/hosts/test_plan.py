"""What roles ask of a host, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.hosts.installation import Installation
from tomobeam_deploy.hosts import archives
from tomobeam_deploy.hosts.brought import Packages
from tomobeam_deploy.hosts.deploy import PACKAGES, Stage, plan
from tomobeam_deploy.hosts.resources import Folder, Resource
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.packages import Repository
from tomobeam_deploy.site import Group
from tomobeam_deploy.vault import Vault

Ask = Callable[[Target], list[Resource]]


def role(name: str, *groups: Group, **more: Any) -> ModuleType:
    """A role of these groups, with what its module shall hold."""
    module = ModuleType(f"roles.{name}.deploy")
    module.__dict__.update(GROUPS=groups or tuple(Group), **more)
    return module


def asks(*paths: str) -> Ask:
    return lambda _target: [Folder(path) for path in paths]


def stages(name: str) -> dict[str, Ask]:
    return {stage.value: asks(f"/{name}/{stage}") for stage in Stage}


@pytest.fixture
def control(installation: Installation) -> Target:
    return Target(installation.site(), "control", Vault.load("i13", installation.secrets))


def titles(steps: dict[Any, list[Resource]]) -> list[tuple[str, list[str]]]:
    return [
        (f"{stage} {', '.join(names)}", [resource.title for resource in resources])
        for (stage, names), resources in steps.items()
    ]


def test_stages_follow_each_other_and_activation_follows_needs(control: Target) -> None:
    tiled = role("tiled", NEEDS=("postgresql",), **stages("tiled"))
    postgresql = role("postgresql", **stages("postgresql"))
    page = role("webapp", NEEDS=("tiled", "prefect"), **stages("webapp"))
    prefect = role("prefect", NEEDS=("postgresql",), **stages("prefect"))
    assert titles(plan([tiled, postgresql, page, prefect], control)) == [
        ("install packages", []),
        ("install tiled", ["/tiled/install"]),
        ("install postgresql", ["/postgresql/install"]),
        ("install webapp", ["/webapp/install"]),
        ("install prefect", ["/prefect/install"]),
        ("configure tiled", ["/tiled/configure"]),
        ("configure postgresql", ["/postgresql/configure"]),
        ("configure webapp", ["/webapp/configure"]),
        ("configure prefect", ["/prefect/configure"]),
        ("activate postgresql", ["/postgresql/activate"]),
        ("provision postgresql", ["/postgresql/provision"]),
        ("activate tiled, prefect", ["/tiled/activate", "/prefect/activate"]),
        ("provision tiled, prefect", ["/tiled/provision", "/prefect/provision"]),
        ("activate webapp", ["/webapp/activate"]),
        ("provision webapp", ["/webapp/provision"]),
    ]


def test_every_host_has_the_same_steps_and_only_what_is_for_it(installation: Installation) -> None:
    site, vault = installation.site(), Vault.load("i13", installation.secrets)
    roles = [
        role("base", **stages("base")),
        role("worker", Group.COMPUTE, NEEDS=("base",), **stages("worker")),
    ]
    plans = {host: plan(roles, Target(site, host, vault)) for host in site.hosts}
    assert list(plans["control"]) == list(plans["compute"]) == list(plans["web"])
    assert plans["control"][Stage.ACTIVATE, ("worker",)] == []
    assert plans["compute"][Stage.ACTIVATE, ("worker",)] == [Folder("/worker/activate")]


def test_a_need_that_is_not_deployed_now_holds_nobody_up(control: Target) -> None:
    steps = plan([role("tiled", NEEDS=("postgresql",), activate=asks("/x"))], control)
    assert steps[Stage.ACTIVATE, ("tiled",)] == [Folder("/x")]


def test_a_circle_of_needs_is_refused(control: Target) -> None:
    with pytest.raises(ValueError, match="cycle"):
        plan([role("a", NEEDS=("b",)), role("b", NEEDS=("a",))], control)


def test_what_two_roles_ask_for_alike_is_asked_once(control: Target) -> None:
    steps = plan(
        [role("a", install=asks("/x", "/y")), role("b", install=asks("/x", "/z"))], control
    )
    assert steps[Stage.INSTALL, ("b",)] == [Folder("/z")]


@pytest.mark.parametrize("stage", ["install", "provision"])
def test_what_two_roles_want_differently_is_refused(control: Target, stage: str) -> None:
    private: Ask = lambda _target: [Folder("/x", 0o700)]  # noqa: E731
    roles = [role("a", install=asks("/x")), role("b", **{stage: private})]
    with pytest.raises(ValueError, match=f"^/x: install a and {stage} b want it differently$"):
        plan(roles, control)


def test_packages_of_all_roles_are_installed_together_and_at_first(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, vault = installation.site(), Vault.load("i13", installation.secrets)
    made: list[tuple[tuple[str, ...], str]] = []
    repository = Repository("0123456789abcdef", Path("/archive.tar"), ())

    def make(names: tuple[str, ...], key: str) -> Repository:
        made.append((names, key))
        return repository

    monkeypatch.setattr(archives, "repository", make)

    def of_worker(target: Target) -> tuple[str, ...]:
        return ("podman", target.name)

    roles = [
        role("base", PACKAGES=("nftables", "chrony")),
        role("postgresql", Group.CONTROL, PACKAGES=("postgresql-15", "nftables")),
        role("worker", Group.COMPUTE, PACKAGES=of_worker),
        role("tiled", Group.STORAGE),
    ]
    plans = {host: plan(roles, Target(site, host, vault)) for host in site.hosts}
    assert {next(iter(steps)) for steps in plans.values()} == {PACKAGES}
    wanted = {host: steps[PACKAGES] for host, steps in plans.items()}
    names = {host: [r.names for r in w if isinstance(r, Packages)] for host, w in wanted.items()}
    assert names == {
        "control": [("chrony", "nftables", "postgresql-15")],
        "compute": [("chrony", "compute", "nftables", "podman")],
        "web": [("chrony", "nftables")],
    }
    assert made == []

    [packages] = wanted["web"]
    assert isinstance(packages, Packages)
    assert packages.archive() == Path("/archive.tar")
    everywhere = ("chrony", "compute", "nftables", "podman", "postgresql-15")
    assert made == [(everywhere, "the-package-signing-key")]
    assert "/var/lib/tomobeam-packages/0123456789abcdef" in packages.payload()["script"]
    assert "the-package-signing-key" not in str(packages.wanted() | packages.payload())
