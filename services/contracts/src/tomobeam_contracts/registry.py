"""Wire 5: the algorithms that the page offers and the worker may run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from tomobeam_contracts.flow import TaskName
from tomobeam_contracts.wire import Wire, explain

ParameterType = Literal["float", "int", "str", "slider", "dropdown", "radio", "bool"]


class RegistryError(ValueError):
    """The registry or a choice from it is wrong; the message says what and where."""


class Option(Wire):
    """One choice of a dropdown or radio."""

    label: str
    value: str | int | float | bool


class GuiParameter(Wire):
    """One field of an algorithm's form, and the rule for its value."""

    type: ParameterType
    name: str
    title: str
    param_key: str = Field(min_length=1)
    value: Any = None
    checked: bool | None = None
    min: float | None = None
    max: float | None = None
    step: float | None = None
    marks: dict[str, str] | None = None
    options: list[Option] | None = None
    comp_group: str | None = None

    @property
    def default(self) -> Any:
        """What the form shows before anyone touches it."""
        return self.checked if self.type == "bool" else self.value

    def check(self, value: Any) -> Any:
        """`value` as the algorithm wants it.

        Raises:
            RegistryError: wrong type, out of range, or not an option; names the field.
        """
        wrong = RegistryError(f"{self.param_key}: {value!r} is not {self._wanted()}")
        if self.type == "bool":
            if not isinstance(value, bool):
                raise wrong
            return value
        if self.type in ("dropdown", "radio"):
            if not any(
                type(o.value) is type(value) and o.value == value for o in self.options or []
            ):
                raise wrong
            return value
        if self.type == "str":
            if not isinstance(value, str):
                raise wrong
            return value
        return self._check_number(value, wrong)

    def _check_number(self, value: Any, wrong: RegistryError) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong
        if not math.isfinite(value):
            raise wrong
        if self.type == "int" and value != int(value):
            raise wrong
        low, high = self.min, self.max
        if (low is not None and value < low) or (high is not None and value > high):
            raise wrong
        return int(value) if self.type == "int" else value

    def _wanted(self) -> str:
        if self.type in ("dropdown", "radio"):
            return f"one of {', '.join(str(o.value) for o in self.options or [])}"
        kind = {"bool": "true or false", "str": "a text", "int": "a whole number"}.get(
            self.type, "a number"
        )
        bounds = [f"at least {self.min:g}"] if self.min is not None else []
        bounds += [f"at most {self.max:g}"] if self.max is not None else []
        return " ".join([kind, " and ".join(bounds)]).strip()


class Commands(Wire):
    """The commands of an algorithm's steps; words separated by spaces, parsed by no shell."""

    train: str
    inference: str


class Algorithm(Wire):
    """One algorithm: what it is, what runs it, and its form."""

    model_name: str
    version: str
    type: str
    owner: str
    image_name: str
    image_tag: str
    is_gpu_enabled: bool
    application: list[str]
    description: str
    python_file_name: Commands
    gui_parameters: list[GuiParameter]

    def command(self, task: TaskName) -> list[str]:
        """The argument list of a step, to which `params.yaml` is added."""
        return getattr(self.python_file_name, task).split()

    def check_parameters(self, values: dict[str, Any]) -> dict[str, Any]:
        """`values` with the form's defaults filled in.

        Raises:
            RegistryError: an unknown field or a wrong value; names the field.
        """
        known = {p.param_key: p for p in self.gui_parameters}
        for key in values:
            if key not in known:
                raise RegistryError(f"{key}: {self.model_name} has no such parameter")
        return {k: p.check(values[k]) if k in values else p.default for k, p in known.items()}


class Registry(Wire):
    """`{"contents": [...]}`: every algorithm of the site."""

    contents: list[Algorithm]

    @classmethod
    def read(cls, path: Path) -> Registry:
        """Read the site's registry file.

        Raises:
            RegistryError: it cannot be read or understood; names the file and the field.
        """
        try:
            return cls.receive_json(path.read_bytes())
        except OSError as error:
            raise RegistryError(f"{path}: {error.strerror}") from error
        except ValidationError as error:
            raise RegistryError(explain(error, str(path))) from error

    def find(self, model_name: str) -> Algorithm:
        """The algorithm of that name.

        Raises:
            RegistryError: there is none; names those that there are.
        """
        for algorithm in self.contents:
            if algorithm.model_name == model_name:
                return algorithm
        known = ", ".join(a.model_name for a in self.contents) or "none"
        raise RegistryError(f"model_name: no algorithm {model_name!r}; there are: {known}")
