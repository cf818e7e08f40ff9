"""One step from its params.yaml to its exit code."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml
from pydantic import ValidationError

from tomobeam_common.settings import SettingsError
from tomobeam_contracts.job import JobFile, JobIoParameters
from tomobeam_contracts.wire import explain
from tomobeam_segmentation.access import JobSettings, Patience, Place
from tomobeam_segmentation.algorithms import Algorithms
from tomobeam_segmentation.errors import JobError, JobFailed, Stopped
from tomobeam_segmentation.registry import check_parameters
from tomobeam_segmentation.store import model_folder

STOPPED_CODE = 128 + signal.SIGTERM


@dataclass(frozen=True)
class Job:
    """What a step was asked to do, checked as far as it can be without Tiled."""

    algorithms: Algorithms
    algorithm: str
    io: JobIoParameters
    parameters: dict[str, Any]
    code_version: str
    patience: Patience

    @property
    def folder(self) -> Path:
        """Where the run keeps its model, or how far it has come."""
        return model_folder(self.io.models_dir, self.io.uid_save, "uid_save")

    @property
    def name(self) -> str:
        """The job's name, or its uid where it was given none."""
        return self.io.job_name or self.io.uid_save

    def data(self) -> Place:
        """The image to learn from or to segment."""
        return Place("data", self.io.data_tiled_uri, self.io.data_tiled_api_key, self.patience)

    def mask(self) -> Place:
        """The mask's container."""
        return Place("mask", self.io.mask_tiled_uri, self.io.mask_tiled_api_key, self.patience)

    def results(self) -> Place:
        """The container of all results."""
        return Place("seg", self.io.seg_tiled_uri, self.io.seg_tiled_api_key, self.patience)


def read_job(algorithms: Algorithms, algorithm: str, params: Path, code_version: str) -> Job:
    """Read and check the job's file.

    Raises:
        JobError: it cannot be read, or a field is missing or wrong; never shows a key.
    """
    try:
        job = JobFile.read(params)
    except OSError as error:
        raise JobError(f"{params}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise JobError(f"{params}: is no UTF-8 text") from error
    except yaml.YAMLError as error:
        # The error's own text quotes the file, and with it the keys.
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise JobError(f"{params}: is no YAML{where}") from error
    except ValidationError as error:
        raise JobError(explain(error, str(params))) from error
    try:
        patience = Patience(JobSettings.load().tiled_patience_s)
    except SettingsError as error:
        raise JobError(str(error)) from error
    parameters = check_parameters(algorithms, algorithm, job.model_parameters)
    model_folder(job.io_parameters.models_dir, job.io_parameters.uid_save, "uid_save")
    return Job(algorithms, algorithm, job.io_parameters, parameters, code_version, patience)


def run(algorithms: Algorithms, step: str, algorithm: str, params: Path, code_version: str) -> int:
    """Run the step; returns the exit code and says on stderr, in one sentence, what went wrong."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        job = read_job(algorithms, algorithm, params, code_version)
        if step == "train":
            algorithms.train(job)
        else:
            from tomobeam_segmentation.inference import inference

            inference(job)
    except JobError as error:
        return _explain(error, 2)
    except JobFailed as error:
        return _explain(error, 1)
    except Stopped:
        return _explain(JobFailed("stopped before the end"), STOPPED_CODE)
    return 0


def _explain(error: Exception, code: int) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"{error}\n")
    sys.stderr.flush()
    return code


def _stop(_signal: int, _frame: Any) -> NoReturn:
    raise Stopped
