from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tomobeam_contracts.flow import FlowType
from tomobeam_contracts.registry import Registry
from tomobeam_flows.launchers.folders import JobFolders
from tomobeam_flows.launchers.process import ProcessLauncher
from tomobeam_flows.parameters import Plan, Refused, kind_of, plan

IMAGE = "https://tiled.example/prefix/api/v1/metadata/recons/beads"
MASK = "https://tiled.example/api/v1/metadata/masks/ada/recons/beads/abc"


def _algorithm(name: str, command: str, tag: str = "v1") -> dict[str, Any]:
    trees = {"type": "int", "name": "t", "title": "Trees", "param_key": "trees", "value": 50}
    return {
        "model_name": name,
        "version": "1",
        "type": "supervised",
        "owner": "us",
        "image_name": "registry.example/pixels",
        "image_tag": tag,
        "is_gpu_enabled": False,
        "application": [],
        "description": "",
        "python_file_name": {"train": f"{command} train", "inference": f"{command} segment"},
        "gui_parameters": [trees],
    }


REGISTRY = Registry.receive(
    {
        "contents": [
            _algorithm("forest", "tomobeam-segment"),
            _algorithm("boosted", "tomobeam-segment"),
            _algorithm("net", "src/net.py", tag="v2"),
        ]
    }
)


LAUNCHER = ProcessLauncher(JobFolders(Path("state")), Path("bin"), {}, 0.0)


def _step(**fields: Any) -> dict[str, Any]:
    io = {"data_tiled_uri": IMAGE, "mask_tiled_uri": MASK}
    return {"params": {"io_parameters": io, "model_parameters": {}}, **fields}


def _plan(*steps: dict[str, Any], **top: Any) -> Plan:
    parameters = {"params_list": list(steps), **top}
    return plan(parameters, REGISTRY, FlowType.PROCESS, {FlowType.PROCESS: LAUNCHER})


def test_newer_form() -> None:
    train, segment = _plan(
        _step(model_name="forest", task_name="train"),
        _step(model_name="forest", task_name="inference"),
    ).steps
    assert train.algorithm.command(train.task) == ["tomobeam-segment", "train"]
    assert train.model_parameters == {"trees": 50}
    assert train.image_path == "recons/beads"
    assert segment.mask_path == "masks/ada/recons/beads/abc"


@pytest.mark.parametrize("command", ["python src/net.py train", "src/net.py  train"])
def test_older_form(command: str) -> None:
    step = _step(image_name="registry.example/pixels", image_tag="v2", command=command)
    (planned,) = _plan(step, flow_type="process").steps
    assert (planned.algorithm.model_name, planned.task) == ("net", "train")


def test_older_form_by_file_name() -> None:
    (planned,) = _plan(_step(conda_env_name="net", python_file_name="src/net.py train")).steps
    assert planned.algorithm.model_name == "net"


def test_older_form_with_the_name_of_the_algorithm() -> None:
    step = _step(model_name="boosted", command="tomobeam-segment train")
    (planned,) = _plan(step).steps
    assert (planned.algorithm.model_name, planned.task) == ("boosted", "train")


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (_step(), "params_list.0.model_name: required"),
        (_step(model_name="forest"), "params_list.0.task_name: required"),
        (_step(model_name="forest", task_name="predict"), "params_list.0.task_name: Input should"),
        (_step(image_name="other", command="x"), "params_list.0.image_name: 'other' is not in"),
        (
            _step(image_name="registry.example/pixels", image_tag="v9", command="x"),
            "params_list.0.image_tag: 'v9' is not in the registry",
        ),
        (
            _step(command="tomobeam-segment train"),
            "is the command of forest (train), boosted (train); add model_name",
        ),
        (_step(command="python"), "params_list.0.command: 'python' is not in the registry"),
        (
            _step(model_name="forest", task_name="train", command="sh -c id"),
            "params_list.0.command: 'sh -c id' is not one of forest",
        ),
        (
            _step(model_name="forest", task_name="train", command="tomobeam-segment segment"),
            "params_list.0.command: 'tomobeam-segment segment' is not one of forest",
        ),
        (
            _step(model_name="forest", task_name="train", image_name="other"),
            "params_list.0.image_name: 'other' is not that of forest",
        ),
        (_step(model_name="forest", task_name="inference"), "uid_retrieve: required"),
    ],
)
def test_refused(step: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        _plan(step)
    assert sentence in str(refused.value)


def test_uid_of_a_model_is_no_path() -> None:
    step = _step(model_name="forest", task_name="inference")
    step["params"]["io_parameters"]["uid_retrieve"] = "../../etc/passwd"
    with pytest.raises(Refused, match="uid_retrieve: not the id of a run"):
        _plan(step)


def test_values_are_not_repeated_in_messages() -> None:
    step = _step(model_name="forest", task_name="train", num_nodes="many-secrets")
    with pytest.raises(Refused) as refused:
        _plan(step)
    assert "params_list.0.num_nodes" in str(refused.value)
    assert "many-secrets" not in str(refused.value)


@pytest.mark.parametrize(
    ("named", "kind"),
    [
        (None, FlowType.PODMAN),
        ("slurm", FlowType.SLURM),
        ("kubernetes", None),
        ({"flow_type": "slurm"}, None),
        (["slurm"], None),
    ],
)
def test_a_kind_that_makes_no_sense_is_none(named: Any, kind: FlowType | None) -> None:
    assert kind_of({"flow_type": named}, FlowType.PODMAN) is kind
