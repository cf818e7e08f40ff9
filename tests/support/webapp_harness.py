"""The viewer and the annotation panel alone, in front of a real Tiled, without the page's login.

The cookie `who` names the user (`alice` where it is absent); `nobody` is answered as an ended
session is.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Self

import dash_mantine_components as dmc
import flask_login
from dash import Dash, dcc, html
from flask import Flask, jsonify, request
from werkzeug.serving import make_server

import tomobeam_webapp
from tomobeam_webapp import annotate, ids, viewer
from tomobeam_webapp.context import Context, create_tables
from tomobeam_webapp.settings import WebSettings

ENDED = "nobody"


class User(flask_login.UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


def make_app(
    context: Context, image: dict[str, Any] | None, overlay: dict[str, Any] | None
) -> Dash:
    """A page of the two panels that shows `image`."""
    server: Any = Flask("harness", static_folder=None)
    server.secret_key = "only for tests"
    manager = flask_login.LoginManager(server)
    manager.request_loader(lambda r: User(r.cookies.get("who", "alice")))

    @server.before_request
    def gate() -> Any:
        if request.cookies.get("who") == ENDED and request.path != "/":
            return jsonify({"error": "ended"}), 401
        return None

    assets = Path(tomobeam_webapp.__file__).with_name("assets")
    app = Dash("harness", server=server, assets_folder=str(assets), assets_ignore="^shell")
    stores = {ids.IMAGE: image, ids.OVERLAY: overlay, ids.MASK: None, ids.CLASSES: None}
    app.layout = dmc.MantineProvider(
        html.Div(
            [
                *(dcc.Store(id=name, data=data) for name, data in stores.items()),
                html.Div(viewer.viewer_panel(), style={"flex": 1, "minWidth": 0}),
                html.Div(annotate.annotation_panel(), style={"width": 320, "overflowY": "auto"}),
            ],
            style={"display": "flex", "height": "100vh", "gap": 8},
        ),
        forceColorScheme="dark",
    )
    viewer.register(app, context)
    annotate.register(app, context)
    return app


class Harness:
    """Serves the panels on a free port; `stop` and `start` keep the port and the state."""

    def __init__(
        self,
        tiled_url: str,
        key: str,
        state: Path,
        image: dict[str, Any] | None,
        overlay: dict[str, Any] | None = None,
    ) -> None:
        settings = WebSettings.load(
            tiled_url=tiled_url,
            tiled_api_key=key,
            prefect_api_url="http://127.0.0.1:9/api",
            prefect_auth="unused:unused",
            registry=state / "registry.json",
            webapp_state=state,
            webapp_secret_key="only for these tests",
        )
        self.context = Context.open(settings)
        create_tables(self.context.engine, settings)
        self._app = make_app(self.context, image, overlay)
        self._port = 0
        self.start()

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self._port, self._app.server, threaded=True)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self.context.tiled.close()
