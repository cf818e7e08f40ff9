"""What Prefect's server keeps, and for how long, is the site's to say in every profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.settings import Settings

from tests.support.platform import make_site
from tests.unit.roles.beamline import load
from tests.unit.roles.named_secrets import target
from tomobeam_deploy.compose.layout import ContainerLayout
from tomobeam_deploy.local.layout import Layout
from tomobeam_deploy.site import Containers

NAME = "prefect-server"
Profile = Callable[[Path, int], Mapping[str, str]]


def on_a_host(_folder: Path, days: int) -> Mapping[str, str]:
    return target(load(keep_runs_days=days), "control").processes[NAME].environment


def as_a_child(folder: Path, days: int) -> Mapping[str, str]:
    return Layout(make_site(folder, keep_runs_days=days)).processes()[NAME].environment


def as_a_container(folder: Path, days: int) -> Mapping[str, str]:
    containers = Containers(user="1000:100")
    site = make_site(folder, keep_runs_days=days, containers=containers)
    return ContainerLayout(site).processes()[NAME].environment


@pytest.mark.parametrize("profile", [on_a_host, as_a_child, as_a_container])
def test_prefect_reads_from_its_environment_how_long_the_site_keeps_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: Profile
) -> None:
    for variable, value in profile(tmp_path, 17).items():
        monkeypatch.setenv(variable, value)
    server = Settings().server
    assert server.services.db_vacuum.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    assert server.services.db_vacuum.retention_period == timedelta(days=17)
    assert server.events.retention_period == timedelta(days=17)
