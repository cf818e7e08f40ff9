"""From what a client sends to steps that may run, or one sentence that names the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from tomobeam_common.tiled import Node, TiledClient
from tomobeam_contracts.destinations import MASK, RESULTS
from tomobeam_contracts.flow import FlowType, LaunchParameters, Step, TaskName
from tomobeam_contracts.registry import Algorithm, Registry, RegistryError
from tomobeam_contracts.tree import tree_path
from tomobeam_contracts.wire import explain
from tomobeam_flows.launchers import CannotLaunch, Launcher

_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_INTERPRETER = re.compile(r"^python[0-9.]*\s+")


class Refused(ValueError):
    """The parameters of a run are wrong; the message names the field."""


@dataclass(frozen=True)
class PlannedStep:
    """A step that passed every check that needs no server."""

    request: Step
    algorithm: Algorithm
    task: TaskName
    model_parameters: dict[str, Any]
    field: str
    """Where the step stands in the parameters, for messages."""

    @property
    def image_path(self) -> str:
        """Tree path of the image."""
        return tree_path(self.request.params.io_parameters.data_tiled_uri)

    @property
    def mask_path(self) -> str | None:
        """Tree path of the container of the mask, where there is one."""
        uri = self.request.params.io_parameters.mask_tiled_uri
        return tree_path(uri) if uri else None


@dataclass(frozen=True)
class Plan:
    """What a run of the parent flow will do."""

    flow_type: FlowType
    steps: list[PlannedStep]


def kind_of(raw: dict[str, Any], default: FlowType) -> FlowType | None:
    """Which kind of job a run's parameters name, or mean; None where they make no sense."""
    try:
        return FlowType(raw.get("flow_type") or default)
    except ValueError:
        return None


def plan(
    raw: dict[str, Any],
    registry: Registry,
    default: FlowType,
    launchers: Mapping[FlowType, Launcher],
) -> Plan:
    """Check a run's parameters, in the newer or the older form, against registry and site.

    Raises:
        Refused: a field is missing, unknown or wrong.
    """
    try:
        parameters = LaunchParameters.receive(raw)
    except ValidationError as error:
        raise Refused(explain(error, "parameters")) from error
    flow_type = parameters.flow_type or default
    if flow_type not in launchers:
        offered = ", ".join(sorted(launchers))
        raise Refused(f"flow_type: '{flow_type}' is not offered here; this site runs: {offered}")
    steps = [
        _plan_step(step, registry, f"params_list.{i}")
        for i, step in enumerate(parameters.params_list)
    ]
    for step in steps:
        try:
            launchers[flow_type].check(step.request, step.algorithm)
        except CannotLaunch as error:
            raise Refused(f"{step.field}.{error}") from error
    _check_order(steps)
    return Plan(flow_type, steps)


def _plan_step(step: Step, registry: Registry, field: str) -> PlannedStep:
    try:
        algorithm, task = _algorithm(step, registry)
    except RegistryError as error:
        raise Refused(f"{field}.{error}") from error
    try:
        values = algorithm.check_parameters(step.params.model_parameters)
    except RegistryError as error:
        raise Refused(f"{field}.params.model_parameters.{error}") from error
    io = step.params.io_parameters
    if task == "train" and not io.mask_tiled_uri:
        raise Refused(f"{field}.params.io_parameters.mask_tiled_uri: required for training")
    if io.seg_tiled_uri and tree_path(io.seg_tiled_uri) != RESULTS:
        raise Refused(
            f"{field}.params.io_parameters.seg_tiled_uri: results are written to /{RESULTS} only"
        )
    if io.uid_retrieve and not _UID.fullmatch(io.uid_retrieve):
        raise Refused(f"{field}.params.io_parameters.uid_retrieve: not the id of a run")
    return PlannedStep(step, algorithm, task, values, field)


