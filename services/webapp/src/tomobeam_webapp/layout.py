"""The page: header, list on the left, the picture, the work on the right."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
import flask_login
from dash import ClientsideFunction, Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from tomobeam_webapp import ids
from tomobeam_webapp.annotate import annotation_panel
from tomobeam_webapp.jobs import list_panel, start_panel
from tomobeam_webapp.recons import panel as recons_panel
from tomobeam_webapp.results import panel as results_panel
from tomobeam_webapp.viewer import viewer_panel

PRODUCT = "tomobeam"
IMAGE_TITLE, STATES, BANNER, USER, SIGN_OUT = "image-title", "states", "banner", "user", "sign-out"
# Dash's own asks for /favicon.ico, which the browser then asks for without a session too.
INDEX = """<!doctype html>
<html lang="en">
<head>
{%metas%}
<title>{%title%}</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='3' fill='%23101214'/%3E%3Ccircle cx='8' cy='8' r='5' fill='none' stroke='%233bc9db' stroke-width='2'/%3E%3Ccircle cx='8' cy='8' r='1.6' fill='%233bc9db'/%3E%3C/svg%3E">
{%css%}
</head>
<body>
{%app_entry%}
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>"""  # noqa: E501 - one address
_SECTIONS = (
    ("mark", "Mark", annotation_panel),
    ("learn", "Train and segment", start_panel.panel),
    ("result", "Result", results_panel.panel),
)
_THEME: Any = {
    "primaryColor": "cyan",
    "primaryShade": 6,
    "defaultRadius": "sm",
    "fontFamily": 'system-ui, "Segoe UI", "DejaVu Sans", sans-serif',
}


def page() -> Component:
    """The whole page for the signed-in scientist."""
    return dmc.MantineProvider(
        html.Div(
            [
                *_stores(),
                _header(),
                html.Div(id=BANNER, className="banner", role="status"),
                html.Main(
                    [
                        html.Nav(recons_panel.panel(), **_label("Reconstructions")),
                        html.Section(viewer_panel(), className="picture", **_label("Image")),
                        html.Aside([_work(), list_panel.panel()], **_label("Work")),
                    ]
                ),
                dmc.NotificationContainer(id=ids.NOTIFY, position="bottom-left", zIndex=500),
            ],
            id="page",
        ),
        forceColorScheme="dark",
        theme=_THEME,
    )


def register(app: Dash) -> None:
    """The callbacks of the header; all of them run in the browser."""

    def run_in_browser(function: str, output: Output, source: Input, **options: Any) -> None:
        function_ref = ClientsideFunction(namespace="shell", function_name=function)
        app.clientside_callback(function_ref, output, source, **options)

    run_in_browser(
        "title",
        Output(IMAGE_TITLE, "children"),
        Input(ids.IMAGE, "data"),
        prevent_initial_call=True,
    )
    run_in_browser("states", Output(STATES, "children"), Input(ids.FAULTS, "data"))
    run_in_browser("banner", Output(BANNER, "children"), Input(ids.FAULTS, "data"))
    run_in_browser(
        "signOut", Output(SIGN_OUT, "disabled"), Input(SIGN_OUT, "n_clicks"),
        prevent_initial_call=True,
    )  # fmt: skip


def _stores() -> list[Component]:
    names = (
        ids.IMAGE,
        ids.MASK,
        ids.OVERLAY,
        ids.CLASSES,
        ids.RECONS_VERSION,
        ids.RESULTS_VERSION,
        ids.JOBS_VERSION,
        ids.FAULTS,
    )
    return [dcc.Location(id=ids.URL, refresh=False), *(dcc.Store(id=name) for name in names)]


def _header() -> Component:
    name = getattr(flask_login.current_user, "id", "")
    menu = dmc.Menu(
        [
            dmc.MenuTarget(
                dmc.Button(name, id=USER, size="compact-sm", variant="subtle", color="gray")
            ),
            dmc.MenuDropdown(dmc.MenuItem("Sign out", id=SIGN_OUT)),
        ],
        zIndex=400,
        position="bottom-end",
    )
    return html.Header(
        [
            html.H1(PRODUCT),
            html.Div("No reconstruction chosen", id=IMAGE_TITLE, className="image-title"),
            html.Div(id=STATES, className="states"),
            menu,
        ]
    )


def _work() -> Component:
    return html.Div(
        dmc.Accordion(
            [
                dmc.AccordionItem(
                    [
                        dmc.AccordionControl(html.H2(title)),
                        dmc.AccordionPanel(make()),
                    ],
                    value=key,
                )
                for key, title, make in _SECTIONS
            ],
            multiple=True,
            value=[key for key, _, _ in _SECTIONS],
            chevronSize=16,
            persistence=True,
            persistence_type="local",
            id="sections",
        ),
        className="column work",
    )


def _label(text: str) -> dict[str, Any]:
    return {"aria-label": text}
