"""Small pieces that several panels show."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component


def waiting(words: str) -> Component:
    """Something is on its way."""
    return html.Div([dmc.Loader(size="xs", type="dots"), html.Span(words)], className="empty")


def empty(words: str, more: str = "") -> Component:
    """There is nothing here, and what will change that."""
    lines = [html.P(words)]
    if more:
        lines.append(html.P(more, className="quiet"))
    return html.Div(lines, className="empty")


def notice(title: str, message: str, *, good: bool = False) -> list[dict[str, Any]]:
    """A note for `ids.NOTIFY`; bad news stays longer."""
    return [
        {
            "action": "show",
            "title": title,
            "message": message,
            "color": "teal" if good else "red",
            "autoClose": 5000 if good else 15000,
        }
    ]
