"""Serving the dashboard: the address in words, and a server of this machine's own by default."""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from analysis.dashboard.address import Address
from analysis.dashboard.app import make_app
from analysis.dashboard.pages import PAGES, page_of
from analysis.dashboard.plots import plot_of
from analysis.dashboard.watch import Watch

CALM_S: Final = 1.0
"""So long without a request, and nobody is waiting for a page."""

LOCAL_NAMES: Final = ["localhost", "127.0.0.1", "[::1]"]


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def address_in_words(host: str, port: int) -> list[str]:
    """Return where the dashboard is served, and what it means where others can reach it."""
    everywhere = host in ("0.0.0.0", "::", "")
    name = socket.gethostname() if everywhere else host
    shown = f"[{name}]" if ":" in name else name
    lines = [f"dashboard at http://{shown}:{port}/ (Ctrl-C ends it)"]
    if not is_loopback(host):
        lines.append(
            f"anyone who can reach port {port} of this machine can read the whole study: there is"
            " no login and no encryption; without --host only this machine can"
        )
    return lines


def serve(
    locations: Sequence[str],
    host: str,
    port: int,
    say: Callable[[str], object] = print,
    margin: float | None = None,
) -> None:
    """Serve the dashboard of study folders until interrupted.

    Port 0 takes a free one. `margin` is the difference that does not matter, in the unit shown.
    Raises OSError when the port or address cannot be had, and
    FileNotFoundError when none of the folders holds a study.
    """
    from werkzeug.serving import WSGIRequestHandler, make_server

    request = threading.Event()

    class Quiet(WSGIRequestHandler):
        def log_request(self, *args: Any, **kwargs: Any) -> None:
            """Say nothing of requests; errors are logged as ever."""
            request.set()

    watch = Watch(locations, margin, notable=is_loopback(host))
    if watch.snapshot.study is None:
        raise FileNotFoundError("; ".join(watch.snapshot.warnings))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host.strip("[]"), port), family=family) as listening:
        app = make_app(watch)
        if is_loopback(host):
            # A page of another site cannot read the study by pointing a name of its own here.
            app.server.config["TRUSTED_HOSTS"] = LOCAL_NAMES
        free_port = listening.getsockname()[1]
        server = make_server(
            host, free_port, app.server, threaded=True, request_handler=Quiet, fd=listening.fileno()
        )
        for warning in watch.snapshot.warnings:
            say(f"warning: {warning}")
        draw_beforehand(watch, ["/"])
        for line in address_in_words(host, free_port):
            say(line)
        others = [page.path for page in PAGES.values() if page.listed and page.path != "/"]
        threading.Thread(target=draw_beforehand, args=(watch, others, request), daemon=True).start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended")


def draw_beforehand(
    watch: Watch, paths: Sequence[str], request: threading.Event | None = None
) -> None:
    """Draw what pages show when nothing is filtered, so that they open at once.

    Between figures it waits until nobody has made a `request` for `CALM_S`: readers go first.
    """
    snapshot = watch.snapshot
    for path in paths:
        page = page_of(path)
        for panel in page.panels if page else ():
            while request is not None and request.wait(CALM_S):
                request.clear()
            if watch.snapshot is not snapshot or sys.is_finalizing():
                return
            plot_of(panel, snapshot, Address({}))
