from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.platform import REPOSITORY, make_site
from tomobeam_deploy.site import Broker, Ports, Site, SiteError, from_environment

LITERAL = """
from pathlib import Path
from tomobeam_deploy.site import DataRoots, Ports, Site
site = Site(
    name="here",
    registry=Path("/r.json"),
    data=DataRoots(filestore=Path("/f"), writable=Path("/w"), models=Path("/m"), state=Path("/s")),
    {extra}
)
"""


def load(folder: Path, extra: str = "") -> Site:
    path = folder / "inventory"
    path.write_text(LITERAL.format(extra=extra))
    return Site.load(path)


def test_everything_derived_follows_from_the_ports(tmp_path: Path) -> None:
    site = load(tmp_path, "ports=Ports(tiled=8123)")
    assert site.tiled_url == "http://127.0.0.1:8123"
    assert site.prefect_api_url == "http://127.0.0.1:4200/api"
    assert site.broker is Broker.ACTIVEMQ


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ("retention=3", "retention: unknown key"),
        ("jobs_at_onc=3", "jobs_at_onc: unknown key; did you mean 'jobs_at_once'?"),
        ("ports=Ports(tiledd=1)", "tiledd: unknown key; did you mean 'tiled'?"),
        ("ports=Ports(tiled=0)", "tiled: Input should be greater than 0"),
        ("ports=Ports(tiled=4200)", "ports.prefect_server: 4200 is taken by ports.tiled"),
        ("flow_type='kubernetes'", "flow_type: Input should be"),
    ],
)
def test_a_wrong_inventory_is_refused_by_file_and_key(
    tmp_path: Path, extra: str, sentence: str
) -> None:
    with pytest.raises(SiteError) as error:
        load(tmp_path, extra)
    assert str(tmp_path / "inventory") in str(error.value)
    assert sentence in str(error.value)


def test_a_missing_inventory_and_one_without_a_site_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="no such inventory"):
        Site.load(tmp_path / "nowhere")
    (tmp_path / "empty").write_text("")
    with pytest.raises(SiteError, match="wants exactly one Site"):
        Site.load(tmp_path / "empty")


def test_a_misspelt_port_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOMOBEAM_PORT_TILD", "1")
    with pytest.raises(SiteError, match="TOMOBEAM_PORT_TILD: no such setting; did you mean 'tiled"):
        from_environment(Ports, "TOMOBEAM_PORT_")


def test_the_local_inventory_follows_its_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TOMOBEAM_PORT_TILED", "8765")
    monkeypatch.setenv("TOMOBEAM_DATA", str(tmp_path))
    site = Site.load(REPOSITORY / "inventories" / "local")
    assert site.ports.tiled == 8765
    assert site.data.filestore == tmp_path / "filestore"
    assert site.registry.is_file()


def test_a_site_of_the_tests_has_ports_of_its_own(tmp_path: Path) -> None:
    ports = make_site(tmp_path).ports.model_dump().values()
    assert len(set(ports)) == len(ports)
