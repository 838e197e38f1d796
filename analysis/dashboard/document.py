"""The document that the application stands in, and what every page has: bar, menu, states."""

from __future__ import annotations

from typing import Final

from dash import dcc, html

from analysis.dashboard import elements
from analysis.drawing import theme

_SCHEMES: Final[tuple[tuple[theme.Mode, str], ...]] = (
    ("light", "@media all"),
    ("dark", "@media (prefers-color-scheme: dark)"),
)

_PLOTLY: Final = "/_dash-component-suites/plotly/package_data/plotly.min.js"
"""Where Dash serves Plotly's script, and asks for it unless it is there."""


def index() -> str:
    """Return the document around the application, with the theme's colours as CSS variables.

    It fetches Plotly at once, as that is largest; Dash asks for it, and runs it, at the first
    figure, while the server makes what is to be drawn.
    """
    css = "".join(
        f"{at}{{:root{{color-scheme:{mode};{_variables(mode)}}}}}" for mode, at in _SCHEMES
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head>{{%metas%}}<title>{{%title%}}</title>{{%favicon%}}{{%css%}}
<style>{css}</style><link rel="preload" as="script" href="{_PLOTLY}"></head>
<body>{{%app_entry%}}<footer>{{%config%}}{{%scripts%}}{{%renderer%}}</footer></body></html>"""


def _variables(mode: theme.Mode) -> str:
    scheme = theme.SCHEMES[mode]
    link = {"light": "#0b5cad", "dark": "#7cb8ff"}[mode]
    return (
        f"--paper:{scheme.paper};--ink:{scheme.ink};--faint:{scheme.faint};--grid:{scheme.grid};"
        f"--raised:{'#f5f6f8' if mode == 'light' else scheme.hover};--link:{link};"
        f"--font:{theme.FONT}"
    )


def layout(version: str, poll_ms: int) -> html.Div:
    """Return the layout of every page, still without data; `version` is that of the folders."""
    templates = {mode: theme.template(mode).to_plotly_json() for mode in theme.MODES}
    return html.Div(
        [
            dcc.Location(id="address", refresh=False),
            dcc.Store(id="version", data=version),
            dcc.Store(id="scheme"),
            dcc.Store(id="templates", data=templates),
            dcc.Interval(id="tick", interval=poll_ms),
            html.A("Skip to the content", href="#page", className="skip"),
            html.Header(
                [
                    html.P(id="studies", className="studies"),
                    html.P(id="running", className="running", role="status"),
                    html.Nav(id="menu", **elements.aria(label="Pages")),
                ]
            ),
            elements.filter_bar(),
            html.P(id="said", className="said", role="status"),
            html.Div(id="warnings", role="status"),
            html.Main(id="page", tabIndex=-1),
        ]
    )
