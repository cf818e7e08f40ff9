"""The registry file that this package brings: the one list of its algorithms and parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tomobeam_contracts.registry import Registry, RegistryError
from tomobeam_segmentation.errors import JobError
from tomobeam_segmentation.features import FeatureSettings, doubling_scales

REGISTRY_FILE = Path(__file__).with_name("registry.json")


def check_parameters(algorithm: str, values: dict[str, Any]) -> dict[str, Any]:
    """`values` checked against the algorithm's form, with its defaults filled in.

    Raises:
        JobError: an unknown parameter or a wrong value; names it.
    """
    try:
        checked = Registry.read(REGISTRY_FILE).find(algorithm).check_parameters(values)
    except RegistryError as error:
        raise JobError(f"model_parameters.{error}") from error
    if checked["sigma_max"] < checked["sigma_min"]:
        raise JobError(
            f"model_parameters.sigma_max: {checked['sigma_max']:g} is below sigma_min,"
            f" {checked['sigma_min']:g}"
        )
    return checked


def feature_settings(parameters: dict[str, Any]) -> FeatureSettings:
    """The filters that the parameters ask for."""
    return FeatureSettings(
        sigmas=doubling_scales(parameters["sigma_min"], parameters["sigma_max"]),
        edges=parameters["use_edges"],
        texture=parameters["use_texture"],
        shape=parameters["use_shape"],
    )
