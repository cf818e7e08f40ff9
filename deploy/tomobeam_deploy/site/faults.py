"""How an inventory's faults are said: file, key and remedy."""

from __future__ import annotations

import difflib
import os
import traceback
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError


class SiteError(ValueError):
    """An inventory is wrong; the message names file, key and remedy."""


class Strict(BaseModel):
    """Refuses unknown keys; nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def from_environment(model: type[Strict], prefix: str) -> dict[str, str]:
    """The fields of `model` that variables `<prefix><FIELD>` set.

    Raises:
        SiteError: a variable of that prefix names no field.
    """
    found = {}
    for variable, value in os.environ.items():
        if not variable.startswith(prefix):
            continue
        field = variable.removeprefix(prefix).lower()
        if field not in model.model_fields:
            raise SiteError(f"{variable}: no such setting{did_you_mean(field, model.model_fields)}")
        found[field] = value
    return found


def explain(error: ValidationError) -> str:
    """Every fault of a literal, each with its key."""
    faults = []
    for fault in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            known = _fields(error.title, key)
            faults.append(f"{key}: unknown key{did_you_mean(key.rpartition('.')[2], known)}")
        else:
            said = fault["msg"].removeprefix("Value error, ")
            faults.append(f"{key}: {said}" if key else said)
    return "; ".join(faults)


def line_of(path: Path, error: Exception) -> str:
    """File and line of an inventory at which it went wrong."""
    if isinstance(error, SyntaxError):
        return f"{path}:{error.lineno}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What to add to a sentence about an unknown word."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


def _fields(model_name: str, key: str) -> list[str]:
    """The fields of the model in which an unknown key stands."""
    models = {model.__name__: model for model in Strict.__subclasses__()}
    model = models.get(model_name)
    for part in key.split(".")[:-1]:
        field = model.model_fields.get(part) if model else None
        inner = field.annotation if field else None
        model = inner if isinstance(inner, type) and issubclass(inner, Strict) else None
    return list(model.model_fields) if model else []
