"""Every service of the catalogue, in its place and in two renderings."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from tests.support.platform import make_site
from tomobeam_contracts.destinations import INGEST_QUEUE, SCAN_TOPIC
from tomobeam_deploy.catalogue import services_of
from tomobeam_deploy.renderers.child import child_command, provision_command
from tomobeam_deploy.renderers.systemd import render_unit, unit_name
from tomobeam_deploy.secrets import ensure_secrets, read_secret, secret_names
from tomobeam_deploy.service import DescriptionError, Placement, Process, place
from tomobeam_deploy.site import Broker
from tomobeam_deploy.templates import render


def on_a_host(folder: Path, name: str) -> Process:
    site = make_site(folder, broker=Broker.EMBEDDED)
    service = services_of(site)[name]
    placement = Placement(
        site=site,
        bin=Path("/opt/tomobeam") / name / "current/bin",
        config=Path("/etc/tomobeam") / name,
        state=Path("/var/lib/tomobeam") / name,
        secrets=Path("/etc/tomobeam/secrets"),
        user=f"tomobeam-{name}",
        values={"job_bin": "/opt/tomobeam/segmentation/current/bin"},
    )
    return place(service, placement)


NAMES = ["broker", "tiled", "prefect-server", "ingester", "worker", "webapp"]


def test_each_service_comes_after_what_it_needs(tmp_path: Path) -> None:
    services = services_of(make_site(tmp_path))
    assert list(services) == NAMES
    for number, service in enumerate(services.values()):
        assert set(service.needs) <= set(NAMES[:number])


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_holds_what_the_child_is_started_with(tmp_path: Path, name: str) -> None:
    process = on_a_host(tmp_path, name)
    unit = render_unit(process)
    child = child_command(process)
    words = " ".join(f'"{word}"' for word in process.argv)
    assert f"ExecStart={words}\n" in unit
    assert child.argv[-len(process.argv) :] == process.argv
    for variable, secret in process.credentials.items():
        assert f"LoadCredential={secret}:/etc/tomobeam/secrets/{secret}" in unit
        assert f'Environment="{variable}=%d/{secret}"' in unit
        assert child.environment[variable] == f"/etc/tomobeam/secrets/{secret}"


def test_a_unit_waits_for_the_needs_of_its_service(tmp_path: Path) -> None:
    assert f"After=network-online.target {unit_name('broker')} {unit_name('tiled')}\n" in (
        render_unit(on_a_host(tmp_path, "ingester"))
    )


def test_what_systemd_expands_is_escaped(tmp_path: Path) -> None:
    process = on_a_host(tmp_path, "broker")
    odd = replace(process, argv=("run", '100% "$HOME" \\'), environment={"ODD": '5% "$x" \\'})
    unit = render_unit(odd)
    assert 'ExecStart="run" "100%% \\"$$HOME\\" \\\\"' in unit
    assert 'Environment="ODD=5%% \\"$x\\" \\\\"' in unit


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_systemd_accepts_the_unit(tmp_path: Path, name: str) -> None:
    process = on_a_host(tmp_path, name)
    # systemd-analyze looks for the program, which is not installed on this machine.
    unit = render_unit(replace(process, argv=("/bin/true",), prepare=()))
    path = tmp_path / unit_name(name)
    path.write_text(unit)
    verdict = subprocess.run(
        ["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False
    )
    assert str(path.name) not in verdict.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_template_of_a_service_renders(tmp_path: Path, name: str) -> None:
    process = on_a_host(tmp_path, name)
    for template in process.service.files:
        assert render(template, process).strip()


def test_activemq_is_told_the_names_of_the_wires(tmp_path: Path) -> None:
    site = make_site(tmp_path, broker=Broker.ACTIVEMQ)
    service = services_of(site)["broker"]
    process = place(service, on_a_host(tmp_path, "broker").placement)
    texts = [render(template, process) for template in service.files]
    assert ElementTree.fromstring(texts[0]).tag.endswith("beans")
    assert SCAN_TOPIC in texts[0]
    assert INGEST_QUEUE in texts[0]
    assert "SuccessExitStatus=143" in render_unit(process)


def test_tiled_is_told_its_roots_and_no_secret(tmp_path: Path) -> None:
    process = on_a_host(tmp_path, "tiled")
    config = yaml.safe_load(render("tiled/etc/tomobeam/tiled.yml.j2", process))
    assert config["authentication"]["allow_anonymous_access"] is False
    tree = config["trees"][0]["args"]
    assert tree["readable_storage"] == [str(tmp_path / "filestore")]
    assert config["uvicorn"]["port"] == process.port
    assert config["authentication"]["secret_keys"] == ["${TILED_SECRET_KEY}"]


def test_an_unknown_name_in_a_description_is_refused(tmp_path: Path) -> None:
    process = on_a_host(tmp_path, "tiled")
    wrong = replace(process.service, settings={"X": "{site.nowhere}"})
    with pytest.raises(DescriptionError, match=r"tiled: settings.X: '\{site.nowhere\}'"):
        place(wrong, process.placement)


def test_a_missing_template_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DescriptionError, match=r"tiled: templates/nowhere\.j2"):
        render("nowhere.j2", on_a_host(tmp_path, "tiled"))


def test_secrets_are_generated_once_for_their_owner_only(tmp_path: Path) -> None:
    names = set().union(*(secret_names(on_a_host(tmp_path, n).service) for n in NAMES))
    folder = tmp_path / "secrets"
    ensure_secrets(folder, names)
    first = {name: read_secret(folder, name) for name in names}
    (folder / "tiled-admin").chmod(0o644)
    ensure_secrets(folder, names)
    assert {name: read_secret(folder, name) for name in names} == first
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert len(set(first.values())) == len(first)
    assert all(bytes.fromhex(first[n]) for n in names if n.startswith("tiled-key-"))


def test_provisioning_knows_the_running_server(tmp_path: Path) -> None:
    process = on_a_host(tmp_path, "prefect-server")
    command = provision_command(process)
    assert command is not None
    assert command.environment["TOMOBEAM_PREFECT_API_URL"] == process.placement.site.prefect_api_url
