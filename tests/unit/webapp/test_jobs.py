"""From the form to wire 3, and from Prefect's documents to what the page says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.webapp.conftest import REGISTRY
from tomobeam_contracts.destinations import CANARY
from tomobeam_contracts.flow import LaunchParameters
from tomobeam_contracts.registry import GuiParameter, Registry, RegistryError
from tomobeam_webapp.jobs import form, launch
from tomobeam_webapp.jobs.launch import CannotStart, Model, Target
from tomobeam_webapp.jobs.model import NO_WORKER, Job, Step, read_job, read_step

WHEN = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)
TARGET = Target("http://tiled:8000", "recons/a", "masks/alice/recons/a/d1", "alice")
FOREST = Registry.read(REGISTRY).find("random-forest")


def _run(**changes: Any) -> dict[str, Any]:
    parameters = launch.train(TARGET, FOREST, {}, "mine", WHEN).parameters.to_wire()
    run: dict[str, Any] = {
        "id": "p1",
        "name": "mine 2026/11/23 03:04:05",
        "tags": ["high-res-segmentation", "train", "recons/a", "user:alice"],
        "parameters": parameters,
        "state_type": "RUNNING",
        "state_name": "Running",
        "state": {"message": ""},
        "created": WHEN.isoformat(),
        "start_time": None,
        "end_time": None,
    }
    return run | changes


def _job(**changes: Any) -> Job:
    job = read_job(_run(**changes))
    assert job is not None
    return job


def _model() -> Model:
    step = Step(
        id="c1", name="child", task="train", state="COMPLETED", algorithm="random-forest",
        parameters={"sigma_max": 4.0, "n_jobs": 1}, image_path="recons/a", mask_uri=None,
        ended=WHEN,
    )  # fmt: skip
    return Model(_job(steps=[]), step)


def test_a_training_in_the_words_of_the_wire() -> None:
    request = launch.train(TARGET, FOREST, {"n_estimators": 50}, "mine", WHEN)
    assert request.name == "mine 2026/11/23 03:04:05"
    assert request.tags == ["high-res-segmentation", "train", "recons/a", "user:alice"]
    sent = request.parameters.to_wire()
    assert LaunchParameters.receive(sent) == request.parameters
    (step,) = sent["params_list"]
    assert (step["model_name"], step["task_name"]) == ("random-forest", "train")
    assert step["params"]["model_parameters"]["n_estimators"] == 50
    io = step["params"]["io_parameters"]
    assert io["data_tiled_uri"] == "http://tiled:8000/api/v1/metadata/recons/a"
    assert io["mask_tiled_uri"].endswith("/masks/alice/recons/a/d1")
    assert not any("key" in name for name in io)


def test_a_segmentation_uses_the_chosen_training_and_what_it_learnt() -> None:
    form_now = {"sigma_max": 16.0, "n_jobs": 4, "save_probability": True}
    request = launch.segment(TARGET, FOREST, form_now, _model(), WHEN)
    assert request.name.startswith("mine 2026/11/23 03:04:05 ")
    step = request.parameters.params_list[0]
    assert step.params.io_parameters.uid_retrieve == "c1"
    values = step.params.model_parameters
    assert (values["sigma_max"], values["n_jobs"], values["save_probability"]) == (4.0, 4, True)


def test_a_training_needs_a_mask() -> None:
    target = Target("http://tiled:8000", "recons/a", None, "alice")
    with pytest.raises(CannotStart, match="Save a mask"):
        launch.train(target, FOREST, {}, "mine", WHEN)


def test_a_wrong_value_is_never_sent() -> None:
    with pytest.raises(RegistryError, match="n_estimators"):
        launch.train(TARGET, FOREST, {"n_estimators": "many"}, "mine", WHEN)


def test_each_wrong_field_is_named() -> None:
    wrong = form.faults(FOREST, {"n_estimators": 5, "max_depth": "", "sigma_min": 1.0})
    assert set(wrong) == {"n_estimators", "max_depth"}
    assert wrong["n_estimators"] == "5 is not a whole number at least 10 and at most 1000"


def test_options_keep_their_type_through_the_browser() -> None:
    names = {"type": form.FIELD, "algorithm": "a", "key": "k"}
    item = {"id": {**names, "coded": True}, "value": "3"}
    plain = {"id": {**names, "key": "t", "coded": False}, "value": "3"}
    assert form.read([item, plain]) == {"k": 3, "t": "3"}


def test_every_type_of_field_has_a_widget() -> None:
    types = ("float", "int", "str", "slider", "dropdown", "radio", "bool")
    parameters = [
        GuiParameter.receive(
            {"type": kind, "name": kind, "title": kind, "param_key": kind, "value": 1,
             "checked": True, "options": [{"label": "one", "value": 1}]}
        )
        for kind in types
    ]  # fmt: skip
    built = str(
        form.build(FOREST.model_copy(update={"gui_parameters": parameters})).to_plotly_json()
    )
    assert all(f"'key': '{kind}'" in built for kind in types)


def test_the_form_marks_what_is_made_for_a_gpu() -> None:
    network = FOREST.model_copy(update={"model_name": "net", "is_gpu_enabled": True})
    assert form.choices([FOREST, network]) == [
        {"value": "random-forest", "label": "random-forest"},
        {"value": "net", "label": "net (GPU)"},
    ]
    assert form.GPU_NOTE in str(form.about(network).to_plotly_json())
    assert form.GPU_NOTE not in str(form.about(FOREST).to_plotly_json())


def test_a_failure_is_a_sentence_without_the_log() -> None:
    message = (
        "Step 1 of 1, train with random-forest: random-forest train: it ended with code 3."
        " Last lines:\nTraceback …"
    )
    job = _job(state_type="FAILED", state_name="Failed", state={"message": message})
    assert job.sentence == "random-forest train: it ended with code 3."
    assert job.words == "Failed"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("params_list.0.params.io_parameters.mask_tiled_uri: required", "The mask: required"),
        ("params_list.0.model_name: no algorithm 'x'", "The algorithm: no algorithm 'x'"),
        ("params_list.1.params.model_parameters.seed: 'a' is no number", "seed: 'a' is no number"),
    ],
)
def test_a_refused_field_is_named_in_the_scientists_words(message: str, said: str) -> None:
    job = _job(state_type="FAILED", state_name="Failed", state={"message": message})
    assert job.sentence == said


def test_a_run_that_no_worker_takes_says_so() -> None:
    assert _job(state_type="SCHEDULED", state_name="Late").sentence == NO_WORKER


def test_a_strangers_run_in_the_older_form_is_shown_too() -> None:
    uri = "https://elsewhere/tiled/api/v1/metadata/recons/a"
    step = {
        "image_name": "dlsia", "command": "python src/train.py",
        "params": {"io_parameters": {"data_tiled_uri": uri}},
    }  # fmt: skip
    run = _run(parameters={"flow_type": "podman", "params_list": [step]}, tags=["train"])
    job = read_job(run)
    assert job is not None
    assert (job.image_path, job.algorithm, job.user) == ("recons/a", "dlsia", None)


@pytest.mark.parametrize("parameters", [None, {}, {"params_list": []}, {"params_list": ["x"]}])
def test_a_run_that_names_no_image_is_left_out(parameters: Any) -> None:
    assert read_job(_run(parameters=parameters)) is None
    assert read_step(_run(parameters=parameters)) is None


def test_the_jobs_of_a_canary_are_left_out() -> None:
    canary = Target("http://tiled:8000", f"recons/{CANARY}", "masks/x/y/d1", CANARY)
    parameters = launch.train(canary, FOREST, {}, CANARY, WHEN).parameters.to_wire()
    assert read_job(_run(parameters=parameters)) is None
