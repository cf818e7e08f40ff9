"""An algorithm's form, made from the registry."""

from __future__ import annotations

import json
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from tomobeam_contracts.registry import Algorithm, GuiParameter, RegistryError

FIELD, SWITCH, FRAME = "param", "param-switch", "param-frame"
DEFAULT_GROUP = "Settings"
# Settings of this group concern how a job runs, not what it learns.
RUN_GROUP = "Run"
GPU_NOTE = (
    "Made for a GPU, and uses one where jobs get one here."
    " On processors it does the same, but takes many times as long."
)


def choices(algorithms: list[Algorithm]) -> list[dict[str, str]]:
    """The algorithms to choose from; those made for a GPU say so."""
    return [
        {
            "value": a.model_name,
            "label": f"{a.model_name} (GPU)" if a.is_gpu_enabled else a.model_name,
        }
        for a in algorithms
    ]


def about(algorithm: Algorithm) -> Component:
    """What the algorithm does, and what it wants."""
    words = dmc.Spoiler(algorithm.description, maxHeight=34, showLabel="more", hideLabel="less")
    notes = [html.P(GPU_NOTE, className="note")] if algorithm.is_gpu_enabled else []
    return html.Div([words, *notes])


def build(algorithm: Algorithm) -> Component:
    """The fields, by group; every group is closed, since the defaults suit most images."""
    groups: dict[str, list[Component]] = {}
    for parameter in algorithm.gui_parameters:
        group = parameter.comp_group or DEFAULT_GROUP
        groups.setdefault(group, []).append(_field(algorithm.model_name, parameter))
    return dmc.Accordion(
        [
            dmc.AccordionItem(
                [
                    dmc.AccordionControl(name),
                    dmc.AccordionPanel(html.Div(fields, className="stack")),
                ],
                value=name,
            )
            for name, fields in groups.items()
        ],
        multiple=True,
        className="groups",
        chevronSize=14,
    )


def read(values: list[dict[str, Any]]) -> dict[str, Any]:
    """The values by parameter, from Dash's list of states of `FIELD` and `SWITCH`."""
    found = {}
    for item in values:
        value = item.get("value")
        if item["id"].get("coded"):
            try:
                value = json.loads(value or "null")
            except ValueError:
                value = None
        found[item["id"]["key"]] = value
    return found


def faults(algorithm: Algorithm, values: dict[str, Any]) -> dict[str, str]:
    """What is wrong with each field that is wrong."""
    found = {}
    for parameter in algorithm.gui_parameters:
        if parameter.param_key not in values:
            continue
        try:
            parameter.check(values[parameter.param_key])
        except RegistryError as error:
            found[parameter.param_key] = str(error).partition(": ")[2]
    return found


def heading(parameter: GuiParameter) -> tuple[str, str]:
    """A title's first part, and the explanation after its colon or semicolon."""
    for mark in (": ", "; "):
        first, found, rest = parameter.title.partition(mark)
        if found:
            return first, rest[:1].upper() + rest[1:]
    return parameter.title, ""


def _field(model_name: str, parameter: GuiParameter) -> Component:
    title, explanation = heading(parameter)
    key = {"algorithm": model_name, "key": parameter.param_key}
    if parameter.type == "bool":
        inner: Component = dmc.Checkbox(
            id={"type": SWITCH, **key},
            label=title,
            description=explanation,
            checked=bool(parameter.checked),
            size="xs",
            persistence=True,
            persistence_type="local",
        )
        return dmc.InputWrapper(inner, id={"type": FRAME, **key}, size="xs")
    return dmc.InputWrapper(
        _widget(parameter, key),
        id={"type": FRAME, **key},
        label=title,
        description=explanation,
        size="xs",
    )


def _widget(parameter: GuiParameter, key: dict[str, str]) -> Component:
    kept = {"persistence": True, "persistence_type": "local", "size": "xs"}
    # JSON, because the components know texts only and an option may be a number.
    coded = {"type": FIELD, "coded": True, **key}
    plain = {"type": FIELD, "coded": False, **key}
    if parameter.type == "dropdown":
        data = [{"value": json.dumps(o.value), "label": o.label} for o in parameter.options or []]
        value = json.dumps(parameter.value)
        return dmc.Select(id=coded, data=data, value=value, allowDeselect=False, **kept)
    if parameter.type == "radio":
        radios = [
            dmc.Radio(label=o.label, value=json.dumps(o.value), size="xs")
            for o in parameter.options or []
        ]
        group = dmc.Stack(radios, gap=4)
        return dmc.RadioGroup(group, id=coded, value=json.dumps(parameter.value), **kept)
    if parameter.type == "str":
        return dmc.TextInput(id=plain, value=str(parameter.value or ""), **kept)
    if parameter.type == "slider":
        return _slider(parameter, plain, kept)
    return dmc.NumberInput(
        id=plain,
        value=parameter.value,
        min=parameter.min,
        max=parameter.max,
        step=parameter.step or (1 if parameter.type == "int" else None),
        allowDecimal=parameter.type == "float",
        # A value out of range is said so, not silently moved.
        clampBehavior="none",
        **kept,
    )


def _slider(parameter: GuiParameter, name: dict[str, Any], kept: dict[str, Any]) -> Component:
    marks: Any = [
        {"value": float(at), "label": text} for at, text in (parameter.marks or {}).items()
    ]
    return dmc.Slider(
        id=name,
        value=parameter.value,
        min=parameter.min if parameter.min is not None else 0,
        max=parameter.max if parameter.max is not None else 100,
        step=parameter.step or 1,
        marks=marks,
        mb=18 if marks else 0,
        mx=6,
        **{**kept, "size": "sm"},
    )
