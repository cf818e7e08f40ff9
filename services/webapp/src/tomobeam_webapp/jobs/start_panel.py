"""The right column's form: choose an algorithm, train it, segment with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dash_mantine_components as dmc
import flask_login
from dash import ALL, Dash, Input, Output, State, ctx, html
from dash.development.base_component import Component

from tomobeam_common import logs
from tomobeam_contracts.registry import Algorithm, Registry, RegistryError
from tomobeam_webapp import ids, wording
from tomobeam_webapp.context import Context
from tomobeam_webapp.jobs import form, launch
from tomobeam_webapp.jobs.feed import JOBS, jobs
from tomobeam_webapp.jobs.launch import CannotStart, Model, Request, Target
from tomobeam_webapp.jobs.model import read_job
from tomobeam_webapp.jobs.prefect_api import JobServiceError, PrefectApi
from tomobeam_webapp.live.mirror import Mirror
from tomobeam_webapp.pieces import notice

_log = logs.get(__name__)
ALGORITHM, ABOUT, FORM, JOB_NAME = "algorithm", "algorithm-about", "algorithm-form", "job-name"
TRAIN, TRAIN_NOTE = "train", "train-note"
MODEL, SCOPE, SEGMENT, SEGMENT_NOTE = "model", "scope", "segment", "segment-note"
ANNOTATED, EVERY = "annotated", "all"
LONGEST_NAME = 60

_FIELDS = (
    State({"type": form.FIELD, "algorithm": ALL, "key": ALL, "coded": ALL}, "value"),
    State({"type": form.SWITCH, "algorithm": ALL, "key": ALL}, "checked"),
)


def panel() -> Component:
    """Form and buttons; `register` fills it."""
    return html.Div(
        [
            dmc.Select(
                id=ALGORITHM, label="Algorithm", data=[], size="xs", allowDeselect=False,
                persistence=True, persistence_type="local",
            ),
            html.Div(id=ABOUT, className="quiet about"),
            html.Div(id=FORM),
            dmc.TextInput(
                id=JOB_NAME, label="Name of the job", placeholder="the algorithm's name",
                size="xs",
            ),
            dmc.Button(
                "Train on the saved mask", id=TRAIN, size="sm", fullWidth=True, disabled=True
            ),
            html.P(id=TRAIN_NOTE, className="note"),
            html.Hr(),
            dmc.Select(
                id=MODEL, label="Trained model", data=[], size="xs", allowDeselect=False,
                placeholder="No training has finished yet",
            ),
            dmc.SegmentedControl(
                id=SCOPE, value=ANNOTATED, fullWidth=True, size="xs",
                data=[
                    {"value": ANNOTATED, "label": "Marked slices"},
                    {"value": EVERY, "label": "All slices"},
                ],
            ),
            dmc.Button(
                "Segment", id=SEGMENT, size="sm", fullWidth=True, disabled=True, variant="light"
            ),
            html.P(id=SEGMENT_NOTE, className="note"),
        ],
        className="stack",
    )  # fmt: skip


def register(app: Dash, context: Context, mirror: Mirror, api: PrefectApi) -> None:
    """The callbacks of the form."""
    _register_form(app, context)
    _register_readiness(app, mirror)
    starter = Starter(context, mirror, api)

    @app.callback(
        Output({"type": form.FRAME, "algorithm": ALL, "key": ALL}, "error"),
        Output(ids.NOTIFY, "sendNotifications", allow_duplicate=True),
        Input(TRAIN, "n_clicks"),
        Input(SEGMENT, "n_clicks"),
        State(ids.IMAGE, "data"),
        State(ids.MASK, "data"),
        State(ALGORITHM, "value"),
        State(JOB_NAME, "value"),
        State(MODEL, "value"),
        State(SCOPE, "value"),
        *_FIELDS,
        prevent_initial_call=True,
    )
    def start(  # noqa: PLR0917 - as Dash passes them
        _t: Any, _s: Any, image: Any, mask: Any, name: str, job: str | None, model: str | None,
        scope: str, _fields: Any, _switches: Any,
    ) -> Any:  # fmt: skip
        frames: list[Any] = ctx.outputs_list[0]
        wrong: dict[str, str] = {}
        try:
            if ctx.triggered_id == TRAIN:
                values = _values()
                algorithm = starter.algorithm(name)
                wrong = form.faults(algorithm, values)
                if wrong:
                    raise CannotStart("Some settings are wrong. They are marked.")
                words = starter.train(image, mask, algorithm, values, job)
            else:
                marked = mask if scope == ANNOTATED else None
                own = Own(name, _values())
                words = starter.segment(image, marked, scope, model, own)
        except (CannotStart, JobServiceError, RegistryError) as error:
            note = notice("Not started", str(error))
        else:
            note = notice("Started", words, good=True)
        return [wrong.get(frame["id"]["key"]) for frame in frames], note


@dataclass(frozen=True)
class Own:
    """What the form shows now: an algorithm and its values."""

    algorithm: str
    values: dict[str, Any]


class Starter:
    """Starts jobs for the signed-in scientist."""

    def __init__(self, context: Context, mirror: Mirror, api: PrefectApi) -> None:
        self._context = context
        self._mirror = mirror
        self._api = api

    def algorithm(self, name: str) -> Algorithm:
        """The algorithm of that name, as the registry has it now."""
        return Registry.read(self._context.settings.registry).find(name)

    def train(
        self, image: Any, mask: Any, algorithm: Algorithm, values: dict[str, Any], job: str | None
    ) -> str:
        """Start a training and say so."""
        name = (job or "").strip()[:LONGEST_NAME] or algorithm.model_name
        target = self._target(image, mask)
        self._start(launch.train(target, algorithm, values, name, _now()))
        return f"The training of {algorithm.model_name} is on its way."

    def segment(self, image: Any, mask: Any, scope: str, model_id: str | None, own: Own) -> str:
        """Start a segmentation and say so."""
        model = next((m for m in launch.models(jobs(self._mirror)) if m.step.id == model_id), None)
        if model is None:
            raise CannotStart("Choose a trained model first.")
        target = self._target(image, mask)
        if scope == ANNOTATED and target.mask_path is None:
            raise CannotStart("No mask of this image is saved: choose all slices, or save one.")
        algorithm = self.algorithm(model.step.algorithm)
        values = own.values if own.algorithm == algorithm.model_name else {}
        self._start(launch.segment(target, algorithm, values, model, _now()))
        what = "all slices" if scope == EVERY else "the marked slices"
        return f"The segmentation of {what} is on its way."

    def _target(self, image: Any, mask: Any) -> Target:
        if not image:
            raise CannotStart("Choose a reconstruction first.")
        fits = mask and mask.get("image_path") == image["path"]
        return Target(
            tiled_url=self._context.settings.tiled_url,
            image_path=image["path"],
            mask_path=mask["path"] if fits else None,
            user=flask_login.current_user.id,
        )

    def _start(self, request: Request) -> None:
        run = self._api.start(request.name, request.parameters, request.tags)
        _log.info("job started", user=flask_login.current_user.id, run=run["id"])
        # Shown at once; the feed keeps it up to date from here.
        if job := read_job(run):
            self._mirror.put(JOBS, job.id, job.model_dump(mode="json"))


def _register_form(app: Dash, context: Context) -> None:
    @app.callback(
        Output(ALGORITHM, "data"),
        Output(ALGORITHM, "value"),
        Output(ALGORITHM, "error"),
        Input(ids.URL, "pathname"),
        State(ALGORITHM, "value"),
    )
    def offer(_path: Any, chosen: str | None) -> Any:
        try:
            offered = Registry.read(context.settings.registry).contents
        except RegistryError as error:
            _log.error("the registry cannot be read", reason=str(error))
            return [], None, "The list of algorithms cannot be read. The operator can put it right."
        names = [a.model_name for a in offered]
        keep = chosen if chosen in names else next(iter(names), None)
        return form.choices(offered), keep, None

    @app.callback(Output(ABOUT, "children"), Output(FORM, "children"), Input(ALGORITHM, "value"))
    def show(name: str | None) -> Any:
        if name is None:
            return None, None
        try:
            algorithm = Registry.read(context.settings.registry).find(name)
        except RegistryError as error:
            _log.error("the registry cannot be read", reason=str(error))
            return "This algorithm is no longer offered.", None
        return form.about(algorithm), form.build(algorithm)


def _register_readiness(app: Dash, mirror: Mirror) -> None:
    @app.callback(
        Output(MODEL, "data"),
        Output(MODEL, "value"),
        Input(ids.JOBS_VERSION, "data"),
        Input(ids.IMAGE, "data"),
        State(MODEL, "value"),
        State(MODEL, "data"),
    )
    def offer_models(_version: Any, image: Any, chosen: str | None, offered: Any) -> Any:
        found = launch.models(jobs(mirror))
        path = image["path"] if image else None
        here = [_model(m) for m in found if m.step.image_path == path]
        elsewhere = [_model(m) for m in found if m.step.image_path != path]
        groups = [("This image", here), ("Other images", elsewhere)]
        data = [{"group": name, "items": items} for name, items in groups if items]
        known = {item["value"] for group in offered or [] for item in group["items"]}
        values = [item["value"] for item in here + elsewhere]
        if here and here[0]["value"] not in known:
            return data, here[0]["value"]
        return data, chosen if chosen in values else next(iter(values), None)

    @app.callback(
        Output(TRAIN, "disabled"),
        Output(TRAIN_NOTE, "children"),
        Output(SEGMENT, "disabled"),
        Output(SEGMENT_NOTE, "children"),
        Input(ids.IMAGE, "data"),
        Input(ids.MASK, "data"),
        Input(MODEL, "value"),
        Input(SCOPE, "value"),
        Input(ALGORITHM, "value"),
        Input(ids.FAULTS, "data"),
    )
    def ready(  # noqa: PLR0917 - as Dash passes them
        image: Any, mask: Any, model: Any, scope: str, algorithm: Any, faults: Any
    ) -> Any:
        has_mask = bool(image and mask and mask.get("image_path") == image["path"])
        common = None
        if not image:
            common = "Choose a reconstruction first."
        elif (faults or {}).get("jobs"):
            common = "The job service does not answer: nothing can be started now."
        train = common
        if train is None and not algorithm:
            train = "No algorithm is offered."
        if train is None and not has_mask:
            train = "No mask of this image is saved yet: mark some pixels of each class, then save."
        segment = common
        if segment is None and not model:
            segment = "No training has finished yet."
        if segment is None and scope == ANNOTATED and not has_mask:
            segment = "No mask of this image is saved yet: choose all slices, or save one."
        return train is not None, train or "", segment is not None, segment or ""


def _values() -> dict[str, Any]:
    """The form's values. `states_list` has one list for each pattern, in their order."""
    fields, switches = ctx.states_list[-2:]
    return form.read([*fields, *switches])


def _model(model: Model) -> dict[str, str]:
    time = wording.when(model.step.ended)
    return {"value": model.step.id, "label": f"{model.job.title} · {time}"}


def _now() -> datetime:
    return datetime.now().astimezone()
