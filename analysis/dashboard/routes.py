"""What the server answers besides the application: data as CSV, and headers that keep it apart.

The headers forbid the page to load from, or send to, any other host, whatever a study's text holds.
"""

from __future__ import annotations

import traceback
from typing import Any, Final

from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException

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

CALLBACKS: Final = "/_dash-update-component"
"""Where the page asks for what an address shows."""

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

    @server.errorhandler(Exception)
    def refuse(error: Exception) -> Any:
        if isinstance(error, HTTPException):  # those of callbacks that refuse a value among them
            return error
        if request.path != CALLBACKS or _is_own(error):
            raise error  # it is logged, and answered with 500
        return Response("The request is none that the page sends.\n", 400, mimetype="text/plain")

    @server.get("/data/<name>.csv")
    def data(name: str) -> Any:
        text = csv_of(watch, name, Address.of(request.query_string.decode("utf-8", "replace")))
        if text is None:
            return abort(404)
        response = Response(text, mimetype="text/csv")
        response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
        return response


def _is_own(error: Exception) -> bool:
    """Whether a fault is one of this package's code; else Dash made nothing of a request."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(str(frame.f_globals.get("__name__")).startswith("analysis.") for frame in frames)


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
