"""Wrong parameters: the run fails at once, and its message names the field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.services.flows.conftest import Bench, WorkerProcess

Change = Callable[[Bench, dict[str, Any], dict[str, Any]], None]


def _io(step: dict[str, Any]) -> dict[str, Any]:
    return step["params"]["io_parameters"]


def _unknown_algorithm(_: Bench, __: dict[str, Any], step: dict[str, Any]) -> None:
    step["model_name"] = "clever-net"


def _wrong_type(_: Bench, __: dict[str, Any], step: dict[str, Any]) -> None:
    step["params"]["model_parameters"] = {"seconds": "many"}


def _unknown_parameter(_: Bench, __: dict[str, Any], step: dict[str, Any]) -> None:
    step["params"]["model_parameters"] = {"depth": 3}


def _mask_not_given(_: Bench, __: dict[str, Any], step: dict[str, Any]) -> None:
    del _io(step)["mask_tiled_uri"]


def _mask_not_there(bench: Bench, _: dict[str, Any], step: dict[str, Any]) -> None:
    _io(step)["mask_tiled_uri"] = bench.uri("masks/ada/recons/one/nothing")


def _mask_of_another_image(bench: Bench, _: dict[str, Any], step: dict[str, Any]) -> None:
    _io(step)["mask_tiled_uri"] = bench.uri("masks/ada/recons/two/digest")


def _image_not_there(bench: Bench, _: dict[str, Any], step: dict[str, Any]) -> None:
    _io(step)["data_tiled_uri"] = bench.uri("recons/nothing")


def _image_is_a_folder(bench: Bench, _: dict[str, Any], step: dict[str, Any]) -> None:
    _io(step)["data_tiled_uri"] = bench.uri("recons")


def _no_uri(_: Bench, __: dict[str, Any], step: dict[str, Any]) -> None:
    _io(step)["data_tiled_uri"] = "recons/one"


def _results_elsewhere(bench: Bench, _: dict[str, Any], step: dict[str, Any]) -> None:
    _io(step)["seg_tiled_uri"] = bench.uri("recons")


def _not_offered(_: Bench, parameters: dict[str, Any], __: dict[str, Any]) -> None:
    parameters["flow_type"] = "podman"


def _no_such_flow_type(_: Bench, parameters: dict[str, Any], __: dict[str, Any]) -> None:
    parameters["flow_type"] = "ssh"


def _no_steps(_: Bench, parameters: dict[str, Any], __: dict[str, Any]) -> None:
    parameters["params_list"] = []


def _command_not_listed(_: Bench, __: dict[str, Any], step: dict[str, Any]) -> None:
    del step["model_name"], step["task_name"]
    step |= {"image_name": "registry.example/teller", "command": "sh -c 'rm -rf /'"}


def _not_installed(_: Bench, __: dict[str, Any], step: dict[str, Any]) -> None:
    step["model_name"] = "absent"


CASES: list[tuple[Change, str]] = [
    (_unknown_algorithm, "params_list.0.model_name: no algorithm 'clever-net'; there are: teller"),
    (_wrong_type, "params_list.0.params.model_parameters.seconds: 'many' is not a whole number"),
    (_unknown_parameter, "params_list.0.params.model_parameters.depth: teller has no such"),
    (_mask_not_given, "params_list.0.params.io_parameters.mask_tiled_uri: required for training"),
    (_mask_not_there, "io_parameters.mask_tiled_uri: there is no /masks/ada/recons/one/nothing"),
    (_mask_of_another_image, "io_parameters.mask_tiled_uri: this mask is of another image:"),
    (_image_not_there, "io_parameters.data_tiled_uri: there is no /recons/nothing in Tiled"),
    (_image_is_a_folder, "io_parameters.data_tiled_uri: /recons is no array (z, y, x)"),
    (_no_uri, "params_list.0.params.io_parameters.data_tiled_uri: Value error, not a Tiled"),
    (_results_elsewhere, "io_parameters.seg_tiled_uri: results are written to /results only"),
    (_not_offered, "flow_type: 'podman' is not offered here; this site runs: process"),
    (_no_such_flow_type, "flow_type: Input should be 'process', 'podman'"),
    (_no_steps, "params_list: List should have at least 1 item"),
    (_command_not_listed, "params_list.0.command: \"sh -c 'rm -rf /'\" is not in the registry"),
    (_not_installed, "the command 'not-installed' is not in"),
]


@pytest.mark.parametrize(
    ("change", "sentence"), CASES, ids=lambda case: getattr(case, "__name__", "")
)
def test_refused(bench: Bench, worker: WorkerProcess, change: Change, sentence: str) -> None:
    step = bench.step("teller", "train")
    parameters: dict[str, Any] = {"params_list": [step]}
    change(bench, parameters, step)
    run_id = bench.api.start(parameters)
    run = bench.api.wait_final(run_id)
    assert run["state"]["type"] == "FAILED"
    assert sentence in run["state"]["message"]


def test_failed_job_tells_its_last_lines(bench: Bench, worker: WorkerProcess) -> None:
    run_id = bench.api.start({"params_list": [bench.step("failing", "train")]})
    message = bench.api.wait_final(run_id)["state"]["message"]
    assert "Step 1 of 1, train with failing: failing train: exit code 3. Last lines:" in message
    assert "ValueError: the mask is empty" in message


def test_killed_job_is_explained(bench: Bench, worker: WorkerProcess) -> None:
    run_id = bench.api.start({"params_list": [bench.step("failing", "inference")]})
    message = bench.api.wait_final(run_id)["state"]["message"]
    assert "killed by SIGKILL (signal 9): most likely the memory ran out" in message
