"""Puts the page together."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from dash import Dash, set_props
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from tomobeam_common import logs
from tomobeam_contracts.destinations import RECONS, RESULTS
from tomobeam_webapp import annotate, health, ids, layout, viewer
from tomobeam_webapp.auth import gate, headers, sessions
from tomobeam_webapp.auth import routes as auth_routes
from tomobeam_webapp.context import Context, create_tables
from tomobeam_webapp.jobs import list_panel, start_panel
from tomobeam_webapp.jobs.feed import JobFeed, Looking
from tomobeam_webapp.jobs.prefect_api import PrefectApi
from tomobeam_webapp.live import events
from tomobeam_webapp.live.mirror import Mirror
from tomobeam_webapp.live.tree import TreeFeed
from tomobeam_webapp.live.watch import Watch
from tomobeam_webapp.recons import model as recons_model
from tomobeam_webapp.recons import panel as recons_panel
from tomobeam_webapp.results import model as results_model
from tomobeam_webapp.results import panel as results_panel
from tomobeam_webapp.settings import WebSettings

_log = logs.get(__name__)
WATCH = "tomobeam_watch"
LARGEST_REQUEST = 64 << 20
_OPEN = auth_routes.OPEN_ENDPOINTS | health.OPEN_ENDPOINTS


def create_app(settings: WebSettings) -> Dash:
    """The page, answering but not watching: `watch_of(app).start()` in the serving process.

    Raises:
        OSError: the folder of the state cannot be used.
    """
    context = Context.open(settings)
    create_tables(context.engine, settings)
    sessions.forget_idle(context.engine, settings.webapp_session_hours * 3600)
    server: Any = Flask("tomobeam_webapp", static_folder=None)
    server.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    gate.install(server, context, _OPEN)
    app = Dash(
        "tomobeam_webapp",
        server=server,
        assets_folder=str(Path(__file__).with_name("assets")),
        title=layout.PRODUCT,
        index_string=layout.INDEX,
        update_title="",
        on_error=_on_error,
        add_log_handler=False,
    )
    mirror = Mirror(context.engine)
    api = PrefectApi(settings)
    server.register_blueprint(auth_routes.blueprint(context))
    server.register_blueprint(events.blueprint(mirror, Looking(settings)))
    health.install(server, mirror)
    app.layout = layout.page
    layout.register(app)
    recons_panel.register(app, context, mirror)
    results_panel.register(app, context, mirror)
    start_panel.register(app, context, mirror, api)
    list_panel.register(app, mirror, api)
    viewer.register(app, context)
    annotate.register(app, context)
    headers.install(server, app.csp_hashes(), behind_tls=settings.behind_tls)
    if settings.behind_tls:
        # Only then is there a front door that sets these.
        server.wsgi_app = ProxyFix(server.wsgi_app, x_for=1, x_proto=1, x_host=1)
    server.extensions[WATCH] = _watch(context, mirror, api)
    return app


def watch_of(app: Dash) -> Watch:
    """What keeps the page up to date."""
    return app.server.extensions[WATCH]


def _watch(context: Context, mirror: Mirror, api: PrefectApi) -> Watch:
    tree = partial(TreeFeed, context, mirror)
    return Watch(
        context.settings,
        [
            tree(RECONS, recons_model.describe).run,
            tree(RESULTS, results_model.describe).run,
            JobFeed(context.settings, api, mirror).run,
        ],
    )


def _on_error(error: Exception) -> Any:
    """A fault of ours in a callback: logged in full, said in a sentence."""
    _log.error("a callback failed", exc_info=error)
    note = {
        "action": "show",
        "title": "That did not work",
        "message": "Something in the page went wrong; it has been logged. Try once more.",
        "color": "red",
    }
    set_props(ids.NOTIFY, {"sendNotifications": [note]})