def _algorithm(step: Step, registry: Registry) -> tuple[Algorithm, TaskName]:
    commanded = bool(step.command or step.python_file_name)
    if not step.model_name and not commanded:
        raise RegistryError("model_name: required, or image_name and command in the older form")
    found = [registry.find(step.model_name)] if step.model_name else registry.contents
    found = _by_image(step, found)
    if commanded:
        return _by_command(step, found)
    if not step.task_name:
        raise RegistryError("task_name: required beside model_name: train or inference")
    return found[0], step.task_name


def _by_image(step: Step, found: list[Algorithm]) -> list[Algorithm]:
    wrong = f"is not that of {step.model_name}" if step.model_name else "is not in the registry"
    if step.image_name:
        found = [a for a in found if a.image_name == step.image_name]
        if not found:
            raise RegistryError(f"image_name: {step.image_name!r} {wrong}")
    if step.image_tag:
        found = [a for a in found if a.image_tag == step.image_tag]
        if not found:
            raise RegistryError(f"image_tag: {step.image_tag!r} {wrong}")
    return found


def _by_command(step: Step, algorithms: list[Algorithm]) -> tuple[Algorithm, TaskName]:
    """The one algorithm and task of a command; older clients put an interpreter before it."""
    name = "command" if step.command else "python_file_name"
    wanted = " ".join((step.command or step.python_file_name or "").split())
    matches: list[tuple[Algorithm, TaskName]] = [
        (algorithm, task)
        for algorithm in algorithms
        for task in get_args(TaskName)
        if " ".join(algorithm.command(task)) in (wanted, _INTERPRETER.sub("", wanted))
        and step.task_name in (None, task)
    ]
    if not matches:
        owner = f"is not one of {step.model_name}" if step.model_name else "is not in the registry"
        raise RegistryError(f"{name}: {wanted!r} {owner}")
    if len(matches) > 1:
        names = ", ".join(f"{a.model_name} ({task})" for a, task in matches)
        raise RegistryError(f"{name}: {wanted!r} is the command of {names}; add model_name")
    return matches[0]


def _check_order(steps: list[PlannedStep]) -> None:
    trained = False
    for step in steps:
        given = step.request.params.io_parameters.uid_retrieve
        if step.task == "inference" and not trained and not given:
            raise Refused(
                f"{step.field}.params.io_parameters.uid_retrieve: required, "
                "no training step comes before"
            )
        trained = trained or step.task == "train"


def check_images(plan: Plan, tiled: TiledClient) -> None:
    """Check that the images and masks are in Tiled and belong together.

    Raises:
        Refused: one is missing, is no array, or is of another image.
        TiledUnavailable: Tiled is away; nothing is known.
    """
    for step in plan.steps:
        where = f"{step.field}.params.io_parameters"
        image = tiled.node(step.image_path)
        if image is None:
            raise Refused(f"{where}.data_tiled_uri: there is no /{step.image_path} in Tiled")
        if image.shape is None or len(image.shape) != 3:
            raise Refused(f"{where}.data_tiled_uri: /{step.image_path} is no array (z, y, x)")
        if step.mask_path:
            _check_mask(step.mask_path, image, tiled, f"{where}.mask_tiled_uri")


def _check_mask(path: str, image: Node, tiled: TiledClient, field: str) -> None:
    container = tiled.node(path)
    if container is None:
        raise Refused(f"{field}: there is no /{path} in Tiled")
    mask = tiled.node(f"{path}/{MASK}")
    if mask is None or mask.shape is None:
        raise Refused(f"{field}: /{path} holds no array {MASK!r}")
    drawn_on = container.metadata.get("data_uri")
    try:
        same = tree_path(str(drawn_on)) == image.path
    except ValueError:
        same = False
    if not same:
        raise Refused(f"{field}: this mask is of another image: {drawn_on}, not /{image.path}")
    if image.shape is not None and mask.shape[1:] != image.shape[1:]:
        raise Refused(
            f"{field}: slices of {mask.shape[1:]} pixels, but the image has {image.shape[1:]}"
        )
