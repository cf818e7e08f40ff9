"""Where a job computes, and that it computes the same again."""

from __future__ import annotations

import os
from typing import Any

# Read when CUDA begins; without it cuBLAS may add in any order.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import torch

from tomobeam_segmentation.errors import JobError
from tomobeam_segmentation.talk import say


def choose_device(parameters: dict[str, Any]) -> torch.device:
    """The device that `device` asks for, made ready; says which it is.

    Raises:
        JobError: a GPU is asked for where there is none.
    """
    torch.set_num_threads(parameters["n_jobs"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    wanted = parameters["device"]
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        reason = "PyTorch here is built for CPUs only"
        if torch.version.cuda:
            reason = f"PyTorch (for CUDA {torch.version.cuda}) finds no GPU here"
        raise JobError(f"model_parameters.device: cuda is wanted, but {reason}; choose auto or cpu")
    if wanted == "cpu" or not there:
        say(f"computing on {parameters['n_jobs']} processors")
        return torch.device("cpu")
    say(f"computing on {torch.cuda.get_device_name()}")
    return torch.device("cuda")
