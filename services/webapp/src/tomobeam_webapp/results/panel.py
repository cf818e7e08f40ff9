"""Which segmentation lies over the image, and how strongly."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, html, no_update
from dash.development.base_component import Component

from tomobeam_contracts.destinations import RESULTS
from tomobeam_webapp import ids, wording
from tomobeam_webapp.context import Context
from tomobeam_webapp.jobs.feed import jobs
from tomobeam_webapp.jobs.model import Job
from tomobeam_webapp.live.mirror import Mirror
from tomobeam_webapp.pieces import empty
from tomobeam_webapp.results.model import Result, overlay, results_of

CHOICE, OPACITY, VISIBLE, NOTES = (
    "result-choice",
    "result-opacity",
    "result-visible",
    "result-notes",
)
CONTROLS = "result-controls"
NOTHING = ""
DEFAULT_OPACITY = 45


def panel() -> Component:
    """Choice, visibility and opacity; `register` fills it."""
    return html.Div(
        [
            html.Div(id=NOTES),
            html.Div(
                [
                    dmc.Select(
                        id=CHOICE,
                        label="Shown over the image",
                        data=[],
                        value=NOTHING,
                        size="xs",
                        allowDeselect=False,
                        maxDropdownHeight=260,
                    ),
                    html.Div(
                        [
                            dmc.Switch(id=VISIBLE, label="Show", checked=True, size="xs"),
                            dmc.Slider(
                                id=OPACITY,
                                value=DEFAULT_OPACITY,
                                min=0,
                                max=100,
                                step=5,
                                size="sm",
                                updatemode="drag",
                                className="grow",
                                persistence=True,
                                persistence_type="local",
                                **{"aria-label": "Opacity of the result"},  # type: ignore[arg-type]
                            ),
                        ],
                        className="row",
                    ),
                ],
                id=CONTROLS,
                style={"display": "none"},
                className="stack",
            ),
        ],
        className="stack",
    )


def register(app: Dash, _context: Context, mirror: Mirror) -> None:
    """The callbacks of the results."""

    @app.callback(
        Output(CHOICE, "data"),
        Output(CHOICE, "value"),
        Output(NOTES, "children"),
        Output(CONTROLS, "style"),
        Input(ids.IMAGE, "data"),
        Input(ids.RESULTS_VERSION, "data"),
        Input(ids.JOBS_VERSION, "data"),
        State(CHOICE, "value"),
        State(CHOICE, "data"),
    )
    def offer(
        image: dict[str, Any] | None, _r: Any, _j: Any, chosen: str, offered: list[dict[str, str]]
    ) -> Any:
        if image is None:
            return [], NOTHING, empty("Choose a reconstruction first."), {"display": "none"}
        found = results_of(mirror, image["path"])
        owners = {step.id: job for job in jobs(mirror) for step in job.steps}
        done = [result for result in found if result.status == "complete"]
        notes = _notes(found, owners, mirror)
        if not done:
            return [], NOTHING, notes, {"display": "none"}
        data = [{"value": r.uid, "label": _label(r, owners.get(r.uid))} for r in done]
        data.append({"value": NOTHING, "label": "Nothing"})
        return data, _choice(data, offered, chosen), notes, {}

    @app.callback(
        Output(ids.OVERLAY, "data"),
        Input(CHOICE, "value"),
        Input(OPACITY, "value"),
        Input(VISIBLE, "checked"),
        Input(ids.IMAGE, "data"),
        Input(ids.RESULTS_VERSION, "data"),
        State(ids.OVERLAY, "data"),
    )
    def lay(
        uid: str, opacity: int, visible: bool, image: Any, _version: Any, shown: Any
    ) -> dict[str, Any] | Any | None:
        found = results_of(mirror, image["path"]) if image and uid else []
        result = next((r for r in found if r.uid == uid), None)
        wanted = overlay(result, opacity / 100, visible=visible) if result else None
        if wanted == shown and ctx.triggered_id is not None:
            return no_update
        return wanted


def _choice(data: list[dict[str, str]], offered: list[dict[str, str]], chosen: str) -> str:
    """The newest where it is new or nothing of this image is chosen; else what was chosen."""
    newest = data[0]["value"]
    known = {item["value"] for item in offered}
    if newest not in known:
        return newest
    return chosen if chosen in {item["value"] for item in data} else newest


def _label(result: Result, job: Job | None) -> str:
    where = wording.count(len(result.mask_idx), "slice") if result.mask_idx else "all slices"
    time = wording.when(job.ended or job.created) if job else ""
    title = job.title if job and job.title != result.algorithm else ""
    return " · ".join(filter(None, (time, title, result.algorithm, where)))


def _notes(found: list[Result], owners: dict[str, Job], mirror: Mirror) -> list[Component]:
    notes: list[Component] = []
    for result in found:
        job = owners.get(result.uid)
        if result.status == "running" and (job is None or not job.is_final):
            words = f" {job.progress}" if job and job.progress else ""
            notes.append(html.P(f"{result.algorithm} is being written.{words}", className="note"))
    state = mirror.state(RESULTS)
    if not found:
        if state.fault:
            return [empty("The results are not known while the image store does not answer.")]
        return [
            empty("No result yet.", "Save a mask, train, then segment: the result appears here.")
        ]
    return notes
