"""The list of jobs: state, progress, the last lines of the log, cancel."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
import flask_login
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from tomobeam_webapp import ids, wording
from tomobeam_webapp.jobs.feed import JOBS, jobs
from tomobeam_webapp.jobs.model import Job
from tomobeam_webapp.jobs.prefect_api import JobServiceError, PrefectApi
from tomobeam_webapp.live.mirror import Mirror
from tomobeam_webapp.pieces import empty, notice, waiting

LIST, MINE = "job-list", "jobs-mine"
OPEN_LOG, ASK_CANCEL = "job-log-open", "job-cancel-ask"
LOG, LOG_TEXT, LOG_JOB, LOG_TICK = "job-log", "job-log-text", "job-log-job", "job-log-tick"
CONFIRM, CONFIRM_TEXT, CONFIRM_JOB = "job-confirm", "job-confirm-text", "job-confirm-job"
CANCEL, KEEP = "job-cancel", "job-keep"
SHOWN = 40
LOG_LINES = 200
LOG_EVERY_MS = 1500
_COLORS = {
    "COMPLETED": "teal",
    "FAILED": "red",
    "CRASHED": "red",
    "RUNNING": "cyan",
    "CANCELLING": "yellow",
}
_TASKS = {"train": "Training", "inference": "Segmentation"}


def panel() -> Component:
    """The list with its two windows; `register` fills it."""
    return html.Div(
        [
            html.Div(
                [
                    html.H2("Jobs"),
                    dmc.Switch(id=MINE, label="All mine", size="xs", persistence=True),
                ],
                className="row between",
            ),
            html.Div(waiting("Looking for jobs …"), id=LIST, className="job-list"),
            dmc.Modal(
                html.Pre(id=LOG_TEXT, className="log", tabIndex=0),
                id=LOG, title="Log", size="xl", zIndex=400,
            ),
            dmc.Modal(
                [
                    html.P(id=CONFIRM_TEXT),
                    dmc.Group(
                        [
                            dmc.Button("Keep it running", id=KEEP, variant="default"),
                            dmc.Button("Cancel the job", id=CANCEL, color="red"),
                        ],
                        justify="flex-end",
                    ),
                ],
                id=CONFIRM, title="Cancel this job?", size="sm", zIndex=400,
            ),
            dcc.Store(id=LOG_JOB), dcc.Store(id=CONFIRM_JOB),
            dcc.Interval(id=LOG_TICK, interval=LOG_EVERY_MS, disabled=True),
        ],
        className="column jobs",
    )  # fmt: skip


def register(app: Dash, mirror: Mirror, api: PrefectApi) -> None:
    """The callbacks of the list."""

    @app.callback(
        Output(LIST, "children"),
        Input(ids.JOBS_VERSION, "data"),
        Input(ids.IMAGE, "data"),
        Input(MINE, "checked"),
    )
    def show(_version: Any, image: Any, mine: bool | None) -> Any:
        user = flask_login.current_user.id
        found = [
            job
            for job in jobs(mirror)
            if (job.user == user if mine or not image else job.image_path == image["path"])
        ]
        if found:
            return [_card(job, with_image=bool(mine or not image)) for job in found[:SHOWN]]
        state = mirror.state(JOBS)
        if not state.loaded:
            return empty(state.fault) if state.fault else waiting("Looking for jobs …")
        if mine or not image:
            return empty("No jobs yet.", "Trainings and segmentations that you start appear here.")
        return empty("No jobs of this image yet.")

    _register_log(app, mirror, api)
    _register_cancel(app, mirror, api)


def _register_log(app: Dash, mirror: Mirror, api: PrefectApi) -> None:
    @app.callback(
        Output(LOG, "opened"),
        Output(LOG_JOB, "data"),
        Output(LOG, "title"),
        Output(LOG_TEXT, "children", allow_duplicate=True),
        Input({"type": OPEN_LOG, "job": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    def open_log(clicks: list[int | None]) -> Any:
        if not ctx.triggered_id or not any(clicks):
            return no_update, no_update, no_update, no_update
        job = _find(mirror, ctx.triggered_id["job"])
        title = f"{_TASKS[job.task]} · {job.title}" if job else "Log"
        return True, ctx.triggered_id["job"], title, "Reading …"

    @app.callback(
        Output(LOG_TEXT, "children"),
        Output(LOG_TICK, "disabled"),
        Input(LOG_JOB, "data"),
        Input(LOG_TICK, "n_intervals"),
        Input(LOG, "opened"),
        prevent_initial_call=True,
    )
    def read_log(job_id: str | None, _tick: Any, opened: bool) -> Any:
        if not opened or not job_id:
            return no_update, True
        job = _find(mirror, job_id)
        if job is None:
            return "This job is no longer kept.", True
        try:
            lines = api.log_tail([job.id, *(step.id for step in job.steps)], LOG_LINES)
        except JobServiceError as error:
            return str(error), False
        text = "\n".join(str(line["message"]) for line in lines)
        if job.is_final:
            return "\n\n".join(filter(None, (text, job.sentence))) or "It printed nothing.", True
        return text or "Nothing has been printed yet.", False


def _register_cancel(app: Dash, mirror: Mirror, api: PrefectApi) -> None:
    @app.callback(
        Output(CONFIRM, "opened", allow_duplicate=True),
        Output(CONFIRM_JOB, "data"),
        Output(CONFIRM_TEXT, "children"),
        Input({"type": ASK_CANCEL, "job": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    def ask(clicks: list[int | None]) -> Any:
        if not ctx.triggered_id or not any(clicks):
            return no_update, no_update, no_update
        job = _find(mirror, ctx.triggered_id["job"])
        name = f"{_TASKS[job.task]} “{job.title}”" if job else "This job"
        return True, ctx.triggered_id["job"], f"{name} ends and what it did so far is lost."

    @app.callback(
        Output(CONFIRM, "opened"),
        Output(ids.NOTIFY, "sendNotifications", allow_duplicate=True),
        Input(CANCEL, "n_clicks"),
        Input(KEEP, "n_clicks"),
        State(CONFIRM_JOB, "data"),
        prevent_initial_call=True,
    )
    def cancel(_cancel: Any, _keep: Any, job_id: str | None) -> Any:
        if ctx.triggered_id != CANCEL or not job_id:
            return False, no_update
        try:
            api.cancel(job_id)
        except JobServiceError as error:
            return False, notice("Not cancelled", str(error))
        if job := _find(mirror, job_id):
            job.state, job.state_name = "CANCELLING", "Cancelling"
            mirror.put(JOBS, job.id, job.model_dump(mode="json"))
        return False, no_update


def _find(mirror: Mirror, job_id: str) -> Job | None:
    body = mirror.entries(JOBS).get(job_id)
    return Job.model_validate(body) if body else None


def _card(job: Job, *, with_image: bool) -> Component:
    buttons: list[Component] = [_button("Log", OPEN_LOG, job)]
    if not job.is_final and job.state != "CANCELLING":
        buttons.append(_button("Cancel", ASK_CANCEL, job))
    badge = dmc.Badge(
        job.words,
        size="sm",
        variant="light",
        tt="none",
        color=_COLORS.get(job.state, "gray"),
        # The name gives way, not the state.
        style={"flexShrink": 0},
    )
    name = html.Span([html.B(_TASKS[job.task]), f" {job.title}"], className="name", title=job.name)
    facts = html.Span(" · ".join(_facts(job, with_image=with_image)), className="details")
    return html.Div(
        [
            html.Div([name, badge], className="row between"),
            html.Div([facts, html.Div(buttons, className="row tight")], className="row between"),
            _bar(job),
            html.P(job.sentence, className="note") if job.sentence else None,
        ],
        className="job",
    )


def _facts(job: Job, *, with_image: bool) -> list[str]:
    facts = [job.algorithm] if job.algorithm != job.title else []
    if job.task == "inference":
        facts.append("marked slices" if job.annotated_only else "all slices")
    if with_image:
        facts.append(job.image_path.rpartition("/")[2])
    facts.append(wording.when(job.created))
    if job.is_final and job.started:
        facts.append(wording.took(job.started, job.ended))
    return facts


def _bar(job: Job) -> Component | None:
    if job.is_final or job.state == "SCHEDULED":
        return None
    begun = job.percent is not None
    return html.Div(
        [
            dmc.Progress(
                value=job.percent if begun else 100,
                size="sm",
                striped=not begun,
                animated=not begun,
                **{"aria-label": "Progress"},  # type: ignore[arg-type]
            ),
            html.Span(job.progress_words, className="quiet"),
        ]
    )


def _button(words: str, kind: str, job: Job) -> Component:
    return dmc.Button(
        words, id={"type": kind, "job": job.id}, size="compact-xs", variant="subtle", color="gray"
    )
