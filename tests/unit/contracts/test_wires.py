"""The wires against golden examples: what the field sends, and what we send."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.platform import REPOSITORY
from tomobeam_contracts import schemas
from tomobeam_contracts.flow import FlowType, LaunchParameters, job_label, run_tags
from tomobeam_contracts.job import JobFile, Progress
from tomobeam_contracts.registry import GuiParameter, Registry, RegistryError
from tomobeam_contracts.scan import ScanReady, ScanStatus
from tomobeam_contracts.tree import (
    MaskClass,
    annotation_digest,
    mask_path,
    metadata_uri,
    recon_key,
    safe_key,
    tree_path,
)
from tomobeam_contracts.wire import explain

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text())


def test_a_dawn_message_is_understood() -> None:
    message = ScanReady.receive(golden("scan-ready-dawn.json"))
    assert message.file_path.startswith("//dls")
    assert message.status is None


def test_a_gda_message_is_understood_and_its_other_keys_ignored() -> None:
    message = ScanReady.receive(golden("scan-ready-gda.json"))
    assert message.status is ScanStatus.FINISHED
    assert message.status.writing_has_ended


def test_our_message_is_sent_as_the_golden_example() -> None:
    document = golden("scan-ready-ours.json")
    assert ScanReady(**document).to_wire() == document


def test_a_misspelt_field_is_never_sent() -> None:
    with pytest.raises(ValidationError, match="imageCont"):
        ScanReady(filePath="/x", imageCont=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "filePath"),
        ({"filePath": 3}, "filePath"),
        ({"filePath": ""}, "filePath"),
        ({"filePath": "/x", "status": "GONE"}, "status"),
        ({"filePath": "/x", "imageCount": 0}, "imageCount"),
    ],
)
def test_a_wrong_message_is_refused_by_field_without_its_value(
    body: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as error:
        ScanReady.receive(body)
    assert explain(error.value, "message").startswith(f"message: {field}: ")


def test_both_forms_of_a_launch_are_understood() -> None:
    new = LaunchParameters.receive(golden("launch-new-form.json"))
    assert [step.task_name for step in new.params_list] == ["train", "inference"]
    assert new.flow_type is None
    old = LaunchParameters.receive(golden("launch-older-form.json"))
    assert old.flow_type is FlowType.PODMAN
    assert old.params_list[0].image_tag == "main"
    assert old.params_list[0].params.io_parameters.seg_tiled_uri is None


def test_a_launch_carries_no_credentials() -> None:
    document = golden("launch-new-form.json")
    document["params_list"][0]["params"]["io_parameters"]["data_tiled_api_key"] = "x"
    assert "data_tiled_api_key" not in str(LaunchParameters.receive(document).to_wire())


def test_a_uri_that_names_no_node_is_refused_by_field() -> None:
    document = golden("launch-new-form.json")
    document["params_list"][0]["params"]["io_parameters"]["data_tiled_uri"] = "http://t:8000/x"
    with pytest.raises(ValidationError) as error:
        LaunchParameters.receive(document)
    assert "params_list.0.params.io_parameters.data_tiled_uri" in explain(error.value, "parameters")


def test_the_job_file_is_written_as_the_golden_example() -> None:
    path = GOLDEN / "job-file.yaml"
    assert JobFile.read(path).to_yaml() == path.read_text()
    assert "0a0b0c" not in repr(JobFile.read(path))


@given(
    st.integers(0, 10**6),
    st.integers(1, 10**6),
    st.text(st.characters(codec="ascii", exclude_categories=["C"])),
)
def test_progress_survives_its_line(done: int, total: int, what: str) -> None:
    progress = Progress(done=done, total=total, what=what.strip())
    assert Progress.parse(str(progress)) == progress


@pytest.mark.parametrize("line", ["", "progress", "progress 1", "progress 1/0", "in progress 1/2"])
def test_other_lines_are_no_progress(line: str) -> None:
    assert Progress.parse(line) is None


@given(st.lists(st.text(min_size=1), min_size=1))
def test_a_tree_path_survives_its_uri(parts: list[str]) -> None:
    path = "/".join(safe_key(part) for part in parts)
    assert tree_path(metadata_uri("https://host/tiled/", path)) == path


@pytest.mark.parametrize("uri", ["", "recons/x", "http://t/api/v1/metadata/", "http://t/api/v1/x"])
def test_what_is_no_metadata_uri_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="not a Tiled metadata URI"):
        tree_path(uri)


def test_a_key_is_told_apart_only_when_another_source_holds_it() -> None:
    assert recon_key("20261123_a b", "/s/1", taken=False) == "20261123_a_b"
    assert recon_key("x", "/s/1", taken=True) != recon_key("x", "/s/2", taken=True)


def test_the_same_drawing_has_the_same_digest() -> None:
    classes = [MaskClass(name="pore", color="#ff0000")]
    one = annotation_digest({"3": [{"kind": "circle", "r": 4}], "1": []}, classes)
    assert one == annotation_digest({"1": [], "3": [{"r": 4, "kind": "circle"}]}, classes)
    assert one != annotation_digest({"1": [], "3": [{"r": 5, "kind": "circle"}]}, classes)
    assert mask_path("al ice", "/recons/x", one) == f"masks/al_ice/recons/x/{one}"


def test_runs_are_named_and_tagged_as_clients_expect() -> None:
    when = datetime(2026, 11, 3, 9, 5, 1, tzinfo=UTC)
    assert job_label("beads", when) == "beads 2026/11/03 09:05:01"
    assert run_tags("train", "recons/x") == ["high-res-segmentation", "train", "recons/x"]


def parameter(kind: str, **rest: Any) -> GuiParameter:
    return GuiParameter(type=kind, name="n", title="N", param_key="n", **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        (parameter("int", min=1, max=5), 9, "n: 9 is not a whole number at least 1 and at most 5"),
        (parameter("int"), 1.5, "n: 1.5 is not a whole number"),
        (parameter("int"), True, "n: True is not a whole number"),
        (parameter("float"), "1", "n: '1' is not a number"),
        (parameter("bool"), 1, "n: 1 is not true or false"),
        (parameter("str"), 1, "n: 1 is not a text"),
        (
            parameter("dropdown", options=[{"label": "A", "value": "a"}]),
            "b",
            "n: 'b' is not one of a",
        ),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(
    field: GuiParameter, value: Any, sentence: str
) -> None:
    with pytest.raises(RegistryError) as error:
        field.check(value)
    assert str(error.value) == sentence


def test_the_registry_of_the_platform_is_valid_and_its_defaults_pass() -> None:
    path = REPOSITORY / "services/segmentation/src/tomobeam_segmentation/registry.json"
    registry = Registry.read(path)
    assert registry.contents
    for algorithm in registry.contents:
        algorithm.check_parameters({p.param_key: p.default for p in algorithm.gui_parameters})
    with pytest.raises(RegistryError, match="model_name: no algorithm 'x'; there are: "):
        registry.find("x")


def test_a_broken_registry_is_refused_by_file_and_field(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    path.write_text('{"contents": [{"model_name": "x"}]}')
    with pytest.raises(RegistryError, match=r"registry.json: contents.0.version: Field required"):
        Registry.read(path)
    with pytest.raises(RegistryError, match="No such file"):
        Registry.read(tmp_path / "nowhere")


def test_schemas_that_drift_are_noticed(tmp_path: Path) -> None:
    assert "1-scan-ready.json" in schemas.drifted(tmp_path)
    for name, wire in schemas.WIRES.items():
        (tmp_path / f"{name}.json").write_text(schemas.schema_text(wire))
    assert schemas.drifted(tmp_path) == []
    (tmp_path / "0-old.json").write_text("{}")
    assert schemas.drifted(tmp_path) == ["0-old.json"]
