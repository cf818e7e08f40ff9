"""A job's parameters, checked against the registry of its package."""

from __future__ import annotations

from typing import Any

from tomobeam_contracts.registry import Registry, RegistryError
from tomobeam_segmentation.algorithms import Algorithms
from tomobeam_segmentation.errors import JobError


def check_parameters(
    algorithms: Algorithms, algorithm: str, values: dict[str, Any]
) -> dict[str, Any]:
    """`values` checked against the algorithm's form, with its defaults filled in.

    Raises:
        JobError: an unknown parameter or a wrong value; names it.
    """
    try:
        checked = Registry.read(algorithms.registry).find(algorithm).check_parameters(values)
    except RegistryError as error:
        raise JobError(f"model_parameters.{error}") from error
    algorithms.check(checked)
    return checked
