"""The picture: views of slices from Tiled, and the canvas that draws them."""

from __future__ import annotations

from dash import ClientsideFunction, Dash, Input, Output
from dash.development.base_component import Component

from tomobeam_webapp import ids
from tomobeam_webapp.context import Context
from tomobeam_webapp.viewer.component import SliceView
from tomobeam_webapp.viewer.routes import blueprint

VIEW = "slice-view"

__all__ = ["register", "viewer_panel"]


def viewer_panel() -> Component:
    """The canvas with its toolbar and slice slider; fills the room it is given."""
    return SliceView(id=VIEW)


def register(app: Dash, context: Context) -> None:
    """Add the pixel routes and hand the chosen image and overlay to the canvas."""
    app.server.register_blueprint(blueprint(context))
    passed_on = ClientsideFunction(namespace="tomobeam_viewer", function_name="pass")
    app.clientside_callback(passed_on, Output(VIEW, "image"), Input(ids.IMAGE, "data"))
    app.clientside_callback(passed_on, Output(VIEW, "overlay"), Input(ids.OVERLAY, "data"))
