"""The left column: reconstructions, newest first, kept up to date."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, html, no_update
from dash.development.base_component import Component

from tomobeam_contracts.destinations import RECONS
from tomobeam_webapp import ids, wording
from tomobeam_webapp.context import Context
from tomobeam_webapp.live.mirror import FeedState, Mirror
from tomobeam_webapp.pieces import empty, notice, waiting
from tomobeam_webapp.recons.model import Recon, recons

SHOWN = 200
LIST, SEARCH, PROPOSAL, COUNT = "scan-list", "scan-search", "scan-proposal", "scan-count"
ITEM = "scan-item"
ALL_PROPOSALS = "*"


def panel() -> Component:
    """Search field and list; `register` fills it."""
    return html.Div(
        [
            html.Div([html.H2("Reconstructions"), html.Span(id=COUNT, className="quiet")]),
            dmc.TextInput(
                id=SEARCH,
                placeholder="Search name or proposal",
                size="xs",
                debounce=200,
                **{"aria-label": "Search reconstructions"},  # type: ignore[arg-type]
            ),
            dmc.Select(
                id=PROPOSAL,
                value=ALL_PROPOSALS,
                data=[],
                size="xs",
                allowDeselect=False,
                style={"display": "none"},
                **{"aria-label": "Proposal"},  # type: ignore[arg-type]
            ),
            html.Div(waiting("Looking for reconstructions …"), id=LIST, className="scan-list"),
        ],
        className="column scans",
    )


def register(app: Dash, context: Context, mirror: Mirror) -> None:
    """The callbacks of the list."""

    @app.callback(
        Output(LIST, "children"),
        Output(COUNT, "children"),
        Output(PROPOSAL, "data"),
        Output(PROPOSAL, "style"),
        Input(ids.RECONS_VERSION, "data"),
        Input(SEARCH, "value"),
        Input(PROPOSAL, "value"),
        Input(ids.IMAGE, "data"),
    )
    def show(_version: Any, search: str | None, proposal: str, image: dict[str, Any] | None) -> Any:
        everything = recons(mirror)
        words = (search or "").lower().split()
        found = [
            recon
            for recon in everything
            if recon.matches(words) and proposal in (ALL_PROPOSALS, recon.proposal)
        ]
        proposals = sorted({recon.proposal for recon in everything if recon.proposal})
        choices = [{"value": ALL_PROPOSALS, "label": "All proposals"}]
        choices += [{"value": p, "label": p} for p in proposals]
        style = {} if len(proposals) > 1 else {"display": "none"}
        count = str(len(everything)) if everything else ""
        if len(found) < len(everything):
            count = f"{len(found)} of {len(everything)}"
        state = mirror.state(RECONS)
        chosen = image["path"] if image else None
        return _list(found, everything, state, search, chosen), count, choices, style

    @app.callback(
        Output(ids.URL, "search"),
        Input({"type": ITEM, "path": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    def choose(clicks: list[int | None]) -> Any:
        if not ctx.triggered_id or not any(clicks):
            return no_update
        return "?" + urlencode({"image": ctx.triggered_id["path"]}, safe="/")

    @app.callback(
        Output(ids.IMAGE, "data"),
        Output(ids.NOTIFY, "sendNotifications", allow_duplicate=True),
        Input(ids.URL, "search"),
        Input(ids.RECONS_VERSION, "data"),
        State(ids.IMAGE, "data"),
        prevent_initial_call="initial_duplicate",
    )
    def open_image(search: str | None, _version: Any, image: dict[str, Any] | None) -> Any:
        path = parse_qs((search or "").removeprefix("?")).get("image", [None])[0]
        if path is None:
            return (None if image else no_update), no_update
        found = next((r for r in recons(mirror) if r.path == path), None)
        if found is None:
            loaded = mirror.state(RECONS).loaded and ctx.triggered_id != ids.RECONS_VERSION
            return (None if image else no_update), notice(*_gone(path)) if loaded else no_update
        store = found.store(context.settings.tiled_url)
        return (no_update if store == image else store), no_update


def _list(
    found: list[Recon],
    everything: list[Recon],
    state: FeedState,
    search: str | None,
    chosen: str | None,
) -> list[Component] | Component:
    if not everything:
        if state.fault:
            return empty(state.fault)
        if not state.loaded:
            return waiting("Looking for reconstructions …")
        return empty(
            "No reconstruction has arrived yet.", "It appears here by itself as soon as one does."
        )
    if not found:
        return empty(f"Nothing matches “{search}”." if search else "Nothing in this proposal.")
    items: list[Component] = [_item(recon, chosen) for recon in found[:SHOWN]]
    if len(found) > SHOWN:
        items.append(empty(f"{len(found) - SHOWN} older ones are not shown: search for a name."))
    return items


def _item(recon: Recon, chosen: str | None) -> Component:
    details = " · ".join(filter(None, (wording.size(recon.shape), recon.proposal)))
    active = recon.path == chosen
    return html.Button(
        [
            html.Span(recon.title, className="name"),
            html.Span(wording.when(recon.ingested_at), className="when"),
            html.Span(details, className="details"),
        ],
        id={"type": ITEM, "path": recon.path},
        className="scan active" if active else "scan",
        title=recon.title,
        **{"aria-current": "true" if active else "false"},  # type: ignore[arg-type]
    )


def _gone(path: str) -> tuple[str, str]:
    return (
        "This reconstruction is not there",
        f"{path} is not in the image store (any more). Choose another one.",
    )
