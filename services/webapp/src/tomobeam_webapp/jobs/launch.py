"""What the page asks Prefect to run, in the words of wire 3."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tomobeam_contracts.destinations import RESULTS
from tomobeam_contracts.flow import (
    FlowIoParameters,
    LaunchParameters,
    StepParameters,
    TaskName,
    job_label,
    run_tags,
)
from tomobeam_contracts.flow import Step as StepRequest
from tomobeam_contracts.registry import Algorithm
from tomobeam_contracts.tree import metadata_uri
from tomobeam_webapp.jobs.form import RUN_GROUP
from tomobeam_webapp.jobs.model import Job, Step, user_tag


class CannotStart(ValueError):
    """Something is missing; the message is a sentence for the scientist."""


@dataclass(frozen=True)
class Request:
    """A run to create: its name, parameters and tags."""

    name: str
    parameters: LaunchParameters
    tags: list[str]


@dataclass(frozen=True)
class Target:
    """Whose image is worked on. Paths are of the tree; `tiled_url` is the site's."""

    tiled_url: str
    image_path: str
    mask_path: str | None
    user: str


def train(
    target: Target, algorithm: Algorithm, parameters: dict[str, Any], job: str, when: datetime
) -> Request:
    """A training on the saved mask.

    Raises:
        CannotStart: no mask is saved.
        tomobeam_contracts.registry.RegistryError: a parameter is wrong.
    """
    if target.mask_path is None:
        raise CannotStart("Save a mask of this image first: the training learns from it.")
    checked = algorithm.check_parameters(parameters)
    return _request(target, "train", algorithm, checked, job_label(job, when), job)


def segment(
    target: Target,
    algorithm: Algorithm,
    parameters: dict[str, Any],
    model: Model,
    when: datetime,
) -> Request:
    """A segmentation by a trained model: of the slices of the mask, or of all without one.

    `parameters` say how the job runs; what was learnt stays as it was at the training.
    """
    own = {
        p.param_key
        for p in algorithm.gui_parameters
        if p.comp_group == RUN_GROUP and p.param_key in parameters
    }
    chosen = {**model.step.parameters, **{key: parameters[key] for key in own}}
    checked = algorithm.check_parameters(chosen)
    name = job_label(model.job.name, when)
    return _request(
        target, "inference", algorithm, checked, name, model.job.title, model=model.step.id
    )


@dataclass(frozen=True)
class Model:
    """A training that ended well, and the job that it was part of."""

    job: Job
    step: Step


def models(jobs: list[Job]) -> list[Model]:
    """Every trained model, newest first; `jobs` are newest first."""
    return [
        Model(job, step)
        for job in jobs
        for step in job.steps
        if step.task == "train" and step.state == "COMPLETED"
    ]


def _request(  # noqa: PLR0917 - the parts of one record
    target: Target,
    task: TaskName,
    algorithm: Algorithm,
    parameters: dict[str, Any],
    name: str,
    job: str,
    *,
    model: str | None = None,
) -> Request:
    def uri(path: str) -> str:
        return metadata_uri(target.tiled_url, path)

    io = FlowIoParameters(
        data_tiled_uri=uri(target.image_path),
        mask_tiled_uri=uri(target.mask_path) if target.mask_path else None,
        seg_tiled_uri=uri(RESULTS),
        uid_retrieve=model,
        job_name=job,
    )
    step = StepRequest(
        model_name=algorithm.model_name,
        task_name=task,
        params=StepParameters(io_parameters=io, model_parameters=parameters),
    )
    return Request(
        name=name,
        parameters=LaunchParameters(params_list=[step]),
        tags=[*run_tags(task, target.image_path), user_tag(target.user)],
    )
