"""Jobs as the worker asks a launcher for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from tomobeam_contracts.flow import Step
from tomobeam_contracts.job import JobFile, JobIoParameters
from tomobeam_contracts.registry import Algorithm
from tomobeam_flows.launchers import JobRequest


def algorithm(command: str, **fields: Any) -> Algorithm:
    """An algorithm whose two steps are one command."""
    return Algorithm.receive(
        {
            "model_name": "tried",
            "version": "1",
            "type": "supervised",
            "owner": "us",
            "image_name": "localhost/tried",
            "image_tag": "v1",
            "is_gpu_enabled": False,
            "application": [],
            "description": "",
            "python_file_name": {"train": command, "inference": command},
            "gui_parameters": [],
            **fields,
        }
    )


def job_request(job_id: str, command: list[str], models: Path, **step: Any) -> JobRequest:
    """A job for `command`, on an image that nobody serves; `step` is what its client wished."""
    io = JobIoParameters(
        data_tiled_uri="http://127.0.0.1:1/api/v1/metadata/recons/a",
        data_tiled_api_key=SecretStr("verysecret"),
        uid_save=job_id,
        models_dir=models,
    )
    wished = {"params": {"io_parameters": {"data_tiled_uri": io.data_tiled_uri}}, **step}
    return JobRequest(
        job_id=job_id,
        parent_id="parent-1",
        command=command,
        file=JobFile(io_parameters=io),
        algorithm=algorithm(" ".join(command)),
        step=Step.receive(wished),
    )
