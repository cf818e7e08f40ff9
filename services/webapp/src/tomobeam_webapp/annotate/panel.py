"""The panel of classes, drawing tools and shapes beside the picture."""

from __future__ import annotations

from dash import ClientsideFunction, Dash, Input, Output
from dash.development.base_component import Component

from tomobeam_webapp import ids
from tomobeam_webapp.annotate.routes import blueprint
from tomobeam_webapp.context import Context
from tomobeam_webapp.viewer.component import AnnotationPanel

PANEL = "annotation-panel"


def annotation_panel() -> Component:
    """Classes, tools, the list of shapes, undo and redo, and the button that saves the mask."""
    return AnnotationPanel(id=PANEL)


def register(app: Dash, context: Context) -> None:
    """Add the routes and hand classes and the saved mask to the stores."""
    app.server.register_blueprint(blueprint(context))
    passed_on = ClientsideFunction(namespace="tomobeam_viewer", function_name="pass")
    app.clientside_callback(
        passed_on, Output(ids.CLASSES, "data"), Input(PANEL, "classes"), prevent_initial_call=True
    )
    app.clientside_callback(
        passed_on, Output(ids.MASK, "data"), Input(PANEL, "mask"), prevent_initial_call=True
    )
