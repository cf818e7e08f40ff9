"""Whether Tiled could start with a configuration; nothing is connected to, and nothing made."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from inspect import signature
from typing import Any

import uvicorn
import yaml
from pydantic import ValidationError
from tiled.config import Config, TreeSpec
from tiled.utils import expand_environment_variables

_VARIABLE = re.compile(r"\$\{(\w+)\}")


class ConfigurationFault(ValueError):
    """Tiled cannot start with it; the message names the place and shows no variable's value."""


def check(text: str) -> None:
    """Refuse what Tiled cannot start with, and what it would pass over.

    Raises:
        ConfigurationFault: it is no YAML, names a variable that is not set, or has a key or a
            value that Tiled does not know.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationFault(f"is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigurationFault("is no YAML with keys at its top")
    if unset := sorted({*_VARIABLE.findall(str(content))} - os.environ.keys()):
        raise ConfigurationFault(f"names a variable that is not set: {', '.join(unset)}")
    faults = list(_faults(content))
    if faults:
        raise ConfigurationFault("; ".join(faults))


def _faults(content: dict[str, Any]) -> Iterator[str]:
    try:
        config = Config.model_validate(expand_environment_variables(content))
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            yield f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        return
    except (AttributeError, ImportError, TypeError) as error:
        # By what a provider of logins is made of.
        yield f"names a program, or an argument of it, that Tiled does not have: {error}"
        return
    # What Tiled looks at when it starts, or not at all.
    known = {field.alias or name for name, field in TreeSpec.model_fields.items()}
    for number, tree in enumerate(content.get("trees", [])):
        yield from (f"trees.{number}.{key}: no such key" for key in sorted(tree.keys() - known))
    for number, tree in enumerate(config.trees or []):
        if fault := _misfit(tree.tree_type, **(tree.args or {})):
            yield f"trees.{number}.args: {fault}"
    if fault := _misfit(uvicorn.run, app=None, **config.uvicorn):
        yield f"uvicorn: {fault}"


def _misfit(called: Any, **arguments: Any) -> str | None:
    """What is wrong with the names of arguments; their values are not looked at."""
    try:
        signature(called).bind(**arguments)
    except TypeError as error:
        return str(error)
    return None
