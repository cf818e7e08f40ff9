"""Jobs as the worker asks a launcher for them."""

from __future__ import annotations

from typing import Any

from tomobeam_contracts.flow import Step
from tomobeam_contracts.job import JobFile
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


def job_request(job_id: str, command: list[str], file: JobFile, **step: Any) -> JobRequest:
    """A job for `command`; `step` is what its client wished besides."""
    io = {"data_tiled_uri": file.io_parameters.data_tiled_uri}
    return JobRequest(
        job_id=job_id,
        parent_id="parent-1",
        command=command,
        file=file,
        algorithm=algorithm(" ".join(command)),
        step=Step.receive({"params": {"io_parameters": io}, **step}),
    )
