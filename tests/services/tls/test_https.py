"""Every client of Tiled and Prefect, over TLS with a CA that only `SSL_CERT_FILE` names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from tests.services.flows.prefect_api import PrefectApi
from tests.services.segmentation.jobs import Lab, paint
from tests.services.tls.conftest import Beamline
from tests.support.platform import free_ports
from tests.support.processes import running
from tests.support.stacks import add_recon
from tests.support.waiting import wait_for
from tomobeam_common.tiled import TiledClient, TiledUnavailable
from tomobeam_contracts.destinations import RESULTS
from tomobeam_contracts.tree import metadata_uri, result_path

BIN = Path(sys.executable).parent
PASSWORD = "correct horse battery"


@pytest.fixture
def lab(beamline: Beamline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Lab]:
    monkeypatch.setenv("SSL_CERT_FILE", str(beamline.ca))
    lab = Lab(beamline.tiled_url, beamline.platform.secret("tiled-key-job"), tmp_path)
    yield lab
    lab.client.close()


def test_a_strange_ca_is_named(beamline: Beamline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    key = SecretStr(beamline.platform.secret("tiled-key-job"))
    with (
        TiledClient(beamline.tiled_url, key) as tiled,
        pytest.raises(TiledUnavailable, match="certificate verify failed"),
    ):
        tiled.node("")


def test_a_flow_from_request_to_result(beamline: Beamline, lab: Lab, tmp_path: Path) -> None:
    """The provisioning, the worker, and a real job that it launches."""
    painted = paint(lab)
    settings = beamline.platform.provision_environment("prefect-server") | {
        "SSL_CERT_FILE": str(beamline.ca),
        "TOMOBEAM_PREFECT_API_URL": beamline.prefect_api_url,
    }
    subprocess.run([BIN / "tomobeam-flows", "provision"], env=settings, check=True)
    io = {
        "data_tiled_uri": lab.uri(painted.image_path),
        "mask_tiled_uri": lab.uri(painted.mask_path),
        "seg_tiled_uri": metadata_uri(lab.url, RESULTS),
    }
    steps = [
        {"model_name": "random-forest", "task_name": task, "params": {"io_parameters": io}}
        for task in ("train", "inference")
    ]
    log = tmp_path / "worker.log"
    port = free_ports(["worker"])["worker"]
    environment = beamline.environment(
        "worker",
        TOMOBEAM_WORKER_PORT=str(port),
        TOMOBEAM_WORKER_STATE=str(tmp_path / "worker"),
        TOMOBEAM_MODELS_DIR=str(tmp_path / "models"),
    )
    auth = beamline.platform.secret("prefect-auth")
    with (
        running(
            (str(BIN / "tomobeam-flows"), "worker"),
            environment,
            log,
            f"http://127.0.0.1:{port}/healthz",
        ),
        PrefectApi(beamline.prefect_api_url, auth) as api,
    ):
        run = api.wait_final(run_id := api.start({"params_list": steps}))
        assert run["state"]["type"] == "COMPLETED", (run["state"], log.read_text()[-3000:])
        inference = api.children(run_id)[-1]
    assert lab.status(inference["id"]) == "complete", result_path(inference["id"])
    assert "certificate" not in log.read_text().lower()


def test_the_page_is_told_of_a_scan_and_sees_the_jobs(
    beamline: Beamline, lab: Lab, tmp_path: Path
) -> None:
    port = free_ports(["page"])["page"]
    url = f"http://127.0.0.1:{port}"
    environment = beamline.environment(
        "webapp",
        TOMOBEAM_WEBAPP_STATE=str(tmp_path / "page"),
        TOMOBEAM_WEBAPP_PORT=str(port),
    )
    subprocess.run(
        [BIN / "tomobeam-webapp", "user", "add", "alice"],
        input=PASSWORD, text=True, env=environment, check=True,
    )  # fmt: skip
    argv = [BIN / "gunicorn", "--no-control-socket", "--bind", f"127.0.0.1:{port}"]
    argv += ["--threads", "4", "tomobeam_webapp.wsgi:server"]
    log = tmp_path / "page.log"
    with (
        running(tuple(map(str, argv)), environment, log, f"{url}/healthz"),
        httpx.Client(base_url=url) as browser,
    ):
        browser.get("/login")
        form = {"name": "alice", "password": PASSWORD, "csrf_token": browser.cookies["_csrf_token"]}
        assert browser.post("/login", data=form).status_code == 303

        def versions() -> dict[str, str]:
            return browser.get("/events").json()["versions"]

        wait_for(lambda: all(browser.get("/events").json()["loaded"].values()), "both lists")
        before = versions()["recons"]
        add_recon(lab.client, "over_tls", paint(lab).image)
        wait_for(lambda: versions()["recons"] != before, "the scan", 20)
        feeds = browser.get("/healthz").json()["feeds"]
    assert feeds == dict.fromkeys(feeds, True)
    assert "jobs" in feeds
    # Without the stream the page would have looked by itself, a few seconds later.
    assert "stream of Tiled is closed" not in log.read_text()
