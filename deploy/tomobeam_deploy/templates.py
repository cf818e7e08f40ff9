"""Renders the files of `templates/`; a variable that nobody gave is an error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2

from tomobeam_deploy.service import DescriptionError, Process

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
    autoescape=False,  # YAML, XML and INI; the XML templates escape by themselves
)


def render(template: str, process: Process) -> str:
    """The text of `templates/<template>` for a process.

    Raises:
        DescriptionError: the template is missing, wrong, or refers to an unknown name.
    """
    try:
        return render_names(template, process.placement.names(process.service))
    except DescriptionError as error:
        raise DescriptionError(f"{process.name}: {error}") from error


def render_names(template: str, names: Mapping[str, object]) -> str:
    """The text of `templates/<template>` with these names.

    Raises:
        DescriptionError: the template is missing, wrong, or refers to an unknown name.
    """
    try:
        return _environment.get_template(template).render(names)
    except jinja2.TemplateError as error:
        raise DescriptionError(f"templates/{template}: {error}") from error
