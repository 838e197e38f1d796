"""What the server answers besides the application: data as CSV, and headers that keep it apart.

The headers forbid the page to load from, or send to, any other host, whatever a study's text holds.
"""

from __future__ import annotations

from typing import Any, Final

from flask import Flask, Response, abort, request

from analysis.dashboard.address import Address
from analysis.dashboard.pages import PANELS
from analysis.dashboard.plots import as_csv, panel_table
from analysis.dashboard.watch import Watch

POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        # Dash starts from an inline script; Plotly's WebGL compiles its shaders' code.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def add_routes(server: Flask, watch: Watch) -> None:
    """Add `/data/<name>.csv` and the headers of every answer to a Flask application."""

    @server.after_request
    def harden(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @server.get("/data/<name>.csv")
    def data(name: str) -> Any:
        text = csv_of(watch, name, Address.of(request.query_string.decode("utf-8", "replace")))
        if text is None:
            return abort(404)
        response = Response(text, mimetype="text/csv")
        response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
        return response


def csv_of(watch: Watch, name: str, address: Address) -> str | None:
    """Return a panel's data at an address, or the trials it lets through; None for no such name."""
    snapshot = watch.snapshot
    if name == "trials":
        return as_csv(snapshot.chosen(address))
    if name not in PANELS:
        return None
    panel = PANELS[name]
    table, _ = panel_table(panel, snapshot, panel.address(address))
    return as_csv(table.frame)
