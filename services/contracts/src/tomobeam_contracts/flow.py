"""Wire 3: how a client starts a flow run on the Prefect server."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, field_validator

from tomobeam_contracts.destinations import PROJECT_TAG
from tomobeam_contracts.tree import tree_path
from tomobeam_contracts.wire import Wire

TaskName = Literal["train", "inference"]


class FlowType(StrEnum):
    """Where a job runs; the site says which of them it offers."""

    PROCESS = "process"
    PODMAN = "podman"
    DOCKER = "docker"
    SLURM = "slurm"
    CONDA = "conda"


class FlowIoParameters(Wire):
    """What a step reads and writes. Credentials are added by the worker, never carried here."""

    data_tiled_uri: str
    mask_tiled_uri: str | None = Field(
        default=None, description="the <digest> container; at inference: only the annotated slices"
    )
    seg_tiled_uri: str | None = Field(default=None, description="the container /results")
    uid_save: str | None = Field(default=None, description="filled by the worker")
    uid_retrieve: str | None = Field(
        default=None, description="model to use; where empty, the previous step's"
    )
    job_name: str | None = None

    @field_validator("data_tiled_uri", "mask_tiled_uri", "seg_tiled_uri")
    @classmethod
    def _names_a_node(cls, uri: str | None) -> str | None:
        if uri:
            tree_path(uri)
        return uri or None


class StepParameters(Wire):
    """The body of the job's `params.yaml`, as a client gives it."""

    io_parameters: FlowIoParameters
    model_parameters: dict[str, Any] = Field(default_factory=dict)


class Step(Wire):
    """One step of a flow run: newer clients name an algorithm, older ones image and command."""

    params: StepParameters
    model_name: str | None = Field(default=None, description="an algorithm of the registry")
    task_name: TaskName | None = None
    image_name: str | None = None
    image_tag: str | None = None
    command: str | None = None
    python_file_name: str | None = None
    volumes: list[str] | None = None
    network: str | None = None
    env_vars: dict[str, str] | None = None
    conda_env_name: str | None = None
    job_name: str | None = None
    num_nodes: int | None = Field(default=None, gt=0)
    partitions: list[str] | str | None = None
    reservations: list[str] | str | None = None
    max_time: str | None = None


class LaunchParameters(Wire):
    """Parameters of the deployment `Parent flow/launch_parent_flow`, in either form."""

    params_list: list[Step] = Field(min_length=1)
    flow_type: FlowType | None = Field(default=None, description="where absent, the site's default")


def job_label(job: str, when: datetime) -> str:
    """A run's name as existing clients sort and show it: `<job> YYYY/MM/DD HH:MM:SS`."""
    return f"{job} {when:%Y/%m/%d %H:%M:%S}"


def run_tags(task: TaskName, image_path: str) -> list[str]:
    """The tags by which clients find the runs of one image."""
    return [PROJECT_TAG, task, image_path]


def progress_key(flow_run_id: object) -> str:
    """Key of the Prefect artifact (a percentage) that tells how far a run is."""
    return f"progress-{flow_run_id}"
